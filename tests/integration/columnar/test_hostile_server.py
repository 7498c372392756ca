"""A server that asks for a file of ours, which `LOAD DATA LOCAL` lets it do, in answer to anything."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tableferry.columnar import result_set
from tableferry.config.settings import DatabaseAddress, database_address
from tableferry.errors import DatabaseUnavailable
from tableferry.ledger import ledger
from tableferry.mysql import connection as driver
from tableferry.mysql import local_infile
from tableferry.mysql.database import Connection, Database, execute, rows, transaction
from tableferry.schema.codec import codec
from tableferry.schema.table import Column
from tests.support.fake_server import FakeServer
from tests.support.parts import Database as OurDatabase

COLUMN = Column("c", "int", "int", nullable=True)

ASKED: dict[str, tuple[bytes, Callable[[Connection], object]]] = {
    "a statement": (b"DELETE", lambda connection: execute(connection, "DELETE FROM t")),
    "a query": (b"SELECT 1", lambda connection: rows(connection, "SELECT 1")),
    "a streamed query": (
        b"SELECT 1",
        lambda connection: list(result_set.batches(connection, "SELECT 1", [codec(COLUMN)], 99)),
    ),
    "the ledger": (b"INSERT", lambda connection: ledger.write(connection, "id", 0, {})),
    "a transaction": (b"BEGIN", lambda connection: transaction(connection).__enter__()),
    "the session's settings": (b"SET SESSION", lambda connection: None),
    "what became of them": (b"SELECT CONCAT_WS", lambda connection: None),
}


@pytest.mark.parametrize("case", ASKED)
def test_a_server_that_asks_for_a_file_gets_none(case: str, tmp_path: Path) -> None:
    trap, ask = ASKED[case]
    wanted = tmp_path / "environ"
    wanted.write_text("AWS_SECRET_ACCESS_KEY=hush")
    with FakeServer(trap=trap, file=str(wanted)).running() as fake:
        address = DatabaseAddress("127.0.0.1", fake.port, "d", "u", "p")
        with pytest.raises(Exception), Database(address).connect() as connection:  # noqa: B017
            ask(connection)
    assert any(statement.startswith(trap) for statement in fake.statements)
    assert b"hush" not in b"".join(fake.packets)


@pytest.mark.parametrize("case", ["a statement", "a query"])
def test_the_error_says_what_the_server_did(case: str) -> None:
    trap, ask = ASKED[case]
    with FakeServer(trap=trap).running() as fake:
        address = DatabaseAddress("127.0.0.1", fake.port, "d", "u", "p")
        with (
            pytest.raises(DatabaseUnavailable, match="asked for a file of this function"),
            Database(address).connect() as connection,
        ):
            ask(connection)
    assert fake.answers_to_trap == []


def test_a_load_sends_its_rows_and_not_the_file_that_the_server_names() -> None:
    with FakeServer(trap=b"LOAD DATA").running() as fake:
        address = DatabaseAddress("127.0.0.1", fake.port, "d", "u", "p")
        with Database(address).connect() as connection:
            local_infile.load(connection, "`t`", [local_infile.Target("c")], [b"1\n", b"2\n"])
    assert fake.answers_to_trap == [b"1\n", b"2\n", b""]


def test_a_server_that_says_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver, "_LOGIN_SECONDS", 1)
    with FakeServer(silent=True).running() as fake:
        address = DatabaseAddress("127.0.0.1", fake.port, "d", "u", "p")
        started = time.monotonic()
        with pytest.raises(DatabaseUnavailable), Database(address).connect():
            pass
        assert time.monotonic() - started < 8  # it waits for ten seconds if it is not told of one


def test_once_logged_in_an_answer_may_take_its_time(database: OurDatabase) -> None:
    with Database(database_address()).connect() as connection:
        raw: Any = connection
        assert raw._read_timeout is None
        assert rows(connection, "SELECT SLEEP(0.1)") == [(0,)]
