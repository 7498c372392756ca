"""`python -m benchmarks.verbs.digest`: what a row's hash costs: without a key, with one, and as long as a lattice's sum needs.

A multiset hash that holds against chosen rows without a secret (LtHash, Bellare and Micciancio 1997, Lewi and others
2019) adds up 2 KiB a row: as much of BLAKE2b as 32 blocks give. Those blocks are what the last column times. Processor
time of one thread, in turn.
"""

import os
import statistics
import sys
import time
from collections.abc import Callable

import polars as pl
from rich.console import Console
from rich.table import Table

from tableferry.columnar.native import library

TURNS = 7
ROWS = 200_000
SIZES = (60, 190)
LATTICE_BYTES = 2048
_BLOCK, _OUT = 128, 64


def main() -> int:
    """Measure and print; 1 without the compiled library, whose hash this is about."""
    if not library.library():
        print("The native library is not there: `make setup` compiles it where there is a C compiler.", file=sys.stderr)
        return 1
    table = Table(title=f"Nanoseconds a row, medians of {TURNS} turns (least to most)", title_justify="left")
    for column in ("bytes a row", "without a key", "with a key", f"{LATTICE_BYTES // _OUT} blocks", "with / without"):
        table.add_column(column, justify="right")
    for size in SIZES:
        table.add_row(str(size), *measured(size, ROWS, TURNS))
    Console().print(table)
    return 0


def measured(size: int, count: int, turns: int) -> list[str]:
    """The row of the table for rows of so many bytes."""
    key = os.urandom(64)
    rows = _rows(size, count)
    blocks = _rows(LATTICE_BYTES // _OUT * _BLOCK, count // 10)
    ways: list[tuple[Callable[[], int], int]] = [
        (lambda: library.hashed(rows), count),
        (lambda: library.hashed(rows, key), count),
        (lambda: library.hashed(blocks), count // 10),
    ]
    seen = [[_cpu(way) / each * 1e9 for way, each in ways] for _ in range(turns)]
    return [_said(list(column), "{:.0f}") for column in zip(*seen, strict=True)] + [
        _said([keyed / plain for plain, keyed, _ in seen], "{:.2f}")
    ]


def _rows(size: int, count: int) -> pl.Series:
    return pl.Series([os.urandom(size) for _ in range(count)], dtype=pl.Binary)


def _cpu(way: Callable[[], int]) -> float:
    begun = time.thread_time()
    way()
    return time.thread_time() - begun


def _said(values: list[float], form: str) -> str:
    return f"{form} ({form} to {form})".format(statistics.median(values), min(values), max(values))


if __name__ == "__main__":
    sys.exit(main())
