"""The steps around a swap (`restore/swap`): looked at before, recorded before and after, so that it can be finished."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import pymysql

from tableferry.errors import ChangedMeanwhile, Conflict, Finding, HalfExchanged, InUse
from tableferry.mysql import privileges
from tableferry.mysql.database import Connection, dialect, foreseen, why_refused
from tableferry.mysql.identifiers import quote
from tableferry.mysql.retry import STAYED_IN_USE, with_lock_retry
from tableferry.restore import live_tables, record
from tableferry.restore.build import foreign_key_check, orphans, triggers
from tableferry.restore.build.target import Place
from tableferry.restore.record import Restore
from tableferry.restore.swap import Move, as_if_swapped, followers, happened, is_there, put_back, settle, trade
from tableferry.schema.table import ForeignKey
from tableferry.storage.bucket import Store

_TRIES = 4
_KEPT_KEY = "Change that table back first, or accept the restore to end it as it is."


@dataclass(frozen=True, slots=True)
class Way:
    """One of the two ways of an exchange: the states of its record, what is there before it, and what it moves."""

    during: record.State
    after: record.State
    look: Callable[[Connection, Restore], Restore]
    moves: Callable[[Restore], list[Move]]
    kept: Callable[[Restore], str | None]
    leaving: Callable[[Restore, Sequence[Move]], Restore]
    """The record with what the tables that leave turned out to have."""

    triggers: Callable[[Sequence[Move]], list[triggers.Wanted]]
    """Those that have to be had: of the tables that come, and of live ones that leave; of restored ones an undo is free."""

    advice: str
    """What to do about rows without a parent."""


def moves_in(found: Restore) -> list[Move]:
    """The moves of a restore: each table comes out of the schema where it was built."""
    place = Place.of(found.database, found.id)
    return [
        Move(
            table.into,
            place.live,
            place.old,
            place.shadow,
            leaves=table.replaced,
            triggers=table.triggers_after,
            leaving_triggers=table.triggers_before,
            leaving_keys=table.keys_before,
        )
        for table in found.tables
    ]


def moves_out(found: Restore) -> list[Move]:
    """The moves of its undoing; none for a table that replaced none and is gone."""
    place = Place.of(found.database, found.id)
    return [
        Move(
            table.into,
            place.live,
            place.shadow,
            place.old,
            leaves=not table.gone,
            comes=table.replaced,
            triggers=table.triggers_before,
            keys=table.keys_before,
            leaving_triggers=table.triggers_back,
            leaving_keys=table.keys_back,
        )
        for table in found.tables
        if table.replaced or not table.gone
    ]


def _kept_in(found: Restore) -> str | None:
    return Place.of(found.database, found.id).old if any(table.replaced for table in found.tables) else None


def _kept_out(found: Restore) -> str | None:
    return Place.of(found.database, found.id).shadow if any(not table.gone for table in found.tables) else None


def _triggers_in(moves: Sequence[Move]) -> list[triggers.Wanted]:
    coming = [triggers.Wanted(move.coming, move.name, move.triggers, triggers.OF_THE_BACKUP) for move in moves]
    return coming + [
        triggers.Wanted(move.live, move.name, move.leaving_triggers, triggers.OF_THE_LIVE)
        for move in moves
        if move.leaves
    ]


def _triggers_out(moves: Sequence[Move]) -> list[triggers.Wanted]:
    return [
        triggers.Wanted(move.coming, move.name, move.triggers, triggers.OF_THE_KEPT) for move in moves if move.comes
    ]


SWAP_IN = Way(
    "swapping",
    "done",
    live_tables.before_restore,
    moves_in,
    _kept_in,
    live_tables.left_by_restore,
    _triggers_in,
    orphans.RESTORING,
)
SWAP_OUT = Way(
    "undoing",
    "undone",
    live_tables.before_undo,
    moves_out,
    _kept_out,
    live_tables.left_by_undo,
    _triggers_out,
    orphans.UNDOING,
)


def swap_in(connection: Connection, store: Store, found: Restore, allow_orphans: bool = False) -> Restore:
    """Swap the restored tables in; if it is allowed, rows of other tables may lose their parent, which is noted.

    Raises:
        Conflict: rows would lose their parent, a name is taken, or the tables stayed in use; nothing was changed.
    """
    return _exchange(connection, store, found, SWAP_IN, allow_orphans)


def swap_out(connection: Connection, store: Store, found: Restore, *notes: str) -> Restore:
    """Put the old tables back; what was restored, and written since, is kept. Raises as ``swap_in`` does.

    A restored table that somebody dropped or renamed keeps no old one from coming back.
    """
    return _exchange(connection, store, found.model_copy(update={"pending": notes}), SWAP_OUT)


def done_already(connection: Connection, store: Store, found: Restore, way: Way) -> Restore:
    """Finish an exchange whose rename is done: what a rename leaves behind is put right, and the record says so."""
    found = _catch_up(connection, store, found, way, died=True)
    notes = settle(connection, way.moves(found), found.following)
    notes += _orphaned(connection, found, way)
    return record.finished(store, found, way.after, way.kept(found), notes)


def _exchange(connection: Connection, store: Store, found: Restore, way: Way, allow_orphans: bool = False) -> Restore:
    """Swap, with the record written before and after, so that whoever finds it half done can finish it.

    What the tables that leave have at that moment is what an undo brings back, so it is read right before, and again
    under the swap's locks or, where there are none, behind the rename. Rows without a parent are looked for before, and
    again, to be noted, once the foreign keys hold: until then others may write rows whose parent goes, or delete a
    parent. After any error the record is what it was.
    """
    for attempt in range(1, _TRIES + 1):
        try:
            return _try(connection, store, found, way, allow_orphans)
        except ChangedMeanwhile:
            if attempt == _TRIES:
                raise
    raise AssertionError


def _try(connection: Connection, store: Store, found: Restore, way: Way, allow_orphans: bool) -> Restore:
    under_way = way.look(connection, found)
    moves = way.moves(under_way)
    following = followers(connection, moves)
    if read_only := live_tables.read_only(connection, found.database, following):
        raise Conflict.of(*(Finding("read-only", "", message) for message in read_only))
    for schema in {move.aside for move in moves}:
        with_lock_retry(connection, f"CREATE DATABASE IF NOT EXISTS {quote(schema)}")
    live_tables.refuse_taken_names(connection, moves)
    _refuse_without_parent(moves, following)
    pointed = as_if_swapped(following, moves)
    own = [replace(key, schema=move.coming) for move in moves for key in move.keys]
    shadow = Place.of(found.database, found.id).shadow
    misfits = foreign_key_check.look(connection, shadow, pointed)  # keys that were made since the last look
    if misfits := [*misfits, *foreign_key_check.look(connection, shadow, own, _KEPT_KEY)]:
        raise Conflict.of(*misfits)
    orphans.check_parents(connection, pointed, allow_orphans, way.advice)
    orphans.check_parents(connection, own, advice=way.advice)
    _need_references(connection, [*following, *own])
    if unmade := triggers.look(connection, shadow, way.triggers(moves)):
        raise Conflict.of(*unmade)
    under_way = under_way.model_copy(update={"state": way.during, "following": tuple(following)})
    try:
        record.save(store, under_way)
        notes = trade(connection, moves, following)
        under_way = _catch_up(connection, store, under_way, way, died=False)
        notes += settle(connection, way.moves(under_way), under_way.following)
        notes += _orphaned(connection, under_way, way)
    except BaseException as error:
        if connection.open:
            put_back(connection, way.moves(under_way), under_way.following, error)
            record.save(store, found.model_copy(update={"pending": ()}))
            if isinstance(error, HalfExchanged):
                raise InUse(STAYED_IN_USE) from error
            if isinstance(error, pymysql.err.MySQLError) and not foreseen(error):
                raise Conflict(
                    f"{why_refused(error)} All was put back as it was: change what it names, and try again."
                ) from error
        raise
    return record.finished(store, under_way, way.after, way.kept(under_way), notes)


def _catch_up(connection: Connection, store: Store, under_way: Restore, way: Way, *, died: bool) -> Restore:
    """The record with the foreign keys that were there at the rename.

    A user may have made, dropped or altered some since the look. Of a swap that ``died`` all that it looked at are
    kept as well: it may have dropped some itself, to add them again.
    """
    moves = live_tables.with_keys_of_rename(connection, way.moves(under_way), died)
    following = live_tables.followers_of_rename(connection, moves)
    late = [key for key in following if key not in under_way.following]
    if died:
        there = {(key.schema, key.table, key.name) for key in following}
        following += [key for key in under_way.following if (key.schema, key.table, key.name) not in there]
    _need_references(connection, late)
    caught_up = way.leaving(under_way, moves).model_copy(update={"following": tuple(following)})
    return record.save(store, caught_up) if caught_up != under_way else under_way


def _orphaned(connection: Connection, settled: Restore, way: Way) -> list[str]:
    """Notes of rows without a parent, for the foreign keys that were made anew and hold by now.

    They were written at the very moment. Noted and not refused: rows that others have put into the tables since the
    rename would go with those if they were put back.
    """
    keys = [*settled.following, *(key for move in way.moves(settled) for key in move.keys)]
    return orphans.check_parents(connection, [key for key in keys if is_there(connection, key)], allowed=True)


def _refuse_without_parent(moves: Sequence[Move], pointing: Sequence[ForeignKey]) -> None:
    """Raise Conflict if a table goes, none comes, and another points at it."""
    going = {move.name for move in moves if not move.comes}
    for key in pointing:
        if key.parent_table in going:
            raise Conflict(
                f"Table {key.parent_table!r} was not there before the restore, and table {key.table!r} points at it by "
                f"now (foreign key {key.name!r})."
            )


def _need_references(connection: Connection, keys: Sequence[ForeignKey]) -> None:
    """Raise MissingPrivilege where a foreign key that is dropped might not be added again, and so be lost."""
    if not dialect(connection).wants_references:
        return
    for key in keys:
        privileges.need(connection, "REFERENCES", key.parent_schema, key.parent_table)


def was_done(connection: Connection, found: Restore, way: Way) -> bool:
    """Whether the rename of an exchange that died is done."""
    return happened(connection, way.moves(found))
