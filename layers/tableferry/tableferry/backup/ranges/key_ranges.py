"""A table as ranges of its primary key.

Ranges of equal width would not do: of the keys 1, 2, 3 … and 2^63 one range would hold all, and between two texts nobody but
the server knows what there is. So a range is halved where its keys lie, as long as the server's estimate of its rows, from
two looks into the index, is too large. The server is asked for the first key from a value on that is about in the middle, in
the first of the key's columns that is not the same in all of the range: the bounds are keys that there are, found in the
server's own order. Small neighbours are put together again. Only where nearly every key is there, as a counter leaves them,
ranges of equal width are about equal.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from tableferry.backup.ranges.key_alphabet import Alphabet
from tableferry.backup.ranges.key_columns import KeyColumn, key_columns
from tableferry.backup.ranges.key_middles import middles
from tableferry.mysql.database import Connection, dialect
from tableferry.mysql.identifiers import quote
from tableferry.schema.key_range import Bound, Range, Value, only
from tableferry.schema.table import Table
from tableferry.schema.types import Family

_MOST_RANGES = 1000
_SPLITS_BESIDES = 64  # for keys so uneven that a half of them is hardly smaller
_ENOUGH = 1.5  # times what was asked for is not worth another split

Key = tuple[Value, ...]
Rows = Sequence[Sequence[object]]


@dataclass(frozen=True, slots=True, order=True)
class _Span:
    """A range that holds keys, the first and the last of them; ordered by ``less``, the negated estimate of its rows."""

    less: int
    place: str
    """Where it is among the others: those below it have a smaller place."""

    part: Range = field(compare=False)
    first: Key = field(compare=False)
    last: Key = field(compare=False)


def plan(connection: Connection, table: Table, range_bytes: int) -> list[Range]:
    """Ranges of about ``range_bytes`` each that together hold every key, whatever is written meanwhile.

    A table without a primary key, or whose key begins with a column that has no ranges, is one range, and so are all rows
    that are the same in the key's columns before such a one. A range may be any size: it is read in frames, so memory does
    not depend on it. Some statements are asked a range, each of which reads a few pages of the index; for numbers without
    many gaps, two in all.
    """
    return in_ranges(connection, table, min(table.bytes_estimate // range_bytes + 1, _MOST_RANGES))


def in_ranges(connection: Connection, table: Table, wanted: int) -> list[Range]:
    """About so many ranges of about as many rows each, as :func:`plan` has them."""
    columns = key_columns(table)
    if wanted < 2 or not columns:
        return [Range()]
    keys = _Keys(connection, table, columns)
    whole = keys.whole()
    if whole is None:
        return [Range()]
    rows = max(table.rows_estimate, -whole.less)
    first, last = whole.first[0], whole.last[0]
    if len(table.primary_key) == 1 and columns[0].family is Family.INTEGER:
        width = int(last) - int(first) + 1  # the keys that there could be, the most rows
        if rows * _ENOUGH >= width:
            return _between(_of_equal_width(int(first), width, wanted))
    spans = _halved(keys, whole, rows / wanted, 2 * wanted + _SPLITS_BESIDES)
    # A range's rows are mostly estimated at more than it has, up to twice as many: together they have what the table has.
    estimated = max(rows, sum(-span.less for span in spans))
    return _between(_joined(spans, estimated / wanted))


def in_key_order(table: Table) -> str:
    """What to ORDER BY: the primary key, which InnoDB stores rows by, so that it costs nothing."""
    return ", ".join(quote(name) for name in table.primary_key)


def _between(edges: Iterable[Bound]) -> list[Range]:
    return [Range(lower, upper) for lower, upper in pairwise([None, *edges, None])]


def _of_equal_width(first: int, width: int, wanted: int) -> list[int]:
    # A power of two, as halves of halves are: an odd one out would have one connection read alone at the end.
    count = 1 << (wanted - 1).bit_length()
    return sorted({first + width * number // count for number in range(count)})[1:]


def _halved(keys: _Keys, whole: _Span, target: float, splits: int) -> list[_Span]:
    """The largest span halved again and again, until none is much larger than ``target`` rows; in order."""
    heap = [whole]
    done: list[_Span] = []
    while heap and splits:
        if -heap[0].less <= max(1, target * _ENOUGH):
            break
        span = heapq.heappop(heap)
        splits -= 1
        if parts := keys.halves(span):
            for part in parts:
                heapq.heappush(heap, part)
        else:
            done.append(span)
    return sorted([*done, *heap], key=lambda span: span.place)


def _joined(spans: Sequence[_Span], target: float) -> Iterator[Bound]:
    """The bounds between spans, but for those of neighbours that together have no more rows than ``target``."""
    rows = 0
    for span in spans:
        rows -= span.less
        if rows > target and span.part.lower is not None:
            yield span.part.lower
            rows = -span.less


class _Keys:
    """What the server says of the keys in a range."""

    def __init__(self, connection: Connection, table: Table, columns: Sequence[KeyColumn]) -> None:
        self._connection = connection
        self._columns = columns
        self._of_integers = columns[0].family is Family.INTEGER
        self._alphabets = [Alphabet(column, self._ask) if column.collation else None for column in columns]
        self._key = [column.name for column in columns]
        self._codecs = [column.codec for column in columns]
        names = ", ".join(quote(name) for name in table.primary_key)
        selected = ", ".join(column.selected for column in columns)
        # MySQL makes no estimate for an index that it is forced to.
        self._estimated = f"{dialect(connection).explain} SELECT {names} FROM {table.sql} USE INDEX (PRIMARY) WHERE {{}} ORDER BY {names}"
        looked_up = f"SELECT {selected} FROM {table.sql} FORCE INDEX (PRIMARY){{}} ORDER BY "
        self._lowest = f"{looked_up}{names} LIMIT 1"
        self._highest = looked_up + ", ".join(f"{quote(name)} DESC" for name in table.primary_key) + " LIMIT 1"

    def whole(self) -> _Span | None:
        """All keys that there are; None for no keys."""
        found = self._ask(f"({self._lowest.format('')}) UNION ALL ({self._highest.format('')})")
        if not found:
            return None
        first, last = self._told(found[0]), self._told(found[-1])
        # Of all keys but this one, so that the estimate is of it.
        return _Span(-self._estimate(Range(first[:1])), "", Range(), first, last)

    def halves(self, span: _Span) -> list[_Span]:
        """A span as two, at a key about in the middle of its values; none where it cannot be."""
        column = self._first_unlike(span)
        if column is None:
            return []
        for middle in self._middles(column, span):
            found = self._look(self._lowest, span, column, f">= {middle}", f"> {self._sql(column, span.first)}")
            if found is None:
                continue
            # All rows of this value are from this key on, so that it will do without the columns behind.
            bound = self._bound(found[: column + 1])
            before = self._look(self._highest, span, column, f"< {self._sql(column, found)}")
            upper = self._span(span.place + "1", Range(bound, span.part.upper), found, span.last)
            if before is None:  # its keys are gone
                continue
            return [self._span(span.place + "0", Range(span.part.lower, bound), span.first, before), upper]
        return []

    def _first_unlike(self, span: _Span) -> int | None:
        """The first of the key's columns that has several values in a span."""
        for number, (first, last) in enumerate(zip(span.first, span.last, strict=True)):
            alphabet = self._alphabets[number]
            behind = number + 1 < len(self._columns)
            if first != last and not (alphabet and behind and alphabet.same(first, last)):
                return number
        return None

    def _middles(self, column: int, span: _Span) -> Iterator[str]:
        alphabet = self._alphabets[column]
        first, last = span.first[column], span.last[column]
        return alphabet.middles(first, last) if alphabet else middles(self._columns[column], first, last)

    def _look(self, which: str, span: _Span, column: int, *conditions: str) -> Key | None:
        """The key that meets the conditions on a column, among those that are the same as all of the span before it."""
        name = self._columns[column].sql
        where = [only(self._columns[before].sql, self._sql(before, span.first)) for before in range(column)]
        where += [f"{name} {condition}" for condition in conditions]
        where += [f"{name} >= {self._sql(column, span.first)}", f"{name} <= {self._sql(column, span.last)}"]
        found = self._ask(which.format(f" WHERE {' AND '.join(where)}"))
        return self._told(found[0]) if found else None

    def _span(self, place: str, part: Range, first: Key, last: Key) -> _Span:
        return _Span(-self._estimate(part), place, part, first, last)

    def _estimate(self, part: Range) -> int:
        names, [found] = self._run(self._estimated.format(part.where(self._key, self._codecs)))
        return int(str(found[names.index("rows")] or 0))

    def _sql(self, column: int, key: Key) -> str:
        return self._columns[column].literal(key[column])

    def _told(self, found: Sequence[object]) -> Key:
        return tuple(column.told(value) for column, value in zip(self._columns, found, strict=True))

    def _bound(self, values: Key) -> Bound:
        first = values[0]
        return first if len(values) == 1 and isinstance(first, int) and self._of_integers else values

    def _ask(self, sql: str) -> Rows:
        return self._run(sql)[1]

    def _run(self, sql: str) -> tuple[list[str], Rows]:
        with self._connection.cursor() as cursor:
            cursor.execute(sql)
            return [str(column[0]) for column in cursor.description], list(cursor.fetchall())
