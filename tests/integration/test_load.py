"""Files in the bucket into a table: what arrives, what is rejected, and that each file counts once."""

import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from functions.load.app import handler, load_object
from tableferry import blocks, ledger
from tableferry import load as load_module
from tableferry.database import Connection, execute
from tableferry.errors import Conflict, DatabaseUnavailable, StoreUnavailable
from tableferry.store import Store
from tests.integration.lambdas import counts, created, invoke, request
from tests.integration.uploads import TEXTS, Uploads, lines, names
from tests.support import Database, Server, connect

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@pytest.fixture
def uploads(s3_client: "S3Client", bucket: str) -> Uploads:
    return Uploads(s3_client, bucket)


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "_BLOCK_RECORDS", 10)


def test_good_rows_are_loaded_and_the_others_are_in_the_rejects_with_line_text_and_reason(
    sample: Database, uploads: Uploads
) -> None:
    body = (
        "1,Ada,2021-07-27T16:02:08Z,1,2\n"
        "2,,2021-07-27T16:02:08Z,1,2\n"
        '3,"O\'Brien, ""Eve""\nthe second",2022-02-28T00:00:00Z,3,1\r\n'
        "\n"
        "4,Bob,2022-02-30T00:00:00Z,,1\n"
        "5,Max,2022-02-28T00:00:00Z,9,1\n"
        "1,Ada again,2021-07-27T16:02:08Z,1,2\n"
        "6,Zoë,2022-01-01T00:00:00Z\n"
        '7,"Cut,2022-01-01T00:00:00Z,1,1\n'
        "8,Fin,2022-01-01T00:00:00Z,1,1"
    )
    account = uploads.load(body.encode(), table="hired_employees")
    assert (account["state"], counts(account)) == ("done", (9, 3, 0, 6, 0))
    assert account["table"] == "hired_employees"
    assert uploads.rejects(account) == [
        (2, "2,,2021-07-27T16:02:08Z,1,2", [("name", "missing")]),
        (6, "4,Bob,2022-02-30T00:00:00Z,,1", [("datetime", "invalid"), ("department_id", "missing")]),
        (7, "5,Max,2022-02-28T00:00:00Z,9,1", [("department_id", "missing_parent")]),
        (8, "1,Ada again,2021-07-27T16:02:08Z,1,2", [("id", "duplicate_key")]),
        (9, "6,Zoë,2022-01-01T00:00:00Z", [("", "fields")]),
        (10, '7,"Cut,2022-01-01T00:00:00Z,1,1', [("", "malformed")]),
    ]
    assert sample.rows("SELECT id, name FROM hired_employees ORDER BY id") == [
        (1, "Ada"), (3, 'O\'Brien, "Eve"\nthe second'), (8, "Fin"),
    ]  # fmt: skip


def test_an_upload_goes_by_presigned_post(database: Database, uploads: Uploads) -> None:
    database.run("CREATE TABLE `it's 100% ☃` (id INT PRIMARY KEY, name VARCHAR(40))")
    answer = request(handler, "POST", "/uploads", body={"table": "it's 100% ☃", "filename": "a b+c%.csv"})
    assert answer.status == 201
    target = answer.json
    sent = httpx.post(target["url"], data=target["fields"], files={"file": ("a.csv", b"1,a\n2,b\n", "text/csv")})
    assert sent.status_code in (200, 201, 204), sent.text
    account = uploads.deliver(created(uploads.bucket, target["key"]))
    assert (account["table"], counts(account)) == ("it's 100% ☃", (2, 2, 0, 0, 0))
    listed = request(handler, "GET", "/loads", query={"key": target["key"]}).json["loads"]
    assert [load["id"] for load in listed] == [account["id"]]
    assert database.rows("SELECT * FROM `it's 100%% ☃`".replace("%%", "%")) == [(1, "a"), (2, "b")]


def test_the_same_event_twice_loads_the_file_once(database: Database, uploads: Uploads) -> None:
    database.run("CREATE TABLE t (id INT, name VARCHAR(40))")  # without a key, nothing but the ledger keeps rows apart
    event = uploads.put(lines(25, bad=5))
    first = uploads.deliver(event)
    database.run("DELETE FROM t WHERE id = 3")
    assert uploads.deliver(event) == first
    assert counts(first) == (25, 25, 0, 0, 0)
    assert len(names(database)) == 24


