"""Good rows into a table; those that the database refuses are found one by one, each with its reason."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Protocol, TypeVar

import pymysql
from pymysql.converters import escape_string

from tableferry import infile, sieve
from tableferry.catalog import triggers
from tableferry.database import Connection, error_code, execute, transaction
from tableferry.errors import Conflict, NotSupported, Problem, Unaccounted
from tableferry.options import OnDuplicate
from tableferry.refusals import broken, is_a_rows_fault, refusal
from tableferry.rules import Cell, Default, Row
from tableferry.tables import Column, Table, column_list, quote

T = TypeVar("T")

_DEADLOCK, _LOCK_WAIT_TIMEOUT = 1213, 1205
_TRIES = 4
_ROLLED_BACK = (_DEADLOCK, _LOCK_WAIT_TIMEOUT)
_ROWS_A_STATEMENT = 1000
_SIFTED_FROM = 100


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


class Batch(Protocol):
    """Good rows in order, as what LOAD DATA reads and, for the few batches that need it, as rows."""

    def __len__(self) -> int: ...

    @property
    def delimiter(self) -> str: ...

    def pieces(self) -> Iterable[bytes]:
        """CSV as :mod:`~tableferry.infile` describes it; raises NeedsInsert if a cell cannot be said in a file."""

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


def insert_rows(
    connection: Connection, table: Table, columns: Sequence[Column], batch: Batch, on_duplicate: OnDuplicate
) -> tuple[Counts, list[Problem]]:
    """Put rows into the table, in order, inside the transaction that is open.

    Raises:
        NotSupported: the table's engine has no transactions, so that what is refused could not be taken back.
        Unaccounted: rows given and rows counted differ.
        pymysql.err.MySQLError: what is not the fault of a row: a broken connection, a lock that is not to be had.
    """
    refuse_without_transactions(table)
    if not len(batch):
        return Counts(), []
    insertion = _Insertion(connection, table, columns, on_duplicate)
    if on_duplicate is OnDuplicate.REJECT:
        execute(connection, "SAVEPOINT tableferry_rows")
        if insertion.whole(batch):
            return Counts(inserted=len(batch)), []
        execute(connection, "ROLLBACK TO SAVEPOINT tableferry_rows")
        if len(batch) >= _SIFTED_FROM:
            rows = batch.rows()
            if refused := _sifted(insertion, rows):
                return Counts(inserted=len(rows) - len(refused), rejected=len(refused)), refused
            execute(connection, "ROLLBACK TO SAVEPOINT tableferry_rows")
    rows = batch.rows()
    counts = Counts()
    problems: list[Problem] = []
    for part in insertion.parts(rows):
        for done, problem in insertion.halved(part):
            counts.add(done)
            problems += [problem] if problem else []
    if counts.read != len(rows):
        raise Unaccounted(f"Of {len(rows)} rows {counts.read} are accounted for; they were rolled back.")
    return counts, problems


def refuse_without_transactions(table: Table) -> None:
    """Raise NotSupported for a table of an engine that cannot roll back."""
    if table.engine.lower() != "innodb":
        raise NotSupported(f"Table {table.name!r} is of engine {table.engine}, which has no transactions; use InnoDB.")


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
            if not was_rolled_back(error):
                raise
            last = error
    raise Conflict("The table stayed locked by other sessions; nothing was written. Try again.") from last


def was_rolled_back(error: pymysql.err.MySQLError) -> bool:
    """Whether the work may be started over, since it stood in the way of others, or they in its."""
    return error_code(error) in _ROLLED_BACK


def all_at_once(connection: Connection, table: Table, columns: Sequence[Column], batch: Batch) -> bool:
    """Whether every row went in unaltered; if not, the caller rolls back.

    LOAD DATA LOCAL is fastest, but turns errors into warnings and goes on.

    Raises:
        NeedsInsert: a default is to be filled in.
        Conflict: the server does not let clients send files.
    """
    targets = [infile.Target(column.name, _expression(column)) for column in columns]
    try:
        outcome = infile.load(connection, table.sql, targets, batch.pieces(), batch.delimiter)
    except pymysql.err.MySQLError as error:
        if not is_a_rows_fault(error):
            raise
        return False
    return outcome.stored == len(batch) and outcome.warnings == 0


class NeedsInsert(Exception):
    """A file cannot say DEFAULT."""


def _expression(column: Column) -> str | None:
    if column.auto_increment:  # beside a column with an expression MariaDB would take 0 for the next number
        return "{}"
    if column.data_type == "bit":
        return "CAST({} AS UNSIGNED)"
    if column.data_type in ("datetime", "timestamp"):
        return "TRIM(TRAILING 'Z' FROM {})"
    return "UNHEX({})" if column.data_type.endswith(("binary", "blob")) else None


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


def _literal(cell: Cell) -> str:
    """A cell as SQL."""
    if isinstance(cell, bytes):
        return f"x'{cell.hex()}'"
    if isinstance(cell, str):
        return f"'{escape_string(cell)}'"  # our sessions know backslashes
    return "NULL" if cell is None else cell.value if isinstance(cell, Default) else str(cell)


def _sifted(insertion: _Insertion, rows: Sequence[Row]) -> list[Problem] | None:
    """Load what the sieve lets through, and ask the database why it refuses the others: once for those that are alike.

    None if it cannot be done so, with some of it done.
    """
    connection, table, columns = insertion.connection, insertion.table, insertion.columns
    try:
        known = sieve.constraints(connection, table)
        wanted = sieve.wanted_by(known)
        places = [place for place, column in enumerate(columns) if column.name in wanted]
        targets = [infile.Target(columns[place].name, _expression(columns[place])) for place in places]
        lines = [line_of(Row(row.number, tuple([row.cells[place] for place in places]))) for row in rows]
        found = sieve.sift(connection, table, known, targets, lines)
    except (sieve.Unknown, NeedsInsert, Conflict):
        return None
    except pymysql.err.MySQLError as error:
        if error_code(error) in _ROLLED_BACK or error_code(error) < 1000 or 2000 <= error_code(error) < 3000:
            raise
        return None  # such as the privilege to make temporary tables, which is not to be had
    if not found:
        return None
    reasons = _Reasons(insertion, known)
    try:
        reasons.ask((rows[one.place], one.then) for one in found if one.then == one.before)
        refused = {one.place for one in found}
        left = [row for place, row in enumerate(rows) if place not in refused]
        if left and not insertion.whole(Rows(left)):
            return None
        reasons.ask((rows[one.place], one.then) for one in found if one.then == one.after)
        return [reasons.of(rows[one.place].number, one.then) for one in found]
    except sieve.Unknown:
        return None


class _Reasons:
    """Why the database refuses rows: it is asked once for all that break the same constraints."""

    def __init__(self, insertion: _Insertion, known: Sequence[sieve.Constraint]) -> None:
        self._insertion = insertion
        self._bits = {(one.code, one.name): 1 << bit for bit, one in enumerate(known)}
        self._given: dict[int, Problem] = {}

    def ask(self, rows: Iterable[tuple[Row, int]]) -> None:
        """Try to insert the first row of each kind; raises Unknown if it is not refused, or for another reason."""
        for row, kind in rows:
            if kind not in self._given:
                error = self._insertion.error(row)
                if error is None or not kind & self._bits.get(broken(self._insertion.table, error), 0):
                    raise sieve.Unknown
                self._given[kind] = refusal(row.number, self._insertion.table, error)

    def of(self, number: int, kind: int) -> Problem:
        """The problem of a row; raises Unknown if none of its kind could be asked for."""
        if kind not in self._given:
            raise sieve.Unknown
        given = self._given[kind]
        return Problem(number, given.column, given.code, given.message)


class _Insertion:
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
            if not is_a_rows_fault(error):
                raise
            return False
        return inserted == len(batch)

    def halved(self, rows: Sequence[Row]) -> Iterator[tuple[Counts, Problem | None]]:
        """All at once; where the database refuses, the halves by themselves, down to the row at fault."""
        try:
            yield self._statement(rows), None
        except pymysql.err.MySQLError as error:
            if not is_a_rows_fault(error):
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
            if not is_a_rows_fault(error):
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
        values = ", ".join("(" + ", ".join(_literal(cell) for cell in row.cells) + ")" for row in rows)
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
