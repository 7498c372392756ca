"""Whatever file is uploaded: the table afterwards and the rejects together are the file, record by record."""

import gzip
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import Any

import pytest
from backports import zstd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tableferry.storage.bucket import Store
from tests.effort import by_turns, effort, in_ci
from tests.support.any_file import Made, cases
from tests.support.lambdas import Json, counts
from tests.support.oracle import AUTOMATIC, Expected, expected, half_a_header
from tests.support.parts import Database
from tests.support.uploads import Uploads

EXAMPLES = effort(10, 400)
hunt = settings(
    max_examples=EXAMPLES,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.filter_too_much,
    ],
)
pytestmark = pytest.mark.timeout(600 + 3 * EXAMPLES)
Reject = tuple[int, str, list[tuple[str, str]]]
Outcome = tuple[Json, list[tuple[Any, ...]], list[Reject]]


def outcome(database: Database, uploads: Uploads, made: Made, body: bytes, name: str = "a.csv") -> Outcome:
    """The status of a file that is loaded into a fresh table, the table's rows, and the rejects."""
    database.run("DROP TABLE IF EXISTS t", made.create)
    status = uploads.load(body, name=name)
    connection = database.connect(init_command="SET time_zone = '+00:00'")
    with connection, connection.cursor() as cursor:
        cursor.execute(made.select)
        found = [
            tuple(plain(column.sql, value) for column, value in zip(made.columns, row, strict=True))
            for row in cursor.fetchall()
        ]
    return status, found, uploads.rejects(status)


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
    status, found, rejects = result
    told = expected(made.columns, body)
    if body.removeprefix(b"\xef\xbb\xbf").strip(b"\r\n") == b"" and not told:
        assert (status["state"], status["rejects"], found) == ("failed", None, [])
        assert "empty" in status["error"]["detail"]
        return
    if half_a_header(made.columns, body):
        assert (status["state"], status["rejects"], found) == ("failed", None, [])
        assert " name" in status["error"]["detail"]
        return
    by_line = {line: (text, problems) for line, text, problems in rejects}
    assert list(by_line) == sorted(line for line, _, _ in rejects)
    rows = rows_of(made, told, set(by_line))
    assert (status["state"], status["error"]) == ("done" if rows or not told else "rejected", None)
    texts = {one.record.line: one.record.text for one in told}
    for line, (text, problems) in by_line.items():
        assert text == texts[line]
        assert problems
        assert all(code for _, code in problems)
    assert counts(status) == (len(told), len(rows), 0, len(by_line), 0)
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
@by_turns
def test_a_file_in_many_blocks_and_compressed_is_its_table_and_its_rejects(
    database: Database, uploads: Uploads, case: tuple[Made, bytes], compress: Callable[[bytes], bytes]
) -> None:
    made, body = case
    name = "a.csv.gz" if compress is gzip.compress else "a.csv.zst"
    check(made, body, outcome(database, uploads, made, compress(body), name))


def in_pieces(monkeypatch: pytest.MonkeyPatch, sizes: Sequence[int]) -> None:
    """Let objects arrive in pieces of these sizes, over and over."""
    whole = Store.stream

    def stream(store: Store, key: str, *which: Any, **more: Any) -> Iterator[bytes]:
        body = b"".join(whole(store, key, *which, **more))
        at = number = 0
        while at < len(body):
            size = sizes[number % len(sizes)]
            yield body[at : at + size]
            at, number = at + size, number + 1

    monkeypatch.setattr(Store, "stream", stream)


def same(outcome: Outcome) -> tuple[Any, ...]:
    """What does not depend on the moment of a load."""
    status, found, rejects = outcome
    return status["state"], status["error"], counts(status), Counter(found), rejects


pieces = st.lists(st.sampled_from([1, 2, 3, 7, 64, 1000, 4096, 65536, 262144]), min_size=1, max_size=4)


