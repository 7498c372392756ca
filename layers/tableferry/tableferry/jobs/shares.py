"""Work on tables cut in tasks, and the tasks shared out among workers: the same for whatever is done with the tables.

A task fits in JSON. That all tasks together are all of the work, each piece once, is what the cut promises.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Share:
    """Pieces of one table, by their numbers: from ``first`` up to, but not with, ``end``.

    ``table`` is its number among the tables; what a piece is, who makes the tasks says.
    """

    table: int
    first: int
    end: int


def cut(tables: Iterable[Sequence[float]], at_most: float) -> Iterator[tuple[tuple[Share, ...], float]]:
    """Neighbouring pieces, of small tables too, together in tasks that are not much larger than ``at_most``.

    ``tables`` are the sizes of each table's pieces; with each task comes its size. Every piece is in exactly one task.
    """
    shares: list[Share] = []
    size = 0.0
    for table, pieces in enumerate(tables):
        first = 0
        for end, piece in enumerate(pieces, 1):
            size += piece
            if size >= at_most:
                yield (*shares, Share(table, first, end)), size
                shares, size, first = [], 0.0, end
        if first < len(pieces):
            shares.append(Share(table, first, len(pieces)))
    if shares:
        yield tuple(shares), size


def workers_of(sizes: Sequence[float], workers: int) -> list[int]:
    """Whose each task is, by the tasks' sizes: the largest first, each to the worker who has the least to do so far."""
    load = [0.0] * workers
    given = [0] * len(sizes)
    for task in sorted(range(len(sizes)), key=lambda task: (-sizes[task], task)):
        given[task] = load.index(min(load))
        load[given[task]] += sizes[task] + 1  # of empty tables each has some, too
    return given
