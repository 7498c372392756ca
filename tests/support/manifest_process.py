"""A made-up backup of any number of objects, in a process of its own, which says how much memory each step took.

As a program: how many objects, and a folder for what is written. All that is made up is the rows: every object has the same
file, and what a server does is left away. It prints, for each step, the peak resident set and the seconds, as JSON.
"""

import hashlib
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from heapq import merge
from pathlib import Path
from typing import Any, cast

import polars as pl

from tableferry.backup.listing import Leafing, Listing
from tableferry.columnar import formats, result_set
from tableferry.columnar.digest import Digest, Hashing, digest
from tableferry.columnar.formats import Format
from tableferry.errors import ObjectNotFound, PreconditionFailed
from tableferry.manifest import digest_keys, leaves, manifest
from tableferry.manifest.manifest import ChunkEntry, ColumnEntry, Manifest, ObjectEntry, TableEntry
from tableferry.manifest.verify import all_there
from tableferry.manifest.verify_steps import verify
from tableferry.mysql.worker_pool import pool_of
from tableferry.restore.build import fill, readback
from tableferry.restore.build.progress import BuildProgress
from tableferry.restore.build.target import Item, Place, Resources, Target
from tableferry.schema.codec import Codec, Kind
from tableferry.signing import Keys
from tableferry.storage import object_keys
from tableferry.storage.bucket import Object, Store

BACKUP, RUN, TABLE = "20260101T000000Z-00000001", "0a1b2c3d", "t"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
CHUNK_OBJECTS = 4
CODEC = Codec(name="id", kind=Kind.INT, bits=32)
FRAME = pl.DataFrame({"id": [1, 2, 3]}, {"id": pl.Int32})
DATA = formats.write(FRAME, [CODEC], Format.PARQUET)
SHA256 = hashlib.sha256(DATA).hexdigest()
KEYS = Keys((b"key",))


class Files(Store):
    """A bucket whose small objects are files; those of the table are made up when they are asked for."""

    def __init__(self, folder: Path, objects: int) -> None:
        super().__init__(cast("Any", None), "bucket", KEYS)
        self._folder, self._objects = folder, objects

    def put(self, key: str, body: bytes, content_type: str = "", **given: Any) -> str:
        path = self._path(key)
        if "IfNoneMatch" in given and path.exists():
            raise PreconditionFailed(key)
        path.write_bytes(body)
        return "etag"

    def get(self, key: str, at_most: int = 2**60) -> tuple[bytes, str]:
        if object_keys.backup_place(key):
            return DATA, "etag"
        try:
            return self._path(key).read_bytes()[: at_most + 1], "etag"
        except FileNotFoundError:
            raise ObjectNotFound(key) from None

    def sha256(self, key: str) -> str:
        return SHA256

    def list(self, prefix: str, after: str = "") -> Iterator[Object]:
        written = sorted((path.name.replace("|", "/"), path.stat().st_size) for path in self._folder.iterdir())
        for key, size in merge(written, ((key, len(DATA)) for key in made_up(self._objects))):
            if key.startswith(prefix):
                yield Object(key, size, "etag", NOW)

    def _path(self, key: str) -> Path:
        return self._folder / key.replace("/", "|")


def run(objects: int, folder: Path) -> dict[str, dict[str, float]]:
    """Peak in bytes and seconds of each step."""
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.manifest_process", str(objects), str(folder)],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, dict[str, float]] = json.loads(done.stdout)
    return found


def made_up(objects: int) -> Iterator[str]:
    """The keys of the table's objects, in their order."""
    home = object_keys.backup_table(BACKUP, TABLE)
    for number in range(objects):
        yield f"{home}{RUN}-{number // CHUNK_OBJECTS:06d}-{number % CHUNK_OBJECTS:05d}.parquet"


def chunks(objects: int) -> Iterator[ChunkEntry]:
    """The table's chunks, of which each has four objects."""
    keys, count = made_up(objects), objects // CHUNK_OBJECTS
    for number in range(count):
        yield ChunkEntry(
            lower=number or None,
            upper=number + 1 if number < count - 1 else None,
            rows=CHUNK_OBJECTS * FRAME.height,
            digest="0" * 32,
            objects=tuple(
                ObjectEntry(key=next(keys), rows=FRAME.height, bytes=len(DATA), sha256=SHA256)
                for _ in range(CHUNK_OBJECTS)
            ),
        )


