"""Connections to the database: how to log in, what a session looks like, and transactions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pymysql

from tableferry.config.settings import DatabaseAddress
from tableferry.config.table_filter import TableFilter
from tableferry.errors import (
    DatabaseUnavailable,
    InUse,
    MissingPrivilege,
    ReadOnlyServer,
    SessionDiffers,
    TooManyConnections,
)
from tableferry.mysql import connection as driver
from tableferry.mysql import protocol, session
from tableferry.mysql.credentials import login, refused
from tableferry.mysql.server_errors import ROLLED_BACK
from tableferry.mysql.session import NOTHING, Mode, Value
from tableferry.mysql.version import Dialect, dialect_of_version
from tableferry.pauses import growing

Connection = protocol.Connection
Row = tuple[Any, ...]

WHOLE = f" LIMIT {2**64 - 1}"
"""What a SELECT ends with whose rows ``sql_select_limit`` must not cut, whatever the session is:
https://dev.mysql.com/doc/refman/9.7/en/server-system-variables.html#sysvar_sql_select_limit."""

# Refused logins, unknown databases, shutdowns, servers that are offline and broken connections
# (MySQL's error reference).
_UNAVAILABLE = {
    1042,
    1043,
    1045,
    1049,
    1053,
    1129,
    1130,
    1698,
    2002,
    2003,
    2006,
    2012,
    2013,
    2055,
    3032,
}
_READ_ONLY_DATABASE = 3989
_READ_ONLY = {1036, 1792, 1836, 1874, _READ_ONLY_DATABASE}  # a table, a transaction, a server, its engine that is
_PATIENCE_SECONDS = 15.0  # a request is answered within 29
_OVER = object()
_FULL = {1040, 1203, 1226}  # no more connections: to all, to this user, and of this account
_FAILED_AT_LOGIN = 1184
_OPTION = 1290  # which prevents the statement; the message names it
_NO_ROOM = {1021, 1114, 1878}
_TOO_MANY_STATEMENTS = 1461
_ENDED = {1317, 1969, 3024}  # killed, or beyond a limit of time
_SYNTAX = 1064
_DENIED = {1044, 1142, 1143, 1227, 1370, 1410}
_LOGIN_REFUSED = {1045, 1698}

# What the server says of a statement that is refused; nothing else of its message is passed on.
_REFUSED_COMMAND = re.compile(r"([A-Z ]+) command denied to user .* for (?:table|column) ")
_PREVENTED = re.compile(r"running with the (?:--)?([\w-]+)")
_OF_AN_ENGINE = re.compile(r"\(errno: 165\b")  # HA_ERR_TABLE_READONLY: so end INSERT and RENAME with innodb_read_only
_REFUSED_WITHOUT = re.compile(r"you need \(at least one of\) the ([A-Z_, ]+) privilege")


@dataclass(frozen=True, slots=True)
class Database:
    """One database (schema) on one server."""

    address: DatabaseAddress

    @property
    def name(self) -> str:
        return self.address.name

    @property
    def served(self) -> TableFilter:
        """The tables that may be read and written."""
        return self.address.served

    @contextmanager
    def connect(
        self, mode: Mode = Mode.STRICT, also: Mapping[str, Value] = NOTHING, patience: float = _PATIENCE_SECONDS
    ) -> Iterator[Connection]:
        """A connection whose session is as :mod:`tableferry.mysql.session` says, with ``also``, that is closed on leaving.

        A server that has none left is asked again with growing pauses, for so many seconds of ``patience``.

        Raises:
            TooManyConnections: it has none left all the while.
            ServerNotSupported: it is too old, or a proxy.
            SessionDiffers: the server makes no such session.
            DatabaseUnavailable: it cannot be had, broke inside the block, or has no room left.
            MissingPrivilege: a statement inside the block was refused.
            InUse: a lock was not to be had.
        """
        with translated(self.address):
            connection = self._opened(mode, also, patience)
            try:
                yield connection
            finally:
                if connection.open:
                    connection.close()

    def _opened(self, mode: Mode, also: Mapping[str, Value], patience: float) -> Connection:
        pauses = growing(patience)
        while True:
            try:
                return self._open(mode, also)
            except pymysql.err.OperationalError as error:
                if error_code(error) not in _FULL or next(pauses, _OVER) is _OVER:
                    raise

    def _open(self, mode: Mode, also: Mapping[str, Value]) -> Connection:
        def begin(connection: Connection) -> None:
            session.begin(connection, self.name, mode, also)

        used = login(self.address)
        try:
            return driver.log_in(self.address, used, begin)
        except pymysql.err.OperationalError as error:
            if error_code(error) not in _LOGIN_REFUSED or not refused(self.address, used):
                raise
        return driver.log_in(self.address, login(self.address), begin)  # rotated, or too old by now


