"""Exactly once: a request sent again with its Idempotency-Key, and what is in the ledger for it."""

import json
import threading
from typing import Any

import pytest

from functions.insert.app import handler
from tableferry import ledger
from tableferry.database import Connection, execute
from tableferry.database import Database as Source
from tableferry.errors import IdempotencyMismatch
from tableferry.insert import Batch, Inserted, insert
from tableferry.settings import database_address
from tests.integration.lambdas import Answer, counts, request
from tests.support import Database

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
    assert "idempotency-key" in post([[1, "a"]], key).problem(400)["detail"]
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
    batch = Batch(json.dumps([[n, "a"] for n in range(50)]).encode(), csv=False)
    results = at_once(6, lambda _: insert(source, "t", batch, idempotency_key="k"))
    assert all(isinstance(result, Inserted) for result in results), results
    assert {counts_of(result) for result in results} == {(50, 50, 0, 0, 0)}
    assert sorted(result.replayed for result in results) == [False, True, True, True, True, True]
    assert database.rows("SELECT COUNT(*), COUNT(DISTINCT id) FROM t") == [(50, 50)]


def test_of_different_requests_at_once_with_one_key_one_is_done(database: Database) -> None:
    database.run(TABLE)
    source = Source(database_address())
    results = at_once(4, lambda n: insert(source, "t", Batch(f'[[{n}, "a"]]'.encode(), csv=False), idempotency_key="k"))
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
    monkeypatch.setattr("tableferry.writer._TRIES", 1)
    with database.connect(autocommit=False) as holder, holder.cursor() as cursor:
        cursor.execute("SELECT * FROM t FOR UPDATE")
        assert "locked" in post([[5], [1]], "k").problem(409)["detail"]
        holder.rollback()
    assert database.rows("SELECT * FROM t") == [(1,)]
    assert post([[5]], "k").status == 201
