"""A backup whose manifest is a tree, on a server: it is verified, restored and refused as any other is."""

import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest

from tableferry.backup import listing, plan, task
from tableferry.config.settings import Settings
from tableferry.ids import new_id
from tableferry.manifest import leaves, manifest
from tableferry.manifest.manifest import Manifest
from tableferry.storage import object_keys
from tests.support import verbs
from tests.support.lambdas import Json
from tests.support.parts import Database
from tests.support.verbs import SAMPLE, backup, post, restore

EMPLOYEES = "hired_employees"
REST = ("departments", "jobs")


@pytest.fixture
def loaded(database: Database, bucket: str, monkeypatch: pytest.MonkeyPatch) -> Database:
    """The sample, of which every table is read in some ranges, and listed in leaves of two objects or more."""
    verbs.load_sample(database)
    monkeypatch.setattr(plan, "_RANGE_BYTES", 4096)
    monkeypatch.setattr(listing, "SMALL", 0)
    monkeypatch.setattr(listing, "LEAF_OBJECTS", 2)
    monkeypatch.setattr(task, "IN_PLACE", 0)
    monkeypatch.setenv("CHUNK_BYTES", "500")
    return database


def root(made: Json) -> Manifest:
    return manifest.read(verbs.store(), made["id"], Settings.from_env().signing_keys)


def leaf(made: Json, number: int = 1, table: str = EMPLOYEES) -> str:
    found = root(made).table(table)
    assert found is not None
    return found.parts[number].key


def put(key: str, data: bytes) -> None:
    """Write an object as anybody would who may."""
    boto3.client("s3").put_object(Bucket=verbs.store().bucket, Key=key, Body=data)


@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_a_tree_is_verified_drilled_and_restored_as_it_was(loaded: Database, form: str) -> None:
    before = {name: verbs.table(loaded, name) for name in SAMPLE}
    made = backup(form=form)
    found = root(made)
    assert (found.version, all(table.parts and not table.chunks for table in found.tables)) == (3, True)
    counted = {table["name"]: (table["chunks"], table["objects"], table["rows"]) for table in made["tables"]}
    for table in found.tables:
        chunks = list(leaves.chunks_of(verbs.store(), found, table))
        rows = sum(chunk.rows for chunk in chunks)
        assert counted[table.name] == (len(chunks), sum(len(chunk.objects) for chunk in chunks), rows)
    employees = found.table(EMPLOYEES)
    assert employees is not None
    assert len(employees.parts) > 2
    verified = post(f"/backups/{made['id']}/verify")
    assert (verified.status, verified.json["leftovers"]) == (201, 0)
    assert {table["name"]: table["digest"] for table in verified.json["tables"]} == {
        table["name"]: table["digest"] for table in made["tables"]
    }
    loaded.run(f"DELETE FROM {EMPLOYEES}", "UPDATE jobs SET job = 'wrong'")
    assert restore(made["id"], dry_run=True)["state"] == "planned"
    assert restore(made["id"])["state"] == "done"
    assert {name: verbs.table(loaded, name) for name in SAMPLE} == before


def test_a_backup_as_it_is_shown_has_its_lists_by_name_and_not_what_is_in_them(loaded: Database) -> None:
    made = backup()
    shown = verbs.get(f"/backups/{made['id']}").json["manifest"]
    [employees] = [table for table in shown["tables"] if table["name"] == EMPLOYEES]
    assert employees["chunks"] == []
    assert {part["key"].rpartition("/")[2][:8] for part in employees["parts"]} == {"_chunks-"}


def take_away(made: Json) -> str:
    key = leaf(made)
    verbs.remove(key)
    return key


def alter(made: Json) -> str:
    key = leaf(made)
    put(key, verbs.store().get(key)[0].replace(b'"rows":', b'"rows":1', 1))
    return key


