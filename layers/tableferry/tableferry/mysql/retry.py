"""Statements and transactions that the server rolls back for another session's sake, and that are tried again.

One loop with three uses. What is tried is not harmed by it: the server has rolled it back.

=======================  =====  ===============  =========================================
use                      tries  pause            after the last one
=======================  =====  ===============  =========================================
``retry_transaction``        4  none             Conflict
``retry_statement``          4  none             Conflict
``retry_deadlock``           4  none             the driver's error
``with_lock_retry``          5  0.2 s, growing   InUse
=======================  =====  ===============  =========================================
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from typing import TypeVar

import pymysql

from tableferry.errors import Conflict, InUse
from tableferry.mysql.database import Connection, error_code, execute, transaction
from tableferry.mysql.server_errors import DEADLOCK, ROLLED_BACK

T = TypeVar("T")

STAYED_IN_USE = "The tables stayed in use by other sessions. Try again when they are done."

_TRIES = 4
_LOCK_TRIES = 5
_LOCK_PAUSE_SECONDS = 0.2
_LOCK_WAIT_SECONDS = 2


def was_rolled_back(error: pymysql.err.MySQLError) -> bool:
    """Whether the work may be tried again, since it stood in the way of others, or they in its."""
    return error_code(error) in ROLLED_BACK


def retry(work: Callable[[], T], tries: int, pause_seconds: float = 0.0, codes: Collection[int] = ROLLED_BACK) -> T:
    """Do the work, and again after one of these error codes, ``tries`` times in all; the pause grows with each.

    Raises:
        pymysql.err.MySQLError: the last try's error, or one of another code at once.
    """
    for attempt in range(1, tries):
        try:
            return work()
        except pymysql.err.MySQLError as error:
            if error_code(error) not in codes:
                raise
        if pause_seconds:
            time.sleep(pause_seconds * attempt)
    return work()


def retry_transaction(connection: Connection, work: Callable[[], T]) -> T:
    """Do the work in a transaction, and again a few times when the server rolls it back for another's sake.

    Raises:
        Conflict: it was rolled back each time.
    """
    return retry_statement(lambda: _in_transaction(connection, work))


def retry_statement(work: Callable[[], T]) -> T:
    """As ``retry_transaction``, of work that is one statement outside a transaction, or begins its own.

    A CREATE TABLE IF NOT EXISTS is rolled back as well where two sessions make one table at once: MySQL begins it anew by
    itself, but not in a session that holds a lock of GET_LOCK.
    """
    try:
        return retry(work, _TRIES)
    except pymysql.err.MySQLError as error:
        if not was_rolled_back(error):
            raise
        raise Conflict("The table stayed locked by other sessions; nothing was written. Try again.") from error


def retry_deadlock(connection: Connection, work: Callable[[], T]) -> T:
    """Do the work in a transaction, and again a few times when it is the one that a deadlock is broken by.

    A lock that is not to be had in time is not waited for again.

    Raises:
        pymysql.err.MySQLError: that, or a deadlock each time.
    """
    return retry(lambda: _in_transaction(connection, work), _TRIES, codes=(DEADLOCK,))


def with_lock_retry(connection: Connection, sql: str) -> None:
    """Run a statement that needs a table for itself, and again when others have it.

    One that waits stalls every reader behind it, so it waits for 2 seconds and tries again. A session that holds a lock of
    GET_LOCK, as whoever swaps tables does, is told of a deadlock where another's statement would begin anew unseen.

    Raises:
        InUse: others keep the table in use.
    """
    execute(connection, f"SET SESSION lock_wait_timeout = {_LOCK_WAIT_SECONDS}")
    try:
        retry(lambda: execute(connection, sql), _LOCK_TRIES, _LOCK_PAUSE_SECONDS)
    except pymysql.err.MySQLError as error:
        if not was_rolled_back(error):
            raise
        raise InUse(STAYED_IN_USE) from error


def _in_transaction(connection: Connection, work: Callable[[], T]) -> T:
    with transaction(connection):
        return work()
