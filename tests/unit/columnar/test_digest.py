"""The digest's definition, held by test vectors that must never change."""

import hashlib
import struct
from collections.abc import Callable, Sequence
from datetime import date, datetime
from decimal import Context, Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tableferry.columnar import formats
from tableferry.columnar.digest import PLAIN, Digest, Hashing, digest
from tableferry.schema.codec import Codec, Kind
from tests.effort import effort, sample

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
    assert PLAIN.text(digest(frame(ONE), COLUMNS)) == "e81e46b9c93356e7f4591c70d2dcc78e"
    assert PLAIN.text(digest(frame(ONE, NULLS), COLUMNS)) == "30e4833bef6c205422ca8461b2374434"
    assert PLAIN.text(Digest()) == "0" * 32


KEYED = Hashing(bytes(range(64)))


def test_with_a_key_a_row_is_hashed_and_the_sum_is_written_as_the_documentation_says() -> None:
    texts = ("-1", "18446744073709551615", "1.100", str(1 << 63), "0001-01-01", "9999-12-31 23:59:59.999", "é", "00ff")
    rows = ("".join(f"{len(text.encode())}:{text}" for text in texts), "-" * 8)
    hashes = [hashlib.blake2b(row.encode(), digest_size=16, key=KEYED.key).digest() for row in rows]
    total = sum(int.from_bytes(one, "little") for one in hashes) % 2**128
    found = digest(frame(ONE, NULLS), COLUMNS, KEYED)
    assert found == Digest(2, total)
    written = struct.pack("<Q", 2) + total.to_bytes(16, "little")
    final = hashlib.blake2b(written, digest_size=16, key=KEYED.key, person=b"tableferry sum")
    assert KEYED.text(found) == final.hexdigest()


def test_the_vectors_with_a_key_have_not_changed() -> None:
    assert KEYED.text(digest(frame(ONE), COLUMNS, KEYED)) == "3c03ed8b1c66adf9d344adb81f762b3d"
    assert KEYED.text(digest(frame(ONE, NULLS), COLUMNS, KEYED)) == "0761dc8718f7109e5f0931f03c7e9ab0"
    assert KEYED.text(Digest()) == "b7c55a7df7fe74787870a00037045af3"


def test_with_a_key_what_is_written_of_two_halves_tells_nothing_of_the_whole() -> None:
    """Whoever chose rows for the sum of what he was shown would find the whole's digest among these."""
    one, other, both = (digest(some, COLUMNS, KEYED) for some in (frame(ONE), frame(NULLS), frame(ONE, NULLS)))
    assert one + other == both
    shown = [int(KEYED.text(each), 16) for each in (one, other)]
    whole = int(KEYED.text(both), 16)
    assert whole not in {sum(shown) % 2**128, shown[0] ^ shown[1], *shown}
    assert {both.total, one.total, other.total}.isdisjoint({whole, *shown})


@given(st.lists(st.binary(max_size=700), min_size=1, max_size=40), st.binary(max_size=64))
def test_rows_of_every_length_are_hashed_with_and_without_a_key_as_hashlib_does(rows: list[bytes], key: bytes) -> None:
    columns = [Codec("b", Kind.BYTES)]
    made = digest(pl.DataFrame({"b": rows}, schema={"b": pl.Binary}), columns, Hashing(key))
    texts = [f"{2 * len(row)}:{row.hex()}".encode() for row in rows]
    hashes = [hashlib.blake2b(text, digest_size=16, key=key).digest() for text in texts]
    assert made.total == sum(int.from_bytes(one, "little") for one in hashes) % 2**128


def test_null_and_the_empty_text_differ() -> None:
    text = (Codec("t", Kind.TEXT),)
    null, empty = (digest(pl.DataFrame({"t": [value]}, schema={"t": pl.String}), text) for value in (None, ""))
    assert null != empty


def test_rows_can_be_taken_off_again_even_before_they_are_there() -> None:
    one, other = Digest(1, 7), Digest(2, 2**128 - 3)
    assert one + other - other == one
    assert Digest() - other + one + other == one


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


