r"""How a file's records are written: what separates fields, stands around text, escapes, and is NULL.

Unless something else is said, that is RFC 4180: a field with separators, quotes or line ends stands in ``"``, with ``""``
for a quote in it. With ``escape`` it is what ``SELECT … INTO OUTFILE`` writes; source of the sequences:
https://dev.mysql.com/doc/refman/8.4/en/load-data.html#load-data-field-line-handling
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cache
from typing import NamedTuple

from tableferry.config.load_options import Escape, Quote

NULL_SEQUENCE = r"\N"
_MEANT = {"0": "\0", "b": "\b", "n": "\n", "r": "\r", "t": "\t", "Z": "\x1a"}
_SEQUENCE = re.compile(r"\\(.)", re.DOTALL)
_SEQUENCE_OR_QUOTE = re.compile(r'\\(.)|""', re.DOTALL)
_ENDS_IN_ESCAPE = re.compile(rb"(?<!\\)(?:\\\\)*+\\$")


class Fault(NamedTuple):
    """Why something is no record at all, or none that can be understood in one way only."""

    code: str
    message: str


STRAY_QUOTE = Fault("malformed", "a quote is not closed, or stands inside a field that is not quoted")
OPEN_ESCAPE = Fault("malformed", "a backslash at its end escapes the line end, and no line goes on with the field")
_NUL = Fault(
    "nul",
    "a byte of zero stands in the record, as in damaged files; if it is meant, write \\0 and say `escape: \\`, or send JSON",
)
_UNSAID_ESCAPE = Fault(
    "escape",
    "a backslash stands in a field that is not \\N: say `escape: \\` if the file has escapes as INTO OUTFILE writes "
    "them, or `escape: none` if a backslash is just that",
)
_UNSAID_QUOTE = Fault(
    "quote",
    'a field begins with a quote: say `quote: "` if quotes stand around text (ENCLOSED BY), or `quote: none` if a '
    "quote is just that, as INTO OUTFILE writes it unless told",
)


class State(IntEnum):
    """What a line's end finds open of the record that is read."""

    COMPLETE = 0
    QUOTED = 1
    """A field with quotes around it."""

    ESCAPED = 2
    """A field without, since the line end behind it is escaped."""

    BROKEN = 3
    """Nothing more can make a record of it."""


@dataclass(frozen=True, slots=True)
class Dialect:
    r"""How a file is written; ``null`` is the unquoted field that is NULL, ``""`` always the empty text.

    ``escape`` and ``quote`` are None where nothing is said of them. Then a backslash is just that, unless NULL is ``\N``:
    a file that has one sequence may have others, and a field with another backslash is a fault. Quotes stand around text,
    unless there are escapes: a field that begins with a quote is a fault then, as it can be read in two ways. With
    ``returns`` a CR before the line end belongs to the field.
    """

    delimiter: str = ","
    null: str = ""
    escape: Escape | None = None
    quote: Quote | None = None
    returns: bool = False

    escapes: bool = field(init=False, repr=False, compare=False)
    """Whether a backslash escapes what follows."""

    quotes: bool = field(init=False, repr=False, compare=False)
    """Whether quotes stand around text."""

    backslash_is_text: bool = field(init=False, repr=False, compare=False)
    """Whether a field with a backslash in it holds just that."""

    _grammar: _Grammar = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        escapes = self.escape is Escape.BACKSLASH
        quotes = self.quote is Quote.DOUBLE or (self.quote is None and not escapes)
        object.__setattr__(self, "escapes", escapes)
        object.__setattr__(self, "quotes", quotes)
        object.__setattr__(self, "backslash_is_text", not escapes and not self._doubts_backslashes)
        object.__setattr__(self, "_grammar", _grammar(self.delimiter, quotes, escapes))

    @property
    def _doubts_backslashes(self) -> bool:
        return self.escape is None and self.null == NULL_SEQUENCE

    def without_end(self, raw: bytes) -> bytes:
        """A line, or a record, without a CR that belongs to its line end."""
        return raw if self.returns else raw.removesuffix(b"\r")

    def is_plain(self, line: bytes) -> bool:
        """Whether a line is a record at first sight, without quotes and escapes."""
        return (b'"' not in line or not self.quotes) and (b"\\" not in line or self.backslash_is_text)

    def begun(self, line: bytes) -> State:
        """What is open at the end of a line with which a record begins."""
        return self._state(line, self._grammar.begun)

    def continued(self, line: bytes, state: State) -> State:
        """What is open at the end of a line before whose beginning this was."""
        if state is State.QUOTED and b'"' not in line:
            return state
        return self._state(line, self._grammar.quoted if state is State.QUOTED else self._grammar.escaped)

    def _state(self, line: bytes, ways: _Ways) -> State:
        end = self.without_end(line)
        if ways.complete.fullmatch(end):
            doubtful = self._doubts_backslashes and end.endswith(b"\\") and _ENDS_IN_ESCAPE.search(end)
            return State.ESCAPED if doubtful else State.COMPLETE
        if ways.quoted and ways.quoted.fullmatch(line):
            return State.QUOTED
        if ways.escaped and ways.escaped.fullmatch(end):
            return State.ESCAPED
        return State.BROKEN

    def fault(self, raw: bytes) -> Fault | None:
        """Why a well-formed record cannot be understood in one way only; raises UnicodeDecodeError."""
        if b"\0" in raw:
            return _NUL
        if b"\\" in raw and self._doubts_backslashes:
            return (
                _UNSAID_ESCAPE
                if any("\\" in part and part.strip('"') != NULL_SEQUENCE for part in self._parts(raw))
                else None
            )
        if b'"' in raw and self.escapes and self.quote is None:
            return _UNSAID_QUOTE if any(part.startswith('"') for part in self._parts(raw)) else None
        return None

    def fields(self, raw: bytes) -> list[str | None]:
        """The fields of a well-formed record; raises UnicodeDecodeError."""
        null = self.null
        if self.is_plain(raw):
            return [None if field == null else field for field in raw.decode().split(self.delimiter)]
        if self.escapes:
            return [self._unescaped(part) for part in self._parts(raw)]
        if not self.quotes:
            return [None if part == null else part for part in self._parts(raw)]
        return [
            field[1:-1].replace('""', '"') if field[:1] == '"' else None if field == null else field
            for field in self._parts(raw)
        ]

    def _parts(self, raw: bytes) -> list[str]:
        """The fields as they are written."""
        return self._grammar.parts.findall(self.delimiter + raw.decode())

    def _unescaped(self, part: str) -> str | None:
        if self.quotes and part[:1] == '"':
            inside = part[1:-1]
            return None if inside == NULL_SEQUENCE else _SEQUENCE_OR_QUOTE.sub(_meant, inside)
        return None if part in (NULL_SEQUENCE, self.null) else _SEQUENCE.sub(_meant, part)


