"""Restores beside loads and keyed requests: what the ledger says is so of the table as it is now, and of no other.

The table has no key, so that a row which came twice shows, and one that is missing, too.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest

from functions.insert.app import handler as insert_handler
from functions.load.app import handler
from tableferry.backup import load_history
from tableferry.errors import DatabaseUnavailable
from tableferry.ingest.block_writer import BlockWriter
from tableferry.ledger import epoch
from tests.support.lambdas import Answer, Json, counts, invoke, request
from tests.support.parts import Database, Server
from tests.support.uploads import Uploads, lines, names
from tests.support.verbs import backup, get, post, restore

KEYLESS = "CREATE TABLE t (id INT, name VARCHAR(40) NOT NULL)"
ALL = [(n, f"name {n}") for n in range(1, 51)]

pytestmark = pytest.mark.usefixtures("small_blocks")


@contextmanager
def at_block(monkeypatch: pytest.MonkeyPatch, number: int, act: Any) -> Iterator[None]:
    """Before the n-th block of a load is concluded, and while its transaction is open, something happens."""
    real, calls = BlockWriter.conclude, iter(range(1, 1000))

    def conclude(*args: Any) -> Any:
        if next(calls) == number:
            act()
        return real(*args)

    with monkeypatch.context() as patch:
        patch.setattr(BlockWriter, "conclude", conclude)
        yield


@contextmanager
def after_block(monkeypatch: pytest.MonkeyPatch, number: int, act: Any) -> Iterator[None]:
    """Between a block and the next of a load, when no transaction is open, something happens."""
    real = BlockWriter.committed

    def committed(self: BlockWriter, done: Any) -> None:
        real(self, done)
        if self.number == number:
            act()

    with monkeypatch.context() as patch:
        patch.setenv("WORKERS", "1")
        patch.setattr(BlockWriter, "committed", committed)
        yield


def dies(uploads: Uploads, event: Json, monkeypatch: pytest.MonkeyPatch, at: int = 4) -> str:
    """The id of a load that died at a block."""

    def die() -> None:
        raise DatabaseUnavailable("The database cannot be reached.")

    with at_block(monkeypatch, at, die), pytest.raises(DatabaseUnavailable):
        invoke(handler, event)
    (status,) = request(handler, "GET", "/loads", query={"state": "failed"}).json["loads"]
    return str(status["id"])


def retry(load_id: str) -> Json:
    answer = request(handler, "POST", f"/loads/{load_id}/retry")
    assert answer.status == 200, answer.text
    counts(answer.json)
    return dict(answer.json)


def insert(key: str, *rows: tuple[int, str]) -> Answer:
    return request(insert_handler, "POST", "/tables/t/rows", body=list(rows), headers={"Idempotency-Key": key})


def test_a_load_whose_table_is_replaced_meanwhile_ends_so_and_a_retry_loads_all_of_it(
    database: Database, uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.run(KEYLESS, "INSERT INTO t VALUES (0, 'before')")
    backup("t")
    event = uploads.put(lines(50))
    with after_block(monkeypatch, 2, lambda: restore(tables=["t"])):
        status = uploads.deliver(event)
    assert (status["state"], status["error"]["type"]) == ("replaced", "table-replaced")
    (restored,) = get("/restores").json["restores"]
    assert counts(status)[1] > 0
    last = status["read"]
    assert f"Lines 1 to {last} " in status["error"]["detail"]
    assert restored["id"] in status["error"]["detail"]
    assert restored["kept"] in status["error"]["detail"]
    assert names(database) == [(0, "before")]
    kept = database.rows(f"SELECT * FROM `{restored['kept']}`.t ORDER BY id")
    assert kept == [(0, "before"), *ALL[:last]]

    assert uploads.deliver(event)["state"] == "replaced"  # nobody asked for more
    assert names(database) == [(0, "before")]
    done = retry(status["id"])
    assert (done["state"], counts(done)) == ("done", (50, 50, 0, 0, 0))
    assert restored["id"] in done["notes"][0]
    assert names(database) == [(0, "before"), *ALL]
    assert retry(status["id"]) == done
    assert names(database) == [(0, "before"), *ALL]


def test_a_load_that_died_before_a_restore_is_loaded_whole_by_a_retry(
    database: Database, uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.run(KEYLESS)
    backup("t")
    event = uploads.put(lines(50))
    load_id = dies(uploads, event, monkeypatch)
    assert 0 < len(names(database)) < 50
    restore(tables=["t"])
    assert names(database) == []
    assert uploads.deliver(event)["state"] == "replaced"
    assert names(database) == []
    done = retry(load_id)
    assert (done["state"], counts(done)) == ("done", (50, 50, 0, 0, 0))
    assert names(database) == ALL


def test_a_load_that_was_done_before_a_restore_is_loaded_again_by_a_retry_and_only_by_one(
    database: Database, uploads: Uploads
) -> None:
    database.run(KEYLESS)
    backup("t")
    event = uploads.put(lines(50))
    status = uploads.deliver(event)
    restore(tables=["t"])
    assert uploads.deliver(event)["state"] == "replaced"
    assert names(database) == []
    done = retry(status["id"])
    assert (done["state"], counts(done)) == ("done", (50, 50, 0, 0, 0))
    assert names(database) == ALL


def test_undo_brings_back_what_the_ledger_said_of_the_old_table(
    database: Database, uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.run(KEYLESS)
    backup("t")
    event = uploads.put(lines(50))
    load_id = dies(uploads, event, monkeypatch)
    assert insert("k", (99, "keyed")).status == 201
    before = names(database)
    restored = restore(tables=["t"])["id"]
    assert insert("other", (98, "into the restored")).status == 201
    assert post(f"/restores/{restored}/undo").status == 200
    assert names(database) == before
    assert insert("k", (99, "keyed")).headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in insert("other", (98, "into the restored")).headers
    done = retry(load_id)
    assert (done["state"], counts(done)) == ("done", (50, 50, 0, 0, 0))
    assert names(database) == [*ALL, (98, "into the restored"), (99, "keyed")]


def test_a_keyed_request_sent_again_after_a_restore_to_before_it_puts_its_rows_in_again(
    database: Database, bucket: str
) -> None:
    database.run(KEYLESS)
    backup("t")
    assert insert("k", (1, "a")).status == 201
    restore(tables=["t"])
    again = insert("k", (1, "a"))
    assert (again.status, again.json["inserted"]) == (201, 1)
    assert "idempotent-replayed" not in again.headers
    assert names(database) == [(1, "a")]
    assert insert("k", (1, "a")).headers["idempotent-replayed"] == "true"
    assert names(database) == [(1, "a")]


def test_what_a_backup_has_is_not_put_in_again_after_its_restore_and_what_it_has_not_is(
    database: Database, uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.run(KEYLESS)
    early = uploads.put(lines(9), name="early.csv")
    first = uploads.deliver(early)
    assert insert("early", (61, "early")).status == 201
    event = uploads.put(lines(50, bad=7))
    load_id = dies(uploads, event, monkeypatch)
    had = names(database)
    made = backup("t")
    assert insert("late", (62, "late")).status == 201
    late = uploads.load(b"63,late file\n", name="late.csv")
    restored = restore(made["id"], tables=["t"])["id"]
    assert names(database) == had

    assert insert("early", (61, "early")).headers["idempotent-replayed"] == "true"
    assert uploads.deliver(early)["state"] == "done"
    assert retry(first["id"])["state"] == "done"
    assert names(database) == had
    assert "idempotent-replayed" not in insert("late", (62, "late")).headers
    assert retry(late["id"])["restore"] == restored
    assert names(database) == sorted([*had, (62, "late"), (63, "late file")])
    done = retry(load_id)
    assert (done["state"], counts(done)) == ("done", (50, 43, 0, 7, 0))
    assert len(uploads.rejects(done)) == 7
    rows = [*((n, f"name {n}") for n in range(1, 51) if n % 7), *((n, f"name {n}") for n in range(1, 10))]
    assert names(database) == sorted([*rows, (61, "early"), (62, "late"), (63, "late file")])


def test_a_backup_of_a_table_that_a_restore_brought_knows_its_entries_too(database: Database, uploads: Uploads) -> None:
    database.run(KEYLESS)
    empty = backup("t")
    restore(empty["id"], tables=["t"])
    event = uploads.put(lines(9))
    load_status = uploads.deliver(event)
    assert insert("k", (61, "keyed")).status == 201
    made = backup("t")
    restore(empty["id"], tables=["t"])
    assert names(database) == []
    restore(made["id"], tables=["t"])
    had = names(database)
    assert len(had) == 10
    assert insert("k", (61, "keyed")).headers["idempotent-replayed"] == "true"
    assert uploads.deliver(event)["state"] == "done"
    assert retry(load_status["id"])["state"] == "done"
    assert names(database) == had


def test_a_backup_that_comes_to_another_server_says_there_what_it_has(
    database: Database, uploads: Uploads, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.run(KEYLESS)
    event = uploads.put(lines(9))
    load_status = uploads.deliver(event)
    assert insert("k", (61, "keyed")).status == 201
    made = backup("t")
    late = uploads.load(b"63,late file\n", name="late.csv")
    with server.database() as other:
        monkeypatch.setenv("DATABASE_URL", other.url)
        restore(made["id"], tables=["t"])
        assert insert("k", (61, "keyed")).headers["idempotent-replayed"] == "true"
        assert uploads.deliver(event)["state"] == "done"
        assert retry(load_status["id"])["state"] == "done"
        assert len(names(other)) == 10
        assert retry(late["id"])["state"] == "done"
        assert len(names(other)) == 11


def without_ledger(monkeypatch: pytest.MonkeyPatch, *tables: str) -> Json:
    """A backup as an earlier version made it, which says nothing of the ledger."""
    with monkeypatch.context() as patch:
        patch.setattr(load_history, "keep", lambda *_: None)
        return backup(*tables)


def test_of_a_backup_that_does_not_say_what_it_has_a_retry_and_a_key_are_refused_and_not_guessed(
    database: Database, uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(epoch, "_CLOCKS_DIFFER", timedelta(0))
    database.run(KEYLESS)
    load_status = uploads.load(lines(9))
    assert insert("k", (61, "keyed")).status == 201
    time.sleep(1.1)  # the ledger has whole seconds
    made = without_ledger(monkeypatch, "t")
    time.sleep(1.1)
    late = uploads.load(b"63,late file\n", name="late.csv")
    assert insert("late", (62, "late")).status == 201
    restore(made["id"], tables=["t"])
    had = names(database)
    assert len(had) == 10
    assert made["id"] in insert("k", (61, "keyed")).problem(409)["detail"]
    answer = request(handler, "POST", f"/loads/{load_status['id']}/retry")
    assert made["id"] in answer.problem(409)["detail"]
    assert names(database) == had
    assert insert("late", (62, "late")).status == 201  # what began after the backup is not in it
    assert retry(late["id"])["state"] == "done"
    assert insert("new", (64, "new")).status == 201
    assert len(names(database)) == 13


def test_entries_of_copies_that_are_dropped_are_dropped_too(database: Database, uploads: Uploads) -> None:
    database.run(KEYLESS)
    uploads.load(lines(9))
    made = backup("t")

    def entries() -> int:
        return int(database.rows("SELECT COUNT(*) FROM tableferry_ledger")[0][0])

    own = entries()
    first = restore(made["id"], tables=["t"])["id"]
    assert entries() == own + 1
    second = restore(made["id"], tables=["t"])["id"]
    assert entries() == own + 2
    for restored in (second, first):
        assert post(f"/restores/{restored}/accept").status == 200
    assert entries() == own + 1  # those of the table as it is, and those of the first, which expire
    third = restore(made["id"], tables=["t"])["id"]
    assert post(f"/restores/{third}/undo").status == 200
    assert post(f"/restores/{third}/accept").status == 200
    assert entries() == own + 1


def test_a_restore_and_its_plan_name_the_loads_that_have_not_ended(
    database: Database, uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.run(KEYLESS, "CREATE TABLE u (id INT)")
    backup("t", "u")
    load_id = dies(uploads, uploads.put(lines(50)), monkeypatch)
    last = len(names(database))
    failed = uploads.load(b"1,a\n2,\n", name="failed.csv", Metadata={"max-rejects": "0"})
    uploads.load(b"9,done\n", name="done.csv")
    planned = post("/restores", {"tables": ["t"], "dry_run": True}).json
    done = restore(tables=["t"])
    for notes in (planned["notes"], done["notes"]):
        about = {note.split()[1]: note for note in notes if note.startswith("Load ")}
        assert about.keys() == {load_id, failed["id"]}
        assert f"lines 1 to {last} of it are in the table that is replaced" in about[load_id]
        assert "has failed (too-many-rejects); no line of it is" in about[failed["id"]]
    assert not [note for note in restore(tables=["u"])["notes"] if note.startswith("Load ")]
