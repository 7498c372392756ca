"""The database that the benchmark writes to: always one of its own making, for it empties tables and fills disks.

DATABASE_URL names the user's own data and is never used. MARIADB_URL and MYSQL_URL name servers, each with a user who may
create databases and users, as for `make test-matrix`; the benchmark makes a database there and drops it.
"""

import os
import secrets
from collections.abc import Iterator
from contextlib import closing, contextmanager
from urllib.parse import unquote, urlsplit

import pymysql

from local.demo.sample import COLUMNS, SOURCES, Connection
from local.docker import mysql_container
from local.runtime import database
from local.runtime.process import StartError
from local.sam import engine
from tools.matrix_results import known_as

KINDS = ("mariadb", "mysql")
_OURS = {*COLUMNS, "tableferry_epochs", "tableferry_ledger"}
_NO_MYSQL = (
    "no Docker engine answers here to run MySQL in, and MYSQL_URL names no server. Start Docker, or name one: "
    "`make bench SERVERS=mysql MYSQL_URL=mysql://root:password@host:3306/`"
)
_FACTS = ("innodb_buffer_pool_size", "{log}", "innodb_flush_log_at_trx_commit", "sync_binlog", "log_bin")


# Else what is measured is how a server with little memory and a short log waits for its disk.
_TUNED = {
    "mariadb": ("innodb_buffer_pool_size = 1073741824", "innodb_log_file_size = 2147483648"),
    "mysql": ("innodb_buffer_pool_size = 1073741824", "innodb_redo_log_capacity = 2147483648"),
}


def tune(kind: str, administrator: str) -> None:
    """Give a server that the benchmark has started the memory and the log of a middling one."""
    run(administrator, *(f"SET GLOBAL {setting}" for setting in _TUNED[kind]))


@contextmanager
def database_on(kind: str) -> Iterator[str | None]:
    """The URL of a fresh database on a server of this kind; None for the embedded server, which makes its own.

    Raises StartError.
    """
    with administrator_on(kind) as administrator:
        if administrator is None:
            yield None
            return
        with fresh(administrator) as url:
            yield url


@contextmanager
def administrator_on(kind: str) -> Iterator[str | None]:
    """The URL of a server's administrator; None for the embedded server, which is still to be started.

    Without a URL in the environment, MySQL runs in a container with the embedded server's options. Raises StartError.
    """
    if (given := named(kind)) is not None:
        database.check(given, variable=f"{kind.upper()}_URL")
        yield given
    elif kind == "mariadb":
        yield None
    elif not engine.answers():
        raise StartError(_NO_MYSQL)
    else:
        with mysql_container.running(1) as [administrator]:
            tune(kind, administrator)
            yield administrator


def named(kind: str) -> str | None:
    """The server of this kind that the environment names: somebody's, of which no more is changed than has to be."""
    urls = os.environ.get(f"{kind.upper()}_URL", "").split()
    return urls[0] if urls else None


@contextmanager
def fresh(administrator: str) -> Iterator[str]:
    """A new database with a user who has the rights of `sources/grants.sql`: its URL. Both are gone afterwards."""
    name, password = f"bench_{secrets.token_hex(6)}", secrets.token_hex(16)
    place = urlsplit(administrator)
    user = f"'{name}'@'%'"
    run(administrator, f"CREATE DATABASE `{name}` CHARACTER SET utf8mb4")
    try:
        run(administrator, f"CREATE USER {user} IDENTIFIED BY '{password}'", *database.grants(name, user))
        yield f"mysql://{name}:{password}@{place.hostname}:{place.port or 3306}/{name}"
    finally:
        run(administrator, f"DROP DATABASE `{name}`", f"DROP USER IF EXISTS {user}")


def claim(connection: Connection) -> None:
    """Make the sample's tables in the benchmark's database.

    Raises:
        StartError: there are other tables, or rows: then it is somebody's, and nothing has been changed.
    """
    with connection.cursor() as cursor:
        cursor.execute("SHOW TABLES")
        there = {name for (name,) in cursor.fetchall()}
        full = [table for table in sorted(there & set(COLUMNS)) if cursor.execute(f"SELECT 1 FROM `{table}` LIMIT 1")]
        if found := [*sorted(there - _OURS), *full]:
            message = (
                "the benchmark empties and fills its tables, and its database has to be its own; "
                f"this one holds {', '.join(found)}"
            )
            raise StartError(message)
        for statement in database.split_statements((SOURCES / "schema.sql").read_text(encoding="utf-8")):
            cursor.execute(statement)


def described(connection: Connection) -> str:
    """The server's name and version, and the settings that decide how fast it writes."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT @@version")
        [(version,)] = cursor.fetchall()
        log = "innodb_log_file_size" if "mariadb" in version.lower() else "innodb_redo_log_capacity"
        names = [name.format(log=log) for name in _FACTS]
        cursor.execute(f"SELECT {', '.join('@@' + name for name in names)}")
        [values] = cursor.fetchall()
    settings = ", ".join(f"{name} {value}" for name, value in zip(names, values, strict=True))
    return f"{known_as(version)} ({settings})"


def connected(administrator: str) -> Connection:
    """A connection as a server's administrator, in autocommit and in no database."""
    place = urlsplit(administrator)
    return pymysql.connect(
        host=place.hostname or "127.0.0.1",
        port=place.port or 3306,
        user=unquote(place.username or ""),
        password=unquote(place.password or ""),
        autocommit=True,
    )


def run(administrator: str, *statements: str) -> None:
    """Statements one after the other, as a server's administrator."""
    with closing(connected(administrator)) as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
