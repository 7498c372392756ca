"""Ranges of keys as conditions: the same rows as tuples compared at once, and nothing that is not a key."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tableferry.schema.codec import Codec, Kind
from tableferry.schema.key_range import Bound, Range, values_of

KEY = ("a", "b", "c")
CODECS = (
    Codec("a", Kind.TEXT, charset="utf8mb4"),
    Codec("b", Kind.BYTES),
    Codec("c", Kind.DECIMAL, precision=20, scale=3),
    Codec("d", Kind.DATETIME, scale=6),
    Codec("e", Kind.FLOAT),
    Codec("f", Kind.TEXT),
)
BOUNDS = st.lists(st.integers(0, 3), min_size=1, max_size=3).map(tuple)


@pytest.fixture(scope="module")
def table() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE t (a INT, b INT, c INT)")
        every = [(a, b, c) for a in range(4) for b in range(4) for c in range(4)]
        connection.executemany("INSERT INTO t VALUES (?, ?, ?)", every)
        yield connection


def found(table: sqlite3.Connection, part: Range) -> list[tuple[int, ...]]:
    where = part.where(KEY)
    return sorted(table.execute("SELECT * FROM t" + (f" WHERE {where}" if where else "")))


@settings(max_examples=300)
@given(lower=st.none() | BOUNDS, upper=st.none() | BOUNDS)
def test_a_range_holds_the_keys_between_its_bounds(
    table: sqlite3.Connection, lower: tuple[int, ...] | None, upper: tuple[int, ...] | None
) -> None:
    expected = [
        key
        for key in found(table, Range())
        if (lower is None or key[: len(lower)] >= lower) and (upper is None or key[: len(upper)] < upper)
    ]
    assert found(table, Range(lower, upper)) == expected


@given(st.sets(BOUNDS, max_size=8))
def test_ranges_that_meet_hold_every_key_once(table: sqlite3.Connection, bounds: set[tuple[int, ...]]) -> None:
    edges: list[Bound | None] = [None, *sorted(bounds), None]
    parts = [found(table, Range(lower, upper)) for lower, upper in pairwise(edges)]
    assert [key for part in parts for key in part] == found(table, Range())


def test_a_number_is_the_first_column_by_itself() -> None:
    assert values_of(7) == (7,)
    assert Range(7, None).where(KEY) == Range((7,), None).where(KEY) == "`a` >= 7"


def test_values_are_named_by_their_columns() -> None:
    assert Range(("61C3A4",), None).where(["a"], CODECS) == "`a` >= _utf8mb4 X'61C3A4'"
    assert Range(("00FF",), None).where(["b"], CODECS) == "`b` >= X'00FF'"
    assert Range(None, ("-12.500",)).where(["c"], CODECS) == "`c` < -12.500"
    assert Range(None, ("2026-11-28 19:00:00.000001",)).where(["d"], CODECS) == "`d` < '2026-11-28 19:00:00.000001'"
    assert Range(("-1.5e0",)).where(["e"], CODECS) == "`e` >= -1.5e0"
    assert Range(("-838:59:59",)).where(["f"], CODECS) == "`f` >= '-838:59:59'"


@pytest.mark.parametrize("text", ["' OR 1=1 -- ", "6", "zz", "1;", "1e5", "0x41", "61c3", "2026-11-28\n", "\uff11"])
@pytest.mark.parametrize("name", ["a", "b", "c", "d", "e"])
def test_what_is_no_value_of_the_column_is_refused(name: str, text: str) -> None:
    if (name, text) in {("c", "6"), ("e", "1e5")}:
        return
    with pytest.raises(ValueError, match="is no value of column"):
        Range((text,), None).where([name], CODECS)


def test_what_is_no_bound_of_the_key_is_refused() -> None:
    for bound, key in [((), KEY), ((1, 2, 3, 4), KEY), ((1,), ()), (("61",), ["unknown"])]:
        with pytest.raises(ValueError, match="A bound has"):
            Range(bound, None).where(key, CODECS)
    with pytest.raises(ValueError, match="is no value"):
        Range(("61",), None).where(["a"], [Codec("a", Kind.TEXT, charset="utf8mb4 X'' OR 1 -- ")])
