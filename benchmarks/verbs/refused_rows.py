"""How much longer a block takes when the database refuses rows of it, beside the same block without any."""

import argparse
import contextlib
import statistics
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import unquote, urlsplit

from local.runtime import database as embedded
from local.runtime.database import split_statements
from local.runtime.state import ROOT, State
from tableferry.config.load_options import OnDuplicate
from tableferry.config.settings import DatabaseAddress
from tableferry.ingest.rows.rules import Row
from tableferry.ingest.write.batch import Rows
from tableferry.ingest.write.writer import insert_rows
from tableferry.mysql.database import Connection, Database, execute, transaction
from tableferry.schema import catalog

BLOCK = 50_000
_PARENTS = 100


@dataclass(frozen=True, slots=True)
class Figure:
    """A kind of block, how many of its rows are refused, and how long it takes, in seconds and beside one without any."""

    name: str
    rejected: int
    seconds: float
    ratio: float


def measure(url: str, block: int = BLOCK, repeats: int = 3) -> list[Figure]:
    """Time each kind of block, checked rows into `hired_employees`, in a database of its own; the median of the repeats.

    ``url`` is of a user who may make databases. Each block is rolled back when it has been timed.
    """
    name = f"refused_{uuid.uuid4().hex[:8]}"
    parts = urlsplit(url)
    admin = Database(_address(url, parts.path.lstrip("/") or "mysql"))
    with admin.connect() as connection:
        execute(connection, f"CREATE DATABASE `{name}` CHARACTER SET utf8mb4")
    try:
        with Database(_address(url, name)).connect() as connection:
            return _measured(connection, Database(_address(url, name)), block, repeats)
    finally:
        with admin.connect() as connection:
            execute(connection, f"DROP DATABASE `{name}`")


def _address(url: str, name: str) -> DatabaseAddress:
    parts = urlsplit(url)
    return DatabaseAddress(
        host=parts.hostname or "127.0.0.1",
        port=parts.port or 3306,
        name=name,
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
    )


def _measured(connection: Connection, database: Database, block: int, repeats: int) -> list[Figure]:
    for statement in split_statements((ROOT / "sources" / "schema.sql").read_text(encoding="utf-8")):
        execute(connection, statement)
    execute(connection, "ALTER TABLE hired_employees ADD CONSTRAINT positive CHECK (job_id > 0)")
    for table in ("departments", "jobs"):
        values = ", ".join(f"({number}, 'x')" for number in range(-_PARENTS, _PARENTS + 1))
        execute(connection, f"INSERT INTO {table} VALUES {values}")
    figures: list[Figure] = []
    for kind in KINDS:
        execute(connection, "DELETE FROM hired_employees")
        before = [kind.before(number) for number in range(1, block + 1) if kind.before(number)]
        _timed(connection, database, [row for row in before if row], keep=True)
        rows = [kind.row(number) for number in range(1, block + 1)]
        timed = [_timed(connection, database, rows) for _ in range(repeats)]
        seconds = statistics.median(second for second, _ in timed)
        fast = figures[0].seconds if figures else seconds
        figures.append(Figure(kind.name, timed[0][1], seconds, seconds / fast))
    return figures


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of block: of so many rows in a hundred something is wrong."""

    name: str
    percent: int = 0
    fault: str = ""

    def wrong(self, number: int) -> bool:
        return number * self.percent % 100 < self.percent

    def row(self, number: int) -> Row:
        department = _PARENTS + 1 if self.fault == "parent" and self.wrong(number) else number % _PARENTS + 1
        job = -1 if self.fault == "check" and self.wrong(number) else number % _PARENTS + 1
        key = number - 1 if self.fault == "batch" and self.wrong(number) else number
        return _employee(key, department, job)

    def before(self, number: int) -> Row | None:
        """The row that is there already, if this one is to be a duplicate of the table's."""
        return _employee(number, 1, 1) if self.fault == "table" and self.wrong(number) else None


KINDS = (
    Kind("nothing wrong"),
    Kind("3 % there already", 3, "table"),
    Kind("50 % there already", 50, "table"),
    Kind("all there already", 100, "table"),
    Kind("3 % twice in the block", 3, "batch"),
    Kind("50 % twice in the block", 50, "batch"),
    Kind("3 % without a parent", 3, "parent"),
    Kind("3 % fail a check", 3, "check"),
)


def _employee(key: int, department: int, job: int) -> Row:
    return Row(key, (key, f"Name {key} of somebody", "2021-07-27 16:02:08", department, job))


def _timed(connection: Connection, database: Database, rows: Sequence[Row], keep: bool = False) -> tuple[float, int]:
    table = catalog.describe(connection, database, "hired_employees")
    started = time.perf_counter()
    with contextlib.suppress(_TakenBack), transaction(connection):
        counts, _ = insert_rows(connection, table, table.columns, Rows(rows), OnDuplicate.REJECT)
        seconds = time.perf_counter() - started
        if not keep:
            raise _TakenBack
    return seconds, counts.rejected


class _TakenBack(Exception):
    """The block has been timed."""


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(prog="bench_refused", description=__doc__)
    parser.add_argument("url", nargs="?", help="a server, as mysql://user:password@host:port/; else an embedded one")
    parser.add_argument("--rows", type=int, default=BLOCK)
    chosen = parser.parse_args()
    with contextlib.ExitStack() as stack:
        url = chosen.url
        if url is None:
            server = embedded.start(State(Path(stack.enter_context(TemporaryDirectory()))))
            stack.callback(server.stop)
            url = server.url
        for figure in measure(url, chosen.rows):
            print(f"{figure.name:24} {figure.rejected:7,} refused  {figure.seconds:7.2f} s  {figure.ratio:5.1f} x")


if __name__ == "__main__":
    main()
