"""Who may swap tables of a database now, and what becomes of a restore that died half-way.

A restore writes its record before each step, and leaves schemas behind when it dies; whoever comes next and has the
database's lock finds them and finishes the restore: all the way if its rename happened, else back. One that cannot be
finished (a name that it needs is another table's by now) is taken back; where that cannot be either, it stays as it is,
its record says why, and only its own tables wait for that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pymysql

from tableferry import catalog, epoch, exchange, ledger, record
from tableferry.database import Connection, Database, error_code, execute, rows
from tableferry.errors import (
    Conflict,
    Finding,
    InUse,
    MissingPrivilege,
    RecordNotFound,
    RestoreUnderWay,
    StoreUnavailable,
    TableferryError,
)
from tableferry.exchange import moves_back, moves_forth
from tableferry.identity import is_id
from tableferry.record import Restore
from tableferry.session import Mode
from tableferry.shadow import Place
from tableferry.store import Store
from tableferry.swap import happened, patiently, settle
from tableferry.tables import OWN_PREFIX, quote

_OLD_PREFIX = f"{OWN_PREFIX}old_"
_Failure = (Conflict, MissingPrivilege, pymysql.err.MySQLError)


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
def alone(database: Database, store: Store) -> Iterator[Turn]:
    """The one connection that may swap tables of the database now, after every restore that died is finished.

    Raises:
        RestoreUnderWay: another restore, undo or accept is going on.
    """
    with database.connect(Mode.FAITHFUL) as connection:
        if not _locked(connection, database.name):
            raise RestoreUnderWay.of(_under_way(database.name))
        kept, finished = [], []
        for restore_id in _left_behind(connection):
            try:
                found = record.find(store, restore_id)
            except RecordNotFound:
                continue  # of a deployment with another bucket
            if found.database != database.name:
                continue
            now = finish(connection, store, found)
            if now.state in ("done", "undone") or now.stuck:
                kept.append(now)
            if now.state != found.state:
                finished.append(now)
        yield Turn(connection, tuple(kept), tuple(finished))


CHECKS = ("restore-under-way", "stuck")


def in_the_way(connection: Connection, store: Store, database: str, tables: Iterable[str]) -> list[Finding]:
    """What ``alone`` and ``refuse_stuck`` would raise now, looked up without taking the lock; for a dry run."""
    [(holder,)] = rows(connection, "SELECT IS_USED_LOCK(%s)", (epoch.swap_lock(database),))
    if holder is not None:
        return [_under_way(database)]
    found = []
    for restore_id in _left_behind(connection):
        with suppress(RecordNotFound):
            found.append(record.find(store, restore_id))
    return _held([one for one in found if one.database == database and one.stuck], tables)


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
    if settled.state in ("failed", "accepted"):
        try:
            drop(connection, _place(settled))
        except _Failure:
            if not connection.open:
                raise
            # Somebody reads there, say; whoever comes next drops them.
    return settled


def _finish(connection: Connection, store: Store, found: Restore) -> Restore:
    if _is_of_before(connection, found):
        note = (
            f"Its record said {found.state!r}, and the tables that it replaced are in the schema it keeps: somebody put "
            "an earlier record in the place of the one that was."
        )
        return record.finished(store, found.model_copy(update={"kept": _place(found).old}), "done", [note])
    forth = found.state == "swapping"
    if forth or found.state == "undoing":
        moves = moves_forth(found) if forth else moves_back(found)
        if happened(connection, moves):
            notes = settle(connection, moves, found.following)
            return record.finished(store, found, "done" if forth else "undone", notes)
        own = {table.into: table.triggers_before if forth else table.triggers_after for table in found.tables}
        settle(connection, [move.reversed(own[move.name]) for move in moves], found.following)
        if not forth:
            kept = _place(found).old
            done = {"state": "done", "kept": kept, "following": (), "stuck": None}
            return record.save(store, found.model_copy(update=done))
    if found.state not in ("running", "swapping"):
        return found
    failed = {"state": "failed", "kept": None, "following": (), "stuck": None, "finished": datetime.now(UTC)}
    try:
        return record.save(store, found.model_copy(update=failed))
    except StoreUnavailable:
        drop(connection, _place(found))
        raise


def _is_of_before(connection: Connection, found: Restore) -> bool:
    """Whether a record says that nothing was swapped, and the schemas say that it was.

    Whoever has kept an earlier record can put it back, as it is signed. Believed, it would have the old tables dropped.
    """
    if found.state not in ("running", "failed"):
        return False
    kept = set(catalog.table_names(connection, _place(found).old))
    return any(table.replaced and table.into in kept for table in found.tables)


def _place(found: Restore) -> Place:
    return Place.of(found.database, found.id)


def _give_up(connection: Connection, store: Store, found: Restore, error: Exception) -> Restore:
    """Take back a swap that cannot be finished; where that cannot be, write down why."""
    why = _reason(error)
    forth = found.state == "swapping"
    if (
        not isinstance(error, InUse)
        and happened(connection, moves_forth(found) if forth else moves_back(found)) == forth
    ):
        try:
            note = f"It died in its swap and could not be finished, so the old tables were put back. {why}"
            return exchange.back(connection, store, found.model_copy(update={"stuck": None}), note)
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
    if isinstance(error, TableferryError):
        return str(error)
    return f"The server refused a step of it (error {error_code(error)}); the log of the server may say more."


def abandon(database: Database, store: Store, holder: Connection, begun: Restore) -> Restore:
    """Finish a restore that met an error, on a new connection, for its own, the ``holder`` of the lock, may be broken."""
    raw: Any = holder  # the stubs have only a method without types
    with database.connect(Mode.FAITHFUL) as connection:
        if not _locked(connection, database.name, raw.thread_id()):
            return begun  # whoever has the lock by now has seen to it
        now = begun.model_copy(update={"state": "swapping"})
        if happened(connection, moves_forth(begun)):
            with suppress(RecordNotFound):  # somebody may have written over it; ours is not wrong, only less
                now = record.find(store, begun.id)
        return finish(connection, store, now)


def drop(connection: Connection, place: Place) -> None:
    """Drop the schemas of a restore, with all that is in them; raises InUse if somebody reads there."""
    execute(connection, "SET SESSION foreign_key_checks = 0")
    for schema in (place.shadow, place.old):
        patiently(connection, f"DROP DATABASE IF EXISTS {quote(schema)}")
    execute(connection, "SET SESSION foreign_key_checks = 1")
    ledger.forget(connection, epoch.clean(connection))


def _locked(connection: Connection, schema: str, holder: int = 0) -> bool:
    """Whether the database's lock is this connection's now, or was the holder's already.

    Where no holder is known a second is waited: the server may not have noticed yet that the connection which had it is
    closed.
    """
    name = epoch.swap_lock(schema)
    [(got, used_by)] = rows(connection, "SELECT GET_LOCK(%s, %s), IS_USED_LOCK(%s)", (name, 0 if holder else 1, name))
    return got == 1 or (holder != 0 and used_by == holder)


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
