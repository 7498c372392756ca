"""One value from outside, checked against its column, as what the database is given: nothing is rounded or cut.

A value is text (of a CSV field) or what JSON holds. Each check takes one that is not NULL and returns ``str``, ``int`` or
``bytes``, or raises :class:`Bad`.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal

from tableferry.catalog import Column

Value = str | int | bytes
Check = Callable[[object], Value]

_INTEGER = re.compile(r"[+-]?[0-9]{1,40}")
_MOST_DIGITS = 40
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MOMENT = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:[T ]([0-9]{2}:[0-9]{2})(?::([0-9]{2})(?:\.([0-9]{1,9}))?)?(Z|[+-][0-9]{2}:?[0-9]{2})?)?"
)
_TIME = re.compile(r"(-?)([0-9]{1,3}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]{1,9}))?)?")
_HEX = re.compile(r"(?:0x)?((?:[0-9a-fA-F]{2})*)")
_BITS = {"tinyint": 8, "smallint": 16, "mediumint": 24, "int": 32, "bigint": 64}
_CODECS = {"ascii": "ascii", "latin1": "cp1252"}
_LARGEST_FLOAT = 3.4028234663852886e38
_TIMESTAMPS = (datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC), datetime(2038, 1, 19, 3, 14, 8, tzinfo=UTC))


class Bad(Exception):
    """The value cannot be stored as it is."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def check_for(column: Column) -> Check:
    """The check of a column's values."""
    kind = "json" if column.document else column.data_type
    if kind in _BITS:
        return _integer(column)
    if kind == "decimal":
        return _decimal(column)
    if kind in ("float", "double"):
        return _float(column)
    if kind in ("datetime", "timestamp"):
        return _moment(column)
    if kind == "bit":
        return _bit(column)
    if kind == "enum":
        return _enum(column)
    if kind == "set":
        return _set(column)
    if kind in ("binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"):
        return _bytes(column)
    if kind in ("char", "varchar", "tinytext", "text", "mediumtext", "longtext"):
        return _text(column)
    if kind == "time":
        return _time(column)
    plain: dict[str, Check] = {"date": _date, "year": _year, "json": _json}
    if kind in plain:
        return plain[kind]
    if kind in ("uuid", "inet4", "inet6"):
        return _string
    return _unknown(kind)


def _string(value: object) -> str:
    if isinstance(value, str):
        return value
    raise Bad("invalid", f"expected text, not {_shown(value)}")


def _integer(column: Column) -> Check:
    bits = _BITS[column.data_type]
    least, greatest = (0, 2**bits - 1) if column.unsigned else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)

    def check(value: object) -> int:
        if (
            (
                isinstance(value, str)
                and ((len(value) < 20 and value.isascii() and value.isdecimal()) or _INTEGER.fullmatch(value))
            )
            or isinstance(value, int)
            or (isinstance(value, Decimal) and value.adjusted() < _MOST_DIGITS and value == value.to_integral_value())
        ):
            number = int(value)
        else:
            raise Bad("invalid", f"expected a whole number, not {_shown(value)}")
        if least <= number <= greatest:
            return number
        raise Bad("out_of_range", f"{_shown(value)} is not between {least} and {greatest}")

    return check


def _decimal(column: Column) -> Check:
    precision, scale = column.precision or 10, column.scale or 0

    def check(value: object) -> str:
        text = _number(value)
        sign, digits, exponent = Decimal(text).as_tuple()
        if not isinstance(exponent, int):
            raise Bad("invalid", f"expected a number, not {_shown(value)}")
        places = max(0, -exponent)
        while places > scale and digits[-1:] == (0,):
            digits, exponent, places = digits[:-1], exponent + 1, places - 1
        if any(digits) and (places > scale or len(digits) + exponent > precision - scale):
            raise Bad(
                "out_of_range", f"{_shown(value)} has more digits than {precision - scale} before and {scale} after"
            )
        if sign and column.unsigned and any(digits):
            raise Bad("out_of_range", f"{_shown(value)} is negative")
        return format(Decimal((sign, digits, exponent)) if any(digits) else Decimal(0), "f")

    return check


