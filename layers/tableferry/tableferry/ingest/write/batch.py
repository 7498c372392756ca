"""Rows that are good, as the server is given them: lines that LOAD DATA reads, or literals in SQL."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from pymysql.converters import escape_string

from tableferry.ingest.rows.rules import Cell, Default, Row
from tableferry.schema.table import Column
from tableferry.schema.types import BYTES, INSTANTS


class RowBatch(Protocol):
    """Good rows in order, as what LOAD DATA reads and, for the few batches that need it, as rows."""

    def __len__(self) -> int: ...

    @property
    def delimiter(self) -> str: ...

    def pieces(self) -> Iterable[bytes]:
        """CSV as :mod:`~tableferry.mysql.local_infile` has it; raises NeedsInsert if no file can say a cell."""

    def rows(self) -> Sequence[Row]:
        """The same rows, checked one by one."""


@dataclass(frozen=True, slots=True)
class Rows:
    """A batch of rows that were checked one by one."""

    checked: Sequence[Row]

    @property
    def delimiter(self) -> str:
        return ","

    def __len__(self) -> int:
        return len(self.checked)

    def pieces(self) -> Iterable[bytes]:
        return [("\n".join([line_of(row) for row in self.checked]) + "\n").encode()]

    def rows(self) -> Sequence[Row]:
        return self.checked


class NeedsInsert(Exception):
    """A file cannot say DEFAULT."""


def expression(column: Column) -> str | None:
    """What LOAD DATA makes of a column's field, for ``{}``; None where the field goes in as it is."""
    if column.auto_increment:  # beside a column with an expression MariaDB would take 0 for the next number
        return "{}"
    if column.data_type == "bit":
        return "CAST({} AS UNSIGNED)"
    if column.data_type in INSTANTS:
        return "TRIM(TRAILING 'Z' FROM {})"
    return "UNHEX({})" if column.data_type in BYTES else None


def line_of(row: Row, delimiter: str = ",") -> str:
    """A row as a line that LOAD DATA reads."""
    return delimiter.join([_field(cell) for cell in row.cells])


def _field(cell: Cell) -> str:
    """A cell as LOAD DATA reads it."""
    if isinstance(cell, str):
        return '"' + cell.replace('"', '""') + '"'
    if isinstance(cell, int):
        return str(cell)
    if cell is None:
        return "NULL"
    if isinstance(cell, bytes):
        return cell.hex()
    raise NeedsInsert


def literal(cell: Cell) -> str:
    """A cell as SQL."""
    if isinstance(cell, bytes):
        return f"x'{cell.hex()}'"
    if isinstance(cell, str):
        return f"'{escape_string(cell)}'"  # our sessions know backslashes
    return "NULL" if cell is None else cell.value if isinstance(cell, Default) else str(cell)
