"""What is written and read back is the same, in every format."""

import string
from datetime import date, datetime
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tableferry.columnar import formats
from tableferry.columnar.digest import digest
from tableferry.columnar.formats import Format
from tableferry.schema.codec import Codec, Kind
from tests.effort import effort, sample

COLUMNS = (
    Codec("tiny", Kind.INT, bits=8),
    Codec("big", Kind.INT),
    Codec("unsigned", Kind.UINT),
    Codec("year", Kind.YEAR),
    Codec("bits", Kind.BIT),
    Codec("amount", Kind.DECIMAL, precision=38, scale=10),
    Codec("long amount", Kind.DECIMAL_TEXT, precision=65, scale=30),
    Codec("real", Kind.FLOAT),
    Codec("day", Kind.DATE),
    Codec("at", Kind.DATETIME, scale=6),
    Codec("text, with a comma", Kind.TEXT),
    Codec("index", Kind.ENUM_INDEX),
    Codec("bytes", Kind.BYTES),
    Codec("coded", Kind.CODED, charset="cp932"),
)
_TEXT = st.text(st.characters(codec="utf-8"), max_size=8) | st.sampled_from(
    ["NULL", "\\N", '"', '""', ",", "\r\n", " "]
)
_VALUES = st.tuples(
    st.none() | st.integers(-128, 127),
    st.none() | st.integers(-(2**63), 2**63 - 1),
    st.none() | st.integers(0, 2**64 - 1),
    st.none() | st.just(0) | st.integers(1901, 2155),
    st.none() | st.integers(0, 2**64 - 1),
    st.none() | st.decimals(-(10**27), 10**27, allow_nan=False, places=10),
    st.none() | st.text(string.digits, min_size=1, max_size=35).map(lambda digits: f"{digits}.{'0' * 30}"),
    st.none() | st.floats(allow_nan=False, allow_infinity=False),
    st.none() | st.dates(date(1, 1, 1)),
    st.none() | st.datetimes(datetime(1, 1, 1)),
    st.none() | _TEXT,
    st.none() | st.integers(0, 65535),
    st.none() | st.binary(max_size=8),
    st.none() | st.binary(max_size=8),
)


def frame(rows: list[tuple[object, ...]], columns: tuple[Codec, ...] = COLUMNS) -> pl.DataFrame:
    return pl.DataFrame(rows, schema={column.name: column.dtype() for column in columns}, orient="row")


@pytest.mark.parametrize("form", Format)
@settings(max_examples=effort(20, 60))
@given(rows=st.lists(_VALUES, min_size=1, max_size=12))
@sample(1)
def test_a_frame_comes_back_from_its_file(form: Format, rows: list[tuple[object, ...]]) -> None:
    written = frame(rows)
    read = formats.read(formats.write(written, COLUMNS, form), COLUMNS, form)
    assert digest(read, COLUMNS) == digest(written, COLUMNS)
    if form is not Format.CSV:
        assert read.equals(written)


@pytest.mark.parametrize("form", Format)
@settings(max_examples=effort(20, 60))
@given(texts=st.lists(st.none() | _TEXT, min_size=1, max_size=6))
def test_one_column_of_text_keeps_its_nulls_and_empty_lines(form: Format, texts: list[str | None]) -> None:
    column = (Codec("t", Kind.TEXT),)
    written = frame([(text,) for text in texts], column)
    assert formats.read(formats.write(written, column, form), column, form)["t"].to_list() == texts


@pytest.mark.parametrize("form", Format)
def test_dates_that_no_calendar_has_stay_text(form: Format) -> None:
    column = (Codec("at", Kind.DATETIME, scale=0),)
    written = pl.DataFrame({"at": ["0000-00-00 00:00:00", "2021-02-31 00:00:00", None]})
    assert formats.read(formats.write(written, column, form), column, form).equals(written)


def test_parquet_is_typed_for_others() -> None:
    written = frame(
        [(1, 2, 3, 2021, 4, Decimal(5), "6", 7.0, date(2021, 1, 1), datetime(2021, 1, 1), "t", 1, b"b", b"c")]
    )
    import io

    schema = pl.read_parquet(io.BytesIO(formats.write(written, COLUMNS, Format.PARQUET))).schema
    assert schema["tiny"] == pl.Int8
    assert schema["amount"] == pl.Decimal(38, 10)
    assert schema["day"] == pl.Date
    assert schema["at"] == pl.Datetime("us")
    assert schema["bytes"] == pl.Binary


def test_what_is_no_file_of_the_format_is_an_error_of_the_library() -> None:
    with pytest.raises(pl.exceptions.PolarsError):
        formats.read(b"no parquet", COLUMNS, Format.PARQUET)
