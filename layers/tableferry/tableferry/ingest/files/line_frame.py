"""The lines of a block as a frame: which of them are surely good, all at once, and what the server is sent.

Memory: about six times the block.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

import polars as pl

from tableferry.ingest.files.csv_records import BOM, Line
from tableferry.ingest.files.dialect import Dialect
from tableferry.ingest.files.line_pattern import BACKSLASH_N, COUNTED, EMPTY, Sure, sure_of
from tableferry.schema.table import Column

_MOST_DISTINCT = 10_000
_MOST_FETCHED = 1024
_MARK = r"\x{FEFF}"


class Judge:
    """Tells of the lines of these columns which are surely good; without columns to go by, none is."""

    def __init__(self, columns: Sequence[Column], dialect: Dialect, names: Sequence[str] = ()) -> None:
        """Lines whose first field is one of the ``names`` are left to the rules: they may be a header."""
        self.dialect = dialect
        words = "|".join(re.escape(name.replace('"', '""')) for name in names)
        self.named = rf'^(?i){_MARK}?\s*"?\s*(?:{words})\s*"?\s*(?:{re.escape(dialect.delimiter)}|$)' if names else None
        self.sure = next((found for counted in COUNTED if (found := _possible(columns, dialect, counted))), None)


def _possible(columns: Sequence[Column], dialect: Dialect, counted: int) -> Sure | None:
    """The expression, if there is one and it is none too large to be used."""
    sure = sure_of(columns, dialect, counted) if columns else None
    try:
        return sure if sure and pl.Series([""]).str.contains(sure.line) is not None else None
    except pl.exceptions.ComputeError:
        return None


class Lines:
    """Whole lines of a file, from the beginning of a record, as many as ``most``; the last may lack its LF."""

    def __init__(self, data: bytes, first: int, offset: int, most: int, judge: Judge) -> None:
        self.first = first
        self._judge = judge
        mark = len(BOM) if offset == 0 and data.startswith(BOM) else 0
        try:
            text, self._damaged = pl.Series([data[mark:]]).cast(pl.String), False
        except pl.exceptions.ComputeError:  # bytes that are no UTF-8
            text, self._damaged = pl.Series([data[mark:].decode(errors="replace")]), True
        lines = text.str.split("\n").explode()
        last = len(lines) - 1 if data.endswith(b"\n") else len(lines)
        self.whole = last <= most
        self._lines = lines.head(min(last, most))
        if self._damaged:  # then lengths in the text are not those in the file
            self._raws = data[mark:].split(b"\n", len(self._lines))[: len(self._lines)]
            lengths = pl.Series([len(raw) for raw in self._raws], dtype=pl.Int64)
        else:
            lengths = self._lines.str.len_bytes().cast(pl.Int64)
        self._ends = (lengths + 1).cum_sum() + (offset + mark)
        self._lengths = lengths
        self._plain = self._lines if judge.dialect.returns else self._lines.str.strip_suffix("\r")
        self.sure = self._judged()

    def __len__(self) -> int:
        return len(self._lines)

    def begins(self, index: int) -> int:
        """The offset in the file of a line's first byte; that of the end, if there is no such line."""
        return int(self._ends[index - 1]) if index == len(self) else int(self._ends[index] - self._lengths[index] - 1)

    def since(self, index: int) -> Iterator[Line]:
        """The lines from one on, as they came; fetched more and more at a time, since a long record may have many."""
        count = 1
        while index < len(self):
            ends, lengths = self._ends.slice(index, count).to_list(), self._lengths.slice(index, count).to_list()
            raws = (
                self._raws[index : index + count] if self._damaged else self._encoded(self._lines.slice(index, count))
            )
            for number, end, length, raw in zip(
                range(self.first + index, self.first + index + count), ends, lengths, raws, strict=False
            ):
                yield Line(number, end - length - 1, raw)
            index, count = index + count, min(2 * count, _MOST_FETCHED)

    @staticmethod
    def _encoded(lines: pl.Series) -> list[bytes]:
        return [text.encode() for text in lines.to_list()]

    def doubtful(self) -> list[Line]:
        """The lines that are not surely good."""
        indices = (~self.sure).arg_true()
        ends, lengths = self._ends.gather(indices).to_list(), self._lengths.gather(indices).to_list()
        raws = [self._raws[index] for index in indices] if self._damaged else self._encoded(self._lines.gather(indices))
        return [
            Line(self.first + index, end - length - 1, raw)
            for index, end, length, raw in zip(indices.to_list(), ends, lengths, raws, strict=True)
        ]

    def _judged(self) -> pl.Series:
        """Whether each line is surely good, if it begins a record."""
        sure, lines = self._judge.sure, self._plain
        if sure is None or not len(lines):
            return pl.repeat(value=False, n=len(lines), eager=True)
        # LOAD DATA would take the text NULL without quotes for what it says.
        good = lines.str.contains(sure.line) & ~lines.str.contains("NULL", literal=True) & (lines != "")
        if int(self._lengths.max()) > sure.longest:  # type: ignore[arg-type]  # of integers
            good &= self._lengths <= sure.longest
        if self._judge.named is not None:
            good &= ~lines.str.contains(self._judge.named)
        if self._damaged:
            good &= ~lines.str.contains("\ufffd", literal=True)
        null = self._judge.dialect.null
        if null not in (EMPTY, BACKSLASH_N):
            good &= ~lines.str.contains(null, literal=True)
        if sure.nulls and null == EMPTY:
            double = self._judge.dialect.delimiter * 2
            pairs = lines.str.contains('"', literal=True) & lines.str.contains(double, literal=True)
            if pairs.any():
                good &= ~pairs | lines.str.contains(sure.no_double)
        return good

    def payload(self, count: int, taken: Sequence[int], written: Mapping[int, str]) -> pl.Series:
        """The lines that LOAD DATA reads of the first ``count`` lines, in the file's order, a record each.

        That is the sure lines, and the records ``written`` by hand by their first line. ``taken`` are lines that belong to
        another line's record.
        """
        sure = self.sure.clone()
        if taken:
            sure = sure.scatter(list(taken), False)  # a value
        lines = self._plain
        if self._judge.sure is not None and self._judge.sure.nulls:
            lines = self._with_nulls(lines)
        if written:
            lines = lines.clone().scatter(list(written), list(written.values()))
            sure = sure.scatter(list(written), True)
        return lines.head(count).filter(sure.head(count))

    def _with_nulls(self, lines: pl.Series) -> pl.Series:
        """The word NULL wherever a field is NULL."""
        delimiter, null = self._judge.dialect.delimiter, self._judge.dialect.null
        if null != EMPTY:
            return lines.str.replace_all(null, "NULL", literal=True)
        if lines.str.contains(delimiter * 2, literal=True).any():
            for _ in range(2):  # of two neighbours the first round sees one
                lines = lines.str.replace_all(delimiter * 2, f"{delimiter}NULL{delimiter}", literal=True)
        if lines.str.starts_with(delimiter).any():
            lines = lines.str.replace(f"^{re.escape(delimiter)}", f"NULL{delimiter}")
        if lines.str.ends_with(delimiter).any():
            lines = lines.str.replace(f"{re.escape(delimiter)}$", f"{delimiter}NULL")
        return lines


