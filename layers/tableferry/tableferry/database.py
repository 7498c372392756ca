"""Connections to the database: how to log in, what a session looks like, and transactions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import pymysql

from tableferry import driver
from tableferry.errors import DatabaseUnavailable, MissingPrivilege
from tableferry.login import login, refused
from tableferry.served import Served
from tableferry.settings import DatabaseAddress

Connection = driver.Connection
Row = tuple[Any, ...]

# Refused logins, unknown databases, too many connections, shutdowns, servers that are read-only (a replica, in a
# failover) and broken connections (MySQL's error reference).
_UNAVAILABLE = {
    1040,
    1042,
    1043,
    1045,
    1049,
    1053,
    1129,
    1130,
    1203,
    1226,
    1290,
    1698,
    1836,
    2002,
    2003,
    2006,
    2012,
    2013,
    2055,
}
_NO_ROOM = {1021, 1114, 1878}
_TOO_MANY_STATEMENTS = 1461
_ENDED = {1317, 1969, 3024}  # killed, or beyond a limit of time
_DENIED = {1044, 1142, 1143, 1227, 1370, 1410}
_LOGIN_REFUSED = {1045, 1698}

# What the server says of a statement that is refused; nothing else of its message is passed on.
_REFUSED_COMMAND = re.compile(r"([A-Z ]+) command denied to user .* for (?:table|column) ")
_REFUSED_WITHOUT = re.compile(r"you need \(at least one of\) the ([A-Z_, ]+) privilege")


class Mode(StrEnum):
    """What a session lets into a table."""

    STRICT = "STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,NO_AUTO_VALUE_ON_ZERO,NO_ENGINE_SUBSTITUTION"
    """Rows from outside: whatever would have to be altered to fit is an error."""

    FAITHFUL = "NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES,NO_ENGINE_SUBSTITUTION"
    """Rows that were in a table before: everything a table can hold goes in; the digest says whether it did."""


@dataclass(frozen=True, slots=True)
class Database:
    """One database (schema) on one server."""

    address: DatabaseAddress

    @property
    def name(self) -> str:
        return self.address.name

    @property
    def served(self) -> Served:
        """The tables that may be read and written."""
        return self.address.served

    @contextmanager
    def connect(self, mode: Mode = Mode.STRICT) -> Iterator[Connection]:
        """A connection in autocommit, in UTC and utf8mb4, that is closed on leaving.

        Raises:
            DatabaseUnavailable: it cannot be had, broke inside the block, or has no room left.
            MissingPrivilege: a statement inside the block was refused.
        """
        with translated(self.address):
            connection = self._open(mode)
            try:
                yield connection
            finally:
                if connection.open:
                    connection.close()

    def _open(self, mode: Mode) -> Connection:
        session = (
            f"SET SESSION sql_mode = '{mode.value}', time_zone = '+00:00', net_write_timeout = 3600, "
            "net_read_timeout = 3600, wait_timeout = 3600, sql_quote_show_create = 1"
            # A key that MySQL made is part of the table, whatever the server is told to show.
            " /*!80030 , show_gipk_in_create_table_and_information_schema = ON */"
            # MySQL would give a table's size as it was up to a day ago; MariaDB has no such setting, and skips this.
            "/*!80000 , information_schema_stats_expiry = 0 */"
        )
        used = login(self.address)
        try:
            return driver.log_in(self.address, used, session)
        except pymysql.err.OperationalError as error:
            if error_code(error) not in _LOGIN_REFUSED or not refused(self.address, used):
                raise
        return driver.log_in(self.address, login(self.address), session)  # rotated, or too old by now


@contextmanager
def translated(address: DatabaseAddress) -> Iterator[None]:
    """Turn the driver's errors about the server itself into ours; no message of the server's is passed on."""
    try:
        yield
    except (pymysql.err.OperationalError, pymysql.err.InterfaceError, pymysql.err.ProgrammingError) as error:
        code = error_code(error)
        if code in _UNAVAILABLE or isinstance(error, pymysql.err.InterfaceError):
            raise DatabaseUnavailable(
                f"The database server {address.host}:{address.port} cannot be used now (error {code}): look whether "
                "it runs, can be reached from here, has the database, and takes the login that is configured."
            ) from error
        if code in _NO_ROOM:
            raise DatabaseUnavailable(
                f"The database server {address.host}:{address.port} has no room left (error {code}): free some, or give it "
                "more storage."
            ) from error
        if code == _TOO_MANY_STATEMENTS:
            raise DatabaseUnavailable(
                f"The database server {address.host}:{address.port} prepares no more statements (error {code}): raise "
                "max_prepared_stmt_count, or look for who leaves theirs open (the status Prepared_stmt_count)."
            ) from error
        if code in _ENDED:
            raise DatabaseUnavailable(
                f"The database server {address.host}:{address.port} ended a statement (error {code}): somebody killed it, or "
                "it took longer than statements may there."
            ) from error
        if code in _DENIED:
            raise MissingPrivilege(
                f"The database user lacks {_missing(error)} (error {code}). What Tableferry needs is in "
                "sources/grants.sql, statement by statement."
            ) from error
        raise


def _missing(error: Exception) -> str:
    """The privilege that the server's message is about, as far as it says."""
    text = str(error.args[1]) if len(error.args) > 1 else ""
    found = _REFUSED_COMMAND.match(text) or _REFUSED_WITHOUT.search(text)
    return (
        f"the privilege {found[1].strip()}" if found else "a privilege on this database or on the schemas of restores"
    )


@contextmanager
def transaction(connection: Connection) -> Iterator[None]:
    """Commit on leaving; on any exception roll back and let it through."""
    connection.begin()
    try:
        yield
        connection.commit()
    except BaseException:
        if connection.open:
            connection.rollback()
        raise


def rows(connection: Connection, sql: str, parameters: Sequence[object] = ()) -> list[Row]:
    """All rows of a small result."""
    with connection.cursor() as cursor:
        cursor.execute(sql, tuple(parameters) or None)
        return list(cursor.fetchall())


def execute(connection: Connection, sql: str, parameters: Sequence[object] = ()) -> int:
    """Run a statement; the number of rows it touched."""
    with connection.cursor() as cursor:
        return int(cursor.execute(sql, tuple(parameters) or None))


def server_version(connection: Connection) -> str:
    """The server's version as it calls itself, such as ``10.11.19-MariaDB-log``."""
    raw: Any = connection  # the stubs have only a method without types
    return str(raw.get_server_info())


def is_mariadb(connection: Connection) -> bool:
    return "mariadb" in server_version(connection).lower()


def error_code(error: BaseException) -> int:
    """The server's number for an error of the driver's, 0 where there is none."""
    return error.args[0] if error.args and isinstance(error.args[0], int) else 0
