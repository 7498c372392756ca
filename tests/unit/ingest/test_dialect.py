r"""Files with escapes: what ``SELECT … INTO OUTFILE`` writes comes back to the bit, and no backslash is guessed at."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tableferry.config.load_options import Escape, Quote
from tableferry.ingest.files.csv_records import lines_of, records
from tableferry.ingest.files.dialect import Dialect
from tests.effort import effort, sample

NULL = r"\N"
OUTFILE = Dialect("\t", NULL, Escape.BACKSLASH, Quote.NONE, returns=True)
ENCLOSED = Dialect(",", NULL, Escape.BACKSLASH, Quote.DOUBLE, returns=True)
SIGNS = st.sampled_from([*'\\"\t\n\r,;|0bnrtZN\0\b\x1aaé😀', "\\N", "\r\n"])
TEXTS = st.none() | st.lists(SIGNS, max_size=6).map("".join) | st.text(max_size=8)
ROWS = st.lists(st.lists(TEXTS, min_size=3, max_size=3), max_size=6)


def outfile(rows: list[list[str | None]], dialect: Dialect) -> bytes:
    """What the server's INTO OUTFILE writes: escape, quote, first sign of the delimiter and of the line end, and NUL."""
    special = {"\\", dialect.delimiter, "\n", '"' * dialect.quotes}

    def field(text: str | None) -> str:
        if text is None:
            return NULL
        escaped = "".join("\\0" if sign == "\0" else "\\" + sign if sign in special else sign for sign in text)
        return f'"{escaped}"' if dialect.quotes else escaped

    return "".join(dialect.delimiter.join(map(field, row)) + "\n" for row in rows).encode()


def read(body: bytes, dialect: Dialect) -> list[list[str | None] | str]:
    """The fields of each record, or the code of its fault."""
    found: list[list[str | None] | str] = []
    for record in records(lines_of(body, 1, 1), dialect):
        fault = record.fault or dialect.fault(record.raw)
        found.append(fault.code if fault else dialect.fields(record.raw))
    return found


@settings(max_examples=effort(100, 300))
@given(ROWS, st.sampled_from([OUTFILE, ENCLOSED]))
@example([["a\n", "\\", "\0"], [None, "", "\\N"], ['"x"', "a\r", "\r\n"]], OUTFILE)
@example([["a\n", "\\", "\0"], [None, "", "\\N"], ['"x"', "a\r", "\r\n"]], ENCLOSED)
def test_what_into_outfile_writes_comes_back_to_the_bit(rows: list[list[str | None]], dialect: Dialect) -> None:
    assert read(outfile(rows, dialect), dialect) == rows


def test_every_sequence_means_what_the_server_says() -> None:
    plain = Dialect("\t", NULL, Escape.BACKSLASH, Quote.NONE)
    assert read(b'\\0\\b\\n\\r\\t\\Z\\\\\\x\\"\\N\t\\N\tN\n', plain) == [['\0\b\n\r\t\x1a\\x"N', None, "N"]]
    assert read(b"a\\\tb\\\nc\td\n", plain) == [["a\tb\nc", "d"]]
    quoted = Dialect(",", NULL, Escape.BACKSLASH, Quote.DOUBLE)
    assert read(b'"a\\"b""c\\\nd\ne",\\N,"\\N",x\\,y\n', quoted) == [['a"b"c\nd\ne', None, None, "x,y"]]


def test_the_delimiter_and_the_null_of_other_files_may_stand_beside_escapes() -> None:
    dialect = Dialect(";", "NULL", Escape.BACKSLASH, Quote.NONE)
    assert read(b"NULL;\\N;\\NULL;NULLs;\n", dialect) == [[None, None, "NULL", "NULLs", ""]]


@pytest.mark.parametrize("text", [rb"C:\dir", rb"a\tb", rb"\0", rb"x\N", rb'"a\b"', b"a\\"])
def test_a_backslash_beside_nulls_is_a_fault_until_it_is_said_what_it_is(text: bytes) -> None:
    body = b"1\t" + text + b"\t5\n2\tb\t\\N\n"
    assert read(body, Dialect("\t", NULL)) == ["escape", ["2", "b", None]]
    literal = text.strip(b'"').decode()
    assert read(body, Dialect("\t", NULL, Escape.NONE)) == [["1", literal, "5"], ["2", "b", None]]
    assert read(body, Dialect("\t")) == [["1", literal, "5"], ["2", "b", "\\N"]]


def test_no_half_of_a_text_that_was_cut_at_an_escaped_line_end_is_a_record() -> None:
    assert read(b"foo\\\nbar\t5\nx\t6\n", Dialect("\t", NULL)) == ["escape", ["x", "6"]]
    assert read(b'"foo"\t\\\n"bar"\t5\nx\t6\n', Dialect("\t", NULL)) == ["escape", ["x", "6"]]
    assert read(b'"\\N"\tx\n', Dialect("\t", NULL)) == [["\\N", "x"]]


def test_a_field_that_begins_with_a_quote_beside_escapes_is_a_fault_until_it_is_said_what_it_is() -> None:
    body = b'"a"\t5" disk\nb\t5" disk\n'
    assert read(body, Dialect("\t", NULL, Escape.BACKSLASH)) == ["quote", ["b", '5" disk']]
    assert read(body, Dialect("\t", NULL, Escape.BACKSLASH, Quote.NONE)) == [['"a"', '5" disk'], ["b", '5" disk']]
    assert read(body, Dialect("\t", NULL, Escape.BACKSLASH, Quote.DOUBLE)) == ["malformed", "malformed"]
    assert read(b'"a"\t"\n', Dialect("\t", quote=Quote.NONE)) == [['"a"', '"']]


def test_a_file_that_ends_behind_an_escape_loses_that_line_alone() -> None:
    assert read(b"a\tb\nc\\", Dialect("\t", NULL, Escape.BACKSLASH)) == [["a", "b"], "malformed"]
    assert read(b'a\\\nb\t"x\\"\n', Dialect("\t", NULL, Escape.BACKSLASH, Quote.DOUBLE)) == ["malformed", "malformed"]


@pytest.mark.parametrize("place", [0, 300_000, 2_000_000])
@sample(1)
def test_a_byte_of_zero_is_a_fault_of_its_record_wherever_it_stands(place: int) -> None:
    rows = [b"%07d,abc" % number for number in range(place // 12 + 2)]
    rows[place // 12] = b"x\0,y"
    found = read(b"\n".join(rows), Dialect())
    assert [index for index, one in enumerate(found) if one == "nul"] == [place // 12]
    assert read(b'"\0"\n', Dialect()) == ["nul"]