def _float(column: Column) -> Check:
    largest = _LARGEST_FLOAT if column.data_type == "float" else math.inf

    def check(value: object) -> str:
        number = float(_number(value))
        if math.isinf(number) or abs(number) > largest or (column.unsigned and number < 0):
            raise Bad("out_of_range", f"{_shown(value)} is beyond what the column holds")
        return repr(number)

    return check


def _number(value: object) -> str:
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, str) and _NUMBER.fullmatch(value) and len(value) < 400:
        return value
    raise Bad("invalid", f"expected a number, not {_shown(value)}")


def _bit(column: Column) -> Check:
    bits = column.precision or 1

    def check(value: object) -> int:
        if not isinstance(value, int) and not (isinstance(value, str) and _INTEGER.fullmatch(value)):
            raise Bad("invalid", f"expected a whole number, not {_shown(value)}")
        if 0 <= int(value) < 1 << bits:
            return int(value)
        raise Bad("out_of_range", f"{_shown(value)} does not fit {bits} bits")

    return check


def _date(value: object) -> str:
    text = _string(value)
    try:
        if _DATE.fullmatch(text):
            return date.fromisoformat(text).isoformat()
    except ValueError:
        pass
    raise Bad("invalid", f"expected a date such as 2021-07-27, not {_shown(value)}")


def _moment(column: Column) -> Check:
    places = column.fraction
    stamp = column.data_type == "timestamp"

    def check(value: object) -> str:
        text = _string(value)
        if not stamp and _usual(text):
            return f"{text[:10]} {text[11:19]}"
        found = _MOMENT.fullmatch(text)
        if found is None:
            raise Bad("invalid", f"expected a time such as 2021-07-27T16:02:08Z, not {_shown(value)}")
        day, minute, second, fraction, zone = found.groups()
        whole = f"{day}T{minute or '00:00'}:{second or '00'}"
        try:
            moment = datetime.fromisoformat(whole + (zone or "Z")).astimezone(UTC)
        except (ValueError, OverflowError):
            raise Bad("invalid", f"no calendar has {_shown(value)}") from None
        if stamp and not _TIMESTAMPS[0] <= moment < _TIMESTAMPS[1]:
            raise Bad("out_of_range", f"{_shown(value)} is not between 1970 and January 2038")
        return f"{moment:%H:%M:%S}".join((f"{moment.year:04}-{moment:%m-%d} ", _fraction(value, fraction, places)))

    return check


def _usual(text: str) -> bool:
    """Whether the text is ``2021-07-27T16:02:08Z`` and a moment there is: what nearly every value is, quickly told."""
    if len(text) != 20 or text[7::3] not in ("-T::Z", "- ::Z"):
        return False
    try:
        datetime.fromisoformat(text[:19])
    except ValueError:
        return False
    return True


def _fraction(value: object, digits: str | None, places: int) -> str:
    """The decimal places that the column keeps; more of them are refused unless they are zeros."""
    if not digits:
        return ""
    if digits[places:].strip("0"):
        raise Bad("out_of_range", f"{_shown(value)} has more than {places} decimal places of a second")
    kept = digits[:places]
    return f".{kept}" if kept else ""


def _time(column: Column) -> Check:
    def check(value: object) -> str:
        text = _string(value)
        found = _TIME.fullmatch(text)
        if found is None or int(found[3]) > 59 or int(found[4] or 0) > 59:
            raise Bad("invalid", f"expected a time such as 16:02:08, not {_shown(value)}")
        if int(found[2]) > 838:
            raise Bad("out_of_range", f"{_shown(value)} is beyond 838:59:59")
        return text.partition(".")[0] + _fraction(value, found[5], column.fraction)

    return check


def _year(value: object) -> str:
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else _string(value)
    if not re.fullmatch(r"[0-9]{4}", text):
        raise Bad("invalid", f"expected a year of four digits, not {_shown(value)}")
    if text != "0000" and not 1901 <= int(text) <= 2155:
        raise Bad("out_of_range", f"{text} is not between 1901 and 2155")
    return text