def joined(lines: pl.Series) -> bytes:
    """Lines as a file."""
    return bytes(lines.str.join("\n").cast(pl.Binary).item()) + b"\n" if len(lines) else b""


def distinct(lines: pl.Series, delimiter: str, width: int, places: Mapping[str, int]) -> dict[str, list[int] | None]:
    """The distinct whole numbers, NULL apart, in some of the ``width`` fields of lines for LOAD DATA, by name and place.

    None where there are many, or something else.
    """
    if not places:
        return {}
    separator = re.escape(delimiter)
    quoted = lines.str.contains('"', literal=True)
    fields = lines.filter(~quoted).str.split_exact(delimiter, width - 1).struct.unnest()
    others = lines.filter(quoted)
    found: dict[str, list[int] | None] = {}
    for name, place in places.items():
        before = f'(?:(?:"(?:[^"]|"")*"|[^"{separator}]*){separator}){{{place}}}'
        texts = fields[f"field_{place}"].unique()
        if len(others):
            texts = pl.concat(
                [texts, others.str.extract(f'^{before}"?([^"{separator}]*)"?(?:{separator}|$)', 1)]
            ).unique()
        values = texts.filter(texts != "NULL").cast(pl.Int64, strict=False) if not texts.has_nulls() else None
        few = values is not None and not values.has_nulls() and len(values) <= _MOST_DISTINCT
        found[name] = values.unique().to_list() if values is not None and few else None
    return found
