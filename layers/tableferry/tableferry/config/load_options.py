"""How rows from outside are read and what becomes of them, as far as the user may say, and the places to say it in.

What else a new option needs is in CONTRIBUTING.md, "To add …".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Any, Literal, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field

from tableferry.config import reject_limit
from tableferry.config.reject_limit import MAX_REJECTS, Limit
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


Delimiter = Literal[",", ";", "\t", "|"]
DELIMITERS: tuple[Delimiter, ...] = get_args(Delimiter)

_RATIO = r"[1-9][0-9]{0,5}"
_NULL = r"^[!#-+\--:<-{}~]{0,20}$"
_WORDS = {"": "empty", "\t": "tab"}


def _word(kind: type[T]) -> Callable[[object], T]:
    def read(value: object) -> T:
        if not isinstance(value, str):
            raise ValueError
        return kind(value)

    return read


def _ratio(value: object) -> int:
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str) or not re.fullmatch(_RATIO, text):
        raise ValueError
    return int(text)


def _null(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(_NULL, value):
        raise ValueError
    return "" if value == "empty" else value


def _delimiter(value: object) -> str:
    found = "\t" if value in ("tab", r"\t") else value
    if not isinstance(found, str) or found not in DELIMITERS:
        raise ValueError
    return found


@dataclass(frozen=True, slots=True)
class Means:
    """What a value has to be, in words: stands beside a pattern, which would tell nobody."""

    words: str


@dataclass(frozen=True, slots=True)
class Reads:
    """How an option is read from any place, a text or JSON, to the value it stands for, and what it may be, in words.

    The reader raises ValueError.
    """

    reader: Callable[[object], object]
    choices: str


_NULL_MEANS = Means(r"empty (an empty field is NULL), or a word such as \N or NULL")
_LIMIT_MEANS = Means("a number of rows, such as 100, or a share of them, such as 5%, or both, as 100+5%")
_LimitValue = Annotated[
    Annotated[int, Field(ge=0, strict=True)] | Annotated[str, Field(pattern=reject_limit.PATTERN)], _LIMIT_MEANS
]


class LoadOptions(BaseModel):
    r"""How a file is read and what becomes of its rows; what is left out is as the table's setting says.

    Each option is declared here: the type that JSON may give it, then how it is read in every place. A new option needs a
    line here and its default in :class:`Options`.

    ``null`` is the field without quotes that is NULL: the empty one, or a word such as ``\N``. ``max_rejects`` is a
    number of rows, or a share such as ``5%``. ``header``: whether the first line names columns; ``auto``: if every
    field of it does. ``escape``: whether a backslash escapes what follows, as ``INTO OUTFILE`` writes; ``quote``:
    whether ``"`` stands around text.
    """

    model_config = ConfigDict(extra="forbid")

    on_duplicate: Annotated[OnDuplicate | None, Reads(_word(OnDuplicate), ", ".join(OnDuplicate))] = None
    null: Annotated[Annotated[str, Field(pattern=_NULL), _NULL_MEANS] | None, Reads(_null, _NULL_MEANS.words)] = None
    binary: Annotated[Binary | None, Reads(_word(Binary), " or ".join(Binary))] = None
    max_rejects: Annotated[_LimitValue | None, Reads(reject_limit.read, _LIMIT_MEANS.words)] = None
    max_ratio: Annotated[
        Annotated[int, Field(ge=1, le=999_999)] | None, Reads(_ratio, "a number from 1 on, such as 200")
    ] = None
    delimiter: Annotated[Literal[Delimiter, "tab"] | None, Reads(_delimiter, "one of , ; | and tab")] = None
    header: Annotated[HeaderLine | None, Reads(_word(HeaderLine), ", ".join(HeaderLine))] = None
    escape: Annotated[Escape | None, Reads(_word(Escape), r"\ (as INTO OUTFILE writes) or none")] = None
    quote: Annotated[Quote | None, Reads(_word(Quote), '" or none')] = None

    def said(self) -> dict[str, Any]:
        """The options that the request names."""
        return self.model_dump(include=set(LoadOptions.model_fields), exclude_none=True)


_READERS = {
    name: reads
    for name, declared in LoadOptions.model_fields.items()
    for reads in declared.metadata
    if isinstance(reads, Reads)
}
NAMES = tuple(_READERS)
"""The options, as a setting and a request name them; metadata has ``-`` for ``_``."""

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
        option = _READERS[name]
        try:
            found[name] = option.reader(value)
        except ValueError:
            raise InvalidRequest(f"{place} {spelled(name)} is {value!r}; it has to be {option.choices}.") from None
    return found


def as_metadata(given: Mapping[str, object]) -> dict[str, str]:
    """What a request says, as metadata of an object: words of printable characters; raises InvalidRequest."""
    written = {}
    for name, value in checked(given, "The request's").items():
        text = str(value)
        written[name.replace("_", "-")] = _WORDS.get(text, text)
    return written