def foreseen(error: Exception) -> bool:
    """Whether an error is about the server itself, the user or others who use it, and not about what a statement wants.

    ``translated`` says it in words.
    """
    known = _UNAVAILABLE | _FULL | _NO_ROOM | ROLLED_BACK | _ENDED | _DENIED
    others = {_FAILED_AT_LOGIN, _OPTION, _TOO_MANY_STATEMENTS}
    return isinstance(error, pymysql.err.InterfaceError) or error_code(error) in known | others or _read_only(error)


def why_refused(error: pymysql.err.MySQLError) -> str:
    """That the server refused a step, in its own words, but for those of a syntax error, which quote the statement."""
    code = error_code(error)
    words = f": {str(error.args[1]).rstrip('.')}" if len(error.args) > 1 and code != _SYNTAX else ""
    return f"The server refused a step of it (error {code}{words})."


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
        if code == _READ_ONLY_DATABASE:
            raise ReadOnlyServer(
                f"A database of the server {address.host}:{address.port} is read-only (error {code}): have an administrator "
                "set it to 0 (ALTER DATABASE … READ ONLY = 0), and try again."
            ) from error
        if _read_only(error):
            raise ReadOnlyServer(
                f"The database server {address.host}:{address.port} is read-only (error {code}): it is a replica, or was "
                "the writer until it failed over. Give Tableferry the address of the writer (an RDS cluster's own, not "
                "that of its readers), or try again when it takes writes."
            ) from error
        if code in _FULL:
            raise TooManyConnections(
                f"The database server {address.host}:{address.port} gives no more connections (error {code}): raise "
                "max_connections or the user's limit, let fewer files be loaded at once (LoadConcurrency), or try again."
            ) from error
        if code == _FAILED_AT_LOGIN:
            raise SessionDiffers(
                f"The database server {address.host}:{address.port} ended the connection (error {code}): look whether its "
                "init_connect is one that this user can run. Nothing was done."
            ) from error
        if code == _OPTION:
            raise DatabaseUnavailable(
                f"The database server {address.host}:{address.port} is set so that it cannot do this (error {code}: "
                f"{_option(error)}): look into its parameters."
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
        if code in ROLLED_BACK:
            raise InUse("What this needs stayed in use by other sessions. Try again when they are done.") from error
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


def _read_only(error: Exception) -> bool:
    """Whether the server takes no writes, or what a statement writes to does not."""
    code = error_code(error)
    if code == _OPTION:
        return "read" in _option(error)
    return code in _READ_ONLY or (len(error.args) > 1 and _OF_AN_ENGINE.search(str(error.args[1])) is not None)


def _missing(error: Exception) -> str:
    """The privilege that the server's message is about, as far as it says."""
    text = str(error.args[1]) if len(error.args) > 1 else ""
    found = _REFUSED_COMMAND.match(text) or _REFUSED_WITHOUT.search(text)
    return (
        f"the privilege {found[1].strip()}" if found else "a privilege on this database or on the schemas of restores"
    )


def _option(error: Exception) -> str:
    """The option that the server's message is about, as a variable's name."""
    text = str(error.args[1]) if len(error.args) > 1 else ""
    found = _PREVENTED.search(text)
    name = found[1].replace("-", "_") if found else "an option"
    return "enforce_storage_engine" if name == "NO_ENGINE_SUBSTITUTION" else name  # the latter we say ourselves


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


def all_rows(connection: Connection, sql: str, parameters: Sequence[object] = ()) -> list[Row]:
    """All rows of a small SELECT of which none may be missing: no other limit counts beside its own."""
    return rows(connection, sql + WHOLE, parameters)


def execute(connection: Connection, sql: str, parameters: Sequence[object] = ()) -> int:
    """Run a statement; the number of rows it touched."""
    with connection.cursor() as cursor:
        return int(cursor.execute(sql, tuple(parameters) or None))


def server_version(connection: Connection) -> str:
    """The server's version as it calls itself, such as ``10.11.19-MariaDB-log``."""
    raw: Any = connection  # the stubs have only a method without types
    return str(raw.get_server_info())


def dialect(connection: Connection) -> Dialect:
    """What the connection's server does otherwise than the other; told by its version, without asking it."""
    return dialect_of_version(server_version(connection))


def error_code(error: BaseException) -> int:
    """The server's number for an error of the driver's, 0 where there is none."""
    return error.args[0] if error.args and isinstance(error.args[0], int) else 0
