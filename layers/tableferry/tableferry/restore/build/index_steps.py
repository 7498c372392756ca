"""Indexes of tables that are too large for one function: it sends the statement, and the server goes on when it has ended."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import pymysql

from tableferry.errors import Conflict
from tableferry.mysql import protocol
from tableferry.mysql.database import Connection, Database, error_code
from tableferry.mysql.session import BUILDING, Mode
from tableferry.restore.build import indexes, running
from tableferry.restore.build.chunk_ledger import ChunkLedger
from tableferry.restore.build.target import Place
from tableferry.schema import catalog

SENT_AT_MOST = 3
"""So often the statement of a table is sent: what it fails with is only heard by who waits for it."""

_POLL_SECONDS = 0.2
_SENT_SECONDS = 20.0
_IS_THERE = 1061


@dataclass(slots=True)
class _Sent:
    """A statement under way, on a connection of its own; ``error`` is what it ended with."""

    connection: Connection | None = None
    error: BaseException | None = None
    thread: threading.Thread = field(default_factory=threading.Thread)


def advance(
    database: Database,
    place: Place,
    wanted: Mapping[str, Sequence[str]],
    ledger: ChunkLedger,
    at_once: int,
    seconds: float,
    last_seconds: float,
) -> bool:
    """Have the indexes made, by their lines for each table; whether all of them are there.

    It sends what is neither there nor under way, for so many tables ``at_once``, and waits for so many ``seconds``; where
    a statement is sent for the last time, for ``last_seconds``. Can be repeated, and several may do it at once.

    Raises:
        DigestMismatch: as :func:`indexes.put_on`.
        Conflict: the try is over, or the indexes of a table were sent ``SENT_AT_MOST`` times and are not there.
    """
    with database.connect(Mode.FAITHFUL) as connection:
        busy = _under_way(connection, place, wanted)
        lacking = [
            table for table in wanted if table not in busy and not _is_there(connection, place, table, wanted[table])
        ]
        now = lacking[: max(0, at_once - len(busy))]
        numbers = {table: _send_number(connection, ledger, table) for table in now}
        sent = [_send(database, place, table, wanted[table]) for table in now]
        for table in now:  # else it might be ended before the server has heard of it
            _until_it_runs(connection, place, table, sent)
        _wait(sent, last_seconds if SENT_AT_MOST in numbers.values() else seconds)
        if len(now) < len(lacking) or _under_way(connection, place, wanted):
            return False
        return all(_is_there(connection, place, table, wanted[table]) for table in wanted)


def _under_way(connection: Connection, place: Place, tables: Iterable[str]) -> set[str]:
    """The tables that are altered now. Their definitions are not asked for: the answer might come when that is done."""
    return {table for table in tables if running.alters(connection, place.shadow, place.table_sql(table))}


def _is_there(connection: Connection, place: Place, table: str, lines: Sequence[str]) -> bool:
    return indexes.are_on(catalog.definition(connection, place.shadow, table), lines)


def _send_number(connection: Connection, ledger: ChunkLedger, table: str) -> int:
    """How often the table's statement has been sent now; the ledger has it."""
    for number in range(1, SENT_AT_MOST + 1):
        if ledger.once(connection, f"indexes/{number}/{table}", lambda: None):
            return number
    raise Conflict(
        f"The indexes of table {table!r} were begun {SENT_AT_MOST} times, and are not there: the server's log may say why "
        "(its room for temporary files, say). Nothing was changed."
    )


def _send(database: Database, place: Place, table: str, lines: Sequence[str]) -> _Sent:
    sent = _Sent()

    def send() -> None:
        try:
            with database.connect(Mode.FAITHFUL, BUILDING) as connection:
                sent.connection = connection
                indexes.put_on(connection, place.table_sql(table), lines)
        except pymysql.err.MySQLError as error:
            sent.error = None if error_code(error) == _IS_THERE else error
        except BaseException as error:  # noqa: BLE001  # it is raised by who waits
            sent.error = error

    sent.thread = threading.Thread(target=send, daemon=True, name=f"indexes of {table}")
    sent.thread.start()
    return sent


def _until_it_runs(connection: Connection, place: Place, table: str, sent: Sequence[_Sent]) -> None:
    until = time.monotonic() + _SENT_SECONDS
    while time.monotonic() < until and any(one.thread.is_alive() for one in sent):
        if running.alters(connection, place.shadow, place.table_sql(table)):
            return
        time.sleep(_POLL_SECONDS / 4)


def _wait(sent: Sequence[_Sent], seconds: float) -> None:
    """Wait for the statements; those that are not done go on without anybody. Raises what one has failed with."""
    until = time.monotonic() + seconds
    while any(one.thread.is_alive() for one in sent) and time.monotonic() < until:
        if any(one.error for one in sent):
            break
        time.sleep(_POLL_SECONDS)
    failed = next((one.error for one in sent if one.error), None)
    for one in sent:
        if one.thread.is_alive() and one.connection is not None:
            protocol.abandon(one.connection)
    if failed is not None:
        raise failed
