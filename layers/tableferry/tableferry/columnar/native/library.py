"""The compiled half of the data path: packets into Arrow columns, and the rows' hashes. See ``native.c``.

It is loaded by ctypes, which lets other threads run during each call, and holds no Python, so that one library does for
every version of it. Where it has not been compiled, :func:`library` is None and :mod:`tableferry.columnar.packets` and
:mod:`tableferry.columnar.digest` do the same by themselves, in 25 to 40 times the time.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from contextlib import ExitStack
from ctypes import (
    POINTER,
    Structure,
    addressof,
    byref,
    c_char,
    c_char_p,
    c_int32,
    c_int64,
    c_size_t,
    c_uint32,
    c_uint64,
    c_void_p,
    pointer,
)
from enum import IntEnum
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl

from tableferry.columnar.binary_protocol import Wire
from tableferry.columnar.native.arrow import ArrowArray, Column, exported, release
from tableferry.schema.codec import Codec, Kind

FILE = Path(__file__).with_name("libnative.so")
VERSION = 8  # as in `interface.h`


class Status(IntEnum):
    """What became of the packets; as in ``interface.h``."""

    MORE = 0
    FULL = 1
    ENDED = 2
    REFUSED = 3
    MALFORMED = 4
    OUT_OF_ORDER = 5
    NO_VALUE = 6
    NO_TEXT = 7
    NO_MEMORY = 8


class Into(IntEnum):
    """What rows become besides their digest; as in ``interface.h``."""

    FRAME = 0
    LINES = 1
    NOTHING = 2


class _Held(IntEnum):
    """What a column holds; as in ``interface.h``."""

    SIGNED = ord("i")
    UNSIGNED = ord("u")
    DECIMAL = ord("d")
    FLOAT = ord("f")
    DATE = ord("D")
    DATETIME = ord("T")
    TEXT = ord("t")
    BYTES = ord("b")


class _Head(Structure):
    """What is read of a splitter between two calls; as in ``interface.h``, as are the next two."""

    _fields_ = (
        ("status", c_int32),
        ("column", c_int32),
        ("rows", c_int64),
        ("size", c_int64),
        ("digest", c_uint64 * 2),
        ("sequence", c_uint32),
        ("message_size", c_uint32),
        ("message", c_void_p),
    )


class _Buffer(Structure):
    _fields_ = (("data", c_void_p), ("used", c_size_t), ("room", c_size_t))


class _Description(Structure):
    _fields_ = (
        ("held", c_int32),
        ("width", c_int32),
        ("precision", c_int32),
        ("scale", c_int32),
        ("type", c_int32),
        ("is_unsigned", c_int32),
        ("places", c_int32),
    )


@cache
def library() -> Any:
    """The library, or None where it was not compiled, or is another version's."""
    try:
        found = ctypes.CDLL(str(FILE))
        found.tableferry_native_version.restype = c_uint32
        if found.tableferry_native_version() != VERSION:
            return None
    except (OSError, AttributeError):
        return None
    found.tableferry_open.argtypes = (
        c_void_p, c_int32, c_int64, c_int64, c_uint32, c_int32, c_char_p, c_size_t, c_char_p, c_size_t,
    )  # fmt: skip
    found.tableferry_open.restype = POINTER(_Head)
    found.tableferry_feed.argtypes = (c_void_p, c_void_p, c_size_t)
    found.tableferry_feed.restype = c_size_t
    found.tableferry_take.argtypes = (c_void_p, c_void_p, c_void_p)
    found.tableferry_take.restype = c_int32
    found.tableferry_take_lines.argtypes = (c_void_p, c_void_p)
    found.tableferry_take_lines.restype = None
    found.tableferry_close.argtypes = (c_void_p,)
    found.tableferry_close.restype = None
    found.tableferry_hash.argtypes = (c_void_p, c_char_p, c_size_t, c_void_p)
    found.tableferry_hash.restype = c_int32
    found.tableferry_encode.argtypes = (c_void_p, c_void_p, c_int32, c_char_p, c_size_t, c_void_p)
    found.tableferry_encode.restype = None
    found.tableferry_free.argtypes = (c_void_p,)
    found.tableferry_free.restype = None
    return found


class _Owner:
    """Gives bytes back to the library that made them."""

    def __init__(self, made: _Buffer) -> None:
        self._made = made

    def __del__(self) -> None:
        library().tableferry_free(byref(self._made))


def _handed_over(made: _Buffer) -> memoryview:
    """The library's bytes, which it gets back when nobody looks at them any more. Raises MemoryError."""
    if not made.data:
        raise MemoryError
    array: Any = (c_char * made.used).from_address(made.data)
    array.owner = _Owner(made)  # lives as long as what is seen of the array
    return memoryview(array).cast("B")


