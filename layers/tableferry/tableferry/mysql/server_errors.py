"""The server's errors: numbers that several modules ask for, and what can be wrong with a result as it comes.

The numbers: https://dev.mysql.com/doc/mysql-errors/9.7/en/.
"""

from __future__ import annotations

import struct

from pymysql import err
from pymysql.constants import CR

DEADLOCK, LOCK_WAIT_TIMEOUT = 1213, 1205
ROLLED_BACK = frozenset({DEADLOCK, LOCK_WAIT_TIMEOUT})
"""A statement or a transaction stood in the way of others, or they in its: it can be tried again."""

NO_SUCH_TABLE = 1146


def malformed() -> err.InterfaceError:
    """The error of a row that does not end where its packet ends."""
    return err.InterfaceError(CR.CR_MALFORMED_PACKET, "A row does not end where its packet ends.")


def refused(payload: bytes) -> Exception:
    """The exception that the driver makes of an error packet."""
    try:
        err.raise_mysql_exception(payload)
    except err.MySQLError as error:
        return error
    except (IndexError, struct.error):
        return malformed()


def out_of_order() -> err.InterfaceError:
    """The error of a packet that is missing or came twice."""
    return err.InterfaceError(CR.CR_COMMANDS_OUT_OF_SYNC, "A packet of a result is missing, or came twice.")
