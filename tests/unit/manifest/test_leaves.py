"""A manifest as a tree: what its leaves hold, how they are read, and what of them is refused."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from itertools import count
from typing import Any, Literal

import pytest

from tableferry.columnar.formats import Format
from tableferry.errors import BackupDamaged
from tableferry.manifest import leaves, manifest
from tableferry.manifest.manifest import ChunkEntry, Manifest, ObjectEntry, PartEntry, TableEntry
from tableferry.signing import Keys
from tableferry.storage import object_keys
from tests.support.memory_store import MemoryStore

KEYS = Keys((b"key",))
ID, EARLIER, LATER = "20261122T071500Z-1a2b3c4d", "20261121T071500Z-1a2b3c4d", "20261123T071500Z-1a2b3c4d"
NOW = datetime(2026, 11, 22, 7, 15, tzinfo=UTC)
TRY, SUM = "abcdef", "f" * 64


def chunk(table: str, number: int, of: int, files: int = 2, backup: str = ID) -> ChunkEntry:
    prefix = f"{object_keys.backup_table(backup, table)}{TRY}-{number:05d}"
    return ChunkEntry(
        lower=number * 10 if number else None,
        upper=number * 10 + 10 if number < of - 1 else None,
        rows=files * 5,
        digest=f"{number:032x}",
        objects=tuple(
            ObjectEntry(
                key=f"{prefix}-{file:05d}.parquet",
                rows=5,
                bytes=100,
                sha256=sha256(f"{table}-{number}-{file}".encode()).hexdigest(),
            )
            for file in range(files)
        ),
        inexact={"j": 1},
    )


def table(store: MemoryStore, name: str, chunks: list[ChunkEntry], at_once: int = 3, backup: str = ID) -> TableEntry:
    """A table in parts of so many chunks."""
    parts = [
        leaves.write_part(store, backup, TRY, number, name, chunks[at : at + at_once], SUM)
        for number, at in enumerate(range(0, len(chunks), at_once))
    ]
    return entry(name, chunks, parts=tuple(parts))


def entry(name: str, held: list[ChunkEntry], **fields: Any) -> TableEntry:
    return TableEntry(
        name=name, definition="", fingerprint="", columns=(), primary_key=("id",), foreign_keys=(), triggers=(),
        rows=sum(one.rows for one in held), bytes=sum(file.bytes for one in held for file in one.objects),
        digest="e" * 32, **fields,
    )  # fmt: skip


def root(*tables: TableEntry, version: Literal[1, 2, 3] = 3, backup: str = ID) -> Manifest:
    return Manifest(
        version=version, digest_key="k", id=backup, tableferry="0", server="9", database="d", format=Format.PARQUET,
        consistency="snapshot", position={}, started=NOW, finished=NOW, tables=tables,
    )  # fmt: skip


def read_all(store: MemoryStore, backup: str = ID) -> dict[str, list[ChunkEntry]]:
    found = manifest.read(store, backup, KEYS)
    return {one.name: list(leaves.chunks_of(store, found, one)) for one in found.tables}


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(KEYS)


@pytest.fixture
def tree(store: MemoryStore) -> MemoryStore:
    """A signed backup of two tables in four parts each, and one of another moment of the same tables."""
    for backup in (ID, EARLIER):
        tables = [table(store, name, chunks_of(name, backup), backup=backup) for name in ("jobs", "people")]
        manifest.write(store, root(*tables, backup=backup), KEYS)
    return store


def chunks_of(name: str, backup: str = ID) -> list[ChunkEntry]:
    return [chunk(name, number, 10, backup=backup) for number in range(10)]


def leaf(number: int, name: str = "jobs", backup: str = ID) -> str:
    return object_keys.backup_leaf(backup, name, TRY, number)


def test_what_was_written_in_parts_is_read_in_the_order_of_its_keys(tree: MemoryStore) -> None:
    assert read_all(tree) == {"jobs": chunks_of("jobs"), "people": chunks_of("people")}
    found = manifest.read(tree, ID, KEYS).tables[0]
    assert (len(found.parts), found.chunk_count, found.object_count, found.inexact) == (4, 10, 20, {"j": 10})


def test_a_table_whose_chunks_are_in_the_root_is_read_the_same_way(store: MemoryStore) -> None:
    chunks = chunks_of("jobs")
    manifest.write(store, root(entry("jobs", chunks, chunks=tuple(chunks)), version=2), KEYS)
    assert read_all(store) == {"jobs": chunks}
    assert list(store.objects) == [object_keys.manifest(ID)]


def test_a_leaf_is_locked_as_the_manifest_is(store: MemoryStore) -> None:
    leaves.write_part(store, ID, TRY, 0, "jobs", chunks_of("jobs"), SUM, lock_days=3)
    assert store.given[leaf(0)]["ObjectLockMode"] == "COMPLIANCE"


def test_the_same_part_written_twice_is_the_same_leaf(store: MemoryStore) -> None:
    one, other = (leaves.write_part(store, ID, TRY, 0, "jobs", chunks_of("jobs"), SUM) for _ in range(2))
    assert one == other


def test_few_leaves_are_read_ahead_and_none_after_one_stops(store: MemoryStore) -> None:
    chunks = [chunk("jobs", number, 100) for number in range(100)]
    made = root(table(store, "jobs", chunks, at_once=1))
    manifest.write(store, made, KEYS)
    seen: list[str] = []
    store.seen = seen.append
    reading = leaves.chunks_of(store, made, made.tables[0])
    assert [next(reading) for _ in range(3)] == chunks[:3]
    reading.close()
    assert len(seen) <= 3 + leaves._AHEAD


def take_away(store: MemoryStore) -> None:
    del store.objects[leaf(1)]


def alter(store: MemoryStore) -> None:
    store.objects[leaf(1)] = store.objects[leaf(1)].replace(b'"rows":5', b'"rows":6', 1)


def cut(store: MemoryStore) -> None:
    store.objects[leaf(1)] = store.objects[leaf(1)][:-10]


def lengthen(store: MemoryStore) -> None:
    store.objects[leaf(1)] += b" " * 1000


def exchange_with_the_next(store: MemoryStore) -> None:
    store.objects[leaf(1)], store.objects[leaf(2)] = store.objects[leaf(2)], store.objects[leaf(1)]


def exchange_with_another_table(store: MemoryStore) -> None:
    one, other = leaf(1), leaf(1, "people")
    store.objects[one], store.objects[other] = store.objects[other], store.objects[one]


def exchange_with_another_backup(store: MemoryStore) -> None:
    store.objects[leaf(1)] = store.objects[leaf(1, backup=EARLIER)]


@pytest.mark.parametrize(
    "damage",
    [
        take_away,
        alter,
        cut,
        lengthen,
        exchange_with_the_next,
        exchange_with_another_table,
        exchange_with_another_backup,
    ],
)
def test_a_leaf_that_is_not_what_was_written_is_refused(
    tree: MemoryStore, damage: Callable[[MemoryStore], None]
) -> None:
    damage(tree)
    with pytest.raises(BackupDamaged, match=r"(missing|altered).*Restore or verify another backup, and find out who"):
        read_all(tree)


Parts = list[dict[str, Any]]


def resigned(store: MemoryStore, edit: Callable[[dict[str, Any]], None]) -> None:
    """The root, edited and signed anew: by somebody who has the key, or a fault of ours."""
    key = object_keys.manifest(ID)
    content = json.loads(store.objects[key])["manifest"]
    edit(content)
    store.objects[key] = json.dumps({"manifest": content, **KEYS.sign(content)}).encode()


def parts_of(content: dict[str, Any]) -> Parts:
    return content["tables"][0]["parts"]  # type: ignore[no-any-return]


def swap_two_parts(content: dict[str, Any]) -> None:
    parts = parts_of(content)
    parts[1], parts[2] = parts[2], parts[1]


def of_another_table(content: dict[str, Any]) -> None:
    parts_of(content)[1] = content["tables"][1]["parts"][1]


def leave_one_out(content: dict[str, Any]) -> None:
    del parts_of(content)[1]


def name_one_twice(content: dict[str, Any]) -> None:
    parts_of(content).append(parts_of(content)[-1])


def of_version_2(content: dict[str, Any]) -> None:
    content["version"] = 2


def of_version_1(content: dict[str, Any]) -> None:
    content["version"] = 1


def with_chunks_beside(content: dict[str, Any]) -> None:
    content["tables"][0]["chunks"] = [chunk("jobs", 0, 1).model_dump(mode="json")]


def of_what_is_no_leaf(content: dict[str, Any]) -> None:
    parts_of(content)[1]["key"] = chunk("jobs", 0, 1).objects[0].key


def of_a_later_backup(content: dict[str, Any]) -> None:
    parts_of(content)[1]["key"] = leaf(1, backup=LATER)


def of_a_folder_above(content: dict[str, Any]) -> None:
    parts_of(content)[1]["key"] = f"backups/{ID}/jobs/../people/_chunks-{TRY}-000001.json"


def objects_of_a_later_backup(content: dict[str, Any]) -> None:
    parts_of(content)[1]["backups"] = [LATER]


def objects_of_its_own_twice(content: dict[str, Any]) -> None:
    parts_of(content)[1]["backups"] = [ID]


def of_no_size(content: dict[str, Any]) -> None:
    parts_of(content)[1]["bytes"] = 0


def too_large_to_be_read(content: dict[str, Any]) -> None:
    parts_of(content)[1]["bytes"] = 2**40


def more_rows(content: dict[str, Any]) -> None:
    content["tables"][0]["rows"] += 1


def more_bytes(content: dict[str, Any]) -> None:
    content["tables"][0]["bytes"] += 1


def no_sum(content: dict[str, Any]) -> None:
    parts_of(content)[1]["sum"] = "f" * 32


def no_chunks(content: dict[str, Any]) -> None:
    parts_of(content)[1]["chunks"] = 0


@pytest.mark.parametrize(
    "edit",
    [
        swap_two_parts, of_another_table, leave_one_out, name_one_twice, of_version_2, of_version_1, with_chunks_beside,
        of_what_is_no_leaf, of_a_later_backup, of_a_folder_above, objects_of_a_later_backup, objects_of_its_own_twice,
        of_no_size, too_large_to_be_read, more_rows, more_bytes, no_chunks, no_sum,
    ],
)  # fmt: skip
def test_a_root_whose_parts_cannot_be_is_refused_before_a_leaf_is_read(
    tree: MemoryStore, edit: Callable[[dict[str, Any]], None]
) -> None:
    resigned(tree, edit)
    seen: list[str] = []
    tree.seen = seen.append
    with pytest.raises(BackupDamaged, match="contradicts itself"):
        manifest.read(tree, ID, KEYS)
    assert seen == [object_keys.manifest(ID)]


def replaced(store: MemoryStore, number: int, content: dict[str, Any], **said: object) -> None:
    """A leaf with other content, which the root, signed anew, names by its SHA-256."""
    body = json.dumps(content).encode()
    store.objects[leaf(number)] = body

    def edit(whole: dict[str, Any]) -> None:
        parts_of(whole)[number] |= {"sha256": sha256(body).hexdigest(), "bytes": len(body), **said}

    resigned(store, edit)


def reorder(content: dict[str, Any]) -> None:
    content["chunks"].reverse()


def drop_a_chunk(content: dict[str, Any]) -> None:
    del content["chunks"][1]


def drop_an_object(content: dict[str, Any]) -> None:
    del content["chunks"][1]["objects"][1]


def repeat_an_object(content: dict[str, Any]) -> None:
    content["chunks"][1]["objects"][1] = content["chunks"][1]["objects"][0]


def repeat_one_of_another_leaf(content: dict[str, Any]) -> None:
    content["chunks"][0]["objects"][0]["key"] = chunk("jobs", 2, 10).objects[1].key


def name_one_of_another_table(content: dict[str, Any]) -> None:
    content["chunks"][0]["objects"][0]["key"] = chunk("people", 3, 10).objects[0].key


def name_one_of_an_unsaid_backup(content: dict[str, Any]) -> None:
    content["chunks"][0]["objects"][0]["key"] = chunk("jobs", 3, 10, backup=EARLIER).objects[0].key


def name_what_no_run_wrote(content: dict[str, Any]) -> None:
    content["chunks"][0]["objects"][0]["key"] = f"backups/{ID}/jobs/mine.parquet"


def name_a_folder_below(content: dict[str, Any]) -> None:
    content["chunks"][0]["objects"][0]["key"] = f"backups/{ID}/jobs/x/{TRY}-00003-00000.parquet"


def no_digest(content: dict[str, Any]) -> None:
    content["chunks"][0]["digest"] = "none"


def no_sha_256(content: dict[str, Any]) -> None:
    content["chunks"][0]["objects"][0]["sha256"] = "none"


def rows_below_zero(content: dict[str, Any]) -> None:
    first, second = content["chunks"][0]["objects"]
    first["rows"], second["rows"] = -5, 15


def another_bound(content: dict[str, Any]) -> None:
    content["chunks"][1]["lower"] += 1


def open_at_its_end(content: dict[str, Any]) -> None:
    content["chunks"][-1]["upper"] = None


def of_another(content: dict[str, Any]) -> None:
    content["table"] = "people"


def of_another_backup(content: dict[str, Any]) -> None:
    content["backup"] = EARLIER


def with_a_field_more(content: dict[str, Any]) -> None:
    content["more"] = 1


@pytest.mark.parametrize(
    "edit",
    [
        reorder, drop_a_chunk, drop_an_object, repeat_an_object, repeat_one_of_another_leaf, name_one_of_another_table,
        name_one_of_an_unsaid_backup, name_what_no_run_wrote, name_a_folder_below, no_digest, no_sha_256, rows_below_zero, another_bound,
        open_at_its_end, of_another, of_another_backup, with_a_field_more,
    ],
)  # fmt: skip
def test_a_leaf_that_contradicts_its_root_is_refused_whoever_signed_it(
    tree: MemoryStore, edit: Callable[[dict[str, Any]], None]
) -> None:
    content = json.loads(tree.objects[leaf(1)])
    edit(content)
    replaced(tree, 1, content)
    with pytest.raises(BackupDamaged, match="find out who wrote to the bucket"):
        read_all(tree)


def test_a_single_leaf_is_held_against_its_root_too(tree: MemoryStore) -> None:
    """As a function reads it that has only some of them."""
    found = manifest.read(tree, ID, KEYS).tables[0]
    assert leaves.chunks_of_part(tree, found, found.parts[1]) == tuple(chunks_of("jobs")[3:6])
    content = json.loads(tree.objects[leaf(1)])
    name_one_of_another_table(content)
    replaced(tree, 1, content)
    found = manifest.read(tree, ID, KEYS).tables[0]
    with pytest.raises(BackupDamaged, match=r"contradicts itself\. .* is not one of its own"):
        leaves.chunks_of_part(tree, found, found.parts[1])


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"5", b'{"chunks": []}', b"[" * 100_000])
def test_what_is_no_leaf_is_refused(tree: MemoryStore, body: bytes) -> None:
    tree.objects[leaf(1)] = body
    resigned(tree, lambda whole: parts_of(whole)[1].update(sha256=sha256(body).hexdigest(), bytes=len(body) or 1))
    with pytest.raises(BackupDamaged, match=r"cannot be read|altered"):
        read_all(tree)


def test_objects_and_leaves_of_earlier_backups_may_be_named(tree: MemoryStore) -> None:
    """The second part as it is, and in the third one the files of a chunk."""
    chunks = chunks_of("jobs")
    chunks[3:6] = chunks_of("jobs", EARLIER)[3:6]
    chunks[7] = chunk("jobs", 7, 10, backup=EARLIER)
    numbers = count(100)
    parts = [
        leaves.write_part(tree, LATER, TRY, next(numbers), "jobs", [moved(one) for one in chunks[at : at + 3]], SUM)
        for at in (0, 6, 9)
    ]
    old = manifest.read(tree, EARLIER, KEYS).tables[0].parts[1]
    made = root(entry("jobs", chunks, parts=(parts[0], old, *parts[1:])), backup=LATER)
    assert made.lenders == {EARLIER}
    assert parts[1].backups == (EARLIER,)
    manifest.write(tree, made, KEYS)
    found = read_all(tree, LATER)["jobs"]
    assert [object_keys.backup_of(one.objects[0].key, "jobs") for one in found] == [
        *[LATER] * 3, *[EARLIER] * 3, LATER, EARLIER, LATER, LATER,
    ]  # fmt: skip


def moved(one: ChunkEntry) -> ChunkEntry:
    """A chunk of this backup as one of the later backup."""
    files = [file.model_copy(update={"key": file.key.replace(ID, LATER)}) for file in one.objects]
    return one.model_copy(update={"objects": tuple(files)})


def test_chunks_in_the_root_may_name_objects_of_earlier_backups_from_version_3_on(store: MemoryStore) -> None:
    chunks = [chunk("jobs", 0, 2, backup=EARLIER), chunk("jobs", 1, 2)]
    made = entry("jobs", chunks, chunks=tuple(chunks))
    assert manifest.version_of(ID, [made]) == 3
    manifest.write(store, root(made), KEYS)
    assert read_all(store) == {"jobs": chunks}
    resigned(store, of_version_2)
    with pytest.raises(BackupDamaged, match="not one of its own"):
        manifest.read(store, ID, KEYS)


def test_the_version_is_the_earliest_that_says_enough(tree: MemoryStore) -> None:
    chunks = chunks_of("jobs")
    assert manifest.version_of(ID, [entry("jobs", chunks, chunks=tuple(chunks))]) == 2
    assert manifest.version_of(ID, manifest.read(tree, ID, KEYS).tables) == 3


def test_a_part_says_what_its_leaf_has(store: MemoryStore) -> None:
    made = leaves.write_part(store, ID, TRY, 7, "jobs", chunks_of("jobs")[2:5], SUM)
    body = store.objects[leaf(7)]
    assert made == PartEntry(
        key=f"backups/{ID}/jobs/_chunks-{TRY}-000007.json", sha256=sha256(body).hexdigest(), bytes=len(body),
        lower=20, upper=50, chunks=3, objects=6, rows=30, stored=600, row_bytes=0, sum=SUM, inexact={"j": 3},
    )  # fmt: skip
