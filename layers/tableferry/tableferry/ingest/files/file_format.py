"""How a file is to be read: its dialect and the columns of its fields, found from its first bytes and the options."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from tableferry.config.load_options import DELIMITERS, Binary, Escape, HeaderLine, Options, checked
from tableferry.errors import InvalidRequest, Problem
from tableferry.ingest.files import rejects
from tableferry.ingest.files.csv_records import BOM, Reader, Record, is_blank, lines_of
from tableferry.ingest.files.dialect import Dialect, State
from tableferry.ingest.files.header import (
    IF_A_ROW,
    are_labels,
    either,
    header_of,
    is_a_row,
    named,
    stands_again,
    unlike_a_header,
)
from tableferry.ingest.rows.rules import Row, Rules
from tableferry.schema.table import Column, Table
from tableferry.schema.types import BYTES

_SEPARATOR = re.compile(rb"(?:\xef\xbb\xbf)?sep=([^\r\n]?)\r?(?:\n|\Z)", re.IGNORECASE)
_SEPARATOR_AGAIN = re.compile(rb"sep=[,;|\t]", re.IGNORECASE)
HEAD_BYTES = 1024 * 1024
"""So much of a file is looked at to see how it is to be read."""

_SNIFFED_BYTES = 64
_WIDE = "UTF-16; save it as UTF-8"
_OTHER_KINDS = {
    b"\xff\xfe": _WIDE,
    b"\xfe\xff": _WIDE,
    b"PK\x03\x04": "a spreadsheet or a ZIP archive; save the sheet as CSV in UTF-8, or compress with gzip or Zstandard",
    b"PAR1": "Parquet; write it as CSV",
    b"\x89PNG": "an image",
    b"\xff\xd8\xff": "an image",
    b"SQLite format 3\0": "a database of SQLite; write its table as CSV",
    b"\xd0\xcf\x11\xe0": "a spreadsheet of an old kind; save the sheet as CSV in UTF-8",
    b"\x1f\x8b": "compressed twice; compress it once",
    b"\x28\xb5\x2f\xfd": "compressed twice; compress it once",
    b"BZh": "compressed with bzip2; compress it with gzip or Zstandard",
    b"\xfd7zXZ": "compressed with xz; compress it with gzip or Zstandard",
}


@dataclass(frozen=True, slots=True)
class Position:
    """Where in the file a block begins: its number, its first line (from 1), and the offset of its first byte."""

    number: int = 0
    line: int = 1
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Reading:
    """What a file's records are held against; ``again`` if they stand in a file of rejects, corrected."""

    rules: Rules
    dialect: Dialect = field(default_factory=Dialect)
    columns: tuple[str, ...] | None = None
    """The columns that a header named, where there was one."""

    again: bool = False
    header: HeaderLine = HeaderLine.AUTO
    """NO where a line that names columns is a row, wherever it stands."""

    def checked(self, record: Record) -> tuple[Row | None, list[Problem]]:
        """The record as a row whose number is its line, or every problem that it has."""
        if self.header is not HeaderLine.NO and (problem := self._begins_again(record)):
            return None, [problem]
        if record.fault:
            return None, [Problem(record.line, "", record.fault.code, record.fault.message)]
        try:
            if fault := self.dialect.fault(record.raw):
                return None, [Problem(record.line, "", *fault)]
            fields = self.dialect.fields(record.raw)
        except UnicodeDecodeError as error:
            message = f"byte {error.start + 1} of the record is not UTF-8"
            return None, [Problem(record.line, "", "encoding", message)]
        if self.header is not HeaderLine.NO and (columns := stands_again(self.rules, fields)):
            return None, [self._header_again(record.line, columns)]
        return self.rules.of_fields(record.line, fields)

    def _begins_again(self, record: Record) -> Problem | None:
        """Why a record is no row that can only be the first line of a file: one of two put together may begin so, too."""
        marked = record.raw.startswith(BOM)
        raw = self.dialect.without_end(record.raw.removeprefix(BOM))
        if _SEPARATOR_AGAIN.fullmatch(raw):
            return Problem(
                record.line, "", "header", f"the line that names the delimiter stands here again; {IF_A_ROW}"
            )
        if not marked or self.dialect.begun(raw) is not State.COMPLETE:
            return None
        try:
            columns = stands_again(self.rules, self.dialect.fields(raw))
        except UnicodeDecodeError:
            return None
        return self._header_again(record.line, columns) if columns else None

    def _header_again(self, line: int, columns: Sequence[Column]) -> Problem:
        """Why a header further down is no row.

        Raises:
            InvalidRequest: it names other columns, or in another order. What follows it would be read into the wrong ones.
        """
        if tuple(columns) == self.rules.columns or self.again:
            return Problem(line, "", "header", f"the header stands here again; {IF_A_ROW}")
        names = ", ".join(column.name for column in columns)
        raise InvalidRequest(
            f"In line {line} another header begins ({names}), and the rows behind it have their fields in another order "
            f"than those before. Cut the file in two there, or {IF_A_ROW}."
        )

    def like(self, described: rejects.Described) -> Reading:
        """The reading of a file of the same table that was described so; raises InvalidRequest."""
        said: rejects.Described = {"header": self.header.value, **described}
        return reading_of(self.rules.table, said, self.again)

    def described(self) -> rejects.Described:
        """What has to be known to read a record of this file elsewhere."""
        found: rejects.Described = {}
        if self.columns is not None:
            found["columns"] = list(self.columns)
        if self.dialect.delimiter != ",":
            found["delimiter"] = self.dialect.delimiter
        if self.dialect.null:
            found["null"] = self.dialect.null
        if self.dialect.escape is not None:
            found["escape"] = self.dialect.escape.value
        if self.dialect.quote is not None:
            found["quote"] = self.dialect.quote.value
        if self.dialect.returns:
            found["returns"] = True
        if self.rules.binary is not Binary.HEX:
            found["binary"] = self.rules.binary.value
        if self.header is HeaderLine.NO:
            found["header"] = self.header.value
        return found


