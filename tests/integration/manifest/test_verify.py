"""Verifications: a backup is read again, object by object, without the database."""

import pytest

from tableferry.config.settings import Settings
from tableferry.manifest import manifest
from tableferry.storage import object_keys
from tests.effort import either_server
from tests.support import verbs
from tests.support.parts import Database
from tests.support.verbs import backup, get, load_sample, objects, post

pytestmark = either_server


@pytest.fixture
def loaded(database: Database, bucket: str) -> Database:
    load_sample(database)
    return database


@pytest.mark.usefixtures("loaded")
def test_a_verification_says_what_it_found_for_each_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHUNK_BYTES", "500")
    made = backup(form="avro")
    monkeypatch.setenv("DATABASE_URL", "mysql://nobody:x@127.0.0.1:9/x")
    answer = post(f"/backups/{made['id']}/verify")
    assert answer.status == 201
    found = answer.json
    assert (found["backup"], found["state"], found["ok"]) == (made["id"], "done", True)
    assert found["tables"] == [
        {key: table[key] for key in ("name", "rows", "bytes", "digest", "objects")} | {"ok": True, "problems": []}
        for table in made["tables"]
    ]
    assert get(f"/verifications/{found['id']}").json == found


@pytest.mark.usefixtures("loaded")
def test_a_row_that_is_not_the_one_backed_up_is_seen_even_where_hash_and_size_are_right(bucket: str) -> None:
    made = backup("jobs", form="csv")
    signed = verbs.content(object_keys.manifest(made["id"]))
    [table] = signed["manifest"]["tables"]
    table["digest"] = table["chunks"][0]["digest"] = "0" * 32
    found = manifest.Manifest.model_validate(signed["manifest"])
    verbs.remove(object_keys.manifest(made["id"]))
    manifest.write(verbs.store(), found, Settings.from_env().signing_keys)
    assert "'jobs'" in post(f"/backups/{made['id']}/verify").problem(409)["detail"]


@pytest.mark.usefixtures("loaded")
def test_a_verification_that_failed_keeps_its_problem() -> None:
    made = backup("jobs")
    key = objects(made)[0]["key"]
    verbs.remove(key)
    problem = post(f"/backups/{made['id']}/verify").problem(409)
    assert problem["type"].endswith(":backup-damaged")
    assert key in problem["detail"]


@pytest.mark.usefixtures("bucket")
def test_what_is_not_there_is_not_found(database: Database) -> None:
    for backup_id in ("20200101T000000Z-00000000", "latest", "..", "x"):
        post(f"/backups/{backup_id}/verify").problem(404)
