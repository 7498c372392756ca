"""The data dictionary: what each type takes, what it refuses and why, and that nothing is rounded or cut."""

import base64
import time
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tableferry.config.load_options import Binary
from tableferry.ingest.rows.charsets import character_set
from tableferry.ingest.rows.checks import Bad
from tableferry.ingest.rows.rules import Default, Rules
from tableferry.ingest.rows.values import check_for
from tableferry.schema.table import Column, Table


def column(data_type: str, column_type: str = "", **more: object) -> Column:
    given = {"name": "c", "nullable": False, "charset": "utf8mb4"} | more
    return Column(data_type=data_type, column_type=column_type or data_type, **given)  # type: ignore[arg-type]


INT = column("int", "int(11)")
TINY = column("tinyint", "tinyint(3) unsigned")
MONEY = column("decimal", precision=5, scale=2)
SINGLE = column("float")
DOUBLE = column("double")
DAY = column("date")
AT = column("datetime")
AT3 = column("datetime", fraction=3)
STAMP = column("timestamp")
TIME = column("time")
YEAR = column("year")
BIT3 = column("bit", precision=3)
NAME = column("varchar", characters=3, octets=12)
LATIN = column("varchar", characters=10, octets=10, charset="latin1")
BASIC = column("varchar", characters=10, octets=30, charset="utf8mb3")
TEXT = column("tinytext", characters=255, octets=255)
SIZE = column("enum", "enum('S','it''s','')")
TAGS = column("set", "set('a','b')")
DATA = column("varbinary", characters=2, octets=2)
DOCUMENT = column("json")


@pytest.mark.parametrize(
    ("of", "value", "stored"),
    [
        (INT, "-2147483648", -2147483648),
        (INT, "+7", 7),
        (INT, "007", 7),
        (INT, Decimal("5.0"), 5),
        (TINY, True, 1),
        (TINY, 255, 255),
        (MONEY, "123.4500", "123.45"),
        (MONEY, "1e2", "100"),
        (MONEY, "0.000", "0"),
        (MONEY, Decimal("-0.10"), "-0.10"),
        (DOUBLE, "1e308", "1e+308"),
        (SINGLE, Decimal("0.1"), "0.1"),
        (DAY, "2024-02-29", "2024-02-29"),
        (AT, "2021-07-27T16:02:08Z", "2021-07-27 16:02:08"),
        (AT, "2021-07-27T16:02:08+02:00", "2021-07-27 14:02:08"),
        (AT, "2021-12-31T23:30:00-0100", "2022-01-01 00:30:00"),
        (AT, "2021-07-27 16:02", "2021-07-27 16:02:00"),
        (AT, "2021-07-27", "2021-07-27 00:00:00"),
        (AT, "2021-07-27T16:02:08.000Z", "2021-07-27 16:02:08"),
        (AT3, "2021-07-27T16:02:08.1230Z", "2021-07-27 16:02:08.123"),
        (AT, "0999-01-01T00:00:00Z", "0999-01-01 00:00:00"),
        (STAMP, "2038-01-19T03:14:07Z", "2038-01-19 03:14:07"),
        (TIME, "-838:59:59", "-838:59:59"),
        (YEAR, "0000", "0000"),
        (YEAR, 2155, "2155"),
        (YEAR, "2024.0", "2024"),
        (YEAR, Decimal("2024.00"), "2024"),
        (BIT3, "7", 7),
        (NAME, "äöü", "äöü"),
        (NAME, "", ""),
        (TEXT, "ä" * 127, "ä" * 127),
        (LATIN, "naïve €", "naïve €"),
        (SIZE, "it's", "it's"),
        (SIZE, "", ""),
        (TAGS, "b,a", "b,a"),
        (TAGS, ["a"], "a"),
        (TAGS, "", ""),
        (DATA, "0xFF00", b"\xff\x00"),
        (DOCUMENT, {"a": [Decimal("1.10"), None, "é"]}, '{"a": [1.10, null, "é"]}'),
        (DOCUMENT, '{"a": 1.10}', '{"a": 1.10}'),
    ],
)
def test_a_good_value_is_taken_as_it_is(of: Column, value: object, stored: object) -> None:
    assert check_for(of)(value) == stored