@in_ci
def test_neither_blocks_nor_pieces_change_the_table_or_the_rejects(
    database: Database, uploads: Uploads, request: pytest.FixtureRequest
) -> None:
    """But for the numbers that the server gives: a try that was rolled back has used some up."""
    seen: list[tuple[Made, bytes, Outcome]] = []

    @settings(hunt, max_examples=max(8, EXAMPLES // 4))
    @given(case=cases().filter(lambda case: not case[0].columns[0].counts), sizes=pieces)
    def whole(case: tuple[Made, bytes], sizes: list[int]) -> None:
        made, body = case
        first = outcome(database, uploads, made, body)
        with pytest.MonkeyPatch.context() as patch:
            in_pieces(patch, sizes)
            assert same(outcome(database, uploads, made, body)) == same(first)
        seen.append((made, body, first))

    whole()
    request.getfixturevalue("small_blocks")
    for made, body, first in seen:
        assert same(outcome(database, uploads, made, body)) == same(first)


@pytest.mark.parametrize("size", [1, 5, 262144])
def test_pieces_cut_marks_and_compressed_files_anywhere(
    database: Database, uploads: Uploads, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    in_pieces(monkeypatch, [size])
    body = b'\xef\xbb\xbfn,x\r\n1,"a\r\n""b"\r\n2,\xf0\x9f\x98\x80\n'
    for number, file in enumerate((body, gzip.compress(body), zstd.compress(body[:9]) + zstd.compress(body[9:]))):
        database.run("DROP TABLE IF EXISTS t", "CREATE TABLE t (n INT, x VARCHAR(9)) CHARACTER SET utf8mb4")
        assert counts(uploads.load(file, name=f"{number}.csv")) == (2, 2, 0, 0, 0)
        assert database.rows("SELECT * FROM t ORDER BY n") == [(1, 'a\r\n"b'), (2, "😀")]
    utf16 = uploads.load("1,a\n".encode("utf-16"))
    assert (utf16["state"], utf16["inserted"]) == ("failed", 0)
    assert "UTF-16" in utf16["error"]["detail"]


def test_what_becomes_of_a_nul_depends_on_no_piece(
    database: Database, uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = "CREATE TABLE t (n INT, x VARCHAR(9)) CHARACTER SET utf8mb4"
    states = set()
    for size in (1, 8, 262144):
        with monkeypatch.context() as patch:
            in_pieces(patch, [size])
            database.run("DROP TABLE IF EXISTS t", made)
            status = uploads.load(b"1,a\n2,b\n3,c\n4,d\0\n")
            states.add((status["state"], status["inserted"], status["rejected"]))
    assert len(states) == 1


def test_rows_for_which_there_is_no_next_number_are_rejected(database: Database, uploads: Uploads) -> None:
    for kind, most in (("TINYINT", 127), ("BIGINT UNSIGNED", 2**64 - 1)):
        database.run("DROP TABLE IF EXISTS t", f"CREATE TABLE t (n {kind} AUTO_INCREMENT PRIMARY KEY, x INT)")
        status = uploads.load(f"{most},1\n,2\n5,3\n".encode(), name=f"{kind}.csv".replace(" ", ""))
        assert counts(status) == (3, 2, 0, 1, 0)
        assert [line for line, _, _ in uploads.rejects(status)] == [2]


def test_a_number_is_not_rounded_to_the_decimals_of_a_float_column(database: Database, uploads: Uploads) -> None:
    for kind in ("FLOAT(5,2)", "DOUBLE(5,2)"):
        database.run("DROP TABLE IF EXISTS t", f"CREATE TABLE t (x {kind})")
        status = uploads.load(b"1.25\n1.234\n", name=f"{kind}.csv")
        assert [(line, text) for line, text, _ in uploads.rejects(status)] == [(2, "1.234")]


def test_an_offset_that_no_clock_has_is_rejected(database: Database, uploads: Uploads) -> None:
    database.run("CREATE TABLE t (x DATETIME)")
    status = uploads.load(b"2020-01-01T00:00:00+05:75\n")
    assert counts(status) == (1, 0, 0, 1, 0)


@pytest.mark.parametrize("kind", ["VARBINARY(8)", "BIT(8)"])
def test_a_number_zero_is_kept_beside_columns_of_bytes(database: Database, uploads: Uploads, kind: str) -> None:
    database.run(f"CREATE TABLE t (n INT AUTO_INCREMENT PRIMARY KEY, x {kind})")
    assert counts(uploads.load(b"0,01\n")) == (1, 1, 0, 0, 0)
    assert database.rows("SELECT n FROM t") == [(0,)]
