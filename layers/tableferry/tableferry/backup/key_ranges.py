"""A table as ranges of its primary key.

Ranges of equal width would not do: of the keys 1, 2, 3 … and 2^63 one range would hold all. So a range is halved where
its keys lie, as long as the server's estimate of its rows, from two looks into the index, is too large. Only where nearly
every key is there, as a counter leaves them, ranges of equal width are about equal.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

from tableferry.mysql.database import Connection, dialect
from tableferry.mysql.identifiers import quote
from tableferry.schema.key_range import Range
from tableferry.schema.table import Table
from tableferry.schema.types import INTEGER_BITS

_MOST_RANGES = 1000
_SPLITS_BESIDES = 64  # for keys so uneven that a half of them is hardly smaller
_ENOUGH = 1.5  # times what was asked for is not worth another split


@dataclass(frozen=True, slots=True, order=True)
class _Span:
    """Keys that there are, the first and the last of them; ordered by ``less``, the negated estimate of their rows."""

    less: int
    first: int
    last: int

    @property
    def width(self) -> int:
        """The keys that there could be; where the key is one column, the most rows."""
        return self.last - self.first + 1


def plan(connection: Connection, table: Table, range_bytes: int) -> list[Range]:
    """Ranges of about ``range_bytes`` each that together hold every key, whatever is written meanwhile.

    A table whose key does not begin with an integer is one range, and so are all rows of one value of it. A range may be
    any size: it is read in frames, so memory does not depend on it. At most four statements are asked a range, each of
    which reads a few pages of the index; for keys without many gaps, two in all.
    """
    wanted = min(table.bytes_estimate // range_bytes + 1, _MOST_RANGES)
    column = table.column(table.primary_key[0]) if table.primary_key else None
    if wanted < 2 or column is None or column.data_type not in INTEGER_BITS:
        return [Range()]
    keys = _Keys(connection, table, quote(column.name))
    whole = keys.span(Range())
    if whole is None:
        return [Range()]
    rows = max(table.rows_estimate, -whole.less)
    if len(table.primary_key) == 1 and rows * _ENOUGH >= whole.width:
        edges = _of_equal_width(whole, wanted)
    else:
        edges = sorted(span.first for span in _halved(keys, whole, rows / wanted, 2 * wanted + _SPLITS_BESIDES))[1:]
    return [Range(lower, upper) for lower, upper in zip([None, *edges], [*edges, None], strict=True)]


def _of_equal_width(whole: _Span, wanted: int) -> list[int]:
    # A power of two, as halves of halves are: an odd one out would have one connection read alone at the end.
    count = 1 << (wanted - 1).bit_length()
    edges = {whole.first + whole.width * number // count for number in range(count)}
    return sorted(edges)[1:]


def in_key_order(table: Table) -> str:
    """What to ORDER BY: the primary key, which InnoDB stores rows by, so that it costs nothing."""
    return ", ".join(quote(name) for name in table.primary_key)


def _halved(keys: _Keys, whole: _Span, target: float, splits: int) -> list[_Span]:
    """The largest span halved again and again, until none is much larger than ``target`` rows."""
    heap = [whole]
    small: list[_Span] = []
    while heap and splits:
        span = heapq.heappop(heap)
        if -span.less <= max(1, target * _ENOUGH):
            return [*small, span, *heap]
        if span.first == span.last:
            small.append(span)
            continue
        middle = (span.first + span.last) // 2 + 1
        splits -= 1
        for part in (Range(span.first, middle), Range(middle, span.last + 1)):
            if (found := keys.span(part)) is not None:
                heapq.heappush(heap, found)
    return [*small, *heap]


class _Keys:
    """What the server says of the keys in a range."""

    def __init__(self, connection: Connection, table: Table, key: str) -> None:
        self._connection = connection
        self._table = table
        self._key = key
        self._explain = dialect(connection).explain

    def span(self, part: Range) -> _Span | None:
        """The keys that there are in a range, about how many rows they have; None for no keys."""
        where = part.where(self._table.primary_key)
        where = f" WHERE {where}" if where else ""
        [found] = self._ask(f"SELECT MIN({self._key}) least, MAX({self._key}) most FROM {self._table.sql}{where}")
        if found["least"] is None:
            return None
        first, last = int(found["least"]), int(found["most"])  # type: ignore[call-overload]
        exact = Range(first, last + 1).where(self._table.primary_key)
        # Of all keys but this one, so that the estimate is of it; MySQL makes none for an index that it is forced to.
        estimate = self._ask(
            f"{self._explain} SELECT {self._key} FROM {self._table.sql} USE INDEX (PRIMARY) WHERE {exact}"
            f" ORDER BY {self._key}"
        )
        return _Span(-int(estimate[0]["rows"] or 0), first, last)  # type: ignore[call-overload]

    def _ask(self, sql: str) -> list[dict[str, object]]:
        with self._connection.cursor() as cursor:
            cursor.execute(sql)
            names = [str(column[0]) for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
