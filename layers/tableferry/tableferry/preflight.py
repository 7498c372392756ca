"""What a restore needs of the live database before anything is built: each thing that is not so is refused by name."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from tableferry.database import Connection, rows
from tableferry.errors import Conflict
from tableferry.manifest import Manifest
from tableferry.shadow import Item, Place, foreign_keys
from tableferry.tables import ForeignKey


def refuse(
    connection: Connection, source: Manifest, items: Sequence[Item], place: Place, live: Collection[str]
) -> None:
    """Raise Conflict if the tables could be built, but not swapped in beside the ``live`` ones."""
    [(local_infile,)] = rows(connection, "SELECT @@GLOBAL.local_infile")
    if not local_infile:
        raise Conflict("The server has local_infile off: set it to 1 in the parameter group.")
    keys = foreign_keys(source, items, place)
    for key in keys:
        if key.parent_schema == place.live and key.parent_table not in live:
            raise Conflict(
                f"Table {key.table!r} points at table {key.parent_table!r} (foreign key {key.name!r}), which is not "
                "there: restore it together with this one."
            )
    _taken_names(connection, place.live, keys, items)
    _other_things(connection, place.live, items)


def _taken_names(connection: Connection, schema: str, keys: Sequence[ForeignKey], items: Sequence[Item]) -> None:
    """A foreign key's name, which a schema can have only once, may belong to a table that stays."""
    found = rows(
        connection,
        "SELECT constraint_name, table_name FROM information_schema.table_constraints WHERE constraint_schema = %s"
        " AND constraint_type = 'FOREIGN KEY'",
        (schema,),
    )
    going = {item.into for item in items}
    taken = {str(name): str(table) for name, table in found if table not in going}
    renamed = {item.into for item in items if item.renamed}
    for key in keys:
        if key.table not in renamed and key.name in taken:
            raise Conflict(
                f"Foreign key {key.name!r} of table {key.table!r} cannot come back: table {taken[key.name]!r} has one "
                "of that name. Rename it, or restore `into` another name."
            )


def _other_things(connection: Connection, schema: str, items: Sequence[Item]) -> None:
    """A view, a sequence or the like of the name that a table is to get can neither be replaced nor kept."""
    found = rows(
        connection,
        "SELECT table_name, table_type FROM information_schema.tables WHERE table_schema = %s"
        " AND table_type <> 'BASE TABLE'",
        (schema,),
    )
    taken = {str(name): str(kind).lower() for name, kind in found}
    for item in items:
        if item.into in taken:
            raise Conflict(
                f"The database has a {taken[item.into]} named {item.into!r}: drop it, or restore `into` another name."
            )
