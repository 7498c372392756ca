"""A restore drill: tables of a backup built anew in a schema of their own, verified, and dropped again.

It proves more than reading the objects again: that this server takes the definitions and gives the same rows back. No
live table is touched, and no restore waits for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tableferry.errors import Conflict
from tableferry.manifest.manifest import Manifest
from tableferry.manifest.verify import all_there
from tableferry.mysql.database import Connection, Database
from tableferry.mysql.named_lock import take_lock
from tableferry.mysql.session import Mode
from tableferry.restore.build import shadow
from tableferry.restore.build.scratch_schema import drop, prefix_of, schemas
from tableferry.restore.build.target import Item, Place, Resources, Target
from tableferry.storage.bucket import Store


def drill(
    database: Database,
    store: Store,
    drill_id: str,
    source: Manifest,
    items: Sequence[Item],
    *,
    workers: int = 2,
    chunk_bytes: int = 4 * 1024 * 1024,
) -> None:
    """Build the tables, hold them against the manifest and drop them, whatever came of it.

    Foreign keys to tables outside the backup are left out: what they point at is of today. Memory: that of a restore.

    Raises:
        BackupDamaged: an object is missing, shortened or altered.
        DigestMismatch: what was loaded is not what was backed up; the message names the table and column.
        Conflict: another drill is going on, or this server does not take a definition.
        MissingPrivilege, DatabaseUnavailable, StoreUnavailable: as they say.
    """
    all_there(store, source, [item.entry for item in items])
    with database.connect(Mode.FAITHFUL) as connection, _scratch(connection, database.name, drill_id) as name:
        target = Target(source, items, Place(live=database.name, shadow=name, old=name))
        keys = [key for key in target.foreign_keys() if key.parent_schema == name]
        shadow.build(Resources(database, store, workers, chunk_bytes), connection, target, keys)


@contextmanager
def _scratch(connection: Connection, live: str, drill_id: str) -> Iterator[str]:
    """The name of a schema for one drill, which is dropped on leaving; those of drills that died are dropped before."""
    prefix = prefix_of("drill", live)
    if not take_lock(connection, prefix):
        raise Conflict(f"Another restore drill of the database {live!r} is going on.")
    name = prefix + drill_id.lower().replace("-", "_")
    _drop(connection, prefix)
    try:
        yield name
    finally:
        if connection.open:
            _drop(connection, prefix)


def _drop(connection: Connection, prefix: str) -> None:
    for schema in schemas(connection, prefix):
        drop(connection, schema)
