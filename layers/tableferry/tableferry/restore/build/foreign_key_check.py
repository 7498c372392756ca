"""Whether the foreign keys between tables that come and tables that stay could be had, asked of the server itself.

Both tables of a key are copied without rows, and the key is tried on the copies: so no live table is locked for it, and
what the server says is what it would say of the tables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import pymysql

from tableferry.errors import Finding
from tableferry.mysql.database import Connection, dialect, error_code, execute, foreseen, rows
from tableferry.mysql.identifiers import OWN_PREFIX, qualified
from tableferry.schema import catalog, show_create
from tableferry.schema.table import ForeignKey

TOGETHER = "Restore both tables together from one backup, or drop or change this foreign key first."
"""What to do about a foreign key that does not fit."""

_NOT_THERE = {1049, 1146}  # no such schema, no such table
_NOT_A_TABLE = 1347
_NO_KEY = {1005, 1215, 1822}
_NOT_STANDARD = 6125
_LET_IN = "SET SESSION restrict_fk_on_non_standard_key = 0"
_MAY_NOT_SET = {1193, 1227}  # the server is older than the variable, or the user may not
_COPY = f"{OWN_PREFIX}copy_"  # no restored table has such a name


def look(connection: Connection, schema: str, keys: Sequence[ForeignKey], advice: str = TOGETHER) -> list[Finding]:
    """Try each key on empty copies of its two tables, made in ``schema``, and return a finding for each that cannot be had.

    Each key names the tables as they stand now; ``advice`` is what a finding says is to be done.

    A key whose table or parent is not there is passed over: that is another check's to say.
    """
    if not keys:
        return []
    found = []
    with _copies(connection, schema) as copy:
        for number, key in enumerate(keys):
            try:
                child, parent = copy(key.schema, key.table), copy(key.parent_schema, key.parent_table)
                tried = replace(
                    key, name=f"{OWN_PREFIX}key_{number}", schema=schema, table=child, parent_schema=schema, parent_table=parent
                )  # fmt: skip
                execute(connection, show_create.add_foreign_key(tried))
            except pymysql.err.MySQLError as error:
                if error_code(error) in _NOT_THERE:
                    continue
                found.append(misfit(connection, key, error, advice))
    return found


def misfit(connection: Connection, key: ForeignKey, error: pymysql.err.MySQLError, advice: str = TOGETHER) -> Finding:
    """What is said of a foreign key that the server refused: why, as far as the two tables show it, and what to do.

    Raises the error where it is not about the key.
    """
    if foreseen(error):
        raise error
    message = (
        f"Foreign key {key.name!r} of table {key.table!r} does not fit table {key.parent_table!r} any more: "
        f"{_why(connection, key, error_code(error))}. {advice}"
    )
    return Finding("foreign-keys", key.table, message)


def _why(connection: Connection, key: ForeignKey, code: int) -> str:
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
    if code == _NOT_A_TABLE:
        return f"{key.parent_table!r} is a view"
    if "PARTITION BY" in show_create.parts(catalog.definition(connection, key.parent_schema, key.parent_table))[1]:
        return f"table {key.parent_table!r} is partitioned"
    columns = ", ".join(repr(column) for column in key.parent_columns)
    if code not in (*_NO_KEY, _NOT_STANDARD):
        return f"the server refuses it (error {code})"
    wanted = (
        " (the server wants a unique one of just these, unless restrict_fk_on_non_standard_key is OFF, on RDS in the parameter "
        "group; with the privilege SESSION_VARIABLES_ADMIN a restore sets it for itself)"
    )
    return f"no key that would do begins with {columns} there{wanted if code == _NOT_STANDARD else ''}"


@contextmanager
def as_they_were(connection: Connection) -> Iterator[None]:
    """Inside the block `foreign_key_checks` is 0: keys are made and moved without a look at the rows.

    On MySQL, where the user may set it, keys to columns that are not unique are let in, too.
    """
    execute(connection, "SET SESSION foreign_key_checks = 0")
    if dialect(connection).standard_keys_only:
        try:
            execute(connection, _LET_IN)
        except pymysql.err.MySQLError as error:
            if error_code(error) not in _MAY_NOT_SET:
                raise
    try:
        yield
    finally:
        if connection.open:
            execute(connection, "SET SESSION foreign_key_checks = 1")


@contextmanager
def _copies(connection: Connection, schema: str) -> Iterator[Callable[[str, str], str]]:
    """What makes a copy of a table, once, and names it; all are dropped on leaving, and those of a look that died."""
    copies: dict[tuple[str, str], str] = {}

    def copy(of: str, table: str) -> str:
        if (of, table) not in copies:
            name = f"{_COPY}{len(copies)}"
            execute(connection, f"CREATE TABLE {qualified(schema, name)} LIKE {qualified(of, table)}")
            copies[of, table] = name
        return copies[of, table]

    with as_they_were(connection):
        try:
            _drop(connection, schema, _left_over(connection, schema))
            yield copy
        finally:
            if connection.open:
                _drop(connection, schema, list(copies.values()))


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
