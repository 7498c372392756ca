"""Barriers of processes over tables that writers change all the while, and what has to be true of each."""

import itertools
import json
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from tableferry.storage import object_keys, signed_object
from tableferry.storage.bucket import Store
from tests.support import verbs
from tests.support.barrier_process import ACCOUNTS, MONEY, Functions, Process, Seen, bounds
from tests.support.lambdas import Json
from tests.support.parts import Database

WORKERS, CONNECTIONS, WRITERS = 8, 2, 3


def make_tables(database: Database) -> None:
    """Two accounts' tables that money moves between, and two logs of which transaction moved it."""
    for table in ("giver", "taker"):
        verbs.run(database, f"CREATE TABLE {table} (id INT PRIMARY KEY, money BIGINT NOT NULL)")
        verbs.fill(database, table, [(number, MONEY) for number in range(ACCOUNTS)])
    for log in ("log_a", "log_b"):
        verbs.run(database, f"CREATE TABLE {log} (writer INT, number INT, PRIMARY KEY (writer, number))")


@dataclass
class Written:
    """What the writers did: transactions in all, and the longest that one took, in seconds."""

    transactions: int = 0
    longest: float = 0.0


@contextmanager
def writing(functions: Functions, first: int = 1, writers: int = WRITERS) -> Iterator[Written]:
    """Writers that move money for as long as the block lasts; what they did is known when it has ended."""
    written = Written()
    processes = [functions.process().order(do="write", writer=number, first=first) for number in range(writers)]
    try:
        yield written
    finally:
        for process in processes:
            process.order(do="stop")
        answers = [process.answer() for process in processes]
        for answer in answers:
            assert answer is not None
            assert "error" not in answer, answer
            written.transactions += answer["done"] - first + 1
            written.longest = max(written.longest, answer["longest"])


@dataclass
class Try:
    """A try: its processes, and what came of each; None of those that were killed."""

    store: Store
    place: str
    limits: dict[str, float]
    coordinator: Process
    workers: list[Process]
    held: Json | None = None
    joined: list[Json | None] = field(default_factory=list)

    def begin(self, workers: int | None = None, connections: int = CONNECTIONS) -> "Try":
        said = {"place": self.place, "bounds": self.limits}
        for number, process in enumerate(self.workers):
            process.order(do="join", number=number, connections=connections, **said)
        self.coordinator.order(do="hold", workers=workers or len(self.workers), **said)
        return self

    def end(self) -> "Try":
        self.held = self.coordinator.answer()
        self.joined = [process.answer() for process in self.workers]
        return self

    @property
    def seen(self) -> list[Seen]:
        """What each connection saw of those workers that saw anything."""
        return [seen for joined in self.joined if joined and "seen" in joined for seen in joined["seen"]]

    @property
    def moment(self) -> Json | None:
        """What stands in the bucket."""
        key = object_keys.work_moment(self.place)
        found = list(self.store.list(key))
        return signed_object.get(self.store, key).content if found else None

    @property
    def one_moment(self) -> bool:
        """Whether all connections saw the same transactions."""
        return len({json.dumps(seen) for seen in self.seen}) == 1

    def reasons(self) -> set[str]:
        """Why there was no moment, as all those said who said anything."""
        return {one["why"] or one["error"] for one in (self.held, *self.joined) if one and "error" in one}


def of_one_moment(tried: Try) -> bool:
    """Whether what was seen is a prefix of the writers' transactions, and the same for all."""
    for money, log_a, log_b in tried.seen:
        assert money == [2 * MONEY * ACCOUNTS]
        assert log_a == log_b
        assert log_a[1::3] == log_a[2::3]  # so many, and the last of them
    return tried.one_moment


def one_moment_or_none(tried: Try) -> bool:
    """Whether there was one; fails if there were several, or if it is not known whether there was one."""
    moment = tried.moment
    if not tried.seen:
        assert moment is None or moment["state"] == "aborted" or tried.held is None or "error" not in tried.held
        return False
    assert moment is not None
    assert moment["state"] == "released"
    assert of_one_moment(tried), tried.seen
    assert all(one["position"] == moment["position"] for one in tried.joined if one and "seen" in one)
    return True


_numbers = itertools.count(1)


def new_try(
    functions: Functions,
    coordinator: Process | None = None,
    workers: Sequence[Process] | int = WORKERS,
    **limits: float,
) -> Try:
    """A try in a place of its own, with processes that have nothing the matter where none are given."""
    place = object_keys.work("20261128T120000Z-1a2b3c4d", f"{next(_numbers):06x}")
    made = [functions.process() for _ in range(workers)] if isinstance(workers, int) else list(workers)
    return Try(verbs.store(), place, bounds(**limits), coordinator or functions.process(), made)


def wait_for(condition: Callable[[], bool], seconds: float) -> None:
    """Wait as precisely as a test of bounds needs it."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


def thaw(process: Process, seconds: float) -> None:
    """Let a process that has frozen itself go on after so many seconds."""
    assert process.in_state("T")
    time.sleep(seconds)
    process.signal(signal.SIGCONT)
