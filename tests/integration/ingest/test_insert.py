"""Rows over HTTP into a table: each shape of a batch, defaults, and what the data dictionary says."""

import json
from typing import Any

import pytest

from functions.insert.app import handler
from tests.effort import in_ci, sample
from tests.support.lambdas import Answer, counts, problems, request, segment
from tests.support.parts import Database
from tests.support.uploads import Uploads

CSV = {"content-type": "text/csv"}
EMPLOYEES = "SELECT id, name, CAST(`datetime` AS CHAR), department_id, job_id FROM hired_employees ORDER BY id"
ADA = (1, "Ada", "2021-07-27 16:02:08", 1, 2)
EVE = (2, "O'Brien, Eve ☃", "2022-01-01 00:00:00", 3, 1)


def post(table: str, body: object, **options: Any) -> Answer:
    return request(handler, "POST", f"/tables/{segment(table)}/rows", body=body, **options)


def test_objects_arrays_and_rows_in_an_object_all_go_in(sample: Database) -> None:
    object_of = {"id": 1, "name": "Ada", "datetime": "2021-07-27T16:02:08Z", "department_id": 1, "job_id": 2}
    array = [2, EVE[1], "2022-01-01T01:00:00+01:00", "3", 1]
    for body in ([object_of], [array], {"rows": [object_of]}, {"rows": [array, object_of]}, [object_of, array]):
        sample.run("DELETE FROM hired_employees")
        answer = post("hired_employees", body)
        given = len(body["rows"]) if isinstance(body, dict) else len(body)
        assert (answer.status, counts(answer.json)) == (201, (given, given, 0, 0, 0))
        assert answer.json == {**answer.json, "table": "hired_employees", "errors": []}
    assert sample.rows(EMPLOYEES) == [ADA, EVE]


def test_csv_goes_in_with_a_header_or_without_one_whatever_its_line_ends(sample: Database) -> None:
    plain = '1,Ada,2021-07-27T16:02:08Z,1,2\n2,"O\'Brien, Eve ☃",2022-01-01T00:00:00Z,3,1\n'
    turned = f'job_id,name,id,datetime,department_id\n2,Ada,1,2021-07-27 16:02:08,1\n1,"{EVE[1]}",2,2022-01-01,3'
    for body in (
        plain,
        plain.replace("\n", "\r\n"),
        "\ufeff" + plain,
        "\n" + plain + "\n\n",
        turned,
        "\ufeff" + turned,
    ):
        sample.run("DELETE FROM hired_employees")
        for sent in (body, body.encode()):
            answer = post("hired_employees", sent, headers=CSV, query={"on_duplicate": "ignore"})
            assert answer.status == 201, answer.text
            assert counts(answer.json)[0] == 2
        assert sample.rows(EMPLOYEES) == [ADA, EVE]


def test_a_file_of_two_bytes_is_one_row_without_its_line_end(database: Database) -> None:
    database.run("CREATE TABLE t (name VARCHAR(10))")
    for body in ("a\n", "a\r\n", "a", "\n\na", '""'):
        assert post("t", body, headers=CSV).status == 201
    assert database.rows("SELECT name FROM t") == [("a",), ("a",), ("a",), ("a",), ("",)]
    assert post("t", "\n\n", headers=CSV).problem(400)["detail"] == "There are no rows in the body."


def test_a_header_may_name_some_of_the_columns_and_the_others_get_their_defaults(database: Database) -> None:
    database.run("CREATE TABLE t (id INT PRIMARY KEY, a INT DEFAULT 7, b VARCHAR(9) NOT NULL DEFAULT 'x', c INT)")
    assert post("t", "c,ID\n5,1\n,2\n", headers=CSV).status == 201
    assert database.rows("SELECT * FROM t ORDER BY id") == [(1, 7, "x", 5), (2, 7, "x", None)]


def test_a_header_without_a_required_column_rejects_each_row_for_it(sample: Database) -> None:
    answer = post("departments", "id\n10\n11\n", headers=CSV)
    assert answer.status == 422
    assert problems(answer.json) == [(1, "department", "missing"), (2, "department", "missing")]


