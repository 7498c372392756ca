"""Which objects of a backup are in the tables that are built: written in the transaction of their rows.

So an object is in once, whatever becomes of who loads it: of two at once one waits for the other, and finds it done; one
that is killed has left nothing; and one that did not hear of its commit finds it when it looks again. That holds for
tables without a key, too.

The ledger lies in the schema in which the tables are built, by a name of the try: where it is gone, by a swap, by a
recovery or by another try, a function that was taken for dead and goes on can put nothing into any table.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from itertools import islice

import pymysql

from tableferry.errors import Conflict
from tableferry.mysql.database import Connection, error_code, execute, rows, transaction
from tableferry.mysql.identifiers import OWN_PREFIX, qualified
from tableferry.mysql.retry import retry
from tableferry.mysql.session import BUILDING, Value

SILENT_SECONDS = 60
"""A session that holds what it has not committed, and says nothing for so long, is ended: its function is frozen or gone."""

_TRIES = 20
_PAUSE_SECONDS = 0.05
_BESIDES_SECONDS = 30
_ASKED_AT_ONCE = 1000
_DUPLICATE = 1062

GONE = {1049, 1146}
"""No such schema, no such table."""

OVER = "This try at the restore is over: its tables were dropped, or have taken their places. Nothing was written."


def filling() -> dict[str, Value]:
    """The settings of a session that fills tables by a ledger."""
    return {**BUILDING, "wait_timeout": SILENT_SECONDS, "net_read_timeout": SILENT_SECONDS}


@dataclass(frozen=True, slots=True)
class ChunkLedger:
    """The ledger of one try, in the schema where it builds."""

    schema: str
    attempt: str

    @property
    def sql(self) -> str:
        """Its table, which no restored one has the name of."""
        return qualified(self.schema, f"{OWN_PREFIX}chunks_{self.attempt}")

    def create(self, connection: Connection) -> None:
        """Make it, empty: from now on tables can be filled."""
        execute(connection, f"CREATE TABLE {self.sql} (id BINARY(16) PRIMARY KEY) ENGINE = InnoDB")

    def drop(self, connection: Connection) -> None:
        """Have nobody fill tables any more, once whoever does so now has ended; can be repeated."""
        execute(connection, f"SET SESSION lock_wait_timeout = {SILENT_SECONDS + _BESIDES_SECONDS}")
        execute(connection, f"DROP TABLE IF EXISTS {self.sql}")

    def once(self, connection: Connection, name: str, work: Callable[[], object]) -> bool:
        """Do what has this name in one transaction, with the note that it is done; whether it was done now.

        Raises:
            Conflict: the try is over.
        """
        try:
            return retry(partial(self._once, connection, name, work), _TRIES, _PAUSE_SECONDS)
        except pymysql.err.MySQLError as error:
            raise self._told(error) from error

    def _once(self, connection: Connection, name: str, work: Callable[[], object]) -> bool:
        with transaction(connection):
            try:
                execute(connection, f"INSERT INTO {self.sql} (id) VALUES (%s)", (_id(name),))
            except pymysql.err.IntegrityError as error:
                if error_code(error) != _DUPLICATE:
                    raise
                return False
            work()
        return True

    def done(self, connection: Connection, names: Collection[str]) -> set[str]:
        """Those of the names that are done. Memory: the names. Raises Conflict if the try is over."""
        ids = {_id(name): name for name in names}
        waiting, found = iter(ids), set()
        try:
            while some := list(islice(waiting, _ASKED_AT_ONCE)):
                marks = ", ".join(["%s"] * len(some))
                for (there,) in rows(connection, f"SELECT id FROM {self.sql} WHERE id IN ({marks})", some):
                    found.add(ids[bytes(there)])
        except pymysql.err.MySQLError as error:
            raise self._told(error) from error
        return found

    def count(self, connection: Connection) -> int:
        """How much is done. Raises Conflict if the try is over."""
        try:
            [(count,)] = rows(connection, f"SELECT COUNT(*) FROM {self.sql}")
        except pymysql.err.MySQLError as error:
            raise self._told(error) from error
        return int(count)

    def _told(self, error: pymysql.err.MySQLError) -> Exception:
        return Conflict(OVER) if error_code(error) in GONE else error


def _id(name: str) -> bytes:
    return hashlib.blake2b(name.encode(), digest_size=16).digest()
