"""The swap itself: one RENAME TABLE, and what a rename leaves behind put right, triggers and foreign keys.

Triggers cannot cross schemas (error 1435), so they are dropped before and made after; on MySQL while the tables are
locked, so that writers wait and never meet a table without them. The foreign keys of other tables
follow the table they point at into its new schema; they are dropped and added again, pointing at the new one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import pymysql

from tableferry.errors import ChangedMeanwhile, Conflict, HalfExchanged
from tableferry.ledger import epoch
from tableferry.mysql.database import Connection, dialect, error_code, execute, foreseen, why_refused
from tableferry.mysql.identifiers import qualified, quote
from tableferry.mysql.retry import with_lock_retry
from tableferry.restore.build import foreign_key_check, triggers
from tableferry.schema import catalog, show_create
from tableferry.schema.table import ForeignKey, Trigger

_CHECK_EXISTS = 3822  # on MySQL; on MariaDB each table has names of its own
_CANNOT_LOCK = {
    1044,
    1142,
    1785,
}  # no privilege; or, with GTID consistency, tables of engines with transactions and without
_NOT_LOCKED = 1100
_NOT_THERE = {1049, 1146}
_HAS_TRIGGER = 1435
_NOT_AS_IT_WAS = {
    1005,
    1017,
    1025,
    1049,
    1050,
    1146,
    _HAS_TRIGGER,
    1826,
}  # of a rename: a table is there, or not, has a trigger, or a foreign key with the name of one that comes
_CHANGED = (
    "Others made, altered, dropped or renamed these tables, or things of their names, at the very moment of the exchange. "
    "Nothing was changed. Try again."
)


@dataclass(frozen=True, slots=True)
class Move:
    """One table of a swap: what stands at ``name`` goes from ``live`` to ``aside`` and ``coming``'s takes its place.

    ``leaves`` and ``comes`` say whether there is such a table.
    """

    name: str
    live: str
    aside: str
    coming: str
    leaves: bool
    comes: bool = True
    triggers: tuple[Trigger, ...] = ()
    """The triggers that the table which comes shall have."""

    keys: tuple[ForeignKey, ...] = ()
    """Its foreign keys to tables outside the swap, if it was put aside without them."""

    leaving_triggers: tuple[Trigger, ...] = ()
    """The triggers of the table that leaves, which cannot go along."""

    leaving_keys: tuple[ForeignKey, ...] = ()
    """Its foreign keys to tables outside the swap, which it loses."""

    def reversed(self) -> Move:
        """The move that undoes this one."""
        return replace(
            self,
            aside=self.coming,
            coming=self.aside,
            leaves=self.comes,
            comes=self.leaves,
            triggers=self.leaving_triggers,
            keys=self.leaving_keys,
            leaving_triggers=self.triggers,
            leaving_keys=self.keys,
        )


def outward(
    connection: Connection, schema: str, table: str, going: Collection[tuple[str, str]]
) -> tuple[ForeignKey, ...]:
    """A table's foreign keys to tables that do not go with it."""
    keys = catalog.foreign_keys_of(connection, schema, table)
    return tuple(key for key in keys if (key.parent_schema, key.parent_table) not in going)


def followers(connection: Connection, moves: Sequence[Move]) -> list[ForeignKey]:
    """Foreign keys of tables that stay, pointing at tables that go."""
    going = {(move.live, move.name) for move in moves}  # a table that is not there may have children all the same
    return [
        key
        for schema, name in sorted(going)
        for key in catalog.foreign_keys_to(connection, schema, name)
        if (key.schema, key.table) not in going
    ]


def is_there(connection: Connection, key: ForeignKey) -> bool:
    """Whether the table that has, or is to have, the foreign key has not been dropped since."""
    return catalog.has_table(connection, key.schema, key.table)


def as_if_swapped(keys: Sequence[ForeignKey], moves: Sequence[Move]) -> list[ForeignKey]:
    """The same keys, pointing at the tables that will come: what to look for orphans with."""
    coming = {(move.live, move.name): move.coming for move in moves}
    return [replace(key, parent_schema=coming[key.parent_schema, key.parent_table]) for key in keys]


