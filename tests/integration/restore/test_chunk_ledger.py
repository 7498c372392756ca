"""Objects of a backup into tables by several processes that are killed, frozen and done twice: each object comes once.

The tables have no key, so that nothing else keeps rows from coming twice.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pymysql
import pytest

from tableferry.errors import Conflict
from tableferry.manifest import manifest
from tableferry.manifest.leaves import objects_of
from tableferry.mysql.database import Database as Target
from tableferry.mysql.session import Mode
from tableferry.restore.build import chunk_ledger
from tableferry.restore.build.chunk_ledger import ChunkLedger
from tests.effort import effort, in_ci, sample
from tests.support import fill_process, verbs
from tests.support.parts import Database, until

ROWS = 3000


@dataclass(frozen=True)
class Filling:
    """A shadow schema with a table to be filled from a backup, and its ledger."""

    database: Database
    backup: str
    schema: str
    ledger: ChunkLedger

    def start(self, *how: str) -> "subprocess.Popen[str]":
        """A process that fills it; ``how`` is where it kills or stops itself."""
        words = [self.backup, self.schema, self.ledger.attempt, *how]
        return subprocess.Popen(
            [sys.executable, "-m", "tests.support.fill_process", *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, *how: str) -> int:
        process = self.start(*how)
        process.communicate(timeout=120)
        return process.returncode

    def content(self) -> list[tuple[object, ...]]:
        return self.database.rows(f"SELECT a, b FROM `{self.schema}`.keyless ORDER BY a, b")

    def noted(self) -> int:
        [(count,)] = self.database.rows(f"SELECT COUNT(*) FROM {self.ledger.sql}")
        return int(count)


@pytest.fixture
def filling(database: Database, bucket: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Filling]]:
    monkeypatch.setenv("CHUNK_BYTES", "1024")
    values = ", ".join(f"({n % 7}, '{n:0>20}')" for n in range(ROWS))
    database.run("CREATE TABLE keyless (a INT, b VARCHAR(40))", f"INSERT INTO keyless VALUES {values}")
    made = verbs.backup("keyless")
    assert len(verbs.objects(made)) > 20
    number = 0
    schemas = []

    def begun() -> Filling:
        nonlocal number
        number += 1
        schema = f"tableferry_{database.name}_{number}"
        schemas.append(schema)
        database.run(f"CREATE DATABASE {schema}", f"CREATE TABLE {schema}.keyless LIKE keyless")
        ledger = ChunkLedger(schema, "0a1b2c")
        with Target(fill_process.address(database.url)).connect(Mode.FAITHFUL) as connection:
            ledger.create(connection)
        return Filling(database, made["id"], schema, ledger)

    yield begun
    for schema in schemas:
        database.run(f"DROP DATABASE IF EXISTS {schema}")


@pytest.fixture
def rows(database: Database) -> Callable[[], list[tuple[object, ...]]]:
    return lambda: database.rows("SELECT a, b FROM keyless ORDER BY a, b")


def test_two_that_load_the_same_objects_at_once_bring_each_of_them_once(
    filling: Callable[[], Filling], rows: Callable[[], list[tuple[object, ...]]]
) -> None:
    begun = filling()
    both = [begun.start() for _ in range(2)]
    for process in both:
        process.communicate(timeout=120)
    assert [process.returncode for process in both] == [0, 0]
    assert begun.content() == rows()


@pytest.mark.timeout(effort(120, 1800))
@sample(1)
@pytest.mark.parametrize("point", ["before", "noted", "loaded", "committed"])
def test_one_that_is_killed_around_a_transaction_is_followed_by_one_that_brings_the_rest(
    filling: Callable[[], Filling], rows: Callable[[], list[tuple[object, ...]]], point: str
) -> None:
    for number in range(1, effort(1, 20) + 1):
        begun = filling()
        beside = begun.start()  # which has the same to do
        assert begun.run(point, str(3 * number)) in (-signal.SIGKILL, 0)
        beside.communicate(timeout=120)
        assert beside.returncode == 0
        assert begun.run() == 0
        assert begun.content() == rows()


@in_ci
def test_one_that_was_killed_has_left_whole_objects(filling: Callable[[], Filling]) -> None:
    begun = filling()
    assert begun.run("loaded", "7") == -signal.SIGKILL
    until(lambda: begun.noted() <= 7)
    source = manifest.read(verbs.store(), begun.backup, verbs.store().keys)
    store = verbs.store()
    sizes = [file.rows for table in source.tables for file in objects_of(store, source, table)]
    assert 0 < len(begun.content()) <= 7 * max(sizes)
    assert len(begun.content()) < ROWS


@in_ci
def test_one_that_is_frozen_in_a_transaction_is_waited_for_no_longer_than_its_session_may_be_silent(
    filling: Callable[[], Filling],
    rows: Callable[[], list[tuple[object, ...]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And when it goes on, it brings nothing twice."""
    monkeypatch.setenv("TEST_SILENT_SECONDS", "2")
    begun = filling()
    ghost = begun.start("stop", "5")
    _, status = os.waitpid(ghost.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)
    since = time.monotonic()
    assert begun.run() == 0
    assert time.monotonic() - since < 60
    assert begun.content() == rows()
    os.kill(ghost.pid, signal.SIGCONT)
    with contextlib.suppress(ChildProcessError):
        ghost.communicate(timeout=60)
    assert begun.content() == rows()


