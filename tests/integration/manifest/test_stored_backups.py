"""Backups that each version wrote, kept as it wrote them: they are read, verified and restored for ever."""

import json
from pathlib import Path
from typing import Any

import pytest

from tableferry.manifest import leaves, manifest
from tableferry.manifest.verify_steps import verify
from tableferry.signing import Keys
from tests.support import verbs
from tests.support.memory_store import MemoryStore
from tests.support.parts import Database

STORED = Path(__file__).parents[2] / "support" / "stored_backups"
KEY = "the key of stored examples"
VERSIONS = [1, 2, 3]
ROWS = {"jobs": 2, "nothing": 0, "people": 30}
PEOPLE = [
    (number, f"name {number}", f"1990-01-{number % 28 + 1:02d}", f"{number * 1.25:.2f}", 1 + number % 2, number)
    for number in range(1, 31)
]


def objects(version: int) -> dict[str, bytes]:
    folder = STORED / f"version-{version}"
    return {f"backups/{path.relative_to(folder)}": path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def backup_id(version: int) -> str:
    return f"20261128T12000{version}Z-00000000"


@pytest.mark.parametrize("version", VERSIONS)
def test_a_backup_of_each_version_is_read_and_verified(version: int) -> None:
    store = MemoryStore(Keys.parse(KEY))
    store.objects = objects(version)
    found = manifest.read(store, backup_id(version), store.keys)
    assert found.version == version
    assert {table.name for table in found.tables if table.parts} == ({"jobs", "people"} if version == 3 else set())
    assert {table.name: table.rows for table in found.tables} == ROWS
    files = {file.key for table in found.tables for file in leaves.objects_of(store, found, table)}
    lists = {part.key for table in found.tables for part in table.parts}
    assert files | lists | {f"backups/{found.id}/manifest.json"} == set(store.objects)
    verified = verify(store, found)
    assert ({table.name: table.rows for table in verified.tables}, verified.leftovers) == (ROWS, 0)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_backup_of_each_version_is_restored(
    database: Database, bucket: str, monkeypatch: pytest.MonkeyPatch, version: int
) -> None:
    monkeypatch.setenv("SIGNING_KEY", KEY)
    for key, body in objects(version).items():
        verbs.store().put(key, body)
    assert verbs.restore(backup_id(version))["state"] == "done"
    people = verbs.rows(
        database, "SELECT id, name, born, paid, job_id, JSON_EXTRACT(more, '$.a') FROM people ORDER BY id"
    )
    assert [(row[0], row[1], str(row[2]), str(row[3]), row[4], int(row[5])) for row in people] == PEOPLE
    assert verbs.rows(database, "SELECT id, job FROM jobs ORDER BY id") == [(1, "Pilot"), (2, "Köchin")]
    assert verbs.rows(database, "SELECT COUNT(*) FROM nothing") == [(0,)]
    assert verbs.get(f"/backups/{backup_id(version)}").json["manifest"]["version"] == version


def test_what_needs_no_tree_is_written_as_version_2_was(database: Database, bucket: str) -> None:
    """So that who goes back to an earlier version still reads what the later one wrote."""
    verbs.load_sample(database)
    made = verbs.content(f"backups/{verbs.backup()['id']}/manifest.json")
    store = MemoryStore(Keys.parse(KEY))
    store.objects = objects(2)
    before = json.loads(store.objects[f"backups/{backup_id(2)}/manifest.json"])
    assert made["manifest"]["version"] == 2
    assert shape(made["manifest"]) == shape(before["manifest"])


def shape(content: dict[str, Any]) -> tuple[object, ...]:
    """The names of all fields of a manifest."""
    [table, *_] = sorted(content["tables"], key=lambda one: -len(one["chunks"][0]["objects"]))
    chunk = table["chunks"][0]
    return sorted(content), sorted(table), sorted(chunk), sorted(chunk["objects"][0])
