"""Tables that hypothesis makes up, of any types, keys and values: they come back as they were, and so does their definition."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tableferry.columnar.formats import Format
from tests.effort import effort, in_ci
from tests.support.parts import Database
from tests.torture import carry
from tests.torture.cases import Case

hunt = settings(
    max_examples=effort(3, 15),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
Values = st.SearchStrategy[str]
OTHERS = [form for form in Format if form is not Format.PARQUET]  # test_lossless has them by a list of types


def whole(bits: int, signed: bool) -> Values:
    least = -(2 ** (bits - 1)) if signed else 0
    return st.integers(least, 2 ** (bits - signed) - 1).map(str)


def exact(precision: int, scale: int) -> Values:
    return st.integers(-(10**precision) + 1, 10**precision - 1).map(lambda digits: f"{digits}e-{scale}")


def singles() -> Values:
    return st.floats(allow_nan=False, allow_infinity=False, width=32).map(lambda value: f"{value:.17e}")


def doubles() -> Values:
    return st.floats(allow_nan=False, allow_infinity=False).map(lambda value: f"{value:.17e}")


def raw(most: int) -> Values:
    return st.binary(max_size=most).map(lambda value: f"x'{value.hex()}'")


def words(most: int, last: int = 0x10FFFF) -> Values:
    letters = st.characters(max_codepoint=last, exclude_categories=["Cs"])
    text = st.text(letters, max_size=most) | st.sampled_from(["NULL", "\\N", "''", '"', "\\", "\n", "\0", " ", "a "])
    return text.map(lambda value: f"CONVERT(x'{value.encode().hex()}' USING utf8mb4)")


def moments(places: int) -> Values:
    """Days that some calendar has and that none has, at any time; the year 0000 to 9999."""
    parts = st.tuples(
        st.integers(0, 9999), st.integers(0, 12), st.integers(0, 31), st.integers(0, 86_400 * 10**places - 1)
    )
    return parts.map(lambda part: f"'{part[0]:04}-{part[1]:02}-{part[2]:02} {clock(part[3], places)}'")


def clock(ticks: int, places: int) -> str:
    seconds, fraction = divmod(ticks, 10**places)
    text = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return f"{text}.{fraction:0{places}}" if places else text


def spans(places: int) -> Values:
    ticks = st.integers(-(838 * 3600 + 3599) * 10**places, (838 * 3600 + 3599) * 10**places)
    return ticks.map(lambda count: f"'{'-' if count < 0 else ''}{clock(abs(count), places)}'")


def points() -> Values:
    numbers = st.floats(-180, 180, allow_subnormal=False)
    return st.tuples(numbers, numbers).map(lambda at: f"ST_GeomFromWKB(x'0101000000{struct.pack('<2d', *at).hex()}')")


def documents() -> Values:
    scalars = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(max_size=5)
    trees = st.recursive(
        scalars,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
        max_leaves=8,
    )
    return trees.map(lambda tree: f"CONVERT(x'{json.dumps(tree).encode().hex()}' USING utf8mb4)")


KINDS: dict[str, Values] = {
    "TINYINT": whole(8, True), "SMALLINT UNSIGNED": whole(16, False), "MEDIUMINT": whole(24, True), "INT UNSIGNED ZEROFILL": whole(32, False),
    "BIGINT": whole(64, True), "BIGINT UNSIGNED": whole(64, False), "DECIMAL(65,30)": exact(65, 30), "DECIMAL(20,4)": exact(20, 4),
    "DECIMAL(5,5)": exact(5, 5), "FLOAT": singles(), "DOUBLE": doubles(), "BIT(13)": whole(13, False), "BIT(64)": whole(64, False),
    "YEAR": st.integers(1901, 2155).map(str) | st.just("'0000'"), "DATE": moments(0), "DATETIME": moments(0), "DATETIME(3)": moments(3),
    "DATETIME(6)": moments(6), "TIME": spans(0), "TIME(4)": spans(4), "CHAR(7)": words(7), "VARCHAR(9)": words(9),
    "VARCHAR(9) CHARACTER SET ucs2": words(9, 0xFFFF), "VARCHAR(9) CHARACTER SET utf16": words(9), "VARCHAR(9) CHARACTER SET utf8mb3": words(9, 0xFFFF),
    "VARCHAR(9) CHARACTER SET latin1": words(9, 0x7F), "TEXT CHARACTER SET cp932": words(9, 0x7F), "TEXT": words(20), "LONGTEXT COLLATE utf8mb4_bin": words(20),
    "BINARY(4)": raw(4), "VARBINARY(9)": raw(9), "BLOB": raw(40), "ENUM('a','b','','c,d')": st.sampled_from(["'a'", "''", "0", "'c,d'"]),
    "SET('x','y','z')": st.integers(0, 7).map(str), "POINT": points(), "JSON": documents(),
}  # fmt: skip
KEYS = ("TINYINT", "BIGINT", "BIGINT UNSIGNED", "DECIMAL(20,4)", "DATE", "VARBINARY(9)", "BINARY(4)", "DATETIME(6)")


@dataclass(frozen=True)
class Made:
    """A table that was made up, to be read in a report of hypothesis."""

    columns: tuple[str, ...]
    keys: tuple[int, ...]
    options: str
    rows: tuple[tuple[str, ...], ...]

    @property
    def case(self) -> Case:
        parts = [f"`c{n}` {kind}{' NOT NULL' if n in self.keys else ''}" for n, kind in enumerate(self.columns)]
        parts += [f"PRIMARY KEY ({', '.join(f'c{n}' for n in self.keys)})"] if self.keys else []
        values = ", ".join(f"({', '.join(row)})" for row in self.rows)
        inserted = (f"INSERT IGNORE INTO t VALUES {values}",) if self.rows else ()
        return Case("made up", (f"CREATE TABLE t ({', '.join(parts)}) {self.options}", *inserted))


@st.composite
def tables(draw: st.DrawFn) -> Made:
    columns = draw(st.lists(st.sampled_from(list(KINDS)), min_size=1, max_size=6))
    able = [number for number, kind in enumerate(columns) if kind in KEYS]
    keys = draw(st.lists(st.sampled_from(able), unique=True, max_size=2)) if able else []
    cells = [KINDS[kind] if number in keys else KINDS[kind] | st.just("NULL") for number, kind in enumerate(columns)]
    rows = draw(st.lists(st.tuples(*cells), max_size=8))
    options = draw(st.sampled_from(["", "CHARACTER SET latin1", "CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"]))
    return Made(tuple(columns), tuple(keys), options, tuple(rows))


@pytest.mark.usefixtures("bucket")
@pytest.mark.parametrize("form", [Format.PARQUET, *(pytest.param(one, marks=in_ci) for one in OTHERS)])
def test_any_table_comes_back_to_the_bit(database: Database, form: Format) -> None:
    @hunt
    @given(made=tables())
    def comes_back(made: Made) -> None:
        carry.make(database, made.case)
        assert carry.there_and_back(database, made.case, form) == []

    comes_back()