@pytest.mark.usefixtures("small_blocks")
def test_two_deliveries_at_once_load_the_file_once(database: Database, uploads: Uploads) -> None:
    database.run("CREATE TABLE t (id INT, name VARCHAR(40))")
    event = uploads.put(lines(95))
    found = event["Records"][0]["s3"]["object"]
    # Not through the handler: in Lambda each delivery has a process of its own, with its own log and metrics.
    threads = [threading.Thread(target=load_object, args=(found["key"], found["versionId"])) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    account = uploads.deliver(event)
    assert (account["state"], counts(account)) == ("done", (95, 95, 0, 0, 0))
    assert names(database) == [(n, f"name {n}") for n in range(1, 96)]


def test_a_file_written_over_before_its_event_came_is_loaded_too(database: Database, uploads: Uploads) -> None:
    database.run(TEXTS)
    first, second = uploads.put(b"1,a\n"), uploads.put(b"2,b\n")
    assert counts(uploads.deliver(second)) == (1, 1, 0, 0, 0)
    assert counts(uploads.deliver(first)) == (1, 1, 0, 0, 0)
    assert names(database) == [(1, "a"), (2, "b")]
    assert len(request(handler, "GET", "/loads").json["loads"]) == 2


def test_the_same_content_uploaded_again_is_another_file(database: Database, uploads: Uploads) -> None:
    database.run(TEXTS)
    assert counts(uploads.load(b"1,a\n2,b\n")) == (2, 2, 0, 0, 0)
    assert counts(uploads.load(b"1,a\n2,b\n")) == (2, 0, 0, 2, 0)
    ignored = uploads.load(b"1,x\n3,c\n", Metadata={"on-duplicate": "ignore"})
    assert counts(ignored) == (2, 1, 0, 0, 1)
    updated = uploads.load(b"1,x\n2,b\n4,d\n", Metadata={"on-duplicate": "update"})
    assert counts(updated) == (3, 1, 1, 0, 1)
    assert names(database) == [(1, "x"), (2, "b"), (3, "c"), (4, "d")]


def test_a_direct_invocation_says_what_becomes_of_duplicates(database: Database, uploads: Uploads) -> None:
    database.run(TEXTS, "INSERT INTO t VALUES (1, 'old')")
    key = uploads.put(b"1,new\n")["Records"][0]["s3"]["object"]["key"]
    account = invoke(handler, {"action": "load", "key": key, "on_duplicate": "update"})
    assert counts(account) == (1, 0, 1, 0, 0)
    assert names(database) == [(1, "new")]


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
@pytest.mark.parametrize("where", ["insert_rows", "write"])
@pytest.mark.parametrize("block", [1, 3, 6])
def test_a_load_killed_between_blocks_goes_on_after_the_last_one(
    database: Database, uploads: Uploads, killer: Any, monkeypatch: pytest.MonkeyPatch, where: str, block: int
) -> None:
    database.run("CREATE TABLE t (id INT, name VARCHAR(40) NOT NULL)")
    event = uploads.put(lines(58, bad=7))
    place: Any = load_module if where == "insert_rows" else ledger
    monkeypatch.setattr(place, where, Fault(getattr(place, where), block, killer))
    with pytest.raises(DatabaseUnavailable):
        invoke(handler, event)
    assert len(names(database)) <= (block - 1) * 10
    (failed,) = request(handler, "GET", "/loads").json["loads"]
    assert (failed["state"], failed["error"]["type"]) == ("failed", "database-unavailable")
    account = uploads.deliver(event)
    bad = [n for n in range(1, 59) if n % 7 == 0]
    assert (account["id"], account["state"], account["error"]) == (failed["id"], "done", None)
    assert counts(account) == (58, 50, 0, 8, 0)
    assert names(database) == [(n, f"name {n}") for n in range(1, 59) if n not in bad]
    assert uploads.rejects(account) == [(n, f"{n},", [("name", "missing")]) for n in bad]


@pytest.mark.usefixtures("small_blocks")
def test_a_load_that_could_not_write_its_rejects_goes_on(
    database: Database, uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.run("CREATE TABLE t (id INT, name VARCHAR(40) NOT NULL)")

    def fail(*_: object) -> None:
        raise StoreUnavailable("down")

    fault = Fault(Store.put_file, 1, fail)
    monkeypatch.setattr(Store, "put_file", lambda *args: fault(*args))  # noqa: PLW0108  # as a method, with self
    event = uploads.put(lines(25, bad=5))
    with pytest.raises(StoreUnavailable):
        invoke(handler, event)
    account = uploads.deliver(event)
    assert counts(account) == (25, 20, 0, 5, 0)
    assert len(uploads.rejects(account)) == 5
    assert len(names(database)) == 20


def test_a_load_that_ends_in_an_unforeseen_error_does_not_stay_running(
    database: Database, uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.run(TEXTS)

    def fail(*_: object) -> None:
        raise ZeroDivisionError("SELECT secret")

    with monkeypatch.context() as patch:
        patch.setattr(load_module, "insert_rows", Fault(None, 1, fail))
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
    monkeypatch.setattr("tableferry.writer._TRIES", 1)
    real = ledger.prepare

    def impatient(connection: Connection) -> None:
        execute(connection, "SET SESSION innodb_lock_wait_timeout = 1")
        real(connection)

    monkeypatch.setattr(ledger, "prepare", impatient)
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
