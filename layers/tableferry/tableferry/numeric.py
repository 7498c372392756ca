"""Numbers from outside: integers, decimals, floats and bits; none is rounded."""

from __future__ import annotations

import math
import re
from decimal import Decimal

from tableferry.checks import Bad, Check, shown
from tableferry.tables import Column

_INTEGER = re.compile(r"[+-]?[0-9]{1,40}")
_MOST_DIGITS = 40
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?")
INTEGER_BITS = {"tinyint": 8, "smallint": 16, "mediumint": 24, "int": 32, "bigint": 64}
# Numbers as people of some countries write them, which no program should have to guess at.
_DECIMAL_COMMA = re.compile(r"([+-]?)([0-9]+|[0-9]{1,3}(?:[.' \u00a0\u202f\u2019][0-9]{3})+),([0-9]+)")
_THOUSANDS = re.compile(
    r"([+-]?)([0-9]{1,3}(?:([,' \u00a0\u202f\u2019])[0-9]{3})(?:\3[0-9]{3})*|[0-9]{1,3}(?:\.[0-9]{3}){2,})(\.[0-9]+)?"
)
_LARGEST_FLOAT = 3.4028234663852886e38


def integer(column: Column) -> Check:
    bits = INTEGER_BITS[column.data_type]
    least, greatest = (0, 2**bits - 1) if column.unsigned else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)

    def check(value: object) -> int:
        if isinstance(value, str):
            if not (value.isdecimal() and value.isascii() and len(value) < 20) and not _INTEGER.fullmatch(value):
                raise Bad("invalid", _misspelled(value) or f"expected a whole number, not {shown(value)}")
            number = int(value)
        elif isinstance(value, int) or (
            isinstance(value, Decimal) and value.adjusted() < _MOST_DIGITS and value == value.to_integral_value()
        ):
            number = int(value)
        else:
            raise Bad("invalid", f"expected a whole number, not {shown(value)}")
        if least <= number <= greatest:
            return number
        raise Bad("out_of_range", f"{shown(value)} is not between {least} and {greatest}")

    return check


def exact(column: Column) -> Check:
    precision, scale = column.precision or 10, column.scale or 0

    def check(value: object) -> str:
        text = _number(value)
        sign, digits, exponent = Decimal(text).as_tuple()
        if not isinstance(exponent, int):
            raise Bad("invalid", f"expected a number, not {shown(value)}")
        places = max(0, -exponent)
        while places > scale and digits[-1:] == (0,):
            digits, exponent, places = digits[:-1], exponent + 1, places - 1
        if any(digits) and (places > scale or len(digits) + exponent > precision - scale):
            raise Bad(
                "out_of_range", f"{shown(value)} has more digits than {precision - scale} before and {scale} after"
            )
        if sign and column.unsigned and any(digits):
            raise Bad("out_of_range", f"{shown(value)} is negative")
        return format(Decimal((sign, digits, exponent)) if any(digits) else Decimal(0), "f")

    return check


def approximate(column: Column) -> Check:
    largest = _LARGEST_FLOAT if column.data_type == "float" else math.inf

    def check(value: object) -> str:
        number = float(_number(value))
        if math.isinf(number) or abs(number) > largest or (column.unsigned and number < 0):
            raise Bad("out_of_range", f"{shown(value)} is beyond what the column holds")
        return repr(number)

    return check


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
    bits = column.precision or 1

    def check(value: object) -> int:
        if not isinstance(value, int) and not (isinstance(value, str) and _INTEGER.fullmatch(value)):
            raise Bad("invalid", f"expected a whole number, not {shown(value)}")
        if 0 <= int(value) < 1 << bits:
            return int(value)
        raise Bad("out_of_range", f"{shown(value)} does not fit {bits} bits")

    return check