def test_what_a_row_leaves_out_gets_its_default_and_what_is_computed_is_computed(database: Database) -> None:
    database.run(
        "CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, a INT NOT NULL DEFAULT 5, b VARCHAR(9), c DATE DEFAULT"
        " '2020-02-29', d INT AS (a * 2) STORED, e INT AS (a + 1) VIRTUAL, f TIMESTAMP DEFAULT CURRENT_TIMESTAMP)"
    )
    assert post("t", [{}, {"a": 6}, {"b": "y", "c": None}, {"id": 40}, {"id": None}]).status == 201
    found = database.rows("SELECT id, a, b, CAST(c AS CHAR), d, e, f IS NOT NULL FROM t ORDER BY id")
    assert found == [
        (1, 5, None, "2020-02-29", 10, 6, 1),
        (2, 6, None, "2020-02-29", 12, 7, 1),
        (3, 5, "y", None, 10, 6, 1),
        (40, 5, None, "2020-02-29", 10, 6, 1),
        (41, 5, None, "2020-02-29", 10, 6, 1),
    ]
    refused = post("t", [{"d": 3}, {"a": None}])
    assert problems(refused.json) == [(1, "d", "generated"), (2, "a", "missing")]
    assert post("t", ",1,b,2021-01-01,2021-01-01T00:00:00Z\n", headers=CSV).status == 201  # the five that hold data
    assert database.rows("SELECT id, a, d FROM t WHERE b = 'b'") == [(42, 1, 2)]


def test_a_zero_for_an_automatic_number_is_a_zero(database: Database) -> None:
    database.run("CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, a INT)")
    assert post("t", [{"id": 0, "a": 1}]).status == 201
    assert database.rows("SELECT id FROM t") == [(0,)]


def test_a_thousand_rows_go_in_at_once(database: Database) -> None:
    database.run("CREATE TABLE t (id INT PRIMARY KEY, name VARCHAR(20))")
    answer = post("t", [[number, f"name {number}"] for number in range(1000)])
    assert (answer.status, counts(answer.json)) == (201, (1000, 1000, 0, 0, 0))
    assert database.rows("SELECT COUNT(*), SUM(id), COUNT(DISTINCT name) FROM t") == [(1000, 499500, 1000)]


def test_good_rows_go_in_and_bad_ones_are_reported_in_the_answer_and_the_log(sample: Database, log: Any) -> None:
    answer = post("departments", [[10, "A"], [11, None], ["x", "C"], [13, "D"]])
    assert (answer.status, counts(answer.json)) == (207, (4, 2, 0, 2, 0))
    assert problems(answer.json) == [(2, "department", "missing"), (3, "id", "invalid")]
    assert sample.rows("SELECT * FROM departments WHERE id > 3") == [(10, "A"), (13, "D")]
    assert log.getvalue().count('"row rejected"') == 2


@in_ci
@pytest.mark.parametrize("key", [{}, {"Idempotency-Key": "k"}])
@sample(1)
def test_an_answer_about_many_bad_values_fits_and_says_how_many_there_are_besides(
    database: Database, log: Any, key: dict[str, str]
) -> None:
    width, rows = 60, 1000
    database.run(f"CREATE TABLE t ({', '.join(f'column_number_{n} INT' for n in range(width))})")
    body = f"{','.join('x' * width)}\n" * (rows - 1) + f"{',' * (width - 2)}x,\n"
    headers = {"content-type": "text/csv", **key}
    for _ in range(2):  # the second time, with a key, it is the first answer
        answer = request(handler, "POST", "/tables/t/rows", body=body, headers=headers)
        assert (answer.status, counts(answer.json)) == (422, (rows, 0, 0, rows, 0))
        assert len(json.dumps(answer.text)) < 4.2 * 1024 * 1024
        told = problems(answer.json)
        assert answer.json["more_errors"] == width * (rows - 1) + 1 - len(told) > 0
        assert {row for row, _, _ in told} == set(range(1, rows + 1))  # of each row the first
        assert told[:width] == [(1, f"column_number_{n}", "invalid") for n in range(width)]
        assert told == sorted(told, key=lambda one: one[0])
    assert log.getvalue().count('"row rejected"') == 200
    assert f'"problems":{width * (rows - 1) + 1 - 100}' in log.getvalue()


def test_a_name_as_long_as_the_request_is_not_said_again_in_full(database: Database) -> None:
    database.run("CREATE TABLE t (id INT)")
    answer = post("t", [{"é" * 1_000_000: 1}, {"id": 1}])
    assert (answer.status, counts(answer.json)) == (207, (2, 1, 0, 1, 0))
    assert problems(answer.json) == [(1, "é" * 100, "unknown_column")]
    assert "more_errors" not in answer.json


def test_no_value_of_a_rejected_row_is_logged(sample: Database, log: Any) -> None:
    done = request(handler, "POST", "/tables/jobs/rows", body=[["hush-hush", "Clerk"], [9, "hush-hush" * 20]])
    assert "hush-hush" in done.json["errors"][0]["message"]  # the caller is told
    assert log.getvalue().count('"row rejected"') == 2
    assert "hush" not in log.getvalue()


