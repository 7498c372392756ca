"""Pauses between tries of what others stand in the way of, such as a server without a free connection."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator

from tableferry import deadline

_FIRST_SECONDS, _LONGEST_SECONDS = 0.05, 5.0

_random = secrets.SystemRandom()
clock: Callable[[], float] = time.monotonic
sleep: Callable[[float], None] = time.sleep


def growing(seconds: float, first: float = _FIRST_SECONDS, longest: float = _LONGEST_SECONDS) -> Iterator[None]:
    """Something to try after each pause, for ``seconds`` in all, and no longer than the invocation has time.

    Each pause is of a random length, up to twice as long as the one before could be: who came together does not come
    together again (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
    """
    until = clock() + seconds
    most = first
    while True:
        pause = _random.uniform(most / 2, most)
        if clock() + pause > until or deadline.current().near(pause):
            return
        sleep(pause)
        yield
        most = min(2 * most, longest)
