"""Who may swap tables of a database now, and what becomes of a restore that died half-way.

A restore writes its record before each step, and leaves schemas behind when it dies; whoever comes next and has the
database's lock finds them and finishes the restore: all the way if its rename happened, else back. One that many functions
build has no connection that could hold a lock all the while; it is alive as long as the lease of its job, and while it is,
nobody else gets a turn. One that cannot be finished (a name that it needs is another table's by now) is taken back; where
that cannot be either, it stays as it is, its record says why, and only its own tables wait for that.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import pymysql

from tableferry.errors import (
    Conflict,
    Finding,
    HalfExchanged,
    InUse,
    MissingPrivilege,
    RecordNotFound,
    RestoreUnderWay,
    StillReferenced,
    StoreUnavailable,
)
from tableferry.ids import is_id
from tableferry.jobs import jobs
from tableferry.jobs.jobs import Kind
from tableferry.ledger import epoch, ledger
from tableferry.mysql.database import Connection, Database, dialect, error_code, execute, rows, why_refused
from tableferry.mysql.identifiers import OWN_PREFIX, qualified, quote
from tableferry.mysql.named_lock import lock_holder, take_lock
from tableferry.mysql.retry import with_lock_retry
from tableferry.mysql.session import Mode
from tableferry.restore import exchange, record
from tableferry.restore.build import running
from tableferry.restore.build.target import Place
from tableferry.restore.exchange import SWAP_IN, SWAP_OUT, was_done
from tableferry.restore.record import Restore
from tableferry.restore.swap import put_right
from tableferry.schema import catalog, show_create
from tableferry.storage.bucket import Store

_OLD_PREFIX = f"{OWN_PREFIX}old_"
_REFERENCED = {1217, 1451, 3730}
_CHILD = re.compile(
    "drop table '(?P<table>.+)' referenced by a foreign key constraint '(?P<key>.+)' on table '(?P<child>.+)'"
)
_Failure = (Conflict, HalfExchanged, MissingPrivilege, pymysql.err.MySQLError)


@dataclass(frozen=True, slots=True)
class Turn:
    """The right to swap tables of a database: the connection that has its lock, and what was found to be left over."""

    connection: Connection
    kept: tuple[Restore, ...] = ()
    """Restores that have tables put aside, or that are stuck."""

    finished: tuple[Restore, ...] = ()
    """Restores that had died, and were finished now."""

    @property
    def stuck(self) -> tuple[Restore, ...]:
        """Restores that died in their swap and cannot be finished now."""
        return tuple(found for found in self.kept if found.stuck)

    def refuse_stuck(self, tables: Iterable[str], except_id: str = "") -> None:
        """Raise Conflict if one of these tables is in a swap that cannot be finished."""
        if findings := _held([found for found in self.stuck if found.id != except_id], tables):
            raise Conflict.of(*findings)


@contextmanager
def restore_lock(database: Database, store: Store, own: str = "", wait_seconds: int = 1) -> Iterator[Turn]:
    """Hold the one connection that may swap tables of the database now, and finish every restore that died before.

    The restore that a step of it is about is its ``own``, and is left to it. Who has the lock is waited for that long; a
    second, at least, in which the server notices that a connection is closed.

    Raises:
        RestoreUnderWay: another restore, undo or accept is going on.
    """
    with database.connect(Mode.FAITHFUL) as connection:
        if not _locked(connection, database.name, 0, wait_seconds):
            raise RestoreUnderWay.of(_under_way(database.name))
        kept, finished = [], []
        left = [found for found in _found(connection, store) if found.database == database.name and found.id != own]
        if any(alive(store, found) for found in left):
            raise RestoreUnderWay.of(_under_way(database.name))
        for found in left:
            now = finish(connection, store, found)
            if (now.state in ("done", "undone") and not now.dropping) or now.stuck:
                kept.append(now)
            if now.state != found.state:
                finished.append(now)
        yield Turn(connection, tuple(kept), tuple(finished))


CHECKS = ("restore-under-way", "stuck")


def in_the_way(connection: Connection, store: Store, database: str, tables: Iterable[str]) -> list[Finding]:
    """What ``restore_lock`` and ``refuse_stuck`` would raise now, looked up without taking the lock; for a dry run."""
    found = [one for one in _found(connection, store) if one.database == database]
    if lock_holder(connection, epoch.swap_lock(database)) is not None or any(alive(store, one) for one in found):
        return [_under_way(database)]
    return _held([one for one in found if one.stuck], tables)


def alive(store: Store, found: Restore) -> bool:
    """Whether functions that have no lock are building a restore now; whoever swaps its tables has the lock."""
    if not found.shared or found.state != "running":
        return False
    try:
        return jobs.find(store, found.id, Kind.RESTORE).state == "running"
    except RecordNotFound:
        return False


def _found(connection: Connection, store: Store) -> list[Restore]:
    """The restores that have schemas, but for those of a deployment with another bucket."""
    found = []
    for restore_id in _left_behind(connection):
        with suppress(RecordNotFound):
            found.append(record.find(store, restore_id))
    return found


def _under_way(database: str) -> Finding:
    message = f"Another restore of the database {database!r} is going on; try again when it is done."
    return Finding("restore-under-way", "", message)


def _held(stuck: Iterable[Restore], tables: Iterable[str]) -> list[Finding]:
    """Which of the tables are in a swap that cannot be finished."""
    wanted = set(tables)
    return [
        Finding("stuck", table, f"Table {table!r} is in restore {found.id} still. {found.stuck}")
        for found in stuck
        for table in sorted(wanted & {table.into for table in found.tables})[:1]
    ]


def finish(connection: Connection, store: Store, found: Restore) -> Restore:
    """Finish a restore, or its undoing, that nobody is working on any more; can be repeated. Needs the lock.

    One that can be neither finished nor taken back comes back ``stuck``, as it was.
    """
    try:
        settled = _finish(connection, store, found)
    except _Failure as error:
        if not connection.open or found.state not in ("swapping", "undoing"):
            raise
        return _give_up(connection, store, found, error)
    if settled.state in ("failed", "accepted") or settled.dropping or (settled.state == "undone" and not settled.kept):
        try:
            if settled.shared and settled.state == "failed":
                running.end_all(connection, _place(settled).shadow)
            drop(connection, _place(settled))
        except _Failure:
            if not connection.open:
                raise
            return settled  # somebody reads there, say; whoever comes next drops them
        if settled.dropping:
            return record.save(store, settled.model_copy(update=record.DROPPED))
    return settled


def _finish(connection: Connection, store: Store, found: Restore) -> Restore:
    if (truth := _since(connection, found)) is not None:
        state, kept = truth
        note = (
            f"Its record said {found.state!r}, and the database {state!r}: somebody put an earlier record in its place."
        )
        return record.finished(store, found, state, kept, [note])
    way = {SWAP_IN.during: SWAP_IN, SWAP_OUT.during: SWAP_OUT}.get(found.state)
    if way and was_done(connection, found, way):
        return exchange.done_already(connection, store, found, way)
    if way:
        put_right(connection, way.moves(found), found.following)
    if way is SWAP_OUT:
        return record.save(store, record.taken_back(found))
    if found.state not in ("running", "swapping"):
        return found
    try:
        return record.save(store, record.failed(found))
    except StoreUnavailable:
        drop(connection, _place(found))
        raise


def _since(connection: Connection, found: Restore) -> tuple[record.State, str] | None:
    """What a restore has come to, and which schema keeps tables, where its record says that nothing was swapped.

    Whoever has kept an earlier record can put it back, as it is signed. Believed, it would have those tables dropped.
    """
    if found.state not in ("running", "failed"):
        return None
    place = _place(found)
    old, built = (set(catalog.table_names(connection, schema)) for schema in (place.old, place.shadow))
    if any(table.replaced and table.into in old for table in found.tables):
        return "done", place.old
    was_live = (table.into for table in found.tables if table.into in built)
    if any(place.shadow in epoch.known(connection, table).kept for table in was_live):
        return "undone", place.shadow
    return None


def _place(found: Restore) -> Place:
    return Place.of(found.database, found.id)


def _give_up(connection: Connection, store: Store, found: Restore, error: Exception) -> Restore:
    """Take back a swap that cannot be finished; where that cannot be, write down why."""
    why = _reason(error)
    swapping = found.state == SWAP_IN.during
    if (
        not isinstance(error, InUse | HalfExchanged)
        and was_done(connection, found, SWAP_IN if swapping else SWAP_OUT) == swapping
    ):
        try:
            note = f"It died in its swap and could not be finished, so the old tables were put back. {why}"
            return exchange.swap_out(connection, store, found.model_copy(update={"stuck": None}), note)
        except _Failure as second:
            if not connection.open:
                raise
            if (other := _reason(second)) != why:
                why = f"{why} Nor could the old tables be put back: {other}"
    names = ", ".join(repr(table.into) for table in found.tables)
    stuck = (
        f"This restore died in its swap of {names}, and triggers or foreign keys of these tables may be missing. It is "
        f"finished by the next call that can; now it cannot be. {why}"
    )
    return record.save(store, found.model_copy(update={"stuck": stuck}))


def _reason(error: Exception) -> str:
    return why_refused(error) if isinstance(error, pymysql.err.MySQLError) else str(error)


def abandon(database: Database, store: Store, holder: Connection, begun: Restore) -> Restore:
    """Finish a restore that met an error, on a new connection, for its own, the ``holder`` of the lock, may be broken.

    What its record says counts; where that cannot be read, ``begun``, unless tables may be exchanged already.
    """
    raw: Any = holder  # the stubs have only a method without types
    with database.connect(Mode.FAITHFUL) as connection:
        if not _locked(connection, database.name, raw.thread_id()):
            return begun  # whoever has the lock by now has seen to it
        try:
            known = record.find(store, begun.id)
        except RecordNotFound:  # somebody may have written over it; ours is not wrong, only less
            state = "swapping" if _exchanged(connection, begun) else begun.state
            known = begun.model_copy(update={"state": state})
        except StoreUnavailable:
            if _exchanged(connection, begun):
                raise
            known = begun
        return finish(connection, store, known)


def _exchanged(connection: Connection, begun: Restore) -> bool:
    """Whether a table that was built is no longer where it was, or another is put aside."""
    place = _place(begun)
    built = catalog.table_names(connection, place.shadow)
    return bool(catalog.table_names(connection, place.old)) or not {table.into for table in begun.tables} <= {*built}


def drop(connection: Connection, place: Place) -> None:
    """Drop the schemas of a restore, with all that is in them.

    Raises:
        InUse: somebody reads there.
        StillReferenced: a foreign key of another table points at one there; the server says so of those, too, that the
            database user may not see.
    """
    execute(connection, "SET SESSION foreign_key_checks = 1")
    for schema in (place.shadow, place.old):
        if not dialect(connection).drops_all_or_none:
            _drop_tables(connection, schema)
        try:
            with_lock_retry(connection, f"DROP DATABASE IF EXISTS {quote(schema)}")
        except pymysql.err.MySQLError as error:
            if error_code(error) not in _REFERENCED:
                raise
            raise StillReferenced(_still_referenced(schema, _CHILD.search(str(error.args[-1])))) from error
    ledger.forget(connection, epoch.clean(connection))


def _drop_tables(connection: Connection, schema: str) -> None:
    """Drop what can be dropped of the tables of a schema: in one statement MariaDB would drop some, and then refuse one.

    Those that nothing points at go first; of those that point at each other in a ring, the foreign keys.
    """
    names = catalog.table_names(connection, schema)
    refused: pymysql.err.MySQLError | None = None
    while names:
        left = []
        for name in names:
            try:
                with_lock_retry(connection, f"DROP TABLE IF EXISTS {qualified(schema, name)}")
            except pymysql.err.MySQLError as error:
                if error_code(error) not in _REFERENCED:
                    raise
                refused = error
                left.append(name)
        if left == names:
            inside = [key for name in names for key in catalog.foreign_keys_of(connection, schema, name)]
            ring = [key for key in inside if key.parent_schema == schema and key.parent_table != key.table]
            if not ring:
                raise StillReferenced(_still_referenced(schema, None, names)) from refused
            for key in ring:
                with_lock_retry(connection, show_create.drop_foreign_key(key))
        names = left


def _still_referenced(schema: str, child: re.Match[str] | None, names: Sequence[str] = ()) -> str:
    if child:
        names = [child["table"]]
    who = (
        f"foreign key {child['key']!r} of table {child['child']!r}, which is in another schema,"
        if child
        else "a foreign key of a table in another schema"
    )
    return (
        f"Table {', '.join(map(repr, names))} in the schema {schema} is not dropped: {who} points at it, and would dangle. "
        "It followed the table when that was replaced, because the database user cannot see it. Give the user SELECT, "
        "ALTER and REFERENCES on that table, undo the restore and do it again; or drop that foreign key, and accept."
    )


def _locked(connection: Connection, schema: str, holder: int = 0, wait_seconds: int = 1) -> bool:
    """Whether the database's lock is this connection's now, or was the holder's already.

    Where no holder is known it is waited for: the server may not have noticed yet that the connection which had it is
    closed.
    """
    name = epoch.swap_lock(schema)
    if take_lock(connection, name, 0 if holder else wait_seconds):
        return True
    return holder != 0 and lock_holder(connection, name) == holder


def _left_behind(connection: Connection) -> list[str]:
    """The ids of the restores that have schemas."""
    found = rows(
        connection,
        "SELECT schema_name FROM information_schema.schemata WHERE schema_name LIKE %s",
        (OWN_PREFIX.replace("_", r"\_") + "%",),
    )
    names = {str(name).removeprefix(_OLD_PREFIX).removeprefix(OWN_PREFIX) for (name,) in found}
    parts = (name.partition("_") for name in sorted(names))
    return [restore_id for day, _, rest in parts if is_id(restore_id := f"{day.upper()}-{rest}")]
