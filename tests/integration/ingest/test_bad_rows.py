"""Rows that are refused, each with its reason, while their neighbours go in."""

from typing import Any

import pytest

from functions.insert.app import handler
from tests.support.lambdas import Answer, counts, problems, request
from tests.support.parts import Database

ROW = {"id": 10, "department": "A"}
CSV = {"content-type": "text/csv"}


def post(body: object, table: str = "departments", **options: Any) -> Answer:
    return request(handler, "POST", f"/tables/{table}/rows", body=body, **options)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ([[10]], [(1, "", "fields")]),
        ([[10, "A", 1], []], [(1, "", "fields"), (2, "", "fields")]),
        ([{"id": 10, "department": "A", "boss": 1}], [(1, "boss", "unknown_column")]),
        ([{"id": 10, "department": "A", "ID": 11}], [(1, "ID", "unknown_column")]),
        ([{"id": 10, "department": "A" * 101}], [(1, "department", "too_long")]),
        ([{"id": 2**31, "department": "A"}], [(1, "id", "out_of_range")]),
        ([{"id": -(2**31) - 1, "department": "A"}], [(1, "id", "out_of_range")]),
        ([{"id": 1.5, "department": 7}], [(1, "id", "invalid"), (1, "department", "invalid")]),
        ([{"id": "ten", "department": ["A"]}], [(1, "id", "invalid"), (1, "department", "invalid")]),
        ([{"id": None, "department": None}], [(1, "id", "missing"), (1, "department", "missing")]),
        ([{}], [(1, "id", "missing"), (1, "department", "missing")]),
        ([{"id": 1, "department": "A"}, ROW, ROW], [(1, "id", "duplicate_key"), (3, "id", "duplicate_key")]),
    ],
)  # fmt: skip
def test_a_bad_row_is_rejected_with_row_column_and_code(
    sample: Database, body: list[Any], expected: list[tuple[int, str, str]]
) -> None:
    answer = post(body)
    rejected = len({row for row, _, _ in expected})
    assert answer.status == (207 if rejected < len(body) else 422)
    assert problems(answer.json) == expected
    assert counts(answer.json) == (len(body), len(body) - rejected, 0, rejected, 0)
    assert sample.rows("SELECT COUNT(*) FROM departments") == [(3 + len(body) - rejected,)]


@pytest.mark.parametrize(
    "number", ["1e5000", "1e99999999", "-1e400", "1e-99999999", "12345678901234567890123", "1E+20"]
)
def test_a_number_of_any_size_is_a_reject(sample: Database, number: str) -> None:
    answer = post(f'[[{number}, "A"]]')
    assert answer.status == 422
    assert len(answer.text) < 500


def test_impossible_dates_and_missing_parents_are_rejected_with_the_column(sample: Database) -> None:
    rows = [
        [1, "A", "2021-02-29T00:00:00Z", 1, 1],
        [2, "B", "2021-13-01", 1, 1],
        [3, "C", "0000-00-00 00:00:00", 1, 1],
        [4, "D", "2021-01-01T25:00:00Z", 1, 1],
        [5, "E", "2021-07-27T16:02+01Z", 1, 1],
        [6, "F", "yesterday", 1, 1],
        [7, "G", "2021-01-01", 99, 1],
        [8, "H", "2021-01-01", 1, 99],
        [9, "I", "2021-01-01", 1, 1],
    ]
    answer = post(rows, "hired_employees")
    assert problems(answer.json) == [
        *((row, "datetime", "invalid") for row in range(1, 7)),
        (7, "department_id", "missing_parent"),
        (8, "job_id", "missing_parent"),
    ]
    assert counts(answer.json) == (9, 1, 0, 8, 0)
    assert sample.rows("SELECT id FROM hired_employees") == [(9,)]


def test_malformed_csv_lines_are_rejected_and_their_neighbours_go_in(sample: Database) -> None:
    body = '10,A\n11,"B\n12,C\n13,D"\n14,"E"x\n15,F,G\n16\n17,"H, ""h""\nh"\n18,"I'
    answer = post(body, headers=CSV)
    assert sorted(sample.rows("SELECT id, department FROM departments WHERE id > 3")) == [
        (10, "A"), (11, "B\n12,C\n13,D"), (17, 'H, "h"\nh'),
    ]  # fmt: skip
    assert problems(answer.json) == [(3, "", "malformed"), (4, "", "fields"), (5, "", "fields"), (7, "", "malformed")]
    assert counts(answer.json) == (7, 3, 0, 4, 0)
