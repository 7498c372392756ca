"""Bring tables of a backup back: beside the live ones, verified, then swapped in at once. Undo, and accept."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

from tableferry import catalog, ddl, manifest, orphans, record, shadow
from tableferry.catalog import quote
from tableferry.database import Connection, Database, Mode, execute, rows
from tableferry.errors import BackupDamaged, Conflict, InvalidRequest, TableNotInBackup
from tableferry.identity import is_id
from tableferry.manifest import Manifest
from tableferry.record import Restore, RestoredTable
from tableferry.shadow import Item, Place, Progress
from tableferry.store import Store
from tableferry.swap import Move, as_if_swapped, followers, settle, swap
from tableferry.verify import all_there

_LONGEST_NAME = 64


def open_backup(store: Store, backup_id: str, signing_key: bytes, trust: bool) -> Manifest:
    """The manifest that a restore works from: of ``latest`` or of an id, signed unless it is to be trusted.

    Of one that is only trusted, the SQL is held to plain definitions of tables, and there are no triggers.
    Raises BackupNotFound and BackupDamaged.
    """
    wanted = manifest.latest(store) if backup_id == "latest" else backup_id
    found = manifest.read(store, wanted, None if trust else signing_key)
    if not trust:
        return found
    for table in found.tables:
        if not ddl.is_plain(table.definition):
            raise BackupDamaged(f"The definition of table {table.name!r} is more than a CREATE TABLE.")
    plain = tuple(table.model_copy(update={"triggers": ()}) for table in found.tables)
    return found.model_copy(update={"tables": plain})


def plan(source: Manifest, tables: Sequence[str] | None, into: Mapping[str, str]) -> list[Item]:
    """What a restore would do; looks at nothing but the manifest.

    Raises:
        TableNotInBackup, InvalidRequest: a table is not there, a name is not possible or given twice.
    """
    known = [entry.name for entry in source.tables]
    for name in [*(tables or ()), *into]:
        if name not in known:
            raise TableNotInBackup(f"Backup {source.id} holds no table {name!r}; it holds {', '.join(known)}.")
    wanted = set(known if tables is None and not into else [*(tables or ()), *into])
    items = [Item(entry, into.get(entry.name, entry.name)) for entry in source.tables if entry.name in wanted]
    if not items:
        raise InvalidRequest("`tables` is empty: name at least one table, or leave it out for all.")
    for item in items:
        if not 0 < len(item.into) <= _LONGEST_NAME or item.into.startswith(catalog.OWN_PREFIX) or "\0" in item.into:
            raise InvalidRequest(f"A table cannot be named {item.into!r} here.")
    if len({item.into for item in items}) < len(items):
        raise InvalidRequest("Two tables cannot be restored into the same name.")
    return items


def restore(
    database: Database,
    store: Store,
    restore_id: str,
    source: Manifest,
    items: Sequence[Item],
    *,
    dry_run: bool = False,
    workers: int = 2,
    chunk_bytes: int = 4 * 1024 * 1024,
    progress: Progress = lambda done, of, rows: None,
) -> Restore:
    """Build the tables in a schema of their own, hold them against the manifest, and swap them in together.

    Until the one RENAME TABLE nothing live is touched; on any error before it, what was built is dropped again, and on
    one after it the tables are put back. Memory: about six times the largest object of the backup, a worker.

    Raises:
        BackupDamaged: an object is missing, shortened or altered.
        DigestMismatch: what was loaded is not what was backed up; the message names the table and column.
        Conflict: the live database is not in the state that this needs.
        MissingPrivilege, DatabaseUnavailable, StoreUnavailable: as they say.
    """
    all_there(store, source)
    place = Place.of(database.name, restore_id)
    with _alone(database, store) as connection:
        begun = _begin(connection, store, restore_id, source, items, place)
        if dry_run:
            return record.save(store, begun.model_copy(update={"state": "planned"}))
        record.save(store, begun)
        try:
            shadow.build(
                database,
                connection,
                store,
                source,
                items,
                place,
                workers=workers,
                chunk_bytes=chunk_bytes,
                progress=progress,
            )
            execute(connection, f"CREATE DATABASE {quote(place.old)}")
            verified = tuple(table.model_copy(update={"verified": True}) for table in begun.tables)
            begun = begun.model_copy(update={"tables": verified, "kept": place.old})
            return _exchange(connection, store, begun, _forth(begun, place), "swapping", "done")
        except BaseException:
            _abandon(database, store, begun, place)
            raise


def undo(database: Database, store: Store, restore_id: str) -> Restore:
    """Put the old tables back; the restored ones, with what was written to them since, wait until ``accept``.

    Raises:
        RecordNotFound: there is no such restore.
        Conflict: it is not done (or was accepted, or undone), or rows of other tables would lose their parent.
    """
    with _alone(database, store) as connection:
        found = _settled(store, restore_id, {"done"}, "undone")
        place = Place.of(found.database, restore_id)
        note = f"What was restored, and written since, is in the schema {place.shadow} until accept."
        found = found.model_copy(update={"kept": place.shadow, "notes": (*found.notes, note)})
        moves = _back(found, place)
        for key in followers(connection, moves):
            if not any(move.comes for move in moves if move.name == key.parent_table):
                raise Conflict(
                    f"Table {key.parent_table!r} was not there before the restore, and table {key.table!r} points at "
                    f"it by now (foreign key {key.name!r})."
                )
        return _exchange(connection, store, found, moves, "undoing", "undone")


def accept(database: Database, store: Store, restore_id: str) -> Restore:
    """Drop what a restore (or its undoing) kept. Raises RecordNotFound, and Conflict where there is nothing to accept."""
    with _alone(database, store) as connection:
        found = _settled(store, restore_id, {"done", "undone"}, "accepted")
        place = Place.of(found.database, restore_id)
        _drop(connection, place.shadow, place.old)
        return record.save(store, found.model_copy(update={"state": "accepted", "kept": None}))


def _begin(
    connection: Connection, store: Store, restore_id: str, source: Manifest, items: Sequence[Item], place: Place
) -> Restore:
    """Preflight, and the record of what is about to happen."""
    live = set(catalog.table_names(connection, place.live))
    [(local_infile,)] = rows(connection, "SELECT @@GLOBAL.local_infile")
    if not local_infile:
        raise Conflict("The server has local_infile off: set it to 1 in the parameter group.")
    for key in shadow.foreign_keys(source, items, place):
        if key.parent_schema == place.live and key.parent_table not in live:
            raise Conflict(
                f"Table {key.table!r} points at table {key.parent_table!r} (foreign key {key.name!r}), which is not "
                "there: restore it together with this one."
            )
    return Restore(
        id=restore_id,
        backup=source.id,
        database=place.live,
        state="running",
        tables=tuple(
            RestoredTable(
                name=item.entry.name,
                into=item.into,
                rows=item.entry.rows,
                digest=item.entry.digest,
                replaced=item.into in live,
                triggers_before=tuple(catalog.triggers(connection, place.live, item.into)),
                triggers_after=() if item.renamed else item.entry.triggers,
            )
            for item in items
        ),
        started=datetime.now(UTC),
    )


def _exchange(
    connection: Connection,
    store: Store,
    found: Restore,
    moves: Sequence[Move],
    during: record.State,
    after: record.State,
) -> Restore:
    """Swap, with the record written before and after, so that whoever finds it half done can finish it."""
    following = followers(connection, moves)
    orphans.refuse(connection, as_if_swapped(following, moves))
    under_way = record.save(store, found.model_copy(update={"state": during, "following": tuple(following)}))
    before = {move.name: catalog.triggers(connection, move.live, move.name) for move in moves if move.leaves}
    try:
        notes = swap(connection, moves, following, before)
    except BaseException:
        if connection.open and not _happened(connection, moves):
            record.save(store, found)
        raise
    return _finished(store, under_way, after, notes)


def _finished(store: Store, under_way: Restore, state: record.State, notes: Sequence[str]) -> Restore:
    done = {"state": state, "following": (), "finished": datetime.now(UTC), "notes": (*under_way.notes, *notes)}
    return record.save(store, under_way.model_copy(update=done))


@contextmanager
def _alone(database: Database, store: Store) -> Iterator[Connection]:
    """The one connection that may swap tables of the database now, after any swap that died half-way is finished.

    Raises:
        Conflict: another restore, undo or accept is going on.
    """
    with database.connect(Mode.FAITHFUL) as connection:
        [(got,)] = rows(connection, "SELECT GET_LOCK(%s, 0)", (_lock_name(database.name),))
        if got != 1:
            raise Conflict(f"Another restore of the database {database.name!r} is going on; try again when it is done.")
        _finish_what_died(connection, store, database.name)
        yield connection


def _lock_name(schema: str) -> str:
    """The name of a database's lock; such names are of the whole server and 64 characters at most."""
    return "tableferry/" + hashlib.sha256(schema.encode()).hexdigest()[:32]


