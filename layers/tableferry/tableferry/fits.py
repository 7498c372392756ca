"""Whether the foreign keys between tables that come and tables that stay could be had, asked of the server itself.

Both tables of a key are copied without rows, and the key is tried on the copies: so no live table is locked for it, and
what the server says is what it would say of the tables.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import pymysql

from tableferry import catalog, ddl
from tableferry.database import Connection, error_code, execute, rows
from tableferry.errors import Finding
from tableferry.tables import OWN_PREFIX, ForeignKey, qualified

DOES_NOT_FIT = {1005, 1072, 1215, 1239, 1506, 1822, 1824, 1825, 1830, 3734, 3780, 6125}
"""No such index, column or table, one of another type or character set, or one that cannot have foreign keys."""

_NOT_THERE = {1049, 1146}  # no such schema, no such table
_COPY = f"{OWN_PREFIX}copy_"  # no restored table has such a name


def look(connection: Connection, schema: str, keys: Sequence[ForeignKey]) -> list[Finding]:
    """The keys that could not be had. Each names the tables as they stand now; copies are made in ``schema``.

    A key whose table or parent is not there is passed over: that is another check's to say.
    """
    found = []
    with _copies(connection, schema, keys) as copies:
        for number, key in enumerate(keys):
            child = copies.get((key.schema, key.table))
            parent = copies.get((key.parent_schema, key.parent_table))
            if child is None or parent is None:
                continue
            tried = replace(
                key, name=f"{OWN_PREFIX}key_{number}", schema=schema, table=child, parent_schema=schema, parent_table=parent
            )  # fmt: skip
            try:
                execute(connection, ddl.add_foreign_key(tried))
            except pymysql.err.MySQLError as error:
                if error_code(error) not in DOES_NOT_FIT:
                    raise
                found.append(Finding("foreign-keys", key.table, misfit(connection, key)))
    return found


def misfit(connection: Connection, key: ForeignKey) -> str:
    """What is said of a foreign key that does not fit: why, as far as the two tables show it, and what to do."""
    return (
        f"Foreign key {key.name!r} of table {key.table!r} does not fit table {key.parent_table!r} any more: "
        f"{_why(connection, key)}. Restore both tables together from one backup, or drop or change this foreign key first."
    )


def _why(connection: Connection, key: ForeignKey) -> str:
    child = catalog.table(connection, key.schema, key.table)
    parent = catalog.table(connection, key.parent_schema, key.parent_table)
    for own, other in zip(key.columns, key.parent_columns, strict=True):
        mine, its = child.column(own), parent.column(other)
        if mine is None or its is None:
            table, column = (key.table, own) if mine is None else (key.parent_table, other)
            return f"table {table!r} has no column {column!r} there"
        if mine.data_type != its.data_type or mine.unsigned != its.unsigned:
            return f"column {own!r} is of type {mine.column_type}, and column {other!r} of type {its.column_type}"
        if (mine.charset, mine.collation) != (its.charset, its.collation):
            return f"column {own!r} has the collation {mine.collation}, and column {other!r} {its.collation}"
    columns = ", ".join(repr(column) for column in key.parent_columns)
    return f"no key that would do begins with {columns} there"


@contextmanager
def _copies(connection: Connection, schema: str, keys: Sequence[ForeignKey]) -> Iterator[dict[tuple[str, str], str]]:
    """The names of the copies of all tables of the keys, which are dropped on leaving; and those of a look that died."""
    tables = dict.fromkeys(
        table for key in keys for table in ((key.schema, key.table), (key.parent_schema, key.parent_table))
    )
    copies = {}
    try:
        execute(connection, "SET SESSION foreign_key_checks = 0")  # as it is when the tables get their keys
        _drop(connection, schema, _left_over(connection, schema))
        for number, table in enumerate(tables):
            name = f"{_COPY}{number}"
            try:
                execute(connection, f"CREATE TABLE {qualified(schema, name)} LIKE {qualified(*table)}")
            except pymysql.err.MySQLError as error:
                if error_code(error) not in _NOT_THERE:
                    raise
            else:
                copies[table] = name
        yield copies
    finally:
        if connection.open:
            _drop(connection, schema, list(copies.values()))
            execute(connection, "SET SESSION foreign_key_checks = 1")


def _left_over(connection: Connection, schema: str) -> list[str]:
    """The copies that whoever died here has made; `catalog.table_names` passes such tables over."""
    found = rows(
        connection,
        "SELECT table_name FROM information_schema.tables WHERE table_schema = %s AND table_name LIKE %s",
        (schema, _COPY.replace("_", r"\_") + "%"),
    )
    return [str(name) for (name,) in found]


def _drop(connection: Connection, schema: str, names: Sequence[str]) -> None:
    """Drop all at once: of two that a key ties, one alone left would tell what a new parent has to be."""
    if names:
        execute(connection, "DROP TABLE " + ", ".join(qualified(schema, name) for name in names))
