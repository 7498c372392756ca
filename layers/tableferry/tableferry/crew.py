"""Connections to build tables with, and the threads that use them."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import ParamSpec, TypeVar

from tableferry.database import Connection, Database, Mode, execute, is_mariadb

_THREADS = 2  # a connection: one prepares what the other one's server is busy with

P = ParamSpec("P")
T = TypeVar("T")


class Crew:
    """Jobs in the order in which they are given, each with a connection of its own for as long as it wants one."""

    def __init__(self, pool: ThreadPoolExecutor, free: queue.SimpleQueue[Connection]) -> None:
        self._pool = pool
        self._free = free

    def submit(self, job: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        return self._pool.submit(job, *args, **kwargs)

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """One of the connections, when one is free."""
        connection = self._free.get()
        try:
            yield connection
        finally:
            self._free.put(connection)


@contextmanager
def crew(database: Database, workers: int) -> Iterator[Crew]:
    """A crew with so many connections, and twice as many threads; what waits is given up after an error.

    Checks are off on the connections: what was in a table may come back into it.
    """
    free: queue.SimpleQueue[Connection] = queue.SimpleQueue()
    with ExitStack() as stack:
        for _ in range(workers):
            connection = stack.enter_context(database.connect(Mode.FAITHFUL))
            # With both of the first two off, MariaDB would insert in bulk: slower, as rows come in key order anyway,
            # and without an end for a row as long as its log.
            off = "check_constraint_checks" if is_mariadb(connection) else "unique_checks"
            execute(connection, f"SET SESSION foreign_key_checks = 0, {off} = 0")
            free.put(connection)
        pool = ThreadPoolExecutor(workers * _THREADS, thread_name_prefix="crew")
        try:
            yield Crew(pool, free)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
