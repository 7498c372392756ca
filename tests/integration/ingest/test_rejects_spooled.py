"""Rejects do not go through the database: each block's wait in the bucket, and become one file when the load ends."""

import gzip
from typing import Any

import pytest

from functions.load.app import handler
from tableferry.errors import DatabaseUnavailable
from tableferry.ingest.block_writer import BlockWriter
from tests.effort import by_turns, either_server
from tests.support.lambdas import Json, counts, invoke, request
from tests.support.parts import Database
from tests.support.uploads import TEXTS, Uploads, lines, names

pytestmark = either_server


def spooled(uploads: Uploads) -> list[str]:
    found = uploads.client.list_objects_v2(Bucket=uploads.bucket, Prefix="loads/rejects/")
    return [one["Key"] for one in found.get("Contents", ())]


def stopped(uploads: Uploads, event: Json, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    """A load that the database stops when it concludes its n-th block."""
    real, calls = BlockWriter.conclude, iter(range(1, 1000))

    def conclude(*args: Any) -> Any:
        real(*args)
        if next(calls) >= at:
            raise DatabaseUnavailable("away")

    with monkeypatch.context() as patch:
        patch.setattr(BlockWriter, "conclude", conclude)
        with pytest.raises(DatabaseUnavailable):
            invoke(handler, event)


@pytest.mark.usefixtures("small_blocks")
def test_the_ledger_names_the_rejects_and_does_not_hold_them(
    database: Database, uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.run(TEXTS, "INSERT INTO t VALUES (2, 'there')")
    event = uploads.put(lines(58, bad=7))
    stopped(uploads, event, monkeypatch, at=4)
    contents = [content for (content,) in database.rows("SELECT content FROM tableferry_ledger")]
    assert not [content for content in contents if '"text"' in content]
    named = [key for key in spooled(uploads) if any(key in content for content in contents)]
    assert len(named) == 3
    status = uploads.deliver(event)
    assert (status["state"], counts(status)) == ("done", (58, 49, 0, 9, 0))
    assert [line for line, _, _ in uploads.rejects(status)] == [2, 7, 14, 21, 28, 35, 42, 49, 56]


@pytest.mark.usefixtures("small_blocks")
def test_what_was_written_for_a_block_that_was_rolled_back_is_in_no_file(
    database: Database, uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.run("CREATE TABLE t (id INT, name VARCHAR(4) NOT NULL)")
    event = uploads.put(lines(25))
    stopped(uploads, event, monkeypatch, at=1)
    before = spooled(uploads)
    assert before
    database.run("ALTER TABLE t MODIFY name VARCHAR(40) NOT NULL")
    status = uploads.deliver(event)
    assert (status["state"], counts(status), status["rejects"]) == ("done", (25, 25, 0, 0, 0), None)
    assert spooled(uploads) == before
    assert len(names(database)) == 25


@pytest.mark.usefixtures("small_blocks")
def test_a_block_that_is_tried_again_writes_the_same_object(
    database: Database, uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.run(TEXTS)
    event = uploads.put(lines(9, bad=3))
    for _ in range(3):
        stopped(uploads, event, monkeypatch, at=1)
    assert len(spooled(uploads)) == 1
    assert len(uploads.rejects(uploads.deliver(event))) == 3


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("altered", [gzip.compress(b"{}\n", mtime=0), b"nothing"])
def test_rejects_that_somebody_altered_are_not_passed_on(
    database: Database, uploads: Uploads, monkeypatch: pytest.MonkeyPatch, altered: bytes
) -> None:
    database.run(TEXTS)
    event = uploads.put(lines(25, bad=3))
    stopped(uploads, event, monkeypatch, at=3)
    uploads.client.put_object(Bucket=uploads.bucket, Key=min(spooled(uploads)), Body=altered)
    (status,) = invoke(handler, event)
    assert (status["state"], status["error"]["type"], status["rejects"]) == ("failed", "unaccounted", None)
    assert len(names(database)) == 17


def test_a_file_that_is_all_rejects_stops_early_unless_it_is_said_otherwise(
    database: Database, uploads: Uploads
) -> None:
    database.run(TEXTS)
    body = b"x,y\n" * 30_000
    status = uploads.load(gzip.compress(body), name="a.csv.gz")
    assert (status["state"], status["error"]["type"], counts(status)) == (
        "failed", "too-many-rejects", (0, 0, 0, 0, 0),
    )  # fmt: skip
    assert "max_rejects" in status["error"]["detail"]
    assert "10000+10%" in status["error"]["detail"]
    assert database.rows("SELECT SUM(LENGTH(content)) < 10000 FROM tableferry_ledger") == [(1,)]
    assert len(names(database)) == 0
    taken = uploads.load(body[:50_000], Metadata={"max-rejects": "100%"})
    assert (taken["state"], counts(taken)) == ("rejected", (12_500, 0, 0, 12_500, 0))


@by_turns
def test_a_file_that_becomes_too_many_times_its_size_is_refused(database: Database, uploads: Uploads) -> None:
    database.run("CREATE TABLE t (id INT PRIMARY KEY, name VARCHAR(1000))")
    body = b"".join(b"%d,%s\n" % (n, b"x" * 990) for n in range(80_000))
    refused = uploads.load(gzip.compress(body), name="a.csv.gz")
    assert (refused["state"], refused["error"]["type"]) == ("failed", "too-large")
    assert "max_ratio" in refused["error"]["detail"]
    assert refused["inserted"] == len(names(database))
    asked = request(handler, "POST", "/uploads", body={"table": "t", "filename": "a.csv.gz", "max_ratio": 1000})
    assert asked.json["fields"]["x-amz-meta-max-ratio"] == "1000"
    taken = uploads.load(gzip.compress(body), name="b.csv.gz", Metadata={"max-ratio": "1000", "on-duplicate": "ignore"})
    assert (taken["state"], taken["read"]) == ("done", 80_000)
