"""A file as blocks of whole records, each record checked; the same blocks however often the file is read.

A block ends at a line end outside quotes. Its records are judged all at once where that can be
(:mod:`~tableferry.ingest.files.line_frame`), the others one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from tableferry.config.load_options import DELIMITERS, Binary, HeaderLine
from tableferry.errors import InvalidRequest
from tableferry.ingest.files.csv_records import LONGEST_RECORD, Reader, Record, lines_of, records
from tableferry.ingest.files.dialect import Fault
from tableferry.ingest.files.file_format import Position, Reading
from tableferry.ingest.files.header import could_name_separator, could_stand_again
from tableferry.ingest.files.line_frame import Judge, Lines, distinct, joined
from tableferry.ingest.files.rejects import Reject, described_in, parsed, record_of, reject_of
from tableferry.ingest.rows.rules import Row
from tableferry.ingest.write.batch import line_of
from tableferry.schema.types import BYTES

_BLOCK_BYTES = 4 * 1024 * 1024
_BLOCK_LINES = 100_000
_REJECTS_BYTES = 16 * 1024 * 1024  # a reject may be a hundred times its line; with more of them a block ends early
_FIRST_PART = 8  # of a block is the first one: to begin at once, and to see soon that it is the wrong file
_LONGEST_LINE = LONGEST_RECORD


@dataclass(slots=True)
class Block:
    """Some records of the file in order, ``end`` being where the next block begins; what is good is a writer's batch."""

    start: Position
    end: Position
    reading: Reading
    read: int
    rejects: list[Reject]
    good: bytes
    count: int
    records: Callable[[], Iterator[Record]]
    distinct: Mapping[str, Sequence[int] | None] = field(default_factory=dict)
    """The distinct values of the good rows in the columns that were asked for; None where they are many."""

    def __len__(self) -> int:
        return self.count

    @property
    def delimiter(self) -> str:
        return self.reading.dialect.delimiter

    def pieces(self) -> Iterable[bytes]:
        return [self.good]

    def rows(self) -> Sequence[Row]:
        """The good rows one by one, as the few blocks need them of which the database refuses some."""
        checks = (self.reading.checked(record) for record in self.records())
        return [row for row, _ in checks if row is not None]


def blocks(reading: Reading, pieces: Iterable[bytes], start: Position, asked: Sequence[str] = ()) -> Iterator[Block]:
    """The records of the file from a position on, a block at a time; see ``Block.distinct``.

    ``pieces`` begin at that position. Memory: 40 MiB or so; where a record of many lines is as long as one may be, 450.

    Raises:
        InvalidRequest: a line is longer than 16 MiB, as whole files are that are not CSV; or a record is, or has too many
            lines, as where a quote is not closed.
    """
    rules = reading.rules
    bytes_as_hex = rules.binary is Binary.HEX or not any(column.data_type in BYTES for column in rules.columns)
    as_it_is = not rules.absent and bytes_as_hex  # which is how the server reads them
    names: set[str] = set()
    if reading.header is not HeaderLine.NO and could_stand_again(rules.columns):
        names = {*rules.table.names, *(column.name for column in rules.table.columns)}
    if reading.header is not HeaderLine.NO and could_name_separator(rules.columns):
        names |= {"sep=", *(f"sep={delimiter}" for delimiter in DELIMITERS)}
    judge = Judge(rules.columns if as_it_is else (), reading.dialect, sorted(names))
    buffer = _Buffer(pieces)
    least = _BLOCK_BYTES // (1 if start.number else _FIRST_PART)
    while data := buffer.whole_lines(start, least):
        if reading.again:
            block = _block_of_rejects(reading, data, start)
        elif (found := _block(reading, judge, data, start, asked, last=buffer.ended)) is not None:
            block = found
        else:
            least = len(data) + _BLOCK_BYTES
            continue
        least = _BLOCK_BYTES
        buffer.drop(block.end.offset - start.offset)
        start = block.end
        yield block


