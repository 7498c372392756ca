"""Loads that end before they are done, and go on when their event comes again."""

from collections.abc import Iterator
from typing import Any

import pytest

from functions.load.app import handler
from tableferry.errors import Conflict, DatabaseUnavailable, StoreUnavailable
from tableferry.ingest.block_writer import BlockWriter
from tableferry.ledger import ledger
from tableferry.mysql.database import Connection
from tableferry.storage.bucket import Store
from tests.effort import sample
from tests.support.lambdas import counts, invoke, request
from tests.support.parts import Database, Server, connect
from tests.support.uploads import TEXTS, Uploads, lines, names


def server_thread(connection: Any) -> int:
    """The server's number for a connection."""
    return int(connection.thread_id())


class Fault:
    """Stands before a function and fails, once, at its n-th call."""

    def __init__(self, real: Any, at: int, fail: Any) -> None:
        self.real = real
        self.left = at
        self.fail = fail

    def __call__(self, *args: Any, **options: Any) -> Any:
        self.left -= 1
        if self.left == 0:
            self.fail(*args)
        return self.real(*args, **options)


@pytest.fixture
def killer(server: Server) -> Iterator[Any]:
    """Kills the connection that it is given, as a failing server would."""
    with connect(server.url) as admin:

        def kill(connection: Connection, *_: object) -> None:
            with admin.cursor() as cursor:
                cursor.execute(f"KILL {server_thread(connection)}")

        yield kill


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("where", ["conclude", "write"])
@pytest.mark.parametrize("block", [1, 3, 6])
@sample(3)
def test_a_load_killed_between_blocks_goes_on_after_the_last_one(
    database: Database, uploads: Uploads, killer: Any, monkeypatch: pytest.MonkeyPatch, where: str, block: int
) -> None:
    database.run("CREATE TABLE t (id INT, name VARCHAR(40) NOT NULL)")
    event = uploads.put(lines(58, bad=7))
    if where == "conclude":
        fault = Fault(BlockWriter.conclude, block, lambda _, connection, __: killer(connection))
        monkeypatch.setattr(BlockWriter, "conclude", lambda *args: fault(*args))  # noqa: PLW0108  # as a method
    else:
        monkeypatch.setattr(ledger, "write", Fault(ledger.write, block, killer))
    with pytest.raises(DatabaseUnavailable):
        invoke(handler, event)
    assert len(names(database)) <= (block - 1) * 10
    (failed,) = request(handler, "GET", "/loads").json["loads"]
    assert (failed["state"], failed["error"]["type"]) == ("failed", "database-unavailable")
    status = uploads.deliver(event)
    bad = [n for n in range(1, 59) if n % 7 == 0]
    assert (status["id"], status["state"], status["error"]) == (failed["id"], "done", None)
    assert counts(status) == (58, 50, 0, 8, 0)
    assert names(database) == [(n, f"name {n}") for n in range(1, 59) if n not in bad]
    assert uploads.rejects(status) == [(n, f"{n},", [("name", "missing")]) for n in bad]


@pytest.mark.usefixtures("small_blocks")
def test_a_load_that_could_not_write_its_rejects_goes_on(
    database: Database, uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.run("CREATE TABLE t (id INT, name VARCHAR(40) NOT NULL)")

    def fail(*_: object) -> None:
        raise StoreUnavailable("down")

    fault = Fault(Store.put_pieces, 1, fail)
    monkeypatch.setattr(Store, "put_pieces", lambda *args: fault(*args))  # noqa: PLW0108  # as a method, with self
    event = uploads.put(lines(25, bad=5))
    with pytest.raises(StoreUnavailable):
        invoke(handler, event)
    status = uploads.deliver(event)
    assert counts(status) == (25, 20, 0, 5, 0)
    assert len(uploads.rejects(status)) == 5
    assert len(names(database)) == 20


def test_a_load_that_ends_in_an_unforeseen_error_does_not_stay_running(
    database: Database, uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.run(TEXTS)

    def fail(*_: object) -> None:
        raise ZeroDivisionError("SELECT secret")

    with monkeypatch.context() as patch:
        patch.setattr(BlockWriter, "conclude", fail)
        event = uploads.put(lines(3))
        with pytest.raises(ZeroDivisionError):
            invoke(handler, event)
    (failed,) = request(handler, "GET", "/loads").json["loads"]
    assert (failed["state"], failed["error"]["type"]) == ("failed", "internal")
    assert "SELECT" not in str(failed)
    assert counts(uploads.deliver(event)) == (3, 3, 0, 0, 0)


def test_a_load_that_found_the_table_locked_comes_again(
    database: Database, uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.run(TEXTS, "INSERT INTO t VALUES (1, 'a')")
    event = uploads.put(b"0,z\n1,a\n2,b\n")
    monkeypatch.setattr("tableferry.mysql.retry._TRIES", 1)
    monkeypatch.setattr("tableferry.ingest.load._HOLDS_ROWS", {"innodb_lock_wait_timeout": 1})
    with database.connect(autocommit=False) as holder, holder.cursor() as cursor:
        cursor.execute("SELECT * FROM t FOR UPDATE")
        with pytest.raises(Conflict):
            invoke(handler, event)
        holder.rollback()
    assert counts(uploads.deliver(event)) == (3, 2, 0, 1, 0)
    assert names(database) == [(0, "z"), (1, "a"), (2, "b")]


@pytest.mark.usefixtures("sample")
def test_what_cannot_be_had_now_fails_so_that_the_event_comes_again(
    uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = uploads.put(b"10,A\n", table="departments")
    with monkeypatch.context() as patch:
        patch.setenv("DATABASE_URL", "mysql://nobody:pa55@127.0.0.1:1/t")
        with pytest.raises(DatabaseUnavailable) as raised:
            invoke(handler, event)
    assert "pa55" not in str(raised.value)
    with monkeypatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")
        with pytest.raises(StoreUnavailable):
            invoke(handler, event)
    assert counts(uploads.deliver(event)) == (1, 1, 0, 0, 0)
