"""Read a backup again and hold every object against the manifest."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from tableferry import archive
from tableferry.digest import Digest, digest
from tableferry.errors import BackupDamaged, ObjectNotFound
from tableferry.manifest import Manifest, ObjectEntry, TableEntry
from tableferry.store import Store


@dataclass(frozen=True, slots=True)
class Verified:
    """A table whose objects are all there, whole, and hold the rows that were backed up."""

    name: str
    rows: int
    objects: int
    bytes: int
    digest: str


def verify(
    store: Store, manifest: Manifest, progress: Callable[[int, int, int], None] = lambda done, of, rows: None
) -> list[Verified]:
    """Size, SHA-256, rows and digest of every object. Memory: one object as a frame.

    Raises:
        BackupDamaged: something is not as the manifest says; the message names it.
    """
    all_there(store, manifest)
    found = []
    total = sum(len(table.objects) for table in manifest.tables)
    done = 0
    for table in manifest.tables:
        seen = Digest()
        for file in table.objects:
            seen += digest(fetch(store, manifest, table, file), table.codecs)
            done += 1
            progress(done, total, file.rows)
        if (seen.rows, seen.hex) != (table.rows, table.digest):
            raise BackupDamaged(f"The rows of table {table.name!r} are not the ones that were backed up.")
        found.append(Verified(table.name, seen.rows, len(table.objects), table.bytes, seen.hex))
    return found


def all_there(store: Store, manifest: Manifest) -> None:
    """Every object of the manifest, by a listing, is there with its size; raises BackupDamaged."""
    sizes = {found.key: found.size for found in store.list(f"backups/{manifest.id}/")}
    for table in manifest.tables:
        for file in table.objects:
            if file.key not in sizes:
                raise BackupDamaged(f"The backup lacks the object {file.key!r} (table {table.name!r}).")
            if sizes[file.key] != file.bytes:
                raise BackupDamaged(
                    f"The object {file.key!r} (table {table.name!r}) has {sizes[file.key]} bytes, not {file.bytes}."
                )


def fetch(store: Store, manifest: Manifest, table: TableEntry, file: ObjectEntry) -> pl.DataFrame:
    """One object as a frame, if it is what was written; raises BackupDamaged."""
    try:
        data, _ = store.get(file.key)
    except ObjectNotFound as error:
        raise BackupDamaged(f"The backup lacks the object {file.key!r} (table {table.name!r}).") from error
    if len(data) != file.bytes or hashlib.sha256(data).hexdigest() != file.sha256:
        raise BackupDamaged(f"The object {file.key!r} (table {table.name!r}) was altered: its SHA-256 differs.")
    try:
        frame = archive.read(data, table.codecs, manifest.format)
    except pl.exceptions.PolarsError as error:
        raise BackupDamaged(f"The object {file.key!r} (table {table.name!r}) cannot be read.") from error
    if frame.height != file.rows:
        raise BackupDamaged(f"The object {file.key!r} has {frame.height} rows, not {file.rows}.")
    return frame
