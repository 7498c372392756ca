"""A process that fills the table of a shadow schema by a ledger: ``backup schema try [point number]``.

At the transaction of this number it kills itself ``before`` it, when its object is ``noted`` or ``loaded``, or when all is
``committed``; it may also ``stop`` with its rows loaded, or ``wait`` before the transaction until it is told a line.
"""

import itertools
import os
import signal
import sys
import threading
from contextlib import ExitStack
from typing import Any

import pymysql.connections

from tableferry.config.settings import DatabaseAddress, Settings, parse_database_url
from tableferry.errors import Conflict
from tableferry.manifest import manifest
from tableferry.mysql import local_infile
from tableferry.mysql.database import Database
from tableferry.mysql.session import Mode
from tableferry.mysql.worker_pool import pool_of
from tableferry.restore.build import chunk_ledger, tasks
from tableferry.restore.build.chunk_ledger import ChunkLedger
from tableferry.restore.build.target import Item, Place, Target
from tableferry.storage import bucket

OVER = 3


def address(url: str) -> DatabaseAddress:
    return parse_database_url(url)


def _strike(point: str, number: int) -> None:
    """Have it strike at the transaction of this number, of all connections together."""
    begun = itertools.count(1)
    reached = threading.local()
    query, load, begin = pymysql.connections.Connection.query, local_infile.load, pymysql.connections.Connection.begin
    commit = pymysql.connections.Connection.commit

    def strike(at: str) -> None:
        if at == point and getattr(reached, "number", 0) == number:
            os.kill(os.getpid(), signal.SIGKILL)

    def begin_(self: Any) -> None:
        reached.number = next(begun)
        strike("before")
        if point == "wait" and reached.number == number:
            print("waiting", flush=True)
            sys.stdin.readline()
        begin(self)

    def query_(self: Any, sql: Any, unbuffered: bool = False) -> int:
        done = query(self, sql, unbuffered)
        if str(sql).startswith("INSERT"):
            strike("noted")
        return done

    def load_(*given: Any, **more: Any) -> local_infile.Outcome:
        done = load(*given, **more)
        strike("loaded")
        if point == "stop" and getattr(reached, "number", 0) == number:
            os.kill(os.getpid(), signal.SIGSTOP)
        return done

    def commit_(self: Any) -> None:
        commit(self)
        strike("committed")

    driver: Any = pymysql.connections.Connection
    driver.begin, driver.query, driver.commit = begin_, query_, commit_
    local_infile.load = load_


def main() -> None:
    backup, schema, attempt, *how = sys.argv[1:]
    if seconds := os.environ.get("TEST_SILENT_SECONDS"):
        chunk_ledger.SILENT_SECONDS = int(seconds)
    settings = Settings.from_env()
    database = Database(settings.database)
    store = bucket.open_store(settings.bucket, settings.signing_keys)
    source = manifest.read(store, backup, settings.signing_keys)
    target = Target(source, [Item(table, table.name) for table in source.tables], Place(database.name, schema, schema))
    connections = 1 if how and how[0] == "wait" else 2
    if how:
        _strike(how[0], int(how[1]))
    try:
        with ExitStack() as stack:
            opened = [
                stack.enter_context(database.connect(Mode.FAITHFUL, chunk_ledger.filling())) for _ in range(connections)
            ]
            pool = stack.enter_context(pool_of(opened, 2 * connections))
            for task in tasks.share_out(source.tables, 1):
                tasks.fill(pool, store, target, task, ChunkLedger(schema, attempt))
    except Conflict:
        sys.exit(OVER)


if __name__ == "__main__":
    main()
