"""Loads that go on in another invocation: handed over by an object under resume/, or retried by request."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from functions.load.app import handler
from tableferry.errors import Conflict, DatabaseUnavailable, RecordNotFound
from tableferry.ingest.block_writer import BlockWriter
from tableferry.ingest.loads import handover, load_status
from tableferry.ingest.loads.load_status import LoadStatus
from tableferry.storage import signed_object
from tableferry.storage.bucket import Store
from tests.effort import either_server
from tests.integration.conftest import KEYS
from tests.support.lambdas import Answer, Json, counts, created, invoke, request
from tests.support.parts import Database
from tests.support.uploads import TEXTS, Uploads, lines, names

pytestmark = either_server

KEYLESS = "CREATE TABLE t (id INT, name VARCHAR(40) NOT NULL)"  # nothing but the ledger keeps rows apart
UNKNOWN = "0" * 32


@pytest.fixture(autouse=True)
def _events(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request leaves the work to an event, as in the cloud."""
    monkeypatch.setenv("JOBS", "event")


@contextmanager
def failing(monkeypatch: pytest.MonkeyPatch, at: int, error: Exception) -> Iterator[None]:
    """The n-th block, and those after it, cannot be written."""
    real, calls = BlockWriter.conclude, iter(range(1, 1000))

    def conclude(*args: Any) -> Any:
        if next(calls) >= at:
            raise error
        return real(*args)

    with monkeypatch.context() as patch:
        patch.setattr(BlockWriter, "conclude", conclude)
        yield


def given_up(uploads: Uploads, event: Json, monkeypatch: pytest.MonkeyPatch, at: int = 3) -> str:
    """The id of a load that the database stopped at a block, after the third try."""
    with failing(monkeypatch, at, DatabaseUnavailable("The database cannot be reached.")):
        for _ in range(3):
            with pytest.raises(DatabaseUnavailable):
                invoke(handler, event)
    (status,) = request(handler, "GET", "/loads").json["loads"]
    assert status["state"] == "failed"
    return str(status["id"])


def retry(load_id: str) -> Answer:
    return request(handler, "POST", f"/loads/{load_id}/retry")


def handed_over(uploads: Uploads, load_id: str) -> Json:
    """The event of the object that hands a load over, which has to be there."""
    key = f"resume/{load_id}.json"
    return created(uploads.bucket, key, version=uploads.client.head_object(Bucket=uploads.bucket, Key=key)["VersionId"])


