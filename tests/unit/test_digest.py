"""The digest's definition, held by test vectors that must never change."""

import hashlib
from datetime import date, datetime
from decimal import Decimal

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from tableferry.columns import Codec, Kind
from tableferry.digest import Digest, digest

COLUMNS = (
    Codec("i", Kind.INT),
    Codec("u", Kind.UINT),
    Codec("d", Kind.DECIMAL, precision=10, scale=3),
    Codec("f", Kind.FLOAT),
    Codec("day", Kind.DATE),
    Codec("at", Kind.DATETIME, scale=3),
    Codec("t", Kind.TEXT),
    Codec("b", Kind.BYTES),
)


def frame(*rows: tuple[object, ...]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema={column.name: column.dtype() for column in COLUMNS}, orient="row")


ONE = (
    -1,
    2**64 - 1,
    Decimal("1.100"),
    -0.0,
    date(1, 1, 1),
    datetime(9999, 12, 31, 23, 59, 59, 999000),
    "é",
    b"\x00\xff",
)
NULLS = (None,) * 8


def hashed(*texts: str | None) -> int:
    """The documented form of a row, written out by hand."""
    joined = "".join("-" if text is None else f"{len(text.encode())}:{text}" for text in texts)
    return int.from_bytes(hashlib.blake2b(joined.encode(), digest_size=16).digest(), "little")


def test_a_row_is_hashed_as_the_documentation_says() -> None:
    expected = hashed(
        "-1", "18446744073709551615", "1.100", str(1 << 63), "0001-01-01", "9999-12-31 23:59:59.999", "é", "00ff"
    )
    assert digest(frame(ONE), COLUMNS) == Digest(1, expected)


def test_the_vectors_have_not_changed() -> None:
    assert digest(frame(ONE), COLUMNS).hex == "e81e46b9c93356e7f4591c70d2dcc78e"
    assert digest(frame(ONE, NULLS), COLUMNS).hex == "30e4833bef6c205422ca8461b2374434"
    assert Digest().hex == "0" * 32


def test_null_and_the_empty_text_differ() -> None:
    text = (Codec("t", Kind.TEXT),)
    null, empty = (digest(pl.DataFrame({"t": [value]}, schema={"t": pl.String}), text) for value in (None, ""))
    assert null != empty


def test_equal_rows_do_not_cancel_out() -> None:
    text = (Codec("t", Kind.TEXT),)

    def of(*values: str) -> Digest:
        return digest(pl.DataFrame({"t": list(values)}), text)

    assert of("a", "a") != of("b", "b")
    assert of("a", "a") != Digest()


def test_a_date_held_as_text_has_the_digest_of_the_date() -> None:
    columns = (Codec("at", Kind.DATETIME, scale=2),)
    typed = pl.DataFrame({"at": [datetime(2021, 2, 3, 4, 5, 6, 120000)]}, schema={"at": pl.Datetime("us")})
    text = pl.DataFrame({"at": ["2021-02-03 04:05:06.12"]})
    assert digest(typed, columns) == digest(text, columns)


@given(st.lists(st.tuples(st.integers(-5, 5), st.sampled_from(["", "a", "b", None])), max_size=20), st.integers(0, 20))
def test_neither_order_nor_chunks_matter(rows: list[tuple[int, str | None]], cut: int) -> None:
    columns = (Codec("i", Kind.INT), Codec("t", Kind.TEXT))
    schema = {"i": pl.Int64, "t": pl.String}

    def of(some: list[tuple[int, str | None]]) -> Digest:
        return digest(pl.DataFrame(some, schema=schema, orient="row"), columns)

    assert of(rows) == of(rows[:cut]) + of(rows[cut:]) == of(rows[::-1])
