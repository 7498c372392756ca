"""A verification in steps: many functions find what one finds, whatever is wrong, and whoever did what how often."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from random import Random
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tableferry.columnar import formats
from tableferry.columnar.digest import Digest, digest
from tableferry.columnar.formats import Format
from tableferry.errors import BackupDamaged, Conflict
from tableferry.manifest import digest_keys, leaves, manifest, verify_pace, verify_plan, verify_steps
from tableferry.manifest.manifest import ChunkEntry, ColumnEntry, Manifest, ObjectEntry, PartEntry, TableEntry
from tableferry.manifest.verify import Verified
from tableferry.manifest.verify_plan import VerifyPlan
from tableferry.manifest.verify_steps import Seen
from tableferry.schema.codec import Codec, Kind
from tableferry.signing import Keys
from tableferry.storage import object_keys
from tests.effort import effort
from tests.support.memory_store import MemoryStore

KEYS = Keys((b"key",))
ID = "20261122T071500Z-1a2b3c4d"
NOW = datetime(2026, 11, 22, 7, 15, tzinfo=UTC)
RUN, DEAD_RUN = "abcdef01", "00000000"
CODEC = Codec("id", Kind.INT)
IN_LEAVES, IN_ROOT = "people", "jobs"
CHUNKS, FILES, ROWS, AT_ONCE = 6, 2, 3, 2


@dataclass
class Made:
    """A backup in a bucket: a table in leaves and one whose chunks are in the root; their files and the leaves, by key."""

    store: MemoryStore
    source: Manifest
    files: dict[str, list[str]] = field(default_factory=dict)

    @property
    def lists(self) -> list[str]:
        return [part.key for table in self.source.tables for part in table.parts]


def made() -> Made:
    """One to damage."""
    whole = whole_backup()
    store = MemoryStore(KEYS)
    store.objects |= whole.store.objects
    return replace(whole, store=store)


@lru_cache
def whole_backup() -> Made:
    store = MemoryStore(KEYS)
    key_id, hashing = digest_keys.newest(KEYS)
    done, tables = Made(store, None), []  # type: ignore[arg-type]
    for name in (IN_ROOT, IN_LEAVES):
        chunks, sums = [], []
        for number in range(CHUNKS):
            frames = [
                pl.DataFrame({"id": range(at, at + ROWS)}) for at in range(number * 10, number * 10 + FILES * 3, 3)
            ]
            prefix = f"{object_keys.backup_table(ID, name)}{RUN}-{number:05d}"
            files = [put(store, f"{prefix}-{at:05d}.parquet", frame) for at, frame in enumerate(frames)]
            done.files.setdefault(name, []).extend(file.key for file in files)
            sums.append(sum((digest(frame, [CODEC], hashing) for frame in frames), Digest()))
            chunks.append(
                ChunkEntry(
                    lower=number * 10 if number else None, upper=number * 10 + 10 if number < CHUNKS - 1 else None,
                    rows=FILES * ROWS, digest=hashing.text(sums[-1]), objects=tuple(files),
                )
            )  # fmt: skip
        parts: list[PartEntry] = []
        for at in range(0, CHUNKS if name == IN_LEAVES else 0, AT_ONCE):
            total = hashing.sealed(sum(sums[at : at + AT_ONCE], Digest()))
            parts.append(leaves.write_part(store, ID, RUN, at, name, chunks[at : at + AT_ONCE], total))
        tables.append(
            TableEntry(
                name=name, definition="", fingerprint="", columns=(ColumnEntry(type="BIGINT", codec=CODEC),),
                primary_key=("id",), foreign_keys=(), triggers=(), rows=CHUNKS * FILES * ROWS,
                bytes=sum(file.bytes for chunk in chunks for file in chunk.objects),
                digest=hashing.text(sum(sums, Digest())), chunks=() if parts else tuple(chunks), parts=tuple(parts),
            )
        )  # fmt: skip
    done.source = Manifest(
        version=3, digest_key=key_id, id=ID, tableferry="0", server="9", database="d", format=Format.PARQUET,
        consistency="snapshot", position={}, started=NOW, finished=NOW, tables=tuple(tables),
    )  # fmt: skip
    manifest.write(store, done.source, KEYS)
    return done


def put(store: MemoryStore, key: str, frame: pl.DataFrame) -> ObjectEntry:
    data = bytes(formats.write(frame, [CODEC], Format.PARQUET))
    store.put(key, data)
    return ObjectEntry(key=key, rows=frame.height, bytes=len(data), sha256=sha256(data).hexdigest())


def dice(seed: int) -> Random:
    return Random(seed)  # noqa: S311  # no secret


Damage = Callable[[Made, Random], str]


def a_file(of: Made, random: Random) -> str:
    there = [key for keys in of.files.values() for key in keys if key in of.store.objects]
    return random.choice(there)


def take_away(of: Made, random: Random) -> str:
    key = a_file(of, random)
    del of.store.objects[key]
    return key


def alter(of: Made, random: Random) -> str:
    key = a_file(of, random)
    data = bytearray(of.store.objects[key])
    data[random.randrange(len(data))] ^= 1 << random.randrange(8)
    of.store.objects[key] = bytes(data)
    return key


def shorten(of: Made, random: Random) -> str:
    key = a_file(of, random)
    of.store.objects[key] = of.store.objects[key][: -random.randint(1, 50)]
    return key


def lengthen(of: Made, random: Random) -> str:
    key = a_file(of, random)
    of.store.objects[key] += b"x" * random.randint(1, 50)
    return key


def write_others_rows(of: Made, random: Random) -> str:
    """By a file that can be read, of as many rows."""
    key = a_file(of, random)
    put(of.store, key, pl.DataFrame({"id": [random.randrange(1 << 40) for _ in range(ROWS)]}))
    return key


def exchange(of: Made, random: Random) -> str:
    """Of one table or of two; none has the same rows as its neighbour in the same table."""
    one = a_file(of, random)
    same = [key for keys in of.files.values() if one in keys for key in keys if key in of.store.objects]
    at = same.index(one)
    other = same[(at + 1) % len(same)]
    of.store.objects[one], of.store.objects[other] = of.store.objects[other], of.store.objects[one]
    return one


def add_a_stray(of: Made, random: Random) -> str:
    """One of a run that wrote others: a reader of all files of the folder would take it for one of ours."""
    key = f"{object_keys.backup_table(ID, random.choice([IN_ROOT, IN_LEAVES]))}{RUN}-{random.randrange(6):05d}-00077.parquet"
    of.store.objects[key] = of.store.objects[a_file(of, random)]
    return key


def add_beside(of: Made, random: Random) -> str:
    key = f"{object_keys.backup(ID)}{random.choice(['', 'jobs/', 'people/'])}somebody-elses-{random.randrange(99)}"
    of.store.objects[key] = b"x"
    return key


def alter_a_list(of: Made, random: Random) -> str:
    key = random.choice(of.lists)
    if key in of.store.objects:
        of.store.objects[key] = of.store.objects[key].replace(b'"rows":3', b'"rows":4', 1)
    return key


def take_a_list_away(of: Made, random: Random) -> str:
    key = random.choice(of.lists)
    of.store.objects.pop(key, None)
    return key


def exchange_lists(of: Made, random: Random) -> str:
    one, other = of.lists[0], of.lists[random.randrange(1, len(of.lists))]
    here, there = (of.store.objects.get(key, b"") for key in (one, other))
    of.store.objects |= {one: there, other: here}
    return one


OF_FILES: list[Damage] = [take_away, alter, shorten, lengthen, write_others_rows, exchange, add_a_stray, add_beside]
OF_LISTS: list[Damage] = [alter_a_list, take_a_list_away, exchange_lists]


def outcome(check: Callable[[], Verified]) -> Any:
    """What a verification came to, to be compared."""
    try:
        return check()
    except BackupDamaged as error:
        return str(error), error.tables


def one(of: Made) -> Any:
    """By one function, in one task."""
    return outcome(lambda: verify_steps.verify(of.store, of.source))


def many(of: Made, random: Random, workers: int, threads: int = 1) -> Any:
    """By several, each step through JSON; tasks in any order, some of them done twice."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(verify_plan, "TASK_OBJECTS", random.randint(1, 9))
        written = verify_plan.plan(of.store, of.source, workers).model_dump_json()
    planned = VerifyPlan.model_validate_json(written)
    numbers = [number for worker in range(workers) for number, _ in planned.of(worker)]
    assert sorted(numbers) == list(range(len(planned.tasks)))
    numbers += random.choices(numbers, k=3)
    random.shuffle(numbers)
    parts = [verify_steps.run(of.store, of.source, planned, number, threads).model_dump_json() for number in numbers]
    seen = [Seen.model_validate_json(part) for part in parts]
    return outcome(lambda: verify_steps.finish(of.store, of.source, planned, seen))


