"""`python -m tools.matrix [mariadb] [mysql] [-- pytest's arguments]`: the tests that need a database, on each server.

MARIADB_URL and MYSQL_URL name servers, each with a user who may create databases and users; several URLs of one kind,
with spaces between them, are worked with at once. Without the one it is the embedded server, as `make test` uses it;
without the other, MySQL in containers of ours. No two tests share a server at once: they look at all that is on it.

MySQL is the second server, `make test` being on MariaDB: it gets a part of the tests for which both are the same, other
ones by each TURN (see tests/effort.py). Tests that are named, and THOROUGH=1, get all.
"""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from urllib.parse import unquote, urlsplit

import pymysql
from rich.console import Console
from rich.table import Table

from local.docker import mysql_container
from local.runtime import database
from local.runtime.find_server import find_server
from local.runtime.process import StartError
from local.runtime.state import ROOT, State
from local.sam import engine
from tools import matrix_results
from tools.matrix_results import Outcome
from tools.workers import workers

SERVERS = {"mariadb": "MariaDB", "mysql": "MySQL"}
NO_MYSQL = (
    "no Docker engine answers here to run MySQL in, and MYSQL_URL names no server. Start Docker, or name one: "
    "`make test-matrix MYSQL_URL=mysql://root:password@host:3306/`, or leave MySQL out: `make test-matrix SERVERS=mariadb`"
)


@dataclass(frozen=True)
class Server:
    """A server to test with, and where it is from. ``urls`` are administrators'; without any the tests start it.

    ``alone`` is whether it is for the tests only, which then may set it otherwise for a while.
    """

    name: str
    origin: str
    urls: Sequence[str]
    alone: bool = False


def main(arguments: Sequence[str]) -> int:
    """Run the tests on the servers named, or on all; return the exit status: 0 if nothing failed on any."""
    place = [*arguments, "--"].index("--")
    kinds, more = arguments[:place], arguments[place + 1 :]
    if unknown := set(kinds) - set(SERVERS):
        print(f"Tableferry: SERVERS may be {' and '.join(SERVERS)}, not {' '.join(sorted(unknown))}", file=sys.stderr)
        return 2
    try:
        with contextlib.ExitStack() as stack:
            # All first: what is missing is said before minutes of tests.
            servers = [stack.enter_context(_server(kind)) for kind in kinds or SERVERS]
            rows = [(f"{server.name} ({server.origin})", *_tested(server, more)) for server in servers]
    except StartError as error:
        print(f"Tableferry: {error}", file=sys.stderr)
        return 1
    report(rows, Console())
    return 0 if all(outcome.good for _, outcome, _ in rows) else 1


def report(rows: Sequence[tuple[str, Outcome, float]], console: Console) -> None:
    """The table: a line for each server, with what came of its tests, and their seconds."""
    table = Table(title="The tests that need a database server", title_justify="left")
    table.add_column("server")
    for column in ("passed", "failed", "not applicable", "skipped", "seconds"):
        table.add_column(column, justify="right")
    for name, one, seconds in rows:
        counts = [str(count) for count in (one.passed, one.failed, one.not_applicable, one.skipped)]
        table.add_row(f"{name}: {one.wrong}" if one.wrong else name, *counts, f"{seconds:.0f}")
    console.print(table)


def environment(server: Server, more: Sequence[str]) -> dict[str, str]:
    """What pytest is given for a server, and for what was asked for of the tests, if anything."""
    given = {name: value for name, value in os.environ.items() if not name.startswith("DATABASE_")}
    if server.urls:
        given["DATABASE_URL"] = " ".join(server.urls)
    if server.alone:
        given["DATABASE_ALONE"] = "yes"
    if server.name.startswith(SERVERS["mysql"]) and not more:
        given["SECOND_SERVER"] = "1"
    return given


@contextlib.contextmanager
def _server(kind: str) -> Iterator[Server]:
    """The server of a kind, looked at: a URL that names one of the other kind would prove nothing."""
    variable = f"{kind.upper()}_URL"
    if urls := os.environ.get(variable, "").split():
        for url in urls:
            database.check(url, variable=variable)
        yield _named(kind, _version(urls[0]), variable, urls)
    elif kind == "mariadb":
        program = find_server()
        if program is None:
            message = f"no mariadbd is on this machine; `make setup` installs one, or {variable} names a server"
            raise StartError(message)
        said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
        yield _named(kind, "".join(re.findall(r"Ver (\S+)", said)), "embedded", ())
    elif not engine.answers():
        raise StartError(NO_MYSQL)
    else:
        with mysql_container.running(workers()) as made:
            yield replace(_named(kind, _version(made[0]), mysql_container.image(), made), alone=True)


def _named(kind: str, version: str, origin: str, urls: Sequence[str]) -> Server:
    name = matrix_results.known_as(version)
    if not name.startswith(SERVERS[kind]):
        message = f"{SERVERS[kind]} was to be tested, and {origin} is {name}; {kind.upper()}_URL has to name one"
        raise StartError(message)
    return Server(name, origin, urls)


def _version(url: str) -> str:
    parts = urlsplit(url)
    with pymysql.connect(
        host=parts.hostname or "127.0.0.1",
        port=parts.port or 3306,
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
    ) as connection:
        return str(connection.get_server_info())  # type: ignore[no-untyped-call]


def _tested(server: Server, more: Sequence[str]) -> tuple[Outcome, float]:
    """What came of the tests, and their seconds."""
    print(f"== {server.name}", flush=True)
    file = State.from_env().folder / f"matrix-{server.name.partition(' ')[0].lower()}.xml"
    file.parent.mkdir(exist_ok=True, parents=True)
    file.unlink(missing_ok=True)
    command = [sys.executable, "-m", "pytest", "-m", "database", "-n", str(len(server.urls) or "auto")]
    command += ["--dist", "loadfile", "--no-loadscope-reorder"]
    command += [f"--junitxml={file}", *more]
    given = environment(server, more)
    began = time.monotonic()
    process = subprocess.Popen(command, cwd=ROOT, env=given)
    try:
        status = process.wait()
    except BaseException:
        process.terminate()  # it stops what it has started
        process.wait()
        raise
    return matrix_results.outcome(file, status, server.name), time.monotonic() - began


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # else what was started would stay
    sys.exit(main(sys.argv[1:]))
