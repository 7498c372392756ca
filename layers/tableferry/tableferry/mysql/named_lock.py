"""Locks of the server by name, GET_LOCK: of the whole server, a connection's own until it lets go or is closed.

A name has at most 64 characters: https://dev.mysql.com/doc/refman/9.7/en/locking-functions.html.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tableferry.mysql.database import Connection, rows


@contextmanager
def named_lock(connection: Connection, name: str, wait_seconds: int = 0) -> Iterator[bool]:
    """Whether the lock is this connection's now, until it is left; it is waited for so many seconds."""
    is_ours = take_lock(connection, name, wait_seconds)
    try:
        yield is_ours
    finally:
        if is_ours and connection.open:
            rows(connection, "SELECT RELEASE_LOCK(%s)", (name,))


def take_lock(connection: Connection, name: str, wait_seconds: int = 0) -> bool:
    """Take the lock for as long as the connection lives; whether it was to be had within so many seconds."""
    [(got,)] = rows(connection, "SELECT GET_LOCK(%s, %s)", (name, wait_seconds))
    return bool(got == 1)


def lock_holder(connection: Connection, name: str) -> int | None:
    """The id of the connection that has the lock; None if nobody has it."""
    [(holder,)] = rows(connection, "SELECT IS_USED_LOCK(%s)", (name,))
    return None if holder is None else int(holder)