CANONICAL: dict[Kind, tuple[Codec, st.SearchStrategy[object], Callable[[Any], str]]] = {
    Kind.INT: (Codec("v", Kind.INT), st.integers(-(2**63), 2**63 - 1), str),
    Kind.UINT: (Codec("v", Kind.UINT), st.integers(0, 2**64 - 1), str),
    Kind.YEAR: (Codec("v", Kind.YEAR), st.just(0) | st.integers(1901, 2155), str),
    Kind.BIT: (Codec("v", Kind.BIT), st.integers(0, 2**64 - 1), str),
    Kind.ENUM_INDEX: (Codec("v", Kind.ENUM_INDEX), st.integers(0, 65535), str),
    Kind.DECIMAL: (
        Codec("v", Kind.DECIMAL, precision=38, scale=10),
        st.integers(-(10**38) + 1, 10**38 - 1).map(lambda digits: Decimal(digits).scaleb(-10, Context(prec=40))),
        lambda value: f"{value:.10f}" if value else "0.0000000000",
    ),
    Kind.DECIMAL_TEXT: (Codec("v", Kind.DECIMAL_TEXT, precision=65, scale=30), st.from_regex(r"-?[0-9]{1,35}\.[0-9]{30}", fullmatch=True), str),
    Kind.FLOAT: (
        Codec("v", Kind.FLOAT),
        st.floats(allow_nan=False, allow_infinity=False),
        lambda value: str(struct.unpack("<Q", struct.pack("<d", value))[0]),
    ),
    Kind.DATE: (Codec("v", Kind.DATE), st.dates(), str),
    Kind.DATETIME: (
        Codec("v", Kind.DATETIME, scale=6), st.datetimes(), lambda value: value.isoformat(" ", timespec="microseconds"),
    ),
    Kind.TEXT: (Codec("v", Kind.TEXT), st.text(st.characters(exclude_categories=["Cs"])), str),
    Kind.BYTES: (Codec("v", Kind.BYTES), st.binary(), bytes.hex),
    Kind.CODED: (Codec("v", Kind.CODED, charset="ucs2"), st.binary(), bytes.hex),
}  # fmt: skip


def plainly(values: Sequence[object], text: Callable[[Any], str]) -> str:
    """The digest as the documentation defines it, of rows of one column."""
    return f"{sum(hashed(None if value is None else text(value)) for value in values) % 2**128:032x}"


def held(codec: Codec, values: Sequence[object]) -> pl.DataFrame:
    return pl.DataFrame({"v": pl.Series("v", values, dtype=codec.dtype(), strict=True)})


def test_every_kind_has_its_canonical_form() -> None:
    assert set(CANONICAL) == set(Kind)


@pytest.mark.parametrize("kind", Kind)
@settings(max_examples=effort(20, 60))
@given(data=st.data())
@sample(2)
def test_the_digest_is_what_the_documentation_says_in_every_format(kind: Kind, data: st.DataObject) -> None:
    codec, cells, text = CANONICAL[kind]
    values = data.draw(st.lists(cells | st.none(), min_size=1, max_size=5))
    frame = held(codec, values)
    expected = plainly(values, text)
    assert PLAIN.text(digest(frame, [codec])) == expected
    for form in formats.Format:
        assert PLAIN.text(digest(formats.read(formats.write(frame, [codec], form), [codec], form), [codec])) == expected


@pytest.mark.parametrize("kind", Kind)
@settings(max_examples=effort(20, 60))
@given(data=st.data())
@sample(2)
def test_the_digest_moves_with_every_value(kind: Kind, data: st.DataObject) -> None:
    codec, cells, text = CANONICAL[kind]
    one, other = data.draw(st.tuples(cells | st.none(), cells | st.none()))
    same = (one is None) == (other is None) and (one is None or text(one) == text(other))
    two = [digest(held(codec, [value, value]), [codec]) for value in (one, other)]
    assert (two[0] == two[1]) == same  # also of two equal rows that become two other equal rows


def test_zeros_of_both_signs_differ() -> None:
    codec = Codec("v", Kind.FLOAT)
    assert digest(held(codec, [0.0]), [codec]) != digest(held(codec, [-0.0]), [codec])


@pytest.mark.parametrize("hashing", [KEYED, Hashing()], ids=["keyed", "plain"])
def test_a_sealed_sum_opens_to_what_it_was_and_can_be_added_up(hashing: Hashing) -> None:
    halves = [Digest(3, (1 << 128) - 5), Digest(4, 12)]
    opened = [hashing.opened(hashing.sealed(half), half.rows) for half in halves]
    assert opened == halves
    assert sum(opened, Digest()) == Digest(7, 7)


def test_a_sum_is_sealed_otherwise_each_time_and_opens_with_its_key_alone() -> None:
    digest_of_one_row = Digest(1, 1)
    sealed = {KEYED.sealed(digest_of_one_row) for _ in range(20)}
    assert len(sealed) == 20
    assert all(Hashing(bytes(64)).opened(text, 1) != digest_of_one_row for text in sealed)
