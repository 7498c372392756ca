"""One value from outside, checked against its column, as what the database is given: nothing is rounded or cut.

A value is text (of a CSV field) or what JSON holds. Each check takes one that is not NULL and returns ``str``, ``int`` or
``bytes``, or raises :class:`~tableferry.ingest.rows.checks.Bad`.
"""

from __future__ import annotations

import base64
import json
import re
from decimal import Decimal

from tableferry.config.load_options import Binary
from tableferry.ingest.rows import numeric, temporal
from tableferry.ingest.rows.charsets import character_set
from tableferry.ingest.rows.checks import Bad, Check, Value, shown, string
from tableferry.schema.table import Column
from tableferry.schema.types import ADDRESSES, BYTES, FLOATING, INSTANTS, INTEGER_BITS, STRINGS, TEXTS

_HEX = re.compile(r"(?:0x)?((?:[0-9a-fA-F]{2})*)")
_ESCAPED_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")  # one half of a character without the other can be written so
_DEEPEST = 100  # of MySQL's JSON; MariaDB's CHECK has a limit of its own, by version


def check_for(column: Column, binary: Binary = Binary.HEX) -> Check:
    """The check of a column's values; ``binary`` is how bytes are written."""
    kind = "json" if column.document else column.data_type
    if kind in INTEGER_BITS:
        return numeric.integer(column)
    if kind == "decimal":
        return numeric.exact(column)
    if kind in FLOATING:
        return numeric.approximate(column)
    if kind in INSTANTS:
        return temporal.instant(column)
    if kind == "bit":
        return numeric.bit(column)
    if kind == "enum":
        return _enum(column)
    if kind == "set":
        return _set(column)
    if kind in BYTES:
        return _bytes(column, binary)
    if kind in TEXTS:
        return _text(column)
    if kind == "time":
        return temporal.time(column)
    if kind == "json":
        return _json(column)
    plain: dict[str, Check] = {"date": temporal.day, "year": temporal.year}
    if kind in plain:
        return plain[kind]
    if kind in ADDRESSES:
        return string
    return _unknown(kind)


def _json(column: Column) -> Check:
    native = not column.document

    def check(value: object) -> str:
        try:
            if isinstance(value, str):
                text = value
                # MySQL keeps the last of two members with one name; MariaDB keeps the text.
                parsed = json.loads(text, parse_constant=_no_json, object_pairs_hook=_named_once if native else None)
            else:  # a part of a body, which was looked at as a whole
                text, parsed = dump(value), value
        except (ValueError, RecursionError):
            raise Bad("invalid", "expected JSON, not nested too deeply") from None
        if native and text.count("[") + text.count("{") > _DEEPEST and _is_deeper(parsed, _DEEPEST):
            raise Bad("invalid", f"expected JSON, not nested deeper than {_DEEPEST}")
        if isinstance(value, str) and _ESCAPED_SURROGATE.search(text) and not _is_text(parsed):
            raise Bad("invalid", "expected JSON; half of a character (a lone surrogate) stands in a string")
        return text

    return check


def _no_json(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _named_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Bad(
            "invalid", "expected JSON; an object has two members with one name, of which MySQL would drop the first"
        )
    return found


def _is_deeper(parsed: object, deepest: int) -> bool:
    level = [parsed]
    for _ in range(deepest + 1):
        inside = [one for one in level if isinstance(one, list | dict)]
        level = [part for one in inside for part in (one.values() if isinstance(one, dict) else one)]
        if not inside:
            return False
    return True


def _is_text(parsed: object) -> bool:
    try:
        json.dumps(parsed, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _text(column: Column) -> Check:
    characters = column.characters if column.data_type in STRINGS else None
    octets = None if characters is not None else column.octets
    charset = character_set(column.charset)
    # Where every character fits in the bytes there are, counting characters will do.
    longest = characters if characters is not None else (octets or 0) // 4
    anything = column.charset == "utf8mb4"

    def check(value: object) -> str:
        text = string(value)
        if len(text) <= longest and (anything or text.isascii()) and text.isprintable():
            return text
        if (character := charset.lacking(text)) is not None:
            raise Bad("encoding", f"the column's character set {column.charset} lacks {character!a}")
        if characters is not None and len(text) > characters:
            raise Bad("too_long", f"{len(text)} characters, and the column holds {characters}")
        if octets is not None and (taken := charset.octets(text)) is not None and taken > octets:
            raise Bad("too_long", f"{taken} bytes, and the column holds {octets}")
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
        member = text if text in exact else members.get(text.lower())
        if member is None:
            raise Bad("not_allowed", f"{shown(value)} is none of {', '.join(column.members)}")
        return member

    return check


def _set(column: Column) -> Check:
    """A SET is a set: its members come back in the order of their definition, each once, however they were given."""
    exact, members = set(column.members), _by_any_case(column)

    def check(value: object) -> str:
        parts = [string(part) for part in value] if isinstance(value, list) else string(value).split(",")
        if parts in ([], [""]):
            return ""
        chosen = [part if part in exact else members.get(part.lower()) for part in parts]
        if None in chosen:
            raise Bad("not_allowed", f"{shown(value)} has what is none of {', '.join(column.members)}")
        return ",".join(member for member in chosen if member is not None)

    return check


def _by_any_case(column: Column) -> dict[str, str]:
    """The members by their small letters; none where the column's collation tells large and small ones apart."""
    ignored = column.collation is None or column.collation.endswith("_ci")
    return {member.lower(): member for member in column.members} if ignored else {}


def _unknown(kind: str) -> Check:
    def check(_: object) -> Value:
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
