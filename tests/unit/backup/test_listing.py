"""What of a backup is listed in the manifest itself, and what in leaves."""

from hashlib import sha256

import pytest

from tableferry.backup import listing
from tableferry.backup.listing import Leafing, Listed, Listing
from tableferry.columnar.digest import Digest, Hashing
from tableferry.manifest.leaves import chunks_of
from tableferry.manifest.manifest import ChunkEntry, ObjectEntry
from tableferry.signing import Keys
from tests.support.memory_store import MemoryStore
from tests.unit.manifest.test_leaves import entry, root

ID = "20261122T071500Z-1a2b3c4d"
RUN = "0a1b2c3d"
HASHING = Hashing(b"k" * 64)
NAMES = ("jobs", "people")


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(Keys((b"key",)))


def chunk(name: str, number: int, of: int, files: int, size: int = 100) -> ChunkEntry:
    return ChunkEntry(
        lower=number or None,
        upper=number + 1 if number < of - 1 else None,
        rows=files,
        digest="0" * 32,
        objects=tuple(
            ObjectEntry(
                key=f"backups/{ID}/{name}/{RUN}-{number:05d}-{file:05d}.parquet",
                rows=1,
                bytes=size,
                sha256=sha256(b"").hexdigest(),
            )
            for file in range(files)
        ),
    )


def listed(
    store: MemoryStore, in_place: int, *tables: tuple[int, int], first: int = 0, of: int = 0, size: int = 100
) -> tuple[Listed, ...]:
    """Tables of so many ranges with so many files each; ``first`` and ``of`` where a task has only some of the ranges."""
    made = Listing(Leafing(store, ID, RUN, HASHING, 0), in_place)
    for number, (ranges, files) in enumerate(tables):
        whole = of or ranges
        for one in range(first, first + ranges):
            entry = chunk(NAMES[number], one, whole, files, size)
            made.add(number, NAMES[number], whole, one, entry, Digest(files, one + 1))
    return made.done()


def test_a_small_backup_has_all_in_place(store: MemoryStore) -> None:
    one, other = listed(store, 2000, (10, 100), (100, 10))
    assert (len(one.chunks), len(other.chunks), one.parts, other.parts) == (10, 100, (), ())
    assert (one.rows, one.bytes, HASHING.opened(one.sum, one.rows)) == (1000, 100_000, Digest(1000, 55))
    assert not store.objects


def test_what_is_more_goes_into_leaves_of_256_objects(store: MemoryStore) -> None:
    one, other = listed(store, 500, (30, 10), (100, 10))
    assert (len(one.chunks), one.parts) == (30, ())
    assert other.chunks == ()
    assert [part.objects for part in other.parts] == [260, 260, 260, 220]
    assert [part.key[-11:-5] for part in other.parts] == ["000000", "000026", "000052", "000078"]
    assert sum(HASHING.opened(part.sum, part.rows).total for part in other.parts) == sum(range(1, 101))
    assert HASHING.opened(other.sum, other.rows) == Digest(1000, sum(range(1, 101)))
    assert (other.rows, other.bytes) == (1000, 100_000)
    assert len(store.objects) == 4


def test_a_leaf_ends_with_a_gigabyte(store: MemoryStore) -> None:
    [one] = listed(store, 0, (10, 2), size=1 << 28)
    assert [part.objects for part in one.parts] == [4, 4, 4, 4, 4]


def test_leaves_are_written_as_the_chunks_come(store: MemoryStore) -> None:
    made = Listing(Leafing(store, ID, RUN, HASHING, 0), 0)
    held = []
    for number in range(10_000):
        made.add(0, "jobs", 10_000, number, chunk("jobs", number, 10_000, 4), Digest(4, 1))
        assert made._open is not None
        held.append(len(made._open.held))
    assert max(held) <= listing.LEAF_OBJECTS // 4
    [one] = made.done()
    found = entry("jobs", [chunk("jobs", number, 10_000, 4) for number in range(10_000)], parts=one.parts)
    read = list(chunks_of(store, root(found, backup=ID), found))
    assert [chunk.lower or 0 for chunk in read] == list(range(10_000))


def test_a_table_too_small_for_a_leaf_stays_in_place_wherever_it_is_read(store: MemoryStore) -> None:
    one, other = listed(store, 0, (2, 2), (1, 0))
    assert (len(one.chunks), len(other.chunks)) == (2, 1)
    assert not store.objects


def test_a_share_of_a_table_is_always_a_leaf_where_there_are_several_functions(store: MemoryStore) -> None:
    [one] = listed(store, 0, (1, 1), first=3, of=5)
    assert (one.first, one.end, one.chunks, len(one.parts)) == (3, 4, (), 1)
    assert one.parts[0].key.endswith(f"_chunks-{RUN}-000003.json")


def test_a_range_with_more_objects_than_a_leaf_is_one_leaf(store: MemoryStore) -> None:
    [one] = listed(store, 0, (1, 3000))
    assert [part.objects for part in one.parts] == [3000]


def test_nothing_read_is_nothing_listed(store: MemoryStore) -> None:
    assert listed(store, 2000) == ()
