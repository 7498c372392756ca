"""A table as ranges of its primary key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tableferry.database import Connection, rows
from tableferry.tables import Table, quote

_INTEGERS = {"tinyint", "smallint", "mediumint", "int", "bigint"}
_MOST_RANGES = 1000


@dataclass(frozen=True, slots=True)
class Range:
    """Keys from ``lower`` up to, but not with, ``upper``; None is no bound."""

    lower: int | None = None
    upper: int | None = None

    def where(self, key: Sequence[str]) -> str:
        """The range as a condition, empty for a whole table."""
        bounds = []
        if self.lower is not None:
            bounds.append(f"{quote(key[0])} >= {self.lower}")
        if self.upper is not None:
            bounds.append(f"{quote(key[0])} < {self.upper}")
        return " AND ".join(bounds)


def plan(connection: Connection, table: Table, range_bytes: int) -> list[Range]:
    """Ranges of about ``range_bytes`` each that together hold every key, whatever is written meanwhile.

    A table whose key is not one integer is one range. A range may be any size: it is read in frames, so memory does not
    depend on it.
    """
    wanted = min(table.bytes_estimate // range_bytes + 1, _MOST_RANGES)
    column = table.column(table.primary_key[0]) if len(table.primary_key) == 1 else None
    if wanted < 2 or column is None or column.data_type not in _INTEGERS:
        return [Range()]
    key = quote(column.name)
    [(least, greatest)] = rows(connection, f"SELECT MIN({key}), MAX({key}) FROM {table.sql}")
    if least is None or greatest - least < wanted:
        return [Range()]
    step = (greatest - least + 1) / wanted
    edges = [least + int(step * number) for number in range(1, wanted)]
    return [Range(lower, upper) for lower, upper in zip([None, *edges], [*edges, None], strict=True)]


def in_key_order(table: Table) -> str:
    """What to ORDER BY: the primary key, which InnoDB stores rows by, so that it costs nothing."""
    return ", ".join(quote(name) for name in table.primary_key)
