"""Foreign keys of rows in files: looked up once a block, and as strict as the server's own check."""

import contextlib
import threading
from typing import Any

import pymysql
import pytest

from tableferry.config.settings import parse_database_url
from tableferry.errors import NotSupported
from tableferry.ingest.block_writer import BlockWriter, Target, Written
from tableferry.ingest.ordered_writers import OrderedWriters
from tableferry.ingest.write import parents
from tableferry.mysql.database import Database as Source
from tableferry.mysql.database import execute
from tests.support.lambdas import counts
from tests.support.parts import Database
from tests.support.uploads import Uploads

TABLES = (
    "CREATE TABLE p (id INT PRIMARY KEY, note INT)",
    "INSERT INTO p (id) VALUES (-1), (0), (1), (2), (3)",
    (
        "CREATE TABLE t (id INT, name VARCHAR(40), a INT, b INT NOT NULL,"
        " CONSTRAINT fa FOREIGN KEY (a) REFERENCES p (id), CONSTRAINT fb FOREIGN KEY (b) REFERENCES p (id))"
    ),
)
ORPHANS = "SELECT COUNT(*) FROM t WHERE (a IS NOT NULL AND a NOT IN (SELECT id FROM p)) OR b NOT IN (SELECT id FROM p)"


@pytest.fixture(autouse=True)
def tables(database: Database) -> None:
    database.run(*TABLES)


