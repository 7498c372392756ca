"""One value from outside, checked against its column, as what the database is given: nothing is rounded or cut.

A value is text (of a CSV field) or what JSON holds. Each check takes one that is not NULL and returns ``str``, ``int`` or
``bytes``, or raises :class:`~tableferry.checks.Bad`.
"""

from __future__ import annotations

import base64
import json
import re
from decimal import Decimal

from tableferry import numeric, temporal
from tableferry.checks import Bad, Check, Value, shown, string
from tableferry.options import Binary
from tableferry.tables import Column

_HEX = re.compile(r"(?:0x)?((?:[0-9a-fA-F]{2})*)")
_CODECS = {"ascii": "ascii", "latin1": "cp1252"}


def check_for(column: Column, binary: Binary = Binary.HEX) -> Check:
    """The check of a column's values; ``binary`` is how bytes are written."""
    kind = "json" if column.document else column.data_type
    if kind in numeric.INTEGER_BITS:
        return numeric.integer(column)
    if kind == "decimal":
        return numeric.exact(column)
    if kind in ("float", "double"):
        return numeric.approximate(column)
    if kind in ("datetime", "timestamp"):
        return temporal.instant(column)
    if kind == "bit":
        return numeric.bit(column)
    if kind == "enum":
        return _enum(column)
    if kind == "set":
        return _set(column)
    if kind in ("binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"):
        return _bytes(column, binary)
    if kind in ("char", "varchar", "tinytext", "text", "mediumtext", "longtext"):
        return _text(column)
    if kind == "time":
        return temporal.time(column)
    plain: dict[str, Check] = {"date": temporal.day, "year": temporal.year, "json": _json}
    if kind in plain:
        return plain[kind]
    if kind in ("uuid", "inet4", "inet6"):
        return string
    return _unknown(kind)


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
        text = string(value)
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


def _bytes(column: Column, binary: Binary) -> Check:
    octets = column.octets or 0
    read = _of_base64 if binary is Binary.BASE64 else _of_hex

    def check(value: object) -> bytes:
        data = read(string(value))
        if len(data) > octets:
            raise Bad("too_long", f"{len(data)} bytes, and the column holds {octets}")
        return data

    return check


def _of_hex(text: str) -> bytes:
    found = _HEX.fullmatch(text)
    if found is None:
        raise Bad("invalid", "expected bytes as hexadecimal digits")
    return bytes.fromhex(found[1])


def _of_base64(text: str) -> bytes:
    """RFC 4648, section 4: the standard alphabet, padded, with no other characters, and no bits that are thrown away."""
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:
        data = None
    if data is None or base64.b64encode(data).decode() != text:
        raise Bad("invalid", "expected bytes as base64: A-Z, a-z, 0-9, + and /, padded with = to groups of four")
    return data


def _enum(column: Column) -> Check:
    exact, members = set(column.members), _by_any_case(column)

    def check(value: object) -> str:
        text = string(value)
        member = text if text in exact else members.get(text.casefold())
        if member is None:
            raise Bad("not_allowed", f"{shown(value)} is none of {', '.join(column.members)}")
        return member

    return check


def _set(column: Column) -> Check:
    exact, members = set(column.members), _by_any_case(column)

    def check(value: object) -> str:
        parts = [string(part) for part in value] if isinstance(value, list) else string(value).split(",")
        chosen = [part if part in exact else members.get(part.casefold()) for part in parts if part]
        if None in chosen:
            raise Bad("not_allowed", f"{shown(value)} has what is none of {', '.join(column.members)}")
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
