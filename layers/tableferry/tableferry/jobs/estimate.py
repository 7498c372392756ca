"""How far work is, and how long it will go on: the one shape in which jobs and loads tell it."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

_MOST_BEFORE_THE_END = 99.9


class ProgressView(BaseModel):
    """How far work is. One that waits says so by its state, and has no ``seconds_left``."""

    model_config = ConfigDict(frozen=True)

    done: int = Field(description="How much is done, of `of`.")
    of: int = Field(description="How much there is to do; 0 until that is known.")
    rows: int = Field(description="The rows in what is done.")
    unit: Literal["bytes", "chunks", "objects"] = Field(description="What `done` and `of` count.")
    percent: float | None = Field(
        description="How much of all the work is done, and that of a restore is to read its tables back, too: from 0 to 100, "
        "and 100 only when it is done. Null until it is known how much there is to do."
    )
    seconds_left: float | None = Field(
        description="An estimate, at the rate since the work began. Null while it waits, once it has stopped, before the "
        "first part is done, and in the last steps, of which it is not known how long they take."
    )


def percent(share: float | None, *, done: bool) -> float | None:
    """A share of the work, from 0 to 1, in hundredths, rounded down to a tenth of one; None if it is not known.

    It is 100 only if the work is done.
    """
    if done:
        return 100.0
    if share is None:
        return None
    return min(math.floor(max(share, 0.0) * 1000) / 10, _MOST_BEFORE_THE_END)


def seconds_left(share: float | None, seconds: float, *, running: bool, done: bool) -> float | None:
    """For how long work goes on, of which so large a share took so many seconds; None where that cannot be known."""
    if done:
        return 0.0
    if not running or share is None or not 0 < share < 1:
        return None
    left = max(seconds, 0.0) / share * (1 - share)
    return round(left, 1) if math.isfinite(left) else None
