"""The content digest: what a table holds, as 128 bits.

Each row is hashed by BLAKE2b-128 (RFC 7693), and the hashes, read as little-endian numbers, are added up modulo 2**128.
So the sum depends neither on the order of the rows nor on how a table was cut into chunks, the sums of two halves can be
added up, and equal rows do not cancel out. What is written is

- **digest 1**, without a key: the sum, as 32 hexadecimal digits. It proves sameness against accident. Whoever can choose
  rows finds others with the same sum in minutes (the generalised birthday problem, Wagner 2002).
- **digest 2**, with a key of 64 bytes: rows are hashed with the key, whose block is compressed once and not for each row.
  The count of rows (8 bytes, little-endian) and the sum (16 bytes) are then hashed by BLAKE2b-128 with the same key and
  the personalisation ``tableferry sum``. So who has not the key sees only whether two sets of rows are equal, and
  nothing of a sum that he could work towards: a multiset hash after Clarke and others, 2003, which holds against rows
  that were chosen. Digests with the same key can be compared; the key is derived from the one that signs manifests.

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

Test vectors are in ``tests/unit/columnar/test_digest.py``.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

import polars as pl

from tableferry.columnar.native import library
from tableferry.schema.codec import Codec, Kind

_MODULUS = 1 << 128
_SECONDS_LENGTH = len("YYYY-MM-DD HH:MM:SS")


_FINAL = b"tableferry sum"
_PAD = b"tableferry pad"


@dataclass(frozen=True, slots=True)
class Digest:
    """Rows counted, and the sum of their hashes. ``a + b`` is the digest of both sets of rows; ``a - b`` takes one off."""

    rows: int = 0
    total: int = 0

    def __add__(self, other: Digest) -> Digest:
        return Digest(self.rows + other.rows, (self.total + other.total) % _MODULUS)

    def __sub__(self, other: Digest) -> Digest:
        return Digest(self.rows - other.rows, (self.total - other.total) % _MODULUS)


@dataclass(frozen=True, slots=True)
class Hashing:
    """How rows are hashed and a digest is written: with a key of 64 bytes (digest 2), or without one (digest 1)."""

    key: bytes = field(default=b"", repr=False)

    def text(self, digest: Digest) -> str:
        """What is written and shown of a digest whose rows were hashed so."""
        if not self.key:
            return f"{digest.total:032x}"
        content = digest.rows.to_bytes(8, "little") + digest.total.to_bytes(16, "little")
        return blake2b(content, digest_size=16, key=self.key, person=_FINAL).hexdigest()

    def sealed(self, digest: Digest) -> str:
        """The sum for whoever adds it to others and has the key; of digest 1 it is no secret.

        A pad is added to it, of a nonce that is used once and stands before it: 64 hexadecimal digits.
        """
        nonce = secrets.token_bytes(16)
        return nonce.hex() + f"{(digest.total + self._pad(nonce)) % _MODULUS:032x}"

    def opened(self, text: str, rows: int) -> Digest:
        """The digest of so many rows whose sum was sealed with the same key."""
        nonce, total = bytes.fromhex(text[:32]), int(text[32:], 16)
        return Digest(rows, (total - self._pad(nonce)) % _MODULUS)

    def _pad(self, nonce: bytes) -> int:
        return int.from_bytes(blake2b(nonce, digest_size=16, key=self.key, person=_PAD).digest(), "little")


PLAIN = Hashing()


def digest(frame: pl.DataFrame, columns: Sequence[Codec], hashing: Hashing = PLAIN) -> Digest:
    """The digest of a frame's rows. Memory: about four times the frame's text."""
    held_as = frame.schema  # made anew whenever it is asked for
    parts = [_framed(canonical(column, held_as[column.name])) for column in columns]
    rows = frame.select(pl.concat_str(parts).cast(pl.Binary)).to_series()
    total = library.hashed(rows, hashing.key) if library.library() else _hashed(rows, hashing.key)
    return Digest(frame.height, total % _MODULUS)


def _hashed(rows: pl.Series, key: bytes) -> int:
    number = int.from_bytes
    return sum([number(blake2b(row, digest_size=16, key=key).digest(), "little") for row in rows.to_list()])


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