def reading_of(table: Table, described: rejects.Described, again: bool = False) -> Reading:
    """The reading that was described so.

    Raises:
        InvalidRequest: the table has no such columns, or the rest is none that a file can have.
    """
    said: dict[str, object] = {**described}
    names = said.pop("columns", None)
    returns = said.pop("returns", False) is True
    found = checked(said, "What the rejects say of their file:")
    columns: list[Column] | None = None
    if names is not None:
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise InvalidRequest("The columns that the rejects name are no list of names.")
        known = [table.column(name) for name in names]
        columns = [column for column in known if column is not None and not column.generated]
        if len(columns) != len(names):
            raise InvalidRequest(f"Table {table.name!r} has not all of the columns {', '.join(names)}.")
    return Reading(
        rules=Rules(table, columns, found.get("binary", Binary.HEX)),
        dialect=Dialect(
            found.get("delimiter", ","), found.get("null", ""), found.get("escape"), found.get("quote"), returns
        ),
        columns=None if names is None else tuple(names),
        again=again,
        header=found.get("header", HeaderLine.AUTO),
    )


def begin(table: Table, options: Options, head: bytes, again: bool = False) -> tuple[Reading, Position]:
    """How to read the file that begins so, and where its first record is, behind a header if there is one.

    A header line is recognised by naming a column of the table in every field, or said to be there. The delimiter, if none
    is given, is the one that a line ``sep=;`` before all others names (as spreadsheets write it), or that with which the
    first line is a header or has as many fields as the table has columns; else the comma.

    Raises:
        InvalidRequest: the file is empty, or is no text at all; or the first line names columns, or is like their names in
            every field, and is not surely a header.
    """
    for magic, kind in _OTHER_KINDS.items():
        if head.startswith(magic):
            raise InvalidRequest(f"The file is not CSV: it is {kind}.")
    if (wide := _wide(head)) is not None:
        raise InvalidRequest(f"The file is not CSV: it is {wide}.")
    if is_blank(head):
        raise InvalidRequest("The file is empty.")
    if again:
        return Reading(Rules(table), again=True, header=options.header), Position()
    dialects, start = _dialects(options, head)
    firsts = [(dialect, *found) for dialect in dialects if (found := _first(head, dialect, start))]
    rules = Rules(table, None, options.binary)
    likely = next((first for first in firsts if len(first[1]) == len(rules.columns)), None)
    if options.header is not HeaderLine.NO and firsts:
        if with_header := _with_header(table, options, firsts):
            return with_header
        _, names, _ = max(firsts, key=lambda first: (named(table, first[1]), are_labels(table, first[1])))
        must = options.header is HeaderLine.YES
        names_some = named(table, names) or are_labels(table, names)
        if must or (names_some and not (likely and is_a_row(rules, likely[1]))):
            raise unlike_a_header(table, names, said=must)
    _no_raw_bytes(rules.columns, options)
    return Reading(rules, likely[0] if likely else dialects[0], header=options.header), start


