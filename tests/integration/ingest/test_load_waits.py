"""Loads that what passes by itself has stopped: they wait, are tried again for hours, and retried all at once; or cancelled."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from functions.load.app import handler
from tableferry.errors import DatabaseUnavailable
from tableferry.ingest.block_writer import BlockWriter
from tableferry.ingest.load import _Load
from tableferry.ingest.loads import load_status, retry_later
from tableferry.storage.bucket import Store
from tests.integration.conftest import KEYS
from tests.support.lambdas import Json, counts, created, invoke, request
from tests.support.parts import Database
from tests.support.uploads import TEXTS, Uploads, lines, names

KEYLESS = "CREATE TABLE t (id INT, name VARCHAR(40) NOT NULL)"  # nothing but the ledger keeps rows apart


@pytest.fixture(autouse=True)
def _as_deployed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOBS", "event")
    monkeypatch.setenv("RETRY_HOURS", "12")


@contextmanager
def away(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The database cannot be reached."""
    with monkeypatch.context() as patch:
        patch.setenv("DATABASE_URL", "mysql://nobody@127.0.0.1:1/t")
        yield


@contextmanager
def failing(monkeypatch: pytest.MonkeyPatch, at: int) -> Iterator[None]:
    """The n-th block, and those after it, cannot be written."""
    real, calls = BlockWriter.conclude, iter(range(1, 1000))

    def conclude(*args: Any) -> Any:
        if next(calls) >= at:
            raise DatabaseUnavailable("away")
        return real(*args)

    with monkeypatch.context() as patch:
        patch.setattr(BlockWriter, "conclude", conclude)
        yield


def store_of(uploads: Uploads) -> Store:
    return Store(uploads.client, uploads.bucket, KEYS)


def shown(load_id: str) -> Json:
    return dict(request(handler, "GET", f"/loads/{load_id}").json)


def post(path: str, body: object = None) -> Json:
    answer = request(handler, "POST", path, body=body)
    assert answer.status in (200, 202), answer.text
    return dict(answer.json)


def resumed(uploads: Uploads, load_id: str) -> Json:
    """What comes of the object that hands a load over, which has to be there."""
    key = f"resume/{load_id}.json"
    uploads.client.head_object(Bucket=uploads.bucket, Key=key)
    return uploads.deliver(created(uploads.bucket, key))


def handed_over(uploads: Uploads) -> set[str]:
    found = uploads.client.list_objects_v2(Bucket=uploads.bucket, Prefix="resume/").get("Contents", ())
    return {one["Key"].removeprefix("resume/").removesuffix(".json") for one in found}


