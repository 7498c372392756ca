"""Packets of a result set as frames, lines or nothing, and the digest of their rows.

By the compiled library where there is one, and else in plain Python; what comes out is the same. A packet is a 3-byte
little-endian length, a sequence number, and the payload; a payload of 0xFFFFFF bytes goes on in the next packet. A row
begins with 0, an error with 0xFF, and the end with 0xFE. Source:
https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_packets.html
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import polars as pl
from pymysql.constants import FIELD_TYPE

from tableferry.columnar.binary_protocol import FLOATS, INTEGERS, MOMENTS, Wire, values
from tableferry.columnar.digest import PLAIN, Digest, Hashing, digest
from tableferry.columnar.native import library
from tableferry.columnar.native.library import Into, Status
from tableferry.columnar.value_errors import no_text, no_value
from tableferry.errors import NotSupported
from tableferry.mysql.server_errors import malformed, out_of_order, refused
from tableferry.schema.codec import Codec, Kind

MOST_ROWS = 250_000

_HEADER = 4
_MOST_PAYLOAD = 0xFFFFFF
_ERROR, _END, _END_LONGEST = 0xFF, 0xFE, 8

Values = list[bytes | None]
T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Batch(Generic[T_co]):
    """Some rows of a result, and a digest that was taken of what the server sent."""

    content: T_co
    digest: Digest


class Splitter(Protocol[T_co]):
    """Takes a result's bytes as they come, and gives batches."""

    ended: bool

    def feed(self, data: bytearray, size: int) -> Iterator[Batch[T_co]]:
        """The batches that are full with the first ``size`` bytes of ``data``; to be run to its end.

        Raises:
            NotSupported: a value is none of its column's type.
            pymysql.err.MySQLError: the server sent an error, or what is no result.
        """
        ...

    def rest(self) -> Batch[T_co] | None:
        """The rows that no full batch had, once it has ended."""
        ...

    def close(self) -> None:
        """Give its memory back; it cannot be used afterwards."""
        ...


def open_splitter(
    columns: Sequence[Codec],
    wires: Sequence[Wire],
    most_bytes: int,
    sequence: int,
    into: Into = Into.FRAME,
    first_line: bytes = b"",
    hashing: Hashing = PLAIN,
) -> Splitter[Any]:
    """A splitter whose batches have about ``most_bytes`` of packets, and 250,000 rows at most.

    ``wires`` say how each column's values come, ``sequence`` which number the first packet has to have. Without the
    library all batches are frames: see :func:`has_lines`.
    """
    for column, wire in zip(columns, wires, strict=True):
        if not _comes_as(column, wire):
            raise no_value(column)
    if not library.library():
        return Plain(columns, wires, most_bytes, MOST_ROWS, sequence, hashing)
    packets = library.Packets(columns, wires, most_bytes, MOST_ROWS, sequence, into, first_line, hashing.key)
    return Compiled(packets)


def has_lines(columns: Sequence[Codec]) -> bool:
    """Whether rows can become lines of CSV at once: the shortest text of a double is polars' to find."""
    return library.library() is not None and all(column.kind is not Kind.FLOAT for column in columns)


def _comes_as(column: Codec, wire: Wire) -> bool:
    """Whether a column of its kind is sent so."""
    match column.kind:
        case Kind.INT | Kind.UINT | Kind.YEAR | Kind.BIT | Kind.ENUM_INDEX:
            return wire.type in INTEGERS
        case Kind.FLOAT:
            return wire.type in FLOATS
        case Kind.DATE:
            return wire.type == FIELD_TYPE.DATE
        case Kind.DATETIME:
            return wire.type in MOMENTS and wire.type != FIELD_TYPE.DATE and wire.places == column.scale
        case Kind.TEXT:
            return wire.type not in {*INTEGERS, *FLOATS, *MOMENTS}
        case _:
            return wire.type not in {*INTEGERS, *FLOATS, *MOMENTS, FIELD_TYPE.TIME}