def alter_to_the_same_size(made: Json) -> str:
    key = leaf(made)
    data = bytearray(verbs.store().get(key)[0])
    data[len(data) // 2] ^= 1
    put(key, bytes(data))
    return key


def shorten(made: Json) -> str:
    key = leaf(made)
    put(key, verbs.store().get(key)[0][:-1])
    return key


def exchange_with_another_table(made: Json) -> str:
    one, other = leaf(made), leaf(made, 0, "jobs")
    texts = [verbs.store().get(key)[0] for key in (one, other)]
    put(one, texts[1])
    put(other, texts[0])
    return one


def exchange_with_another_backup(made: Json) -> str:
    key = leaf(made)
    put(key, verbs.store().get(leaf(backup(EMPLOYEES)))[0])
    return key


def exchange_with_the_one_behind(made: Json) -> str:
    one, other = leaf(made), leaf(made, 2)
    texts = [verbs.store().get(key)[0] for key in (one, other)]
    put(one, texts[1])
    put(other, texts[0])
    return one


@pytest.mark.parametrize(
    "damage",
    [
        take_away, alter, alter_to_the_same_size, shorten, exchange_with_another_table, exchange_with_another_backup,
        exchange_with_the_one_behind,
    ],
)  # fmt: skip
def test_a_damaged_leaf_is_refused_before_a_restore_touches_the_database(
    loaded: Database, damage: Callable[[Json], str]
) -> None:
    made = backup()
    key = damage(made)
    with verbs.unchanged(loaded):
        problem = post("/restores", {"backup": made["id"]}).problem(409)
    assert problem["type"].endswith(":backup-damaged")
    verified = post(f"/backups/{made['id']}/verify").problem(409)
    for found in (problem, verified):
        assert key in found["detail"]
        assert "estore or verify another backup, and find out who wrote to the bucket" in found["detail"]
        tables = {table["name"]: table for table in found["tables"]}
        assert set(tables) == set(SAMPLE)
        assert not tables[EMPLOYEES]["ok"]
        assert tables["departments"]["ok"]
    if damage is not exchange_with_another_table:
        assert restore(made["id"], tables=["jobs"])["state"] == "done"


def test_an_object_that_a_leaf_names_is_missed_and_one_beside_it_is_seen(loaded: Database) -> None:
    made = backup()
    table = root(made).table(EMPLOYEES)
    assert table is not None
    files = list(leaves.objects_of(verbs.store(), root(made), table))
    gone, short, stray = files[0].key, files[-1].key, leaf(made).replace("_chunks-", "")[:-12] + "-99999-00000.parquet"
    verbs.remove(gone)
    put(short, b"short")
    put(stray, b"mine")
    put(f"{stray.rpartition('/')[0]}/mine.parquet", b"mine")
    found = post(f"/backups/{made['id']}/verify").problem(409)
    [employees] = [one for one in found["tables"] if one["name"] == EMPLOYEES]
    assert len(employees["problems"]) == 4
    said = " ".join(employees["problems"])
    assert f"lacks the object '{gone}'" in said
    assert f"'{short}' has 5 bytes, not {files[-1].bytes}" in said
    assert f"'{stray}' is none of the backup's" in said
    assert "mine.parquet" in said
    with verbs.unchanged(loaded):
        assert gone in post("/restores", {"backup": made["id"]}).problem(409)["detail"]


def test_leaves_and_objects_of_a_try_that_died_are_counted_and_harm_nothing(loaded: Database) -> None:
    made = backup()
    home, _, name = leaf(made).rpartition("/")
    run = name.split("-")[1]
    put(f"{home}/{name.replace(run, '00000000')}", b"half a li")
    put(f"{home}/00000000-00000-00000.parquet", b"half a fi")
    verified = post(f"/backups/{made['id']}/verify")
    assert (verified.status, verified.json["leftovers"]) == (201, 2)
    assert restore(made["id"])["state"] == "done"


def later_one(made: Json, keep: Callable[[str], bool] = lambda _: True, **changes: Any) -> str:
    """A backup that names what an earlier one has, as one that writes only what has changed would do it."""
    store, found = verbs.store(), root(made)
    later = new_id(datetime.now(UTC))
    tables = tuple(table for table in found.tables if keep(table.name))
    made_later = found.model_copy(update={"id": later, "tables": tables, "version": 3, "ledger": None, **changes})
    manifest.write(store, made_later, Settings.from_env().signing_keys)
    return later


@pytest.mark.parametrize("in_place", [False, True])
def test_a_backup_that_names_objects_of_an_earlier_one_is_verified_and_restored(
    loaded: Database, monkeypatch: pytest.MonkeyPatch, in_place: bool
) -> None:
    if in_place:
        monkeypatch.setattr(task, "IN_PLACE", 2000)
    before = {name: verbs.table(loaded, name) for name in SAMPLE}
    made = backup()
    later = later_one(made)
    assert post(f"/backups/{later}/verify").status == 201
    loaded.run(f"DELETE FROM {EMPLOYEES}", "UPDATE jobs SET job = 'wrong'")
    assert restore(later)["state"] == "done"
    assert {name: verbs.table(loaded, name) for name in SAMPLE} == before
    [gone, short, *_] = [
        found.key
        for found in verbs.store().list(f"backups/{made['id']}/{EMPLOYEES}/")
        if not object_keys.is_leaf(found.key)
    ]
    verbs.remove(gone)
    put(short, b"short")
    with verbs.unchanged(loaded):
        said = post("/restores", {"backup": later}).problem(409)["tables"]
    problems = {table["name"]: " ".join(table["problems"]) for table in said}
    assert f"lacks the object '{gone}'" in problems[EMPLOYEES]
    assert f"'{short}' has 5 bytes" in problems[EMPLOYEES]
    assert [problems[name] for name in REST] == ["", ""]


@pytest.mark.usefixtures("loaded")
def test_what_lies_beside_the_objects_of_the_earlier_backup_is_no_matter_of_the_later_one() -> None:
    made = backup()
    later = later_one(made, lambda name: name == "jobs")
    put(f"backups/{made['id']}/jobs/mine.parquet", b"mine")
    assert post(f"/backups/{later}/verify").status == 201
    assert "mine.parquet" in post(f"/backups/{made['id']}/verify").problem(409)["detail"]


@pytest.mark.usefixtures("loaded")
def test_a_leaf_of_a_backup_taken_on_trust_is_held_against_its_root_all_the_same() -> None:
    made = backup()
    key = object_keys.manifest(made["id"])
    signed = verbs.content(key)
    put(key, json.dumps({"manifest": signed["manifest"]}).encode())
    assert restore(made["id"], trust=True)["state"] == "done"
    content = verbs.content(leaf_of(signed))
    content["chunks"][0]["objects"][0]["key"] = f"backups/{made['id']}/jobs/../departments/x.parquet"
    body = json.dumps(content).encode()
    put(leaf_of(signed), body)
    said = {"sha256": hashlib.sha256(body).hexdigest(), "bytes": len(body)}
    signed["manifest"]["tables"][0]["parts"][0].update(said)
    put(key, json.dumps({"manifest": signed["manifest"]}).encode())
    problem = post("/restores", {"backup": made["id"], "trust": True}).problem(409)
    assert "not one of its own" in problem["detail"]


def leaf_of(signed: Json) -> str:
    return str(signed["manifest"]["tables"][0]["parts"][0]["key"])


def test_a_tree_whose_digests_take_another_key_is_restored_on_trust(
    loaded: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {name: verbs.table(loaded, name) for name in SAMPLE}
    made = backup()
    monkeypatch.setenv("SIGNING_KEY", "another deployment's")
    loaded.run(f"DELETE FROM {EMPLOYEES}")
    assert restore(made["id"], trust=True)["state"] == "done"
    assert {name: verbs.table(loaded, name) for name in SAMPLE} == before


def test_a_table_that_came_back_otherwise_is_told_by_its_column(
    loaded: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = backup()
    found = root(made)
    wrong = found.model_copy(
        update={"tables": tuple(table.model_copy(update={"digest": "0" * 32}) for table in found.tables)}
    )
    verbs.remove(object_keys.manifest(made["id"]))
    manifest.write(verbs.store(), wrong, Settings.from_env().signing_keys)
    with verbs.unchanged(loaded):
        problem = post("/restores", {"backup": made["id"]}).problem(409)
    assert problem["type"].endswith(":digest-mismatch")
    said = post(f"/backups/{made['id']}/verify").problem(409)["detail"]
    assert "are not the ones that were backed up" in said
