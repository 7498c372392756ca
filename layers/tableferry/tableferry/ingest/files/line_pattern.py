r"""What a line looks like whose row is surely good: one regular expression a table, for whole lines.

It only has to be right about the lines it takes; the others go through :mod:`~tableferry.ingest.rows.rules`, which is
the judge. So it is made of what nearly all values look like, and is silent about the rest: signs and exponents, offsets
of time, the 29th of February, members of a SET in another case. A line that it takes is sent to the server as it is, so
for each of its fields ``LOAD DATA`` has to store what the rules would have it store.

The syntax is that of Rust's regex crate, which runs in time linear in the text: https://docs.rs/regex/#syntax
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from tableferry.ingest.files.dialect import Dialect
from tableferry.schema.table import Column
from tableferry.schema.types import BYTES, FLOATING, INSTANTS, INTEGER_BITS, STRINGS, TEXTS

COUNTED = (300, 30, 0)
"""Up to so many characters are counted in the expression, which they make large; longer text is measured by its line."""

EMPTY, BACKSLASH_N = "", r"\N"
"""What stands for NULL in nearly all files; lines with another word are left to the rules."""

_LONGEST_LINE = 1024 * 1024
_EVERY_DAY = "(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))"
_CLOCK = "(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
_HEX = "(?:[0-9A-Fa-f]{2})"
_UUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"


@dataclass(frozen=True, slots=True)
class Sure:
    """``line`` for a line without its line end, of at most ``longest`` bytes; ``nulls`` if a field of it may be NULL.

    ``no_double`` takes lines in whose quoted fields no two delimiters stand together, so that each such pair outside
    has an empty field in between.
    """

    line: str
    no_double: str
    longest: int
    nulls: bool


class _Unsure(Exception):
    """Nothing of the kind is surely good by its looks."""


def sure_of(columns: Sequence[Column], dialect: Dialect, counted: int) -> Sure | None:
    """The lines of these columns that are surely good, with text counted up to this length; None if looks do not tell."""
    separator = re.escape(dialect.delimiter)
    try:
        fields = [_field(column, dialect, counted) for column in columns]
    except _Unsure:
        return None
    longest = min([_LONGEST_LINE, *(size for column in columns if (size := _measured(column, counted)))])
    quoted = f'"(?:{separator}?(?:[^"{separator}]|""))*{separator}?"'
    either = f'(?:[^"{separator}]*|{quoted})'
    return Sure(
        line=f"^{separator.join(fields)}$",
        no_double=f"^{either}(?:{separator}{either})*$",
        longest=longest,
        nulls=any(_may_be_null(column) for column in columns),
    )


def _may_be_null(column: Column) -> bool:
    return column.nullable or column.auto_increment


def _field(column: Column, dialect: Dialect, counted: int) -> str:
    forms = _forms(column, dialect, counted)
    if not dialect.quotes:
        forms = [form for form in forms if not form.startswith('"')]
        if not forms:
            raise _Unsure
    if _may_be_null(column):
        forms += [re.escape(dialect.null)] if dialect.null in (EMPTY, BACKSLASH_N) else []
    return f"(?:{'|'.join(forms)})"


def _forms(column: Column, dialect: Dialect, counted: int) -> list[str]:
    """The field without quotes and with them."""
    kind = "json" if column.document else column.data_type
    if kind in TEXTS:
        return _text(column, dialect, counted)
    if kind == "json":
        return [f'"{_json()}"']
    if kind in ("enum", "set"):
        return _members(column, dialect)
    if kind in BYTES:
        octets = column.octets or 0
        count = f"{{1,{octets}}}" if octets <= counted else "+"
        return [_HEX + count, f'"{_HEX}{count}"']
    plain = _plain(column, kind)
    return [plain, f'"{plain}"']


def _plain(column: Column, kind: str) -> str:
    """A value without quotes, delimiters and line ends."""
    if kind in INTEGER_BITS:
        bits = INTEGER_BITS[kind]
        least, greatest = (0, 2**bits - 1) if column.unsigned else (2 ** (bits - 1), 2 ** (bits - 1) - 1)
        return _up_to(greatest) if column.unsigned else f"(?:{_up_to(greatest)}|-{_up_to(least)})"
    if kind == "decimal" or (kind in FLOATING and column.scale is not None):
        whole, places = (column.precision or 10) - (column.scale or 0), column.scale or 0
        digits = f"[0-9]{{1,{whole}}}" if whole else "0"
        return ("" if column.unsigned else "-?") + digits + (rf"(?:\.[0-9]{{1,{places}}})?" if places else "")
    if kind in FLOATING:
        return ("" if column.unsigned else "-?") + r"[0-9]{1,15}(?:\.[0-9]{1,15})?"
    if kind == "bit":
        return _up_to(2 ** (column.precision or 1) - 1)
    if kind == "date":
        return f"[12][0-9]{{3}}-{_EVERY_DAY}"
    if kind in INSTANTS:
        year = "(?:19[89][0-9]|20[012][0-9])" if kind == "timestamp" else "[12][0-9]{3}"
        return f"{year}-{_EVERY_DAY}[T ]{_CLOCK}{_fraction(column)}Z?"
    if kind == "time":
        return f"-?[0-9]{{2}}:[0-5][0-9]:[0-5][0-9]{_fraction(column)}"
    if kind == "year":
        return "(?:19[1-9][0-9]|20[0-9]{2})"
    if kind == "uuid":
        return _UUID
    raise _Unsure


def _fraction(column: Column) -> str:
    return rf"(?:\.[0-9]{{1,{column.fraction}}})?" if column.fraction else ""


def _up_to(greatest: int) -> str:
    """Whole numbers from 0 to the greatest, without leading zeros."""
    digits = str(greatest)
    forms = ["0", f"[1-9][0-9]{{0,{len(digits) - 2}}}"] if len(digits) > 1 else []
    for place, digit in enumerate(digits):
        lowest = 1 if place == 0 and len(digits) > 1 else 0
        if int(digit) > lowest:
            left = len(digits) - place - 1
            forms.append(f"{digits[:place]}[{lowest}-{int(digit) - 1}]" + (f"[0-9]{{{left}}}" if left else ""))
    return f"(?:{'|'.join([*forms, digits])})"


def _text(column: Column, dialect: Dialect, counted: int) -> list[str]:
    separator = re.escape(dialect.delimiter)
    if column.charset in ("utf8mb4", "utf8", "utf8mb3"):
        beyond = "" if column.charset == "utf8mb4" else r"\x{10000}-\x{10FFFF}"
        apart = r"\x00-\x08\x0A-\x1F\x7F" + beyond
    elif column.charset in ("ascii", "latin1"):
        apart = r"\x00-\x08\x0A-\x1F\x7F-\x{10FFFF}"
    else:
        raise _Unsure
    if not dialect.backslash_is_text or dialect.null == BACKSLASH_N:
        apart += r"\\"
    characters = column.characters if column.data_type in STRINGS else None
    least = "0" if dialect.null else "1"
    most = str(characters) if characters is not None and characters <= counted else ""
    return [
        f'[^"{separator}{apart}]{{{least},{most}}}',
        f'"(?:[^"{apart}]|""){{0,{most}}}"',
    ]


def _measured(column: Column, counted: int) -> int | None:
    """The length in bytes that a line may have for this column's sake."""
    if column.data_type in STRINGS:
        return column.characters if (column.characters or 0) > counted else None
    if column.data_type in TEXTS:
        return column.octets
    if column.data_type in BYTES:
        return 2 * (column.octets or 0) if (column.octets or 0) > counted else None
    return None


