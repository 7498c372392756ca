"""Frames as files and back: Parquet, Avro and CSV, which others read without us.

Parquet holds every kind as its own type. Avro has no unsigned and no short integers and no decimals here: integers to
63 bits go as long, unsigned 64-bit numbers and decimals as their text. CSV (RFC 4180, with a header line) holds text:
an empty unquoted field is NULL, ``""`` the empty text; bytes are hexadecimal digits; numbers are not quoted. It is
compressed by Zstandard, as Parquet's pages are.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from enum import StrEnum

import polars as pl

from tableferry._compat import zstd
from tableferry.columnar.digest import datetime_text
from tableferry.columnar.native import library
from tableferry.schema.codec import Codec, Kind

_ZSTD_LEVEL = 1  # the next two make files no smaller, in up to a third more time
_SHORT = (pl.Int8, pl.Int16, pl.Int32, pl.UInt8, pl.UInt16, pl.UInt32)


class Format(StrEnum):
    """A file format."""

    PARQUET = "parquet"
    AVRO = "avro"
    CSV = "csv"

    @property
    def suffix(self) -> str:
        """What the names of its files end in."""
        return "csv.zst" if self is Format.CSV else self.value


def write(rows: pl.DataFrame | memoryview, columns: Sequence[Codec], form: Format) -> bytes:
    """A frame, or the text of a CSV file, as one file."""
    if isinstance(rows, memoryview):
        return zstd.compress(rows, _ZSTD_LEVEL)
    file = io.BytesIO()
    match form:
        case Format.PARQUET:
            rows.write_parquet(file, compression="zstd", compression_level=_ZSTD_LEVEL)
        case Format.AVRO:
            rows.with_columns(_for_avro(rows)).write_avro(file, compression="deflate")
        case Format.CSV:
            return zstd.compress(_csv(rows, columns), _ZSTD_LEVEL)
    return file.getvalue()


def _csv(frame: pl.DataFrame, columns: Sequence[Codec]) -> bytes | memoryview:
    if not library.library():
        file = io.BytesIO()
        for_csv(frame, columns).write_csv(file, quote_style="non_numeric", null_value="")
        return file.getvalue()
    return library.encoded(frame, columns, names(columns))


def names(columns: Sequence[Codec]) -> bytes:
    """The first line of a CSV file."""
    return (",".join('"' + column.name.replace('"', '""') + '"' for column in columns) + "\n").encode()


def read(data: bytes, columns: Sequence[Codec], form: Format) -> pl.DataFrame:
    """The frame that :func:`write` was given.

    Raises:
        polars.exceptions.PolarsError: the bytes are no such file, or hold other columns.
    """
    match form:
        case Format.PARQUET:
            frame = pl.read_parquet(io.BytesIO(data))
        case Format.AVRO:
            frame = pl.read_avro(io.BytesIO(data))
        case Format.CSV:
            schema = {column.name: pl.String() for column in columns}
            # By position: names with quotes or newlines in them do not come out of a header as they went in.
            frame = pl.read_csv(data, has_header=False, skip_rows=1, schema=schema)
    held_as = frame.schema  # which is made anew whenever it is asked for
    return frame.select([_restored(column, held_as[column.name]) for column in columns])


def for_csv(frame: pl.DataFrame, columns: Sequence[Codec]) -> pl.DataFrame:
    """The frame with what CSV cannot hold turned to text; numbers stay numbers, so that they are not quoted."""
    changed = []
    held_as = frame.schema
    for column in columns:
        if column.hexed:
            changed.append(pl.col(column.name).bin.encode("hex"))
        elif held_as[column.name] == pl.Datetime:
            changed.append(datetime_text(pl.col(column.name), column.scale))
    return frame.with_columns(changed)


def _for_avro(frame: pl.DataFrame) -> list[pl.Expr]:
    changed = []
    for name, held_as in frame.schema.items():
        if held_as in _SHORT:
            changed.append(pl.col(name).cast(pl.Int64))
        elif held_as in (pl.UInt64, pl.Decimal):
            changed.append(pl.col(name).cast(pl.String))
    return changed


def _restored(column: Codec, held_as: pl.DataType) -> pl.Expr:
    """The column as the codec types it, where it is not so already."""
    values = pl.col(column.name)
    if column.hexed:
        return values.str.decode("hex") if held_as == pl.String else values
    if column.kind in (Kind.DATE, Kind.DATETIME):
        return values
    return values.cast(column.dtype())
