"""Coordinators, workers and writers in processes of their own, as functions are, which a test may kill or freeze.

As a program, with the path of a socket to listen on: it has all modules loaded but has run nothing yet, and forks for
each connection. That says first what the process is to be, is told its number, and then gives orders, one a line, each of
which is answered by one line. The process ends with the connection.
"""

import itertools
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import boto3
import pymysql
import pymysql.connections

from tableferry import pauses
from tableferry.backup import barrier, snapshot
from tableferry.backup.barrier import Bounds
from tableferry.config.settings import Settings
from tableferry.mysql.database import Database, rows
from tableferry.schema import catalog
from tableferry.storage import bucket
from tests.support.lambdas import Json
from tests.support.parts import connect, until

TABLES = ("giver", "taker", "log_a", "log_b")
ACCOUNTS, MONEY = 50, 1000
_IN_THE_WAY = (1205, 1213)
_SOON_SECONDS = 60

Seen = list[list[int]]
"""What a connection sees: the money in all, and of each writer its number, and of each log how many and the last."""


class Process:
    """A process that waits for orders."""

    def __init__(self, path: Path, environment: Mapping[str, str], at: str, how: int, mutation: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(_SOON_SECONDS)
        self._socket.connect(str(path))
        self._file = self._socket.makefile("rw")
        self.order(environment=dict(environment), at=at, how=how, mutation=mutation)
        self.pid: int = json.loads(self._file.readline())

    def order(self, **what: object) -> Self:
        self._file.write(json.dumps(what) + "\n")
        self._file.flush()
        return self

    def answer(self) -> Json | None:
        """What came of an order; None if the process was killed."""
        try:
            line = self._file.readline()
        except ConnectionError:
            line = ""
        return json.loads(line) if line else None

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def in_state(self, letters: str, seconds: float = _SOON_SECONDS) -> bool:
        """Wait until it is frozen (``T``), or gone (``X``)."""
        return until(lambda: _state(self.pid) in letters, seconds)

    def close(self) -> None:
        self._file.close()
        self._socket.close()


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "X"


class Functions:
    """The program, for as long as the block lasts; its processes end with it."""

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory()
        self._path = Path(self._folder.name) / "socket"
        self._made: list[Process] = []
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.barrier_process", str(self._path)], stdout=subprocess.DEVNULL
        )
        assert until(lambda: self._path.exists() or self._process.poll() is not None)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()
        self._process.terminate()
        self._process.wait(10)
        self._folder.cleanup()

    def process(self, at: str = "", how: int = signal.SIGKILL, mutation: str = "", **environment: str) -> Process:
        """A process in the environment of now, which gets the signal ``how`` at a point such as ``before put open``."""
        made = Process(self._path, {**os.environ, **environment}, at, how, mutation)
        self._made.append(made)
        return made

    def end(self) -> None:
        """End all processes."""
        for process in self._made:
            if _state(process.pid) not in "XZ":
                process.signal(signal.SIGKILL)
            process.close()
        self._made.clear()


def bounds(**seconds: float) -> dict[str, float]:
    """Bounds as an order has them."""
    return {"gathering": 30.0, "lock_wait": 3, "lock_held": 3.0, "wait_timeout": 5, **seconds}


POINTS = ("put ready", "sql LOCK", "put locked", "sql START", "put open", "sql UNLOCK", "put moment")


def _signal_at(point: str, how: int) -> None:
    """Have this process get a signal before or after it first does something."""
    when, _, what = point.partition(" ")
    reached: list[str] = []

    def here(now: str, did: str) -> None:
        if now == when and did.startswith(what) and not reached:
            reached.append(did)
            os.kill(os.getpid(), how)

    query, put = pymysql.connections.Connection.query, bucket.Store.put

    def watched_query(self: Any, sql: Any, unbuffered: bool = False) -> int:
        here("before", f"sql {sql}")
        result = query(self, sql, unbuffered)
        here("after", f"sql {sql}")
        return result

    def watched_put(self: bucket.Store, key: str, *given: Any, **options: Any) -> str:
        did = f"put {'/'.join(key.split('/')[3:])}"
        here("before", did)
        result = put(self, key, *given, **options)
        here("after", did)
        return result

    pymysql.connections.Connection.query = watched_query  # type: ignore[method-assign]
    bucket.Store.put = watched_put  # type: ignore[method-assign]


def _without_the_lock() -> None:
    """The mutation that the tests have to see: workers do not wait for the lock."""
    vars(barrier)["_see_locked"] = lambda *_: None


def _without_a_lock() -> None:
    """Another one: the coordinator locks nothing."""
    vars(snapshot)["_lock"] = lambda *_: None


