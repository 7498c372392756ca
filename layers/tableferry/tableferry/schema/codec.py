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

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from tableferry.errors import NotSupported
from tableferry.mysql.identifiers import quote
from tableferry.schema.table import Column, Table

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


_INTEGER_BITS = {"tinyint": 8, "smallint": 16, "mediumint": 32, "int": 32, "bigint": 64}
_PLAIN_CHARSETS = {"ascii", "latin1", "utf8", "utf8mb3", "utf8mb4"}
_CHARACTER = {"char", "varchar", "tinytext", "text", "mediumtext", "longtext", "set", "enum"}
_TEXT = {"json", "time", "uuid", "inet4", "inet6"}
_BYTES = {
    "binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob", "vector",
    "geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon",
    "geometrycollection", "geomcollection",
}  # fmt: skip
_BITS = {8, 16, 32, 64}
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

    def dtype(self) -> pl.DataType:
        """The frame's type; dates may be String in a chunk that holds one that no calendar has."""
        import polars as pl

        match self.kind:
            case Kind.INT:
                return {8: pl.Int8(), 16: pl.Int16(), 32: pl.Int32(), 64: pl.Int64()}[self.bits]
            case Kind.UINT:
                return {8: pl.UInt8(), 16: pl.UInt16(), 32: pl.UInt32(), 64: pl.UInt64()}[self.bits]
            case Kind.YEAR:
                return pl.Int16()
            case Kind.ENUM_INDEX:
                return pl.UInt16()
            case Kind.BIT:
                return pl.UInt64()
            case Kind.DECIMAL:
                return pl.Decimal(self.precision, self.scale)
            case Kind.FLOAT:
                return pl.Float64()
            case Kind.DATE:
                return pl.Date()
            case Kind.DATETIME:
                return pl.Datetime("us")
            case Kind.BYTES | Kind.CODED:
                return pl.Binary()
            case Kind.TEXT | Kind.DECIMAL_TEXT:
                return pl.String()


def codec(column: Column) -> Codec:
    """The codec of a column.

    Raises:
        NotSupported: the type is none that is known to come back to the bit.
    """
    name, data_type = column.name, column.data_type
    if data_type in _INTEGER_BITS:
        return Codec(name, Kind.UINT if column.unsigned else Kind.INT, bits=_INTEGER_BITS[data_type])
    if data_type == "decimal":
        precision, scale = column.precision or 10, column.scale or 0
        fits = precision <= _MOST_DECIMAL_DIGITS
        return Codec(name, Kind.DECIMAL if fits else Kind.DECIMAL_TEXT, precision=precision, scale=scale)
    if data_type in ("float", "double"):
        return Codec(name, Kind.FLOAT, bits=32 if data_type == "float" else 64)
    if data_type == "year":
        return Codec(name, Kind.YEAR)
    if data_type == "bit" or (data_type == "set" and "" in column.members):
        return Codec(name, Kind.BIT)
    if data_type == "date":
        return Codec(name, Kind.DATE)
    if data_type in ("datetime", "timestamp"):
        return Codec(name, Kind.DATETIME, scale=column.fraction)
    if data_type in _BYTES or (data_type in _CHARACTER and column.charset == "binary"):
        return Codec(name, Kind.BYTES)
    if data_type == "enum" and "" in column.members:
        return Codec(name, Kind.ENUM_INDEX)
    if data_type in _CHARACTER:
        plain = column.charset in _PLAIN_CHARSETS
        return Codec(name, Kind.TEXT if plain else Kind.CODED, charset=column.charset or "")
    if data_type in _TEXT:
        return Codec(name, Kind.TEXT)
    raise NotSupported(f"Column {name!r} is of type {data_type}, which is not known to come back to the bit.")


def codecs(table: Table) -> tuple[Codec, ...]:
    """The codecs of all columns that hold data; raises NotSupported."""
    return tuple(codec(column) for column in table.stored)


def select(table_sql: str, columns: Sequence[Codec], where: str = "", order_by: str = "") -> str:
    """The SELECT that reads a table, or a range of its keys, in key order."""
    sql = f"SELECT {', '.join(column.selected for column in columns)} FROM {table_sql}"
    return sql + (f" WHERE {where}" if where else "") + (f" ORDER BY {order_by}" if order_by else "")
