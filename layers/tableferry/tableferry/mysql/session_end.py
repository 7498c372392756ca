"""A session that the server ends when its time is over, whatever this process is waiting for at that moment.

A client that waits, for the server or for anybody else, lets nothing go. So another connection says KILL of it, which every
user may of sessions of their own: https://dev.mysql.com/doc/refman/9.7/en/kill.html.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import pymysql

from tableferry.mysql.database import Connection, execute


@dataclass(slots=True)
class Limit:
    """``over`` is whether the time was over, so that the session has been ended."""

    over: bool = False


@contextmanager
def ended_after(connection: Connection, by: Connection, seconds: float) -> Iterator[Limit]:
    """Have a session ended by the connection ``by`` if the block takes longer; what is asked of it then is an error.

    ``by`` is not to be used in the block.
    """
    limit = Limit()
    raw: Any = connection  # the stubs have only a method without types

    def end() -> None:
        limit.over = True
        with suppress(pymysql.err.MySQLError):  # it has ended by itself, or `by` has
            execute(by, f"KILL {raw.thread_id()}")

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield limit
    finally:
        timer.cancel()
        timer.join()
