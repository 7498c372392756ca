"""What a file has to become, told without the code under test: sign by sign, and type by type in Python's arithmetic.

The rules are those of the README, of ``csv_records`` and of MySQL's types. Slow and simple on purpose.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Context, Decimal
from typing import NamedTuple

Value = int | float | str | bytes | Decimal | None
_EXACT = Context(prec=2000, Emax=20000, Emin=-20000)
_QUOTE, _COMMA, _END, _RETURN = b'",\n\r'


class Refused(Exception):
    """No column of this type stores the text unaltered."""


class Either(NamedTuple):
    """Servers differ, or the documentation leaves it open: stored as exactly this, or rejected."""

    value: Value


class Record(NamedTuple):
    """A record of the file: the line it begins on, its bytes, and its fields if it can be read as fields."""

    line: int
    raw: bytes
    fields: tuple[str | None, ...] | None

    @property
    def text(self) -> str:
        return self.raw.decode("utf-8", "replace")


def cut(body: bytes) -> list[Record]:
    """The records of a file that is not compressed, without blank lines."""
    body = body.removeprefix(b"\xef\xbb\xbf")
    found = []
    start, line = 0, 1
    while start < len(body):
        fields, end = _fields(body, start)
        if fields is None:  # this line alone is spoiled; the next one begins a record of its own
            end = body.find(b"\n", start)
            end = len(body) if end < 0 else end
        raw = body[start:end].removesuffix(b"\r")
        if raw:
            found.append(Record(line, raw, _decoded(fields)))
        line += body.count(b"\n", start, end + 1)
        start = end + 1
    return found


def _fields(body: bytes, at: int) -> tuple[list[bytes | None] | None, int]:
    """The fields of the record that begins here, and where it ends; None if its quotes are not as they should be."""
    fields: list[bytes | None] = []
    while True:
        field = bytearray()
        quoted = at < len(body) and body[at] == _QUOTE
        if quoted:
            at += 1
            while True:
                if at >= len(body):
                    return None, at
                if body[at] == _QUOTE:
                    if body[at + 1 : at + 2] != b'"':
                        break
                    at += 1
                field.append(body[at])
                at += 1
            at += 1
        else:
            while at < len(body) and body[at] not in (_COMMA, _END):
                if body[at] == _QUOTE:
                    return None, at
                field.append(body[at])
                at += 1
            if at >= len(body) or body[at] == _END:
                field = field.removesuffix(b"\r")
        fields.append(bytes(field) if field or quoted else None)
        if quoted and body[at : at + 1] == b"\r" and body[at + 1 : at + 2] in (b"\n", b""):
            at += 1
        if at >= len(body) or body[at] == _END:
            return fields, at
        if body[at] != _COMMA:
            return None, at
        at += 1


def _decoded(fields: list[bytes | None] | None) -> tuple[str | None, ...] | None:
    try:
        return None if fields is None else tuple(None if field is None else field.decode() for field in fields)
    except UnicodeDecodeError:
        return None


Stored = Callable[[str], Value | Either]


def integer(bits: int, unsigned: bool = False) -> Stored:
    least, greatest = (0, 2**bits - 1) if unsigned else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)

    def stored(text: str) -> int:
        if bits == 1 and text.lower() in ("true", "false", "t", "f"):
            return int(text.lower() in ("true", "t"))
        whole = text.partition(".")[0]
        thousands = re.fullmatch(r"[+-]?[1-9][0-9]{0,2}\.000", text)
        if thousands or not re.fullmatch(r"[+-]?[0-9]+(\.0+)?", text) or not least <= int(whole) <= greatest:
            raise Refused
        return int(whole)

    return stored


def _number(text: str) -> Decimal:
    if not re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,4})?", text):
        raise Refused
    return Decimal(text)


def exact(precision: int, scale: int, unsigned: bool = False) -> Stored:
    def stored(text: str) -> Decimal:
        number = _number(text)
        steps = _EXACT.scaleb(number, scale)
        if steps != _EXACT.to_integral_value(steps) or _EXACT.abs(steps) >= 10**precision or (unsigned and number < 0):
            raise Refused
        return number

    return stored


def double(text: str) -> float:
    number = float(_number(text))
    if number in (float("inf"), float("-inf")) or (_number(text) and not number):
        raise Refused
    return number


def single(text: str) -> float | Either:
    number = double(text)
    try:
        nearest = float(struct.unpack("<f", struct.pack("<f", number))[0])
    except OverflowError:
        raise Refused from None
    if number and not nearest:
        raise Refused
    # Beyond the largest number, but nearest to it: 3.4028235e38, as others write it.
    return Either(nearest) if abs(number) > abs(nearest) and abs(nearest) > 3.4e38 else nearest


def day(text: str) -> str:
    midnight = r"[T ]00:00(?::00(?:\.0{1,9})?)?(?: ?(?:Z|UTC|[+-]00(?::?00)?))?"
    found = re.fullmatch(rf"([0-9]{{4}})-([0-9]{{2}})-([0-9]{{2}})(?:{midnight})?", text)
    try:
        return str(date(*map(int, found.groups()))) if found else _refuse()
    except ValueError:
        raise Refused from None


def _refuse() -> str:
    raise Refused


def _places(digits: str | None, places: int) -> str:
    """Decimal places of a second as the column shows them; none that counts may be lost."""
    digits = digits or ""
    if int(digits[places:] or 0):
        raise Refused
    return f".{digits[:places]:0<{places}}" if places else ""


def moment(places: int, stamp: bool = False) -> Stored:
    shape = re.compile(
        r"(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?(?: ?(?:Z|UTC|([+-])(\d\d):?(\d\d)))?)?",
        re.ASCII,
    )

    def stored(text: str) -> str:
        found = shape.fullmatch(text)
        if found is None:
            raise Refused
        *parts, fraction, sign, hours, minutes = found.groups()
        if int(minutes or 0) > 59:
            raise Refused
        offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0)) * (-1 if sign == "-" else 1)
        try:
            given = datetime(*(int(part or 0) for part in parts), tzinfo=timezone(offset))  # type: ignore[arg-type, misc]
            whole = given.astimezone(UTC)
        except (ValueError, OverflowError):
            raise Refused from None
        if stamp and not 0 < (whole - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() < 2**31:
            raise Refused
        return whole.replace(tzinfo=None).isoformat(" ") + _places(fraction, places)

    return stored


def clock(places: int) -> Stored:
    def stored(text: str) -> str | Either:
        found = re.fullmatch(r"(-?)(\d{1,3}):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?", text, re.ASCII)
        if found is None:
            raise Refused
        sign, hours, minutes, seconds, fraction = found.groups()
        if int(minutes) > 59 or int(seconds or 0) > 59 or int(hours) > 838:
            raise Refused
        shown = f"{int(hours):02}:{minutes}:{seconds or '00'}{_places(fraction, places)}"
        if not shown.strip("0:."):
            return shown  # there is no minus zero
        return Either(sign + shown) if shown > "838:59:59" and int(hours) == 838 else sign + shown

    return stored


def year(text: str) -> int:
    found = re.fullmatch(r"([0-9]{4})(\.0{1,40})?", text)
    if not found or not (int(found[1]) == 0 or 1901 <= int(found[1]) <= 2155):
        raise Refused
    return int(found[1])


def text_of(encoding: str, characters: int | None = None, octets: int | None = None, trimmed: bool = False) -> Stored:
    codec = {"latin1": "cp1252", "ascii": "ascii"}.get(encoding, "utf-8")

    def stored(text: str) -> str | Either:
        try:
            size = len(text.encode(codec))
        except UnicodeEncodeError:
            if encoding == "latin1" and not set(text) - set(map(chr, range(0xA0))) - set("\x81\x8d\x8f\x90\x9d"):
                return Either(text)  # MySQL's latin1 has five characters that Python's cp1252 has not
            raise Refused from None
        if encoding == "utf8mb3" and any(ord(sign) > 0xFFFF for sign in text):
            raise Refused
        if (characters is not None and len(text) > characters) or (octets is not None and size > octets):
            raise Refused
        return text.rstrip(" ") if trimmed else text

    return stored


def one_of(*members: str) -> Stored:
    def stored(text: str) -> str:
        for member in members:
            if text.casefold() == member.casefold():
                return member
        raise Refused

    return stored


def some_of(*members: str) -> Stored:
    one = one_of(*members)

    def stored(text: str) -> str:
        chosen = {one(part) for part in text.split(",")} if text else set()
        return ",".join(member for member in members if member in chosen)

    return stored


def document(text: str) -> str:
    """In a form in which two texts of the same JSON are equal."""
    try:
        return json.dumps(json.loads(text, parse_constant=lambda _: _refuse()), sort_keys=True)
    except ValueError:
        raise Refused from None


def octets(most: int, padded: bool = False) -> Stored:
    def stored(text: str) -> bytes:
        found = re.fullmatch(r"(0x)?(([0-9a-fA-F]{2})*)", text)
        if found is None or len(found[2]) > 2 * most:
            raise Refused
        return bytes.fromhex(found[2]).ljust(most if padded else 0, b"\0")

    return stored


@dataclass(frozen=True)
class Column:
    """A column of a table that a test makes."""

    name: str
    sql: str
    stored: Stored
    nullable: bool = True
    default: str | None = None
    counts: bool = False
    """Whether the server gives the next number where none is given."""

    @property
    def required(self) -> bool:
        return not (self.nullable or self.counts or self.default is not None)


AUTOMATIC = "the next number"


@dataclass(frozen=True)
class Expected:
    """A record and its row, the table's columns in order; None for the row if it has to be rejected."""

    record: Record
    row: tuple[Value, ...] | None
    sure: bool = True