@settings(max_examples=effort(40, 400))
@given(
    seed=st.integers(0, 1 << 32),
    workers=st.integers(1, 5),
    damages=st.lists(st.sampled_from(OF_FILES + OF_LISTS), max_size=4),
)
def test_many_functions_find_what_one_finds(seed: int, workers: int, damages: list[Damage]) -> None:
    of, random = made(), dice(seed)
    for damage in damages:
        damage(of, random)
    assert many(of, random, workers) == one(of)


@pytest.mark.parametrize("damage", OF_FILES + OF_LISTS)
def test_a_damage_is_found_whoever_reads_the_object(damage: Damage) -> None:
    for seed in range(12):
        of, random = made(), dice(seed)
        key = damage(of, random)
        detail, tables = many(of, random, workers=3)
        assert key in detail
        home = {object_keys.backup_table(ID, name): name for name in (IN_ROOT, IN_LEAVES)}.get(
            key.rpartition("/")[0] + "/"
        )
        assert [table.name for table in tables if not table.ok] == ([home] if home else [])
        assert not home or any(key in text for table in tables for text in table.problems)


def test_a_whole_backup_is_found_whole_with_all_its_rows_and_what_a_dead_try_left_is_counted() -> None:
    of, random = made(), dice(1)
    of.store.objects[f"{object_keys.backup_table(ID, IN_LEAVES)}{DEAD_RUN}-00000-00000.parquet"] = b"half a fi"
    found = many(of, random, workers=4, threads=3)
    assert found == one(of)
    assert found.leftovers == 1
    assert [(table.name, table.ok, table.rows, table.digest, table.bytes, table.objects) for table in found.tables] == [
        (table.name, True, table.rows, table.digest, table.bytes, CHUNKS * FILES) for table in of.source.tables
    ]


