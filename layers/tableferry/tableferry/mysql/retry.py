"""Statements and transactions that the server rolls back for another's sake, and that are started over."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import pymysql

from tableferry.errors import Conflict
from tableferry.mysql.database import Connection, error_code, transaction

T = TypeVar("T")

_DEADLOCK, _LOCK_WAIT_TIMEOUT = 1213, 1205
_TRIES = 4


def again_on_deadlock(connection: Connection, work: Callable[[], T]) -> T:
    """The work in a transaction, started over a few times when the server rolls it back for another's sake.

    Raises:
        Conflict: it was rolled back each time.
    """

    def one_transaction() -> T:
        with transaction(connection):
            return work()

    return again_when_rolled_back(one_transaction)


def again_when_rolled_back(work: Callable[[], T]) -> T:
    """As ``again_on_deadlock``, of work that is one statement outside a transaction, or begins its own.

    A CREATE TABLE IF NOT EXISTS is rolled back as well where two sessions make one table at once: MySQL begins it anew by
    itself, but not in a session that holds a lock of GET_LOCK.
    """
    for _ in range(_TRIES):
        try:
            return work()
        except pymysql.err.MySQLError as error:
            if not was_rolled_back(error):
                raise
            last = error
    raise Conflict("The table stayed locked by other sessions; nothing was written. Try again.") from last


def was_rolled_back(error: pymysql.err.MySQLError) -> bool:
    """Whether the work may be started over, since it stood in the way of others, or they in its."""
    return error_code(error) in (_DEADLOCK, _LOCK_WAIT_TIMEOUT)
