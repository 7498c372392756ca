"""The content digest: what a table holds, as 128 bits.

The digest of a set of rows is the sum, modulo 2**128, of the BLAKE2b-128 hashes of its rows, read as little-endian
numbers and written as 32 hexadecimal digits. So it depends neither on the order of the rows nor on how a table was cut
into chunks, two halves can be added up, and equal rows do not cancel out.

A row is hashed as its columns' values one after the other, in the table's order, each as ``length:text`` with the
length in bytes, and NULL as ``-``. The text of a value is its canonical form, whatever held it:

=====================================  =============================================================
integers, YEAR, BIT, an ENUM's index   decimal digits
DECIMAL                                the digits with all places of the scale
FLOAT, DOUBLE                          the 64 bits of the IEEE 754 double as an unsigned decimal number
DATE                                   ``YYYY-MM-DD``
DATETIME, TIMESTAMP (in UTC)           ``YYYY-MM-DD HH:MM:SS``, and as many decimal places as the column has
text                                   its UTF-8
bytes, text in other character sets    lower-case hexadecimal digits
=====================================  =============================================================

Test vectors are in ``tests/unit/test_digest.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

import polars as pl

from tableferry import native
from tableferry.columns import Codec, Kind

_MODULUS = 1 << 128
_SECONDS_LENGTH = len("YYYY-MM-DD HH:MM:SS")


@dataclass(frozen=True, slots=True)
class Digest:
    """Rows counted, and the sum of their hashes. ``a + b`` is the digest of both sets of rows."""

    rows: int = 0
    total: int = 0

    def __add__(self, other: Digest) -> Digest:
        return Digest(self.rows + other.rows, (self.total + other.total) % _MODULUS)

    @property
    def hex(self) -> str:
        return f"{self.total:032x}"


def digest(frame: pl.DataFrame, columns: Sequence[Codec]) -> Digest:
    """The digest of a frame's rows. Memory: about four times the frame's text."""
    held_as = frame.schema  # made anew whenever it is asked for
    parts = [_framed(canonical(column, held_as[column.name])) for column in columns]
    rows = frame.select(pl.concat_str(parts).cast(pl.Binary)).to_series()
    total = native.hashed(rows) if native.library() else _hashed(rows)
    return Digest(frame.height, total % _MODULUS)


def _hashed(rows: pl.Series) -> int:
    number = int.from_bytes
    return sum([number(blake2b(row, digest_size=16).digest(), "little") for row in rows.to_list()])


def canonical(column: Codec, held_as: pl.DataType) -> pl.Expr:
    """The canonical text of a column's values, of the type that the frame holds them in."""
    values = pl.col(column.name)
    if column.hexed:
        return values.bin.encode("hex")
    if held_as == pl.String:
        return values
    match column.kind:
        case Kind.FLOAT:
            return values.reinterpret(dtype=pl.UInt64).cast(pl.String)
        case Kind.DATE:
            return values.dt.strftime("%Y-%m-%d")
        case Kind.DATETIME:
            return datetime_text(values, column.scale)
        case _:
            return values.cast(pl.String)


def datetime_text(values: pl.Expr, places: int) -> pl.Expr:
    """Date and time as the server writes them, with so many decimal places."""
    text = values.dt.strftime("%Y-%m-%d %H:%M:%S%.6f" if places else "%Y-%m-%d %H:%M:%S")
    return text.str.slice(0, _SECONDS_LENGTH + 1 + places) if places else text


def _framed(text: pl.Expr) -> pl.Expr:
    return pl.concat_str([text.str.len_bytes().cast(pl.String), pl.lit(":"), text]).fill_null("-")