@pytest.mark.parametrize(
    ("of", "value", "code"),
    [
        (INT, "2147483648", "out_of_range"),
        (INT, "1.5", "invalid"),
        (INT, Decimal("1.5"), "invalid"),
        (INT, " 1", "invalid"),
        (INT, "1_000", "invalid"),
        (INT, "٣", "invalid"),
        (INT, "", "invalid"),
        (INT, "9" * 5000, "invalid"),
        (INT, [1], "invalid"),
        (TINY, "-1", "out_of_range"),
        (MONEY, "1234.5", "out_of_range"),
        (MONEY, "1.234", "out_of_range"),
        (MONEY, "1e9999", "out_of_range"),
        (MONEY, "NaN", "invalid"),
        (MONEY, "1,5", "invalid"),
        (MONEY, True, "invalid"),
        (SINGLE, "1e39", "out_of_range"),
        (DOUBLE, "1e309", "out_of_range"),
        (DOUBLE, "inf", "invalid"),
        (DAY, "2021-02-31", "invalid"),
        (DAY, "20210203", "invalid"),
        (DAY, "2021-W01-1", "invalid"),
        (DAY, 20210203, "invalid"),
        (AT, "2021-13-01T00:00:00Z", "invalid"),
        (AT, "2021-07-27T25:00:00Z", "invalid"),
        (AT, "2021-W01-1T00:00:00Z", "invalid"),
        (AT, "2021-07-27T16:02:08.5Z", "out_of_range"),
        (AT, "yesterday", "invalid"),
        (AT, "0001-01-01T00:00:00+01:00", "invalid"),
        (STAMP, "2038-01-19T03:14:08Z", "out_of_range"),
        (STAMP, "1970-01-01T00:00:00Z", "out_of_range"),
        (TIME, "839:00:00", "out_of_range"),
        (TIME, "12:60:00", "invalid"),
        (YEAR, "1900", "out_of_range"),
        (YEAR, "21", "invalid"),
        (YEAR, "2024.5", "invalid"),
        (YEAR, Decimal("2024.5"), "invalid"),
        (YEAR, "0.0", "invalid"),
        (BIT3, 8, "out_of_range"),
        (NAME, "abcd", "too_long"),
        (NAME, 5, "invalid"),
        (NAME, "\ud800", "encoding"),
        (TEXT, "ä" * 128, "too_long"),
        (LATIN, "Ж", "encoding"),
        (BASIC, "😀", "encoding"),
        (SIZE, "XL", "not_allowed"),
        (TAGS, "a,c", "not_allowed"),
        (DATA, "00ff00", "too_long"),
        (DATA, "xyz", "invalid"),
        (DOCUMENT, "{", "invalid"),
        (column("geometry"), "POINT(1 1)", "invalid"),
    ],
)
def test_a_value_that_would_be_altered_is_refused_with_its_reason(of: Column, value: object, code: str) -> None:
    with pytest.raises(Bad) as refused:
        check_for(of)(value)
    assert refused.value.code == code
    assert refused.value.message


@pytest.mark.parametrize(
    ("of", "value", "stored"),
    [
        (MONEY, "1.{}", "1.00"),
        (MONEY, "0.{}", "0"),
        (MONEY, "-123.4{}", "-123.40"),
        (INT, "5.{}", 5),
        (DOUBLE, "0.5{}", "0.5"),
    ],
)
def test_a_number_with_many_zeros_takes_no_time(of: Column, value: str, stored: object) -> None:
    number = Decimal(value.format("0" * 300_000))
    began = time.process_time()
    assert check_for(of)(number) == stored
    assert time.process_time() - began < 5  # two minutes, where each zero cost all that are left


@given(st.from_regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}", fullmatch=True))
def test_the_quick_way_with_times_agrees_with_the_slow_one(moment: str) -> None:
    def told(text: str) -> str:
        try:
            return str(check_for(AT)(text))
        except Bad as bad:
            return bad.code

    assert told(moment + "Z") == told(moment + "+00:00")


TABLE = Table(
    schema="s",
    name="t",
    engine="InnoDB",
    columns=(
        column("int", name="id", extra="AUTO_INCREMENT"),
        column("varchar", name="Name", characters=5, octets=20),
        column("int", name="age", nullable=True),
        column("int", name="score", has_default=True),
        column("int", name="twice", extra="VIRTUAL GENERATED"),
    ),
    primary_key=("id",),
)


def test_fields_are_taken_in_the_order_of_the_stored_columns() -> None:
    row, problems = Rules(TABLE).of_fields(3, ["1", "Ann", None, "2"])
    assert (row, problems) == ((3, (1, "Ann", None, 2)), [])


def test_every_problem_of_a_row_is_told() -> None:
    row, problems = Rules(TABLE).of_fields(9, ["x", None, "y", "2"])
    assert row is None
    assert [(found.row, found.column, found.code) for found in problems] == [
        (9, "id", "invalid"),
        (9, "Name", "missing"),
        (9, "age", "invalid"),
    ]


@pytest.mark.parametrize("fields", [[], ["1"], ["1", "a", "2", "3", "4"]])
def test_too_few_and_too_many_fields_are_refused(fields: list[str]) -> None:
    _, (problem,) = Rules(TABLE).of_fields(1, fields)
    assert problem.code == "fields"


def test_an_object_may_leave_out_what_the_database_fills_in() -> None:
    row, problems = Rules(TABLE).of_object(1, {"name": "Bo"})
    assert not problems
    assert row is not None
    assert row.cells == (None, "Bo", Default.DEFAULT, Default.DEFAULT)  # NULL asks for the next automatic number