def test_behind_a_list_that_is_bad_the_others_are_read_on() -> None:
    of = made()
    del of.store.objects[of.lists[0]]
    hurt = of.files[IN_LEAVES][-1]
    of.store.objects[hurt] = of.store.objects[hurt][::-1]
    _, tables = many(of, dice(2), workers=2)
    [bad] = [table for table in tables if not table.ok]
    assert any(hurt in text for text in bad.problems)
    assert bad.rows == CHUNKS * FILES * ROWS - FILES * ROWS * AT_ONCE - ROWS


def test_rows_that_are_not_the_ones_backed_up_are_seen_though_every_object_is_what_the_manifest_says() -> None:
    of = made()
    tables = [of.source.tables[0].model_copy(update={"digest": "0" * 32}), of.source.tables[1]]
    of.source = of.source.model_copy(update={"tables": tuple(tables)})
    detail, _ = many(of, dice(3), workers=2)
    assert f"rows of table {IN_ROOT!r}" in detail


def test_what_is_not_done_is_not_whole() -> None:
    of = made()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(verify_plan, "TASK_OBJECTS", 4)
        planned = verify_plan.plan(of.store, of.source, 2)
    seen = [verify_steps.run(of.store, of.source, planned, number) for number in range(1, len(planned.tasks))]
    with pytest.raises(Conflict, match="1 are not done"):
        verify_steps.finish(of.store, of.source, planned, seen)


def test_the_sum_that_a_function_leaves_for_others_tells_nothing_to_whoever_has_no_key() -> None:
    of = made()
    planned = verify_plan.plan(of.store, of.source)
    twice = [verify_steps.run(of.store, of.source, planned, 0).tables[0].sum for _ in range(2)]
    assert twice[0] != twice[1]
    assert not any(table.digest in text for text in twice for table in of.source.tables)


def test_a_plan_is_the_same_for_the_same_manifest_and_gives_each_worker_about_as_much() -> None:
    of = made()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(verify_plan, "TASK_OBJECTS", 2)
        planned = verify_plan.plan(of.store, of.source, 3)
        assert planned == verify_plan.plan(of.store, of.source, 3)
    load = [sum(task.objects for _, task in planned.of(worker)) for worker in range(3)]
    assert sum(load) == planned.objects == 2 * CHUNKS * FILES
    assert max(load) - min(load) <= FILES * AT_ONCE


def test_as_few_functions_as_end_in_time_and_no_more_than_there_may_be() -> None:
    of = made()
    gigabyte = {"rows": 6_000_000, "bytes": 440_000_000}
    small, large = (
        of.source.model_copy(
            update={"tables": tuple(table.model_copy(update=gigabyte) for table in of.source.tables[:1] * n)}
        )
        for n in (10, 200)
    )
    assert [verify_pace.functions(small, 900, 8), verify_pace.functions(large, 900, 8)] == [1, 5]
    assert verify_pace.functions(large, 900, 3) == 3
    assert verify_pace.functions(large, float("inf"), 8) == 1
    assert 110 < verify_pace.expected(small) < 140
