"""Statements that the server runs on the tables of a schema, whoever sent them: they go on when their function has ended."""

from __future__ import annotations

from collections.abc import Iterator

import pymysql

from tableferry.mysql.database import Connection, error_code, execute, rows
from tableferry.mysql.identifiers import quote

_NO_SUCH_THREAD = 1094
_INFO = 7  # MariaDB has another column behind it


def statements(connection: Connection, schema: str) -> Iterator[tuple[int, str]]:
    """The id of each session of this user that runs one, and its text."""
    name = f"{quote(schema)}."
    [(own,)] = rows(connection, "SELECT CONNECTION_ID()")
    for row in rows(connection, "SHOW FULL PROCESSLIST"):
        session, text = row[0], row[_INFO]
        if text and name in str(text) and session != own:
            yield int(session), str(text)


def alters(connection: Connection, schema: str, table_sql: str) -> bool:
    """Whether the table, by its name in SQL, is being altered, or waits for it."""
    return any(text.startswith(f"ALTER TABLE {table_sql} ") for _, text in statements(connection, schema))


def end_all(connection: Connection, schema: str) -> None:
    """End the sessions that run such statements: of functions that were given up, frozen, or ended from outside."""
    for session, _ in list(statements(connection, schema)):
        try:
            execute(connection, f"KILL {session}")
        except pymysql.err.MySQLError as error:
            if error_code(error) != _NO_SUCH_THREAD:
                raise