def test_an_object_with_unknown_generated_and_missing_columns_is_told_of_each() -> None:
    row, problems = Rules(TABLE).of_object(1, {"nope": 1, "twice": 2})
    assert row is None
    assert {(found.column, found.code) for found in problems} == {
        ("nope", "unknown_column"),
        ("twice", "generated"),
        ("Name", "missing"),
    }


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("1,5", "decimal comma: write 1.5"),
        ("-0,25", "decimal comma: write -0.25"),
        ("1.234,56", "decimal comma: write 1234.56"),
        ("1 234,5", "decimal comma: write 1234.5"),
        ("1'234'567,5", "decimal comma: write 1234567.5"),
        ("1,234", "has a comma: write 1.234, or 1234, whichever is meant"),
        ("1,234.50", "separators between thousands: write 1234.50"),
        ("+1,234,567", "separators between thousands: write +1234567"),
        ("1 234", "separators between thousands: write 1234"),
        ("1\u00a0234\u00a0567", "separators between thousands: write 1234567"),
        ("1.234.567", "separators between thousands: write 1234567"),
        ("1,23,456", "expected a"),
        ("1,", "expected a"),
        (",5", "expected a"),
        ("1.2.3", "expected a"),
    ],
)
@pytest.mark.parametrize("of", [INT, column("decimal", precision=20, scale=4), SINGLE, DOUBLE])
def test_a_number_of_another_country_is_refused_and_its_right_form_is_told(of: Column, value: str, told: str) -> None:
    with pytest.raises(Bad) as refused:
        check_for(of)(value)
    assert refused.value.code == "invalid"
    assert told in refused.value.message


@pytest.mark.parametrize("text", ["", "AA==", "AP8=", "YWJj", "+/+/"])
def test_base64_is_read_where_it_is_what_would_be_written(text: str) -> None:
    data = check_for(column("blob", octets=100), Binary.BASE64)(text)
    assert data == base64.b64decode(text)


@given(st.binary(max_size=40))
def test_bytes_come_back_from_either_way_of_writing_them(data: bytes) -> None:
    of = column("blob", octets=100)
    assert check_for(of)(data.hex()) == data
    assert check_for(of, Binary.BASE64)(base64.b64encode(data).decode()) == data


@pytest.mark.parametrize("text", ["AA", "AA=", "AB==", "AA==\n", "A A==", "AA==AA==", "-_-_", "=", "é===", "0xA"])
def test_base64_that_is_not_padded_or_has_anything_else_is_refused(text: str) -> None:
    with pytest.raises(Bad, match="base64") as refused:
        check_for(column("blob", octets=100), Binary.BASE64)(text)
    assert refused.value.code == "invalid"


@pytest.mark.parametrize(
    ("name", "text", "lacks", "octets"),
    [
        ("latin1", "é\x81€", None, 3),
        ("latin1", "éŁ", "Ł", None),
        ("big5", "恒a", None, 3),
        ("ucs2", "aé", None, 4),
        ("ucs2", "a😀", "😀", None),
        ("utf16", "a😀", None, 6),
        ("utf8mb3", "☃", None, 3),
        ("utf8mb3", "☃😀", "😀", None),
        ("tis620", "ก\U0002000b", "\U0002000b", None),
        ("armscii8", "abc", None, 3),
        ("armscii8", "a😀", "😀", None),
        ("ujis", "日", None, None),
        ("greek", "\u02bcé", "é", None),
        ("a set of tomorrow", "é\ud800", "\ud800", None),
        (None, "é", None, None),
    ],
)
def test_a_character_set_lacks_what_it_lacks(
    name: str | None, text: str, lacks: str | None, octets: int | None
) -> None:
    found = character_set(name)
    assert found.lacking(text) == lacks
    if lacks is None:
        assert found.octets(text) == octets


def test_members_are_those_that_were_meant() -> None:
    found = column("enum", r"enum('it''s','a\\b','x\ny','\\n','''','a,b')").members
    assert found == ("it's", "a\\b", "x\ny", "\\n", "'", "a,b")


def test_members_of_another_case_are_taken_where_the_collation_makes_no_difference() -> None:
    def told(collation: str | None, value: str) -> str:
        try:
            return str(check_for(column("enum", "enum('Red','straße')", collation=collation))(value))
        except Bad as bad:
            return bad.code

    assert told("utf8mb4_0900_ai_ci", "rED") == "Red"
    assert told("utf8mb4_bin", "rED") == told("utf8mb4_0900_as_cs", "rED") == told("binary", "rED") == "not_allowed"
    assert told("utf8mb4_bin", "Red") == "Red"
    assert told("utf8mb4_general_ci", "STRASSE") == "not_allowed"