def write(store: Store, objects: int) -> None:
    """What a backup does once its rows are read."""
    key_id, hashing = digest_keys.newest(KEYS)
    one = digest(FRAME, [CODEC], hashing)
    of_chunk = sum([one] * CHUNK_OBJECTS, Digest())
    count = objects // CHUNK_OBJECTS
    listing = Listing(Leafing(store, BACKUP, RUN, hashing, 0), 2000)
    for number, chunk in enumerate(chunks(objects)):
        listing.add(0, TABLE, count, number, chunk, of_chunk)
    [listed] = listing.done()
    table = TableEntry(
        name=TABLE, definition="", fingerprint="", columns=(ColumnEntry(type="int", codec=CODEC),), primary_key=("id",),
        foreign_keys=(), triggers=(), rows=listed.rows, bytes=listed.bytes,
        digest=hashing.text(hashing.opened(listed.sum, listed.rows)), chunks=listed.chunks, parts=listed.parts,
    )  # fmt: skip
    made = Manifest(
        version=manifest.version_of(BACKUP, [table]), digest_key=key_id, id=BACKUP, tableferry="0", server="9",
        database="d", format=Format.PARQUET, consistency="snapshot", position={}, started=NOW, finished=NOW,
        tables=(table,),
    )  # fmt: skip
    manifest.write(store, made, KEYS)


def restore(store: Store, source: Manifest) -> None:
    """What a restore does with the manifest, without the server: each object fetched and given away, each range read."""
    [entry] = source.tables
    told: list[int] = [0, 0]

    def tell(done: int, of: int, rows: int, share: float | None = None) -> None:
        told[0], told[1] = done, told[1] + rows

    progress = BuildProgress(tell, [entry])
    hashing = Hashing(KEYS.for_digests(source.digest_key or ""))
    once = digest(FRAME, [CODEC], hashing)
    of_chunk = sum([once] * CHUNK_OBJECTS, Digest())
    without_a_server: list[tuple[Any, str, Any]] = [
        (fill, "_longest_coded", None),
        (fill, "_load", None),
        (fill, "fetch", FRAME),
        (result_set, "digest", of_chunk),
    ]
    for module, name, answer in without_a_server:
        setattr(module, name, lambda *_, answer=answer: answer)
    connections: Any = [object(), object()]
    with pool_of(connections, 4) as pool:
        fill.fill(pool, store, source, [(entry, "`s`.`t`")], progress)
        item = Item(entry, "t")
        target = Target(source, [item], Place("d", "s", "o"))
        nobody: Any = None
        read_back = readback.ReadBack(Resources(nobody, store), nobody, target, hashing)
        seen = readback.digest_of(read_back.begin(pool, item), progress.read_back)
        read_back.check_rows(seen, item)
    assert told == [entry.object_count, entry.rows]


def _peak() -> int:
    [kibibytes] = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="utf-8"))
    return int(kibibytes) * 1024


@contextmanager
def _measured(name: str, found: dict[str, dict[str, float]]) -> Iterator[None]:
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    began = time.monotonic()
    yield
    found[name] = {"peak": _peak(), "seconds": time.monotonic() - began}


def _main(objects: int, folder: Path) -> None:
    store = Files(folder, objects)
    found: dict[str, dict[str, float]] = {}
    with _measured("idle", found):
        pass
    with _measured("write", found):
        write(store, objects)
    with _measured("read the root", found):
        source = manifest.read(store, BACKUP, KEYS)
    with _measured("verify in shape", found):
        assert sum(len(chunk.objects) for chunk in leaves.chunks_of(store, source, source.tables[0])) == objects
    with _measured("look whether all is there", found):
        all_there(store, source, source.tables)
    with _measured("restore", found):
        restore(store, source)
    if objects <= 25_000:
        with _measured("verify", found):
            assert verify(store, source).leftovers == 0
    print(json.dumps(found))


if __name__ == "__main__":
    _main(int(sys.argv[1]), Path(sys.argv[2]))
