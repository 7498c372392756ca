"""Good rows into a table: all at once, or those that the database refuses found by halves, each with its reason."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import pymysql

from tableferry import infile
from tableferry.batch import Batch, NeedsInsert, expression, literal
from tableferry.catalog import triggers
from tableferry.database import Connection
from tableferry.errors import Conflict, Problem
from tableferry.options import OnDuplicate
from tableferry.refusals import is_a_rows_fault, refusal
from tableferry.rules import Default, Row
from tableferry.tables import Column, Table, column_list, quote

_ROWS_A_STATEMENT = 1000


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


def all_at_once(connection: Connection, table: Table, columns: Sequence[Column], batch: Batch) -> bool:
    """Whether every row went in unaltered; if not, the caller rolls back.

    LOAD DATA LOCAL is fastest, but turns errors into warnings and goes on.

    Raises:
        NeedsInsert: a default is to be filled in.
        Conflict: the server does not let clients send files.
    """
    targets = [infile.Target(column.name, expression(column)) for column in columns]
    try:
        outcome = infile.load(connection, table.sql, targets, batch.pieces(), batch.delimiter)
    except pymysql.err.MySQLError as error:
        if not is_a_rows_fault(connection, table, error):
            raise
        return False
    return outcome.stored == len(batch) and outcome.warnings == 0


class Insertion:
    """INSERT of rows that give these columns."""

    def __init__(
        self, connection: Connection, table: Table, columns: Sequence[Column], on_duplicate: OnDuplicate
    ) -> None:
        self.connection = connection
        self.table = table
        self.columns = columns
        self._on_duplicate = on_duplicate
        # ON DUPLICATE KEY UPDATE runs the triggers of an UPDATE, even if it changes nothing itself.
        self._ignore_by_error = on_duplicate is OnDuplicate.IGNORE and bool(
            triggers(connection, table.schema, table.name)
        )

    def parts(self, rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
        """Rows for one statement each: not too many and, for an update, all of them giving the same columns."""
        update = self._on_duplicate is OnDuplicate.UPDATE
        for _, group in groupby(rows, self._given if update else lambda row: None):
            alike = list(group)
            for start in range(0, len(alike), _ROWS_A_STATEMENT):
                yield alike[start : start + _ROWS_A_STATEMENT]

    def whole(self, batch: Batch) -> bool:
        """Whether every row went in; if not, the caller rolls back."""
        try:
            return all_at_once(self.connection, self.table, self.columns, batch)
        except (NeedsInsert, Conflict):
            pass
        try:
            inserted = sum(self._statement(part).inserted for part in self.parts(batch.rows()))
        except pymysql.err.MySQLError as error:
            if not is_a_rows_fault(self.connection, self.table, error):
                raise
            return False
        return inserted == len(batch)

    def halved(self, rows: Sequence[Row]) -> Iterator[tuple[Counts, Problem | None]]:
        """All at once; where the database refuses, the halves by themselves, down to the row at fault."""
        try:
            yield self._statement(rows), None
        except pymysql.err.MySQLError as error:
            if not is_a_rows_fault(self.connection, self.table, error):
                raise
            if len(rows) > 1:
                middle = len(rows) // 2
                yield from self.halved(rows[:middle])
                yield from self.halved(rows[middle:])
                return
            problem = refusal(rows[0].number, self.table, error)
            if self._ignore_by_error and problem.code == "duplicate_key":
                yield Counts(duplicates=1), None
            else:
                yield Counts(rejected=1), problem

    def error(self, row: Row) -> pymysql.err.MySQLError | None:
        """What the database has against a row, which goes in if that is nothing."""
        try:
            self._statement([row])
        except pymysql.err.MySQLError as error:
            if not is_a_rows_fault(self.connection, self.table, error):
                raise
            return error
        return None

    def _given(self, row: Row) -> tuple[str, ...]:
        """The columns that a row gives a value for: no default, no next number."""
        return tuple(
            column.name
            for column, cell in zip(self.columns, row.cells, strict=True)
            if cell is not Default.DEFAULT and not (cell is None and column.auto_increment)
        )

    def _statement(self, rows: Sequence[Row]) -> Counts:
        """One INSERT, which InnoDB does whole or not at all."""
        names = [column.name for column in self.columns]
        values = ", ".join("(" + ", ".join(literal(cell) for cell in row.cells) + ")" for row in rows)
        sql = f"INSERT INTO {self.table.sql} ({column_list(names)}) VALUES {values}"
        if self._on_duplicate is OnDuplicate.UPDATE and (given := self._given(rows[0])):
            sql += " ON DUPLICATE KEY UPDATE " + ", ".join(f"{quote(name)} = VALUES({quote(name)})" for name in given)
        elif self._on_duplicate is not OnDuplicate.REJECT and not self._ignore_by_error:
            sql += f" ON DUPLICATE KEY UPDATE {quote(names[0])} = {self.table.sql}.{quote(names[0])}"
        with self.connection.cursor() as cursor:
            affected = int(cursor.execute(sql))
        if self._on_duplicate is not OnDuplicate.UPDATE:
            return Counts(inserted=affected, duplicates=len(rows) - affected)
        # A new row counts one, a changed one two, one that was the same already none.
        updated = _changed(self.connection, affected) if len(rows) > 1 else affected // 2
        inserted = affected - 2 * updated
        return Counts(inserted=inserted, updated=updated, duplicates=len(rows) - inserted - updated)


def _changed(connection: Connection, affected: int) -> int:
    """How many rows the last statement changed: ``Records: 3  Duplicates: 1  Warnings: 0``."""
    raw: Any = connection
    result = raw._result  # the driver shows this message nowhere else
    found = re.search(rb"Duplicates: (\d+)", result.message or b"")
    return int(found[1]) if found else affected // 2
