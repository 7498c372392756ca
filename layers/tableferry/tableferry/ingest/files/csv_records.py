"""CSV as records, cut at line ends outside quotes that nothing escapes, in bounded memory; no line spoils its neighbours.

Lines end in LF or CRLF; what stands in them is the dialect's. Text is UTF-8.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from tableferry.errors import InvalidRequest
from tableferry.ingest.files.dialect import OPEN_ESCAPE, STRAY_QUOTE, Dialect, Fault, State

BOM = b"\xef\xbb\xbf"
LONGEST_RECORD = 16 * 1024 * 1024
MOST_LINES = 512 * 1024
"""So many lines a record may have: each that waits for a record's end takes some hundred bytes, however short it is."""

_BLANK = re.compile(rb"(?:\xef\xbb\xbf)?+(?:\r?\n)*+\r?")


class Line(NamedTuple):
    """A line without its LF: its number from 1, the offset of its first byte in the file, and its bytes."""

    number: int
    offset: int
    raw: bytes


class Record(NamedTuple):
    """One record: the line and the byte it begins on, and its bytes without the line end."""

    line: int
    offset: int
    raw: bytes
    fault: Fault | None = None


class Reader:
    """Takes lines, one after the other, and gives records.

    A field may go over several lines. Where no more lines, or none that can be one, bring the end of a record, its first
    line is malformed and the next one begins a record of its own. Where 16 MiB or 524,288 lines have not brought it,
    nobody knows whether they are rows or a text, and nothing more is read. Blank lines are no records. Memory: the longest
    line, or 16 MiB, and some hundred bytes for each line that waits. Time: linear in the lines, whatever is in them. Each
    is looked at once as the beginning of a record, and once for each state that it may go on from.
    """

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._lines = _Waiting(dialect)

    @property
    def waiting(self) -> Line | None:
        """The first line of a record whose end has not come; None between records."""
        return self._lines.first if self._lines else None

    def feed(self, line: Line) -> list[Record]:
        """The records that are certain now that this line has come.

        Raises:
            InvalidRequest: a record is longer than one may be.
        """
        if not self._lines and self._dialect.is_plain(line.raw):
            raw = self._dialect.without_end(line.raw)
            return [Record(line.number, line.offset, raw)] if raw else []
        self._lines.add(line)
        return self._settled()

    def finish(self) -> list[Record]:
        """The records that are left when no more lines come."""
        return self._settled(last=True)

    def _settled(self, last: bool = False) -> list[Record]:
        """The records off the front, as far as it is certain where they end."""
        found = []
        lines = self._lines
        while lines:
            first, state = lines.first, lines.begun
            count = lines.count()
            if count is None and not last:
                _not_too_long(first, lines.size, len(lines))
                break
            raw = self._dialect.without_end(lines.take(count or 1))
            fault = None if count else OPEN_ESCAPE if state is State.ESCAPED else STRAY_QUOTE
            if raw:
                found.append(Record(first.number, first.offset, raw, fault))
        return found


def _not_too_long(first: Line, size: int, count: int) -> None:
    if size > LONGEST_RECORD or count > MOST_LINES:
        raise InvalidRequest(
            f"The record that begins in line {first.number} (at byte {first.offset}) has no end within {LONGEST_RECORD:,} "
            f"bytes and {MOST_LINES:,} lines; is a quote there that is not closed? Mend it, or say `quote: none` if a quote "
            "is just that."
        )


_Node = tuple[int, State]
"""A line, by its number among all that have come, and what is open before its beginning."""


class _Waiting:
    """Lines whose records have no end yet, of ``size`` bytes, and what is known of where they end.

    From each line, and what is open before it, it is known where that leads to; ways that were gone are cut short (as in
    a union-find), so that no beginning of a record goes through all lines again.
    """

    def __init__(self, dialect: Dialect) -> None:
        self.size = 0
        self._dialect = dialect
        self._lines: list[Line] = []
        self._gone = 0  # lines at the front of the list that were taken
        self._taken = 0  # lines that were taken in all
        self._ways: dict[_Node, _Node] = {}
        self._begun: State | None = None
        self._reached: _Node | None = None  # from the first line, so that each line that comes is one step more

    def __len__(self) -> int:
        return len(self._lines) - self._gone

    @property
    def first(self) -> Line:
        return self._lines[self._gone]

    @property
    def begun(self) -> State:
        """What is open at the end of the first line."""
        if self._begun is None:
            self._begun = self._dialect.begun(self.first.raw)
        return self._begun

    def add(self, line: Line) -> None:
        self._lines.append(line)
        self.size += len(line.raw) + 1

    def count(self) -> int | None:
        """How many lines the first record takes; 0 if it is malformed, None if its end has not come."""
        index, state = self._reached = self._end(self._reached or (self._taken + 1, self.begun))
        if state is State.COMPLETE:
            return index - self._taken
        return 0 if state is State.BROKEN else None

    def take(self, count: int) -> bytes:
        """The first lines, together."""
        taken = b"\n".join([line.raw for line in self._lines[self._gone : self._gone + count]])
        for index in range(self._taken, self._taken + count):
            self._ways.pop((index, State.QUOTED), None)
            self._ways.pop((index, State.ESCAPED), None)
        self._gone += count
        self._taken += count
        self.size -= len(taken) + 1
        self._begun = self._reached = None
        if 2 * self._gone >= len(self._lines):
            del self._lines[: self._gone]
            self._gone = 0
        return taken

    def _end(self, node: _Node) -> _Node:
        """Where the way from here leads to: the line behind a record's end, one that broke it, or one that has not come."""
        path = []
        while node[1] not in (State.COMPLETE, State.BROKEN) and (further := self._further(node)):
            path.append(node)
            node = further
        for one in path:
            self._ways[one] = node
        return node

    def _further(self, node: _Node) -> _Node | None:
        if (known := self._ways.get(node)) is not None:
            return known
        index, state = node
        place = index - self._taken + self._gone
        if place >= len(self._lines):
            return None
        return index + 1, self._dialect.continued(self._lines[place].raw, state)


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
