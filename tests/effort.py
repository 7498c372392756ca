"""How much a run of the tests takes upon itself: a sample, which `make test` does, or all of it (`make test-all`)."""

import itertools
import os
import zlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import TypeVar

import pytest

T = TypeVar("T")

THOROUGH = os.environ.get("THOROUGH") == "1"
TURN = int(os.environ["TURN"]) if os.environ.get("TURN") else None
TURNS = 20
SECOND_SERVER = os.environ.get("SECOND_SERVER") == "1"
"""Whether another kind of server has had all tests already: the matrix says so of MySQL, which comes after MariaDB."""
SECOND_TURNS = 4

thorough = pytest.mark.thorough
"""A test that takes minutes, or needs all examples: only `make test-all` runs it."""

by_turns = pytest.mark.by_turns
"""A test that takes seconds: a run that is told its ``TURN``, as CI's is, takes one in twenty of these, the next run others.

Not one that alone holds what the README promises, and not one with cases, of which ``sample`` keeps some in every run.
"""

in_ci = pytest.mark.in_ci
"""A test that takes two seconds or more, whose promise another test keeps by a sample: each run with a ``TURN`` has it.

So CI has all of these, each time; `make test` on somebody's machine is through in minutes.
"""

either_server = pytest.mark.either_server
"""A module for which MySQL and MariaDB are the same: what it holds is in the bucket, in a request or in a file.

On the second server a run takes one in four of its tests, the next run others. What touches SQL's text, types, locks,
definitions, privileges, packets, sessions or LOAD DATA itself is in every run.
"""


def sample(cases: int) -> pytest.MarkDecorator:
    """So many of a test's cases are in every run, from all over their list; the others come by turns."""
    return pytest.mark.sample(cases)


def effort(few: int, all_of_it: int) -> int:
    """How many examples, points or turns."""
    return all_of_it if THOROUGH else few


def points(every: int, turn: int | None = TURN) -> Iterator[int]:
    """1, 2, 3 and so on without an end, or one in so many of them: from the first on, in the next turn from the second on."""
    step = effort(every, 1)
    return itertools.count(1 + (turn or 0) % step, step)


def one_in(every: int, cases: Sequence[T], first: int = 0) -> list[T]:
    """All the cases, or one in so many from the first on."""
    return list(cases) if THOROUGH else list(cases[first::every])


def chosen(items: Sequence[pytest.Item], turn: int | None = TURN, *, second: bool = SECOND_SERVER) -> list[pytest.Item]:
    """The tests of a run that is not thorough, in their order; without a turn, none of those that come by turns.

    ``second`` is whether it is the run on a second server.
    """
    cases: dict[str, list[pytest.Item]] = defaultdict(list)
    for item in items:
        cases[item.nodeid.partition("[")[0]].append(item)
    return [
        item
        for item in items
        if not item.get_closest_marker("thorough")
        and not (second and item.get_closest_marker("either_server") and not _its_turn(item, turn or 0, SECOND_TURNS))
        and not (turn is None and item.get_closest_marker("in_ci"))
        and (_in_every_run(item, cases[item.nodeid.partition("[")[0]]) or _has_its_turn(item, turn))
    ]


def _in_every_run(item: pytest.Item, cases: Sequence[pytest.Item]) -> bool:
    if item.get_closest_marker("by_turns"):
        return False
    if (marked := item.get_closest_marker("sample")) is None:
        return True
    wanted: int = min(marked.args[0], len(cases))
    place = cases.index(item)
    return place * wanted // len(cases) != (place - 1) * wanted // len(cases)


def _has_its_turn(item: pytest.Item, turn: int | None) -> bool:
    return turn is not None and _its_turn(item, turn, TURNS)


def _its_turn(item: pytest.Item, turn: int, turns: int) -> bool:
    return zlib.crc32(item.nodeid.encode()) % turns == turn % turns
