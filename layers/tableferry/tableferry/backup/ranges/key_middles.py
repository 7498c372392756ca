"""A value about in the middle of two others, of a type whose order is that of numbers or bytes.

It need not be in the table, nor be a value that could be: the server is asked for the first key from it on.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from ipaddress import ip_address

from tableferry.backup.ranges.key_columns import KeyColumn
from tableferry.schema.key_range import Value
from tableferry.schema.types import Family

_BYTES_BEHIND = 8  # what two keys have in common: enough to tell a middle
_DATE_RADIX = (13, 32, 24, 60, 60, 1_000_000)
_FIRST_TIMESTAMP = "1970-01-01 00:00:01"
_FIRST_YEAR = 1901
_UUID = (8, 4, 4, 4, 12)


def middles(column: KeyColumn, first: Value, last: Value) -> Iterator[str]:
    """Values above ``first`` and up to ``last``, in SQL, the best one first."""
    if isinstance(first, int) and isinstance(last, int):
        middle = _above_half(first, last)
        yield str(max(middle, _FIRST_YEAR) if column.family is Family.YEAR else middle)
        return
    yield from (column.literal(text) for text in _texts(column, str(first), str(last)))


def _above_half(first: int, last: int) -> int:
    return (first + last) // 2 + 1


def _texts(column: KeyColumn, first: str, last: str) -> Iterator[str]:
    match column.family:
        case Family.DECIMAL:
            yield _decimal(_above_half(_digits(first), _digits(last)), column.codec.scale)
        case Family.FLOATING:
            yield format(_double(_above_half(_rank(first), _rank(last))), ".16e")
        case Family.DATE | Family.INSTANT:
            yield from _dates(first, last)
        case Family.TIME:
            yield _time(_above_half(_microseconds(first), _microseconds(last)))
        case Family.BINARY:
            yield _binary(bytes.fromhex(first), bytes.fromhex(last))
        case Family.ADDRESS:
            yield from _addresses(first, last)
    yield last


def _digits(text: str) -> int:
    return int(text.replace(".", ""))


def _decimal(number: int, scale: int) -> str:
    digits = f"{abs(number):0{scale + 1}}"
    whole, part = digits[: len(digits) - scale], digits[len(digits) - scale :]
    return f"{'-' if number < 0 else ''}{whole}{'.' if part else ''}{part}"


def _rank(text: str) -> int:
    """The place of a double among all of them: its bits as a whole number, those of negative ones the other way."""
    (bits,) = struct.unpack(">q", struct.pack(">d", float(text)))
    return int(bits) if bits >= 0 else -(int(bits) & (2**63 - 1))


def _double(rank: int) -> float:
    (number,) = struct.unpack(">d", struct.pack(">q", abs(rank)))
    return -float(number) if rank < 0 else float(number)


def _dates(first: str, last: str) -> Iterator[str]:
    """As numbers of mixed base, in which every month has 31 days and a zeroth one, as dates in MySQL may."""
    number = _above_half(_mixed(first), _mixed(last))
    parts = []
    for base in reversed(_DATE_RADIX):
        number, part = divmod(number, base)
        parts.append(part)
    fraction, second, minute, hour, day, month = parts
    # A day that each month has, and a moment that every TIMESTAMP may be.
    middle = f"{number:04}-{max(month, 1):02}-{min(max(day, 1), 28):02}"
    if len(first) > len(middle):
        middle = max(f"{middle} {hour:02}:{minute:02}:{second:02}", _FIRST_TIMESTAMP)
    if len(first) > len(middle):
        middle += f".{fraction:06}"[: len(first) - len(middle)]
    if first < middle <= last:
        yield middle


def _mixed(text: str) -> int:
    date = f"{text} 00:00:00." if len(text) <= len("0000-00-00") else f"{text}."
    whole, fraction = date.split(".")[:2]
    number = 0
    for base, part in zip((1, *_DATE_RADIX), [*re.findall(r"\d+", whole), f"{fraction:0<6}"], strict=True):
        number = number * base + int(part)
    return number


def _microseconds(text: str) -> int:
    hours, minutes, seconds = text.lstrip("-").split(":")
    whole, _, fraction = seconds.partition(".")
    number = ((int(hours) * 60 + int(minutes)) * 60 + int(whole)) * 1_000_000 + int(f"{fraction:0<6}")
    return -number if text.startswith("-") else number


def _time(number: int) -> str:
    rest, fraction = divmod(abs(number), 1_000_000)
    minutes, seconds = divmod(rest, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{'-' if number < 0 else ''}{hours:02}:{minutes:02}:{seconds:02}.{fraction:06}"


def _binary(first: bytes, last: bytes) -> str:
    same = next((place for place, pair in enumerate(zip(first, last, strict=False)) if pair[0] != pair[1]), len(first))
    size = same + _BYTES_BEHIND
    numbers = (int.from_bytes(key[:size].ljust(size, b"\0"), "big") for key in (first, last))
    return _above_half(*numbers).to_bytes(size + 1, "big")[1:].hex().upper()


def _addresses(first: str, last: str) -> Iterator[str]:
    if "-" not in first:
        address = ip_address(first)
        yield str(type(address)(_above_half(int(address), int(ip_address(last)))))
        return
    # MariaDB's UUID goes by its last group first, but for the versions that begin with the time. The digits of version and
    # variant, by which it tells, stay as they are.
    for step in (-1, 1):
        low, high = (int("".join(text.split("-")[::step]), 16) for text in (first, last))
        digits, groups = f"{_above_half(low, high):032x}", []
        for size in _UUID[::step]:
            groups.append(digits[:size])
            digits = digits[size:]
        text = "-".join(groups[::step])
        yield text[:14] + first[14] + text[15:19] + first[19] + text[20:]