def _finish_what_died(connection: Connection, store: Store, live: str) -> None:
    """Finish, from their records, the swaps that were killed: all the way if the rename happened, else back."""
    prefix = f"{catalog.OWN_PREFIX}old_"
    kept = rows(
        connection, "SELECT schema_name FROM information_schema.schemata WHERE schema_name LIKE %s", (prefix + "%",)
    )
    for (schema,) in kept:
        day, _, rest = schema.removeprefix(prefix).partition("_")
        restore_id = f"{day.upper()}-{rest}"
        if not is_id(restore_id):
            continue
        found = record.find(store, restore_id)
        if found.state not in ("swapping", "undoing") or found.database != live:
            continue
        place = Place.of(live, restore_id)
        forth = found.state == "swapping"
        moves = _forth(found, place) if forth else _back(found, place)
        if _happened(connection, moves):
            _finished(store, found, "done" if forth else "undone", settle(connection, moves, found.following))
            continue
        attribute = "triggers_before" if forth else "triggers_after"
        own = {table.into: getattr(table, attribute) for table in found.tables}
        settle(connection, [move.reversed(own[move.name]) for move in moves], ())
        record.save(store, found.model_copy(update={"state": "failed" if forth else "done", "following": ()}))
        if forth:
            _drop(connection, place.shadow, place.old)


