"""Databases that were put back to before a load by other means than a restore: the ledger is believed, and not the load status.

To put one back, its tables, the ledger's among them, are copied before and written over later, as a snapshot does.
"""

from datetime import UTC, datetime, timedelta

import pytest

from functions.load.app import handler
from tableferry.ingest.loads import load_status
from tableferry.ingest.loads.load_status import LoadStatus
from tableferry.storage.bucket import Store
from tests.integration.conftest import KEYS
from tests.integration.ledger.test_ledger_epoch import ALL, KEYLESS, after_block, dies, retry
from tests.support.lambdas import Answer, Json, counts, request
from tests.support.parts import Database, Server
from tests.support.uploads import Uploads, lines, names

TABLES = ("t", "tableferry_ledger", "tableferry_epochs")

pytestmark = pytest.mark.usefixtures("small_blocks")


def snapshot(database: Database) -> None:
    for name in TABLES:
        database.run(f"CREATE TABLE copy_of_{name} LIKE {name}", f"INSERT INTO copy_of_{name} SELECT * FROM {name}")


def put_back(database: Database) -> None:
    for name in TABLES:
        database.run(f"DELETE FROM {name}", f"INSERT INTO {name} SELECT * FROM copy_of_{name}")


def asked(load_id: str) -> Answer:
    return request(handler, "POST", f"/loads/{load_id}/retry")


@pytest.fixture
def used(database: Database, uploads: Uploads) -> Database:
    """A database with a table, and with a ledger, into which a file was loaded."""
    database.run(KEYLESS)
    uploads.load(b"0,first\n", name="first.csv")
    return database


@pytest.mark.parametrize("by", ["event", "retry"])
def test_a_load_that_is_done_and_was_put_back_is_loaded_again(used: Database, uploads: Uploads, by: str) -> None:
    snapshot(used)
    event = uploads.put(lines(50))
    first = uploads.deliver(event)
    put_back(used)
    assert names(used) == [(0, "first")]
    again = uploads.deliver(event) if by == "event" else retry(first["id"])
    assert (again["state"], counts(again)) == ("done", (50, 50, 0, 0, 0))
    assert "put back" in again["notes"][0]
    assert "from line 1 on" in again["notes"][0]
    assert again["started"] == first["started"]
    for status in (uploads.deliver(event), retry(first["id"])):
        assert status == again
    assert names(used) == [(0, "first"), *ALL]


def test_a_load_that_was_partly_in_goes_on_from_there(
    used: Database, uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = uploads.put(lines(50, bad=7))
    with after_block(monkeypatch, 2, lambda: snapshot(used)):
        first = uploads.deliver(event)
    put_back(used)
    had = len(names(used))
    assert 1 < had < 44
    again = uploads.deliver(event)
    assert (again["state"], counts(again)) == ("done", (50, 43, 0, 7, 0))
    assert "from line 1 on" not in again["notes"][0]
    assert uploads.rejects(again) == uploads.rejects(first)
    assert names(used) == [(0, "first"), *((n, f"name {n}") for n in range(1, 51) if n % 7)]


def test_a_load_that_died_and_was_put_back_is_loaded_from_where_the_ledger_is(
    used: Database, uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot(used)
    load_id = dies(uploads, uploads.put(lines(50)), monkeypatch)
    put_back(used)
    done = retry(load_id)
    assert (done["state"], counts(done)) == ("done", (50, 50, 0, 0, 0))
    assert "put back" in done["notes"][0]
    assert names(used) == [(0, "first"), *ALL]


def test_a_load_that_went_into_another_database_is_not_loaded_by_an_event_and_a_retry_says_so(
    used: Database, uploads: Uploads, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = uploads.put(lines(9))
    status = uploads.deliver(event)
    with server.database() as other:
        monkeypatch.setenv("DATABASE_URL", other.url)
        other.run(KEYLESS)
        assert uploads.deliver(event) == status
        assert "another database" in asked(status["id"]).problem(409)["detail"]
        assert names(other) == []


def finished_long_ago(uploads: Uploads, status: Json, days: int) -> None:
    """The load status says that the load ended so many days ago."""
    store = Store(uploads.client, uploads.bucket, KEYS)
    then = datetime.now(UTC) - timedelta(days=days)
    load_status.save(store, LoadStatus(**status | {"started": then, "finished": then}))


def test_a_load_whose_entry_has_expired_is_not_taken_for_one_that_was_put_back(
    used: Database, uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEDGER_DAYS", "10")
    event = uploads.put(lines(9))
    status = uploads.deliver(event)
    finished_long_ago(uploads, status, 20)
    used.run("UPDATE tableferry_ledger SET written = NOW() - INTERVAL 20 DAY WHERE id LIKE 'load/%'")
    uploads.load(b"99,x\n", name="other.csv")  # which drops what has expired
    before = names(used)
    for days in ("10", "30", "0"):  # more than it was when the entry was dropped, and for ever
        monkeypatch.setenv("LEDGER_DAYS", days)
        assert uploads.deliver(event)["state"] == "done"
        assert (asked(status["id"]).status, asked(status["id"]).json["notes"]) == (200, [])
    assert names(used) == before


def test_where_nothing_expires_a_load_of_long_ago_that_was_put_back_is_loaded_again(
    used: Database, uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEDGER_DAYS", "0")
    snapshot(used)
    event = uploads.put(lines(9))
    status = uploads.deliver(event)
    finished_long_ago(uploads, status, 400)
    put_back(used)
    assert (uploads.deliver(event)["state"], len(names(used))) == ("done", 10)
