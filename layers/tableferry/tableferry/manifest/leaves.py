"""The chunks of a table, wherever they are listed: in the root of the manifest, or in leaves.

A backup of few objects has all of them in its root. Of one of a quarter of a million the root would be 70 MB, so there a
table's chunks are listed in objects of their own, of about 256 objects or 1 GB, and the root names these by SHA-256. Each
leaf is checked as it is read, and read when it is its turn: what that takes does not grow with the backup.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing

from pydantic import TypeAdapter, ValidationError

from tableferry.errors import BackupDamaged, ObjectNotFound
from tableferry.manifest import consistency
from tableferry.manifest.manifest import ChunkEntry, Entry, Manifest, ObjectEntry, PartEntry, TableEntry, added
from tableferry.storage import object_keys
from tableferry.storage.ahead import ahead
from tableferry.storage.bucket import Store

_AHEAD = 4  # leaves that are on their way while one is being worked on
_MOST_SAID = 3
_WHAT_TO_DO = "Restore or verify another backup, and find out who wrote to the bucket."


class Leaf(Entry):
    """What stands in a leaf: whose chunks these are, and the chunks in the order of their keys."""

    backup: str
    table: str
    chunks: tuple[ChunkEntry, ...]


_LEAF = TypeAdapter(Leaf)


def write_part(
    store: Store,
    backup_id: str,
    run: str,
    number: int,
    table: str,
    chunks: Sequence[ChunkEntry],
    total: str,
    lock_days: int = 0,
) -> PartEntry:
    """Put chunks of a table that follow each other as its leaf of this number, and say what the root says of it.

    ``total`` is the sum of all their rows' digest, sealed. The same chunks make the same leaf again.
    """
    leaf = Leaf(backup=backup_id, table=table, chunks=tuple(chunks))
    body = json.dumps(leaf.model_dump(mode="json"), ensure_ascii=False, separators=(",", ":")).encode()
    key, sha256 = object_keys.backup_leaf(backup_id, table, run, number), hashlib.sha256(body)
    store.put_locked(key, body, lock_days, sha256=sha256.digest())
    files = [file for chunk in chunks for file in chunk.objects]
    owners = {object_keys.backup_of(file.key, table) for file in files}
    return PartEntry(
        key=key,
        sha256=sha256.hexdigest(),
        bytes=len(body),
        lower=chunks[0].lower,
        upper=chunks[-1].upper,
        chunks=len(chunks),
        objects=len(files),
        rows=sum(chunk.rows for chunk in chunks),
        stored=sum(file.bytes for file in files),
        row_bytes=max((file.row_bytes for file in files), default=0),
        sum=total,
        inexact=added([chunk.inexact for chunk in chunks]),
        backups=tuple(sorted(owner for owner in owners if owner and owner != backup_id)),
    )


def chunks_of(store: Store, source: Manifest, table: TableEntry) -> Generator[ChunkEntry, None, None]:
    """The chunks of a table, in the order of their keys.

    Memory: some leaves, the chunks of about 5 GB. Whoever stops early has to close it.

    Raises:
        BackupDamaged: a leaf is missing, is not the one that was written, or contradicts what the root says of it.
    """
    yield from table.chunks
    if table.parts:
        with closing(_leaves(store, source, table)) as leaves:
            for leaf in leaves:
                yield from leaf


def objects_of(store: Store, source: Manifest, table: TableEntry) -> Generator[ObjectEntry, None, None]:
    """The files of a table, in the order of its keys. Memory, errors: as of :func:`chunks_of`."""
    with closing(chunks_of(store, source, table)) as chunks:
        for chunk in chunks:
            yield from chunk.objects


def chunks_of_part(store: Store, table: TableEntry, part: PartEntry) -> tuple[ChunkEntry, ...]:
    """The chunks of one part, held against what the root says of it. Errors as of :func:`chunks_of`.

    That no object is in two leaves is seen only where all are read, as :mod:`~tableferry.manifest.inventory` does.
    """
    chunks = _read(store, table, part)
    _hold("The manifest of the backup", table, consistency.Leaves(table).disagreements(part, chunks))
    return chunks


def _hold(which: str, table: TableEntry, wrong: Sequence[str]) -> None:
    if wrong:
        said = "; ".join(wrong[:_MOST_SAID])
        raise BackupDamaged(f"{which} contradicts itself. Table {table.name!r}: {said}. {_WHAT_TO_DO}")


def _leaves(store: Store, source: Manifest, table: TableEntry) -> Generator[tuple[ChunkEntry, ...], None, None]:
    """Leaf after leaf, some of them ahead, each held against the root and against those before it."""
    check = consistency.Leaves(table)
    pool = ThreadPoolExecutor(_AHEAD, thread_name_prefix="leaves")

    def reading() -> Generator[tuple[PartEntry, Future[tuple[ChunkEntry, ...]]], None, None]:
        for part in table.parts:
            yield part, pool.submit(_read, store, table, part)

    try:
        with closing(ahead(reading(), _AHEAD)) as parts:
            for part, read in parts:
                chunks = read.result()
                _hold(f"The manifest of backup {source.id!r}", table, check.disagreements(part, chunks))
                yield chunks
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _read(store: Store, table: TableEntry, part: PartEntry) -> tuple[ChunkEntry, ...]:
    which = f"The object {part.key!r}, which lists a part of table {table.name!r},"
    try:
        body, _ = store.get(part.key, part.bytes)
    except ObjectNotFound as error:
        copied = "Where backups are copied to from another bucket, it may be yet to come."
        raise BackupDamaged(f"{which} is missing. {_WHAT_TO_DO} {copied}") from error
    if len(body) != part.bytes or hashlib.sha256(body).hexdigest() != part.sha256:
        raise BackupDamaged(f"{which} was altered: its SHA-256 differs. {_WHAT_TO_DO}")
    try:
        leaf = _LEAF.validate_json(body)
    except ValidationError as error:
        raise BackupDamaged(f"{which} cannot be read. {_WHAT_TO_DO}") from error
    if (leaf.backup, leaf.table) != (object_keys.backup_of(part.key, table.name), table.name):
        raise BackupDamaged(f"{which} is one of another table or backup. {_WHAT_TO_DO}")
    return leaf.chunks
