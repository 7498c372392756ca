"""A part of a table, by its primary key: what a backup reads at once, and what a restore reads back.

A bound is a key, or its first columns: a whole number for a first column that is one, else a list with a value for each
column. A value is a whole number, or text as :meth:`tableferry.schema.codec.Codec.literal` reads it. What order keys are in
is the server's affair: two ranges that meet at a bound have no row in common and leave none out, whatever the order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tableferry.mysql.identifiers import quote
from tableferry.schema.codec import Codec

Value = int | str
Bound = int | tuple[Value, ...]


def values_of(bound: Bound) -> tuple[Value, ...]:
    """A bound as values of the key's first columns."""
    return (bound,) if isinstance(bound, int) else bound


@dataclass(frozen=True, slots=True)
class Range:
    """Keys from ``lower`` up to, but not with, ``upper``; None is no bound."""

    lower: Bound | None = None
    upper: Bound | None = None

    def where(self, key: Sequence[str], columns: Sequence[Codec] = ()) -> str:
        """The range as a condition, empty for a whole table.

        A tuple compared at once would not be looked up in the index, so it is written out, in intervals of each column.
        ``key`` are the primary key's columns, ``columns`` the table's codecs, which only bounds other than numbers need.
        Raises ValueError for a bound that is no key of them, as a forged manifest may have.
        """
        lower = _literals(self.lower, key, columns)
        upper = _literals(self.upper, key, columns)
        names = [quote(name) for name in key]
        same = 0
        while same < min(len(lower), len(upper)) and lower[same] == upper[same]:
            same += 1
        conditions = [only(name, value) for name, value in zip(names[:same], lower[:same], strict=True)]
        for bound, beyond, on_it in ((lower, ">", ">="), (upper, "<", "<")):
            if bound:
                conditions.append(_beside(names[same:], bound[same:], beyond, on_it))
        return " AND ".join(condition for condition in conditions if condition)


def only(name: str, value: str) -> str:
    """One value of a column as an interval. By ``=`` of a text MariaDB would sort the rows that the index has in order."""
    return f"{name} >= {value} AND {name} <= {value}"


def _beside(names: Sequence[str], bound: Sequence[str], beyond: str, on_it: str) -> str:
    """The keys on one side of a bound; ``on_it`` compares its last column."""
    if not bound:
        # All that the other bound begins with is on this side of it from below, and none of it from above.
        return "" if beyond == ">" else "FALSE"
    name, value = names[0], bound[0]
    if len(bound) == 1:
        return f"{name} {on_it} {value}"
    rest = _beside(names[1:], bound[1:], beyond, on_it)
    # Each side of OR begins with the key's first column, as the index does; the first part is an interval for both.
    return f"{name} {beyond}= {value} AND ({name} {beyond} {value} OR ({name} = {value} AND {rest}))"


def _literals(bound: Bound | None, key: Sequence[str], columns: Sequence[Codec]) -> list[str]:
    if bound is None:
        return []
    values = values_of(bound)
    if not 1 <= len(values) <= len(key):
        raise ValueError(f"A bound has {len(values)} values, and the key {len(key)} columns.")
    codecs = {codec.name: codec for codec in columns}
    found = []
    for name, value in zip(key, values, strict=False):
        if not isinstance(value, int):
            if name not in codecs:
                raise ValueError(f"A bound has a text for column {name!r}, whose values are not known.")
            found.append(codecs[name].literal(value))
        else:
            found.append(str(int(value)))
    return found
