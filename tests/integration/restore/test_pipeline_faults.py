"""A backup's readers and senders, and a restore's worker pool, when one of them fails: the rest ends, and the cause is told."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tableferry.columnar import formats, result_set
from tableferry.config.settings import database_address
from tableferry.mysql.database import Database as Source
from tableferry.mysql.database import rows
from tableferry.mysql.worker_pool import worker_pool
from tableferry.restore.build import indexes, shadow
from tests.effort import sample
from tests.support import verbs
from tests.support.parts import Database, Server, connect, not_applicable, until
from tests.support.verbs import backup, get, post

OBJECTS = 40
ROWS = 8


@pytest.fixture(autouse=True)
def threads_end() -> Iterator[None]:
    before = threading.active_count()
    yield
    assert until(lambda: threading.active_count() == before), "a thread goes on"


@pytest.fixture
def tables(database: Database, bucket: str, monkeypatch: pytest.MonkeyPatch) -> Database:
    """Table ``long`` is one range of many objects, ``short`` of one."""
    monkeypatch.setenv("CHUNK_BYTES", "20000")
    monkeypatch.setattr(shadow, "_FEW_ROWS", 1)
    verbs.run(
        database,
        "CREATE TABLE `long` (filling VARCHAR(5000), number INT, KEY (number))",
        "CREATE TABLE short (id INT PRIMARY KEY, number INT, UNIQUE KEY (number))",
    )
    verbs.fill(database, "long", [("x" * 5000, number) for number in range(OBJECTS * 4)])
    verbs.fill(database, "short", [(number, number) for number in range(ROWS)])
    return database


def as_admin(database: Database, statement: str) -> None:
    with contextlib.closing(connect(database.admin_url)) as admin, admin.cursor() as cursor:
        cursor.execute(statement)


def kill(database: Database, connection: Any, what: str = "CONNECTION") -> None:
    as_admin(database, f"KILL {what} {connection.thread_id()}")


def all_closed(database: Database) -> bool:
    """Whether no connection to the test's database is open but the one that looks; a server needs a moment to see it."""
    sql = "SELECT COUNT(*) - 1 FROM information_schema.processlist WHERE db = %s"
    return until(lambda: verbs.rows(database, sql, database.name) == [(0,)])


def written() -> int:
    return len([one for one in verbs.store().list("backups/") if "/long/" in one.key])