def expected(columns: Sequence[Column], body: bytes) -> list[Expected]:
    """What has to become of each record, but for keys that are there already."""
    records = cut(body)
    given: Sequence[Column] = columns
    if records and (header := _header(columns, records[0])):
        given, records = header, records[1:]
    lacking = any(column.required and column not in given for column in columns)
    return [Expected(record, None) if lacking else _expected(columns, given, record) for record in records]


def half_a_header(columns: Sequence[Column], body: bytes) -> bool:
    """Whether the first record names columns, or all its fields are like their names, and is no header for all that.

    Nothing of such a file is loaded.
    """
    first = next(iter(cut(body)), None)
    if first is None or _header(columns, first):
        return False
    names = _names(first)
    alike = {*map(_letters, names)} <= {_letters(column.name) for column in columns} if names else False
    return alike or not {column.name.casefold() for column in columns}.isdisjoint(names)


def _letters(name: str) -> str:
    return "".join(filter(str.isalnum, name.casefold()))


def _names(first: Record) -> list[str]:
    return [(field or "").strip(" \u00a0").casefold() for field in first.fields or ()]


def _header(columns: Sequence[Column], first: Record) -> list[Column] | None:
    named = {column.name.casefold(): column for column in columns}
    names = _names(first)
    return [named[name] for name in names] if names and {*names} <= {*named} and len({*names}) == len(names) else None


def _expected(columns: Sequence[Column], given: Sequence[Column], record: Record) -> Expected:
    if record.fields is None or len(record.fields) != len(given):
        return Expected(record, None)
    fields = dict(zip(given, record.fields, strict=True))
    row: list[Value] = []
    sure = True
    for column in columns:
        if column in fields:
            text = fields[column]
            if text is None and not (column.nullable or column.counts):
                return Expected(record, None)
        else:
            text = column.default
        if text is None:
            row.append(AUTOMATIC if column.counts else None)
            continue
        try:
            value = column.stored(text)
        except Refused:
            return Expected(record, None)
        if isinstance(value, Either):
            value, sure = value.value, False
        row.append(value)
    return Expected(record, tuple(row), sure)
