"""The ledger's entries of a backup's tables: read in its snapshot, kept beside the tables, and brought back with them.

They say which files and requests have their rows in the backup. So after a restore a retry, or a key sent again, puts in
what the backup does not have, and nothing else; on another server, too.

How they are kept is said in :mod:`tableferry.manifest.ledger_objects`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import pymysql

from tableferry._compat import zstd
from tableferry.ledger import epoch, ledger
from tableferry.manifest.ledger_objects import Line, lines
from tableferry.manifest.manifest import LEDGER, LedgerEntry, Manifest, ObjectEntry
from tableferry.mysql.database import Connection, error_code
from tableferry.storage import object_keys
from tableferry.storage.bucket import Store

_OBJECT_BYTES = 4 * 1024 * 1024  # before they are compressed
_GONE = {1146, 1412}  # no such table, or none yet when the snapshot was made


def keep(
    connection: Connection, store: Store, backup_id: str, attempt: str, tables: Collection[str], lock_days: int
) -> LedgerEntry:
    """Write the entries of these tables as the snapshot shows them, on the connection of which this is.

    A table that a restore exchanges at the moment is left out: of it nothing is known. Memory: one object.
    """
    objects: list[ObjectEntry] = []
    epochs = _epochs(connection, tables)
    size, pending = 0, list[bytes]()

    def put() -> None:
        body = zstd.compress(b"".join(pending))
        key = f"{object_keys.backup_table(backup_id, LEDGER)}{attempt}-00000-{len(objects):05d}.ndjson.zst"
        store.put_locked(key, body, lock_days, "application/zstd")
        sha256 = hashlib.sha256(body).hexdigest()
        objects.append(ObjectEntry(key=key, rows=len(pending), bytes=len(body), sha256=sha256))
        pending.clear()

    for line in _lines(connection, epochs):
        pending.append(line.model_dump_json().encode() + b"\n")
        size += len(pending[-1])
        if size > _OBJECT_BYTES:
            put()
            size = 0
    if pending:
        put()
    return LedgerEntry(tables=tuple(sorted(epochs)), objects=tuple(objects))


def bring(connection: Connection, store: Store, source: Manifest, into: Mapping[str, str], brings: str) -> None:
    """Write a backup's entries for the epoch of its tables' restore, before the tables are exchanged: nobody sees them yet.

    ``into`` is each table's name and the one that it gets. Files and requests are a table's by its name, so that one of
    another name has no entries. Can be repeated. Not inside a transaction. Memory: one object.
    """
    for name, to in into.items():
        silent = name == to and (source.ledger is None or name not in source.ledger.tables)
        epoch.begin(connection, to)
        epoch.tell(connection, to, brings, epoch.Source(source.id, silent, source.finished.isoformat()))
    wanted = {name for name, to in into.items() if name == to and source.ledger and name in source.ledger.tables}
    if not wanted or not source.ledger_objects:
        return
    ledger.prepare(connection)
    with ledger.adding(connection) as add:
        for line in lines(store, source):
            for table in wanted if line.table is None else wanted & {line.table}:
                add(epoch.entry(line.id, table, brings), line.part, line.written, line.content)


def _epochs(connection: Connection, tables: Collection[str]) -> dict[str, str]:
    """The epoch of each table that is not being exchanged."""
    try:
        found = epoch.every(connection)
    except pymysql.err.MySQLError as error:
        if error_code(error) not in _GONE:
            raise
        found = {}
    known = {name: found.get(name) or epoch.Epochs(name) for name in tables}
    return {name: epochs.live for name, epochs in known.items() if epochs.mark is None}


def _lines(connection: Connection, epochs: Mapping[str, str]) -> Iterator[Line]:
    """The entries of these epochs of the tables, in the order of their ids."""
    suffixed = {epoch.entry("", name, of)[1:]: name for name, of in epochs.items() if of != epoch.FIRST}
    plain = {name for name, of in epochs.items() if of == epoch.FIRST}
    try:
        for entry, part, written, content in ledger.every(connection):
            kind, name, suffix = (*entry.split("/"), "")[:3]
            if kind not in ("load", "request") or part < ledger.FINAL:
                continue
            if suffix:
                if (table := suffixed.get(suffix)) is None:
                    continue
            else:
                table = _table(json.loads(content))
                if table is not None and table not in plain:
                    continue
            yield Line(table=table, id=f"{kind}/{name}", part=part, written=written, content=content)
    except pymysql.err.MySQLError as error:
        if error_code(error) not in _GONE:
            raise


def _table(content: Any) -> str | None:
    """The table that an entry names."""
    if not isinstance(content, dict):
        return None
    said = content.get("table") or content.get("answer", {}).get("table")
    return str(said) if said else None