@pytest.fixture
def unchecked(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether the server was told not to check, for each block that was tried."""
    found: list[bool] = []
    real = parents._all_there
    monkeypatch.setattr(parents, "_all_there", lambda *args: found.append(real(*args)) or found[-1])  # type: ignore[func-returns-value]
    return found


def body(rows: int, *bad: str) -> bytes:
    return "".join([*(f'{n},"x, {n}",{n % 4 - 1 if n % 5 else ""},{n % 3}\n' for n in range(rows)), *bad]).encode()


@pytest.mark.usefixtures("small_blocks")
def test_parents_are_looked_up_once_a_block(database: Database, uploads: Uploads, unchecked: list[bool]) -> None:
    assert counts(uploads.load(body(95))) == (95, 95, 0, 0, 0)
    assert unchecked
    assert all(unchecked)
    assert database.rows("SELECT COUNT(*), COUNT(a), SUM(a), SUM(b) FROM t") == [
        (95, 76, sum(n % 4 - 1 for n in range(95) if n % 5), sum(n % 3 for n in range(95)))
    ]


@pytest.mark.usefixtures("small_blocks")
def test_a_row_without_a_parent_is_rejected_as_always(
    database: Database, uploads: Uploads, unchecked: list[bool]
) -> None:
    status = uploads.load(body(30, "30,y,9,0\n", '31,"y",-1,77\n', "32,z,,2\n"))
    assert counts(status) == (33, 31, 0, 2, 0)
    assert [(line, bad) for line, _, bad in uploads.rejects(status)] == [
        (31, [("a", "missing_parent")]),
        (32, [("b", "missing_parent")]),
    ]
    assert not all(unchecked)  # of the block that they are in
    assert database.rows(ORPHANS) == [(0,)]


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE t ADD u INT UNIQUE; ALTER TABLE t ADD CONSTRAINT own FOREIGN KEY (id) REFERENCES t (u)",
        "ALTER TABLE t ADD c INT, ADD d INT, ADD CONSTRAINT two FOREIGN KEY (c) REFERENCES p (id)",  # not given
        "ALTER TABLE t DROP FOREIGN KEY fa, MODIFY a BIGINT",
    ],
)
def test_a_key_that_cannot_be_looked_up_so_is_left_to_the_server(
    database: Database, uploads: Uploads, unchecked: list[bool], change: str
) -> None:
    database.run(*change.split("; "))
    extra = b"id,name,a,b\n"
    status = uploads.load(extra + b"1,x,1,1\n2,y,1,9\n")
    assert status["rejected"] >= 1
    assert database.rows("SELECT COUNT(*) FROM t WHERE b NOT IN (SELECT id FROM p)") == [(0,)]
    assert not any(unchecked)


def test_a_trigger_s_own_rows_are_checked(database: Database, uploads: Uploads, unchecked: list[bool]) -> None:
    database.run(
        "CREATE TABLE seen (p INT, FOREIGN KEY (p) REFERENCES p (id))",
        "CREATE TRIGGER see AFTER INSERT ON t FOR EACH ROW INSERT INTO seen VALUES (NEW.id)",
    )
    status = uploads.load(b"1,x,1,1\n77,y,1,1\n")
    assert counts(status) == (2, 1, 0, 1, 0)
    assert not unchecked


@pytest.mark.usefixtures("small_blocks")
def test_a_parent_cannot_go_before_its_rows_are_committed(
    database: Database, uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody deletes parents all the while: each is gone before its rows, which are rejected then, or cannot go."""
    database.run("INSERT INTO p (id) VALUES " + ", ".join(f"({n})" for n in range(100, 300)))
    real, stop = BlockWriter.conclude, threading.Event()
    tried: list[int] = []

    def deleting() -> None:
        with contextlib.closing(database.connect()) as connection, connection.cursor() as cursor:
            cursor.execute("SET SESSION innodb_lock_wait_timeout = 1")
            for n in range(299, 99, -1):
                if stop.is_set():
                    return
                with contextlib.suppress(pymysql.err.MySQLError):
                    cursor.execute("DELETE FROM p WHERE id = %s", (n,))
                tried.append(n)

    def slowly(writer: BlockWriter, connection: Any, done: Written) -> None:
        stop.wait(0.02)
        real(writer, connection, done)

    monkeypatch.setattr(BlockWriter, "conclude", slowly)
    thread = threading.Thread(target=deleting)
    thread.start()
    status = uploads.load("".join(f"{n},x,{n},1\n" for n in range(100, 300)).encode())
    stop.set()
    thread.join()
    assert tried
    assert status["read"] == 200
    assert status["inserted"] + status["rejected"] == 200
    assert database.rows(ORPHANS) == [(0,)]
    assert database.rows("SELECT COUNT(*) FROM t") == [(status["inserted"],)]


def test_the_server_checks_again_afterwards(
    database: Database, uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []
    real = BlockWriter.conclude

    def looking(writer: BlockWriter, connection: Any, done: Written) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT @@SESSION.foreign_key_checks")
            seen.extend(cursor.fetchall())
        real(writer, connection, done)

    monkeypatch.setattr(BlockWriter, "conclude", looking)
    assert counts(uploads.load(body(5))) == (5, 5, 0, 0, 0)
    assert seen == [(1,)]


def test_a_definition_that_cannot_be_read_is_no_hindrance(
    database: Database, uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable(*_: object) -> str:
        raise NotSupported("bytes that are no text")

    monkeypatch.setattr(parents, "definition", unreadable)
    assert counts(uploads.load(b"1,x,1,1\n2,y,1,9\n")) == (2, 1, 0, 1, 0)


@pytest.mark.parametrize("rows", [1, 150])
def test_rows_that_point_at_a_table_that_is_gone_are_rejected(database: Database, uploads: Uploads, rows: int) -> None:
    database.run(
        "CREATE TABLE q (id INT PRIMARY KEY)", "ALTER TABLE t ADD q INT, ADD FOREIGN KEY (q) REFERENCES q (id)"
    )
    with Source(parse_database_url(database.url)).connect() as connection:
        execute(connection, "SET SESSION foreign_key_checks = 0")
        execute(connection, "DROP TABLE q")
    status = uploads.load(
        b"7,x,1,1,\n" + b"".join(b"%d,x,1,1,1\n" % n for n in range(rows)), Metadata={"max-rejects": "100%"}
    )
    assert (status["state"], counts(status)) == ("done", (1 + rows, 1, 0, rows, 0))
    assert {bad for _, _, (bad,) in uploads.rejects(status)} == {("q", "missing_parent")}


@pytest.mark.usefixtures("small_blocks")
def test_a_trigger_made_in_mid_load_has_its_rows_checked(
    database: Database, uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.run("CREATE TABLE seen (p INT, FOREIGN KEY (p) REFERENCES p (id))")
    real = OrderedWriters.put

    def put(lanes: Any, task: Any) -> None:
        if task.number == 1:
            database.run("CREATE TRIGGER see AFTER INSERT ON t FOR EACH ROW INSERT INTO seen VALUES (NEW.id)")
        real(lanes, task)

    monkeypatch.setattr(OrderedWriters, "put", put)
    monkeypatch.setattr(Target, "lanes", lambda *_: 1)
    uploads.load(body(30))
    assert database.rows("SELECT COUNT(*) FROM seen WHERE p NOT IN (SELECT id FROM p)") == [(0,)]
