"""Connections, and the threads that use them."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import ParamSpec, TypeVar

from tableferry.mysql.database import Connection, Database
from tableferry.mysql.session import BUILDING, Mode

_THREADS = 2  # a connection: one prepares what the other one's server is busy with

P = ParamSpec("P")
T = TypeVar("T")


class WorkerPool:
    """Jobs in the order in which they are given, each with a connection of its own for as long as it wants one."""

    def __init__(self, executor: ThreadPoolExecutor, free: queue.SimpleQueue[Connection]) -> None:
        self._executor = executor
        self._free = free
        self._failed: BaseException | None = None

    def submit(self, job: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        return self._executor.submit(job, *args, **kwargs)

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """One of the connections, when one is free.

        Once a job has failed with one, which may be broken since, or hold half a result, that error is raised instead:
        what would follow from it is not the cause.
        """
        connection = self._free.get()
        try:
            if self._failed:
                raise self._failed
            yield connection
        except BaseException as error:
            self._failed = self._failed or error
            raise
        finally:
            self._free.put(connection)


@contextmanager
def pool_of(connections: Sequence[Connection], threads: int) -> Iterator[WorkerPool]:
    """A worker pool with these connections; when it is left, its threads have ended, and what waited is given up."""
    free: queue.SimpleQueue[Connection] = queue.SimpleQueue()
    for connection in connections:
        free.put(connection)
    executor = ThreadPoolExecutor(threads, thread_name_prefix="worker_pool")
    try:
        yield WorkerPool(executor, free)
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


@contextmanager
def worker_pool(database: Database, workers: int) -> Iterator[WorkerPool]:
    """A worker pool that fills tables, with so many connections and twice as many threads.

    Checks are off on the connections, as what was in a table may come back into it.
    """
    with ExitStack() as stack:
        connections = [stack.enter_context(database.connect(Mode.FAITHFUL, BUILDING)) for _ in range(workers)]
        yield stack.enter_context(pool_of(connections, workers * _THREADS))
