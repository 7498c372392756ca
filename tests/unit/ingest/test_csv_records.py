"""Records out of bytes: whatever Python's own csv writes comes back, and a bad line spoils no other."""

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tableferry.errors import InvalidRequest
from tableferry.ingest.files import csv_records
from tableferry.ingest.files.csv_records import Record, lines_of
from tableferry.ingest.files.csv_records import records as records_of
from tableferry.ingest.files.dialect import Dialect
from tests.effort import by_turns, effort

PLAIN = Dialect()
FIELDS = st.lists(
    st.none()
    | st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=10)
    | st.sampled_from(['"', ",", "\n", "\r\n", 'a"b', '""']),
    min_size=2,
    max_size=4,
)


def records(data: bytes, dialect: Dialect = PLAIN) -> list[Record]:
    return list(records_of(lines_of(data), dialect))


def read(data: bytes, dialect: Dialect = PLAIN) -> list[list[str | None] | str]:
    """The fields of each record, or the text of a malformed one."""
    return [
        f"! {record.raw.decode()}" if record.fault else dialect.fields(record.raw) for record in records(data, dialect)
    ]


def written(rows: list[list[str | None]], end: str, delimiter: str) -> bytes:
    """CSV in which NULL is an empty field and every text is quoted."""
    lines = [
        delimiter.join("" if field is None else '"' + field.replace('"', '""') + '"' for field in row) for row in rows
    ]
    return end.join([*lines, ""]).encode()


@settings(max_examples=effort(66, 200))
@given(rows=st.lists(FIELDS, max_size=6), end=st.sampled_from(["\n", "\r\n"]), delimiter=st.sampled_from(",;\t|"))
@by_turns
def test_what_was_written_is_read(rows: list[list[str | None]], end: str, delimiter: str) -> None:
    assert read(written(rows, end, delimiter), Dialect(delimiter)) == rows


@settings(max_examples=effort(33, 100))
@given(
    rows=st.lists(
        st.lists(
            st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=6),
            min_size=2,
            max_size=3,
        ),
        max_size=5,
    )
)
def test_pythons_own_csv_is_read(rows: list[list[str]]) -> None:
    file = io.StringIO(newline="")
    csv.writer(file).writerows(rows)
    assert read(file.getvalue().encode()) == rows


@settings(max_examples=effort(66, 200))
@given(data=st.binary(max_size=60).map(lambda data: data.replace(b"\0", b'"')))
def test_no_byte_is_lost_whatever_the_file_holds(data: bytes) -> None:
    found = records(data)
    plain = data.removeprefix(b"\xef\xbb\xbf")
    lines = [line for record in found for line in record.raw.split(b"\n")]
    assert [line.rstrip(b"\r") for line in lines if line.strip(b"\r")] == [
        line.rstrip(b"\r") for line in plain.split(b"\n") if line.strip(b"\r")
    ]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b'1,"a\n2,b\n', ['! 1,"a', ["2", "b"]]),
        (b'1,5" pipe\n2,b\n', ['! 1,5" pipe', ["2", "b"]]),
        (b'1,"a"x\n2,b\n', ['! 1,"a"x', ["2", "b"]]),
        (b'1,"a\nb"\n2,c', [["1", "a\nb"], ["2", "c"]]),
        (b"\xef\xbb\xbf1,a\r\n\r\n2,b\r\n", [["1", "a"], ["2", "b"]]),
        (b'1,"cut in the mid', ['! 1,"cut in the mid']),
        (b"", []),
    ],
)
def test_a_bad_line_spoils_no_other(data: bytes, expected: list[list[str | None] | str]) -> None:
    assert read(data) == expected


def test_lines_are_counted_where_records_begin() -> None:
    found = records(b'a,"1\n2"\r\n\nb,c\n')
    assert [(record.line, record.offset) for record in found] == [(1, 0), (4, 10)]


def test_bytes_that_are_no_text_are_the_records_own_problem() -> None:
    bad, good = records(b"1,\xff\n2,b\n")
    with pytest.raises(UnicodeDecodeError):
        PLAIN.fields(bad.raw)
    assert good == Record(2, 4, b"2,b")


@by_turns
def test_a_quote_that_is_not_closed_in_the_file_spoils_one_line_however_many_follow() -> None:
    found = records(b'0,"a\n' + b"1,bbbbbbbbbbbbbbb\n" * 100_000)
    assert len(found) == 100_001
    assert [record.fault is None for record in found[:2]] == [False, True]


@by_turns
def test_a_long_text_of_many_lines_is_one_record() -> None:
    text = b"a line of a letter\n" * 100_000
    assert records(b'1,"' + text + b'"\n2,b\n') == [
        Record(1, 0, b'1,"' + text + b'"'),
        Record(100_002, 1_900_005, b"2,b"),
    ]


@pytest.mark.parametrize("limit", ["LONGEST_RECORD", "MOST_LINES"])
def test_behind_the_longest_record_nothing_is_guessed(monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    body = b'1,a\n2,"b\n' + b"3,c\n" * 30
    monkeypatch.setattr(csv_records, limit, 10)
    with pytest.raises(InvalidRequest, match=r"begins in line 2 \(at byte 4\) has no end within"):
        records(body)
    monkeypatch.setattr(csv_records, limit, 1000)
    assert len(records(body)) == 32