class Compiled:
    """By the library: frames, CSV as a memoryview, or None.

    Memory: the columns of a batch, and twice the longest row; bytes of a digest four times theirs.
    """

    def __init__(self, packets: library.Packets) -> None:
        self._packets = packets
        self.ended = False

    def feed(self, data: bytearray, size: int) -> Iterator[Batch[Any]]:
        packets = self._packets
        at = 0
        while at < size:
            if self.ended:
                raise malformed()
            at = packets.feed(data, at, size)
            match packets.status:
                case Status.MORE:
                    return
                case Status.FULL:
                    yield self._take()
                case Status.ENDED:
                    self.ended = True
                case Status.REFUSED:
                    raise refused(packets.message)
                case Status.MALFORMED:
                    raise malformed()
                case Status.OUT_OF_ORDER:
                    raise out_of_order()
                case Status.NO_VALUE:
                    raise no_value(packets.culprit)
                case Status.NO_TEXT:
                    raise no_text(packets.culprit)
                case Status.NO_MEMORY:
                    raise MemoryError

    def rest(self) -> Batch[Any] | None:
        return self._take() if self._packets.rows else None

    def close(self) -> None:
        self._packets.close()

    def _take(self) -> Batch[Any]:
        rows = self._packets.rows
        content, total = self._packets.take()
        return Batch(content, Digest(rows, total))


class Plain:
    """In plain Python. Memory: about six times a batch, or twice the longest row."""

    def __init__(
        self,
        columns: Sequence[Codec],
        wires: Sequence[Wire],
        most_bytes: int,
        most_rows: int,
        sequence: int,
        hashing: Hashing = PLAIN,
    ) -> None:
        self._columns, self._wires = columns, wires
        self._most_bytes, self._most_rows = most_bytes, most_rows
        self._sequence = sequence
        self._hashing = hashing
        self._waiting = bytearray()
        self._long: list[bytes] = []  # of a payload that goes on
        self.ended = False
        self._begin()

    def feed(self, data: bytearray, size: int) -> Iterator[Batch[pl.DataFrame]]:
        waiting = self._waiting
        waiting += memoryview(data)[:size]
        at = 0
        while len(waiting) - at >= _HEADER:
            length = int.from_bytes(waiting[at : at + 3], "little")
            if len(waiting) - at - _HEADER < length:
                break
            if self.ended:
                raise malformed()
            if waiting[at + 3] != self._sequence:
                raise out_of_order()
            self._sequence = (self._sequence + 1) % 256
            at += _HEADER
            self._long.append(bytes(waiting[at : at + length]))
            at += length
            if length == _MOST_PAYLOAD:
                continue
            payload = b"".join(self._long)
            self._long.clear()
            self._add(payload)
            if self._size >= self._most_bytes or self._count >= self._most_rows:
                yield self._take()
        del waiting[:at]
        if self.ended and waiting:
            raise malformed()

    def rest(self) -> Batch[pl.DataFrame] | None:
        return self._take() if self._count else None

    def close(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._values: list[Values] = [[] for _ in self._columns]
        self._size = self._count = 0

    def _add(self, payload: bytes) -> None:
        if not payload:
            raise malformed()
        if payload[0] == _ERROR:
            raise refused(payload)
        if payload[0] == _END and len(payload) <= _END_LONGEST:
            self.ended = True
            return
        for number, value in enumerate(self._split(payload)):
            self._values[number].append(value)
        self._size += len(payload)
        self._count += 1

    def _split(self, payload: bytes) -> Values:
        try:
            return values(payload, self._wires)
        except ValueError as error:
            raise NotSupported("A column holds a date or a time that is none.") from error

    def _take(self) -> Batch[pl.DataFrame]:
        frame = pl.DataFrame([_series(column, of) for column, of in zip(self._columns, self._values, strict=True)])
        self._begin()
        return Batch(frame, digest(frame, self._columns, self._hashing))


def _series(column: Codec, values: Values) -> pl.Series:
    """A column's values, typed."""
    raw = pl.Series(column.name, values, dtype=pl.Binary)
    if column.hexed:
        return raw
    try:
        text = raw.cast(pl.String)
    except pl.exceptions.ComputeError as error:
        raise no_text(column) from error
    match column.kind:
        case Kind.TEXT | Kind.DECIMAL_TEXT:
            return text
        case Kind.DATE:
            return _where_a_calendar_has_it(text, text.str.to_date("%Y-%m-%d", strict=False))
        case Kind.DATETIME:
            parsed = text.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit="us", strict=False)
            return _where_a_calendar_has_it(text, parsed)
    try:
        typed = text.cast(column.dtype())
    except pl.exceptions.PolarsError as error:
        raise no_value(column) from error
    if (
        column.kind is Kind.DECIMAL
    ):  # the one number that comes as digits, of which polars takes more than there should be
        right = text.str.contains(rf"^-?\d*\.\d{{{column.scale}}}$" if column.scale else r"^-?\d+$")
    else:
        right = typed.is_finite()
    if not right.all():
        raise no_value(column)
    return typed


def _where_a_calendar_has_it(text: pl.Series, parsed: pl.Series) -> pl.Series:
    return parsed if parsed.null_count() == text.null_count() else text