def trade(connection: Connection, moves: Sequence[Move], following: Sequence[ForeignKey]) -> list[str]:
    """Exchange the tables and, where writers could be made to wait, make the triggers of those that come.

    Returns what could not be had exactly as it was. ``settle`` has to come after it, and ``put_back`` after any error.

    Raises:
        InUse: the tables stayed in use; nothing has changed.
        HalfExchanged: triggers were dropped, and cannot be made again at this moment.
        ChangedMeanwhile: tables or triggers are not what the moves say any more; no table was exchanged.
        Conflict: a name that a table's trigger or check needs is another table's.
    """
    if not moves:
        return []
    epoch.announce(connection, moves)
    waiting = _lock(connection, moves, following)
    try:
        for move in moves:
            if move.leaves and tuple(catalog.triggers(connection, move.live, move.name)) != move.leaving_triggers:
                raise ChangedMeanwhile(_CHANGED)
        try:
            for move in moves:
                triggers.drop(connection, move.live, move.leaving_triggers)
            waiting = _rename_locked(connection, moves, waiting)
        except BaseException:
            if connection.open and not happened(connection, moves):
                with _going_on_later():
                    _make_triggers(connection, [move.reversed() for move in moves])
            raise
        return _make_triggers(connection, moves) if waiting else []
    finally:
        if waiting and connection.open:
            execute(connection, "UNLOCK TABLES")


def put_back(
    connection: Connection, moves: Sequence[Move], following: Sequence[ForeignKey], error: BaseException
) -> None:
    """Have all as it was before a trade that met the error, or before what followed it did.

    Raises:
        HalfExchanged: that could not be; ``put_right`` has to come after it.
    """
    execute(connection, "UNLOCK TABLES")  # the error may have been that of the unlocking
    with _going_on_later():
        if moves and happened(connection, moves):
            put_right(connection, moves, following)
            return
        back = [move.reversed() for move in moves]
        epoch.settle(connection, back)
        if isinstance(error, HalfExchanged):  # else none was dropped, or all are there again
            _make_triggers(connection, back)


@contextmanager
def _going_on_later() -> Iterator[None]:
    """Raise HalfExchanged for what keeps triggers from being made again, or tables from being put back, at this moment."""
    try:
        yield
    except Conflict as error:
        raise HalfExchanged(str(error)) from error
    except pymysql.err.MySQLError as error:
        if foreseen(error):
            raise
        raise HalfExchanged(why_refused(error)) from error


def put_right(connection: Connection, moves: Sequence[Move], following: Sequence[ForeignKey]) -> None:
    """Have all as it was before a trade and what followed it, wherever that stopped; whoever did it may have died."""
    back = [move.reversed() for move in moves]
    if moves and happened(connection, moves):
        came = [
            replace(move, leaving_triggers=tuple(catalog.triggers(connection, move.live, move.name))) for move in back
        ]
        trade(connection, came, following)
        _cut_off(connection, back)
    epoch.take_back(connection, back)
    _repoint(connection, [*following, *(key for move in back for key in move.keys)])
    _make_triggers(connection, back)


def _make_triggers(connection: Connection, moves: Sequence[Move]) -> list[str]:
    """Make the triggers of the tables that came; returns notes."""
    return [note for move in moves for note in triggers.make(connection, move.live, move.name, move.triggers)]


def _rename_locked(connection: Connection, moves: Sequence[Move], locked: bool) -> bool:
    """Rename, with the locks or, where they are in the way, without; returns whether they are still had."""
    try:
        _rename(connection, moves)
    except pymysql.err.MySQLError as error:
        if not locked or error_code(error) != _NOT_LOCKED:
            raise
        execute(connection, "UNLOCK TABLES")  # a table that nobody told us of has a foreign key to one of these
        _rename(connection, moves)
        return False
    return locked


