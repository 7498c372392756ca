"""Who marks a swap in the ledger, or settles it, and meets a deadlock there, does it again."""

import contextlib
import hashlib
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from tableferry.config.settings import database_address
from tableferry.ledger import epoch, facts
from tableferry.mysql.database import Connection
from tableferry.mysql.database import Database as Source
from tableferry.restore.swap import Move
from tests.support.parts import Database, connect, until

MOVES = [Move(name, "live", "aside", "coming", leaves=True) for name in ("a", "b")]
WAITING = "SELECT COUNT(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'"
HEAVY = "INSERT INTO heavy SELECT * FROM (WITH RECURSIVE n AS (SELECT 1 i UNION SELECT i + 1 FROM n WHERE i < 900) SELECT i FROM n) m"


def row_of(table: str) -> str:
    return f"SELECT 1 FROM {facts.TABLE} WHERE id = 'epoch/{hashlib.sha256(table.encode()).hexdigest()}' FOR UPDATE"


def waiting(database: Database) -> int:
    """How many transactions wait for a lock; only an administrator may see it."""
    time.sleep(0.3)  # who looks more often than every 0.1 s is shown what was so before
    with contextlib.closing(connect(database.admin_url)) as connection, connection.cursor() as cursor:
        cursor.execute(WAITING)
        [(count,)] = cursor.fetchall()
    return int(count)


@pytest.mark.parametrize("step", [epoch.announce, epoch.settle, epoch.take_back])
def test_a_deadlock_over_the_rows_of_a_swap_is_tried_again(
    database: Database, step: Callable[[Connection, Any], None]
) -> None:
    database.run("CREATE TABLE heavy (id INT PRIMARY KEY)")
    source = Source(database_address())
    with source.connect() as ours, source.connect() as others:
        for move in MOVES:
            epoch.begin(ours, move.name)
        others.begin()
        with others.cursor() as cursor:
            cursor.execute(HEAVY)  # so that the server ends our transaction, which is the smaller one
            cursor.execute(row_of("b"))
            failed: list[BaseException] = []

            def run() -> None:
                try:
                    step(ours, MOVES)
                except BaseException as error:
                    failed.append(error)

            thread = threading.Thread(target=run)
            thread.start()
            assert until(lambda: waiting(database) > 0)  # it has the row of "a", and waits for that of "b"
            cursor.execute(row_of("a"))
            others.rollback()
        thread.join(30)
        assert failed == []
        marked = [epoch.known(ours, move.name).mark is not None for move in MOVES]
    assert marked == [step is epoch.announce] * 2
