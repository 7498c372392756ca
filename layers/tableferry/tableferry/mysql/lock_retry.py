"""Statements that need a table for themselves: a short wait, and another try."""

from __future__ import annotations

import time

import pymysql

from tableferry.errors import InUse
from tableferry.mysql.database import Connection, execute
from tableferry.mysql.retry import was_rolled_back

_LOCK_WAIT_SECONDS = 2
_TRIES = 5
STAYED_IN_USE = "The tables stayed in use by other sessions. Try again when they are done."


def patiently(connection: Connection, sql: str) -> None:
    """Run a statement that needs a table for itself; raises InUse if others keep it in use.

    One that waits stalls every reader behind it, so it waits briefly and tries again. A session that holds a lock of
    GET_LOCK, as whoever exchanges tables does, is told of a deadlock where another's statement would begin anew unseen.
    """
    execute(connection, f"SET SESSION lock_wait_timeout = {_LOCK_WAIT_SECONDS}")
    for attempt in range(1, _TRIES + 1):
        try:
            execute(connection, sql)
        except pymysql.err.MySQLError as error:
            if not was_rolled_back(error):
                raise
            if attempt == _TRIES:
                raise InUse(STAYED_IN_USE) from error
            time.sleep(0.2 * attempt)
        else:
            return
