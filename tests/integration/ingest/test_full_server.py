"""A server without a free connection is waited for; one that takes no writes is told apart."""

import contextlib
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from functions.insert.app import handler as insert_handler
from functions.load.app import handler as load_handler
from tableferry.errors import ReadOnlyServer
from tests.effort import in_ci
from tests.support import verbs
from tests.support.lambdas import Answer, Context, invoke, request
from tests.support.load_process import Functions
from tests.support.parts import Database, Server, not_applicable
from tests.support.server_settings import administrator
from tests.support.uploads import TEXTS, Uploads, lines

FILES, ROWS, MOST = 60, 40, 25


def post() -> Answer:
    return request(insert_handler, "POST", "/tables/t/rows", body=[{"id": 100, "name": "new"}])


@contextlib.contextmanager
def setting(server: Server, *settings: tuple[str, int]) -> Iterator[None]:
    """The server set so for a while."""
    if not server.alone:
        not_applicable("settings of a server that others use")
    with administrator(server) as admin:
        before = []
        for name, value in settings:
            admin.execute(f"SELECT @@GLOBAL.{name}")
            before.append((name, admin.fetchall()[0][0]))
            admin.execute(f"SET GLOBAL {name} = {value}")
        try:
            yield
        finally:
            for name, value in reversed(before):
                admin.execute(f"SET GLOBAL {name} = {value}")


@pytest.fixture
def table(database: Database) -> Database:
    database.run(TEXTS, "INSERT INTO t VALUES (1, 'one')")
    return database


@contextlib.contextmanager
def full(server: Server, database: Database) -> Iterator[list[Any]]:
    """A server of whose few connections none is free, until those that are handed out are closed."""
    held: list[Any] = []
    with setting(server, ("max_connections", 12)):
        try:
            with contextlib.suppress(Exception):
                while len(held) < 20:
                    held.append(database.connect())
            assert 1 < len(held) < 20
            yield held
        finally:
            for connection in held:
                if connection.open:
                    connection.close()


def test_a_request_waits_for_a_connection(server: Server, table: Database) -> None:
    with full(server, table) as held:
        freed = threading.Timer(1, lambda: [connection.close() for connection in held])
        started = time.monotonic()
        freed.start()
        assert post().status == 201
        assert 1 <= time.monotonic() - started < 10
        freed.join()
    assert table.rows("SELECT COUNT(*) FROM t") == [(2,)]


def test_a_request_whose_time_is_up_says_that_the_server_is_full(
    server: Server, table: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Context, "get_remaining_time_in_millis", lambda _: 1000)
    with full(server, table):
        problem = post().problem(503)
    assert problem["type"].endswith(":too-many-connections")
    assert "error 1040" in problem["detail"]
    assert table.rows("SELECT COUNT(*) FROM t") == [(1,)]


@in_ci
def test_more_files_than_connections_are_all_loaded_by_themselves(
    server: Server, table: Database, uploads: Uploads
) -> None:
    table.run("DELETE FROM t", "ALTER TABLE t DROP PRIMARY KEY")
    events = [uploads.put(lines(ROWS), name=f"{number}.csv") for number in range(FILES)]
    with Functions({}) as functions, setting(server, ("max_connections", MOST)):
        outcomes = functions.prepared(*events).go().outcomes()
    assert outcomes is not None
    assert {(one.error, one.status and one.status["state"]) for one in outcomes} == {(None, "done")}
    assert table.rows("SELECT COUNT(*), COUNT(DISTINCT id) FROM t") == [(FILES * ROWS, ROWS)]


READ_ONLY = ["read_only", "super_read_only"]


@pytest.mark.parametrize("name", READ_ONLY)
def test_a_server_that_takes_no_writes_is_backed_up_and_refuses_all_else_by_name(
    server: Server, table: Database, uploads: Uploads, name: str
) -> None:
    if server.mariadb and name == "super_read_only":
        not_applicable("MariaDB has no super_read_only")
    verbs.backup("t")
    before = verbs.picture(table)
    with setting(server, ("read_only", 1), *([(name, 1)] if name != "read_only" else [])):
        for answer in (post(), verbs.post("/restores", {"replace": True})):
            problem = answer.problem(503)
            assert problem["type"].endswith(":read-only-server")
            assert "address of the writer" in problem["detail"]
        with pytest.raises(ReadOnlyServer):  # so that the event comes again
            invoke(load_handler, uploads.put(lines(5)))
        made = verbs.backup()
        assert [(entry["name"], entry["rows"]) for entry in verbs.manifest_of(made["id"])["tables"]] == [("t", 1)]
        assert verbs.post(f"/backups/{made['id']}/verify").status == 201
    assert verbs.picture(table) == before
    assert post().status == 201
    (load_status,) = request(load_handler, "GET", "/loads").json["loads"]
    assert (load_status["state"], load_status["error"]["type"].rpartition(":")[2]) == ("failed", "read-only-server")
