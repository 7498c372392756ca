"""Whatever file is uploaded: the table afterwards and the rejects together are the file, record by record.

``ANY_FILE_EXAMPLES=5000`` looks for longer.
"""

import gzip
import json
import os
from collections import Counter
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import pytest
from backports import zstd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.integration.any_file import Made, cases
from tests.integration.lambdas import Json, counts
from tests.integration.oracle import AUTOMATIC, Expected, expected
from tests.integration.uploads import Uploads
from tests.support import Database

EXAMPLES = int(os.environ.get("ANY_FILE_EXAMPLES", "60"))
hunt = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.filter_too_much,
    ],
)
Reject = tuple[int, str, list[tuple[str, str]]]
Outcome = tuple[Json, list[tuple[Any, ...]], list[Reject]]


def outcome(database: Database, uploads: Uploads, made: Made, body: bytes, name: str = "a.csv") -> Outcome:
    """The account of a file that is loaded into a fresh table, the table's rows, and the rejects."""
    database.run("DROP TABLE IF EXISTS t", made.create)
    account = uploads.load(body, name=name)
    connection = database.connect(init_command="SET time_zone = '+00:00'")
    with connection, connection.cursor() as cursor:
        cursor.execute(made.select)
        found = [
            tuple(plain(column.sql, value) for column, value in zip(made.columns, row, strict=True))
            for row in cursor.fetchall()
        ]
    return account, found, uploads.rejects(account)


def plain(kind: str, value: Any) -> Any:
    """A value of a SELECT as the oracle gives it."""
    if kind == "JSON" and value is not None:
        return json.dumps(json.loads(value), sort_keys=True)
    return Decimal(value) if kind.startswith("DECIMAL") and value is not None else value


def rows_of(made: Made, told: Sequence[Expected], rejected: set[int]) -> list[tuple[Any, ...]]:
    """The rows that the table has to hold, if these lines were rejected: each of which had to be, or may have been."""
    taken: dict[int, set[Any]] = {number: set() for number in made.unique}
    numbered = False
    rows = []
    for record, row, sure in ((one.record, one.row, one.sure) for one in told):
        was_rejected = record.line in rejected
        if row is None:
            assert was_rejected, ("has to be rejected", record)
            continue
        keys = [(number, row[number]) for number in made.unique if row[number] not in (None, AUTOMATIC)]
        if any(key in taken[number] for number, key in keys):
            assert was_rejected, ("a row with its key is there already", record)
            continue
        numbers = made.columns[0].counts
        if was_rejected:
            # A key may be one that the server gave to a row before.
            assert not sure or (numbered and row[0] != AUTOMATIC), ("has to be stored", record, row)
            continue
        numbered = numbered or (numbers and row[0] == AUTOMATIC)
        for number, key in keys:
            taken[number].add(key)
        rows.append(row)
    return rows


def check(made: Made, body: bytes, result: Outcome) -> None:
    """Each record is in the table, exactly as it says, or in the rejects with its line, its text and a reason."""
    account, found, rejects = result
    told = expected(made.columns, body)
    if body.removeprefix(b"\xef\xbb\xbf").strip(b"\r\n") == b"" and not told:
        assert (account["state"], account["rejects"], found) == ("failed", None, [])
        assert "empty" in account["error"]["detail"]
        return
    assert (account["state"], account["error"]) == ("done", None)
    by_line = {line: (text, problems) for line, text, problems in rejects}
    assert list(by_line) == sorted(line for line, _, _ in rejects)
    rows = rows_of(made, told, set(by_line))
    texts = {one.record.line: one.record.text for one in told}
    for line, (text, problems) in by_line.items():
        assert text == texts[line]
        assert problems
        assert all(code for _, code in problems)
    assert counts(account) == (len(told), len(rows), 0, len(by_line), 0)
    if made.columns[0].counts:  # what the server gave is no part of the file
        given = {row[0] for row in rows}
        found = [row if row[0] in given else (AUTOMATIC, *row[1:]) for row in found]
    assert Counter(found) == Counter(rows)


@hunt
@given(case=cases())
def test_every_record_is_in_the_table_as_it_says_or_in_the_rejects(
    database: Database, uploads: Uploads, case: tuple[Made, bytes]
) -> None:
    made, body = case
    check(made, body, outcome(database, uploads, made, body))


@settings(hunt, max_examples=EXAMPLES // 2)
@given(case=cases(), compress=st.sampled_from([gzip.compress, zstd.compress]))
@pytest.mark.usefixtures("small_blocks")
def test_a_file_in_many_blocks_and_compressed_is_its_table_and_its_rejects(
    database: Database, uploads: Uploads, case: tuple[Made, bytes], compress: Callable[[bytes], bytes]
) -> None:
    made, body = case
    name = "a.csv.gz" if compress is gzip.compress else "a.csv.zst"
    check(made, body, outcome(database, uploads, made, compress(body), name))
