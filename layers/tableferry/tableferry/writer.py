"""Good rows into a table; those that the database refuses are found one by one, each with its reason."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

import pymysql

from tableferry import infile
from tableferry.catalog import Column, Table, column_list, quote
from tableferry.database import Connection, error_code, execute, transaction
from tableferry.errors import Conflict, Problem
from tableferry.rules import Cell, Default, Row

T = TypeVar("T")

_DEADLOCK, _LOCK_WAIT_TIMEOUT = 1213, 1205
_TRIES = 4
_ROWS_A_STATEMENT = 1000
_CODES = {
    1048: "missing", 1364: "missing", 1062: "duplicate_key", 1586: "duplicate_key", 1216: "missing_parent",
    1452: "missing_parent", 1406: "too_long", 1264: "out_of_range", 1690: "out_of_range", 1366: "invalid",
    1292: "invalid", 1411: "invalid", 3140: "invalid", 1265: "not_allowed", 3819: "check", 4025: "check",
    1644: "refused", 1416: "invalid",
}  # fmt: skip
_MESSAGES = {
    "missing": "a value is required",
    "duplicate_key": "a row with this key is there already",
    "missing_parent": "the row that this one points at is not there",
    "too_long": "the value is too long",
    "out_of_range": "the value is out of range",
    "invalid": "the value is not of the column's type",
    "not_allowed": "the value is none that the column allows",
    "check": "a check of the table's is not met",
    "refused": "a trigger of the table's refused the row",
}
_CONSTRAINT_COLUMNS = re.compile(r"FOREIGN KEY \(([^)]*)\)")
_COLUMN = re.compile(r"column '([^']+)'", re.IGNORECASE)
_KEY = re.compile(r"for key '(?:[^']*\.)?([^']+)'")


class OnDuplicate(StrEnum):
    """What becomes of a row whose key is in the table."""

    REJECT = "reject"
    IGNORE = "ignore"
    UPDATE = "update"


@dataclass(slots=True)
class Counts:
    """What became of rows; ``read`` of them all is the sum."""

    inserted: int = 0
    updated: int = 0
    rejected: int = 0
    duplicates: int = 0

    @property
    def read(self) -> int:
        return self.inserted + self.updated + self.rejected + self.duplicates

    def add(self, other: Counts) -> None:
        self.inserted += other.inserted
        self.updated += other.updated
        self.rejected += other.rejected
        self.duplicates += other.duplicates


def insert_rows(
    connection: Connection, table: Table, columns: Sequence[Column], rows: Sequence[Row], on_duplicate: OnDuplicate
) -> tuple[Counts, list[Problem]]:
    """Put rows into the table, in order, inside the transaction that is open.

    Raises whatever is not the fault of a row: a broken connection, a lock that is not to be had.
    """
    if not rows:
        return Counts(), []
    if on_duplicate is OnDuplicate.REJECT:
        execute(connection, "SAVEPOINT tableferry_rows")
        if _all_at_once(connection, table, columns, rows):
            return Counts(inserted=len(rows)), []
        execute(connection, "ROLLBACK TO SAVEPOINT tableferry_rows")
    counts = Counts()
    problems: list[Problem] = []
    for start in range(0, len(rows), _ROWS_A_STATEMENT):
        part = rows[start : start + _ROWS_A_STATEMENT]
        for done, problem in _halved(connection, table, columns, part, on_duplicate):
            counts.add(done)
            problems += [problem] if problem else []
    return counts, problems


def again_on_deadlock(connection: Connection, work: Callable[[], T]) -> T:
    """The work in a transaction, started over a few times when the server rolls it back for another's sake.

    Raises:
        Conflict: it was rolled back each time.
    """
    for _ in range(_TRIES):
        try:
            with transaction(connection):
                return work()
        except pymysql.err.MySQLError as error:
            if error_code(error) not in (_DEADLOCK, _LOCK_WAIT_TIMEOUT):
                raise
            last = error
    raise Conflict("The table stayed locked by other sessions; nothing was written. Try again.") from last


def _all_at_once(connection: Connection, table: Table, columns: Sequence[Column], rows: Sequence[Row]) -> bool:
    """Whether every row went in unaltered. LOAD DATA LOCAL is fastest, but turns errors into warnings and goes on."""
    targets = [infile.Target(column.name, _expression(column)) for column in columns]
    try:
        data = "\n".join([",".join([_field(cell) for cell in row.cells]) for row in rows]) + "\n"
        outcome = infile.load(connection, table.sql, targets, [data.encode()])
    except (_NeedsInsert, Conflict):  # a default to be filled in, or a server that does not let clients send files
        return False
    except pymysql.err.MySQLError as error:
        if not is_a_rows_fault(error):
            raise
        return False
    return outcome.stored == len(rows) and outcome.warnings == 0


class _NeedsInsert(Exception):
    """A file cannot say DEFAULT."""


def _expression(column: Column) -> str | None:
    if column.data_type == "bit":
        return "CAST({} AS UNSIGNED)"
    return "UNHEX({})" if column.data_type.endswith(("binary", "blob")) else None


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
    raise _NeedsInsert


def _literal(connection: Connection, cell: Cell) -> str:
    """A cell as SQL."""
    if isinstance(cell, bytes):
        return f"x'{cell.hex()}'"
    return "DEFAULT" if cell is Default.DEFAULT else str(connection.literal(cell))


def _halved(
    connection: Connection, table: Table, columns: Sequence[Column], rows: Sequence[Row], on_duplicate: OnDuplicate
) -> Iterator[tuple[Counts, Problem | None]]:
    """All at once; where the database refuses, the halves by themselves, down to the row at fault."""
    try:
        yield _statement(connection, table, columns, rows, on_duplicate), None
    except pymysql.err.MySQLError as error:
        if not is_a_rows_fault(error):
            raise
        if len(rows) == 1:
            yield Counts(rejected=1), _problem(rows[0], table, error)
            return
        middle = len(rows) // 2
        yield from _halved(connection, table, columns, rows[:middle], on_duplicate)
        yield from _halved(connection, table, columns, rows[middle:], on_duplicate)


def _statement(
    connection: Connection, table: Table, columns: Sequence[Column], rows: Sequence[Row], on_duplicate: OnDuplicate
) -> Counts:
    """One INSERT, which InnoDB does whole or not at all."""
    names = [column.name for column in columns]
    values = ", ".join("(" + ", ".join(_literal(connection, cell) for cell in row.cells) + ")" for row in rows)
    sql = f"INSERT INTO {table.sql} ({column_list(names)}) VALUES {values}"
    if on_duplicate is OnDuplicate.IGNORE:
        sql += f" ON DUPLICATE KEY UPDATE {quote(names[0])} = {table.sql}.{quote(names[0])}"
    elif on_duplicate is OnDuplicate.UPDATE:
        sql += " ON DUPLICATE KEY UPDATE " + ", ".join(f"{quote(name)} = VALUES({quote(name)})" for name in names)
    with connection.cursor() as cursor:
        affected = int(cursor.execute(sql))
    if on_duplicate is OnDuplicate.REJECT:
        return Counts(inserted=affected)
    if on_duplicate is OnDuplicate.IGNORE:
        return Counts(inserted=affected, duplicates=len(rows) - affected)
    # A new row counts one, a changed one two, one that was the same already none.
    updated = _changed(connection, affected) if len(rows) > 1 else affected // 2
    inserted = affected - 2 * updated
    return Counts(inserted=inserted, updated=updated, duplicates=len(rows) - inserted - updated)


def _changed(connection: Connection, affected: int) -> int:
    """How many rows the last statement changed: ``Records: 3  Duplicates: 1  Warnings: 0``."""
    raw: Any = connection
    result = raw._result  # the driver shows this message nowhere else
    found = re.search(rb"Duplicates: (\d+)", result.message or b"")
    return int(found[1]) if found else affected // 2


def is_a_rows_fault(error: pymysql.err.MySQLError) -> bool:
    """Whether the database refused a row for what is in it, rather than failed."""
    return error_code(error) in _CODES


def _problem(row: Row, table: Table, error: pymysql.err.MySQLError) -> Problem:
    code = _CODES[error_code(error)]
    text = str(error.args[1]) if len(error.args) > 1 else ""
    column = ""
    message = _MESSAGES[code]
    if code == "duplicate_key" and (key := _KEY.search(text)):
        column = ", ".join(table.primary_key) if key[1] == "PRIMARY" else ""
        message += f" (key {key[1]})"
    elif code == "missing_parent" and (found := _CONSTRAINT_COLUMNS.search(text)):
        column = found[1].replace("`", "")
    elif found := _COLUMN.search(text):
        column = found[1]
    return Problem(row.number, column, code, message)
