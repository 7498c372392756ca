"""The server's numbers for errors that several modules ask for: https://dev.mysql.com/doc/mysql-errors/9.7/en/."""

from __future__ import annotations

DEADLOCK, LOCK_WAIT_TIMEOUT = 1213, 1205
ROLLED_BACK = frozenset({DEADLOCK, LOCK_WAIT_TIMEOUT})
"""A statement or a transaction stood in the way of others, or they in its: it can be tried again."""

NO_SUCH_TABLE = 1146