def goes_on(options: Options, head: bytes) -> bool:
    """Whether the first record may have its end behind this head of a file, so that more of it is needed to begin.

    Raises:
        InvalidRequest: it is longer than a record may be, or the delimiter is not clear.
    """
    dialects, start = _dialects(options, head)
    whole = head[start.offset : head.rfind(b"\n") + 1]
    for dialect in dialects:
        reader = Reader(dialect)
        if not any(reader.feed(line) for line in lines_of(whole, start.line, start.offset)):
            return True
    return False


def _dialects(options: Options, head: bytes) -> tuple[list[Dialect], Position]:
    """How the file may be written, the likeliest first, and where its first line is that is not ``sep=;``."""
    said, start = _separator(head, options.delimiter)
    escapes = options.escape is Escape.BACKSLASH
    returns = escapes and not _ends_in_returns(head)
    return [
        Dialect(delimiter, options.null, options.escape, options.quote, returns)
        for delimiter in ((said,) if said else DELIMITERS)
    ], start


_First = tuple[Dialect, Sequence[str | None], Position]


def _with_header(table: Table, options: Options, firsts: Sequence[_First]) -> tuple[Reading, Position] | None:
    """How to read the file if, in one of the dialects, the first record is a header; and where the next record is."""
    for dialect, fields, after in firsts:
        if columns := header_of(table, fields):
            if options.header is HeaderLine.AUTO and is_a_row(Rules(table, None, options.binary), fields):
                raise either(fields)
            _no_raw_bytes(columns, options)
            names = tuple(column.name for column in columns)
            return Reading(Rules(table, columns, options.binary), dialect, names, header=options.header), after
    return None


def _wide(head: bytes) -> str | None:
    """UTF-16 without a mark, by its first signs: every second byte of western text is a zero, and no other."""
    first = head[:_SNIFFED_BYTES]
    zeros = {place: first[place::2].count(0) for place in (0, 1)}
    most = max(zeros.values())
    return _WIDE if len(first) >= 4 and 4 * most >= len(first) and not min(zeros.values()) else None


def _ends_in_returns(head: bytes) -> bool:
    """Whether lines end in CRLF, rather than in LF behind texts of which some end in CR."""
    return head.count(b"\r\n") == head.count(b"\n") > 0


def _no_raw_bytes(columns: Sequence[Column], options: Options) -> None:
    """Refuse columns of bytes and bits unless it is said how they are written: INTO OUTFILE writes them as they are.

    Some of that would be taken for hexadecimal digits, or for a number.
    """
    if options.escape is not Escape.BACKSLASH or "binary" in options.said:
        return
    if raw := [column.name for column in columns if column.data_type in BYTES | {"bit"}]:
        raise InvalidRequest(
            f"The file is said to have escapes, and {', '.join(map(repr, raw))} to hold bytes or bits, which INTO OUTFILE "
            "writes as they are. Select HEX() of bytes and `column` + 0 of bits, and say `binary: hex`."
        )


def _separator(head: bytes, said: str | None) -> tuple[str | None, Position]:
    """The delimiter that is said, by the options or a first line ``sep=;``; and where the line after that begins.

    Raises:
        InvalidRequest: they contradict each other, or the line names something else.
    """
    found = _SEPARATOR.match(head)
    if found is None:
        return said, Position()
    named_there = found[1].decode("latin1")
    if named_there not in DELIMITERS:
        raise InvalidRequest(f"The first line names the delimiter {named_there!r}; it has to be one of , ; | and tab.")
    if said is not None and said != named_there:
        raise InvalidRequest(f"The first line names the delimiter {named_there!r}, and what was said is {said!r}.")
    return named_there, Position(0, 2, found.end())


def _first(head: bytes, dialect: Dialect, start: Position) -> tuple[Sequence[str | None], Position] | None:
    """The fields of the first record, and where the next one begins; None if there is none, or it is no text."""
    reader = Reader(dialect)
    for line in lines_of(head[start.offset :], start.line, start.offset):
        for record in reader.feed(line):
            try:
                fields = [] if record.fault else dialect.fields(record.raw)
            except UnicodeDecodeError:
                return None
            return fields, Position(0, line.number + 1, line.offset + len(line.raw) + 1)
    return None