def _without_the_proof() -> None:
    """And another: the coordinator says ``released`` whatever became of its lock.

    Nor does its clock go on while it is frozen, as a machine's that is suspended.
    """
    pauses.clock = time.process_time
    real = vars(snapshot)["execute"]

    def execute(connection: Any, sql: str, *given: Any) -> int:
        try:
            return int(real(connection, sql, *given))
        except pymysql.err.MySQLError:
            if sql != "UNLOCK TABLES":
                raise
            return 0

    vars(snapshot)["execute"] = execute


def _elsewhere() -> None:
    """A name that stands for several servers has led this process to another one."""
    vars(snapshot)["server_of"] = lambda _: "another/3306/2"


_MUTATIONS = {
    "": lambda: None,
    "workers": _without_the_lock,
    "lock": _without_a_lock,
    "proof": _without_the_proof,
    "elsewhere": _elsewhere,
}


def seen_by(connection: Any) -> Seen:
    """What a connection sees of what the writers do."""
    [(money,)] = rows(connection, "SELECT (SELECT SUM(money) FROM giver) + (SELECT SUM(money) FROM taker)")
    seen = [[int(money)]]
    for log in ("log_a", "log_b"):
        found = rows(connection, f"SELECT writer, COUNT(*), MAX(number) FROM {log} GROUP BY writer ORDER BY writer")
        seen.append([int(value) for row in found for value in row])
    return seen


def _hold(database: Database, store: bucket.Store, tables: Any, order: Json) -> Json:
    limits = Bounds(**order["bounds"])
    return {"position": barrier.hold(database, store, order["place"], tables, order["workers"], limits)}


def _join(database: Database, store: bucket.Store, tables: Any, order: Json) -> Json:
    number, connections = order["number"], order["connections"]
    with barrier.join(
        database, store, order["place"], number, tables, connections, Bounds(**order["bounds"])
    ) as opened:
        return {"seen": [seen_by(one) for one in opened.connections], "position": opened.position}


def _write(listening: socket.socket, file: Any, order: Json) -> Json:
    """Move money, a numbered transaction at a time, until there is a word; tells how many, and how long one took at most."""
    writer, longest, done = order["writer"], 0.0, 0
    with closing(connect(os.environ["DATABASE_URL"], autocommit=False)) as connection, connection.cursor() as cursor:
        for step in itertools.count(order.get("first", 1)):
            begun = time.monotonic()
            while True:
                try:
                    account, amount = (step * 7 + writer) % ACCOUNTS, step % 97 - 48
                    cursor.execute("INSERT INTO log_a VALUES (%s, %s)", (writer, step))
                    cursor.execute("UPDATE giver SET money = money - %s WHERE id = %s", (amount, account))
                    cursor.execute("UPDATE taker SET money = money + %s WHERE id = %s", (amount, account))
                    cursor.execute("INSERT INTO log_b VALUES (%s, %s)", (writer, step))
                    connection.commit()
                    break
                except pymysql.err.OperationalError as error:
                    if error.args[0] not in _IN_THE_WAY:
                        raise
                    connection.rollback()
            longest, done = max(longest, time.monotonic() - begun), step
            if select.select([listening], [], [], 0.001)[0]:
                break
    file.readline()
    return {"done": done, "longest": longest}


def _serve(listening: socket.socket) -> None:
    file: Any = listening.makefile("rw")
    setup = json.loads(file.readline())
    os.environ.clear()
    os.environ.update(setup["environment"])
    boto3.setup_default_session()
    _MUTATIONS[setup["mutation"]]()
    if setup["at"]:
        _signal_at(setup["at"], setup["how"])
    _say(file, os.getpid())
    settings = Settings.from_env()
    database = Database(settings.database)
    store = bucket.open_store(settings.bucket, settings.signing_keys)
    tables: Sequence[Any] = ()
    for line in file:
        order = json.loads(line)
        try:
            if order["do"] == "write":
                _say(file, _write(listening, file, order))
                continue
            if not tables:
                with database.connect() as connection:
                    tables = catalog.describe_all(connection, database, TABLES)
            begun = time.monotonic()
            done = (_hold if order["do"] == "hold" else _join)(database, store, tables, order)
            _say(file, {**done, "seconds": time.monotonic() - begun})
        except Exception as error:
            _say(file, {"error": type(error).__name__, "why": getattr(error, "why", ""), "text": str(error)})


def _say(file: Any, what: object) -> None:
    file.write(json.dumps(what) + "\n")
    file.flush()


def main() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody asks what became of them
    with socket.socket(socket.AF_UNIX) as listener:
        path = Path(sys.argv[1])
        listener.bind(str(path.with_suffix(".new")))
        listener.listen(50)
        path.with_suffix(".new").rename(path)
        while True:
            connection, _ = listener.accept()
            if os.fork():
                connection.close()
                continue
            listener.close()
            failed = 1
            try:
                _serve(connection)
                failed = 0
            finally:
                os._exit(failed)


if __name__ == "__main__":
    main()