def test_a_default_that_is_the_word_null_is_one(database: Database) -> None:
    database.run("CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(20) NOT NULL DEFAULT 'NULL')")
    assert post("t", [{"id": 1}]).status == 201
    assert database.rows("SELECT * FROM t") == [(1, "NULL")]


@pytest.mark.parametrize("columns", [("straße", "strasse"), ("strasse", "straße")])
def test_columns_whose_names_are_alike_but_for_their_case_folded_are_two(
    database: Database, uploads: Uploads, columns: tuple[str, str]
) -> None:
    database.run(f"CREATE TABLE t (id INT, {', '.join(f'{name} VARCHAR(20)' for name in columns)})")
    assert post("t", [{"id": 1, "strasse": "x"}, {"id": 2, "STRAßE": "y", "STRASSE": "z"}]).status == 201
    load_status = uploads.load(b"id,strasse\n3,x\n")
    assert (load_status["state"], counts(load_status)) == ("done", (1, 1, 0, 0, 0))
    load_status = uploads.load("ID,Straße,strasse\n4,y,z\n".encode(), name="b.csv")
    assert (load_status["state"], counts(load_status)) == ("done", (1, 1, 0, 0, 0))
    assert database.rows("SELECT id, straße, strasse FROM t ORDER BY id") == [
        (1, None, "x"), (2, "y", "z"), (3, None, "x"), (4, "y", "z"),
    ]  # fmt: skip


def test_names_of_tables_and_columns_may_hold_anything(database: Database) -> None:
    for name in ("it's", 'a"b', "back`tick", "a/b", "100%", "für ☃"[:3], "select", "a b", "x;y--", "{0}", "a%2Fb"):
        column = name.replace("`", "``")
        database.run(f"CREATE TABLE `{column}` (`{column}` INT PRIMARY KEY, `%s {column}` VARCHAR(9))")
        way = {"query": {"table": name}} if any(sign in name for sign in '/"`#%') else {}
        answer = post("-" if way else name, [{name: 1, f"%s {name}": "a"}, [2, "b"]], **way)
        assert answer.status == 201, (name, answer.text)
        refused = post("-" if way else name, [{name: 2, f"%s {name}": "a"}, {f"%s {name}": "a"}], **way)
        assert problems(refused.json) == [(1, name, "duplicate_key"), (2, name, "missing")]
        assert database.rows(f"SELECT * FROM `{column}`") == [(1, "a"), (2, "b")]
        shown = request(handler, "GET", "/tables", query={"table": name})
        assert (shown.status, shown.json["name"]) == (200, name)


def test_the_data_dictionary_shows_every_table_but_our_own(sample: Database) -> None:
    post("departments", [[10, "A"]], headers={"idempotency-key": "k"})  # makes the ledger
    shown = request(handler, "GET", "/tables")
    assert [table["name"] for table in shown.json["tables"]] == ["departments", "hired_employees", "jobs"]
    employees = request(handler, "GET", "/tables/hired_employees")
    assert employees.json == shown.json["tables"][1]
    assert employees.json["primary_key"] == ["id"]
    assert [(column["name"], column["required"]) for column in employees.json["columns"]] == [
        ("id", True), ("name", True), ("datetime", True), ("department_id", True), ("job_id", True),
    ]  # fmt: skip
    assert {(key["parent"], *key["columns"], *key["parent_columns"]) for key in employees.json["foreign_keys"]} == {
        ("departments", "department_id", "id"), ("jobs", "job_id", "id"),
    }  # fmt: skip
    assert request(handler, "GET", "/tables/tableferry_ledger").status == 404


def test_an_empty_database_has_no_tables(database: Database) -> None:
    assert request(handler, "GET", "/tables").json == {"tables": []}
    assert "There are none." in request(handler, "GET", "/tables/t").problem(404)["detail"]


def test_a_type_may_come_with_parameters_and_in_any_case(sample: Database) -> None:
    types = [
        "Text/CSV",
        "text/csv; charset=UTF-8; header=absent",
        'text/csv;header=absent;charset="utf-8"',
        "text/csv;x=y",
    ]
    for number, media_type in enumerate(types, 10):
        assert post("departments", f"{number},A", headers={"Content-Type": media_type}).status == 201, media_type
    assert (
        post("departments", [[20, "A"]], headers={"content-type": "application/json;charset=utf-8; profile=x"}).status
        == 201
    )
    assert post("departments", '\ufeff[[21, "A"]]').status == 201
    assert sample.rows("SELECT COUNT(*) FROM departments WHERE id >= 10") == [(6,)]
