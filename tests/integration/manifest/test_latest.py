"""`latest` is the newest signed backup of this database that holds what is asked for, whoever else writes to the bucket."""

import json
import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from functions.backup.app import handler as backup_handler
from functions.restore.app import handler as restore_handler
from tableferry.api import metrics
from tableferry.ids import new_id
from tableferry.storage import object_keys
from tests.effort import effort, either_server, in_ci, sample
from tests.integration.manifest.test_trust import signature
from tests.support import verbs
from tests.support.lambdas import invoke
from tests.support.parts import Database, Server
from tests.support.verbs import backup, get, load_sample, post, restore

pytestmark = either_server


@pytest.fixture
def loaded(database: Database, bucket: str) -> Database:
    load_sample(database)
    return database


def forge(backup_id: str, body: bytes = b'{"manifest": {"version": 1}, "signature": "x"}') -> None:
    verbs.store().put(object_keys.manifest(backup_id), body)


def at(ago: timedelta) -> str:
    return f"{datetime.now(UTC) - ago:%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"


def test_a_backup_of_one_table_does_not_answer_for_all(loaded: Database) -> None:
    every = backup()
    one = backup("jobs")
    assert (every["complete"], one["complete"]) == (True, False)
    done = restore()
    assert (done["backup"], len(done["tables"])) == (every["id"], 3)
    assert restore(tables=["jobs"])["backup"] == one["id"]
    assert restore(into={"jobs": "beside"})["backup"] == one["id"]
    assert restore(tables=["jobs", "departments"])["backup"] == every["id"]
    assert get("/backups/latest").json["id"] == every["id"]
    assert post("/backups/latest/verify").json["backup"] == every["id"]
    assert invoke(restore_handler, {"action": "drill"})["backup"] == every["id"]
    found = invoke(backup_handler, {"action": "check"})
    assert (found["backup"], found["verified"]) == (every["id"], every["id"])


def test_tables_named_one_by_one_are_all_tables_too(loaded: Database) -> None:
    made = backup(*verbs.SAMPLE)
    assert made["complete"] is True
    assert restore()["backup"] == made["id"]


def test_where_nobody_backs_all_tables_up_the_newest_answers(loaded: Database) -> None:
    backup("departments")
    newest = backup("jobs")
    assert restore()["backup"] == newest["id"]
    detail = post("/restores", {"tables": ["hired_employees"]}).problem(404)["detail"]
    assert "holds all of these tables: 'hired_employees'" in detail


def test_what_an_earlier_version_wrote_is_taken_for_all_tables(loaded: Database) -> None:
    made = backup("jobs")
    key = object_keys.manifest(made["id"])
    content = verbs.content(key)["manifest"]
    del content["complete"]
    verbs.store().put(key, json.dumps({"manifest": content, "signature": signature(content)}).encode())
    assert get("/backups/latest").json["complete"] is None
    assert restore()["backup"] == made["id"]


@pytest.mark.parametrize(
    "body", [b"", b"{", b'{"manifest": {"version": 1}, "signature": "x"}', b"[" * 100_000, b"[" * (65 * 1024 * 1024)]
)
@sample(2)
def test_a_forged_key_blocks_nothing(loaded: Database, monkeypatch: pytest.MonkeyPatch, body: bytes) -> None:
    counted: list[Any] = []
    real = metrics.count

    def count(**figures: int) -> None:
        counted.append(figures)
        real(**figures)

    monkeypatch.setattr(metrics, "count", count)
    made = backup()
    for backup_id in ("99991231T235959Z-ffffffff", at(timedelta(seconds=-90)), "zzz", "20991231"):
        forge(backup_id, body)
    assert restore()["backup"] == made["id"]
    assert {"backups_passed_over": 1} in counted
    assert get("/backups/latest").json["id"] == made["id"]
    assert invoke(restore_handler, {"action": "drill"})["backup"] == made["id"]
    verbs.store().put("verifications/99991231T235959Z-ffffffff.json", b"{}")
    found = invoke(backup_handler, {"action": "check"})
    assert (found["backup"], found["verified"]) == (made["id"], made["id"])


@in_ci
def test_many_forged_keys_block_nothing(loaded: Database) -> None:
    made = backup()
    time.sleep(0.01)
    with ThreadPoolExecutor(16) as pool:
        list(
            pool.map(
                lambda number: forge(new_id(datetime.now(UTC) + timedelta(milliseconds=number))),
                range(effort(100, 1000)),
            )
        )
    begun = time.monotonic()
    assert get("/backups/latest").json["id"] == made["id"]
    assert time.monotonic() - begun < 60  # some seconds on a machine that has nothing else to do
    assert invoke(backup_handler, {"action": "check"})["backup"] == made["id"]


def test_a_backup_of_another_database_is_not_the_latest(
    loaded: Database, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = backup()
    with server.database() as other, monkeypatch.context() as patched:
        patched.setenv("DATABASE_URL", other.url)
        detail = post("/restores").problem(404)["detail"]
        assert other.name in detail
        assert "by their ids" in detail
        assert restore(made["id"])["state"] == "done"
        theirs = backup()
    assert theirs["id"] > made["id"]
    assert restore()["backup"] == made["id"]


def test_what_is_only_trusted_is_named_and_never_the_latest(loaded: Database) -> None:
    made = backup()
    later = backup()
    key = object_keys.manifest(later["id"])
    content = verbs.content(key)["manifest"]
    verbs.store().put(key, json.dumps({"manifest": content}).encode())
    assert restore(trust=True)["backup"] == made["id"]
    assert restore(later["id"], trust=True)["backup"] == later["id"]
    verbs.remove(object_keys.manifest(made["id"]))
    detail = post("/restores", {"trust": True}).problem(404)["detail"]
    assert later["id"] in detail
