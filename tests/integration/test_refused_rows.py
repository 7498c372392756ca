"""Blocks of which the database refuses many rows: as if each row had been inserted by itself, and not much slower."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tableferry import catalog, writer
from tableferry.database import Connection, execute, rows, transaction
from tableferry.database import Database as Source
from tableferry.errors import Problem
from tableferry.options import OnDuplicate
from tableferry.rules import Cell, Row
from tableferry.settings import parse_database_url
from tableferry.tables import Table
from tableferry.writer import Counts, Rows, insert_rows
from tests.support import Database, Server, not_applicable

TEXT = "CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci"
TABLES = (
    "CREATE TABLE parents (id INT PRIMARY KEY)",
    "CREATE TABLE pairs (a INT, b INT, PRIMARY KEY (a, b))",
    "INSERT INTO parents VALUES (1), (2)",
    "INSERT INTO pairs VALUES (1, 1), (1, 2)",
    f"CREATE TABLE t (id INT PRIMARY KEY, mail VARCHAR(20) {TEXT}, a INT, b INT, parent INT, `odd ``name` INT NOT NULL,"
    " UNIQUE KEY one_mail (mail), UNIQUE KEY `both ``of them` (b, a), CONSTRAINT up FOREIGN KEY (parent) REFERENCES"
    " parents (id), CONSTRAINT pair FOREIGN KEY (a, b) REFERENCES pairs (a, b), CONSTRAINT small CHECK (`odd ``name` < 3),"
    " CONSTRAINT other CHECK (`odd ``name` <> id AND mail <> 'it''s `wrong`'))",
)
BEFORE = "INSERT INTO t VALUES (1, 'ada', 1, 1, 1, 0), (2, NULL, NULL, 1, NULL, 0)"
KEPT = "id, mail, a, b, parent, `odd ``name`"

Answer = tuple[Counts, list[Problem]]


@pytest.fixture(scope="module")
def own(server: Server) -> Iterator[tuple[Connection, Source]]:
    """A connection to a database of this module's own."""
    with server.database() as made:
        made.run(*TABLES)
        source = Source(parse_database_url(made.url))
        with source.connect() as connection:
            yield connection, source


class _TakenBack(Exception):
    """What was looked at is rolled back."""


def _one_by_one(connection: Connection, table: Table, given_rows: Sequence[Row]) -> Answer:
    insertion = writer._Insertion(connection, table, table.columns, OnDuplicate.REJECT)
    counts, problems = Counts(), []
    for row in given_rows:
        for done, problem in insertion.halved([row]):
            counts.add(done)
            problems += [problem] if problem else []
    return counts, problems


def _rows(cells: Sequence[tuple[Cell, ...]]) -> list[Row]:
    return [Row(number, row) for number, row in enumerate(cells, 1)]


def both_ways(connection: Connection, table: Table, before: str, given_rows: Sequence[Row]) -> tuple[Any, Any]:
    """What becomes of the rows, all at once and one by one: the answer, and the table after it."""
    found: list[tuple[Answer, Any]] = []
    for sieved in (True, False):
        with contextlib.suppress(_TakenBack), transaction(connection):
            execute(connection, before)
            if sieved:
                answer = insert_rows(connection, table, table.columns, Rows(given_rows), OnDuplicate.REJECT)
            else:
                answer = _one_by_one(connection, table, given_rows)
            found.append((answer, rows(connection, f"SELECT {KEPT} FROM t ORDER BY id")))
            raise _TakenBack
    return found[0], found[1]


SMALL = st.integers(1, 3) | st.none()
CELLS = st.tuples(
    st.integers(1, 12),
    st.sampled_from(["ada", "ADA", "Ädä", "bob ", "bob", "it's `wrong`", "cy", "di", "", None, None]),
    SMALL, SMALL, SMALL, st.integers(0, 3),
)  # fmt: skip


@given(cells=st.lists(CELLS, min_size=1, max_size=14))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_block_ends_as_if_each_row_had_been_inserted_by_itself(
    own: tuple[Connection, Source], monkeypatch: pytest.MonkeyPatch, cells: list[tuple[Cell, ...]]
) -> None:
    connection, source = own
    monkeypatch.setattr(writer, "_SIFTED_FROM", 1)
    table = catalog.describe(connection, source, "t")
    at_once, alone = both_ways(connection, table, BEFORE, _rows(cells))
    assert at_once == alone
