"""The exchange of a restore or of its undoing: looked at before, recorded before and after, so that it can be finished."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tableferry import fits, orphans, privileges, record
from tableferry.database import Connection, is_mariadb
from tableferry.errors import Conflict
from tableferry.record import Restore
from tableferry.shadow import Place
from tableferry.store import Store
from tableferry.swap import Move, as_if_swapped, backwards, followers, happened, is_there, refuse_taken_triggers, swap


def moves_forth(found: Restore) -> list[Move]:
    """What the restore exchanges."""
    place = Place.of(found.database, found.id)
    return [
        Move(table.into, place.live, place.old, place.shadow, leaves=table.replaced, triggers=table.triggers_after)
        for table in found.tables
    ]


def moves_back(found: Restore) -> list[Move]:
    """What its undoing exchanges."""
    return [
        move.reversed(table.triggers_before, table.keys_before)
        for move, table in zip(moves_forth(found), found.tables, strict=True)
    ]


def forth(connection: Connection, store: Store, found: Restore, allow_orphans: bool = False) -> Restore:
    """Swap the restored tables in; if it is allowed, rows of other tables may lose their parent, which is noted.

    Raises:
        Conflict: rows would lose their parent, a name is taken, or the tables stayed in use; nothing was changed.
    """
    return _exchange(connection, store, found, moves_forth(found), "swapping", "done", allow_orphans)


def back(connection: Connection, store: Store, found: Restore, *notes: str) -> Restore:
    """Put the old tables back; what was restored, and written since, is kept. Raises as ``forth`` does."""
    place = Place.of(found.database, found.id)
    note = f"What was restored, and written since, is in the schema {place.shadow} until accept."
    kept = found.model_copy(update={"kept": place.shadow, "notes": tuple(dict.fromkeys((*found.notes, *notes, note)))})
    moves = moves_back(found)
    for key in followers(connection, moves):
        if not any(move.comes for move in moves if move.name == key.parent_table):
            raise Conflict(
                f"Table {key.parent_table!r} was not there before the restore, and table {key.table!r} points at it by "
                f"now (foreign key {key.name!r})."
            )
    return _exchange(connection, store, kept, moves, "undoing", "undone")


def _exchange(
    connection: Connection,
    store: Store,
    found: Restore,
    moves: Sequence[Move],
    during: record.State,
    after: record.State,
    allow_orphans: bool = False,
) -> Restore:
    """Swap, with the record written before and after, so that whoever finds it half done can finish it."""
    refuse_taken_triggers(connection, moves)
    pointing = followers(connection, moves)
    # Of a swap that died, some keys may point at the old table still, or be dropped and not yet added again.
    known = {(key.schema, key.table, key.name) for key in pointing}
    lost = [key for key in found.following if (key.schema, key.table, key.name) not in known]
    following = [*pointing, *(key for key in lost if is_there(connection, key))]
    pointed = as_if_swapped(following, moves)
    if misfits := fits.look(connection, moves[0].aside, pointed):  # keys that were made since the last look
        raise Conflict.of(*misfits)
    notes = orphans.refuse(connection, pointed, allow_orphans)
    own = [replace(key, schema=move.coming) for move in moves for key in move.keys]
    orphans.refuse(connection, own)
    if not is_mariadb(connection):  # which does not ask for it
        for key in [*following, *own]:  # a key that is dropped and may not be added again would be lost
            privileges.need(connection, "REFERENCES", key.parent_schema, key.parent_table)
    noted = {"notes": (*found.notes, *notes), "state": during, "following": tuple(following)}
    under_way = record.save(store, found.model_copy(update=noted))
    try:
        notes = swap(connection, moves, backwards(connection, moves), following)
    except BaseException:
        if connection.open and not happened(connection, moves):
            record.save(store, found)
        raise
    return record.finished(store, under_way, after, notes)
