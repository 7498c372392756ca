"""What is read again of a backup, held object by object against the manifest; and what is said of what was found."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass

import polars as pl

from tableferry.columnar import formats
from tableferry.columnar.digest import PLAIN, Digest, Hashing, digest
from tableferry.errors import BackupDamaged, ObjectNotFound, TableFinding
from tableferry.manifest.inventory import Present, altered, present
from tableferry.manifest.leaves import objects_of
from tableferry.manifest.manifest import LEDGER, Manifest, ObjectEntry, TableEntry
from tableferry.schema.codec import Kind
from tableferry.storage.bucket import Store

_MOST_SAID = 20
_TEXT_TOO = (Kind.DATE, Kind.DATETIME)  # in chunks with one that no calendar has
# What a reader makes of bytes that only look like a file: a panic is its own assertion that did not hold.
_UNREADABLE = (pl.exceptions.PolarsError, pl.exceptions.PanicException, KeyError, ValueError, OSError)


@dataclass(frozen=True, slots=True)
class Verified:
    """What a whole backup was found to hold, table by table; ``leftovers`` are files of tries of it that died."""

    tables: tuple[TableFinding, ...]
    leftovers: int


def all_there(store: Store, manifest: Manifest, tables: Sequence[TableEntry]) -> None:
    """Check that every object of the tables is there and is, by S3's word, the one that was written.

    A restore asks before it touches the database; reading the objects it asks again. Memory: that of
    :func:`~tableferry.manifest.inventory.present`.

    Raises:
        BackupDamaged: one is missing, altered or exchanged, or there is one that the manifest does not name.
    """
    there = present(store, manifest, tables)
    found = []
    for table in tables:
        files = (file for file in _listed(store, manifest, table, there) if file.key not in there.absent)
        problems = there.problems[table.name]
        problems += [_altered(file, table.name) for file in altered(store, files)]
        found.append(finding(table, problems, Digest(), 0, PLAIN))
    history = [file for file in manifest.ledger_objects if file.key not in there.absent]
    there.problems[""] += [_altered(file, LEDGER) for file in altered(store, history)]
    refuse(manifest, found, there.problems)


def with_plain_digests(store: Store, manifest: Manifest, tables: Sequence[TableEntry]) -> Manifest:
    """These tables of a backup with digests that are taken anew of its objects, without a key.

    For one whose digests were made with a key that is not here: its rows can then be held against its objects, which it
    names by SHA-256. Memory: one object as a frame.

    Raises:
        BackupDamaged: an object is missing or altered.
    """

    def taken(table: TableEntry) -> TableEntry:
        if table.parts:  # whose leaves stay as they are: no digest of a chunk is held against anything
            with closing(objects_of(store, manifest, table)) as files:
                return table.model_copy(update={"digest": PLAIN.text(summed(table, files))})
        sums = [summed(table, chunk.objects) for chunk in table.chunks]
        chunks = [
            chunk.model_copy(update={"digest": PLAIN.text(one)}) for chunk, one in zip(table.chunks, sums, strict=True)
        ]
        return table.model_copy(update={"digest": PLAIN.text(sum(sums, Digest())), "chunks": tuple(chunks)})

    def summed(table: TableEntry, files: Iterable[ObjectEntry]) -> Digest:
        return sum((digest(fetch(store, manifest, table, file), table.codecs) for file in files), Digest())

    return manifest.model_copy(update={"digest_key": None, "tables": tuple(map(taken, tables))})


def fetch(store: Store, manifest: Manifest, table: TableEntry, file: ObjectEntry) -> pl.DataFrame:
    """Read one object as a frame; raises BackupDamaged if it is not what was written."""
    try:
        data, _ = store.get(file.key, file.bytes)
    except ObjectNotFound as error:
        raise BackupDamaged(f"The backup lacks the object {file.key!r} (table {table.name!r}).") from error
    if len(data) != file.bytes or hashlib.sha256(data).hexdigest() != file.sha256:
        raise BackupDamaged(_altered(file, table.name))
    try:
        frame = formats.read(data, table.codecs, manifest.format)
    except _UNREADABLE as error:
        raise BackupDamaged(f"The object {file.key!r} (table {table.name!r}) cannot be read.") from error
    schema = frame.schema  # made anew whenever it is asked for
    for column in table.codecs:
        held_as = schema[column.name]
        if held_as != column.dtype() and not (column.kind in _TEXT_TOO and held_as == pl.String):
            raise BackupDamaged(f"The object {file.key!r} (table {table.name!r}) holds {column.name!r} as {held_as}.")
    if frame.height != file.rows:
        raise BackupDamaged(f"The object {file.key!r} has {frame.height} rows, not {file.rows}.")
    return frame


def _listed(store: Store, manifest: Manifest, table: TableEntry, there: Present) -> Iterator[ObjectEntry]:
    """The files of a table; a leaf that went bad since they were listed becomes one of its problems."""
    if table.name in there.unlisted:
        return
    try:
        with closing(objects_of(store, manifest, table)) as files:
            yield from files
    except BackupDamaged as error:
        there.problems[table.name].append(str(error))


def _altered(file: ObjectEntry, table: str) -> str:
    return f"The object {file.key!r} (table {table!r}) was altered: its SHA-256 differs."


def finding(table: TableEntry, problems: Sequence[str], seen: Digest, size: int, hashing: Hashing) -> TableFinding:
    """What is said of a table: the sum of what could be read of it, its size, and the first of what is wrong."""
    said = tuple(problems[:_MOST_SAID])
    more = len(problems) - len(said)
    return TableFinding(
        name=table.name,
        rows=seen.rows,
        objects=table.object_count,
        bytes=size,
        digest=hashing.text(seen),
        ok=not problems,
        problems=(*said, f"And {more} more.") if more else said,
    )


def refuse(manifest: Manifest, found: Sequence[TableFinding], problems: Mapping[str, Sequence[str]]) -> None:
    """Raise BackupDamaged, with what was found of every table, if anything is wrong."""
    loose = problems.get("", ())
    damaged = [table for table in found if not table.ok]
    if not damaged and not loose:
        return
    said = [*(table.problems[0] for table in damaged), *loose]
    count = sum(len(table.problems) for table in damaged) + len(loose)
    names = f" in {len(damaged)} of {len(found)} tables ({', '.join(repr(table.name) for table in damaged[:5])})"
    detail = f"Backup {manifest.id} is damaged{names if damaged else ''}. {' '.join(said[:5])}"
    raise BackupDamaged(detail + (f" There is more: {count} in all." if count > len(said[:5]) else ""), found)
