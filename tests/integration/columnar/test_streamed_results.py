"""Results off a real server's connection: over TLS, killed in the middle, left in the middle."""

import contextlib
from typing import Any

import pytest
from pymysql import err

from tableferry.columnar import result_set
from tableferry.columnar.digest import Digest
from tableferry.config.settings import database_address
from tableferry.errors import DatabaseUnavailable, NotSupported
from tableferry.mysql.database import Connection, Database, rows
from tableferry.schema.codec import Codec, Kind
from tests.effort import by_turns
from tests.support.parts import Database as OurDatabase
from tests.support.tls_server import TlsServer

NUMBER, TEXT = Codec("id", Kind.INT), Codec("t", Kind.TEXT)
COUNT = 60_000
MANY = f"SELECT id, REPEAT(CHAR(97 + id % 26), 300) t FROM numbers WHERE id < {COUNT}"  # 18 MB, which no socket holds


def fill(database: Any) -> None:
    digits = "(SELECT 0 d UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5 UNION SELECT 6"
    digits += " UNION SELECT 7 UNION SELECT 8 UNION SELECT 9)"
    summed = " + ".join(f"{name}.d * {10**place}" for place, name in enumerate("abcde"))
    with contextlib.closing(database.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE numbers (id INT PRIMARY KEY)")
        cursor.execute(f"INSERT INTO numbers SELECT {summed} FROM " + ", ".join(f"{digits} {name}" for name in "abcde"))
        connection.commit()


@pytest.fixture
def numbers(database: OurDatabase) -> OurDatabase:
    fill(database)
    return database


def streamed(connection: Connection) -> Digest:
    return sum((batch.digest for batch in result_set.batches(connection, MANY, [NUMBER, TEXT], 1 << 20)), Digest())


@by_turns
def test_a_result_over_tls_is_the_one_without(tls_server: TlsServer, numbers: OurDatabase) -> None:
    with Database(database_address()).connect() as connection:
        plain = streamed(connection)
    with Database(tls_server.address).connect() as connection:
        raw: Any = connection
        assert raw._secure
        with connection.cursor() as cursor:
            cursor.execute("CREATE TABLE numbers AS SELECT 0 id LIMIT 0")
            cursor.executemany("INSERT INTO numbers VALUES (%s)", [(number,) for number in range(COUNT)])
        assert streamed(connection) == plain
        assert rows(connection, "SELECT 1") == [(1,)]
    assert plain.rows == COUNT


@pytest.mark.parametrize("what", ["CONNECTION", "QUERY"])
def test_a_result_that_is_killed_in_the_middle_says_so(numbers: OurDatabase, what: str) -> None:
    with (
        pytest.raises(DatabaseUnavailable),
        Database(database_address()).connect() as connection,
    ):
        raw: Any = connection
        batches = result_set.batches(connection, MANY, [NUMBER, TEXT], 1 << 20)
        next(batches)
        numbers.run(f"KILL {what} {raw.thread_id()}")
        try:
            list(batches)
        except err.OperationalError:
            if what == "QUERY":
                assert rows(connection, "SELECT 1") == [(1,)]
            raise


@pytest.mark.parametrize("how", ["a value", "the reader"])
def test_a_connection_whose_result_was_left_in_the_middle_is_closed(numbers: OurDatabase, how: str) -> None:
    with pytest.raises(DatabaseUnavailable), Database(database_address()).connect() as connection:
        if how == "a value":
            with pytest.raises(NotSupported):
                list(result_set.batches(connection, MANY, [NUMBER, NUMBER], 1 << 20))
        else:
            for _ in result_set.batches(connection, MANY, [NUMBER, TEXT], 1 << 20):
                break
        assert not connection.open
        rows(connection, "SELECT 1")
