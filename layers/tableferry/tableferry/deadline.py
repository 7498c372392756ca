"""When an invocation is ended by Lambda, whatever it is doing."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextvars import ContextVar


class Deadline:
    """Goes by Lambda's own clock: ``left`` says how many seconds there are until the end."""

    def __init__(self, left: Callable[[], float]) -> None:
        self.left = left
        self._margin = min(30.0, left() / 5)  # to write what has been done, in a busy database

    def near(self, seconds: float) -> bool:
        """Whether something that takes so long might not be done in time."""
        return self.left() < seconds + self._margin


NEVER = Deadline(lambda: math.inf)
"""For work that nobody ends."""

_current = ContextVar("deadline", default=NEVER)


def set_for_this(deadline: Deadline) -> None:
    """Say when the invocation ends that begins now."""
    _current.set(deadline)


def current() -> Deadline:
    """That of the invocation under way."""
    return _current.get()
