"""What is asked for some time before it is needed, and no more of it than that."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from contextlib import closing
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


def ahead(items: Generator[T, None, None], count: int) -> Generator[T, None, None]:
    """The same items, of which so many are taken at once, and as many are always taken that were not given yet.

    For work that begins when an item is made. Closing it closes ``items``. Memory: so many of them.
    """
    return _rest(deque(islice(items, count)), items)


def _rest(taken: deque[T], items: Generator[T, None, None]) -> Generator[T, None, None]:
    with closing(items):
        for item in items:
            taken.append(item)
            yield taken.popleft()
        while taken:
            yield taken.popleft()