class Packets:
    """Packets of a result set on their way into columns, lines or just a digest; to be closed.

    ``wires`` say how each column's values come. ``most_bytes`` of packets, or ``most_rows``, make it FULL; ``sequence``
    is the next packet's number, ``first_line`` what lines begin with, and ``key`` what rows are hashed with. There are no
    lines of FLOAT.
    """

    def __init__(
        self,
        columns: Sequence[Codec],
        wires: Sequence[Wire],
        most_bytes: int,
        most_rows: int,
        sequence: int,
        into: Into = Into.FRAME,
        first_line: bytes = b"",
        key: bytes = b"",
    ) -> None:
        self._library = library()
        self._columns = tuple(columns)
        self._into = into
        described = (_Description * len(columns))(*map(_described, columns))
        for description, wire in zip(described, wires, strict=True):
            description.type, description.is_unsigned, description.places = wire.type, wire.unsigned, wire.places
        self._of = self._library.tableferry_open(
            described, len(columns), most_bytes, most_rows, sequence, into, first_line, len(first_line), key, len(key)
        )
        if not self._of:
            raise MemoryError
        self._head = self._of.contents

    @property
    def rows(self) -> int:
        """How many rows wait to be taken."""
        return int(self._head.rows)

    @property
    def status(self) -> Status:
        return Status(self._head.status)

    @property
    def culprit(self) -> Codec:
        """The column at which NO_VALUE or NO_TEXT was found."""
        return self._columns[int(self._head.column)]

    @property
    def sequence(self) -> int:
        return int(self._head.sequence)

    @property
    def message(self) -> bytes:
        """The server's error, if it is REFUSED. To be read before the bytes that were fed are overwritten."""
        return ctypes.string_at(self._head.message, self._head.message_size)

    def feed(self, data: bytearray, start: int, end: int) -> int:
        """Cut bytes into rows until they are FULL or ended; returns where in the data it stopped."""
        window = (c_char * len(data)).from_buffer(data)
        return start + int(self._library.tableferry_feed(self._opened(), addressof(window) + start, end - start))

    def take(self) -> tuple[pl.DataFrame | memoryview | None, int]:
        """What the rows that are there were to become, and the sum of their hashes; raises MemoryError."""
        content = self._frame() if self._into is Into.FRAME else self._lines()
        return content, self._head.digest[0] | self._head.digest[1] << 64

    def _frame(self) -> pl.DataFrame:
        count = len(self._columns)
        taken, as_text = (ArrowArray * count)(), (c_int32 * count)()
        try:
            if self._library.tableferry_take(self._opened(), taken, as_text):
                raise MemoryError
            return pl.DataFrame(
                [
                    pl.Series(Column(array, _TEXT if text else _shape(column)[2])).rename(column.name)
                    for array, text, column in zip(taken, as_text, self._columns, strict=True)
                ]
            )
        finally:
            for array in taken:
                release(array)  # of those that polars has not taken over

    def _lines(self) -> memoryview | None:
        made = _Buffer()
        self._library.tableferry_take_lines(self._opened(), byref(made))
        return _handed_over(made) if self._into is Into.LINES else None

    def close(self) -> None:
        """Give the memory back; no rows wait from then on."""
        of, self._of = self._of, None
        if of:
            self._head = _Head()
            self._library.tableferry_close(of)

    def _opened(self) -> Any:
        if not self._of:
            raise ValueError("The packets were closed.")
        return self._of


def hashed(rows: pl.Series, key: bytes = b"") -> int:
    """The sum of the hashes of binary values, none of them NULL, nor empty where there is a key.

    To be asked only with a library. Raises MemoryError.
    """
    total = (c_uint64 * 2)()
    with exported(rows) as array:
        if not library().tableferry_hash(byref(array), key, len(key), total):
            raise MemoryError
    return int(total[0] | total[1] << 64)


def encoded(frame: pl.DataFrame, columns: Sequence[Codec], first_line: bytes = b"") -> bytes | memoryview:
    """A frame's rows as ``LOAD DATA`` reads them; to be asked only with a library. Raises MemoryError.

    ``,`` between fields, ``"`` around text and bytes, NULL as the word; or, behind a first line, as CSV: NULL as nothing,
    and bytes as hexadecimal digits. Memory: twice the text.
    """
    if not frame.height:
        return first_line
    frame = frame.with_columns(pl.col(pl.Float64).cast(pl.String))
    held_as = frame.schema
    described = (_Description * len(columns))(
        *(
            _Description(_Held.TEXT)
            if column.kind in _DATES and held_as[column.name] == pl.String
            else _described(column)
            for column in columns
        )
    )
    with ExitStack() as stack:
        arrays = [stack.enter_context(exported(frame[column.name])) for column in columns]
        pointers = (POINTER(ArrowArray) * len(columns))(*map(pointer, arrays))
        made = _Buffer()
        library().tableferry_encode(pointers, described, len(columns), first_line, len(first_line), byref(made))
    return _handed_over(made)


_DATES = (Kind.DATE, Kind.DATETIME)
_ARROW = {8: "c", 16: "s", 32: "i", 64: "l"}  # its names of signed integers; those of the others are capitals
_TEXT = "vu"  # views; of bytes "vz"
_BITS = {Kind.YEAR: 16, Kind.ENUM_INDEX: 16, Kind.BIT: 64}


def _shape(column: Codec) -> tuple[_Held, int, str]:
    """What the library calls what a column holds, the bytes of a number, and what Arrow calls its type."""
    bits = _BITS.get(column.kind, column.bits)
    match column.kind:
        case Kind.INT | Kind.YEAR:
            return _Held.SIGNED, bits // 8, _ARROW[bits]
        case Kind.UINT | Kind.BIT | Kind.ENUM_INDEX:
            return _Held.UNSIGNED, bits // 8, _ARROW[bits].upper()
        case Kind.DECIMAL:
            return _Held.DECIMAL, 16, f"d:{column.precision},{column.scale}"
        case Kind.FLOAT:
            return _Held.FLOAT, 8, "g"
        case Kind.DATE:
            return _Held.DATE, 4, "tdD"
        case Kind.DATETIME:
            return _Held.DATETIME, 8, "tsu:"
        case Kind.TEXT | Kind.DECIMAL_TEXT:
            return _Held.TEXT, 0, _TEXT
        case Kind.BYTES | Kind.CODED:
            return _Held.BYTES, 0, "vz"


def _described(column: Codec) -> _Description:
    held, size, _ = _shape(column)
    return _Description(held, size, column.precision, column.scale)
