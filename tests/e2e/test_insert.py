"""Rows over HTTP, and what is in the database, with the requests of events/."""

import json
import secrets

import pytest

from local.demo.sample import Connection
from tests.e2e.api import Api, is_problem
from tests.e2e.api import event as event_of


def ids(mysql: Connection, table: str) -> list[int]:
    with mysql.cursor() as cursor:
        cursor.execute(f"SELECT id FROM `{table}` ORDER BY id")
        return [row[0] for row in cursor.fetchall()]


def test_rows_go_in_as_objects_as_arrays_and_as_csv(api: Api, mysql: Connection) -> None:
    objects = api.send("insert-json")
    assert objects.status_code == 201, objects.text
    assert objects.json() == {
        "table": "departments", "read": 3, "inserted": 3, "updated": 0, "rejected": 0, "duplicates": 0, "errors": [],
    }  # fmt: skip
    arrays = api.send("insert-arrays")
    assert (arrays.status_code, arrays.json()["inserted"]) == (201, 3)
    mixed = api.send("insert-csv")
    assert mixed.status_code == 207, mixed.text
    assert (mixed.json()["read"], mixed.json()["inserted"], mixed.json()["rejected"]) == (3, 2, 1)
    (error,) = mixed.json()["errors"]
    assert (error["row"], error["column"], error["code"]) == (3, "name", "missing")
    with mysql.cursor() as cursor:
        cursor.execute(
            "SELECT id, name, DATE_FORMAT(`datetime`, '%Y-%m-%dT%H:%i:%sZ'), department_id, job_id FROM hired_employees"
        )
        assert cursor.fetchall() == (
            (4535, "Marcelo González", "2021-07-27T16:02:08Z", 1, 2),
            (4572, "O'Brien, Jr., Lidia", "2021-07-27T19:04:09Z", 1, 2),
        )


def test_duplicates_are_rejected_ignored_or_updated_as_asked(api: Api, mysql: Connection) -> None:
    rows = [{"id": 1, "department": "A"}, {"id": 2, "department": "B"}]
    assert api.send("insert-json", body=rows).status_code == 201
    again = api.send("insert-json", body=rows)
    assert again.status_code == 422
    assert {error["code"] for error in again.json()["errors"]} == {"duplicate_key"}
    ignored = api.send("insert-json", body=[*rows, {"id": 3, "department": "C"}], query={"on_duplicate": "ignore"})
    assert (ignored.json()["inserted"], ignored.json()["duplicates"]) == (1, 2)
    rows[0]["department"] = "Z"
    updated = api.send("insert-json", body=rows[:1], query={"on_duplicate": "update"})
    assert updated.json()["updated"] == 1
    with mysql.cursor() as cursor:
        cursor.execute("SELECT department FROM departments ORDER BY id")
        assert [row[0] for row in cursor.fetchall()] == ["Z", "B", "C"]


def test_a_request_sent_twice_with_one_key_counts_once_and_has_one_answer(api: Api, mysql: Connection) -> None:
    key = {"idempotency-key": secrets.token_hex(8)}
    first, second = (api.send("insert-json", headers=key) for _ in range(2))
    assert first.status_code == second.status_code == 201
    assert first.json() == second.json()
    assert ids(mysql, "departments") == [1, 2, 3]


def test_a_missing_parent_is_named(api: Api, mysql: Connection) -> None:
    answer = api.send("insert-csv")
    assert answer.status_code == 422
    codes = {(error["row"], error["column"], error["code"]) for error in answer.json()["errors"]}
    assert {(1, "department_id", "missing_parent"), (3, "name", "missing")} <= codes
    assert not ids(mysql, "hired_employees")


def test_the_dictionary_describes_the_sample(api: Api, mysql: Connection) -> None:
    tables = api.send("list-tables")
    assert tables.status_code == 200
    assert {"departments", "jobs", "hired_employees"} <= {table["name"] for table in tables.json()["tables"]}
    table = api.send("describe-table").json()
    assert [column["name"] for column in table["columns"]] == ["id", "name", "datetime", "department_id", "job_id"]
    assert all(column["required"] for column in table["columns"])
    assert table["primary_key"] == ["id"]
    assert len(table["foreign_keys"]) == 2


@pytest.mark.parametrize("table", ["nowhere", "jobs'; DROP TABLE jobs; --", 'jobs"', "../jobs", "jobs`", "Jöbs 職"])
@pytest.mark.parametrize("event", ["describe-table", "insert-json"])
def test_an_unknown_table_is_answered_with_those_there_are(api: Api, mysql: Connection, event: str, table: str) -> None:
    by_query = "/" in table  # which a path cannot carry
    answer = api.send("list-tables", query={"table": table}) if by_query else api.send(event, path={"table": table})
    assert "departments" in is_problem(answer, 404)["detail"]


@pytest.mark.parametrize(
    ("status", "content_type", "body"),
    [
        (413, "application/json", json.dumps([[n, "x"] for n in range(1001)])),
        (400, "application/json", "[]"),
        (400, "application/json", '[{"id": 1'),
        (400, "application/json", "[1, 2]"),
        (400, "text/csv", ""),
        (415, "application/xml", "<rows/>"),
    ],
)
def test_a_request_that_cannot_be_read_says_what_is_wrong(
    api: Api, mysql: Connection, status: int, content_type: str, body: str
) -> None:
    is_problem(api.send("insert-json", headers={"content-type": content_type}, body=body), status)
    assert not ids(mysql, "departments")


def test_the_interface_names_every_route_and_can_be_read(api: Api) -> None:
    document = api.send("openapi").json()
    assert document["openapi"].startswith("3.")
    for name in ("list-tables", "insert-json", "upload", "loads", "backup", "verify", "restore", "undo", "accept"):
        method, route = event_of(name)["routeKey"].split()
        assert method.lower() in document["paths"][route]
    page = api.send("docs")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
