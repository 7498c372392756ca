"""Back tables up in one function: plan, one task on all its connections, finish. Many functions take the same steps."""

from __future__ import annotations

from collections.abc import Sequence

from tableferry.backup import plan, task
from tableferry.backup.finish import finish
from tableferry.backup.snapshot import open_snapshot
from tableferry.backup.task import TellChunks
from tableferry.columnar.formats import Format
from tableferry.manifest import digest_keys
from tableferry.manifest.manifest import Manifest
from tableferry.mysql.database import Database
from tableferry.mysql.session import Mode
from tableferry.storage.bucket import Store


def backup(
    database: Database,
    store: Store,
    backup_id: str,
    tables: Sequence[str] | None,
    form: Format,
    *,
    workers: int = 2,
    chunk_bytes: int = 4 * 1024 * 1024,
    lock_days: int = 0,
    progress: TellChunks = lambda *_: None,
) -> Manifest:
    """Write the tables (all, where none are named) as they are at one moment, and their manifest last.

    For ``lock_days`` nobody can delete what was written. ``workers`` are connections. Memory: as :func:`task.run` says.

    Raises:
        TableNotFound, NotSupported, InvalidRequest, Conflict: as :func:`plan.plan` says.
        Conflict: a definition changed meanwhile.
        DatabaseUnavailable, StoreUnavailable: as they say.
    """
    key_id, _ = digest_keys.newest(store.keys)
    with database.connect(Mode.FAITHFUL) as connection, task.as_planned():
        planned = plan.plan(
            connection, database, tables, backup_id=backup_id, form=form, digest_key=key_id, lock_days=lock_days
        )
        with open_snapshot(database, [one.table for one in planned.tables], workers) as snapshot:
            part = task.run(snapshot.connections, store, planned, 0, chunk_bytes, progress)
        return finish(connection, database, store, planned, [part], snapshot.position)
