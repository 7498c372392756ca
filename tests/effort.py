"""How much a run of the tests takes upon itself: a sample, which `make test` does, or all of it (`make test-thorough`)."""

import os
from collections.abc import Sequence
from typing import TypeVar

import pytest

T = TypeVar("T")

THOROUGH = os.environ.get("THOROUGH") == "1"

thorough = pytest.mark.thorough
"""A test that takes too long for every run: `make test` leaves it out."""


def effort(sample: int, all_of_it: int) -> int:
    """How many examples, points or turns."""
    return all_of_it if THOROUGH else sample


def one_in(every: int, cases: Sequence[T], first: int = 0) -> list[T]:
    """All the cases, or one in so many from the first on."""
    return list(cases) if THOROUGH else list(cases[first::every])