def _lock(connection: Connection, moves: Sequence[Move], following: Sequence[ForeignKey]) -> bool:
    """Make whoever uses the tables wait, so that they stay what they are and no row goes in without a trigger.

    Returns whether that could be had.

    MySQL renames tables that are locked, the locks going with them, since 8.0.13
    (https://dev.mysql.com/doc/refman/8.4/en/rename-table.html); MariaDB refuses it. The privilege may be lacking. MySQL
    locks the children of a locked table by itself, but not those of a table that is not there yet.
    """
    if not dialect(connection).renames_locked_tables:
        return False
    missing = {(move.live, move.name) for move in moves if not move.leaves}
    tables = [qualified(move.live, move.name) for move in moves if move.leaves]
    tables += [qualified(move.coming, move.name) for move in moves if move.comes]
    tables += [
        qualified(key.schema, key.table) for key in following if (key.parent_schema, key.parent_table) in missing
    ]
    try:
        with_lock_retry(connection, "LOCK TABLES " + ", ".join(f"{table} WRITE" for table in dict.fromkeys(tables)))
    except pymysql.err.MySQLError as error:
        if error_code(error) in _NOT_THERE:
            raise ChangedMeanwhile(_CHANGED) from error
        if error_code(error) not in _CANNOT_LOCK:
            raise
        return False
    return True


def happened(connection: Connection, moves: Sequence[Move]) -> bool:
    """Whether the rename of these moves is done, which is all of them or none."""
    if not moves:
        return True
    move = next((move for move in moves if move.leaves), moves[0])
    if move.leaves:
        return move.name in catalog.table_names(connection, move.aside)
    live, coming = (catalog.table_names(connection, schema) for schema in (move.live, move.coming))
    return move.name in live and move.name not in coming


def settle(connection: Connection, moves: Sequence[Move], following: Sequence[ForeignKey]) -> list[str]:
    """Put right what a rename leaves behind: the ledger, foreign keys of other tables and to them, and triggers.

    Can be repeated. Returns notes of what could not be had exactly as it was. Raises InUse where a table stayed in use.
    """
    epoch.settle(connection, moves)
    _repoint(connection, [*following, *(key for move in moves for key in move.keys)])
    _cut_off(connection, moves)
    return _make_triggers(connection, moves)


def _repoint(connection: Connection, keys: Sequence[ForeignKey]) -> None:
    """Make each key point at the table it names, wherever it points now."""
    with foreign_key_check.as_they_were(connection):
        for key in keys:
            now = {own.name: own for own in catalog.foreign_keys_of(connection, key.schema, key.table)}.get(key.name)
            if now == key or not is_there(connection, key):
                continue
            if now is not None:
                with_lock_retry(connection, show_create.drop_foreign_key(key))
            with_lock_retry(connection, show_create.add_foreign_key(key))


def _cut_off(connection: Connection, moves: Sequence[Move]) -> None:
    """Take from the tables put aside the foreign keys to tables that stay.

    A copy that is kept must not refuse what is done to live rows, nor be altered by it.
    """
    for move in moves:
        aside = {(move.aside, other.name) for other in moves}
        for key in outward(connection, move.aside, move.name, aside):
            with_lock_retry(connection, show_create.drop_foreign_key(key))


def _rename(connection: Connection, moves: Sequence[Move]) -> None:
    out = [f"{qualified(move.live, move.name)} TO {qualified(move.aside, move.name)}" for move in moves if move.leaves]
    into = [f"{qualified(move.coming, move.name)} TO {qualified(move.live, move.name)}" for move in moves if move.comes]
    try:
        with foreign_key_check.as_they_were(connection):  # MySQL looks at them anew
            with_lock_retry(connection, "RENAME TABLE " + ", ".join(out + into))
    except pymysql.err.MySQLError as error:
        if error_code(error) == _HAS_TRIGGER:
            _refuse_triggers_of_coming(connection, moves)
        if error_code(error) in _NOT_AS_IT_WAS:
            raise ChangedMeanwhile(_CHANGED) from error
        if error_code(error) != _CHECK_EXISTS:
            raise
        raise Conflict(
            "A check of a table that would come has the name of another table's by now, and a schema can have a name of "
            "a check only once. Drop or rename that check, or restore `into` another name."
        ) from error


def _refuse_triggers_of_coming(connection: Connection, moves: Sequence[Move]) -> None:
    """Raise Conflict if no table that leaves has a trigger, so that one which is to come has: we make none there."""
    if any(catalog.triggers(connection, move.live, move.name) for move in moves if move.leaves):
        return
    coming = moves[0].coming
    raise Conflict(
        f"A table in the schema {coming} was given a trigger there, and with one it cannot leave its schema. Nothing was "
        f"changed. Have an administrator drop it (SHOW TRIGGERS FROM {quote(coming)} names it), and try again."
    )
