"""How a file is to be read: its dialect and the columns of its fields, found from its first bytes and the options."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from tableferry import rejects
from tableferry.csvfile import Dialect, Reader, Record, is_blank, lines_of
from tableferry.errors import InvalidRequest, Problem
from tableferry.header import header_of
from tableferry.options import Binary, Options, checked
from tableferry.rules import Row, Rules
from tableferry.tables import Column, Table

_DELIMITERS = (",", ";", "\t", "|")
HEAD_BYTES = 1024 * 1024
"""So much of a file is looked at to see how it is to be read."""

_SNIFFED_BYTES = 256 * 1024
_OTHER_KINDS = {
    b"\xff\xfe": "UTF-16; save it as UTF-8",
    b"\xfe\xff": "UTF-16; save it as UTF-8",
    b"PK\x03\x04": "a spreadsheet or a ZIP archive; save the sheet as CSV in UTF-8, or compress with gzip or Zstandard",
    b"PAR1": "Parquet; write it as CSV",
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

    def checked(self, record: Record) -> tuple[Row | None, list[Problem]]:
        """The record as a row whose number is its line, or every problem that it has."""
        if record.fault:
            return None, [Problem(record.line, "", record.fault.code, record.fault.message)]
        try:
            return self.rules.of_fields(record.line, self.dialect.fields(record.raw))
        except UnicodeDecodeError as error:
            message = f"byte {error.start + 1} of the record is not UTF-8"
            return None, [Problem(record.line, "", "encoding", message)]

    def like(self, described: rejects.Described) -> Reading:
        """The reading of a file of the same table that was described so; raises InvalidRequest."""
        return reading_of(self.rules.table, described, self.again)

    def described(self) -> rejects.Described:
        """What has to be known to read a record of this file elsewhere."""
        found: rejects.Described = {}
        if self.columns is not None:
            found["columns"] = list(self.columns)
        if self.dialect.delimiter != ",":
            found["delimiter"] = self.dialect.delimiter
        if self.dialect.null:
            found["null"] = self.dialect.null
        if self.rules.binary is not Binary.HEX:
            found["binary"] = self.rules.binary.value
        return found


def reading_of(table: Table, described: rejects.Described, again: bool = False) -> Reading:
    """The reading that was described so.

    Raises:
        InvalidRequest: the table has no such columns, or the rest is none that a file can have.
    """
    said: dict[str, object] = {**described}
    names = said.pop("columns", None)
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
        dialect=Dialect(found.get("delimiter", ","), found.get("null", "")),
        columns=None if names is None else tuple(names),
        again=again,
    )


def begin(table: Table, options: Options, head: bytes, again: bool = False) -> tuple[Reading, Position]:
    """How to read the file that begins so, and where its first record is, behind a header if there is one.

    A header line is recognised by naming columns of the table. The delimiter, if none is given, is that with which the
    first line is a header or has as many fields as the table has columns; else the comma.

    Raises:
        InvalidRequest: the file is empty, or is no text at all.
    """
    for start, kind in _OTHER_KINDS.items():
        if head.startswith(start):
            raise InvalidRequest(f"The file is not CSV: it is {kind}.")
    if b"\0" in head[:_SNIFFED_BYTES]:
        raise InvalidRequest("The file is not CSV: it holds bytes that no text has.")
    if is_blank(head):
        raise InvalidRequest("The file is empty.")
    if again:
        return Reading(Rules(table), again=True), Position()
    firsts = {}
    for delimiter in (options.delimiter,) if options.delimiter else _DELIMITERS:
        dialect = Dialect(delimiter, options.null)
        if (first := _first(head, dialect)) is None:
            continue
        fields, after = first
        if columns := header_of(table, fields):
            names = tuple(column.name for column in columns)
            return Reading(Rules(table, columns, options.binary), dialect, names), after
        firsts[delimiter] = len(fields)
    expected = len(table.stored)
    chosen = options.delimiter or next((each for each, count in firsts.items() if count == expected), ",")
    return Reading(Rules(table, None, options.binary), Dialect(chosen, options.null)), Position()


def _first(head: bytes, dialect: Dialect) -> tuple[Sequence[str | None], Position] | None:
    """The fields of the first record, and where the next one begins; None if there is none, or it is no text."""
    reader = Reader(dialect)
    for line in lines_of(head):
        for record in reader.feed(line):
            try:
                fields = [] if record.fault else dialect.fields(record.raw)
            except UnicodeDecodeError:
                return None
            return fields, Position(0, line.number + 1, line.offset + len(line.raw) + 1)
    return None