def test_a_reader_that_fails_stops_the_others_in_the_middle_of_their_ranges(
    tables: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, failed = threading.Event(), threading.Event()
    real = result_set.batches

    def batches(connection: Any, sql: str, *rest: Any) -> Iterator[Any]:
        if "`short`" not in sql:
            for number, batch in enumerate(real(connection, sql, *rest)):
                if number == 4:
                    begun.set()
                    assert failed.wait(30)
                yield batch
            return
        assert begun.wait(30)
        kill(tables, connection)
        try:
            yield from real(connection, sql, *rest)
        finally:
            threading.Timer(1, failed.set).start()  # when the others have been told

    monkeypatch.setattr(result_set, "batches", batches)
    assert "(error 2013)" in post("/backups").problem(503)["detail"]
    assert written() <= 6
    assert all_closed(tables)


@pytest.mark.parametrize("error", [MemoryError, KeyboardInterrupt])
def test_whatever_a_sender_fails_with_stops_the_readers(
    tables: Database, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    calls = []
    real = formats.write

    def fails(*given: Any) -> bytes:
        calls.append(given)
        if len(calls) == 5:
            raise error
        return real(*given)

    monkeypatch.setattr(formats, "write", fails)
    if error is KeyboardInterrupt:
        with pytest.raises(KeyboardInterrupt):
            post("/backups")
    else:
        post("/backups").problem(500)
    assert written() < OBJECTS / 2
    assert all_closed(tables)


@pytest.mark.parametrize("workers", ["1", "4"])
@pytest.mark.parametrize(("module", "name"), [(indexes, "put_on"), (result_set, "digest")])
@sample(1)
def test_a_connection_that_is_killed_while_others_wait_for_it_is_what_is_told(
    tables: Database, monkeypatch: pytest.MonkeyPatch, module: Any, name: str, workers: str
) -> None:
    monkeypatch.setenv("WORKERS", workers)
    backup()
    real: Callable[..., Any] = getattr(module, name)

    def kills(connection: Any, table_sql: str, *rest: Any) -> Any:
        if "`short`" in table_sql:
            kill(tables, connection)
        return real(connection, table_sql, *rest)

    monkeypatch.setattr(module, name, kills)
    with verbs.unchanged(tables):
        assert "(error 2013)" in post("/restores").problem(503)["detail"]
    assert get("/restores").json["restores"][0]["state"] == "failed"
    assert all_closed(tables)


def test_rows_that_are_the_same_in_a_unique_key_here_are_told_of_and_nothing_is_changed(
    tables: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup("short")
    real = indexes.put_on

    def equals(connection: Any, table_sql: str, *rest: Any) -> bool:
        as_admin(tables, f"UPDATE {table_sql} SET number = 1")
        return real(connection, table_sql, *rest)

    monkeypatch.setattr(indexes, "put_on", equals)
    with verbs.unchanged(tables):
        problem = post("/restores").problem(409)
    assert problem["type"].endswith(":digest-mismatch")
    assert "unique key" in problem["detail"]


def test_rows_that_are_copied_for_an_index_are_read_again(
    database: Database, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not database.mariadb:
        not_applicable("no WITHOUT OVERLAPS, which needs the copy")
    monkeypatch.setattr(shadow, "_FEW_ROWS", 1)
    verbs.run(
        database,
        "CREATE TABLE t (id INT, s DATE, e DATE, a INT, PERIOD FOR p (s, e), UNIQUE KEY u (id, p WITHOUT OVERLAPS), KEY k (a))",
        "INSERT INTO t VALUES (1, '2020-01-01', '2020-01-02', 1), (2, '2020-01-01', '2020-01-02', 2)",
    )
    backup("t")
    real = indexes.put_on
    stayed = []

    def loses_one(connection: Any, table_sql: str, *rest: Any) -> bool:
        stayed.append(real(connection, table_sql, *rest))
        as_admin(database, f"DELETE FROM {table_sql} WHERE id = 2")
        return stayed[-1]

    monkeypatch.setattr(indexes, "put_on", loses_one)
    with verbs.unchanged(database):
        assert post("/restores").problem(409)["type"].endswith(":digest-mismatch")
    assert stayed == [False]


def test_a_statement_that_is_killed_is_told_of(tables: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    backup("long")
    with contextlib.closing(tables.connect(autocommit=False)) as reader, reader.cursor() as cursor:
        real = indexes.put_on

        def kills(connection: Any, table_sql: str, *rest: Any) -> bool:
            cursor.execute(f"SELECT 1 FROM {table_sql} LIMIT 1")  # the index waits for it
            killer = threading.Timer(0.3, kill, (tables, connection, "QUERY"))
            killer.start()
            try:
                return real(connection, table_sql, *rest)
            finally:
                killer.join()
                reader.rollback()

        monkeypatch.setattr(indexes, "put_on", kills)
        with verbs.unchanged(tables):
            assert "ended a statement (error 1317)" in post("/restores").problem(503)["detail"]


def test_limits_of_the_server_are_none_for_the_worker_pool(server: Server, tables: Database) -> None:
    if not server.alone:
        not_applicable("the server's settings are not ours to change")
    limits = {"lock_wait_timeout": 1, "max_statement_time" if server.mariadb else "max_execution_time": 1}
    names = ", ".join(f"@@{name}" for name in limits)
    [before] = verbs.rows(tables, f"SELECT {names}")
    try:
        for name, limit in limits.items():
            as_admin(tables, f"SET GLOBAL {name} = {limit}")
        with worker_pool(Source(database_address()), 1) as pool, pool.connection() as connection:
            assert rows(connection, f"SELECT {names}") == [(86400, 0)]
    finally:
        for name, value in zip(limits, before, strict=True):
            as_admin(tables, f"SET GLOBAL {name} = {value}")


def test_a_server_that_is_to_alter_tables_at_once_or_not_at_all_takes_indexes_off_and_on(
    server: Server, tables: Database
) -> None:
    if not server.mariadb or not server.alone:
        not_applicable("no alter_algorithm that is ours to change")
    verbs.run(
        tables,
        "CREATE TABLE copied (id INT, s DATE, e DATE, PERIOD FOR p (s, e), UNIQUE KEY u (id, p WITHOUT OVERLAPS), KEY (s))",
        "INSERT INTO copied VALUES (1, '2020-01-01', '2020-01-02')",
    )
    before = verbs.picture(tables).tables
    backup()
    verbs.run(tables, "DELETE FROM `long`")
    as_admin(tables, "SET GLOBAL alter_algorithm = INSTANT")
    try:
        verbs.restore()
    finally:
        as_admin(tables, "SET GLOBAL alter_algorithm = DEFAULT")
    assert verbs.picture(tables).tables == before


def test_duplicates_are_looked_for_in_every_row_that_is_loaded(tables: Database) -> None:
    with worker_pool(Source(database_address()), 1) as pool, pool.connection() as connection:
        assert rows(connection, "SELECT @@unique_checks") == [(1,)]


@pytest.mark.usefixtures("bucket")
def test_a_server_that_prepares_no_more_statements_is_told_apart(server: Server, database: Database) -> None:
    if not server.alone:
        not_applicable("only a server that nobody else uses may be set so")
    verbs.run(database, "CREATE TABLE t (id INT PRIMARY KEY)")
    [(before,)] = database.rows("SELECT @@GLOBAL.max_prepared_stmt_count")
    with contextlib.closing(connect(database.admin_url)) as admin, admin.cursor() as cursor:
        cursor.execute("SET GLOBAL max_prepared_stmt_count = 0")
        try:
            problem = post("/backups").problem(503)
        finally:
            cursor.execute(f"SET GLOBAL max_prepared_stmt_count = {before}")
    assert "max_prepared_stmt_count" in problem["detail"]
    assert backup("t")["state"] == "done"
