"""Blocks of which the database refuses many rows: as if each row had been inserted by itself, and not much slower."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.verbs import refused_rows
from tableferry.config.load_options import OnDuplicate
from tableferry.config.settings import parse_database_url
from tableferry.errors import NotSupported, Problem
from tableferry.ingest.rows.rules import Cell, Default, Row
from tableferry.ingest.write import constraint_check, writer
from tableferry.ingest.write.batch import Rows
from tableferry.ingest.write.insertion import Counts, Insertion
from tableferry.ingest.write.writer import insert_rows
from tableferry.mysql.database import Connection, execute, rows, transaction
from tableferry.mysql.database import Database as Source
from tableferry.mysql.identifiers import column_list
from tableferry.schema import catalog
from tableferry.schema.table import Table
from tests.effort import effort
from tests.support.parts import Database, Server

TEXT = "CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci"
TABLES = (
    "CREATE TABLE parents (id INT PRIMARY KEY)",
    "CREATE TABLE pairs (a INT, b INT, PRIMARY KEY (a, b))",
    "INSERT INTO parents VALUES (1), (2)",
    "INSERT INTO pairs VALUES (1, 1), (1, 2)",
    (f"CREATE TABLE t (id INT PRIMARY KEY, mail VARCHAR(20) {TEXT}, a INT, b INT, parent INT, `odd ``name` INT NOT NULL,"
    " UNIQUE KEY one_mail (mail), UNIQUE KEY `both ``of them` (b, a), CONSTRAINT up FOREIGN KEY (parent) REFERENCES"
    " parents (id), CONSTRAINT pair FOREIGN KEY (a, b) REFERENCES pairs (a, b), CONSTRAINT small CHECK (`odd ``name` < 3),"
    " CONSTRAINT other CHECK (`odd ``name` <> id AND mail <> 'it''s `wrong`'))"),
)  # fmt: skip
BEFORE = "INSERT INTO t VALUES (1, 'ada', 1, 1, 1, 0), (2, NULL, NULL, 1, NULL, 0)"

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
    insertion = Insertion(connection, table, table.stored, OnDuplicate.REJECT)
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
    columns = column_list(column.name for column in table.stored)
    for sieved in (True, False):
        with contextlib.suppress(_TakenBack), transaction(connection):
            execute(connection, before)
            if sieved:
                answer = insert_rows(connection, table, table.stored, Rows(given_rows), OnDuplicate.REJECT)
            else:
                answer = _one_by_one(connection, table, given_rows)
            found.append((answer, rows(connection, f"SELECT {columns} FROM {table.sql} ORDER BY 1")))
            raise _TakenBack
    return found[0], found[1]


SMALL = st.integers(1, 3) | st.none()
CELLS = st.tuples(
    st.integers(1, 12),
    st.sampled_from(["ada", "ADA", "Ädä", "bob ", "bob", "it's `wrong`", "cy", "di", "", None, None]),
    SMALL, SMALL, SMALL, st.integers(0, 3),
)  # fmt: skip


@given(cells=st.lists(CELLS, min_size=1, max_size=14))
@settings(max_examples=effort(20, 60), suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_block_ends_as_if_each_row_had_been_inserted_by_itself(
    own: tuple[Connection, Source], monkeypatch: pytest.MonkeyPatch, cells: list[tuple[Cell, ...]]
) -> None:
    connection, source = own
    monkeypatch.setattr(writer, "_SIFTED_FROM", 1)
    table = catalog.describe(connection, source, "t")
    at_once, alone = both_ways(connection, table, BEFORE, _rows(cells))
    assert at_once == alone


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    with Source(parse_database_url(database.url)).connect() as opened:
        yield opened


def described(connection: Connection, database: Database, name: str) -> Table:
    return catalog.describe(connection, Source(parse_database_url(database.url)), name)


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many rows each INSERT had."""
    made: list[int] = []
    real = Insertion._statement

    def counted(insertion: Insertion, given_rows: Sequence[Row]) -> Counts:
        made.append(len(given_rows))
        return real(insertion, given_rows)

    monkeypatch.setattr(Insertion, "_statement", counted)
    return made


