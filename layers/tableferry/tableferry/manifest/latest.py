"""What ``latest`` means: the newest backup of this database that is signed and holds what is asked for.

Whoever can only write to the bucket can put keys there that look newer. They are passed over: ids of the future without a
look, folders without a manifest after a HEAD, manifests that are not signed after they were read.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

from tableferry.errors import BackupDamaged, BackupNotFound, Conflict, ObjectNotFound, TableferryError
from tableferry.manifest import manifest
from tableferry.manifest.manifest import Manifest
from tableferry.signing import Keys
from tableferry.storage import object_keys
from tableferry.storage.bucket import Store

_AT_ONCE = 16
_SMALL_BYTES, _MOST_BYTES = 1024 * 1024, 64 * 1024 * 1024
"""Manifests are read together up to the one size, beyond it one by one, and beyond the other not at all: a manifest says
about 300 bytes of each file and some thousand of each table."""

_NAMED = 50

PassedOver = Callable[[str, TableferryError], None]
"""Is told of a backup that would have been newer, and why it was passed over."""


def latest(
    store: Store,
    keys: Keys,
    database: str,
    tables: Collection[str] | None = None,
    passed_over: PassedOver = lambda *_: None,
) -> Manifest:
    """The newest signed backup of the database that holds all these tables, or, where none are named, of all tables.

    Where no backup of all tables is to be had, it is the newest one: then nobody makes any other. Memory: 16 manifests of
    1 MiB, or one of 64 MiB.

    Raises:
        BackupNotFound: there is none; it says what was looked for.
    """
    newest: Manifest | None = None
    bad: list[str] = []

    def note(backup_id: str, error: TableferryError) -> None:
        bad.append(backup_id)
        passed_over(backup_id, error)

    for found in signed(store, keys, manifest.ids(store), note):
        if found.database != database:
            continue
        if tables is None and found.complete is not False:  # older ones do not say, and were taken for it
            return found
        if tables is not None and all(found.table(name) for name in tables):
            return found
        newest = newest or found
    if tables is None and newest is not None:
        return newest
    what = f"signed backup of the database {database!r}"
    named = ", ".join(repr(name) for name in tables or ())
    said = f"There is no {what} yet."
    if newest:
        held = [table.name for table in newest.tables]
        more = ", …" if len(held) > _NAMED else ""
        said = f"No {what} holds all of these tables: {named}. The newest, {newest.id}, holds {', '.join(held[:_NAMED])}{more}."
    if bad:
        said += f" {len(bad)} were passed over, {bad[0]} the newest: its id, in place of `latest`, says why."
    raise BackupNotFound(f"{said} Backups of other databases are restored by their ids.")


def signed(
    store: Store,
    keys: Keys,
    ids: Iterable[str],
    passed_over: PassedOver = lambda *_: None,
) -> Iterator[Manifest]:
    """Those of the backups that are there and signed, in the order of their ids.

    Each next batch is larger, so that the first one costs no more than itself, and a thousand forged ones little each.
    """
    waiting, count = iter(ids), 1
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="latest") as pool:
        while batch := list(islice(waiting, count)):
            sizes = list(pool.map(lambda one: _size(store, one), batch))
            small = {
                one: pool.submit(_read, store, one, keys)
                for one, size in zip(batch, sizes, strict=True)
                if size is not None and size <= _SMALL_BYTES
            }
            for one, size in zip(batch, sizes, strict=True):
                if size is None:
                    continue
                if size > _MOST_BYTES:
                    read: Manifest | TableferryError = BackupDamaged(
                        f"The manifest of backup {one!r} has {size} bytes."
                    )
                else:
                    read = small[one].result() if one in small else _read(store, one, keys)
                if isinstance(read, Manifest):
                    yield read
                else:
                    passed_over(one, read)
            count = min(2 * count, _AT_ONCE)


def _size(store: Store, backup_id: str) -> int | None:
    """The bytes of a manifest; None where there is none (yet)."""
    try:
        return store.head(object_keys.manifest(backup_id)).size
    except ObjectNotFound:
        return None


def _read(store: Store, backup_id: str, keys: Keys) -> Manifest | TableferryError:
    try:
        return manifest.read(store, backup_id, keys)
    except (BackupNotFound, BackupDamaged, Conflict) as error:
        return error
