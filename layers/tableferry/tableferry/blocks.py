"""A CSV file as blocks of records, each record checked."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field

from tableferry.csvfile import Record, records
from tableferry.errors import InvalidRequest, Problem
from tableferry.header import header_of
from tableferry.rules import Row, Rules
from tableferry.tables import Column, Table

_BLOCK_BYTES = 2 * 1024 * 1024
_BLOCK_RECORDS = 20_000
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


@dataclass(slots=True)
class Block:
    """Some records of the file in order: the good rows among them, and the rest with what is wrong."""

    number: int
    read: int = 0
    size: int = 0
    good: list[Row] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    problems: dict[int, list[Problem]] = field(default_factory=dict)

    @property
    def full(self) -> bool:
        return self.size >= _BLOCK_BYTES or self.read >= _BLOCK_RECORDS

    def add(self, rules: Rules, record: Record) -> None:
        """Check a record and take it in."""
        row, problems = _checked(rules, record)
        self.read += 1
        self.size += len(record.raw)
        self.records.append(record)  # a row that is good may yet be refused by the database
        if row is None:
            self.problems[record.line] = problems
        else:
            self.good.append(row)

    def texts(self, lines: Collection[int]) -> dict[int, str]:
        """The original text of these lines' records; bytes that are no UTF-8 show as U+FFFD."""
        return {record.line: record.raw.decode("utf-8", "replace") for record in self.records if record.line in lines}


def blocks(table: Table, pieces: Iterable[bytes]) -> Iterator[tuple[Rules, Block]]:
    """The file's records, checked, a block at a time; the same blocks whenever the same file is read.

    Raises:
        InvalidRequest: the file is empty, or not CSV.
    """
    found = records(_sniffed(pieces))
    first = next(found, None)
    if first is None:
        raise InvalidRequest("The file is empty.")
    rules = Rules(table)
    block = Block(number=0)
    if columns := _header(table, first):
        rules = Rules(table, columns)
    else:
        block.add(rules, first)
    for record in found:
        if block.full:
            yield rules, block
            block = Block(number=block.number + 1)
        block.add(rules, record)
    yield rules, block


def _header(table: Table, first: Record) -> tuple[Column, ...] | None:
    try:
        return None if first.malformed else header_of(table, first.fields())
    except UnicodeDecodeError:
        return None


def _checked(rules: Rules, record: Record) -> tuple[Row | None, list[Problem]]:
    if record.malformed:
        message = "a quote is not closed, or stands inside a field that is not quoted"
        return None, [Problem(record.line, "", "malformed", message)]
    try:
        return rules.of_fields(record.line, record.fields())
    except UnicodeDecodeError as error:
        message = f"byte {error.start + 1} of the record is not UTF-8"
        return None, [Problem(record.line, "", "encoding", message)]


def _sniffed(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The bytes, if they may be CSV at all: a file of another kind is refused whole, not line by line."""
    for number, piece in enumerate(pieces):
        if number == 0 and piece.startswith(_UTF16):
            raise InvalidRequest("The file is UTF-16; save it as UTF-8.")
        if number == 0 and b"\0" in piece:
            raise InvalidRequest("The file is not CSV: it holds bytes that no text has.")
        yield piece