def _meant(found: re.Match[str]) -> str:
    sign = found[1]
    return '"' if sign is None else _MEANT.get(sign, sign)


class _Ways(NamedTuple):
    """A line, by what is open at its end."""

    complete: re.Pattern[bytes]
    quoted: re.Pattern[bytes] | None
    escaped: re.Pattern[bytes] | None


class _Grammar(NamedTuple):
    """Lines, by what is open before their beginning; and the fields of a record."""

    begun: _Ways
    quoted: _Ways
    escaped: _Ways
    parts: re.Pattern[str]


@cache
def _grammar(delimiter: str, quotes: bool, escapes: bool) -> _Grammar:
    """Every loop is possessive, so that a match takes time linear in the line."""
    separator = re.escape(delimiter)
    sequence = r"|\\." if escapes else ""
    backslash = r"\\" if escapes else ""
    inside = rf'(?:[^"{backslash}]++|""{sequence})*+'
    bare = rf"(?:[^{separator}{backslash}{chr(34) * quotes}]++{sequence})*+"
    field = rf'(?:"{inside}"|{bare})' if quotes else bare
    closed = rf"(?:{separator}{field})*+"
    before = rf"(?:{field}{separator})*+"
    opened = rf'{before}"{inside}' + (r"\\?" if escapes else "")
    cut = rf"{before}{bare}\\"

    def ways(start: str, open_again: str = "", cut_again: str = "") -> _Ways:
        quoted = f"{start}{separator}{opened}|{open_again}" if open_again else f"{start}{separator}{opened}"
        escaped = f"{start}{separator}{cut}|{cut_again}" if cut_again else f"{start}{separator}{cut}"
        return _Ways(
            _compiled(f"{start}{closed}"),
            _compiled(quoted) if quotes else None,
            _compiled(escaped) if escapes else None,
        )

    return _Grammar(
        _Ways(
            _compiled(f"{field}{closed}"),
            _compiled(opened) if quotes else None,
            _compiled(cut) if escapes else None,
        ),
        ways(f'{inside}"', open_again=inside + (r"\\?" if escapes else "")),
        # Without escapes this only finds the other half of a text that is a fault, whatever quotes are in it.
        ways(bare, cut_again=rf"{bare}\\") if escapes else ways(f"[^{separator}]*+"),
        re.compile(rf'{separator}("{inside}"|{bare})' if quotes else rf"{separator}({bare})", re.DOTALL),
    )


def _compiled(pattern: str) -> re.Pattern[bytes]:
    return re.compile(pattern.encode(), re.DOTALL)
