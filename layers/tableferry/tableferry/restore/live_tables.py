"""What stands at the names of a swap at this moment: what a user did since a restore began counts, too."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from tableferry.errors import Conflict
from tableferry.mysql.database import Connection, rows
from tableferry.restore.build import triggers
from tableferry.restore.build.target import Place
from tableferry.restore.record import Restore, RestoredTable
from tableferry.restore.swap import Move, followers, outward
from tableferry.schema import catalog
from tableferry.schema.table import ForeignKey
from tableferry.storage import object_keys


def before_restore(connection: Connection, found: Restore) -> Restore:
    """The restore with the tables that it replaces, their triggers and foreign keys, as they are now."""
    place = Place.of(found.database, found.id)
    live = set(catalog.table_names(connection, place.live))
    going = {(place.live, table.into) for table in found.tables}

    def now(table: RestoredTable) -> RestoredTable:
        there = table.into in live
        there_now = tuple(catalog.triggers(connection, place.live, table.into)) if there else ()
        keys = outward(connection, place.live, table.into, going) if there else ()
        return table.model_copy(update={"replaced": there, "triggers_before": there_now, "keys_before": keys})

    return found.model_copy(update={"tables": tuple(map(now, found.tables))})


def before_undo(connection: Connection, found: Restore) -> Restore:
    """The restore with what became of its tables since, and notes of what will not come back with an undo.

    Raises:
        Conflict: a table that was replaced is no longer where it was kept.
    """
    place = Place.of(found.database, found.id)
    live = set(catalog.table_names(connection, place.live))
    old = set(catalog.table_names(connection, place.old))
    going = {(place.live, table.into) for table in found.tables}
    lost = [table.into for table in found.tables if table.replaced and table.into not in old]
    if lost:
        others = sorted(old & {table.into for table in found.tables})
        raise Conflict(
            f"Table {', '.join(map(repr, lost))}, as it was before the restore, is no longer in the schema {place.old}, "
            "where it was kept, so the restore cannot be undone as a whole. Nothing was changed. "
            + (f"{', '.join(map(repr, others))} can be moved back from there by RENAME TABLE; " if others else "")
            + "accept the restore to end it."
        )

    def now(table: RestoredTable) -> RestoredTable:
        gone = table.into not in live
        there_now = () if gone else tuple(catalog.triggers(connection, place.live, table.into))
        keys = () if gone else outward(connection, place.live, table.into, going)
        return table.model_copy(update={"gone": gone, "triggers_back": there_now, "keys_back": keys})

    tables = tuple(map(now, found.tables))
    notes = [note for table in tables for note in _lost_by_undo(found.id, table)]
    return found.model_copy(update={"tables": tables, "pending": (*found.pending, *notes)})


def _lost_by_undo(restore_id: str, table: RestoredTable) -> Iterable[str]:
    if table.gone:
        yield f"There was no table {table.into!r} any more to be kept: what had been restored was dropped or renamed."
    known = {trigger.name for trigger in table.triggers_after}
    made = [trigger.name for trigger in table.triggers_back if trigger.name not in known]
    if made:
        names = ", ".join(map(repr, made))
        yield (
            f"Triggers made on table {table.into!r} since the restore went with it: {names}. Their definitions are in "
            f"{object_keys.restore(restore_id)}."
        )


def left_by_restore(found: Restore, moves: Sequence[Move]) -> Restore:
    """The restore with the foreign keys that the replaced tables turned out to have."""
    keys = {move.name: move.leaving_keys for move in moves}
    tables = (table.model_copy(update={"keys_before": keys[table.into]}) for table in found.tables)
    return found.model_copy(update={"tables": tuple(tables)})


def left_by_undo(found: Restore, moves: Sequence[Move]) -> Restore:
    """The restore with the foreign keys that the restored tables turned out to have."""
    keys = {move.name: move.leaving_keys for move in moves}
    tables = (table.model_copy(update={"keys_back": keys.get(table.into, ())}) for table in found.tables)
    return found.model_copy(update={"tables": tuple(tables)})


def with_keys_of_rename(connection: Connection, moves: Sequence[Move], died: bool) -> list[Move]:
    """The moves, after their rename, with the foreign keys that the tables put aside have: nobody alters them there.

    Of a swap that ``died``, keys that were recorded before it and are gone from the table are kept as well: it may have cut
    them off.
    """
    aside = {(move.aside, move.name) for move in moves}

    def at_rename(move: Move) -> Move:
        if not move.leaves:
            return move
        seen = [replace(key, schema=move.live) for key in outward(connection, move.aside, move.name, aside)]
        names = {key.name for key in seen}
        cut_off = [key for key in move.leaving_keys if key.name not in names] if died else []
        return replace(move, leaving_keys=(*seen, *cut_off))

    return [at_rename(move) for move in moves]


def followers_of_rename(connection: Connection, moves: Sequence[Move]) -> list[ForeignKey]:
    """Foreign keys of tables that stay, after the rename.

    They are those that followed a table aside, as they are to be, and those at a table that came.
    """
    live = {(move.aside, move.name): move.live for move in moves}
    aside = [replace(move, live=move.aside) for move in moves]
    followed = [
        replace(key, parent_schema=live[key.parent_schema, key.parent_table]) for key in followers(connection, aside)
    ]
    return [*followed, *followers(connection, moves)]


def read_only(connection: Connection, live: str, following: Sequence[ForeignKey]) -> list[str]:
    """What is said of each database that would be written to, the tables' own or that of a child's, and is read-only."""
    return [
        f"The database {schema!r} is read-only (ALTER DATABASE … READ ONLY = 1): have an administrator set it to 0, and try "
        "again."
        for schema in catalog.read_only(connection, {live, *(key.schema for key in following)})
    ]


def refuse_taken_names(connection: Connection, moves: Sequence[Move]) -> None:
    """Raise Conflict if a name that a coming table needs for itself, a trigger or a foreign key is another thing's."""
    if not moves:
        return
    live = moves[0].live
    wanted = [triggers.Wanted(move.live, move.name, move.triggers) for move in moves]
    triggers.refuse_taken(connection, live, wanted, {move.name for move in moves})
    _refuse_other_things(connection, live, {move.name for move in moves})
    going = {move.name for move in moves}
    coming = {(move.coming, move.name) for move in moves}
    names = [(table, name) for name, table in _key_names(connection, moves[0].coming)]
    names += [(move.name, key.name) for move in moves for key in move.keys]
    taken = catalog.taken(connection, live, "FOREIGN KEY", [name for _, name in names], going)
    for table, name in names:
        if (moves[0].coming, table) in coming and name in taken:
            raise Conflict(
                f"Foreign key {name!r} of table {table!r} cannot come back: table {taken[name]!r} has one of that "
                "name by now, and a schema can have a name only once. Drop that one, or make it anew by another name."
            )


def _key_names(connection: Connection, schema: str) -> list[tuple[str, str]]:
    found = rows(
        connection,
        "SELECT constraint_name, table_name FROM information_schema.table_constraints WHERE constraint_schema = %s"
        " AND constraint_type = 'FOREIGN KEY'",
        (schema,),
    )
    return [(str(name), str(table)) for name, table in found]


def _refuse_other_things(connection: Connection, schema: str, names: set[str]) -> None:
    """A view, a sequence or the like can neither be replaced nor kept."""
    found = rows(
        connection,
        "SELECT table_name, table_type FROM information_schema.tables WHERE table_schema = %s"
        " AND table_type <> 'BASE TABLE'",
        (schema,),
    )
    for name, kind in found:
        if name in names:
            raise Conflict(f"The database has a {str(kind).lower()} named {name!r} by now: drop or rename it first.")
