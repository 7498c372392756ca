"""Restores beside loads and keyed requests: what the ledger says is so of the table as it is now, and of no other.

The table has no key, so that a row which came twice shows, and one that is missing, too.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from functions.insert.app import handler as insert_handler
from functions.load.app import handler
from tableferry.blockwriter import BlockWriter
from tableferry.errors import DatabaseUnavailable
from tests.integration.lambdas import Answer, Json, counts, invoke, request
from tests.integration.uploads import Uploads, lines, names
from tests.integration.verbs import backup, get, post, restore
from tests.support import Database

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


def dies(uploads: Uploads, event: Json, monkeypatch: pytest.MonkeyPatch, at: int = 4) -> str:
    """The id of a load that died at a block."""

    def die() -> None:
        raise DatabaseUnavailable("The database cannot be reached.")

    with at_block(monkeypatch, at, die), pytest.raises(DatabaseUnavailable):
        invoke(handler, event)
    (account,) = request(handler, "GET", "/loads").json["loads"]
    return str(account["id"])


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
    real = BlockWriter.committed

    def committed(self: BlockWriter, done: Any) -> None:
        real(self, done)
        if self.number == 2:
            restore(tables=["t"])

    with monkeypatch.context() as patch:
        patch.setenv("WORKERS", "1")
        patch.setattr(BlockWriter, "committed", committed)
        account = uploads.deliver(event)
    assert (account["state"], account["error"]["type"]) == ("replaced", "table-replaced")
    (restored,) = get("/restores").json["restores"]
    assert counts(account)[1] > 0
    last = account["read"]
    assert f"Lines 1 to {last} " in account["error"]["detail"]
    assert restored["id"] in account["error"]["detail"]
    assert restored["kept"] in account["error"]["detail"]
    assert names(database) == [(0, "before")]
    kept = database.rows(f"SELECT * FROM `{restored['kept']}`.t ORDER BY id")
    assert kept == [(0, "before"), *ALL[:last]]

    assert uploads.deliver(event)["state"] == "replaced"  # nobody asked for more
    assert names(database) == [(0, "before")]
    done = retry(account["id"])
    assert (done["state"], counts(done)) == ("done", (50, 50, 0, 0, 0))
    assert restored["id"] in done["notes"][0]
    assert names(database) == [(0, "before"), *ALL]
    assert retry(account["id"]) == done
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
    account = uploads.deliver(event)
    restore(tables=["t"])
    assert uploads.deliver(event)["state"] == "replaced"
    assert names(database) == []
    done = retry(account["id"])
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
