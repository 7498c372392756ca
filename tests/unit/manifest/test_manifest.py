"""The manifest's signature, and what is refused."""

import json
from datetime import UTC, datetime

import pytest

from tableferry.columnar.formats import Format
from tableferry.errors import BackupDamaged, BackupNotFound, Conflict, ObjectNotFound
from tableferry.manifest import manifest
from tableferry.manifest.manifest import Manifest
from tableferry.signing import Keys
from tableferry.storage import object_keys

KEYS = Keys((b"key",))
ID = "20261122T071500Z-1a2b3c4d"
NOW = datetime(2026, 11, 22, 7, 15, tzinfo=UTC)
MANIFEST = Manifest(
    id=ID,
    tableferry="0",
    server="9",
    database="d",
    format=Format.PARQUET,
    consistency="snapshot",
    position={"gtid": "é"},
    started=NOW,
    finished=NOW,
    tables=(),
)


class Bucket:
    """The two methods that a manifest needs of a store, over a dictionary."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    def put_locked(self, key: str, body: bytes, _days: int, **conditions: str) -> None:
        assert conditions == {"IfNoneMatch": "*"}
        assert key not in self.objects
        self.objects[key] = body

    def get(self, key: str) -> tuple[bytes, str]:
        if key not in self.objects:
            raise ObjectNotFound(key)
        return self.objects[key], "etag"


@pytest.fixture
def bucket() -> Bucket:
    made = Bucket()
    manifest.write(made, MANIFEST, KEYS)  # type: ignore[arg-type]
    return made


def read(bucket: Bucket, backup_id: str = ID, keys: Keys | None = KEYS) -> Manifest:
    return manifest.read(bucket, backup_id, keys)  # type: ignore[arg-type]


def edit(bucket: Bucket, **changes: object) -> None:
    key = object_keys.manifest(ID)
    signed = json.loads(bucket.objects[key])
    signed["manifest"] |= changes
    bucket.objects[key] = json.dumps(signed).encode()


def test_a_manifest_comes_back(bucket: Bucket) -> None:
    assert read(bucket) == MANIFEST


def test_an_edited_manifest_is_refused(bucket: Bucket) -> None:
    edit(bucket, database="other")
    with pytest.raises(BackupDamaged, match="altered"):
        read(bucket)
    assert read(bucket, keys=None).database == "other"


def test_another_key_is_refused(bucket: Bucket) -> None:
    other = Keys((b"other",))
    with pytest.raises(
        BackupDamaged, match=f"signed with the key {KEYS.ids[0]}, .* does not have .it has {other.ids[0]}"
    ):
        read(bucket, keys=other)


def test_a_manifest_of_another_version_is_refused_by_name(bucket: Bucket) -> None:
    edit(bucket, version=4)
    with pytest.raises(Conflict, match="version 4"):
        read(bucket, keys=None)


def test_a_manifest_of_another_backup_is_refused(bucket: Bucket) -> None:
    other = "20261122T071500Z-ffffffff"
    bucket.objects[object_keys.manifest(other)] = bucket.objects[object_keys.manifest(ID)]
    with pytest.raises(BackupDamaged, match="another backup"):
        read(bucket, other)


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"{}", b'{"manifest": 5}', b'{"manifest": {"version": 1}}'])
def test_what_is_no_manifest_is_refused(bucket: Bucket, text: bytes) -> None:
    bucket.objects[object_keys.manifest(ID)] = text
    with pytest.raises(BackupDamaged):
        read(bucket, keys=None)


@pytest.mark.parametrize(
    "codec",
    [
        {"kind": "int", "bits": 1024},
        {"kind": "uint", "bits": 24},
        {"kind": "decimal", "precision": 5, "scale": -3},
        {"kind": "decimal", "precision": 5, "scale": 6},
        {"kind": "decimal", "precision": 39, "scale": 2},
        {"kind": "datetime", "scale": -3},
        {"kind": "datetime", "scale": 7},
    ],
    ids=str,
)
def test_a_column_that_no_table_has_is_refused(bucket: Bucket, codec: dict[str, object]) -> None:
    """The native library makes room for the values by these numbers."""
    table = {
        "name": "t",
        "definition": "",
        "fingerprint": "",
        "columns": [{"type": "int", "codec": {"name": "c", **codec}}],
        "primary_key": [],
        "foreign_keys": [],
        "triggers": [],
        "rows": 0,
        "bytes": 0,
        "digest": "0" * 32,
        "chunks": [],
    }
    edit(bucket, tables=[table])
    with pytest.raises(BackupDamaged, match="not complete"):
        read(bucket, keys=None)
    table["columns"] = [{"type": "int", "codec": {"name": "c", "kind": "int"}}]
    edit(bucket, tables=[table])
    with pytest.raises(BackupDamaged, match="no chunks"):
        read(bucket, keys=None)


@pytest.mark.parametrize("backup_id", ["20261122T071500Z-00000000", "../secrets", "latest"])
def test_an_id_that_is_none_finds_nothing(bucket: Bucket, backup_id: str) -> None:
    with pytest.raises(BackupNotFound):
        read(bucket, backup_id)
