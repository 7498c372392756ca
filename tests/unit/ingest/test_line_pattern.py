"""What is surely good by its looks: never a line that the rules refuse, and nearly all lines that files are made of."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tableferry.config.load_options import Escape, Quote
from tableferry.ingest.files.dialect import Dialect, State
from tableferry.ingest.files.file_format import Reading
from tableferry.ingest.files.line_frame import Judge, Lines
from tableferry.ingest.rows.rules import Rules
from tableferry.schema.table import Column, Table
from tests.effort import by_turns, effort, sample

Q = '"'
NULLS = ["", "\\N", "NA", "0"]
LATIN = {"charset": "latin1"}
KINDS: dict[str, dict[str, object]] = {
    "tinyint": {},
    "tinyint unsigned": {},
    "smallint": {},
    "mediumint unsigned": {},
    "int": {},
    "int unsigned": {},
    "bigint": {},
    "bigint unsigned": {},
    "decimal(5,2)": {"precision": 5, "scale": 2},
    "decimal(3,3) unsigned": {"precision": 3, "scale": 3},
    "float": {},
    "float(5,2)": {"precision": 5, "scale": 2},
    "double unsigned": {},
    "bit(3)": {"precision": 3},
    "bit(64)": {"precision": 64},
    "date": {},
    "datetime": {},
    "datetime(3)": {"fraction": 3},
    "timestamp": {},
    "time(6)": {"fraction": 6},
    "year": {},
    "char(2)": {"characters": 2, "octets": 8},
    "varchar(40)": {"characters": 40, "octets": 160},
    "varchar(3) latin": {"characters": 3, "octets": 3, **LATIN},
    "varchar(3) basic": {"characters": 3, "octets": 9, "charset": "utf8mb3"},
    "varchar(400)": {"characters": 400, "octets": 1600},
    "tinytext": {"characters": 255, "octets": 255},
    "enum('a','it''s','x,y','a b')": {},
    "set('a','b c')": {},
    "json": {},
    "varbinary(3)": {"octets": 3},
    "uuid": {},
    "geometry": {},
    "inet6": {},
}
VALUES = st.one_of(
    st.sampled_from(
        [
            "0",
            "-0",
            "00",
            "007",
            "-1",
            "+1",
            "1",
            "7",
            "8",
            "9",
            "127",
            "128",
            "-128",
            "-129",
            "255",
            "256",
            "65535",
            "65536",
            "32767",
            "-32768",
            "8388607",
            "16777215",
            "16777216",
            "2147483647",
            "2147483648",
            "-2147483648",
            "-2147483649",
            "4294967295",
            "4294967296",
            "9223372036854775807",
            "9223372036854775808",
            "-9223372036854775808",
            "18446744073709551615",
            "18446744073709551616",
            "1.5",
            "999.99",
            "999.995",
            "1000",
            "0.123",
            "0.1234",
            ".5",
            "5.",
            "1e3",
            "1E-5",
            "0x41",
            "1,5",
            "3.4e39",
            "123456789012345.123456789012345",
            "2021-07-27",
            "2021-02-29",
            "2024-02-29",
            "2021-02-28",
            "2021-13-01",
            "2021-04-31",
            "0000-00-00",
            "2021-07-27T16:02:08Z",
            "2021-07-27T16:02:08",
            "2021-07-27T24:00:00Z",
            "2021-07-27T23:59:60Z",
            "1999-01-01T00:00:00Z",
            "2021-07-27T16:02:08.123Z",
            "2021-07-27T16:02:08.1234Z",
            "2021-07-27T16:02:08+02:00",
            "2021-07-27T16:02:08ZZ",
            "16:02:08",
            "16:02",
            "838:59:59",
            "839:00:00",
            "-16:02:08.123456",
            "16:02:08.1234567",
            "1901",
            "1900",
            "2155",
            "2156",
            "70",
            "a",
            "b",
            "abc",
            "abcd",
            "A",
            "it's",
            "x,y",
            "a,b",
            "a,a",
            "NULL",
            "null",
            "\\N",
            "\\",
            "é",
            "☃",
            "😀",
            "�",
            "¼",
            "ff",
            "FF",
            "fff",
            "00ff00",
            "00ff0000",
            "0xff",
            "{}",
            "[]",
            '{"a":1}',
            '{"a":[]}',
            '{"a":"b","c":null}',
            '[1,"x",true]',
            '{"a":1,"a":2}',
            "{a}",
            '{"a":01}',
            '"a"',
            "true",
            "nan",
            "1e999",
            '{"a":,}',
            "3f2504e0-4f89-11d3-9a0c-0305e82c3301",
        ]
    ),
    st.sampled_from(
        ["2021-07-27 16:02:08", "2021-07-27 16:02:08Z", " ", "  5", "5 ", "a b", "b c", "a,b c", "\t", "\0", "\x7f"]
    ),
    st.sampled_from(["2021-07-27T16:02:08Z,", ",", ",,", "a,,b", '"', '""', 'a"b', '",', "x" * 300, "é" * 200, ""]),
    st.text(max_size=6),
    st.integers(-(2**64), 2**65).map(str),
    st.decimals(-2000, 2000, places=3).map(str),
    st.datetimes().map(lambda moment: f"{moment:%Y-%m-%dT%H:%M:%S}Z"),
    st.dates().map(str),
)
DELIMITERS = st.sampled_from([",", ";", "\t", "|"])


def column(kind: str, name: str, nullable: bool) -> Column:
    given: dict[str, object] = {"charset": "utf8mb4"} | KINDS[kind]
    data_type = kind.partition("(")[0].partition(" ")[0]
    return Column(name=name, data_type=data_type, column_type=kind, nullable=nullable, **given)  # type: ignore[arg-type]


def reading(columns: list[Column], dialect: Dialect) -> Reading:
    return Reading(Rules(Table("s", "t", "InnoDB", tuple(columns), ())), dialect)


def sure(line: str, columns: list[Column], dialect: Dialect) -> bool:
    """Whether a line, as the only one of its block, is surely good."""
    lines = Lines(line.encode(), 1, 1, 10, Judge(columns, dialect))
    return bool(lines.sure.all()) and len(lines) == 1


@st.composite
def cases(draw: st.DrawFn) -> tuple[list[Column], Dialect, str]:
    """Columns, a dialect, and a line of about as many fields, some quoted, some as they should not be."""
    kinds = draw(st.lists(st.sampled_from(list(KINDS)), min_size=1, max_size=4))
    columns = [column(kind, f"c{number}", draw(st.booleans())) for number, kind in enumerate(kinds)]
    escape, quote = draw(st.sampled_from([None, None, *Escape])), draw(st.sampled_from([None, None, *Quote]))
    dialect = Dialect(draw(DELIMITERS), draw(st.sampled_from(NULLS)), escape, quote, draw(st.booleans()))
    fields = [draw(VALUES) for _ in range(draw(st.sampled_from([len(columns)] * 8 + [len(columns) + 1])))]
    forms = [draw(st.sampled_from([field, Q + field.replace(Q, Q + Q) + Q, Q + field + Q])) for field in fields]
    return columns, dialect, dialect.delimiter.join(forms)


@settings(max_examples=effort(200, 1500))
@given(case=cases())
def test_what_is_surely_good_the_rules_take(case: tuple[list[Column], Dialect, str]) -> None:
    columns, dialect, line = case
    if "\n" in line or not sure(line, columns, dialect):
        return
    raw = dialect.without_end(line.encode())
    assert dialect.fault(raw) is None
    assert dialect.begun(raw) is State.COMPLETE
    row, problems = reading(columns, dialect).rules.of_fields(1, dialect.fields(raw))
    assert row is not None, problems
    assert not problems


@pytest.mark.parametrize("null", ["", "\\N"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("quoted", [False, True])
@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("tinyint", "-128"),
        ("tinyint unsigned", "255"),
        ("mediumint unsigned", "16777215"),
        ("int", "2147483647"),
        ("bigint", "-9223372036854775808"),
        ("bigint unsigned", "18446744073709551615"),
        ("decimal(5,2)", "-999.99"),
        ("decimal(3,3) unsigned", "0.123"),
        ("float", "-0.25"),
        ("double unsigned", "12345.678"),
        ("bit(3)", "7"),
        ("date", "2024-12-31"),
        ("datetime", "2021-07-27T16:02:08Z"),
        ("datetime", "2021-07-27 16:02:08"),
        ("datetime(3)", "2021-07-27 16:02:08.123"),
        ("timestamp", "2021-07-27T16:02:08Z"),
        ("time(6)", "-16:02:08.123456"),
        ("year", "2021"),
        ("char(2)", "é☃"),
        ("varchar(40)", "Siobhán 😀"),
        ("varchar(3) latin", "abc"),
        ("varchar(3) basic", "☃☃☃"),
        ("varchar(400)", "x" * 300),
        ("tinytext", "x" * 200),
        ("enum('a','it''s','x,y','a b')", "it's"),
        ("set('a','b c')", "b c"),
        ("varbinary(3)", "00ffAB"),
        ("uuid", "3f2504e0-4f89-11d3-9a0c-0305e82c3301"),
    ],
)
@sample(49)
def test_what_files_are_made_of_is_surely_good(kind: str, value: str, quoted: bool, delimiter: str, null: str) -> None:
    field = f'"{value}"' if quoted else value
    columns = [column(kind, "a", nullable=True), column("int", "b", nullable=False)]
    assert sure(f"{field}{delimiter}5", columns, Dialect(delimiter, null))
    assert sure(f"{null}{delimiter}5\r", columns, Dialect(delimiter, null))
    assert not sure(f"{field}{delimiter}", columns, Dialect(delimiter, null))


def test_json_of_a_usual_shape_is_surely_good() -> None:
    columns = [column("json", "a", nullable=False)]
    for text in ("{}", "[]", "5", "null", '{"b c": "x, y"}', '["a", true, -1.5, {"d": null}]'):
        quoted = text.replace('"', '""')
        assert sure(f'"{quoted}"', columns, Dialect()), text


@pytest.mark.parametrize("line", ["NULL,5", "a,,5", '"a",,', "", "\r", '"a,5', 'a"b,5', "a\x00,5"])
@sample(2)
def test_what_is_doubtful_is_left_to_the_rules(line: str) -> None:
    columns = [column("varchar(40)", "a", nullable=True), column("int", "b", nullable=True)]
    assert not sure(line, columns, Dialect())


@by_turns
def test_a_table_too_wide_for_counting_is_told_by_the_lengths_of_its_lines() -> None:
    columns = [column("varchar(400)", f"c{number}", nullable=True) for number in range(200)]
    assert sure(",".join("x" for _ in columns), columns, Dialect())
    assert not sure(",".join("xxx" for _ in columns), columns, Dialect())  # over 400 bytes, though each field is short