class _Buffer:
    """The bytes that have come and are in no block yet."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._source = iter(pieces)
        self._data = b""
        self.ended = False

    def whole_lines(self, start: Position, least: int) -> bytes:
        """At least so many bytes, up to a line end or the end of the file; nothing at its end."""
        parts, size, cut = [self._data], len(self._data), b"\n" in self._data
        while not self.ended and (size < least or not cut):
            piece = next(self._source, b"")
            self.ended = not piece
            parts.append(piece)
            size += len(piece)
            cut = cut or b"\n" in piece
            if size > _LONGEST_LINE and not cut:
                raise InvalidRequest(
                    f"Line {start.line} is longer than {_LONGEST_LINE} bytes; is the file CSV? (It begins at byte "
                    f"{start.offset}.)"
                )
        self._data = b"".join(parts)
        return self._data if self.ended else self._data[: self._data.rfind(b"\n") + 1]

    def drop(self, count: int) -> None:
        self._data = self._data[count:]


def _block(
    reading: Reading, judge: Judge, data: bytes, start: Position, asked: Sequence[str], *, last: bool
) -> Block | None:
    """The block that the data begins with; None if it holds no end of a record, so that more of it is needed."""
    most = _BLOCK_LINES
    while True:
        lines = Lines(data, start.line, start.offset, most, judge)
        if (block := _lines_block(reading, lines, data, start, asked, last)) is not None or lines.whole:
            return block
        most *= 2


def _lines_block(
    reading: Reading, lines: Lines, data: bytes, start: Position, asked: Sequence[str], last: bool
) -> Block | None:
    """The block that these lines make; None if they hold no end of a record."""
    found = _Found(reading, start.line)
    taken: list[int] = []
    reader = Reader(reading.dialect)
    after = 0  # the first line that nobody has looked at
    for line in lines.doubtful():
        index = line.number - start.line
        if index < after:
            continue
        found.add(reader.feed(line))
        after = index + 1
        if reader.waiting:
            for further in lines.since(after):
                taken.append(after)
                found.add(reader.feed(further))
                after += 1
                if not reader.waiting:
                    break
        if found.size > _REJECTS_BYTES:
            break
    full = found.size > _REJECTS_BYTES
    count = after if full else len(lines)
    if last and lines.whole and not full:
        found.add(reader.finish())
    elif reader.waiting:
        count = reader.waiting.number - start.line
        if not count:
            return None
    end = Position(start.number + 1, start.line + count, lines.begins(count))
    good = lines.payload(count, taken, found.written)
    names = [column.name for column in reading.rules.columns]
    places = {name: names.index(name) for name in asked if name in names}
    part = data[: end.offset - start.offset]
    return Block(
        start=start,
        end=end,
        reading=reading,
        read=len(good) + len(found.rejected),
        rejects=found.rejected,
        good=joined(good),
        count=len(good),
        records=lambda: records(lines_of(part, start.line, start.offset), reading.dialect),
        distinct=distinct(good, reading.dialect.delimiter, len(names), places),
    )


class _Found:
    """The records of a block that were judged one by one: rejects, of ``size`` bytes, and lines to be written."""

    def __init__(self, reading: Reading, first: int) -> None:
        self.rejected: list[Reject] = []
        self.written: dict[int, str] = {}
        self.size = 0
        self._reading = reading
        self._first = first
        self._described = reading.described()

    def add(self, found: Iterable[Record]) -> None:
        for record in found:
            row, bad = self._reading.checked(record)
            if row is None:
                reject = reject_of(record, bad, self._described)
                self.rejected.append(reject)
                self.size += len(reject.written)
            else:
                self.written[record.line - self._first] = line_of(row, self._reading.dialect.delimiter)


def _block_of_rejects(reading: Reading, data: bytes, start: Position) -> Block:
    """A block of a file of rejects that somebody has corrected; all of it from files that were read in the same way."""
    lines = list(islice(lines_of(data, start.line, start.offset), _BLOCK_LINES))
    rejects = [parsed(line.raw) for line in lines]
    like = described_in(rejects[0])
    count = next((index for index, reject in enumerate(rejects) if described_in(reject) != like), len(lines))
    try:
        theirs = reading.like(like)
    except InvalidRequest as error:
        theirs = reading
        fault = Fault("malformed", str(error))
        found = [Record(line.number, line.offset, line.raw, fault) for line in lines[:count]]
    else:
        pairs = zip(lines[:count], rejects, strict=False)
        found = [record_of(line, reject, theirs.dialect) for line, reject in pairs if line.raw.strip()]
    rejected: list[Reject] = []
    written: list[str] = []
    for record in found:
        row, bad = theirs.checked(record)
        if row is None:
            rejected.append(reject_of(record, bad, like))
        else:
            written.append(line_of(row, theirs.dialect.delimiter))
    last = lines[count - 1]
    return Block(
        start=start,
        end=Position(start.number + 1, last.number + 1, last.offset + len(last.raw) + 1),
        reading=theirs,
        read=len(found),
        rejects=rejected,
        good="".join(f"{text}\n" for text in written).encode(),
        count=len(written),
        records=lambda: iter(found),
    )
