"""Indexes of a large table: sent by one function, made by the server, found by the next."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from tableferry.errors import Conflict, DigestMismatch
from tableferry.mysql.database import Database as Target
from tableferry.mysql.session import Mode
from tableferry.restore.build import index_steps, indexes, running
from tableferry.restore.build.chunk_ledger import ChunkLedger
from tableferry.restore.build.target import Place
from tests.support import fill_process, verbs
from tests.support.parts import Database, until

LINES = [f"KEY `of_{n}` (`b`,`c`{', `a`' if n % 2 else ''})".replace(", ", ",") for n in range(10)]  # for seconds
DOUBLED = 16


@dataclass(frozen=True)
class Built:
    """A table in a shadow schema, of many rows, whose indexes are not made yet."""

    database: Database
    target: Target
    place: Place
    ledger: ChunkLedger

    def advance(self, seconds: float = 0.0, lines: list[str] = LINES) -> bool:
        return index_steps.advance(self.target, self.place, {"t": lines}, self.ledger, 2, seconds, 30.0)

    def sent(self) -> int:
        with self.target.connect(Mode.FAITHFUL) as connection:
            return self.ledger.count(connection)

    def is_altered(self) -> bool:
        with self.target.connect(Mode.FAITHFUL) as connection:
            return running.alters(connection, self.place.shadow, self.place.table_sql("t"))

    def made(self) -> list[str]:
        return [
            line for line in LINES if line in self.database.rows(f"SHOW CREATE TABLE {self.place.table_sql('t')}")[0][1]
        ]


@pytest.fixture
def built(database: Database) -> Iterator[Built]:
    place = Place(database.name, f"tableferry_{database.name}", "")
    target = Target(fill_process.address(database.url))
    table = place.table_sql("t")
    verbs.run(
        database,
        f"CREATE DATABASE {place.shadow}",
        f"CREATE TABLE {table} (a INT AUTO_INCREMENT PRIMARY KEY, b VARCHAR(60), c INT)",
        f"INSERT INTO {table} (b, c) VALUES ('x', 1), ('y', 2)",
        *[
            f"INSERT INTO {table} (b, c) SELECT SHA2(CONCAT(a + {n}, b), 224), c + {n} FROM {table} LIMIT 60000"
            for n in range(DOUBLED)
        ],
    )
    ledger = ChunkLedger(place.shadow, "0a1b2c")
    with target.connect(Mode.FAITHFUL) as connection:
        ledger.create(connection)
    yield Built(database, target, place, ledger)
    verbs.run(database, f"DROP DATABASE IF EXISTS {place.shadow}")


def test_the_server_goes_on_with_indexes_when_the_function_that_sent_them_has_ended(built: Built) -> None:
    if built.advance():
        pytest.fail("the table is too small for this test")
    assert built.is_altered() or built.made()
    until(lambda: built.made() == LINES)
    assert built.advance()
    assert built.sent() == 1


def test_indexes_under_way_are_not_sent_again(built: Built) -> None:
    while not built.advance():
        time.sleep(0.05)
    assert built.sent() == 1
    assert built.advance()
    assert built.made() == LINES


def test_a_function_that_waits_long_enough_sees_them_made(built: Built) -> None:
    assert built.advance(60.0)


def test_rows_that_are_the_same_in_a_unique_index_are_told_by_who_waits(built: Built) -> None:
    lines = ["UNIQUE KEY `of_c` (`c`)"]
    with pytest.raises(DigestMismatch, match="the same here"):
        while not built.advance(60.0, lines):
            pass


def test_indexes_that_fail_unheard_are_sent_three_times_and_then_told_of(
    built: Built, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unheard(*_: object) -> bool:
        return True

    monkeypatch.setattr(indexes, "put_on", unheard)
    for _ in range(index_steps.SENT_AT_MOST):
        assert not built.advance()
    with pytest.raises(Conflict, match="begun 3 times"):
        built.advance()


def test_what_runs_on_a_schema_can_be_ended(built: Built) -> None:
    assert not built.advance()
    with built.target.connect(Mode.FAITHFUL) as connection:
        running.end_all(connection, built.place.shadow)
        until(lambda: not list(running.statements(connection, built.place.shadow)))
        assert not running.alters(connection, built.place.shadow, built.place.table_sql("t"))


def test_two_functions_that_send_the_same_indexes_make_them_once(built: Built) -> None:
    with built.target.connect(Mode.FAITHFUL) as connection:
        indexes.put_on(connection, built.place.table_sql("t"), LINES)
    sent: Callable[..., object] = index_steps._send
    ghost = sent(built.target, built.place, "t", LINES)
    index_steps._wait([ghost], 30.0)  # type: ignore[list-item]  # what it sent is there already, which is no error
    assert built.made() == LINES
