"""How much a run of the tests takes upon itself: a sample, which `make test` does, or all of it (`make test-thorough`)."""

import os
from collections.abc import Sequence
from typing import TypeVar

import pytest

T = TypeVar("T")

THOROUGH = os.environ.get("THOROUGH") == "1"

thorough = pytest.mark.thorough
"""A test that takes too long for every run: `make test` leaves it out."""


CASES = 2
"""How many of a test's cases a sample has, where each of them uses a server."""


def some_cases(items: Sequence[pytest.Item], turn: int) -> list[pytest.Item]:
    """Of each test with more cases than ``CASES`` that many, evenly spaced, from ``turn`` on; the others whole."""
    tests: dict[str, list[pytest.Item]] = {}
    for item in items:
        tests.setdefault(item.nodeid.partition("[")[0], []).append(item)
    chosen: set[str] = set()
    for cases in tests.values():
        every = max(1, len(cases) // CASES)
        chosen |= {item.nodeid for item in (cases if every == 1 else cases[turn % every :: every][:CASES])}
    return [item for item in items if item.nodeid in chosen]


def effort(sample: int, all_of_it: int) -> int:
    """How many examples, points or turns."""
    return all_of_it if THOROUGH else sample


def one_in(every: int, cases: Sequence[T], first: int = 0) -> list[T]:
    """All the cases, or one in so many from the first on."""
    return list(cases) if THOROUGH else list(cases[first::every])
