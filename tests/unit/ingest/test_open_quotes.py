"""Quotes and escapes that are not closed: each line is looked at a few times, however many wait for an end."""

import re
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tableferry.config.load_options import Escape, Quote
from tableferry.ingest.files import csv_records, dialect
from tableferry.ingest.files.csv_records import lines_of, records
from tableferry.ingest.files.dialect import Dialect, State
from tests.effort import by_turns, sample

ESCAPED = Dialect("\t", r"\N", Escape.BACKSLASH, Quote.DOUBLE)


@pytest.mark.parametrize(
    ("unit", "of"),
    [
        (b'"x\n', Dialect()),
        (b'a,"\n', Dialect()),
        (b'"""a""\n', Dialect()),
        (b"x\\\n", ESCAPED),
        (b'"\\"\n', ESCAPED),
        (b'"\\\n', ESCAPED),
        (b'"\\\n\t\\\n', ESCAPED),
        (b"x\\\n", Dialect("\t", r"\N")),
    ],
)
@pytest.mark.parametrize("start", [b"", b'"'])
@sample(2)
def test_no_line_is_looked_at_more_than_once_in_each_state(
    monkeypatch: pytest.MonkeyPatch, start: bytes, unit: bytes, of: Dialect
) -> None:
    looked: Counter[str] = Counter()
    begun, continued, further = Dialect.begun, Dialect.continued, csv_records._Waiting._further

    def counted_begun(self: Dialect, line: bytes) -> State:
        looked["begun"] += 1
        return begun(self, line)

    def counted_continued(self: Dialect, line: bytes, state: State) -> State:
        looked["continued"] += 1
        return continued(self, line, state)

    def counted_further(self: csv_records._Waiting, node: csv_records._Node) -> csv_records._Node | None:
        looked["further"] += 1
        return further(self, node)

    monkeypatch.setattr(dialect.Dialect, "begun", counted_begun)
    monkeypatch.setattr(dialect.Dialect, "continued", counted_continued)
    monkeypatch.setattr(csv_records._Waiting, "_further", counted_further)
    count = 20_000
    body = start + unit * (count // unit.count(b"\n"))
    assert sum(record.raw.count(b"\n") + 1 for record in records(lines_of(body), of)) >= count - 1
    assert looked["begun"] <= count
    assert looked["continued"] <= 2 * count
    assert looked["further"] <= 12 * count


def first_record(body: bytes, of: Dialect) -> tuple[int, bool]:
    """Where the first record ends, sign by sign, and whether it is one; the first line's end where it is none."""
    quoted, start, at = False, True, 0
    line_end = body.find(b"\n") if b"\n" in body else len(body)
    while at < len(body):
        sign = body[at : at + 1]
        if sign == b"\\" and of.escapes and at + 1 < len(body):
            at, start = at + 2, False
            if body[at - 1 : at] == b"\n" and at == len(body):
                return line_end, False
            continue
        if sign == b"\\" and of.escapes:
            return line_end, False
        if quoted:
            if sign == b'"' and body[at + 1 : at + 2] == b'"':
                at += 1
            elif sign == b'"':
                quoted = False
                if not re.match(rb"\r?(?:\n|\Z)|\t", body[at + 1 :]):
                    return line_end, False
        elif sign == b"\n":
            return at, True
        elif sign == b'"':
            if not start:
                return line_end, False
            quoted = True
        start = sign == b"\t" and not quoted
        at += 1
    return (line_end, False) if quoted else (len(body), True)


@settings(max_examples=600)
@given(
    st.lists(st.sampled_from([b'"', b'""', b"\t", b"a", b"\n", b"\n", b"\\", b"\\\n", b'"\n']), max_size=40).map(
        b"".join
    ),
    st.sampled_from([ESCAPED, Dialect("\t")]),
)
@by_turns
def test_records_are_those_that_reading_sign_by_sign_finds(body: bytes, of: Dialect) -> None:
    expected = []
    at = 0
    while at < len(body):
        end, good = first_record(body[at:], of)
        if raw := body[at : at + end]:
            expected.append((at, raw, good))
        at += end + 1
    found = [(record.offset - 1, record.raw, record.fault is None) for record in records(lines_of(body, 1, 1), of)]
    assert found == expected
