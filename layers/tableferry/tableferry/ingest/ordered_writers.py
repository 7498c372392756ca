"""Blocks into a table on several connections at once, each committed in its turn.

What comes of it is what one connection would have made of the blocks one after the other: a block is committed only after
all before it, and one that the database does not take whole while others are under way is rolled back, and written again
when its turn has come. So of two rows with one key the first in the file goes in, and a row may point at one before it.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from queue import SimpleQueue
from types import TracebackType
from typing import Generic, Protocol, Self, TypeVar

import pymysql

from tableferry.errors import TooManyConnections
from tableferry.mysql.database import Connection
from tableferry.mysql.retry import retry_transaction, was_rolled_back

T = TypeVar("T")

_PATIENCE_SECONDS = 1.0
_ALIVE_SECONDS = 30.0


class Task(Protocol[T]):
    """A block to be written; each method runs in a transaction that is open."""

    @property
    def number(self) -> int: ...

    def quickly(self, connection: Connection) -> T | None:
        """Write it if the table takes it as it is; None if not, and what was written is rolled back."""

    def whole(self, connection: Connection) -> T:
        """Write it, whatever it takes."""

    def conclude(self, connection: Connection, done: T) -> None:
        """The last before the commit, when all blocks before this one are committed."""

    def committed(self, done: T) -> None:
        """It is committed; no block after it is as yet."""

    def troubled(self, done: T) -> bool:
        """Whether the table refused a part of it, so that the next one will hardly be taken as it is."""


class Overtaken(Exception):
    """A block before this one could not be written, so that this one may not be."""


class OrderedWriters(Generic[T]):
    """Writes tasks whose numbers follow each other from ``first`` on, ``most`` at once, each on a connection of its own."""

    def __init__(self, connect: Callable[[], Connection], most: int, first: int) -> None:
        self._connect = connect
        self._opened = 0
        self._most = most
        self._fewer = False
        self._idle: SimpleQueue[Connection] = SimpleQueue()
        self._turns = _Turns(first)
        self._trouble = False
        self._pool = ThreadPoolExecutor(most, thread_name_prefix="lane")
        self.pending: deque[Future[T]] = deque()
        self._error: BaseException | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let those that were begun come to their end: what is wrong with the file is no fault of theirs."""
        self._pool.shutdown(wait=True)

    @property
    def broken(self) -> bool:
        """Whether one could not be written, so that none after it will be."""
        return self._error is not None

    def put(self, task: Task[T]) -> None:
        """Have it written; what becomes of it is the last of ``pending``."""
        if self._opened <= len(self.pending) and self._opened < self._most:
            self._open()
        if self._fewer and len(self.pending) >= self._opened:
            # One that had a connection would wait for its turn, and one before it for the connection.
            wait([self.pending[len(self.pending) - self._opened]])
        self.pending.append(self._pool.submit(self._write, task))

    def _open(self) -> None:
        """One connection more; where the server gives none, those that there are have to do."""
        try:
            self._idle.put(self._connect())
        except TooManyConnections:
            if not self._opened:
                raise
            self._most, self._fewer = self._opened, True
        else:
            self._opened += 1

    def first(self) -> T:
        """What became of the first of ``pending``; raises what stopped it, or another one for whose sake it was."""
        try:
            return self.pending.popleft().result()
        except Overtaken:
            if self._error is None:
                raise
            raise self._error from None

    def _write(self, task: Task[T]) -> T:
        connection = self._idle.get()
        try:
            at_once = self._most == 1 or self._trouble or self._turns.has_come(task.number)
            done = None if at_once else self._ahead(connection, task)
            if done is None:
                while not self._turns.wait(task.number, _ALIVE_SECONDS):
                    connection.ping(reconnect=False)  # the server would give the connection up
                done = retry_transaction(connection, lambda: self._in_turn(connection, task))
        except BaseException as error:
            if self._error is None:
                self._error = error
            self._turns.broken()
            raise
        finally:
            self._idle.put(connection)
        self._trouble = task.troubled(done)
        task.committed(done)
        self._turns.done(task.number)
        return done

    def _in_turn(self, connection: Connection, task: Task[T]) -> T:
        done = task.whole(connection)
        task.conclude(connection, done)
        return done

    def _ahead(self, connection: Connection, task: Task[T]) -> T | None:
        """Write it while others are being written; None if it has to wait for its turn, and nothing is written."""
        connection.begin()
        try:
            done = task.quickly(connection)
            # A block before this one may wait for what this one has locked: then it gets it.
            if done is not None and self._turns.wait(task.number, _PATIENCE_SECONDS):
                task.conclude(connection, done)
                connection.commit()
                return done
        except BaseException as error:
            if connection.open:  # the next task gets the connection, and its BEGIN would commit what is written
                connection.rollback()
            if not isinstance(error, pymysql.err.MySQLError) or not was_rolled_back(error):
                raise
        else:
            connection.rollback()
        return None


class _Turns:
    """Whose turn it is to commit."""

    def __init__(self, first: int) -> None:
        self._next = first
        self._broken = False
        self._changed = threading.Condition()

    def wait(self, number: int, seconds: float) -> bool:
        """Wait for the turn; False if it did not come in time. Raises Overtaken if it never will."""
        with self._changed:
            self._changed.wait_for(lambda: self._next == number or self._broken, seconds)
            if self._broken and self._next != number:
                raise Overtaken
            return self._next == number

    def has_come(self, number: int) -> bool:
        return self._next == number

    def done(self, number: int) -> None:
        with self._changed:
            self._next = number + 1
            self._changed.notify_all()

    def broken(self) -> None:
        with self._changed:
            self._broken = True
            self._changed.notify_all()
