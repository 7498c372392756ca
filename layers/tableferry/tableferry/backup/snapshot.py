"""Connections that all see one moment, and what that moment is called.

``LOCK TABLES … READ`` on one connection keeps writers out while the others start their transactions; it is held for
milliseconds and waited for no longer than a bound. ``FLUSH TABLES WITH READ LOCK`` would need a privilege that RDS
gives to nobody. Where the lock is not to be had, one connection has to do: it sees one moment by itself.

The connections may be of one process, as here, or of many, as in :mod:`tableferry.backup.barrier`; lock, transactions and
position are these.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import pymysql

from tableferry.errors import Conflict, LockDenied, NoMoment
from tableferry.mysql.database import Connection, Database, dialect, error_code, execute, rows
from tableferry.mysql.retry import was_rolled_back
from tableferry.mysql.server_errors import DEADLOCK, LOCK_WAIT_TIMEOUT
from tableferry.mysql.session import Mode
from tableferry.mysql.session_end import ended_after
from tableferry.schema.table import Table

_IMPATIENT = {"lock_wait_timeout": 3}
_LOCK_HELD_SECONDS = 10.0
_SILENT_SECONDS = 15  # more than the lock is held for
_DENIED = {1044, 1142, 1227}
_TOUCHED_AT_ONCE = 50


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
    if workers > 1:
        try:
            with ExitStack() as several:
                opened = _open_several(several, database, tables, workers)
                stack.enter_context(several.pop_all())
                return opened
        except NoMoment:
            pass  # one connection has one by itself
    connection = stack.enter_context(database.connect(Mode.FAITHFUL, _IMPATIENT))
    _start(connection, tables, locked=False)
    return Snapshot((connection,), position(connection))


def _open_several(stack: ExitStack, database: Database, tables: Sequence[Table], workers: int) -> Snapshot:
    connections = [stack.enter_context(database.connect(Mode.FAITHFUL, _IMPATIENT)) for _ in range(workers)]
    wait = _IMPATIENT["lock_wait_timeout"]
    with locked(database, tables, wait, _LOCK_HELD_SECONDS, _SILENT_SECONDS) as locker:
        if len({server_of(one) for one in (locker, *connections)}) > 1:
            raise NoMoment("The connections are of different servers, which have no moment together.", "servers")
        start(connections, tables)
        where = position(locker)
    return Snapshot(tuple(connections), where)


@contextmanager
def locked(
    database: Database, tables: Sequence[Table], wait: int, held: float, wait_timeout: int
) -> Iterator[Connection]:
    """Let nobody write the tables inside the block; its end, without an error, says that nobody did from its beginning on.

    Yields the connection that has the lock. The lock is waited for no longer than ``wait`` seconds, for all tables
    together, and is held for no longer than ``held``, though this process waits for something else; if it cannot act at
    all, the server ends the session after ``wait_timeout``. Unlocking must have been heard of: a lock that was lost was
    lost at an unknown time. (The driver opens no connection anew by itself.)

    Raises:
        LockDenied: the user may not.
        NoMoment: ``busy``, it could not be had in time; ``lost``, it was not there any more when it was to be let go.
    """
    also = {"lock_wait_timeout": wait, "wait_timeout": wait_timeout}
    with database.connect(Mode.FAITHFUL) as guard, database.connect(Mode.FAITHFUL, also) as locker:
        _lock(locker, guard, tables, wait)
        with ended_after(locker, guard, held):
            yield locker
            try:
                execute(locker, "UNLOCK TABLES")
            except pymysql.err.MySQLError as error:
                raise NoMoment(
                    "The lock of the tables was lost while it was needed. Take the backup again.", "lost"
                ) from error


def _lock(locker: Connection, guard: Connection, tables: Sequence[Table], seconds: float) -> None:
    """Lock all the tables; the server's own bound counts for each of them by itself."""
    sql = "LOCK TABLES " + ", ".join(f"{table.sql} READ" for table in tables)
    busy = NoMoment("The tables stayed in use by long transactions. Take the backup again when they are done.", "busy")
    with ended_after(locker, guard, seconds) as limit:
        while True:
            try:
                execute(locker, sql)
                break
            except pymysql.err.MySQLError as error:
                code = error_code(error)
                if code in _DENIED:
                    raise LockDenied(
                        "The database user may not lock tables, so that one connection alone can see a moment of them. Grant "
                        "LOCK TABLES (sources/grants.sql has the statement).",
                        "denied",
                    ) from error
                if limit.over or code == LOCK_WAIT_TIMEOUT:
                    raise busy from error
                if code != DEADLOCK:  # which others can go on by, who then are not in the way any more
                    raise
    if limit.over:
        raise busy


def start(connections: Sequence[Connection], tables: Sequence[Table]) -> None:
    """Begin a transaction on each of the connections, all at once, that sees the moment of a lock held by another one.

    Each holds all the tables' definitions.
    """
    with ThreadPoolExecutor(len(connections), thread_name_prefix="snapshot") as pool:
        for started in [pool.submit(_start, connection, tables, locked=True) for connection in connections]:
            started.result()


def _start(connection: Connection, tables: Sequence[Table], *, locked: bool) -> None:
    """A transaction that holds the tables' definitions and sees a moment.

    Where no lock keeps the definitions as they are, they are held before the moment: a table that was filled behind it,
    and then renamed, would show none of its rows.
    """
    execute(connection, f"START TRANSACTION {'WITH CONSISTENT SNAPSHOT, ' if locked else ''}READ ONLY")
    touches = [f"SELECT 1 FROM {table.sql} WHERE FALSE" for table in tables]
    for first in range(0, len(touches), _TOUCHED_AT_ONCE):  # reads nothing, so that it makes no moment yet
        execute(connection, " UNION ALL ".join(touches[first : first + _TOUCHED_AT_ONCE]))
    if not locked:
        execute(connection, f"SELECT 1 FROM {tables[0].sql} LIMIT 1")


def server_of(connection: Connection) -> str:
    """Which server this is, so that two connections can be told to be of one: a name may stand for several."""
    [(found,)] = rows(connection, "SELECT CONCAT_WS('/', @@hostname, @@port, @@server_id)")
    return str(found)


def position(connection: Connection) -> dict[str, str]:
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
