"""What the fixtures hand out: a database server, a database of its own for each test, and a bucket."""

import contextlib
import os
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import unquote, urlsplit

import pymysql
import pytest

from local.runtime import control
from local.runtime import database as embedded
from local.runtime.datadir import is_mariadb
from local.runtime.find_server import find_server
from local.runtime.state import State
from tableferry.mysql.database import Connection as Quick  # pymysql's own reads all certificates first, for 50 ms
from tools.matrix_results import NOT_APPLICABLE

if TYPE_CHECKING:
    Connection = pymysql.connections.Connection[pymysql.cursors.Cursor]

FORGETFUL = ("--innodb-flush-method=nosync",)
"""A server's options by which it waits for no disk. Killed, it loses nothing then, either; only the machine may not fall."""


def connect(url: str, **options: Any) -> "Connection":
    """A connection by `mysql://user:password@host:port/database`, committing by itself, for a test to look with.

    Without TLS if that will do: with it, MySQL and we work six times as long before the first statement.
    """
    parts = urlsplit(url)
    settings: dict[str, Any] = {
        "host": parts.hostname or "127.0.0.1",
        "port": parts.port or 3306,
        "user": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
        "database": unquote(parts.path.lstrip("/")) or None,
        "charset": "utf8mb4",
        "autocommit": True,
        "connect_timeout": 30,
        **options,
    }
    if not any(name.startswith("ssl") for name in options):
        # MySQL may want it, and sees a user's password by it the first time, which pymysql calls a lacking package.
        with contextlib.suppress(pymysql.err.OperationalError, RuntimeError):
            return Quick(ssl_disabled=True, **settings)
    return Quick(**settings)


def not_applicable(reason: str) -> NoReturn:
    """End a test whose server has no such type or feature. It is counted by its reason, apart from those skipped."""
    pytest.skip(NOT_APPLICABLE + reason)