def employees(count: int) -> list[list[Cell]]:
    return [[number, f"N{number}", "2021-07-27 16:02:08", 1, 1] for number in range(1, count + 1)]


def test_each_refused_row_has_its_own_reason_and_the_database_is_asked_once_for_each_kind(
    sample: Database, connection: Connection, statements: list[int]
) -> None:
    sample.run("INSERT INTO hired_employees VALUES (7, 'Ada', '2021-01-01', 1, 1)")
    sample.run("ALTER TABLE hired_employees ADD CONSTRAINT named CHECK (name <> '')")
    cells = employees(1000)
    for place in range(100, 1000, 2):
        cells[place][0] = place  # of the row before it
    cells[10][3] = cells[11][4] = cells[12][3] = 9
    cells[13][1] = ""
    table = described(connection, sample, "hired_employees")
    given_rows = _rows([tuple(row) for row in cells])
    with transaction(connection):
        counts, problems = insert_rows(connection, table, table.columns, Rows(given_rows), OnDuplicate.REJECT)
    assert counts == Counts(inserted=545, rejected=455)
    duplicate = ("id", "duplicate_key", "a row with this key is there already (key PRIMARY)")
    parent = ("missing_parent", "the row that this one points at is not there")
    assert [(bad.row, bad.column, bad.code, bad.message) for bad in problems[:6]] == [
        (7, *duplicate),
        (11, "department_id", *parent),
        (12, "job_id", *parent),
        (13, "department_id", *parent),
        (14, "", "check", "a check of the table's is not met (named)"),
        (101, *duplicate),
    ]
    assert [bad.row for bad in problems[5:]] == list(range(101, 1001, 2))
    assert len(statements) <= 6
    assert sample.rows("SELECT COUNT(*), MIN(id), SUM(id = 7 AND name = 'Ada') FROM hired_employees") == [(546, 1, 1)]


def test_a_row_that_is_refused_does_not_take_the_key_of_one_that_comes_later(
    sample: Database, connection: Connection, statements: list[int]
) -> None:
    cells = employees(200)
    cells[50][3] = 9
    cells[50][0] = 200  # which the last one gets
    table = described(connection, sample, "hired_employees")
    at_once, alone = both_ways(connection, table, "DO 0", _rows([tuple(row) for row in cells]))
    assert at_once == alone
    assert [bad.row for bad in at_once[0][1]] == [51]


