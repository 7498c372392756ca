"""The parents of a block's rows, looked up and locked all at once, so that the server need not look for each row's.

A server looks up the parent of each row that goes in, and locks it until the commit. Here one query for each foreign key
counts the distinct parents of a block and locks them in the same way; if all are there, the rows go in without the server's
own check. That is only done where nothing else can hang on the check: each key of the table is one whole number that points
at another table, and the definition, read again inside the transaction, has the same keys still.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import pymysql

from tableferry.errors import NotSupported
from tableferry.mysql.database import Connection, execute, rows
from tableferry.mysql.identifiers import qualified, quote
from tableferry.mysql.privileges import may
from tableferry.mysql.retry import was_rolled_back
from tableferry.schema import show_create
from tableferry.schema.catalog import definition, foreign_keys_of, triggers
from tableferry.schema.table import Column, Table
from tableferry.schema.types import INTEGER_BITS


@dataclass(frozen=True, slots=True)
class Parents:
    """What a table's rows point at: by column, the beginning of the query that counts and locks parents.

    ``keys`` are as they are defined.
    """

    table: Table
    keys: tuple[str, ...]
    queries: Mapping[str, str]

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(self.queries)


def parents_of(connection: Connection, table: Table, given: Sequence[Column]) -> Parents | None:
    """The parents of a table's rows that give these columns; None if it has none, or the server is to look for them."""
    found = foreign_keys_of(connection, table.schema, table.name)
    if not found or (lines := _keys(connection, table)) is None:
        return None
    whole = {column.name for column in given if column.data_type in INTEGER_BITS}
    queries = {}
    for key in found:
        own = (key.parent_schema, key.parent_table) == (table.schema, table.name)
        if len(key.columns) != 1 or key.columns[0] not in whole or own or key.columns[0] in queries:
            return None
        parent, column = qualified(key.parent_schema, key.parent_table), quote(key.parent_columns[0])
        queries[key.columns[0]] = f"SELECT COUNT(DISTINCT {column}) FROM {parent} WHERE {column} IN"
    # A key that the user may not see would go unchecked.
    return Parents(table, lines, queries) if queries and len(lines) == len(found) else None


def _keys(connection: Connection, table: Table) -> tuple[str, ...] | None:
    """The foreign keys as they are defined; None where that cannot be read, or a trigger writes what has other keys."""
    if not may(connection, "TRIGGER", table.schema, table.name) or triggers(connection, table.schema, table.name):
        return None
    try:
        return tuple(show_create.foreign_key_lines(definition(connection, table.schema, table.name)))
    except (NotSupported, ValueError):
        return None


@contextmanager
def looked_up(
    connection: Connection, parents: Parents | None, distinct: Mapping[str, Sequence[int] | None]
) -> Iterator[None]:
    """A block in which the server checks no foreign keys, if all ``distinct`` values of a transaction's rows have parents.

    Else it checks them as always. A column whose values are not known is None.
    """
    if parents is None or not _all_there(connection, parents, distinct):
        yield
        return
    execute(connection, "SET SESSION foreign_key_checks = 0")
    try:
        yield
    finally:
        if connection.open:
            execute(connection, "SET SESSION foreign_key_checks = 1")


def _all_there(connection: Connection, parents: Parents, distinct: Mapping[str, Sequence[int] | None]) -> bool:
    try:
        execute(connection, f"SELECT 1 FROM {parents.table.sql} LIMIT 0")  # from now on nobody changes the definition
        if _keys(connection, parents.table) != parents.keys:
            return False
        for column, query in parents.queries.items():
            values = distinct.get(column)
            if values is None:
                return False
            if values:
                [(count,)] = rows(connection, f"{query} ({', '.join(map(str, values))}) LOCK IN SHARE MODE")
                if count != len(values):
                    return False
    except pymysql.err.DatabaseError as error:
        if was_rolled_back(error) or not connection.open:
            raise
        return False  # such as a privilege to lock rows of another database, or the parents' table, which is not there
    return True