def test_a_file_that_comes_while_the_database_is_away_waits_with_growing_pauses_and_is_loaded(
    database: Database, uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.run(TEXTS)
    event = uploads.put(lines(3))
    with away(monkeypatch):
        pauses = []
        for _ in range(8):
            (status,) = invoke(handler, event)
            assert (status["state"], status["error"]["type"]) == ("waiting", "database-unavailable")
            next_try = datetime.fromisoformat(status["next_try"])
            pauses.append(round((next_try - datetime.fromisoformat(status["saved"])).total_seconds() / 60))
    assert pauses == [1, 2, 4, 8, 15, 30, 30, 30]
    load_id, now = status["id"], next_try
    listed = request(handler, "GET", "/loads", query={"state": "waiting"}).json["loads"]
    assert [one["id"] for one in listed] == [load_id]
    assert invoke(handler, {"action": "retry"}) == {"loads": []}
    assert retry_later.go_on(store_of(uploads), now - timedelta(minutes=1)) == []
    assert retry_later.go_on(store_of(uploads), now + timedelta(seconds=1)) == [load_id]
    done = resumed(uploads, load_id)
    assert (done["state"], counts(done)) == ("done", (3, 3, 0, 0, 0))
    assert (done["tries"], done["next_try"], done["failing_since"], done["error"]) == (0, None, None, None)
    assert retry_later.go_on(store_of(uploads), now + timedelta(hours=1)) == []


@pytest.mark.usefixtures("small_blocks")
def test_a_load_that_was_stopped_half_way_goes_on_where_it_was(
    database: Database, uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.run(KEYLESS)
    event = uploads.put(lines(58, bad=7))
    with failing(monkeypatch, at=3):
        (status,) = invoke(handler, event)
    assert (status["state"], status["tries"], status["read"]) == ("waiting", 1, 20)
    with failing(monkeypatch, at=2):
        (status,) = invoke(handler, event)
    assert (status["state"], status["tries"], status["read"]) == ("waiting", 1, 30)  # for it got further
    with failing(monkeypatch, at=1):
        (status,) = invoke(handler, event)
    assert (status["tries"], status["read"]) == (2, 30)
    assert retry_later.go_on(store_of(uploads), datetime.now(UTC) + timedelta(minutes=3)) == [status["id"]]
    done = resumed(uploads, status["id"])
    assert (done["state"], counts(done)) == ("done", (58, 50, 0, 8, 0))
    assert [row for row, _ in names(database)] == [n for n in range(1, 59) if n % 7]


def test_after_so_many_hours_it_has_failed_and_no_event_is_given_up(
    database: Database, uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.run(TEXTS)
    event = uploads.put(lines(3))
    with away(monkeypatch):
        (status,) = invoke(handler, event)
        known = load_status.find(store_of(uploads), status["id"])
        long_ago = datetime.now(UTC) - timedelta(hours=12, seconds=1)
        load_status.save(store_of(uploads), known.model_copy(update={"failing_since": long_ago}))
        (status,) = invoke(handler, event)
    assert (status["state"], status["error"]["type"], status["next_try"]) == ("failed", "database-unavailable", None)


def test_a_load_that_nobody_came_for_is_stalled(
    database: Database, uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.run(TEXTS)
    with away(monkeypatch):
        (status,) = invoke(handler, uploads.put(lines(3)))
    known = load_status.find(store_of(uploads), status["id"])
    load_status.save(store_of(uploads), known.model_copy(update={"next_try": datetime.now(UTC) - timedelta(hours=2)}))
    assert shown(status["id"])["state"] == "stalled"


def test_one_request_retries_all_that_failed_or_wait_or_those_of_a_table(
    database: Database, uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.run(TEXTS, "CREATE TABLE u (id INT PRIMARY KEY)")
    with away(monkeypatch):
        waiting = [invoke(handler, uploads.put(b"%d,a\n" % n, name=f"{n}.csv"))[0]["id"] for n in range(3)]
        (other,) = (status["id"] for status in invoke(handler, uploads.put(b"1\n", table="u")))
    failed = uploads.load(b"1,a\n", table="nowhere")["id"]
    done = uploads.load(b"7,a\n")["id"]
    assert post("/loads/retry", {"table": "u"}) == {"loads": [other], "more": False}
    assert handed_over(uploads) == {other}
    assert shown(other)["state"] == "running"
    found = post("/loads/retry")
    assert set(found["loads"]) == {*waiting, failed} == handed_over(uploads) - {other}
    assert done not in handed_over(uploads)
    for load_id in waiting:
        assert resumed(uploads, load_id)["state"] == "done"
    assert resumed(uploads, failed)["state"] == "failed"
    assert post("/loads/retry", {"state": "waiting"})["loads"] == []
    assert len(names(database)) == 4
    request(handler, "POST", "/loads/retry", body={"state": "done"}).problem(400)


@pytest.mark.usefixtures("small_blocks")
def test_a_load_that_is_cancelled_stops_at_its_next_block_and_what_is_in_stays(
    database: Database, uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.run(KEYLESS)
    event = uploads.put(lines(200, bad=7))
    monkeypatch.setattr("tableferry.ingest.loads.progress._SAVED_EVERY_SECONDS", 0.0)
    real, looked = _Load._stop_if_cancelled, iter(range(1000))

    def stop(work: _Load) -> None:
        if next(looked) == 6:
            assert post(f"/loads/{work.status.id}/cancel")["state"] == "running"
        real(work)

    with monkeypatch.context() as patch:
        patch.setattr(_Load, "_stop_if_cancelled", stop)
        status = uploads.deliver(event)
    assert status["state"] == "cancelled"
    read, inserted, _, rejected, _ = counts(status)
    assert 0 < read < 200
    assert read % 10 == 0
    assert status["reason"] == (
        f"It was cancelled: of the first {read} rows {inserted} are in the table, and none after them."
    )
    assert [row for row, _ in names(database)] == [n for n in range(1, read + 1) if n % 7]
    assert len(uploads.rejects(status)) == rejected
    assert uploads.deliver(event) == resumed(uploads, status["id"]) == status
    assert post(f"/loads/{status['id']}/cancel") == status
    post(f"/loads/{status['id']}/retry")
    done = resumed(uploads, status["id"])
    assert (done["state"], counts(done), done["reason"]) == ("done", (200, 172, 0, 28, 0), None)
    assert [row for row, _ in names(database)] == [n for n in range(1, 201) if n % 7]


def test_a_load_that_waits_is_cancelled_while_the_database_is_away(
    database: Database, uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.run(TEXTS)
    event = uploads.put(lines(3))
    with away(monkeypatch):
        (status,) = invoke(handler, event)
        assert post(f"/loads/{status['id']}/cancel")["state"] == "waiting"
        assert resumed(uploads, status["id"])["state"] == "waiting"
    done = resumed(uploads, status["id"])
    assert (done["state"], counts(done)) == ("cancelled", (0, 0, 0, 0, 0))
    assert names(database) == []
    request(handler, "POST", f"/loads/{'0' * 32}/cancel").problem(404)


def test_what_is_no_upload_is_let_be(database: Database, uploads: Uploads) -> None:
    database.run(TEXTS)
    gone = uploads.put(b"1,a\n", name="gone.csv")
    found = gone["Records"][0]["s3"]["object"]
    uploads.client.delete_object(Bucket=uploads.bucket, Key=found["key"], VersionId=found["versionId"])
    for event in (uploads.put(b"", name=""), uploads.put(b"", name="_SUCCESS"), uploads.put(b"x", name=".a.csv.crc"),
                  uploads.put(b"1,a\n", name="_temporary/0/a.csv"), gone):  # fmt: skip
        (ignored,) = invoke(handler, event)
        assert set(ignored) == {"ignored", "why"}
    assert request(handler, "GET", "/loads").json["loads"] == []
    assert names(database) == []


@pytest.mark.parametrize("key", ["uploads/a.csv", "uploads//a.csv", "uploads/t/x/"])
def test_a_file_in_the_wrong_place_gets_a_status_that_says_where_it_belongs(
    database: Database, uploads: Uploads, key: str
) -> None:
    database.run(TEXTS)
    answer = uploads.client.put_object(Bucket=uploads.bucket, Key=key, Body=b"1,a\n")
    event = created(uploads.bucket, key, version=answer["VersionId"])
    if key.endswith("x/"):  # a folder's name, but rows in it: it has a table
        assert uploads.deliver(event)["state"] == "done"
        return
    status = uploads.deliver(event)
    assert (status["state"], status["table"], status["error"]["type"]) == ("failed", "", "wrong-place")
    assert "uploads/{table}/a.csv" in status["error"]["detail"]
    assert uploads.deliver(event) == status
    assert request(handler, "GET", "/loads", query={"key": key}).json["loads"] == [status]
    post(f"/loads/{status['id']}/retry")
    assert resumed(uploads, status["id"])["error"]["type"] == "wrong-place"
