"""The order of the ways to write a batch: whole, sifted, by halves; each row that was refused with its reason."""

from __future__ import annotations

from collections.abc import Sequence

from tableferry.config.load_options import OnDuplicate
from tableferry.errors import NotSupported, Problem, Unaccounted
from tableferry.ingest.write.batch import RowBatch
from tableferry.ingest.write.insertion import Counts, Insertion
from tableferry.ingest.write.refusal_search import sifted
from tableferry.mysql.database import Connection, execute
from tableferry.schema.table import Column, Table

_SIFTED_FROM = 100


def insert_rows(
    connection: Connection, table: Table, columns: Sequence[Column], batch: RowBatch, on_duplicate: OnDuplicate
) -> tuple[Counts, list[Problem]]:
    """Put rows into the table, in order, inside the transaction that is open.

    Returns how many were inserted, updated, rejected and duplicates, together as many as the batch has, and a problem for
    each row that was rejected.

    Raises:
        NotSupported: the table's engine has no transactions, so that what is refused could not be taken back.
        Unaccounted: rows given and rows counted differ.
        pymysql.err.MySQLError: what is not the fault of a row: a broken connection, a lock that is not to be had.
    """
    refuse_without_transactions(table)
    if not len(batch):
        return Counts(), []
    insertion = Insertion(connection, table, columns, on_duplicate)
    if on_duplicate is OnDuplicate.REJECT:
        execute(connection, "SAVEPOINT tableferry_rows")
        if insertion.whole(batch):
            return Counts(inserted=len(batch)), []
        execute(connection, "ROLLBACK TO SAVEPOINT tableferry_rows")
        if len(batch) >= _SIFTED_FROM:
            rows = batch.rows()
            if refused := sifted(insertion, rows):
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
