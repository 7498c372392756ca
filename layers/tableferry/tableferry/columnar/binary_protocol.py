"""Rows of the binary protocol, in which the server sends numbers and dates as they are, and formats nothing.

A row is a zero, a bit for each NULL (of which the first two stand for nothing), and the values that are there: numbers
in their size, dates and times as a length and their fields, all else as a length-encoded string. Source:
https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_binary_resultset.html
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from pymysql.constants import FIELD_TYPE

from tableferry.mysql.server_errors import malformed

_NULL_BITS_BEFORE = 2
_LONGEST_SHORT, _TWO, _THREE, _EIGHT = 0xFA, 0xFC, 0xFD, 0xFE
INTEGERS = {
    FIELD_TYPE.TINY: "<b",
    FIELD_TYPE.SHORT: "<h",
    FIELD_TYPE.YEAR: "<h",
    FIELD_TYPE.INT24: "<i",
    FIELD_TYPE.LONG: "<i",
    FIELD_TYPE.LONGLONG: "<q",
}
FLOATS = {FIELD_TYPE.FLOAT: "<f", FIELD_TYPE.DOUBLE: "<d"}
MOMENTS = (FIELD_TYPE.DATE, FIELD_TYPE.DATETIME, FIELD_TYPE.TIMESTAMP)
"""The protocol's types, and how the first two are packed."""

_MOST_PLACES, _MOST_DAYS = 6, 40


@dataclass(frozen=True, slots=True)
class Wire:
    """How a column's values come: the protocol's type, and decimal places of a second."""

    type: int
    unsigned: bool = False
    places: int = 0


def values(payload: bytes, wires: Sequence[Wire]) -> list[bytes | None]:
    """One row's values, each as the text that the text protocol would have for it; of a DOUBLE all its digits.

    Raises:
        pymysql.err.InterfaceError: the row ends early, or late.
        ValueError: a date or time is none.
    """
    at = 1 + (len(wires) + 7 + _NULL_BITS_BEFORE) // 8
    if len(payload) < at or payload[0]:
        raise malformed()
    found: list[bytes | None] = []
    for number, wire in enumerate(wires, _NULL_BITS_BEFORE):
        if payload[1 + number // 8] >> number % 8 & 1:
            found.append(None)
            continue
        form = FLOATS.get(wire.type) or INTEGERS.get(wire.type)
        if form:
            length = struct.calcsize(form)
        else:
            length, at = _length(payload, at)
        raw = payload[at : at + length]
        if len(raw) < length:
            raise malformed()
        at += length
        if form:
            [value] = struct.unpack(form.upper() if wire.unsigned and wire.type in INTEGERS else form, raw)
            found.append(repr(value).encode())
        elif wire.type in MOMENTS:
            found.append(_moment(raw, wire))
        elif wire.type == FIELD_TYPE.TIME:
            found.append(_time(raw, wire.places))
        else:
            found.append(raw)
    if at != len(payload):
        raise malformed()
    return found


def _length(payload: bytes, at: int) -> tuple[int, int]:
    """A length and where what it is the length of begins."""
    if at >= len(payload):
        raise malformed()
    length = payload[at]
    at += 1
    if length <= _LONGEST_SHORT:
        return length, at
    digits = {_TWO: 2, _THREE: 3, _EIGHT: 8}.get(length)
    if digits is None or len(payload) - at < digits:
        raise malformed()
    return int.from_bytes(payload[at : at + digits], "little"), at + digits


def _moment(raw: bytes, wire: Wire) -> bytes:
    if len(raw) not in (0, 4, 7, 11) or (wire.type == FIELD_TYPE.DATE and len(raw) > 4):
        raise ValueError("no date")
    year, month, day, hour, minute, second, fraction = struct.unpack("<HBBBBBI", raw.ljust(11, b"\0"))
    places = 0 if wire.type == FIELD_TYPE.DATE else wire.places
    if year > 9999 or month > 12 or day > 31 or hour > 23 or places > _MOST_PLACES:
        raise ValueError("no date")
    date = f"{year:04}-{month:02}-{day:02}"
    return (
        date if wire.type == FIELD_TYPE.DATE else f"{date} {_clock(hour, minute, second, fraction, places)}"
    ).encode()


def _time(raw: bytes, places: int) -> bytes:
    if len(raw) not in (0, 8, 12) or places > _MOST_PLACES:
        raise ValueError("no time")
    negative, days, hour, minute, second, fraction = struct.unpack("<BIBBBI", raw.ljust(12, b"\0"))
    if days > _MOST_DAYS or hour > 23:
        raise ValueError("no time")
    hours = days * 24 + hour
    return f"{'-' if negative else ''}{_clock(hours, minute, second, fraction, places)}".encode()


def _clock(hour: int, minute: int, second: int, fraction: int, places: int) -> str:
    digits = f"{fraction:06}"
    if minute > 59 or second > 59 or len(digits) > _MOST_PLACES or digits[places:].strip("0"):
        raise ValueError("no time")
    text = f"{hour:02}:{minute:02}:{second:02}"
    return f"{text}.{digits[:places]}" if places else text
