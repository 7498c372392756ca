"""Bring tables of a backup back: beside the live ones, verified, then swapped in at once. Undo, and accept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

from tableferry.backup import load_history
from tableferry.config.table_filter import EVERY_TABLE, TableFilter
from tableferry.errors import (
    Conflict,
    HalfExchanged,
    InUse,
    InvalidRequest,
    RecordNotFound,
    StillReferenced,
    TableNotInBackup,
    TableNotServed,
)
from tableferry.ledger import epoch
from tableferry.manifest import digest_keys
from tableferry.manifest.manifest import Manifest
from tableferry.manifest.verify import all_there, with_plain_digests
from tableferry.mysql.database import Connection, Database
from tableferry.mysql.identifiers import OWN_PREFIX
from tableferry.restore import dependent_views, exchange, live_tables, preflight, record, recovery
from tableferry.restore import dry_run as rehearsal
from tableferry.restore.build import shadow
from tableferry.restore.build.progress import TellBuild
from tableferry.restore.build.target import Item, Place, Resources, Target
from tableferry.restore.record import Restore, RestoredTable
from tableferry.restore.recovery import Turn, abandon, restore_lock
from tableferry.schema import catalog
from tableferry.schema.table import ForeignKey
from tableferry.storage.bucket import Store

_LONGEST_NAME = 64


def plan(
    source: Manifest,
    tables: Sequence[str] | None,
    into: Mapping[str, str],
    served: TableFilter = EVERY_TABLE,
    inexact_json: bool = False,
    replace: bool = False,
) -> list[Item]:
    """Decide what a restore would do; look at nothing but the manifest, and which tables are served.

    ``inexact_json`` is whether JSON that no text gives back may become what its text says, ``replace`` whether a table
    may take the place of one that has the other name it is to get.

    Raises:
        TableNotServed: a table, or the name it is to get, is not among those that are.
        TableNotInBackup, InvalidRequest: a table is not there, a name is not possible or given twice.
    """
    known = [entry.name for entry in source.tables]
    for name in [*(tables or ()), *into]:
        if name not in known:
            raise TableNotInBackup(f"Backup {source.id} holds no table {name!r}; it holds {', '.join(known)}.")
    wanted = set(known if tables is None and not into else [*(tables or ()), *into])
    items = [
        Item(entry, into.get(entry.name, entry.name), inexact_json, replace)
        for entry in source.tables
        if entry.name in wanted
    ]
    if not items:
        raise InvalidRequest("`tables` is empty: name at least one table, or leave it out for all.")
    for item in items:
        _refuse_unserved(served, item.entry.name, item.into)
        if not 0 < len(item.into) <= _LONGEST_NAME or item.into.startswith(OWN_PREFIX) or "\0" in item.into:
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
    allow_orphans: bool = False,
    workers: int = 2,
    chunk_bytes: int = 4 * 1024 * 1024,
    progress: TellBuild = lambda *_: None,
) -> Restore:
    """Build the tables in a schema of their own, hold them against the manifest, and swap them in together.

    Until the one RENAME TABLE nothing live is touched; on any error before it, what was built is dropped again, and on
    one after it the tables are put back. Rows that would have no parent stop it, or, if they are allowed, are noted.

    Memory: for each worker twelve times the chunk of the backup, and sixteen times the longest row.

    Raises:
        BackupDamaged: an object is missing, shortened or altered.
        DigestMismatch: what was loaded is not what was backed up; the message names the table and column.
        Conflict: the live database is not in the state that this needs.
        MissingPrivilege, DatabaseUnavailable, StoreUnavailable: as they say.
    """
    all_there(store, source, [item.entry for item in items])
    source, items = _with_digests_of_here(store, source, items)
    target = Target(source, items, Place.of(database.name, restore_id))
    resources = Resources(database, store, workers, chunk_bytes, progress)
    if dry_run:
        return rehearsal.rehearse(resources, restore_id, target, allow_orphans)
    with restore_lock(database, store) as turn:
        connection = turn.connection
        if (before := _done_before(store, restore_id)) is not None:
            return before
        begun = begin(turn, restore_id, target)
        with taken_back_on_error(database, store, connection, begun) as came:
            record.save(store, begun)
            notes = shadow.build(
                resources,
                connection,
                target,
                keys=target.foreign_keys(),
                following=following(connection, target, begun),
                allow_orphans=allow_orphans,
            )
            came.append(bring_in(connection, store, target, begun, notes, allow_orphans))
        return came[-1]


def begin(turn: Turn, restore_id: str, target: Target) -> Restore:
    """Preflight, and the record of what is about to happen, which is not saved yet."""
    _refuse_done(turn.connection, target)
    turn.refuse_stuck(item.into for item in target.items)
    return _begin(turn.connection, restore_id, target)


def following(connection: Connection, target: Target, begun: Restore) -> list[ForeignKey]:
    """Foreign keys of tables that stay, pointing at the tables to be replaced."""
    return preflight.following(connection, target, [table.into for table in begun.tables if table.replaced])


def bring_in(
    connection: Connection, store: Store, target: Target, begun: Restore, notes: Sequence[str], allow_orphans: bool
) -> Restore:
    """Swap in what was built and proven; ``notes`` are of the build. Raises as :func:`exchange.swap_in`."""
    verified = tuple(table.model_copy(update={"verified": True}) for table in begun.tables)
    begun = begun.model_copy(update={"tables": verified, "notes": (*begun.notes, *notes)})
    into = {item.entry.name: item.into for item in target.items}
    load_history.bring(connection, store, target.source, into, epoch.epoch_of(begun.id))
    views = dependent_views.working(connection, target.place.live)
    done = exchange.swap_in(connection, store, begun, allow_orphans)
    if spoilt := dependent_views.broken(connection, views):
        done = record.save(store, done.model_copy(update={"notes": (*done.notes, *spoilt)}))
    return done


@contextmanager
def taken_back_on_error(
    database: Database, store: Store, connection: Connection, begun: Restore
) -> Iterator[list[Restore]]:
    """Take a restore back that meets an error in the block; if its tables were swapped in by then, it is no error.

    Takes what the restore came to.
    """
    came: list[Restore] = []
    try:
        yield came
    except BaseException as error:
        after = abandon(database, store, connection, begun)
        if after.state != "done" or not isinstance(error, Exception):
            raise
        came.append(after)  # the connection broke behind the rename


def undo(database: Database, store: Store, restore_id: str) -> Restore:
    """Put the old tables back; the restored ones, with what was written to them since, wait until ``accept``.

    Raises:
        RecordNotFound: there is no such restore.
        Conflict: it is not done (or was accepted, or undone), or rows of other tables would lose their parent.
    """
    with restore_lock(database, store) as turn:
        found = _settled(turn.connection, store, restore_id, {"done"}, "undone")
        names = [table.into for table in found.tables]
        _refuse_unserved(database.served, *names)
        turn.refuse_stuck(names, except_id=restore_id)
        try:
            return exchange.swap_out(turn.connection, store, found)
        except HalfExchanged:
            after = abandon(database, store, turn.connection, found)
            if after.state == "undone":
                return after
            raise


def accept(database: Database, store: Store, restore_id: str) -> Restore:
    """Drop what a restore (or its undoing, which then stays ``undone``) kept.

    Raises:
        RecordNotFound: there is no such restore.
        StillReferenced: a foreign key of a table that the database user cannot see points at one that was kept.
        Conflict: there is nothing to accept.
    """
    ended_before = record.find(store, restore_id).dropping  # which whoever gets the turn goes on with
    with restore_lock(database, store) as turn:
        found = _settled(turn.connection, store, restore_id, {"done", "undone", "accepted"}, "accepted")
        if ended_before or found.dropping:
            return found
        if found.state == "accepted" or (found.state == "undone" and not found.kept):
            raise Conflict(f"Restore {restore_id} is {found.state}, and nothing of it is kept.")
        return end(turn.connection, store, found)


def end(connection: Connection, store: Store, found: Restore) -> Restore:
    """Accept a restore that is done, or its undoing. Needs the lock.

    That tables are to be dropped is written first, for there may be no way back after one is; if none is, it is taken
    back. Where only some can be, the record goes on to say so, and whoever comes next drops the rest.
    """
    place = Place.of(found.database, found.id)
    there = _kept(connection, place)
    state = "undone" if found.state == "undone" else "accepted"
    ending = found.model_copy(update={"state": state, "dropping": True})
    try:
        record.save(store, ending)
        recovery.drop(connection, place)
    except InUse:
        return ending
    except BaseException as error:
        if connection.open and _kept(connection, place) == there:
            record.save(store, found)
        elif isinstance(error, StillReferenced):
            return ending
        raise
    return record.save(store, ending.model_copy(update=record.DROPPED))


def _kept(connection: Connection, place: Place) -> list[list[str]]:
    return [catalog.table_names(connection, schema) for schema in (place.shadow, place.old)]


def _with_digests_of_here(store: Store, source: Manifest, items: Sequence[Item]) -> tuple[Manifest, Sequence[Item]]:
    """The same, with digests that can be made here: one that is only trusted may be of a deployment with another key."""
    if digest_keys.is_known(store, source):
        return source, items
    held = with_plain_digests(store, source, [item.entry for item in items])
    return held, [replace(item, entry=entry) for item, entry in zip(items, held.tables, strict=True)]


def _refuse_unserved(served: TableFilter, *names: str) -> None:
    for name in names:
        if name not in served:
            raise TableNotServed(name)


def _begin(connection: Connection, restore_id: str, target: Target) -> Restore:
    """Preflight, and the record of what is about to happen."""
    source, live = target.source, set(catalog.table_names(connection, target.place.live))
    preflight.check_requirements(connection, target, live)
    begun = Restore(
        id=restore_id,
        backup=source.id,
        database=target.place.live,
        state="running",
        tables=tuple(
            RestoredTable(
                name=item.entry.name,
                into=item.into,
                rows=item.entry.rows,
                digest=item.entry.digest,
                replaced=item.into in live,
                triggers_after=shadow.triggers_of(connection, source, item),
            )
            for item in target.items
        ),
        notes=tuple(preflight.notes(connection, target)),
        started=datetime.now(UTC),
    )
    return live_tables.before_restore(connection, begun)  # which is looked at again at the swap


def _settled(connection: Connection, store: Store, restore_id: str, states: set[str], wanted: str) -> Restore:
    found = recovery.finish(connection, store, record.find(store, restore_id))
    if found.stuck:
        raise Conflict(found.stuck)
    if found.state not in states:
        raise Conflict(f"Restore {restore_id} is {found.state}; it cannot be {wanted}.")
    return found


def _refuse_done(connection: Connection, target: Target) -> None:
    """Raise Conflict if this very restore has brought one of the tables: its record is gone, or one of before it."""
    for item in target.items:
        if epoch.known(connection, item.into).live == target.place.shadow:
            raise Conflict(
                f"This restore has been done before, and table {item.into!r} is what came of it. Ask for a new one."
            )


def _done_before(store: Store, restore_id: str) -> Restore | None:
    """The restore, if an earlier try of the same job did it and died before it could say so."""
    try:
        found = record.find(store, restore_id)
    except RecordNotFound:
        return None
    return found if found.state in ("done", "undone", "accepted") else None
