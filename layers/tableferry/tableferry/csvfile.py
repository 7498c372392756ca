"""CSV (RFC 4180) as records, cut at line ends outside quotes, in bounded memory; no line spoils its neighbours.

Fields are separated by commas, or what the dialect has in their place; lines end in LF or CRLF; a field with separators,
quotes or line ends stands in ``"``, with ``""`` for a quote in it. Text is UTF-8.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

BOM = b"\xef\xbb\xbf"
_LONGEST_RECORD = 1024 * 1024
_BLANK = re.compile(rb"(?:\xef\xbb\xbf)?+(?:\r?\n)*+\r?")


@dataclass(frozen=True, slots=True)
class Dialect:
    r"""How a file is written: what separates fields, and which unquoted field is NULL; ``""`` is always the empty text."""

    delimiter: str = ","
    null: str = ""

    def fields(self, raw: bytes) -> list[str | None]:
        """The fields of a well-formed record; raises UnicodeDecodeError."""
        text = raw.decode()
        null = self.null
        if '"' not in text:
            return [None if field == null else field for field in text.split(self.delimiter)]
        fields = _grammar(self.delimiter).fields.findall(self.delimiter + text)
        return [
            field[1:-1].replace('""', '"') if field[:1] == '"' else None if field == null else field for field in fields
        ]

    def complete(self, raw: bytes) -> bool:
        """Whether this is a record: no quote is open at its end, and none stands where it may not."""
        return _grammar(self.delimiter).complete.fullmatch(raw) is not None

    def is_open(self, raw: bytes) -> bool:
        """Whether this is the beginning of a record, in whose last field a quote is open."""
        return _grammar(self.delimiter).open.fullmatch(raw) is not None


class _Grammar(NamedTuple):
    complete: re.Pattern[bytes]
    open: re.Pattern[bytes]
    fields: re.Pattern[str]


@cache
def _grammar(delimiter: str) -> _Grammar:
    separator = re.escape(delimiter)
    field = rf'(?:"(?:[^"]|"")*+"|[^"{separator}]*+)'
    return _Grammar(
        re.compile(rf"{field}(?:{separator}{field})*+".encode(), re.DOTALL),
        re.compile(rf'(?:{field}{separator})*+"(?:[^"]|"")*+'.encode(), re.DOTALL),
        re.compile(rf'{separator}("(?:[^"]|"")*+"|[^"{separator}]*+)', re.DOTALL),
    )


class Line(NamedTuple):
    """A line without its LF: its number from 1, the offset of its first byte in the file, and its bytes."""

    number: int
    offset: int
    raw: bytes


class Fault(NamedTuple):
    """Why something is no record at all."""

    code: str
    message: str


STRAY_QUOTE = Fault("malformed", "a quote is not closed, or stands inside a field that is not quoted")


class Record(NamedTuple):
    """One record: the line and the byte it begins on, and its bytes without the line end."""

    line: int
    offset: int
    raw: bytes
    fault: Fault | None = None


class Reader:
    """Takes lines, one after the other, and gives records.

    A quoted field may go over several lines, but a record over no more than 1 MiB: where the closing quote does not
    come, its first line is malformed and the next one begins a record of its own. Blank lines are no records. Memory: the
    longest line, or 1 MiB.
    """

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._lines: deque[Line] = deque()
        self._size = 0

    @property
    def waiting(self) -> Line | None:
        """The first line of a record whose end has not come; None between records."""
        return self._lines[0] if self._lines else None

    def feed(self, line: Line) -> list[Record]:
        """The records that are certain now that this line has come."""
        if self._lines:
            self._add(line)
            return self._settled() if _may_close(line.raw) or self._size > _LONGEST_RECORD else []
        raw = line.raw.removesuffix(b"\r")
        if b'"' not in raw or self._dialect.complete(raw):
            return [Record(line.number, line.offset, raw)] if raw else []
        self._add(line)
        return self._settled()

    def finish(self) -> list[Record]:
        """The records that are left when no more lines come."""
        return self._settled(last=True)

    def _add(self, line: Line) -> None:
        self._lines.append(line)
        self._size += len(line.raw) + 1

    def _settled(self, last: bool = False) -> list[Record]:
        """The records off the front, as far as it is certain where they end."""
        found = []
        while self._lines:
            first = self._lines[0]
            count = self._first()
            if count is None and not last and self._size <= _LONGEST_RECORD:
                break
            if raw := self._take(count or 1):
                found.append(Record(first.number, first.offset, raw, None if count else STRAY_QUOTE))
        return found

    def _first(self) -> int | None:
        """How many lines the first record takes; 0 if it is malformed, None if its closing quote has not come."""
        raw = b""
        for count, line in enumerate(self._lines, 1):
            raw = raw + b"\n" + line.raw if count > 1 else line.raw
            if count > 1 and not _may_close(line.raw):
                continue
            if self._dialect.complete(raw.removesuffix(b"\r")):
                return count
            if not self._dialect.is_open(raw):
                return 0
        return None

    def _take(self, count: int) -> bytes:
        taken = b"\n".join(self._lines.popleft().raw for _ in range(count))
        self._size -= len(taken) + 1
        return taken.removesuffix(b"\r")


def _may_close(line: bytes) -> bool:
    """Whether a field left open before the line may be closed after it: an even number of quotes leaves it open."""
    return line.count(b'"') % 2 == 1


def records(lines: Iterable[Line], dialect: Dialect) -> Iterator[Record]:
    """The records of lines that begin with a record and end with one."""
    reader = Reader(dialect)
    for line in lines:
        yield from reader.feed(line)
    yield from reader.finish()


def is_blank(data: bytes) -> bool:
    """Whether there is no record in text: nothing but blank lines."""
    return _BLANK.fullmatch(data) is not None


def lines_of(data: bytes, number: int = 1, offset: int = 0) -> Iterator[Line]:
    """The lines of text that is all there, the first of which has this number and offset; a byte order mark is dropped."""
    if offset == 0 and data.startswith(BOM):
        data, offset = data.removeprefix(BOM), len(BOM)
    parts = data.split(b"\n")
    if not parts[-1]:
        del parts[-1]
    for raw in parts:
        yield Line(number, offset, raw)
        number, offset = number + 1, offset + len(raw) + 1
