"""Exactly once: a request sent again with its Idempotency-Key, and what is in the ledger for it."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from functions.insert.app import handler
from functions.restore.app import handler as restores
from tableferry.config.settings import database_address
from tableferry.errors import IdempotencyMismatch
from tableferry.ingest.insert import Inserted, SentRows, insert
from tableferry.ledger import facts, ledger
from tableferry.mysql.database import Connection, execute, rows, transaction
from tableferry.mysql.database import Database as Source
from tests.support.lambdas import Answer, counts, invoke, request
from tests.support.parts import Database
from tests.support.uploads import Uploads

# Without a key of its own, nothing but the ledger keeps a row from being there twice.
TABLE = "CREATE TABLE t (id INT, name VARCHAR(20) NOT NULL)"
ROWS = [[1, "a"], [2, None], [3, "c"]]


def post(body: object, key: str, table: str = "t", **options: Any) -> Answer:
    return request(handler, "POST", f"/tables/{table}/rows", body=body, headers={"Idempotency-Key": key}, **options)


def test_a_request_sent_again_gets_the_first_answer_and_changes_nothing(database: Database) -> None:
    database.run(TABLE)
    first, second = post(ROWS, "k"), post(ROWS, "k")
    assert (first.status, counts(first.json)) == (207, (3, 2, 0, 1, 0))
    assert (second.status, second.json) == (first.status, first.json)
    assert "idempotent-replayed" not in first.headers
    assert second.headers["idempotent-replayed"] == "true"
    assert database.rows("SELECT * FROM t ORDER BY id") == [(1, "a"), (3, "c")]


def test_the_answer_stays_even_if_the_rows_have_gone(database: Database) -> None:
    database.run(TABLE)
    first = post([[1, "a"]], "k")
    database.run("DELETE FROM t")
    assert post([[1, "a"]], "k").json == first.json
    assert database.rows("SELECT * FROM t") == []


def test_a_batch_of_which_nothing_went_in_is_answered_the_same_again(database: Database) -> None:
    database.run(TABLE)
    first = post([[1, None]], "k")
    assert (first.status, counts(first.json)) == (422, (1, 0, 0, 1, 0))
    assert (post([[1, None]], "k").status, post([[1, None]], "k").json) == (422, first.json)


def test_a_key_that_was_used_for_another_request_is_refused(database: Database) -> None:
    database.run(TABLE, TABLE.replace("TABLE t", "TABLE u"))
    assert post([[1, "a"]], "k").status == 201
    csv = {"Idempotency-Key": "k", "content-type": "text/csv"}
    for answer in (
        post([[2, "a"]], "k"),
        post([[1, "a"]], "k", table="u"),
        post([[1, "a"]], "k", query={"on_duplicate": "ignore"}),
        request(handler, "POST", "/tables/t/rows", body=json.dumps([[1, "a"]]), headers=csv),
    ):
        assert answer.problem(422)["type"] == "urn:tableferry:problem:idempotency-mismatch"
    assert database.rows("SELECT COUNT(*) FROM t UNION ALL SELECT COUNT(*) FROM u") == [(1,), (0,)]


def test_a_request_that_could_not_be_read_does_not_use_up_its_key(database: Database) -> None:
    database.run(TABLE)
    post("[[1, ", "k").problem(400)
    post([[1, "a"]], "k", table="nope").problem(404)
    assert post([[1, "a"]], "k").status == 201


@pytest.mark.parametrize("key", ["", "x" * 256])
def test_a_key_has_one_to_255_characters(database: Database, key: str) -> None:
    database.run(TABLE)
    assert '"Idempotency-Key"' in post([[1, "a"]], key).problem(400)["detail"]
    assert database.rows("SELECT * FROM t") == []


def test_any_text_is_a_key(database: Database) -> None:
    database.run(TABLE)
    for key in ("☃", "'; DROP TABLE t; --", "x" * 255, "%s"):
        assert [post([[1, "a"]], key).status for _ in range(2)] == [201, 201]
    assert database.rows("SELECT COUNT(*) FROM t") == [(4,)]


def at_once(count: int, call: Any) -> list[Any]:
    results: list[Any] = []

    def run(number: int) -> None:
        try:
            results.append(call(number))
        except Exception as error:
            results.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_a_request_that_comes_several_times_at_once_is_done_once(database: Database) -> None:
    database.run(TABLE)
    source = Source(database_address())
    batch = SentRows(json.dumps([[n, "a"] for n in range(50)]).encode(), csv=False)
    results = at_once(6, lambda _: insert(source, "t", batch, idempotency_key="k"))
    assert all(isinstance(result, Inserted) for result in results), results
    assert {counts_of(result) for result in results} == {(50, 50, 0, 0, 0)}
    assert sorted(result.replayed for result in results) == [False, True, True, True, True, True]
    assert database.rows("SELECT COUNT(*), COUNT(DISTINCT id) FROM t") == [(50, 50)]


def test_of_different_requests_at_once_with_one_key_one_is_done(database: Database) -> None:
    database.run(TABLE)
    source = Source(database_address())
    results = at_once(
        4, lambda n: insert(source, "t", SentRows(f'[[{n}, "a"]]'.encode(), csv=False), idempotency_key="k")
    )
    assert sorted(type(result).__name__ for result in results) == [*["IdempotencyMismatch"] * 3, "Inserted"]
    assert any(isinstance(result, IdempotencyMismatch) for result in results)
    assert database.rows("SELECT COUNT(*) FROM t") == [(1,)]


def counts_of(result: Inserted) -> tuple[int, ...]:
    return result.read, result.inserted, result.updated, result.rejected, result.duplicates


def test_a_request_that_died_midway_leaves_neither_rows_nor_its_key(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.run(TABLE)

    def die(*_: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(ledger, "update", die)
        post(ROWS, "k").problem(500)
    assert database.rows("SELECT COUNT(*) FROM t") == [(0,)]
    again = post(ROWS, "k")
    assert (again.status, counts(again.json)) == (207, (3, 2, 0, 1, 0))
    assert "idempotent-replayed" not in again.headers


def test_a_table_that_others_hold_is_a_conflict_and_nothing_is_written(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.run("CREATE TABLE t (id INT PRIMARY KEY)", "INSERT INTO t VALUES (1)")
    real = ledger.prepare

    def impatient(connection: Connection) -> None:
        execute(connection, "SET SESSION innodb_lock_wait_timeout = 1")
        real(connection)

    monkeypatch.setattr(ledger, "prepare", impatient)
    monkeypatch.setattr("tableferry.mysql.retry._TRIES", 1)
    with database.connect(autocommit=False) as holder, holder.cursor() as cursor:
        cursor.execute("SELECT * FROM t FOR UPDATE")
        assert "locked" in post([[5], [1]], "k").problem(409)["detail"]
        holder.rollback()
    assert database.rows("SELECT * FROM t") == [(1,)]
    assert post([[5]], "k").status == 201


def entries(database: Database) -> set[tuple[str, int]]:
    return set(database.rows(f"SELECT id, part FROM {ledger.TABLE}"))


def aged(database: Database, days: int, where: str = "TRUE") -> None:
    database.run(f"UPDATE {ledger.TABLE} SET written = NOW() - INTERVAL {days} DAY WHERE {where}")


def test_a_key_is_good_for_its_days_and_the_same_request_is_a_new_one_after_them(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.run(TABLE)
    monkeypatch.setenv("LEDGER_DAYS", "7")
    assert post([[1, "a"]], "k").status == 201
    aged(database, 6)
    assert post([[2, "b"]], "other").status == 201
    assert post([[1, "a"]], "k").headers["idempotent-replayed"] == "true"
    aged(database, 8)
    assert post([[3, "c"]], "third").status == 201  # which drops the two
    assert len(entries(database)) == 1
    assert "idempotent-replayed" not in post([[1, "a"]], "k").headers
    assert database.rows("SELECT id FROM t ORDER BY id") == [(1,), (1,), (2,), (3,)]


def test_with_no_days_nothing_is_forgotten(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    database.run(TABLE)
    monkeypatch.setenv("LEDGER_DAYS", "0")
    post([[1, "a"]], "k")
    aged(database, 10_000)
    post([[2, "b"]], "other")
    assert post([[1, "a"]], "k").headers["idempotent-replayed"] == "true"


def test_entries_expire_so_many_at_once_the_oldest_first_and_those_of_unfinished_loads_never(
    database: Database,
) -> None:
    with Source(database_address()).connect() as connection:
        assert ledger.expire(connection, 30) == 0  # there is no ledger yet
        ledger.prepare(connection)
        for number in range(5):
            ledger.write(connection, f"request/{number}", 0, None)
            aged(database, 40 + number, f"id = 'request/{number}'")
        for part in (0, 1, ledger.FINAL):
            ledger.write(connection, "load/done" if part == ledger.FINAL else "load/died", part, None)
        aged(database, 50, "id LIKE 'load/%'")
        ledger.write(connection, "request/new", 0, None)
        assert ledger.expire(connection, 30, limit=2) == 2
        assert ledger.expire(connection, 100) == 0
        kept = {("load/died", 0), ("load/died", 1), ("request/new", 0)}
        assert entries(database) - kept == {(f"request/{number}", 0) for number in range(4)}
        assert ledger.expire(connection, 30) == 4
        assert entries(database) == kept
        assert ledger.expire(connection, 10**9) == 0


def test_a_ledger_of_an_earlier_version_is_let_be_and_expires_too(database: Database) -> None:
    with Source(database_address()).connect() as connection:
        ledger.prepare(connection)
        assert database.rows(f"SHOW INDEX FROM {ledger.TABLE} WHERE key_name = 'written'")
        database.run(f"ALTER TABLE {ledger.TABLE} DROP INDEX written")
        ledger.prepare(connection)
        ledger.write(connection, "request/1", 0, None)
        aged(database, 31)
        assert ledger.expire(connection, 30) == 1
        assert not database.rows(f"SHOW INDEX FROM {ledger.TABLE} WHERE key_name = 'written'")


def test_expiry_waits_for_nobody_who_writes_the_next_entry(database: Database) -> None:
    source = Source(database_address())
    with source.connect() as connection, source.connect() as other:
        ledger.prepare(connection)
        execute(connection, "SET SESSION innodb_lock_wait_timeout = 1")
        ledger.write(connection, "request/old", 0, None)
        aged(database, 31)
        with transaction(other):
            assert ledger.write(other, "request/next", 0, None)
            assert ledger.expire(connection, 30) == 1
        with transaction(other):
            ledger.write(connection, "request/held", 0, None)
            aged(database, 31)
            execute(other, f"SELECT * FROM {ledger.TABLE} FOR UPDATE")
            assert ledger.expire(connection, 30) == 0  # given up for this time, without an error
        assert ledger.expire(connection, 30) == 2


def test_a_scheduled_recovery_forgets_too(database: Database, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    database.run(TABLE)
    post([[1, "a"]], "k")
    aged(database, 31)
    monkeypatch.setenv("LEDGER_DAYS", "0")
    assert invoke(restores, {"action": "recover"})["forgotten"] == 0
    monkeypatch.delenv("LEDGER_DAYS")
    assert invoke(restores, {"action": "recover"})["forgotten"] == 1
    assert entries(database) == set()


def test_a_load_that_ends_forgets_too(database: Database, uploads: Uploads) -> None:
    database.run(TABLE)
    post([[1, "a"]], "k")
    aged(database, 31)
    status = uploads.load(b"2,b\n")
    assert entries(database) == {(f"load/{status['id']}", ledger.FINAL)}


def test_a_request_that_comes_again_is_the_same_whatever_the_tables_setting_is_by_then(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.run("CREATE TABLE t (id INT PRIMARY KEY, name VARCHAR(20))")
    first = post([[1, "a"]], "k")
    monkeypatch.setenv("TABLE_SETTINGS", '{"t": {"on_duplicate": "update"}}')
    assert post([[1, "a"]], "k").json == first.json
    assert post([[1, "a"]], "k", query={"on_duplicate": "update"}).problem(422)
    assert post([[1, "a"]], "k", query={"binary": "hex"}).problem(422)


def test_many_that_need_the_ledger_first_at_once_all_get_it(database: Database) -> None:
    """Two that make a table at once deadlock; MySQL hides it, but not from who holds a lock, as each load does."""
    source = Source(database_address())

    def first(start: threading.Barrier, number: int) -> str:
        with source.connect() as connection:
            rows(connection, "SELECT GET_LOCK(%s, 0)", (f"{database.name}/{number}",))
            start.wait(30)
            ledger.prepare(connection)
            return ledger.identity(connection)

    for _ in range(3):
        with ThreadPoolExecutor(8) as pool:
            start = threading.Barrier(8)
            identities = {one.result() for one in [pool.submit(first, start, number) for number in range(8)]}
        assert len(identities) == 1
        database.run(f"DROP TABLE {ledger.TABLE}", f"DROP TABLE {facts.TABLE}")