def version_of(url: str) -> str:
    """What a server says of itself, such as `9.7.0` or `10.11.14-MariaDB`."""
    with contextlib.closing(connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT VERSION()")
        [(version,)] = cursor.fetchall()
    return str(version)


@dataclass(frozen=True)
class Database:
    """A fresh, empty database. ``url`` is the plain user's, with the rights that the documentation asks for."""

    name: str
    url: str
    admin_url: str

    @cached_property
    def mariadb(self) -> bool:
        """Whether the server is MariaDB, and not MySQL."""
        return "MariaDB" in version_of(self.url)

    def connect(self, **options: Any) -> "Connection":
        return connect(self.url, **options)

    def run(self, *statements: str) -> None:
        """Run statements one after the other, as the plain user."""
        with contextlib.closing(self.connect()) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """All rows of a query, as the plain user."""
        with contextlib.closing(self.connect()) as connection, connection.cursor() as cursor:
            cursor.execute(query, values or None)
            return list(cursor.fetchall())


@dataclass(frozen=True)
class Server:
    """The server of this test session: our own, or what DATABASE_URL names. ``url`` may create databases and users.

    ``alone`` is whether nobody else uses it, so that a test may set it otherwise for a while: our own, and a container's.
    """

    url: str
    own: embedded.Server | None = None
    alone: bool = False

    @cached_property
    def version(self) -> str:
        """What it says of itself."""
        return version_of(self.url)

    @property
    def mariadb(self) -> bool:
        """Whether it is MariaDB, and not MySQL."""
        return "MariaDB" in self.version

    @contextlib.contextmanager
    def database(self) -> Iterator[Database]:
        """A database for one test, dropped after it; so are the shadow schemas made meanwhile, if nobody else makes any."""
        name = f"test_{uuid.uuid4().hex[:12]}"
        with self._administrator() as cursor:
            before = _schemas(cursor)
            if self.own:
                embedded.create_database(self.own, name)
                url = self.own.url_of(name)
            else:
                password = uuid.uuid4().hex  # unlike all that an answer may show
                cursor.execute(f"CREATE DATABASE `{name}` CHARACTER SET utf8mb4")
                cursor.execute(f"CREATE USER '{name}'@'%' IDENTIFIED BY '{password}'")
                for statement in embedded.grants(name, f"'{name}'@'%'"):
                    cursor.execute(statement)
                place = urlsplit(self.url)
                url = f"mysql://{name}:{password}@{place.hostname}:{place.port or 3306}/{name}"
        try:
            yield Database(name, url, urlsplit(self.url)._replace(path=f"/{name}").geturl())
        finally:
            with self._administrator() as cursor:
                shadows = {made for made in _schemas(cursor) - before if made.startswith("tableferry_")}
                for schema in [name, *(shadows if self.alone else ())]:
                    cursor.execute(f"DROP DATABASE IF EXISTS `{schema}`")
                if not self.own:
                    cursor.execute(f"DROP USER '{name}'@'%'")
                else:  # a grant outlives its schema, and with those of a thousand tests each look at the user's takes long
                    cursor.execute(embedded.revocation(name))

    @contextlib.contextmanager
    def _administrator(self) -> "Iterator[pymysql.cursors.Cursor]":
        """One connection for all that a test's database begins or ends with: to log in takes longer than to do it."""
        with contextlib.closing(connect(self.url)) as connection, connection.cursor() as cursor:
            # A test that failed may have left a transaction open, which would hold the table until it is collected.
            cursor.execute("SET SESSION lock_wait_timeout = 20, foreign_key_checks = 0")  # of a restore half done
            yield cursor


def _schemas(cursor: "pymysql.cursors.Cursor") -> set[str]:
    cursor.execute("SHOW DATABASES")
    return {name for (name,) in cursor.fetchall()}


@contextlib.contextmanager
def any_server(state: State, url: str | None, alone: bool = False) -> Iterator[Server]:
    """The server that ``url`` names, or one of our own for as long as the block lasts."""
    if url:
        yield Server(urlsplit(url)._replace(path="/").geturl(), alone=alone)
        return
    program = find_server()
    options = (*FORGETFUL, *(("--debug-no-sync",) if program and is_mariadb(program) else ()))
    own = embedded.start(state, options=options)
    try:
        yield Server(own.url, own, alone=True)
    finally:
        own.stop()


@dataclass(frozen=True)
class Runtime:
    """A running local runtime. ``env`` is what `make up` writes for a shell: API_URL, S3_URL, BUCKET and the others."""

    state: State
    env: Mapping[str, str]

    def log(self, function: str) -> str:
        """All that a function of the template has written."""
        return (self.state.logs / f"{function}.log").read_text()


@contextlib.contextmanager
def running(
    state: State, template: Path = control.TEMPLATE, settings: Mapping[str, str] | None = None
) -> Iterator[Runtime]:
    """A runtime for as long as the block lasts."""
    environment = control.up(state, template, settings)
    try:
        yield Runtime(state, environment)
    finally:
        control.down(state)


def processes(state: State) -> list[int]:
    """Every process that has the state's lock open, found without asking the lock."""
    found = []
    for descriptors in Path("/proc").glob("[0-9]*/fd"):
        try:
            open_files = [str(one.readlink()) for one in descriptors.iterdir()]
        except OSError:
            continue
        if str(state.lock) in open_files:
            found.append(int(descriptors.parent.name))
    return found


def until(condition: Callable[[], bool], seconds: float = 30) -> bool:
    """Wait for something to become true; return whether it did."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


embedded_only = pytest.mark.skipif(find_server() is None, reason="needs a database server on this machine")


def clean_environment() -> dict[str, str]:
    """Take out of this process's environment what the functions read, so that no setting of the person's gets in."""
    names = [
        name
        for name in os.environ
        if name.startswith(("AWS_", "DATABASE_", "POWERTOOLS_", "SCALE"))
        or name in {"BUCKET", "SIGNING_KEY", "JOBS", "API_PORT", "TABLES", "TABLE_SETTINGS"}
        or name in {"OBJECT_LOCK_DAYS", "KEEP_OLD_DAYS", "LEDGER_DAYS", "LOCK_SECONDS"}
    ]
    return {name: os.environ.pop(name) for name in names}
