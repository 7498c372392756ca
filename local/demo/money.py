"""Tables in which money moves all the while, and what has to be true of them at any one moment.

A sum does not tell one moment from several: money that two functions saw at different moments is all there as well. So each
transaction has a number of its writer, and says what it moved: at one moment the numbers of a writer have no gap, and every
balance is what the transactions say that it is.
"""

import random
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

from local.demo.expect import Unexpected
from local.demo.sample import Connection, connect

ACCOUNTS, TRANSFERS = "demo_scale_accounts", "demo_scale_transfers"
TABLES = (ACCOUNTS, TRANSFERS)
BALANCE = 1000
_BESIDE = "_then"
_OURS = "made by make demo-scale"
_NOTE_BYTES = 200  # so that the table is worth its functions: 16 MB of 64,000 accounts
_BATCH = 2000


def beside(table: str) -> str:
    """The name under which a table of a backup is looked at."""
    return table + _BESIDE


def prepare(connection: Connection, accounts: int) -> None:
    """Make the tables anew, with so many accounts; raises Unexpected where one of their names is somebody else's."""
    drop(connection)
    with connection.cursor() as cursor:
        cursor.execute(
            f"CREATE TABLE {ACCOUNTS} (id INT PRIMARY KEY, balance BIGINT NOT NULL, note VARCHAR({_NOTE_BYTES}) NOT NULL)"
            f" COMMENT '{_OURS}'"
        )
        cursor.execute(
            f"CREATE TABLE {TRANSFERS} (writer INT, number INT, giver INT NOT NULL, taker INT NOT NULL,"
            f" amount BIGINT NOT NULL, PRIMARY KEY (writer, number)) COMMENT '{_OURS}'"
        )
        for start in range(0, accounts, _BATCH):
            rows = [(number, BALANCE, "n" * _NOTE_BYTES) for number in range(start, min(start + _BATCH, accounts))]
            cursor.executemany(f"INSERT INTO {ACCOUNTS} VALUES (%s, %s, %s)", rows)
        cursor.execute(f"ANALYZE TABLE {ACCOUNTS}")
        cursor.fetchall()


def drop(connection: Connection, of_backup: bool = False) -> None:
    """Drop all that the demo made, or only what it looked at of a backup; raises Unexpected as `prepare` does."""
    names = [beside(table) for table in TABLES] + ([] if of_backup else list(TABLES))
    with connection.cursor() as cursor:
        for name in names:
            cursor.execute(
                "SELECT table_comment FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = %s",
                (name,),
            )
            if (found := cursor.fetchone()) is None:
                continue
            if found[0] != _OURS:
                raise Unexpected(f"the table {name} is not the demo's: rename it, or use another database")
            cursor.execute(f"DROP TABLE {name}")


@dataclass
class Moment:
    """What a backup, or the live tables, hold: so many transactions, and what is wrong with them."""

    transactions: int
    wrong: list[str] = field(default_factory=list)


def look(connection: Connection, suffix: str = _BESIDE) -> Moment:
    """Whether the tables of a backup are of one moment; of the live ones with an empty ``suffix``, once nobody writes."""
    accounts, transfers = ACCOUNTS + suffix, TRANSFERS + suffix
    moved = (
        f"SELECT account, SUM(moved) AS moved FROM (SELECT giver AS account, -amount AS moved FROM {transfers}"
        f" UNION ALL SELECT taker, amount FROM {transfers}) AS one GROUP BY account"
    )
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT writer, COUNT(*), MIN(number), MAX(number) FROM {transfers} GROUP BY writer")
        writers: list[tuple[int, ...]] = list(cursor.fetchall())
        cursor.execute(
            f"SELECT COUNT(*) FROM {accounts} AS a LEFT JOIN ({moved}) AS m ON m.account = a.id"
            f" WHERE a.balance <> {BALANCE} + COALESCE(m.moved, 0)"
        )
        [different] = cursor.fetchone()
    found = Moment(sum(count for _, count, _, _ in writers))
    for writer, count, first, last in writers:
        if (first, last) != (1, count):
            found.wrong.append(f"writer {writer} has {count} transactions from {first} to {last}: some are missing")
    if different:
        found.wrong.append(f"{different} balances are not what the transactions say")
    return found


class Writers:
    """Threads that move money, each with a connection of its own. Memory: nothing that grows."""

    def __init__(self, url: str, accounts: int, count: int = 3) -> None:
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._longest = 0.0
        self.transactions = 0
        self.errors: list[str] = []
        arguments = [(url, accounts, number) for number in range(count)]
        self._threads = [threading.Thread(target=self._write, args=one, daemon=True) for one in arguments]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def longest(self) -> float:
        """Seconds that the longest transaction took since this was last asked."""
        with self._lock:
            found, self._longest = self._longest, 0.0
        return found

    def _write(self, url: str, accounts: int, writer: int) -> None:
        chosen = random.Random(writer)  # noqa: S311 - whose account it is, is no secret
        number = 0
        try:
            with closing(connect(url)) as connection:
                while not self._stop.is_set():
                    number += 1
                    began = time.perf_counter()
                    giver, taker = chosen.sample(range(accounts), 2)
                    _move(connection, writer, number, giver, taker, chosen.randint(1, 9))
                    with self._lock:
                        self._longest = max(self._longest, time.perf_counter() - began)
                        self.transactions += 1
        except Exception as error:  # noqa: BLE001 - a writer whose transaction failed is what the demo is to show
            self.errors.append(f"writer {writer}, transaction {number}: {error}")


def _move(connection: Connection, writer: int, number: int, giver: int, taker: int, amount: int) -> None:
    changes: list[tuple[int, Any]] = sorted([(giver, -amount), (taker, amount)])  # in one order, so that none deadlock
    connection.begin()
    with connection.cursor() as cursor:
        for account, moved in changes:
            cursor.execute(f"UPDATE {ACCOUNTS} SET balance = balance + %s WHERE id = %s", (moved, account))
        cursor.execute(f"INSERT INTO {TRANSFERS} VALUES (%s, %s, %s, %s, %s)", (writer, number, giver, taker, amount))
    connection.commit()


@contextmanager
def writing(url: str, accounts: int) -> Iterator[Writers]:
    """Writers for as long as the block lasts."""
    writers = Writers(url, accounts)
    try:
        yield writers
    finally:
        writers.stop()