def test_values_that_are_left_out_are_filled_in_where_rows_are_refused_too(
    database: Database, connection: Connection, statements: list[int]
) -> None:
    database.run("CREATE TABLE t (id INT PRIMARY KEY, note VARCHAR(9) DEFAULT 'none')")
    table = described(connection, database, "t")
    given_rows = _rows([(number // 2, Default.DEFAULT) for number in range(300)])
    with transaction(connection):
        counts, _ = insert_rows(connection, table, table.columns, Rows(given_rows), OnDuplicate.REJECT)
    assert counts == Counts(inserted=150, rejected=150)
    assert statements == [300, 150, 1]
    assert database.rows("SELECT COUNT(*), MIN(note), MAX(note) FROM t") == [(150, "none", "none")]


def test_automatic_numbers_are_no_duplicates(database: Database, connection: Connection) -> None:
    database.run("CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, mail VARCHAR(9) UNIQUE)")
    table = described(connection, database, "t")
    given_rows = _rows([(None, f"m{number // 2}") for number in range(300)])
    with transaction(connection):
        counts, problems = insert_rows(connection, table, table.columns, Rows(given_rows), OnDuplicate.REJECT)
    assert counts == Counts(inserted=150, rejected=150)
    assert {bad.message for bad in problems} == {"a row with this key is there already (key mail)"}


@pytest.mark.parametrize(
    "statements_before",
    [
        ["CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(9), UNIQUE KEY start (v(2)))"],
        ["CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(9), g INT AS (id DIV 3) STORED, UNIQUE KEY made (g))"],
        ["CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(9), g INT AS (id DIV 3) STORED, CHECK (g <> 4))"],
        ["CREATE TABLE t (id INT PRIMARY KEY, v INT, FOREIGN KEY (v) REFERENCES t (id))"],
        [
            "CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(9))",
            "CREATE TRIGGER other BEFORE INSERT ON t FOR EACH ROW SET NEW.id = NEW.id DIV 2",
        ],
        [
            "CREATE TABLE t (id INT PRIMARY KEY, v INT CHECK (v <> 7)) PARTITION BY RANGE (id) (PARTITION p VALUES LESS THAN (90))"
        ],
        ["CREATE TABLE t (id INT, v VARCHAR(9))"],
        ["CREATE TABLE t (id BIT(40) PRIMARY KEY, v VARBINARY(9) UNIQUE)"],
        ["CREATE TABLE t (id FLOAT PRIMARY KEY, v CHAR(9) CHARACTER SET latin1 UNIQUE, CHECK (v <> '7'))"],
    ],
)  # fmt: skip
def test_rules_of_any_kind_are_kept(
    database: Database, connection: Connection, statements_before: Sequence[str]
) -> None:
    database.run(*statements_before)
    table = described(connection, database, "t")
    binary = table.columns[1].data_type == "varbinary"
    cells = [(number - number % 7 // 6, number % 95) for number in range(120)]
    given_rows = _rows([(key, bytes([value]) if binary else str(value)) for key, value in cells])
    at_once, alone = both_ways(connection, table, "DO 0", given_rows)
    assert at_once == alone
    assert at_once[0][0].inserted > 0


NEW_PARENT = "INSERT INTO departments VALUES (8, 'New')"
NEW_EMPLOYEE = "INSERT INTO hired_employees VALUES (5, 'Ada', '2021-01-01', 1, 1)"


@pytest.mark.parametrize(("meanwhile", "refused"), [(NEW_PARENT, [10]), (NEW_EMPLOYEE, [5, 10, 21])])
def test_what_another_session_wrote_meanwhile_is_seen(
    sample: Database, connection: Connection, meanwhile: str, refused: list[int]
) -> None:
    table = described(connection, sample, "hired_employees")
    cells = employees(200)
    cells[9][3], cells[20][3] = 9, 8
    with transaction(connection):
        rows(connection, "SELECT COUNT(*) FROM hired_employees")  # what this transaction reads is from now
        sample.run(meanwhile)
        given_rows = _rows([tuple(row) for row in cells])
        _, problems = insert_rows(connection, table, table.columns, Rows(given_rows), OnDuplicate.REJECT)
    assert [bad.row for bad in problems] == refused


def test_the_benchmark_of_refused_rows_refuses_as_many_as_it_says(server: Server) -> None:
    found = {figure.name: figure.rejected for figure in refused_rows.measure(server.url, block=200, repeats=1)}
    assert found == {
        "nothing wrong": 0,
        "3 % there already": 6,
        "50 % there already": 100,
        "all there already": 200,
        "3 % twice in the block": 6,
        "50 % twice in the block": 100,
        "3 % without a parent": 6,
        "3 % fail a check": 6,
    }


def test_a_definition_that_cannot_be_read_is_no_hindrance(
    database: Database, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable(*_: object) -> str:
        raise NotSupported("bytes that are no text")

    database.run("CREATE TABLE t (id INT PRIMARY KEY)")
    table = described(connection, database, "t")
    monkeypatch.setattr(constraint_check, "definition", unreadable)
    with transaction(connection):
        given_rows = _rows([(number // 2,) for number in range(200)])
        counts, _ = insert_rows(connection, table, table.columns, Rows(given_rows), OnDuplicate.REJECT)
    assert counts == Counts(inserted=100, rejected=100)
