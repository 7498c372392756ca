"""Rows whose foreign key points at nothing, found before anything is changed."""

from __future__ import annotations

from collections.abc import Iterable

import pymysql

from tableferry.errors import Conflict, Finding
from tableferry.mysql.database import Connection, error_code, rows
from tableferry.mysql.identifiers import qualified, quote
from tableferry.schema import catalog
from tableferry.schema.table import ForeignKey

RESTORING = "Restore both tables together, mend these rows first, or say `allow_orphans`."
UNDOING = "Mend these rows, in the schema {schema}, or give them their parents, and undo the restore then."
"""What is to be done about rows without a parent; ``{schema}`` is where they are."""

_SHOWN = 10
_GONE = {1054, 1146}  # no such column, no such table


def check_parents(
    connection: Connection, keys: Iterable[ForeignKey], allowed: bool = False, advice: str = RESTORING
) -> list[str]:
    """Raise Conflict, with ten rows a key, if rows of a child have no parent; where that is ``allowed``, return notes."""
    problems, notes = look(connection, keys, allowed, advice)
    if problems:
        raise Conflict.of(*problems)
    return notes


def look(
    connection: Connection, keys: Iterable[ForeignKey], allowed: bool = False, advice: str = RESTORING
) -> tuple[list[Finding], list[str]]:
    """Look for rows without a parent, key by key: findings and, where such rows are ``allowed``, notes of them instead.

    Where the parents' table is not there, that is noted: tables of two databases may point at each other.
    """
    problems, notes = [], []
    for key in keys:
        if not catalog.has_table(connection, key.parent_schema, key.parent_table):
            notes.append(_no_parent_table(key))
            continue
        try:
            found = _orphans(connection, key)
        except Conflict as error:
            problems.append(Finding("foreign-keys", key.table, str(error)))
            continue
        if not found:
            continue
        shown = ", ".join("(" + ", ".join(str(value) for value in row) + ")" for row in found)
        which = f"in {key.parent_table!r} (foreign key {key.name!r}): {', '.join(key.columns)} = {shown}"
        if allowed:
            more = " and maybe others" if len(found) == _SHOWN else ""
            notes.append(f"Rows of table {key.table!r} have no parent {which}{more}.")
            continue
        message = f"Rows of table {key.table!r} would have no parent {which}. {advice.format(schema=key.schema)}"
        problems.append(Finding("orphans", key.table, message))
    return problems, notes


def _no_parent_table(key: ForeignKey) -> str:
    """What is said of a foreign key to a table of another database, say, that is to be restored after this one."""
    return (
        f"Foreign key {key.name!r} of table {key.table!r} points at table {key.parent_table!r} of the database "
        f"{key.parent_schema!r}, which is not there. It holds once that is; whether these rows have their parents was not "
        "looked at."
    )


def _orphans(connection: Connection, key: ForeignKey) -> list[tuple[object, ...]]:
    child, parent = qualified(key.schema, key.table), qualified(key.parent_schema, key.parent_table)
    pairs = list(zip(key.columns, key.parent_columns, strict=True))
    same = " AND ".join(f"c.{quote(own)} = p.{quote(other)}" for own, other in pairs)
    given = " AND ".join(f"c.{quote(own)} IS NOT NULL" for own, _ in pairs)
    shown = ", ".join(f"c.{quote(own)}" for own, _ in pairs)
    sql = (
        f"SELECT DISTINCT {shown} FROM {child} c WHERE {given}"
        f" AND NOT EXISTS (SELECT 1 FROM {parent} p WHERE {same}) LIMIT {_SHOWN}"
    )
    try:
        return rows(connection, sql)
    except pymysql.err.MySQLError as error:
        if error_code(error) not in _GONE:
            raise
        raise Conflict(
            f"Foreign key {key.name!r} of table {key.table!r} does not fit table {key.parent_table!r} any more: the "
            "table or one of its columns is not there."
        ) from error
