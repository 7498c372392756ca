"""Loads at the edges of blocks, lanes and load statuses."""

import gzip
import threading
import time
import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pymysql
import pytest

from functions.load.app import handler
from tableferry.errors import DatabaseUnavailable
from tableferry.ingest.block_writer import BlockWriter, Written
from tableferry.ingest.loads.checkpoints import Entries, State
from tableferry.mysql.database import Connection
from tableferry.storage.bucket import Store
from tests.support.lambdas import counts, created, invoke, request
from tests.support.parts import Database
from tests.support.uploads import TEXTS, Uploads, lines, names

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def test_bytes_in_base64_that_look_like_hexadecimal_digits(database: Database, uploads: Uploads) -> None:
    database.run("CREATE TABLE t (id INT PRIMARY KEY, b VARBINARY(20))")
    status = uploads.load(b"1,AAAA\n2,abcd\n3,+/+/\n", Metadata={"binary": "base64"})
    assert counts(status) == (3, 3, 0, 0, 0)
    assert database.rows("SELECT id, HEX(b) FROM t ORDER BY id") == [(1, "000000"), (2, "69B71D"), (3, "FBFFBF")]


@pytest.mark.usefixtures("small_blocks")
def test_a_block_that_cannot_be_concluded_is_rolled_back(
    database: Database, uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its connection is the next block's, and to begin a transaction on it would commit what it holds."""
    database.run("CREATE TABLE t (id INT, name VARCHAR(40))")  # without a key, to show what went in twice
    second_is_written = threading.Event()
    real_add, real_quickly = Entries.add, BlockWriter.quickly
    tries: list[int] = []

    def add(entries: Entries, connection: Connection, state: State, rejects: str) -> None:
        number = state.next.number - 1
        tries.append(number)
        if number == 0:
            second_is_written.wait(20)
        if number == 1 and tries.count(1) == 1:
            time.sleep(0.3)  # until the fourth block waits for a connection
            raise pymysql.err.OperationalError(1317, "Query execution was interrupted")
        real_add(entries, connection, state, rejects)

    def quickly(writer: BlockWriter, connection: Connection) -> Written | None:
        done = real_quickly(writer, connection)
        if writer.number == 1:
            second_is_written.set()
        return done

    monkeypatch.setattr(Entries, "add", add)
    monkeypatch.setattr(BlockWriter, "quickly", quickly)
    event = uploads.put(lines(200))
    with pytest.raises(DatabaseUnavailable, match="1317"):
        uploads.deliver(event)
    assert counts(uploads.deliver(event)) == (200, 200, 0, 0, 0)
    assert sorted(names(database)) == [(n, f"name {n}") for n in range(1, 201)]


@pytest.mark.usefixtures("small_blocks")
def test_a_status_keeps_what_is_known_of_a_load_when_it_cannot_go_on(
    database: Database, uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.run(TEXTS)
    event = uploads.put(lines(100, bad=7))
    real = Entries.add

    def add(entries: Entries, connection: Connection, state: State, rejects: str) -> None:
        if state.next.number == 5:
            raise pymysql.err.OperationalError(1317, "Query execution was interrupted")
        real(entries, connection, state, rejects)

    with monkeypatch.context() as patch:
        patch.setattr(Entries, "add", add)
        with pytest.raises(DatabaseUnavailable):
            uploads.deliver(event)
    (before,) = request(handler, "GET", "/loads").json["loads"]
    assert (before["state"], counts(before)) == ("failed", (40, 35, 0, 5, 0))
    with monkeypatch.context() as patch:
        patch.setenv("DATABASE_URL", "mysql://nobody@127.0.0.1:1/t")
        with pytest.raises(DatabaseUnavailable):
            uploads.deliver(event)
    (after,) = request(handler, "GET", "/loads").json["loads"]
    assert after["error"]["type"] == "database-unavailable"
    assert (counts(after), after["bytes"], after["started"]) == (counts(before), before["bytes"], before["started"])
    done = uploads.deliver(event)
    assert (done["state"], counts(done), done["started"]) == ("done", (100, 86, 0, 14, 0), before["started"])


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("a.csv", ",{}"),
        ("b.csv", "NULL,{}"),
        ("c.ndjson", '{{"line": 1, "offset": 3, "text": "{}", "errors": [], "columns": ["number"]}}'),
    ],
)
def test_rows_that_the_server_numbers_get_their_numbers_in_the_files_order(
    database: Database, uploads: Uploads, monkeypatch: pytest.MonkeyPatch, name: str, line: str
) -> None:
    database.run("CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, number INT)")
    real = BlockWriter.whole

    def slow(writer: BlockWriter, connection: Connection) -> Written:
        if writer.number == 0:
            time.sleep(0.3)  # for the next block to come before it
        return real(writer, connection)

    monkeypatch.setattr(BlockWriter, "whole", slow)
    body = "".join(f"{line.format(number)}\n" for number in range(100)).encode()
    status = uploads.load(body, name=name, Metadata={"null": "NULL" if name == "b.csv" else "empty"})
    assert counts(status) == (100, 100, 0, 0, 0)
    assert database.rows("SELECT number FROM t ORDER BY id") == [(number,) for number in range(100)]


