"""One INSERT or LOAD DATA of a batch, and the search by halves for the rows that the database refuses."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby

import pymysql

from tableferry.config.load_options import OnDuplicate
from tableferry.errors import Conflict, Problem
from tableferry.ingest.rows.rules import Default, Row
from tableferry.ingest.write.batch import NeedsInsert, RowBatch, expression, literal
from tableferry.ingest.write.refusals import is_a_rows_fault, is_of_a_key, refusal
from tableferry.mysql import local_infile, protocol
from tableferry.mysql.database import Connection, execute
from tableferry.mysql.identifiers import column_list, quote
from tableferry.schema.catalog import fires, triggers
from tableferry.schema.table import Column, Table

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


def all_at_once(connection: Connection, table: Table, columns: Sequence[Column], batch: RowBatch) -> bool:
    """Whether every row went in unaltered; if not, the caller rolls back.

    LOAD DATA LOCAL is fastest, but turns errors into warnings and goes on.

    Raises:
        NeedsInsert: a default is to be filled in.
        Conflict: the server does not let clients send files.
    """
    targets = [local_infile.Target(column.name, expression(column)) for column in columns]
    try:
        outcome = local_infile.load(connection, table.sql, targets, batch.pieces(), batch.delimiter)
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
        for _, group in groupby(rows, self._given if update else lambda _: None):
            alike = list(group)
            for start in range(0, len(alike), _ROWS_A_STATEMENT):
                yield alike[start : start + _ROWS_A_STATEMENT]

    def whole(self, batch: RowBatch) -> bool:
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
            yield self._judged(rows[0], error)

    def _judged(self, row: Row, error: pymysql.err.MySQLError) -> tuple[Counts, Problem | None]:
        """What becomes of a row that was refused by itself."""
        if self._on_duplicate is OnDuplicate.IGNORE and not self._ignore_by_error:
            # MariaDB holds the row that is there, which the update leaves as it is, to the checks that were made after it.
            try:
                return Counts(inserted=self._run(self._insert([row]))), None
            except pymysql.err.MySQLError as plain:
                if not is_a_rows_fault(self.connection, self.table, plain):
                    raise
                error = plain
        problem = refusal(row.number, self.table, error, elsewhere=self._met_elsewhere(row, error))
        if self._on_duplicate is OnDuplicate.IGNORE and problem.code == "duplicate_key":
            return Counts(duplicates=1), None
        return Counts(rejected=1), problem

    def _met_elsewhere(self, row: Row, error: pymysql.err.MySQLError) -> bool:
        """Whether the key that a row met is one of another table, into which a trigger inserts.

        MariaDB does not say of which table a key is. A row whose key is in this one comes to its update, as which nothing
        is changed, and what the triggers of that update do is taken back; any other row meets the same as before.
        """
        if not self._fires or not is_of_a_key(error):
            return False
        execute(self.connection, "SAVEPOINT tableferry_key")
        try:
            self._run(self._insert([row]) + self._unchanged)
            same = False
        except pymysql.err.MySQLError as again:
            if not is_a_rows_fault(self.connection, self.table, again):
                raise
            same = again.args == error.args
        execute(self.connection, "ROLLBACK TO SAVEPOINT tableferry_key")
        return same

    @cached_property
    def _fires(self) -> bool:
        return fires(self.connection, self.table.schema, self.table.name, "INSERT")

    @property
    def _unchanged(self) -> str:
        """What makes an INSERT leave the row alone that is there."""
        name = quote(self.columns[0].name)
        return f" ON DUPLICATE KEY UPDATE {name} = {self.table.sql}.{name}"

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
        sql = self._insert(rows)
        if self._on_duplicate is OnDuplicate.UPDATE and (given := self._given(rows[0])):
            sql += " ON DUPLICATE KEY UPDATE " + ", ".join(f"{quote(name)} = VALUES({quote(name)})" for name in given)
        elif self._on_duplicate is not OnDuplicate.REJECT and not self._ignore_by_error:
            sql += self._unchanged
        affected = self._run(sql)
        if self._on_duplicate is not OnDuplicate.UPDATE:
            return Counts(inserted=affected, duplicates=len(rows) - affected)
        # A new row counts one, a changed one two, one that was the same already none.
        updated = _changed(self.connection, affected) if len(rows) > 1 else affected // 2
        inserted = affected - 2 * updated
        return Counts(inserted=inserted, updated=updated, duplicates=len(rows) - inserted - updated)

    def _insert(self, rows: Sequence[Row]) -> str:
        values = ", ".join("(" + ", ".join(literal(cell) for cell in row.cells) + ")" for row in rows)
        return f"INSERT INTO {self.table.sql} ({column_list(column.name for column in self.columns)}) VALUES {values}"

    def _run(self, sql: str) -> int:
        with self.connection.cursor() as cursor:
            return int(cursor.execute(sql))


def _changed(connection: Connection, affected: int) -> int:
    """How many rows the last statement changed: ``Records: 3  Duplicates: 1  Warnings: 0``."""
    found = re.search(rb"Duplicates: (\d+)", protocol.last_message(connection))
    return int(found[1]) if found else affected // 2