def _happened(connection: Connection, moves: Sequence[Move]) -> bool:
    """Whether the rename of these moves is done: what comes has left where it came from, or what left is aside."""
    move = moves[0]
    where = move.coming if move.comes else move.aside
    there = move.name in catalog.table_names(connection, where)
    return not there if move.comes else there


def _settled(store: Store, restore_id: str, states: set[str], wanted: str) -> Restore:
    found = record.find(store, restore_id)
    if found.state not in states:
        raise Conflict(f"Restore {restore_id} is {found.state}; it cannot be {wanted}.")
    return found


def _forth(found: Restore, place: Place) -> list[Move]:
    return [
        Move(table.into, place.live, place.old, place.shadow, leaves=table.replaced, triggers=table.triggers_after)
        for table in found.tables
    ]


def _back(found: Restore, place: Place) -> list[Move]:
    return [
        move.reversed(table.triggers_before) for move, table in zip(_forth(found, place), found.tables, strict=True)
    ]


def _abandon(database: Database, store: Store, begun: Restore, place: Place) -> None:
    """Drop what was built, unless the swap has happened: then everything stays for whoever finishes it."""
    with database.connect() as connection:
        if catalog.table_names(connection, place.old):
            return
        _drop(connection, place.shadow, place.old)
    failed = {"state": "failed", "kept": None, "finished": datetime.now(UTC)}
    record.save(store, begun.model_copy(update=failed))


def _drop(connection: Connection, *schemas: str) -> None:
    execute(connection, "SET SESSION foreign_key_checks = 0")
    for schema in schemas:
        execute(connection, f"DROP DATABASE IF EXISTS {quote(schema)}")
    execute(connection, "SET SESSION foreign_key_checks = 1")
