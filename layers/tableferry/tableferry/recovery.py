"""Who may swap tables of a database now, and what becomes of a restore that died half-way.

A restore writes its record before each step, and leaves schemas behind when it dies; whoever comes next and has the
database's lock finds them and finishes the restore: all the way if its rename happened, else back.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from tableferry import record
from tableferry.database import Connection, Database, Mode, execute, rows
from tableferry.errors import Conflict, RecordNotFound
from tableferry.identity import is_id
from tableferry.record import Restore
from tableferry.shadow import Place
from tableferry.store import Store
from tableferry.swap import Move, happened, settle
from tableferry.tables import OWN_PREFIX, quote

_OLD_PREFIX = f"{OWN_PREFIX}old_"


@contextmanager
def alone(database: Database, store: Store) -> Iterator[Connection]:
    """The one connection that may swap tables of the database now, after every restore that died is finished.

    Raises:
        Conflict: another restore, undo or accept is going on.
    """
    with database.connect(Mode.FAITHFUL) as connection:
        if not _locked(connection, database.name):
            raise Conflict(f"Another restore of the database {database.name!r} is going on; try again when it is done.")
        for restore_id in _left_behind(connection):
            try:
                found = record.find(store, restore_id)
            except RecordNotFound:
                continue  # of a deployment with another bucket
            if found.database == database.name:
                finish(connection, store, found)
        yield connection


def finish(connection: Connection, store: Store, found: Restore) -> Restore:
    """Finish a restore, or its undoing, that nobody is working on any more; can be repeated. Needs the lock."""
    place = Place.of(found.database, found.id)
    forth = found.state == "swapping"
    if forth or found.state == "undoing":
        moves = moves_forth(found, place) if forth else moves_back(found, place)
        if happened(connection, moves):
            return finished(store, found, "done" if forth else "undone", settle(connection, moves, found.following))
        own = {table.into: table.triggers_before if forth else table.triggers_after for table in found.tables}
        settle(connection, [move.reversed(own[move.name]) for move in moves], ())
        if not forth:
            return record.save(store, found.model_copy(update={"state": "done", "following": ()}))
    if found.state == "accepted":
        drop(connection, place)
    if found.state not in ("running", "swapping", "failed"):
        return found
    try:
        failed = {"state": "failed", "kept": None, "following": (), "finished": datetime.now(UTC)}
        return record.save(store, found.model_copy(update=failed))
    finally:
        drop(connection, place)


def abandon(database: Database, store: Store, holder: Connection, begun: Restore) -> Restore:
    """Finish a restore that met an error, on a new connection, for its own, the ``holder`` of the lock, may be broken."""
    raw: Any = holder  # the stubs have only a method without types
    with database.connect(Mode.FAITHFUL) as connection:
        if not _locked(connection, database.name, raw.thread_id()):
            return begun  # whoever has the lock by now has seen to it
        now = begun.model_copy(update={"state": "swapping"})
        if happened(connection, moves_forth(begun, Place.of(begun.database, begun.id))):
            now = record.find(store, begun.id)
        return finish(connection, store, now)


def finished(store: Store, under_way: Restore, state: record.State, notes: list[str]) -> Restore:
    """Write down that a swap has come to its end."""
    done = {"state": state, "following": (), "finished": datetime.now(UTC), "notes": (*under_way.notes, *notes)}
    return record.save(store, under_way.model_copy(update=done))


def moves_forth(found: Restore, place: Place) -> list[Move]:
    """What the restore exchanges."""
    return [
        Move(table.into, place.live, place.old, place.shadow, leaves=table.replaced, triggers=table.triggers_after)
        for table in found.tables
    ]


def moves_back(found: Restore, place: Place) -> list[Move]:
    """What its undoing exchanges."""
    forth = moves_forth(found, place)
    return [
        move.reversed(table.triggers_before, table.keys_before) for move, table in zip(forth, found.tables, strict=True)
    ]


def drop(connection: Connection, place: Place) -> None:
    """Drop the schemas of a restore, with all that is in them."""
    execute(connection, "SET SESSION foreign_key_checks = 0")
    for schema in (place.shadow, place.old):
        execute(connection, f"DROP DATABASE IF EXISTS {quote(schema)}")
    execute(connection, "SET SESSION foreign_key_checks = 1")


def _locked(connection: Connection, schema: str, holder: int = 0) -> bool:
    """Whether the database's lock is this connection's now, or was the holder's already.

    The names of such locks are of the whole server, and 64 characters at most. Where no holder is known a second is
    waited: the server may not have noticed yet that the connection which had it is closed.
    """
    name = "tableferry/" + hashlib.sha256(schema.encode()).hexdigest()[:32]
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
