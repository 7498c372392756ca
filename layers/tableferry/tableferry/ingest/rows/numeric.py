"""Numbers from outside: integers, decimals, floats and bits; none is rounded."""

from __future__ import annotations

import math
import re
import struct
from decimal import Decimal

from tableferry.ingest.rows.checks import Bad, Check, shown
from tableferry.schema.table import Column
from tableferry.schema.types import INTEGER_BITS

_INTEGER = re.compile(r"([+-]?[0-9]{1,40})(?:\.0{1,40})?")
_EITHER = re.compile(r"[+-]?[1-9][0-9]{0,2}\.000")  # with decimal places, or with a separator between thousands
_TRUTHS = {"true": 1, "t": 1, "false": 0, "f": 0}
_MOST_DIGITS = 40
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?")
# Numbers as people of some countries write them, which no program should have to guess at.
_DECIMAL_COMMA = re.compile(r"([+-]?)([0-9]+|[0-9]{1,3}(?:[.' \u00a0\u202f\u2019][0-9]{3})+),([0-9]+)")
_THOUSANDS = re.compile(
    r"([+-]?)([0-9]{1,3}(?:([,' \u00a0\u202f\u2019])[0-9]{3})(?:\3[0-9]{3})*|[0-9]{1,3}(?:\.[0-9]{3}){2,})(\.[0-9]+)?"
)
_LARGEST_FLOAT = 3.4028234663852886e38
_SMALLEST_NORMAL = 1.1754943508222875e-38  # of a FLOAT; those below have fewer digits, and at last none


def integer(column: Column) -> Check:
    """Whole numbers within the column's bits and sign."""
    bits = INTEGER_BITS[column.data_type]
    truth = column.column_type.startswith("tinyint(1)")
    least, greatest = (0, 2**bits - 1) if column.unsigned else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)

    def check(value: object) -> int:
        if isinstance(value, str) and value.isdecimal() and value.isascii() and len(value) < 20:
            number = int(value)
        else:
            number = _whole(value, truth)
        if least <= number <= greatest:
            return number
        raise Bad("out_of_range", f"{shown(value)} is not between {least} and {greatest}")

    return check


def _whole(value: object, truth: bool) -> int:
    """A whole number, be it written with zeros for decimal places; with ``truth``, true and false are 1 and 0."""
    if isinstance(value, str):
        if _EITHER.fullmatch(value):
            whole = value.partition(".")[0]
            raise Bad(
                "invalid", f"{shown(value)} can be read in two ways: write {whole}, or {whole}000, whichever is meant"
            )
        if found := _INTEGER.fullmatch(value):
            return int(found[1])
        if truth and (known := _TRUTHS.get(value.lower())) is not None:
            return known
        raise Bad("invalid", _misspelled(value) or f"expected a whole number, not {shown(value)}")
    if isinstance(value, int) or (
        isinstance(value, Decimal) and value.adjusted() < _MOST_DIGITS and value == value.to_integral_value()
    ):
        return int(value)
    raise Bad("invalid", f"expected a whole number, not {shown(value)}")


def exact(column: Column) -> Check:
    """DECIMAL: numbers that lose no digit in the column's precision and scale."""
    precision, scale = column.precision or 10, column.scale or 0

    def check(value: object) -> str:
        sign, digits, exponent = _fitting(value, precision, scale)
        if sign and column.unsigned and any(digits):
            raise Bad("out_of_range", f"{shown(value)} is negative")
        return format(Decimal((sign, digits, exponent)) if any(digits) else Decimal(0), "f")

    return check


def _fitting(value: object, precision: int, scale: int) -> tuple[int, tuple[int, ...], int]:
    """Sign, digits and exponent of a number with so many digits and decimal places, which it has without rounding."""
    sign, digits, exponent = Decimal(_number(value)).as_tuple()
    if not isinstance(exponent, int):
        raise Bad("invalid", f"expected a number, not {shown(value)}")
    places = max(0, -exponent)
    if places > scale:
        zeros = next((count for count, digit in enumerate(reversed(digits)) if digit), len(digits))
        spare = min(places - scale, zeros)
        digits, exponent, places = digits[: len(digits) - spare], exponent + spare, places - spare
    if any(digits) and (places > scale or len(digits) + exponent > precision - scale):
        raise Bad("out_of_range", f"{shown(value)} has more digits than {precision - scale} before and {scale} after")
    return sign, digits, exponent


def approximate(column: Column) -> Check:
    """FLOAT and DOUBLE hold the nearest number that they have, but none that has become 0 on the way.

    FLOAT(M,D) and DOUBLE(M,D) would be rounded to D places, so they are held to them.
    """
    single = column.data_type == "float"
    largest = _LARGEST_FLOAT if single else math.inf
    precision, scale = column.precision, column.scale

    def check(value: object) -> str:
        text = _number(value)
        number = float(text)
        if math.isinf(number) or abs(number) > largest or (column.unsigned and number < 0):
            raise Bad("out_of_range", f"{shown(value)} is beyond what the column holds")
        if precision is not None and scale is not None:
            _fitting(value, precision, scale)
        if abs(number) < _SMALLEST_NORMAL and Decimal(text) and not (_as_single(number) if single else number):
            raise Bad("out_of_range", f"{shown(value)} is nearer to 0 than what the column holds")
        return repr(number)

    return check


def _as_single(number: float) -> float:
    """The number as FLOAT's four bytes hold it."""
    return float(struct.unpack("<f", struct.pack("<f", number))[0])


def _number(value: object) -> str:
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, str) and _NUMBER.fullmatch(value) and len(value) < 400:
        return value
    misspelled = _misspelled(value) if isinstance(value, str) else None
    raise Bad("invalid", misspelled or f"expected a number, not {shown(value)}")


def _misspelled(text: str) -> str | None:
    """What is wrong with a number that has a decimal comma or thousands separators, and how it is written."""
    if len(text) > _MOST_DIGITS:
        return None
    if comma := _DECIMAL_COMMA.fullmatch(text):
        whole, places = re.sub("[^0-9]", "", comma[2]), comma[3]
        number = f"{comma[1]}{whole}.{places}"
        if whole == comma[2] and len(whole) <= 3 == len(places):
            return f"{shown(text)} has a comma: write {number}, or {comma[1]}{whole}{places}, whichever is meant"
        return f"{shown(text)} has a decimal comma: write {number}"
    if thousands := _THOUSANDS.fullmatch(text):
        number = thousands[1] + re.sub("[^0-9]", "", thousands[2]) + (thousands[4] or "")
        return f"{shown(text)} has separators between thousands: write {number}"
    return None


def bit(column: Column) -> Check:
    """BIT: whole numbers within the column's bits."""
    bits = column.precision or 1

    def check(value: object) -> int:
        number = _whole(value, bits == 1)
        if 0 <= number < 1 << bits:
            return number
        raise Bad("out_of_range", f"{shown(value)} does not fit {bits} bits")

    return check
