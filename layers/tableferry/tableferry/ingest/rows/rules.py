"""The data dictionary: is this a row of the table? Every problem with its row, column and reason.

The only judge of a row: rows of a request and lines of a file go through the same check.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, NamedTuple

from tableferry.config.load_options import Binary
from tableferry.errors import Problem
from tableferry.ingest.rows.checks import Bad, Check, Value
from tableferry.ingest.rows.values import check_for
from tableferry.schema.table import Column, Table


class Default(Enum):
    """Stands for a value that the row does not give."""

    DEFAULT = "DEFAULT"


Cell = Value | Default | None


class Row(NamedTuple):
    """A row that is good: its number (or line), and a cell for each column of its rules."""

    number: int
    cells: tuple[Cell, ...]


class Rules:
    """The check of rows that give these columns, all visible ones that can be given unless ``columns`` names others.

    ``binary`` is how bytes are written in them.
    """

    def __init__(self, table: Table, columns: Sequence[Column] | None = None, binary: Binary = Binary.HEX) -> None:
        self.table = table
        self.binary = binary
        self.columns: tuple[Column, ...] = table.visible if columns is None else tuple(columns)
        given = {column.name for column in self.columns}
        self.absent = tuple(column.name for column in table.stored if column.required and column.name not in given)
        self._checks: tuple[Check, ...] = tuple(check_for(column, binary) for column in self.columns)

    def of_fields(self, number: int, fields: Sequence[object]) -> tuple[Row | None, list[Problem]]:
        """A row given as one value a column, in order."""
        return self._counted(number, fields, len(self.columns))

    def _counted(self, number: int, fields: Sequence[object], count: int) -> tuple[Row | None, list[Problem]]:
        if len(fields) != count:
            message = f"{len(fields)} fields, and the table has {count}"
            return None, [Problem(number, "", "fields", message)]
        if None not in fields and not self.absent:
            try:
                cells = [check(value) for check, value in zip(self._checks, fields)]  # noqa: B905  # counted above
                return Row(number, tuple(cells)), []
            except Bad:
                pass
        return self._one_by_one(number, fields)

    def _one_by_one(self, number: int, fields: Sequence[object]) -> tuple[Row | None, list[Problem]]:
        """The row, or every problem that it has."""
        cells: list[Cell] = []
        problems = [Problem(number, name, "missing", "a value is required") for name in self.absent]
        for column, check, value in zip(self.columns, self._checks, fields, strict=True):
            try:
                if value is Default.DEFAULT:
                    cells.append(value)
                elif value is not None:
                    cells.append(check(value))
                elif column.nullable or column.auto_increment:
                    cells.append(None)
                else:
                    raise Bad("missing", "a value is required")
            except Bad as bad:
                problems.append(Problem(number, column.name, bad.code, bad.message))
        return (None, problems) if problems else (Row(number, tuple(cells)), [])

    def of_array(self, number: int, given: Sequence[object]) -> tuple[Row | None, list[Problem]]:
        """A row given as one value for each visible column, in order; others get their defaults."""
        visible = [column for column in self.columns if not column.invisible]
        if len(given) != len(visible) or len(visible) == len(self.columns):
            return self._counted(number, given, len(visible))
        values = iter(given)
        return self.of_fields(number, [_left_out(one) if one.invisible else next(values) for one in self.columns])

    def of_object(self, number: int, given: Mapping[str, Any]) -> tuple[Row | None, list[Problem]]:
        """A row given as values by column name; what is left out gets the column's default."""
        problems = []
        named: dict[str, object] = {}
        for name, value in given.items():
            column = self.table.column(name)
            if column is None:
                problems.append(Problem(number, name, "unknown_column", "the table has no such column"))
            elif column.generated:
                problems.append(Problem(number, name, "generated", "the database computes this column"))
            elif column.name in named:
                problems.append(Problem(number, name, "unknown_column", "the column is named twice"))
            else:
                named[column.name] = value
        fields = [named.get(column.name, _left_out(column)) for column in self.columns]
        row, more = self.of_fields(number, fields)
        return (None, problems + more) if problems or row is None else (row, [])


def _left_out(column: Column) -> Default | None:
    """What stands for a value that is not given: NULL where it is missed, or where it asks for the next number.

    DEFAULT for an automatic number is 0 with NO_AUTO_VALUE_ON_ZERO, in MariaDB.
    """
    return None if column.required or column.auto_increment else Default.DEFAULT
