"""The demo of backups over many functions: it succeeds, and would see it if a backup were of several moments."""

from collections.abc import Iterator, Mapping
from contextlib import closing

import pytest

from local.demo import money, scale
from local.demo.expect import Unexpected
from local.demo.money import ACCOUNTS, TRANSFERS, beside
from local.demo.sample import Connection, connect
from local.runtime import control
from tests.effort import in_ci
from tests.support.parts import Database, Runtime, Server, until


def schemas(runtime: Runtime) -> set[str]:
    """What restores have made, or kept."""
    with closing(connect(runtime.env["DATABASE_URL"])) as connection, connection.cursor() as cursor:
        cursor.execute("SHOW DATABASES LIKE 'tableferry\\_%'")
        return {str(name) for (name,) in cursor.fetchall()}


@in_ci
@pytest.mark.timeout(600)
def test_the_demo_of_many_functions_succeeds_though_a_worker_and_who_holds_the_moment_are_killed(
    runtime: Runtime, capsys: pytest.CaptureFixture[str]
) -> None:
    before = schemas(runtime)
    code = scale.run(runtime.env, runtime.state.logs, workers=8, accounts=64_000)
    shown = capsys.readouterr().out
    assert code == 0, shown
    assert "8 functions, try 1: " in shown
    assert shown.count("killed, 8 functions, try") + shown.count("no backup after") >= 2
    assert schemas(runtime) == before
    assert shown.count("Prove that it is one moment") == 1 + shown.count("killed, 8 functions, try")


@pytest.fixture
def database(server: Server) -> Iterator[Database]:
    with server.database() as made:
        yield made


@pytest.fixture
def moved(database: Database) -> Iterator[Connection]:
    """Money has moved, and what a backup of it would hold is there beside."""
    with closing(connect(database.url)) as connection:
        money.prepare(connection, 100)
        with money.writing(database.url, 100) as writers:
            assert until(lambda: writers.transactions > 50 and _all_have_written(connection))
        assert not writers.errors
        with connection.cursor() as cursor:
            for table in money.TABLES:
                cursor.execute(f"CREATE TABLE {beside(table)} SELECT * FROM {table}")
        yield connection


def _all_have_written(connection: Connection) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT COUNT(*) FROM {TRANSFERS} GROUP BY writer")
        counts = [count for (count,) in cursor.fetchall()]
    connection.rollback()
    return len(counts) == 3 and min(counts) > 3


def test_of_one_moment_every_balance_is_what_the_transactions_say(moved: Connection) -> None:
    found, live = money.look(moved), money.look(moved, "")
    assert (found.wrong, live.wrong) == ([], [])
    assert found.transactions == live.transactions > 50


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        # A range of accounts that another function read one transaction later, from which money went to this one.
        (
            f"UPDATE {beside(ACCOUNTS)} SET balance = CASE id WHEN 1 THEN balance - 5 ELSE balance + 5 END WHERE id < 3 AND id > 0",
            "2 balances are not what the transactions say",
        ),
        (f"DELETE FROM {beside(TRANSFERS)} WHERE writer = 1 AND number = 3", "some are missing"),
        (f"DELETE FROM {beside(TRANSFERS)} WHERE writer = 2 AND number = 1", "some are missing"),
        (f"INSERT INTO {beside(TRANSFERS)} VALUES (9, 1, 4, 5, 1)", "2 balances are not what the transactions say"),
    ],
)
def test_what_is_of_several_moments_is_seen_though_the_sum_is_right(
    moved: Connection, statement: str, told: str
) -> None:
    with moved.cursor() as cursor:
        cursor.execute(statement)
        cursor.execute(f"SELECT SUM(balance) FROM {beside(ACCOUNTS)}")
        assert cursor.fetchone() == (100 * money.BALANCE,)
    assert any(told in one for one in money.look(moved).wrong)


def test_tables_of_these_names_that_are_not_the_demos_are_let_be(database: Database) -> None:
    with closing(connect(database.url)) as connection, connection.cursor() as cursor:
        for name in (ACCOUNTS, beside(TRANSFERS)):
            cursor.execute(f"CREATE TABLE {name} (mine INT)")
            with pytest.raises(Unexpected, match=name):
                money.prepare(connection, 10)
            cursor.execute(f"SELECT COUNT(*) FROM {name}")
            cursor.execute(f"DROP TABLE {name}")


def test_without_the_state_machine_it_says_what_to_do(
    env: Mapping[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    off = {name: value for name, value in env.items() if name != "AWS_ENDPOINT_URL_SFN"}
    monkeypatch.setattr(control, "running", lambda _: off)
    assert scale.main() == 1
    assert "SCALE=off" in capsys.readouterr().err
