"""The lossless contract: how each MySQL type is selected, held in a frame, and loaded again.

A prepared SELECT gives numbers and dates as the server holds them, and all else as text or bytes. The exceptions, each
measured:

- BIT comes as raw bytes; CAST makes it a number (``+ 0`` would make a SET of 64 members a signed one on MySQL). Loaded as
  text, ``5`` would store 53.
- YEAR ``0`` read as a number means 2000; as the text ``0000`` it means 0.
- An ENUM with the member ``''`` cannot tell it from the error value, so it goes by index; a SET with it cannot tell it
  from no members, so it goes by its bits.
- Text in a character set that utf8mb4 does not map one to one (cp932, gbk, ucs2 …) goes as bytes.
- Dates that no calendar has (zero, partial, invalid) stay text, in the chunks that hold one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from tableferry.errors import NotSupported
from tableferry.mysql.identifiers import quote
from tableferry.schema.table import Column, Table
from tableferry.schema.types import TYPES, Family

if TYPE_CHECKING:
    import polars as pl


class Kind(StrEnum):
    """What a column's values are, for frames, files and the digest; the manifest names it for each column."""

    INT = "int"
    UINT = "uint"
    YEAR = "year"
    BIT = "bit"
    DECIMAL = "decimal"
    DECIMAL_TEXT = "decimal-text"
    FLOAT = "float"
    DATE = "date"
    DATETIME = "datetime"
    TEXT = "text"
    ENUM_INDEX = "enum-index"
    BYTES = "bytes"
    CODED = "coded-text"


_PLAIN_CHARSETS = {"ascii", "latin1", "utf8", "utf8mb3", "utf8mb4"}
_BITS = {8, 16, 32, 64}
_WORD = re.compile(r"[0-9a-z_]+")
_HEX = re.compile(r"(?:[0-9A-F]{2})*")
_DECIMAL = re.compile(r"-?[0-9]{1,65}(?:\.[0-9]{1,38})?")
_DOUBLE = re.compile(r"-?[0-9](?:\.[0-9]{1,20})?e[+-]?[0-9]{1,3}")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DATETIME = re.compile(rf"{_DATE.pattern} [0-9]{{2}}:[0-9]{{2}}:[0-9]{{2}}(?:\.[0-9]{{1,6}})?")
_PRINTED = re.compile(r"-?[0-9A-Fa-f:.-]{1,60}")  # a TIME, a UUID, an address
_LITERALS = {
    Kind.DECIMAL: _DECIMAL,
    Kind.DECIMAL_TEXT: _DECIMAL,
    Kind.FLOAT: _DOUBLE,
    Kind.DATE: _DATE,
    Kind.DATETIME: _DATETIME,
    Kind.TEXT: _PRINTED,
}
_FRAME_BITS = {24: 32}  # a frame has no integers of three bytes
_MOST_DECIMAL_DIGITS = 38  # what a 128-bit decimal holds
_MOST_PLACES = 6  # of a second


@dataclass(frozen=True, slots=True)
class Codec:
    """One column's way out of a table and back. ``parameter`` is what a kind needs besides: digits, scale, charset."""

    name: str
    kind: Kind
    bits: int = 64
    precision: int = 0
    scale: int = 0
    charset: str = ""

    def __post_init__(self) -> None:
        """Raises ValueError for numbers that no column has, as a forged manifest may: the native library counts on them."""
        places = {Kind.DECIMAL: self.precision, Kind.DATETIME: _MOST_PLACES}.get(self.kind, self.scale)
        digits = self.precision if self.kind is Kind.DECIMAL else 1
        if self.bits not in _BITS or not 0 <= self.scale <= places or not 1 <= digits <= _MOST_DECIMAL_DIGITS:
            raise ValueError(
                f"No column of kind {self.kind} has {self.bits} bits, {self.precision} digits, {self.scale} places."
            )

    @property
    def selected(self) -> str:
        """The expression that a SELECT has for the column."""
        name = quote(self.name)
        match self.kind:
            case Kind.BIT | Kind.ENUM_INDEX:
                return f"CAST({name} AS UNSIGNED)"
            case Kind.CODED:
                return f"CAST({name} AS BINARY)"
            case _:
                return name

    @property
    def hexed(self) -> bool:
        """Whether text holds the value as hexadecimal digits."""
        return self.kind in (Kind.BYTES, Kind.CODED)

    def assigned(self, variable: str, raw: bool = False) -> str | None:
        """The expression that stores a variable read by ``LOAD DATA``; None where the field goes in as it is.

        ``raw`` says that the file is of no character set, and has bytes as they are: there text has to be told from bytes.
        """
        value = variable if raw else f"UNHEX({variable})"
        match self.kind:
            case Kind.BIT | Kind.ENUM_INDEX:
                return f"CAST({variable} AS UNSIGNED)"
            case Kind.YEAR:
                return f"LPAD({variable}, 4, '0')"
            case Kind.BYTES:
                return value
            case Kind.CODED:
                return f"CONVERT({value} USING {self.charset})"
            case Kind.TEXT if raw:
                return f"CONVERT({variable} USING utf8mb4)"
            case _:
                return None

    def literal(self, text: str) -> str:
        """How SQL names a value of a key's column that is told as text; the same value, whatever the session.

        Bytes, and text in its own character set, are told as hexadecimal digits; decimals, doubles and dates as the server
        prints them. Compared with its column, it is compared by the column's collation. Raises ValueError for any other.
        """
        characters = self.kind in (Kind.TEXT, Kind.CODED) and self.charset
        form = _HEX if characters or self.kind is Kind.BYTES else _LITERALS.get(self.kind)
        if form is None or not form.fullmatch(text) or (characters and not _WORD.fullmatch(self.charset)):
            raise ValueError(f"{text!r} is no value of column {self.name!r}, which is of kind {self.kind}.")
        if form is _HEX:
            return f"_{self.charset} X'{text}'" if characters else f"X'{text}'"
        return text if form in (_DECIMAL, _DOUBLE) else f"'{text}'"

    def dtype(self) -> pl.DataType:
        """The frame's type; dates may be String in a chunk that holds one that no calendar has."""
        import polars as pl

        of_numbers: dict[tuple[Kind, int], type[pl.DataType]] = {
            (Kind.INT, 8): pl.Int8, (Kind.INT, 16): pl.Int16, (Kind.INT, 32): pl.Int32, (Kind.INT, 64): pl.Int64,
            (Kind.UINT, 8): pl.UInt8, (Kind.UINT, 16): pl.UInt16, (Kind.UINT, 32): pl.UInt32, (Kind.UINT, 64): pl.UInt64,
        }  # fmt: skip
        of_kind: dict[Kind, pl.DataType] = {
            Kind.YEAR: pl.Int16(),
            Kind.ENUM_INDEX: pl.UInt16(),
            Kind.BIT: pl.UInt64(),
            Kind.FLOAT: pl.Float64(),
            Kind.DATE: pl.Date(),
            Kind.DATETIME: pl.Datetime("us"),
            Kind.BYTES: pl.Binary(),
            Kind.CODED: pl.Binary(),
            Kind.TEXT: pl.String(),
            Kind.DECIMAL_TEXT: pl.String(),
        }
        if self.kind is Kind.DECIMAL:
            return pl.Decimal(self.precision, self.scale)
        return of_kind[self.kind] if self.kind in of_kind else of_numbers[self.kind, self.bits]()


