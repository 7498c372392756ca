"""Digests with a key: what can be compared, by whom, and what becomes of backups with another key or with none."""

import json
from dataclasses import dataclass

import pytest

from tableferry.config.settings import Settings
from tableferry.errors import BackupDamaged
from tableferry.manifest import digest_keys, manifest, verify, verify_steps
from tableferry.signing import Keys
from tableferry.storage import object_keys
from tests.integration.conftest import SIGNING_KEY
from tests.support import verbs
from tests.support.lambdas import Json
from tests.support.parts import Database
from tests.support.verbs import backup, post, restore, rows, table

OTHER_KEY = "the key of another deployment, or of next year"


@pytest.fixture
def sample(database: Database, bucket: str) -> Database:
    verbs.load_sample(database)
    return database


def digests(made: Json) -> dict[str, str]:
    return {table["name"]: table["digest"] for table in made["tables"]}


@dataclass(frozen=True)
class Old:
    """A backup as it was made before there was a key."""

    id: str
    plain: dict[str, str]


@pytest.fixture
def old(sample: Database) -> Old:
    """A new one whose manifest is written again as version 1."""
    store, keys = verbs.store(), Settings.from_env().signing_keys
    made = manifest.read(store, backup()["id"], keys)
    plain = verify.with_plain_digests(store, made, made.tables).model_copy(update={"version": 1})
    verbs.remove(object_keys.manifest(made.id))
    manifest.write(store, plain, keys)
    signed = verbs.content(object_keys.manifest(made.id))
    del signed["manifest"]["digest_key"]
    signed.update(keys.sign(signed["manifest"]))
    store.put(object_keys.manifest(made.id), json.dumps(signed).encode())
    return Old(made.id, {table.name: table.digest for table in plain.tables})


def test_two_backups_of_the_same_rows_have_the_same_digests_and_other_rows_others(sample: Database) -> None:
    one, other = backup(), backup(form="csv")
    assert digests(one) == digests(other)
    assert one["digest_key"] == other["digest_key"] == Settings.from_env().signing_keys.ids[0]
    sample.run("UPDATE jobs SET job = 'Pilot' WHERE id = 1")
    changed = digests(backup())
    assert {name for name, digest in digests(one).items() if changed[name] != digest} == {"jobs"}


def test_another_key_makes_other_digests_of_the_same_rows(sample: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    one = backup()
    monkeypatch.setenv("SIGNING_KEY", OTHER_KEY)
    other = backup()
    assert one["digest_key"] != other["digest_key"]
    assert not set(digests(one).values()) & set(digests(other).values())


def test_the_manifest_tells_nothing_that_adds_up_to_a_digest(sample: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else rows could be chosen for what was seen of others."""
    monkeypatch.setenv("CHUNK_BYTES", "500")
    verbs.run(sample, "CREATE TABLE n (id INT PRIMARY KEY)", "INSERT INTO n VALUES (1), (2), (3)")
    whole = int(digests(backup("n"))["n"], 16)
    parts = []
    for number in (1, 2, 3):
        verbs.run(sample, "TRUNCATE n", f"INSERT INTO n VALUES ({number})")
        parts.append(int(digests(backup("n"))["n"], 16))
    assert sum(parts) % 2**128 != whole


def test_a_backup_made_before_there_was_a_key_is_verified_and_restored(sample: Database, old: Old) -> None:
    assert post(f"/backups/{old.id}/verify").json["ok"]
    before = table(sample, "hired_employees")
    sample.run("DELETE FROM hired_employees")
    done = restore(old.id)
    assert all(one["verified"] for one in done["tables"])
    assert digests(done) == old.plain
    assert table(sample, "hired_employees") == before


def test_a_backup_made_before_there_was_a_key_whose_rows_are_others_is_refused(sample: Database, old: Old) -> None:
    signed = verbs.content(object_keys.manifest(old.id))
    content = signed["manifest"]
    chunk = content["tables"][0]["chunks"][0]
    chunk["digest"] = f"{(int(chunk['digest'], 16) + 1) % 2**128:032x}"
    signed.update(Settings.from_env().signing_keys.sign(content))
    verbs.store().put(object_keys.manifest(old.id), json.dumps(signed).encode())
    assert "contradicts itself" in post("/restores", {"backup": old.id}).problem(409)["detail"]


def test_after_the_key_was_changed_older_backups_are_verified_and_restored(
    sample: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = backup()
    monkeypatch.setenv("SIGNING_KEY", json.dumps([OTHER_KEY, SIGNING_KEY]))
    assert post(f"/backups/{one['id']}/verify").json["ok"]
    assert restore(one["id"])["tables"][0]["verified"]
    assert backup()["digest_key"] == Keys.parse(OTHER_KEY).ids[0]


def test_a_backup_of_another_deployment_is_restored_on_trust_held_against_its_files(
    sample: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = backup()
    before = rows(sample, "SELECT * FROM jobs ORDER BY id")
    sample.run("DELETE FROM hired_employees", "DELETE FROM jobs")
    monkeypatch.setenv("SIGNING_KEY", OTHER_KEY)
    assert "signed" in post("/restores", {"backup": made["id"]}).problem(409)["detail"]
    planned = restore(made["id"], trust=True, dry_run=True)
    assert planned["plan"]["problems"] == []
    done = restore(made["id"], trust=True)
    assert all(one["verified"] for one in done["tables"])
    assert any("held against the rows of its files" in note for note in done["notes"])
    assert rows(sample, "SELECT * FROM jobs ORDER BY id") == before


def test_what_is_restored_on_trust_and_is_not_what_the_files_hold_is_refused(
    sample: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = backup("jobs")
    monkeypatch.setenv("SIGNING_KEY", OTHER_KEY)
    monkeypatch.setattr(
        "tableferry.columnar.load_data.encoded", lambda frame, columns: b'1,"another job"\n' * frame.height
    )
    with verbs.unchanged(sample):
        assert post("/restores", {"backup": made["id"], "trust": True}).status == 409


def test_digests_whose_key_is_not_here_are_not_taken_for_wrong_rows(sample: Database) -> None:
    made = manifest.read(verbs.store(), backup()["id"], Settings.from_env().signing_keys)
    elsewhere = made.model_copy(update={"digest_key": "0123abcd"})
    assert not digest_keys.is_known(verbs.store(), elsewhere)
    with pytest.raises(BackupDamaged, match="0123abcd"):
        verify_steps.verify(verbs.store(), elsewhere)
