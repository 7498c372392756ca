"""Files that a queue tells the load function of: once each, by whatever way the event comes, and what is no upload."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from functions.load.app import handler, load_object
from local.sam.events import load as event_file
from tableferry.api.arrivals import created_objects
from tableferry.errors import DatabaseUnavailable, InvalidRequest
from tests.effort import either_server
from tests.support.lambdas import created, invoke, queued, request
from tests.support.parts import Database
from tests.support.uploads import TEXTS, Uploads, lines, names

pytestmark = either_server

KEYLESS = "CREATE TABLE t (id INT, name VARCHAR(40) NOT NULL)"  # nothing but the ledger keeps rows apart


def test_a_message_that_comes_twice_or_beside_s3s_own_event_loads_once(database: Database, uploads: Uploads) -> None:
    database.run(KEYLESS)
    event = uploads.put(lines(5, bad=2))
    (first,) = invoke(handler, queued(event))
    assert (first["state"], first["inserted"], first["rejected"]) == ("done", 3, 2)
    assert invoke(handler, queued(event, received=2)) == invoke(handler, event) == [first]
    assert [row for row, _ in names(database)] == [1, 3, 5]


def test_a_message_that_comes_several_times_at_once_loads_once(database: Database, uploads: Uploads) -> None:
    database.run(KEYLESS)
    ((key, version),) = created_objects(queued(uploads.put(lines(50))))
    with ThreadPoolExecutor(4) as pool:
        statuses = list(pool.map(lambda _: load_object(key, version), range(4)))
    assert len({status["id"] for status in statuses}) == 1
    assert [row for row, _ in names(database)] == list(range(1, 51))


def test_several_messages_in_one_event_are_several_loads(database: Database, uploads: Uploads) -> None:
    database.run(TEXTS)
    events = [queued(uploads.put(b"%d,a\n" % n, name=f"{n}.csv"))["Records"][0] for n in range(3)]
    statuses = invoke(handler, {"Records": events})
    assert [status["state"] for status in statuses] == ["done"] * 3
    assert len(names(database)) == 3


def test_the_event_that_sam_generates_of_an_upload_is_loaded(database: Database, uploads: Uploads) -> None:
    """It has no version: the object that is there now."""
    database.run(TEXTS)
    uploads.put(lines(2))
    (status,) = invoke(handler, created(uploads.bucket, "uploads/t/a.csv"))
    assert (status["state"], status["inserted"]) == ("done", 2)
    assert json.loads(event_file("load-sqs")["Records"][0]["body"]) == event_file("load-s3")


@pytest.mark.parametrize("hours", ["0", "12"])
def test_a_file_is_loaded_however_long_the_database_was_away(
    database: Database, uploads: Uploads, monkeypatch: pytest.MonkeyPatch, hours: str
) -> None:
    """Where nobody else tries it again the queue keeps the message; where it waits by itself, the queue is done with it."""
    database.run(KEYLESS)
    monkeypatch.setenv("JOBS", "event")
    monkeypatch.setenv("RETRY_HOURS", hours)
    event = uploads.put(lines(3))
    with monkeypatch.context() as away:
        away.setenv("DATABASE_URL", "mysql://nobody@127.0.0.1:1/t")
        for received in (1, 2, 100, 112):
            if hours == "0":
                with pytest.raises(DatabaseUnavailable):
                    invoke(handler, queued(event, received))
            else:
                (status,) = invoke(handler, queued(event, received))
                assert status["state"] == "waiting"
    status = uploads.deliver(event)
    assert (status["state"], status["inserted"], status["error"]) == ("done", 3, None)
    assert uploads.deliver(event) == status
    assert len(names(database)) == 3


@pytest.mark.usefixtures("database", "uploads")
def test_what_s3_sends_to_try_the_queue_is_no_upload() -> None:
    assert invoke(handler, queued('{"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "b"}')) == []
    assert request(handler, "GET", "/loads").json["loads"] == []


@pytest.mark.usefixtures("database", "uploads")
def test_a_message_that_is_no_event_of_s3_fails_so_that_the_queue_keeps_it() -> None:
    with pytest.raises(InvalidRequest, match="no event of S3's"):
        invoke(handler, queued("Hello from SQS!"))
    assert request(handler, "GET", "/loads").json["loads"] == []
