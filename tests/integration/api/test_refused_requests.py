"""Requests that cannot be read are answered in words, by every way in: body, query, header."""

import json
from typing import Any

import pytest

from functions.backup.app import handler as backups
from functions.insert.app import handler as tables
from functions.load.app import handler as loads
from functions.restore.app import handler as restores
from tests.effort import either_server
from tests.support.lambdas import request

pytestmark = either_server


def detail(handler: Any, method: str, path: str, body: Any = None, **given: Any) -> str:
    found = request(handler, method, path, body=body, **given).problem(400)
    assert found["type"] == "urn:tableferry:problem:invalid-request"
    assert set(found) == {"type", "title", "status", "detail"}
    return str(found["detail"])


def test_a_body_is_answered_in_words() -> None:
    said = detail(backups, "POST", "/backups", {"table": ["jobs"], "format": 5})
    assert said == (
        '"format" must be one of "parquet", "avro" or "csv", not 5. "table": unknown field; did you mean "tables"?'
    )
    assert detail(restores, "POST", "/restores", 5) == "The body must be an object, not a number."
    assert detail(loads, "POST", "/uploads", []) == "The body must be an object, not a list."
    missing = 'The body is missing: send an object with "table" and "filename".'
    assert detail(loads, "POST", "/uploads") == missing


def test_a_list_is_not_taken_for_its_first_member() -> None:
    bodies: list[Any] = [[{"dry_run": True}, {"backup": "latest"}], [{"backup": 5}], [[]], []]
    for body in bodies:
        assert detail(restores, "POST", "/restores", body) == "The body must be an object, not a list."


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"limit": "x"}, 'The query\'s "limit" must be a whole number, not "x".'),
        ({"limit": "1001"}, "The query's \"limit\" must be 1000 or less, not \"1001\"."),
        ({"limit": "0"}, "The query's \"limit\" must be 1 or more, not \"0\"."),
        (
            {"state": "over"},
            ('The query\'s "state" must be one of "running", "done", "rejected", "failed", "stalled", "replaced", "cancelled" '
            'or "waiting", not "over".'),
        ),
    ],
)  # fmt: skip
def test_a_query_is_answered_in_words(query: dict[str, str], said: str) -> None:
    assert detail(loads, "GET", "/loads", query=query) == said


def test_a_parameter_that_there_is_not_is_answered_with_the_one_that_is_meant() -> None:
    said = detail(loads, "GET", "/loads", query={"tabel": "jobs"})
    assert said.endswith("there are: key, table, state, limit, after. Did you mean 'table'?")
    assert detail(loads, "GET", "/loads", query={"x": "jobs"}).endswith("after.")


def test_a_header_is_answered_in_words() -> None:
    said = detail(backups, "POST", "/backups", {}, headers={"Idempotency-Key": "k" * 256})
    assert said == 'The header "Idempotency-Key" must have at most 255 characters, not 256.'
    said = detail(tables, "POST", "/tables/jobs/rows", [[1, "a"]], query={"on_duplicate": "replace"})
    assert said == 'The query\'s "on_duplicate" must be one of "reject", "ignore" or "update", not "replace".'


def test_many_faults_are_not_all_said() -> None:
    said = detail(backups, "POST", "/backups", {"tables": [""] * 1000})
    assert said.endswith('"tables[9]" must not be empty. And 990 more.')


@pytest.mark.parametrize("body", [{"format": "\ud800"}, {"\ud800": 1}, {"tables": {"\ud800": 1}}, {"format": "parkét"}])
def test_whatever_was_sent_the_answer_is_in_utf_8(body: Any) -> None:
    answer = request(backups, "POST", "/backups", body=body)
    assert answer.problem(400)["detail"]
    assert json.loads(answer.text.encode())["status"] == 400
