"""Views over tables that are replaced: they stay, but one that uses a column which goes does not work any more."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import pymysql

from tableferry.errors import Finding
from tableferry.mysql.database import Connection, error_code, execute, rows
from tableferry.mysql.identifiers import qualified, quote

_LOOKED_AT = 500  # of thousands, to look at each would take longer than a restore
_LOCK_WAIT_SECONDS = 2
_MAY_NOT_CHECK = {1142, 1143, 1356}
_BROKEN = "corrupt"  # what CHECK TABLE calls a view that refers to what is not there; the server does not translate it


@dataclass(frozen=True, slots=True)
class View:
    """A view, and its definition as the server spells it out: empty where the user may not see it (SHOW VIEW)."""

    schema: str
    name: str
    definition: str


def visible(connection: Connection, live: str) -> list[View]:
    """The views that the user can see, those of the ``live`` schema first; 500 at most."""
    found = rows(
        connection,
        "SELECT table_schema, table_name, view_definition FROM information_schema.views"
        " WHERE table_schema NOT IN ('mysql', 'sys', 'information_schema', 'performance_schema')"
        f" ORDER BY table_schema <> %s, table_schema, table_name LIMIT {_LOOKED_AT}",
        (live,),
    )
    return [View(str(schema), str(name), str(definition or "")) for schema, name, definition in found]


def working(connection: Connection, live: str) -> list[View]:
    """The views that work now."""
    execute(connection, f"SET SESSION lock_wait_timeout = {_LOCK_WAIT_SECONDS}")
    return [view for view in visible(connection, live) if _works(connection, view)]


def broken(connection: Connection, before: Collection[View]) -> list[str]:
    """A note for each view that worked ``before`` and does not now."""
    return [
        f"View {view.name!r} of the database {view.schema!r} does not work any more: it uses what the restored tables have "
        "not. Change it, or undo the restore."
        for view in before
        if not _works(connection, view)
    ]


def forecast(
    connection: Connection, live: str, going: Mapping[str, Collection[str]]
) -> tuple[list[str], list[Finding]]:
    """Notes on views that will not work without the columns that are ``going``, by table; and views that could not be read.

    A view's definition names its columns one by one, but by the aliases of their tables: where two tables have a column of
    the name, it may be the other's. So a note says what may be; after a restore each view is tried.
    """
    lost = {table: columns for table, columns in going.items() if columns}
    notes: list[str] = []
    hidden: list[Finding] = []
    doomed: set[tuple[str, str]] = set()
    views = visible(connection, live) if lost else []
    for view in views:
        if not view.definition:
            message = (
                f"Whether view {view.name!r} works afterwards was not looked at: the database user is not shown its "
                "definition (it lacks SHOW VIEW). A restore tries it when it is done, and notes if it does not work."
            )
            hidden.append(Finding("views", view.name, message))
            continue
        text = view.definition.casefold()
        for table, columns in lost.items():
            used = [column for column in columns if f".{quote(column)}".casefold() in text]
            if used and f"{quote(live)}.{quote(table)}".casefold() in text:
                named = ", ".join(repr(column) for column in used)
                notes.append(
                    f"View {view.name!r} of the database {view.schema!r} may not work any more: it uses {named} of table "
                    f"{table!r}, which will not be there."
                )
                doomed.add((view.schema, view.name))
    notes += _upon(views, doomed)
    return notes, hidden


def _upon(views: Collection[View], doomed: set[tuple[str, str]]) -> list[str]:
    """Notes on the views that use the doomed ones, and those that use these."""
    notes = []
    news = set(doomed)
    while news:
        names = {f"{quote(schema)}.{quote(name)}".casefold(): name for schema, name in news}
        news = set()
        for view in views:
            if (view.schema, view.name) in doomed:
                continue
            for used, name in names.items():
                if used in view.definition.casefold():
                    notes.append(
                        f"View {view.name!r} of the database {view.schema!r} may not work any more: it uses view {name!r}."
                    )
                    doomed.add((view.schema, view.name))
                    news.add((view.schema, view.name))
                    break
    return notes


def _works(connection: Connection, view: View) -> bool:
    """Whether CHECK TABLE finds all that a view refers to; one that the user may not check is taken to work."""
    try:
        found = rows(connection, f"CHECK TABLE {qualified(view.schema, view.name)}")
    except pymysql.err.MySQLError as error:
        if error_code(error) not in _MAY_NOT_CHECK:
            raise
        return True
    return str(found[-1][3]).lower() != _BROKEN
