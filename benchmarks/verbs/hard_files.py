"""How long files take whose quotes are not closed, or whose rows are all bad, by size: twice the file, twice the time.

`python -m benchmarks.verbs.hard_files` prints the seconds of the processor and MB a second. No database is asked: what is timed is a
file's way into blocks of good lines and rejects. Beside it, the way of a backup's object into a frame, by columns.
"""

import argparse
import io
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import polars as pl

from tableferry.columnar import digest, formats
from tableferry.config.load_options import Escape, HeaderLine, Options, Quote
from tableferry.ingest.files.blocks import blocks
from tableferry.ingest.files.file_format import begin
from tableferry.schema.codec import Codec, Kind
from tableferry.schema.table import Column, Table

SIZES = (250_000, 500_000, 1_000_000)
COLUMNS = (250, 500, 1000)
_ROWS = 200
_PIECE = 64 * 1024
_PLAIN = Options(delimiter=",", header=HeaderLine.NO)
_ESCAPES = Options(
    delimiter=",", header=HeaderLine.NO, escape=Escape.BACKSLASH, quote=Quote.DOUBLE, said=frozenset({"binary"})
)


@dataclass(frozen=True, slots=True)
class Shape:
    """A file: how it starts, what it goes on with, and for how many columns of numbers it is."""

    name: str
    start: bytes
    unit: bytes
    options: Options = _PLAIN
    columns: int = 2


@dataclass(frozen=True, slots=True)
class Figure:
    """A file of a shape: its bytes (or columns), records of it, rejects, and the processor's seconds."""

    name: str
    size: int
    read: int
    rejected: int
    seconds: float


SHAPES = (
    Shape("good rows", b"", b"12345,67890\n"),
    Shape("one quote that is not closed, then good rows", b'"', b"12345,67890\n"),
    Shape("a quote that is not closed in each row", b"", b'12345,"6789\n'),
    Shape("a quote alone in each line", b"", b'"\n'),
    Shape("a quote alone at each row's end", b"", b'12345,"\n'),
    Shape("an escaped line end behind each row", b"", b"12345,6789\\\n", _ESCAPES),
    Shape("an escape and a quote in each row", b"", b'12345,"6\\\n', _ESCAPES),
    Shape("a bad value in each row", b"", b"12345,abcde\n"),
    Shape("a bad value in each of 500 columns", b"", b",".join([b"x"] * 500) + b"\n", columns=500),
)


def measure(sizes: Sequence[int] = SIZES, shapes: Sequence[Shape] = SHAPES) -> Iterator[Figure]:
    """Time each shape in each size."""
    return (_file(shape, size) for shape in shapes for size in sizes)


def _file(shape: Shape, size: int) -> Figure:
    columns = tuple(Column(f"c{number}", "int", "int", nullable=True) for number in range(shape.columns))
    body = shape.start + shape.unit * (size // len(shape.unit))
    pieces = [body[at : at + _PIECE] for at in range(0, len(body), _PIECE)]
    began = time.process_time()
    reading, start = begin(Table("s", "t", "InnoDB", columns, ()), shape.options, body[: 1024 * 1024])
    read = rejected = 0
    for block in blocks(reading, pieces, start):
        read += block.read
        rejected += len(block.rejects)
    return Figure(shape.name, size, read, rejected, time.process_time() - began)


def wide(counts: Sequence[int] = COLUMNS) -> list[Figure]:
    """Time a backup's object of so many columns and few rows on its way to what a restore loads and is held to."""
    return [_object(count) for count in counts]


def _object(count: int) -> Figure:
    columns = [Codec(f"c{number}", Kind.INT, bits=32) for number in range(count)]
    frame = pl.DataFrame({column.name: pl.Series(range(_ROWS), dtype=pl.Int32) for column in columns})
    file = io.BytesIO()
    frame.write_parquet(file)
    steps: list[Callable[[], object]] = [
        lambda: formats.read(file.getvalue(), columns, formats.Format.PARQUET),
        lambda: formats.for_csv(frame, columns),
        lambda: digest.digest(frame, columns),
    ]
    began = time.process_time()
    for step in steps:
        step()
    return Figure("an object of so many columns", count, _ROWS, 0, time.process_time() - began)


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="bytes of the files")
    arguments = parser.parse_args()
    print(f"{'file':46} {'size':>9} {'read':>8} {'rejects':>8} {'s':>7} {'µs for each':>11}")
    for figure in chain(measure(arguments.sizes), wide()):
        each = figure.seconds * 1e6 / figure.size
        print(
            f"{figure.name:46} {figure.size:9} {figure.read:8} {figure.rejected:8} {figure.seconds:7.2f} {each:11.3f}"
        )


if __name__ == "__main__":
    _main()