def codec(column: Column) -> Codec:
    """The codec of a column.

    Raises:
        NotSupported: the type is none that is known to come back to the bit.
    """
    type_ = TYPES.get(column.data_type)
    make = _CODECS.get(type_.family) if type_ else None
    if make is None:
        raise NotSupported(
            f"Column {column.name!r} is of type {column.data_type}, which is not known to come back to the bit."
        )
    return make(column)


def _integer(column: Column) -> Codec:
    bits = TYPES[column.data_type].bits
    return Codec(column.name, Kind.UINT if column.unsigned else Kind.INT, bits=_FRAME_BITS.get(bits, bits))


def _decimal(column: Column) -> Codec:
    precision, scale = column.precision or 10, column.scale or 0
    kind = Kind.DECIMAL if precision <= _MOST_DECIMAL_DIGITS else Kind.DECIMAL_TEXT
    return Codec(column.name, kind, precision=precision, scale=scale)


def _characters(column: Column) -> Codec:
    if column.charset == "binary":
        return Codec(column.name, Kind.BYTES)
    kind = Kind.TEXT if column.charset in _PLAIN_CHARSETS else Kind.CODED
    return Codec(column.name, kind, charset=column.charset or "")


def _enum(column: Column) -> Codec:
    by_index = "" in column.members and column.charset != "binary"
    return Codec(column.name, Kind.ENUM_INDEX) if by_index else _characters(column)


def _set(column: Column) -> Codec:
    return Codec(column.name, Kind.BIT) if "" in column.members else _characters(column)


def _plain(kind: Kind) -> Callable[[Column], Codec]:
    return lambda column: Codec(column.name, kind)


_CODECS: dict[Family, Callable[[Column], Codec]] = {
    Family.INTEGER: _integer,
    Family.DECIMAL: _decimal,
    Family.FLOATING: lambda column: Codec(column.name, Kind.FLOAT, bits=TYPES[column.data_type].bits),
    Family.YEAR: _plain(Kind.YEAR),
    Family.BIT: _plain(Kind.BIT),
    Family.DATE: _plain(Kind.DATE),
    Family.INSTANT: lambda column: Codec(column.name, Kind.DATETIME, scale=column.fraction),
    Family.STRING: _characters,
    Family.TEXT: _characters,
    Family.ENUM: _enum,
    Family.SET: _set,
    **dict.fromkeys((Family.BINARY, Family.BLOB, Family.VECTOR, Family.GEOMETRY), _plain(Kind.BYTES)),
    **dict.fromkeys((Family.JSON, Family.TIME, Family.ADDRESS), _plain(Kind.TEXT)),
}


def codecs(table: Table) -> tuple[Codec, ...]:
    """The codecs of all columns that hold data; raises NotSupported."""
    return tuple(codec(column) for column in table.stored)


def select(table_sql: str, columns: Sequence[Codec], where: str = "", order_by: str = "") -> str:
    """The SELECT that reads a table, or a range of its keys, in key order."""
    sql = f"SELECT {', '.join(column.selected for column in columns)} FROM {table_sql}"
    return sql + (f" WHERE {where}" if where else "") + (f" ORDER BY {order_by}" if order_by else "")
