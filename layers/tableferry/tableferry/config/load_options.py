"""How rows from outside are read and what becomes of them, as far as the user may say, and the places to say it in.

What else a new option needs is in CONTRIBUTING.md, "To add …".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any, TypeVar

from tableferry.errors import InvalidRequest

T = TypeVar("T", bound=StrEnum)


class OnDuplicate(StrEnum):
    """What becomes of a row whose key is in the table."""

    REJECT = "reject"
    IGNORE = "ignore"
    UPDATE = "update"


class Binary(StrEnum):
    """How bytes are written as text."""

    HEX = "hex"
    BASE64 = "base64"


class Escape(StrEnum):
    """What takes the meaning from the sign behind it."""

    BACKSLASH = "\\"
    NONE = "none"


class Quote(StrEnum):
    """What stands around text."""

    DOUBLE = '"'
    NONE = "none"


class HeaderLine(StrEnum):
    """Whether the first line of a CSV file names columns; AUTO: if every field of it does."""

    AUTO = "auto"
    YES = "yes"
    NO = "no"


@dataclass(frozen=True, slots=True)
class Limit:
    """So many rejects a load may have: rows, a share (0 to 1) of those read, or both added; 0 is none at all."""

    rows: int | None = None
    share: Decimal | None = None

    def exceeded(self, rejected: int, read: int) -> bool:
        return rejected > (self.rows or 0) + (self.share or 0) * read

    def __str__(self) -> str:
        """As it is written: ``100``, ``5%`` or ``100+5%``."""
        share = [f"{(self.share * 100).normalize():f}%"] if self.share is not None else []
        return "+".join([*([str(self.rows)] if self.rows is not None else []), *share])


MAX_REJECTS = Limit(rows=10_000, share=Decimal("0.1"))
"""Unless it is said: a small file may be rejected whole, a large one that is not what it should be stops early."""

MAX_RATIO = 200
"""So many times its size a compressed file may become, unless it is said otherwise: CSV becomes 3 to 30 times its size."""


@dataclass(frozen=True, slots=True)
class Options:
    r"""What may be said of a batch or a file; ``delimiter`` is seen from the file's first line unless it is given.

    ``null`` is the field without quotes that is NULL: the empty one, or a word such as ``\N``, and then an empty one is the
    empty text. ``escape`` and ``quote`` are None where nothing is said of them. ``said`` names what was said.
    """

    on_duplicate: OnDuplicate = OnDuplicate.REJECT
    null: str = ""
    binary: Binary = Binary.HEX
    max_rejects: Limit = MAX_REJECTS
    delimiter: str | None = None
    header: HeaderLine = HeaderLine.AUTO
    max_ratio: int = MAX_RATIO
    escape: Escape | None = None
    quote: Quote | None = None
    said: frozenset[str] = field(default=frozenset(), compare=False)


def chosen(
    table: Mapping[str, object] | None = None,
    metadata: Mapping[str, str] | None = None,
    given: Mapping[str, object] | None = None,
) -> Options:
    """What holds, of the table's setting, the object's metadata and what the request says: the later goes first.

    None as a value says nothing. Metadata that is none of ours is let be; in a setting and a request it is an error.

    Raises:
        InvalidRequest: a value is none that the option may have; the message names the place and the choices.
    """
    ours = {name: text for name in NAMES if (text := (metadata or {}).get(name.replace("_", "-"))) is not None}
    found: dict[str, Any] = {}
    found |= checked(table or {}, "The table's setting (TABLE_SETTINGS)")
    found |= checked(ours, "The file's metadata", lambda name: name.replace("_", "-"))
    found |= checked(given or {}, "The request's")
    said = frozenset(found)
    if found.get("escape") is Escape.BACKSLASH:
        found.setdefault("null", r"\N")
    return Options(**found, said=said)


def checked(said: Mapping[str, object], place: str, spelled: Callable[[str], str] = str) -> dict[str, Any]:
    """The options that are said in one place, each as the value it stands for.

    Raises:
        InvalidRequest: there is no such option, or the value is none that it may have.
    """
    found = {}
    for name, value in said.items():
        if name not in _READERS:
            raise InvalidRequest(f"{place} {name!r} is no option; there are {', '.join(map(spelled, NAMES))}.")
        if value is None:
            continue
        reader, choices = _READERS[name]
        try:
            found[name] = reader(value)
        except ValueError:
            raise InvalidRequest(f"{place} {spelled(name)} is {value!r}; it has to be {choices}.") from None
    return found


def as_metadata(given: Mapping[str, object]) -> dict[str, str]:
    """What a request says, as metadata of an object: words of printable characters; raises InvalidRequest."""
    written = {}
    for name, value in checked(given, "The request's").items():
        text = str(value)
        written[name.replace("_", "-")] = _WORDS.get(text, text)
    return written


def _word(kind: type[T]) -> Callable[[object], T]:
    def read(value: object) -> T:
        if not isinstance(value, str):
            raise ValueError
        return kind(value)

    return read


def _limit(value: object) -> Limit:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return Limit(rows=value)
    found = _LIMIT.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError
    rows = int(found[1]) if found[1] is not None else None
    if found[2] is None:
        return Limit(rows=rows)
    if (share := Decimal(found[2]) / 100) > 1:
        raise ValueError
    return Limit(rows=rows, share=share)


def _ratio(value: object) -> int:
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str) or not _RATIO.fullmatch(text):
        raise ValueError
    return int(text)


def _null(value: object) -> str:
    if not isinstance(value, str) or not _NULL.fullmatch(value):
        raise ValueError
    return "" if value == "empty" else value


def _delimiter(value: object) -> str:
    found = "\t" if value in ("tab", r"\t") else value
    if not isinstance(found, str) or found not in DELIMITERS:
        raise ValueError
    return found


DELIMITERS = (",", ";", "\t", "|")
LIMITS = r"(?:([0-9]{1,15})(?:\+(?=[0-9])|$))?(?:([0-9]{1,3}(?:\.[0-9]{1,9})?)%)?"
_LIMIT = re.compile(rf"(?=.){LIMITS}")
_RATIO = re.compile(r"[1-9][0-9]{0,5}")
NULLS = r"[!#-+\--:<-{}~]{0,20}"
_NULL = re.compile(NULLS)
_WORDS = {"": "empty", "\t": "tab"}
_READERS: dict[str, tuple[Callable[[object], object], str]] = {
    "on_duplicate": (_word(OnDuplicate), ", ".join(OnDuplicate)),
    "null": (_null, r"empty (an empty field is NULL), or a word such as \N or NULL"),
    "binary": (_word(Binary), " or ".join(Binary)),
    "max_rejects": (_limit, "a number of rows, such as 100, or a share of them, such as 5%, or both, as 100+5%"),
    "max_ratio": (_ratio, "a number from 1 on, such as 200"),
    "delimiter": (_delimiter, "one of , ; | and tab"),
    "header": (_word(HeaderLine), ", ".join(HeaderLine)),
    "escape": (_word(Escape), r"\ (as INTO OUTFILE writes) or none"),
    "quote": (_word(Quote), '" or none'),
}
NAMES = tuple(_READERS)
"""The options, as a setting and a request name them; metadata has ``-`` for ``_``."""
CHOICES = {name: choices for name, (_, choices) in _READERS.items()}
"""What each option may be, in words."""