def _json(value: object) -> str:
    if isinstance(value, str):
        try:
            json.loads(value)
        except (ValueError, RecursionError):
            raise Bad("invalid", "expected JSON, not nested too deeply") from None
        return value
    try:
        return dump(value)
    except RecursionError:
        raise Bad("invalid", "expected JSON, not nested too deeply") from None


def _text(column: Column) -> Check:
    characters = column.characters if column.data_type in ("char", "varchar") else None
    octets = None if characters is not None else column.octets
    encoding = _CODECS.get(column.charset or "")
    basic = column.charset in ("utf8", "utf8mb3")
    # Where every character fits in the bytes there are, counting characters will do.
    longest = characters if characters is not None else (octets or 0) // 4
    anything = column.charset == "utf8mb4"

    def check(value: object) -> str:
        text = _string(value)
        if len(text) <= longest and (anything or text.isascii()) and text.isprintable():
            return text
        try:
            encoded = text.encode(encoding or "utf-8")
        except UnicodeEncodeError as error:
            character = error.object[error.start]
            raise Bad("encoding", f"the column's character set {column.charset} lacks {character!a}") from None
        if basic and any(character > "\uffff" for character in text):
            raise Bad("encoding", f"the column's character set {column.charset} lacks characters of four bytes")
        if characters is not None and len(text) > characters:
            raise Bad("too_long", f"{len(text)} characters, and the column holds {characters}")
        if octets is not None and len(encoded) > octets:
            raise Bad("too_long", f"{len(encoded)} bytes, and the column holds {octets}")
        return text

    return check


def _bytes(column: Column) -> Check:
    octets = column.octets or 0

    def check(value: object) -> bytes:
        found = _HEX.fullmatch(_string(value))
        if found is None:
            raise Bad("invalid", "expected bytes as hexadecimal digits")
        data = bytes.fromhex(found[1])
        if len(data) > octets:
            raise Bad("too_long", f"{len(data)} bytes, and the column holds {octets}")
        return data

    return check


def _enum(column: Column) -> Check:
    exact, members = set(column.members), _by_any_case(column)

    def check(value: object) -> str:
        text = _string(value)
        member = text if text in exact else members.get(text.casefold())
        if member is None:
            raise Bad("not_allowed", f"{_shown(value)} is none of {', '.join(column.members)}")
        return member

    return check


def _set(column: Column) -> Check:
    exact, members = set(column.members), _by_any_case(column)

    def check(value: object) -> str:
        parts = [_string(part) for part in value] if isinstance(value, list) else _string(value).split(",")
        chosen = [part if part in exact else members.get(part.casefold()) for part in parts if part]
        if None in chosen:
            raise Bad("not_allowed", f"{_shown(value)} has what is none of {', '.join(column.members)}")
        return ",".join(member for member in chosen if member is not None)

    return check


def _by_any_case(column: Column) -> dict[str, str]:
    return {member.casefold(): member for member in column.members}


def _unknown(kind: str) -> Check:
    def check(value: object) -> Value:
        raise Bad("invalid", f"a column of type {kind} cannot be filled from text")

    return check


def dump(value: object) -> str:
    """JSON text with every number as it came (the parser gives decimals, which ``json`` cannot write)."""
    if isinstance(value, dict):
        return (
            "{" + ", ".join(f"{json.dumps(key, ensure_ascii=False)}: {dump(part)}" for key, part in value.items()) + "}"
        )
    if isinstance(value, list):
        return "[" + ", ".join(dump(part) for part in value) + "]"
    return str(value) if isinstance(value, Decimal) else json.dumps(value, ensure_ascii=False)


def _shown(value: object) -> str:
    """A value for a message, shortened."""
    text = (
        repr(value)
        if isinstance(value, str)
        else str(value)
        if isinstance(value, int | Decimal)
        else type(value).__name__
    )
    return text if len(text) <= 60 else text[:57] + "…"