def _members(column: Column, dialect: Dialect) -> list[str]:
    """Members as they are written in the table's definition; those with quotes or backslashes are left out."""
    plain = [member for member in column.members if member and not re.search(r'["\\\x00-\x1f\x7f]', member)]
    if not plain:
        raise _Unsure
    words = [re.escape(member) for member in plain]
    unquoted = [re.escape(member) for member in plain if dialect.delimiter not in member]
    both = f"(?:{'|'.join(words)})"
    forms = [f"(?:{'|'.join(unquoted)})"] if unquoted else []
    if column.data_type == "enum":
        return [*forms, f'"{both}"']
    return [*forms, f'"{both}(?:,{both})*"']


def _json() -> str:
    """Objects and arrays, two deep, as they stand in a quoted field: their own quotes are doubled.

    Objects of one name only: of two it would have to be known that they differ.
    """
    text = r'""[^"\\\x00-\x1F\x7F]*""'
    number = r"-?(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,15})?"
    value = f"(?:{text}|{number}|true|false|null)"
    for _ in range(2):
        array = rf"\[ ?(?:{value}(?:, ?{value})*)? ?\]"
        pairs = rf"\{{ ?(?:{text} ?: ?{value})? ?\}}"
        value = f"(?:{text}|{number}|true|false|null|{array}|{pairs})"
    return value