@pytest.mark.usefixtures("small_blocks")
def test_a_load_that_was_given_up_is_retried_by_request_and_loads_each_row_once(
    database: Database, uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.run(KEYLESS)
    load_id = given_up(uploads, uploads.put(lines(58, bad=7)), monkeypatch)
    before = len(names(database))
    assert 0 < before < 50
    answer = retry(load_id)
    assert (answer.status, answer.headers["location"]) == (202, f"/loads/{load_id}")
    assert (answer.json["state"], answer.json["error"], answer.json["finished"]) == ("running", None, None)
    assert request(handler, "GET", f"/loads/{load_id}").json == answer.json
    event = handed_over(uploads, load_id)
    status = uploads.deliver(event)
    assert (status["id"], status["state"], counts(status)) == (load_id, "done", (58, 50, 0, 8, 0))
    assert [row for row, _ in names(database)] == [n for n in range(1, 59) if n % 7]
    assert uploads.deliver(event) == status
    assert len(names(database)) == 50


@pytest.mark.usefixtures("small_blocks")
def test_a_load_that_ended_as_failed_keeps_its_blocks_and_a_retry_loads_the_others_as_soon_as_they_fit(
    database: Database, uploads: Uploads
) -> None:
    database.run("CREATE TABLE t (id INT, name VARCHAR(10) NOT NULL)")
    body = lines(25, bad=7) + b"26,longer than ten\n" + lines(9)
    event = uploads.put(body, Metadata={"max-rejects": "3"})
    first = uploads.deliver(event)
    assert (first["state"], first["error"]["type"]) == ("failed", "too-many-rejects")
    kept = names(database)
    assert 0 < len(kept) <= 20
    handover.hand_over(Store(uploads.client, uploads.bucket, KEYS), first["id"], retry=False)
    assert (
        uploads.deliver(handed_over(uploads, first["id"])) == uploads.deliver(event) == first
    )  # nobody asked for more

    assert retry(first["id"]).status == 202
    again = uploads.deliver(handed_over(uploads, first["id"]))
    assert (again["state"], again["error"], counts(again)) == ("failed", first["error"], counts(first))
    assert again["finished"] > first["finished"]
    assert uploads.rejects(again) == uploads.rejects(first)
    assert names(database) == kept

    database.run("ALTER TABLE t MODIFY name VARCHAR(40) NOT NULL")
    assert retry(first["id"]).status == 202
    done = uploads.deliver(handed_over(uploads, first["id"]))
    assert (done["state"], done["error"], counts(done)) == ("done", None, (35, 32, 0, 3, 0))
    assert [line for line, _, _ in uploads.rejects(done)] == [7, 14, 21]
    expected = [*(n for n in range(1, 27) if n not in (7, 14, 21)), *range(1, 10)]
    assert sorted(row for row, _ in names(database)) == sorted(expected)


@pytest.mark.usefixtures("small_blocks")
def test_a_load_that_is_handed_over_goes_on_with_the_options_of_its_request_and_the_version_of_its_file(
    database: Database, uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.run(TEXTS, "INSERT INTO t VALUES (5, 'old'), (25, 'old')")
    key = uploads.put(lines(30))["Records"][0]["s3"]["object"]["key"]
    with failing(monkeypatch, 2, DatabaseUnavailable("away")), pytest.raises(DatabaseUnavailable):
        invoke(handler, {"action": "load", "key": key, "on_duplicate": "update"})
    uploads.put(b"99,another\n")
    (found,) = request(handler, "GET", "/loads").json["loads"]
    handover.hand_over(Store(uploads.client, uploads.bucket, KEYS), found["id"], retry=False)
    status = uploads.deliver(handed_over(uploads, found["id"]))
    assert (status["id"], status["state"], counts(status)) == (found["id"], "done", (30, 28, 2, 0, 0))
    assert status["given"] == {"on_duplicate": "update"}
    assert names(database) == [(n, f"name {n}") for n in range(1, 31)]


def test_a_load_that_is_done_stays_as_it_is(database: Database, uploads: Uploads) -> None:
    database.run(TEXTS)
    status = uploads.load(lines(3))
    answer = retry(status["id"])
    assert (answer.status, answer.json) == (200, status)
    assert "Contents" not in uploads.client.list_objects_v2(Bucket=uploads.bucket, Prefix="resume/")


def test_where_no_events_come_the_request_does_the_load(
    database: Database, uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.run(TEXTS)
    load_id = given_up(uploads, uploads.put(lines(3)), monkeypatch, at=1)
    monkeypatch.setenv("JOBS", "inline")
    answer = retry(load_id)
    assert (answer.status, answer.json["state"], counts(answer.json)) == (200, "done", (3, 3, 0, 0, 0))
    assert "Contents" not in uploads.client.list_objects_v2(Bucket=uploads.bucket, Prefix="resume/")


def test_a_load_that_fails_again_says_why(
    database: Database, uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.run(TEXTS)
    load_id = given_up(uploads, uploads.put(lines(3)), monkeypatch, at=1)
    assert retry(load_id).status == 202
    with failing(monkeypatch, 1, Conflict("The table is locked.")), pytest.raises(Conflict):
        invoke(handler, handed_over(uploads, load_id))
    status = request(handler, "GET", f"/loads/{load_id}").json
    assert (status["state"], status["error"]) == ("failed", {"type": "conflict", "detail": "The table is locked."})


@pytest.mark.usefixtures("database")
def test_a_load_that_nobody_knows_is_not_found(uploads: Uploads) -> None:
    assert UNKNOWN in retry(UNKNOWN).problem(404)["detail"]
    retry("latest").problem(404)
    handover.hand_over(Store(uploads.client, uploads.bucket, KEYS), UNKNOWN, retry=True)
    with pytest.raises(RecordNotFound):
        invoke(handler, handed_over(uploads, UNKNOWN))


def test_a_file_that_is_gone_or_written_over_is_not_loaded_for_another(
    database: Database, uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.run(TEXTS)
    event = uploads.put(lines(3))
    load_id = given_up(uploads, event, monkeypatch, at=1)
    assert retry(load_id).status == 202
    found = event["Records"][0]["s3"]["object"]
    uploads.client.delete_object(Bucket=uploads.bucket, Key=found["key"], VersionId=found["versionId"])
    (status,) = invoke(handler, handed_over(uploads, load_id))
    assert (status["state"], status["error"]["type"]) == ("failed", "upload-gone")
    assert request(handler, "GET", f"/loads/{load_id}").json == status
    assert retry(load_id).problem(409)["type"] == "urn:tableferry:problem:upload-gone"
    uploads.put(b"9,another\n")
    store = Store(uploads.client, uploads.bucket, KEYS)
    load_status.save(
        store, load_status.find(store, load_id).model_copy(update={"version": ""})
    )  # as in a bucket without them
    retry(load_id).problem(409)
    assert names(database) == []


def test_an_object_of_somebody_else_under_resume_is_refused(
    database: Database, uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.run(TEXTS)
    load_id = given_up(uploads, uploads.put(lines(3)), monkeypatch, at=1)
    for body in (b"", b"[]", b'{"retry": "perhaps"}', b'{"retry": true, "table": "other"}'):
        uploads.client.put_object(Bucket=uploads.bucket, Key=f"resume/{load_id}.json", Body=body)
        assert invoke(handler, handed_over(uploads, load_id)) == [None]  # and Lambda does not try again
    assert names(database) == []


@pytest.mark.parametrize(
    ("state", "minutes", "shown"),
    [("running", 14, "running"), ("running", 16, "stalled"), ("done", 16, "done"), ("failed", 16, "failed")],
)
def test_a_load_whose_function_died_is_shown_as_stalled_and_a_retry_lets_it_go_on(
    database: Database, uploads: Uploads, state: str, minutes: int, shown: str
) -> None:
    database.run(TEXTS)
    store = Store(uploads.client, uploads.bucket, KEYS)
    event = uploads.put(lines(3))
    found = event["Records"][0]["s3"]["object"]
    now = datetime.now(UTC)
    status = LoadStatus(
        id=load_status.load_id(uploads.bucket, store.head(found["key"], found["versionId"])),
        table="t", key=found["key"], version=found["versionId"], state=state,  # type: ignore[arg-type]
        started=now - timedelta(hours=1), saved=now - timedelta(minutes=minutes),
    )  # fmt: skip
    load_status.save(store, status.model_copy(update={"saved": None}))  # which sets its marks
    signed_object.put(store, f"loads/{status.id}.json", status.model_dump(mode="json"))
    assert request(handler, "GET", f"/loads/{status.id}").json["state"] == shown
    assert [load["state"] for load in request(handler, "GET", "/loads").json["loads"]] == [shown]
    if state == "running":
        answer = retry(status.id)
        assert (answer.status, answer.json["state"]) == (202, "running")
        body = uploads.client.get_object(Bucket=uploads.bucket, Key=f"resume/{status.id}.json")["Body"].read()
        assert json.loads(body)["retry"] is True
        assert counts(uploads.deliver(handed_over(uploads, status.id))) == (3, 3, 0, 0, 0)
