"""Connections that all see one moment, and what that moment is called.

``LOCK TABLES … READ`` on one connection keeps writers out while the others start their transactions; it is held for
milliseconds and waited for no longer than a bound. ``FLUSH TABLES WITH READ LOCK`` would need a privilege that RDS
gives to nobody. Where the lock is not to be had, one connection has to do: it sees one moment by itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import pymysql

from tableferry.errors import Conflict
from tableferry.mysql.database import Connection, Database, dialect, error_code, execute, rows
from tableferry.mysql.retry import was_rolled_back
from tableferry.mysql.server_errors import LOCK_WAIT_TIMEOUT
from tableferry.mysql.session import Mode
from tableferry.schema.table import Table

_IMPATIENT = {"lock_wait_timeout": 3}
_DENIED = {1044, 1142, 1227}


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Connections in read-only transactions of the same moment.

    ``position`` names the moment in the binary log (or as a GTID set), as far as the user may see it.
    """

    connections: tuple[Connection, ...]
    position: dict[str, str]


@contextmanager
def open_snapshot(database: Database, tables: Sequence[Table], workers: int) -> Iterator[Snapshot]:
    """Open up to ``workers`` connections that see one moment; one, where the tables cannot be locked.

    Every connection has touched every table, which holds its definition: without that, a table renamed meanwhile would
    silently give another table's rows. One who waits to rename a table that is locked here keeps the others from
    touching it, so nothing is waited for longer than a bound; then all is let go and begun anew.

    Raises:
        Conflict: the tables' definitions are being changed all the while.
    """
    for at_most in (workers, workers, 1, 1):
        with ExitStack() as stack:
            try:
                opened = _open(stack, database, tables, at_most)
            except pymysql.err.MySQLError as error:
                if not was_rolled_back(error):
                    raise
                continue
            yield opened
            return
    raise Conflict("Tables are being renamed or changed all the while: nothing could be backed up. Take it again.")


def _open(stack: ExitStack, database: Database, tables: Sequence[Table], workers: int) -> Snapshot:
    locker = stack.enter_context(database.connect(Mode.FAITHFUL, _IMPATIENT))
    locked = workers > 1 and _lock(locker, tables)
    connections = [
        stack.enter_context(database.connect(Mode.FAITHFUL, _IMPATIENT)) for _ in range(workers if locked else 1)
    ]
    for connection in connections:
        _start(connection, tables, locked)
    position = _position(locker)
    if locked:
        execute(locker, "UNLOCK TABLES")
    return Snapshot(tuple(connections), position)


def _lock(connection: Connection, tables: Sequence[Table]) -> bool:
    try:
        execute(connection, "LOCK TABLES " + ", ".join(f"{table.sql} READ" for table in tables))
    except pymysql.err.MySQLError as error:
        if error_code(error) == LOCK_WAIT_TIMEOUT or error_code(error) in _DENIED:
            return False
        raise
    return True


def _start(connection: Connection, tables: Sequence[Table], locked: bool) -> None:
    """A transaction that holds the tables' definitions and sees a moment.

    Where no lock keeps the definitions as they are, they are held before the moment: a table that was filled behind it,
    and then renamed, would show none of its rows.
    """
    execute(connection, f"START TRANSACTION {'WITH CONSISTENT SNAPSHOT, ' if locked else ''}READ ONLY")
    for table in tables:
        execute(connection, f"SELECT 1 FROM {table.sql} LIMIT 0")  # reads nothing, so that it makes no moment yet
    if not locked:
        execute(connection, f"SELECT 1 FROM {tables[0].sql} LIMIT 1")


def _position(connection: Connection) -> dict[str, str]:
    """File and offset in the binary log and the GTID set; nothing where there is no log or no right to see it."""
    server = dialect(connection)
    found: dict[str, str] = {}
    for statement in server.log_status:
        try:
            status = rows(connection, statement)
        except pymysql.err.MySQLError:
            continue  # the older server knows only the older name; without the right, both are refused
        if status:
            found |= {"file": str(status[0][0]), "position": str(status[0][1])}
        break
    try:
        [(executed,)] = rows(connection, f"SELECT {server.gtid}")
    except pymysql.err.MySQLError:
        return found
    return found | ({"gtid": str(executed).replace("\n", "")} if executed else {})