def test_a_file_that_is_written_over_while_it_is_read_is_loaded_once(
    database: Database, s3_client: "S3Client", monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket, key = f"plain-{uuid.uuid4().hex[:12]}", "uploads/t/a.csv"
    s3_client.create_bucket(Bucket=bucket)  # without versions
    monkeypatch.setenv("BUCKET", bucket)
    database.run("CREATE TABLE t (id INT, name VARCHAR(40))")
    s3_client.put_object(Bucket=bucket, Key=key, Body=b"1,first\n")
    real = Store.stream

    def stream(store: Store, *arguments: Any, **options: Any) -> Any:
        s3_client.put_object(Bucket=bucket, Key=key, Body=b"2,second\n")
        return real(store, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Store, "stream", stream)
        (over,) = invoke(handler, created(bucket, key))
    assert (over["state"], over["error"]["type"], counts(over)) == ("failed", "precondition-failed", (0, 0, 0, 0, 0))
    (status,) = invoke(handler, created(bucket, key))
    assert (status["state"], counts(status)) == ("done", (1, 1, 0, 0, 0))
    assert names(database) == [(2, "second")]


@pytest.mark.usefixtures("small_blocks")
def test_the_lock_is_kept_while_a_compressed_file_is_read_again_up_to_the_last_block(
    database: Database, uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.run(TEXTS)
    event = uploads.put(gzip.compress(lines(400), compresslevel=0), name="a.csv.gz")
    real_add, real_stream = Entries.add, Store.stream

    def add(entries: Entries, connection: Connection, state: State, rejects: str) -> None:
        if state.next.number == 35:
            raise pymysql.err.OperationalError(1317, "Query execution was interrupted")
        real_add(entries, connection, state, rejects)

    def slow(store: Store, *arguments: Any, **options: Any) -> Iterator[bytes]:
        for piece in real_stream(store, *arguments, **options):
            time.sleep(0.3)
            yield piece

    with monkeypatch.context() as patch:
        patch.setattr(Entries, "add", add)
        with pytest.raises(DatabaseUnavailable):
            uploads.deliver(event)
    monkeypatch.setattr("tableferry.ingest.load._HOLDS_THE_LOCK", {"wait_timeout": 1})
    monkeypatch.setattr("tableferry.ingest.loads.progress._SAVED_EVERY_SECONDS", 0.2)
    monkeypatch.setattr("tableferry.storage.bucket._STREAM_BYTES", 500)
    monkeypatch.setattr(Store, "stream", slow)
    assert counts(uploads.deliver(event)) == (400, 400, 0, 0, 0)