def test_one_whose_ledger_is_gone_writes_nothing_into_a_table_that_is_still_there(
    filling: Callable[[], Filling],
) -> None:
    begun = filling()
    ghost = begun.start("wait", "4")
    assert ghost.stdout
    assert ghost.stdout.readline() == "waiting\n"
    until(lambda: begun.noted() == 3)
    before = begun.content()
    with Target(fill_process.address(begun.database.url)).connect(Mode.FAITHFUL) as connection:
        begun.ledger.drop(connection)
    ghost.communicate("go on\n", timeout=60)
    assert ghost.returncode == 3  # Conflict: the try is over
    assert begun.content() == before


def test_a_commit_that_nobody_heard_of_is_found(filling: Callable[[], Filling]) -> None:
    begun = filling()
    target = Target(fill_process.address(begun.database.url))
    with target.connect(Mode.FAITHFUL) as connection, target.connect(Mode.FAITHFUL) as other:
        assert begun.ledger.once(connection, "backups/x/y/1.parquet", lambda: None)
        assert not begun.ledger.once(other, "backups/x/y/1.parquet", pytest.fail)
        assert begun.ledger.done(other, ["backups/x/y/1.parquet", "another"]) == {"backups/x/y/1.parquet"}
        assert begun.ledger.count(other) == 1


def test_work_that_fails_is_not_noted(filling: Callable[[], Filling]) -> None:
    begun = filling()

    def fails() -> None:
        raise ZeroDivisionError

    with Target(fill_process.address(begun.database.url)).connect(Mode.FAITHFUL) as connection:
        with pytest.raises(ZeroDivisionError):
            begun.ledger.once(connection, "a", fails)
        assert begun.ledger.count(connection) == 0


def test_a_ledger_that_is_gone_says_that_the_try_is_over(filling: Callable[[], Filling]) -> None:
    begun = filling()
    with Target(fill_process.address(begun.database.url)).connect(Mode.FAITHFUL) as connection:
        begun.ledger.drop(connection)
        begun.ledger.drop(connection)
        for call in (
            lambda: begun.ledger.once(connection, "a", pytest.fail),
            lambda: begun.ledger.done(connection, ["a"]),
            lambda: begun.ledger.count(connection),
        ):
            with pytest.raises(Conflict, match="over"):
                call()


def test_a_transaction_that_meets_a_deadlock_is_done_again_with_its_note(filling: Callable[[], Filling]) -> None:
    begun = filling()
    tries = []

    def deadlocks_once() -> None:
        tries.append(1)
        if len(tries) == 1:
            raise pymysql.err.OperationalError(1213, "Deadlock found")

    with Target(fill_process.address(begun.database.url)).connect(Mode.FAITHFUL) as connection:
        assert begun.ledger.once(connection, "a", deadlocks_once)
        assert begun.ledger.count(connection) == 1
    assert len(tries) == 2


def test_many_at_once_do_one_thing_once(filling: Callable[[], Filling]) -> None:
    begun = filling()
    target = Target(fill_process.address(begun.database.url))
    together = threading.Barrier(6)
    done = []

    def one(_: int) -> int:
        with target.connect(Mode.FAITHFUL, chunk_ledger.filling()) as connection:
            together.wait()
            return sum(begun.ledger.once(connection, str(name), lambda: done.append(1)) for name in range(10))

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(one, range(6))) == 10
    with target.connect(Mode.FAITHFUL) as connection:
        assert begun.ledger.count(connection) == 10
