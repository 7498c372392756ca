"""CSV (RFC 4180) as records, cut at line ends outside quotes, in bounded memory; no line spoils its neighbours.

Fields are separated by commas; lines end in LF or CRLF; a field with commas, quotes or line ends stands in ``"``, with
``""`` for a quote in it. An empty field is NULL, ``""`` the empty text. Text is UTF-8, a byte order mark is dropped.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from tableferry.errors import InvalidRequest

_FIELD = rb'(?:"(?:[^"]|"")*+"|[^",]*+)'
_COMPLETE = re.compile(rb"%b(?:,%b)*+" % (_FIELD, _FIELD), re.DOTALL)
_OPEN = re.compile(rb'(?:%b,)*+"(?:[^"]|"")*+' % _FIELD, re.DOTALL)
_FIELDS = re.compile(r',("(?:[^"]|"")*+"|[^",]*+)', re.DOTALL)
_BOM = b"\xef\xbb\xbf"
_LONGEST_RECORD = 1024 * 1024
_LONGEST_LINE = 16 * 1024 * 1024


class Record(NamedTuple):
    """One record: the line it begins on, counted from 1, and its bytes without the line end."""

    line: int
    raw: bytes
    malformed: bool = False

    def fields(self) -> list[str | None]:
        """The fields; raises UnicodeDecodeError."""
        text = self.raw.decode()
        if '"' not in text:
            return [field or None for field in text.split(",")]
        fields = _FIELDS.findall("," + text)
        return [field[1:-1].replace('""', '"') if field[:1] == '"' else field or None for field in fields]


def records(pieces: Iterable[bytes]) -> Iterator[Record]:
    """The records of a file that arrives in pieces, blank lines left out.

    A quoted field may go over several lines, but a record over no more than 1 MiB: where the closing quote does not
    come, its first line is malformed and the next one begins a record of its own. Memory: the longest line, or 1 MiB.

    Raises:
        InvalidRequest: a line is longer than 16 MiB, as whole files are that are not CSV.
    """
    waiting = _Waiting()
    for number, line in _lines(pieces):
        if waiting:
            waiting.add(number, line)
            if _may_close(line) or waiting.size > _LONGEST_RECORD:
                yield from waiting.settled(last=False)
        elif b'"' not in line:
            if line and line != b"\r":
                yield Record(number, line.removesuffix(b"\r"))
        elif _COMPLETE.fullmatch(line.removesuffix(b"\r")):
            yield Record(number, line.removesuffix(b"\r"))
        else:
            waiting.add(number, line)
            yield from waiting.settled(last=False)
    yield from waiting.settled(last=True)


class _Waiting:
    """Lines of which it is not known yet where their first record ends."""

    def __init__(self) -> None:
        self.lines: deque[tuple[int, bytes]] = deque()
        self.size = 0

    def __bool__(self) -> bool:
        return bool(self.lines)

    def add(self, number: int, line: bytes) -> None:
        self.lines.append((number, line))
        self.size += len(line) + 1

    def take(self, count: int) -> bytes:
        taken = b"\n".join(self.lines.popleft()[1] for _ in range(count))
        self.size -= len(taken) + 1
        return taken.removesuffix(b"\r")

    def settled(self, last: bool) -> Iterator[Record]:
        """The records off the front, as far as it is certain where they end."""
        while self.lines:
            number = self.lines[0][0]
            count = self._first()
            if count is None and not last and self.size <= _LONGEST_RECORD:
                return
            raw = self.take(count or 1)
            if raw:
                yield Record(number, raw, malformed=not count)

    def _first(self) -> int | None:
        """How many lines the first record takes; 0 if it is malformed, None if its closing quote has not come."""
        raw = b""
        for count, (_, line) in enumerate(self.lines, 1):
            raw = raw + b"\n" + line if count > 1 else line
            if count > 1 and not _may_close(line):
                continue
            if _COMPLETE.fullmatch(raw.removesuffix(b"\r")):
                return count
            if not _OPEN.fullmatch(raw):
                return 0
        return None


def _may_close(line: bytes) -> bool:
    """Whether a field left open before the line may be closed after it: an even number of quotes leaves it open."""
    return line.count(b'"') % 2 == 1


def _lines(pieces: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    number = 1
    rest = b""
    for piece in _without_mark(pieces):
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            yield number, line
            number += 1
        if len(rest) > _LONGEST_LINE:
            raise InvalidRequest(f"Line {number} is longer than {_LONGEST_LINE} bytes; is the file CSV?")
    if rest:
        yield number, rest


def _without_mark(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The pieces, less a byte order mark at the beginning."""
    source = iter(pieces)
    start = b""
    while len(start) < len(_BOM) and (piece := next(source, b"")):
        start += piece
    yield start.removeprefix(_BOM)
    yield from source
