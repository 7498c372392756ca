"""What was timed: a name, its turns, and the plain ways that took turns with it."""

import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(slots=True)
class Series:
    """One thing that was timed, turn by turn, with so many rows each time. ``peak`` is in bytes."""

    name: str
    rows: int
    beside: Sequence["Series"] = ()
    """The plain ways, each timed in the same turns; their rows may be fewer, so that ratios are of rows a second."""

    short: str = ""
    """What a ratio to it is called, if not by its whole name."""

    seconds: list[float] = field(default_factory=list)
    peak: int | None = None

    @property
    def rate(self) -> float:
        """Rows a second, by the median."""
        return self.rows / statistics.median(self.seconds)

    def saw(self, peak: int | None) -> None:
        """Another figure for the memory: the highest stays."""
        self.peak = max((value for value in (self.peak, peak) if value is not None), default=None)

    def without_first(self) -> None:
        """Leave the first turn out, in which the function was started and caches were cold."""
        del self.seconds[0]

    def against(self, plain: "Series") -> tuple[float, float, float]:
        """Our rows a second by the plain way's: by the medians, and the least and the most of the turns."""
        turns = [
            (self.rows / ours) / (plain.rows / theirs)
            for ours, theirs in zip(self.seconds, plain.seconds, strict=False)  # cases with few repeats have fewer
        ]
        return self.rate / plain.rate, min(turns), max(turns)


@contextmanager
def timed(seconds: list[float]) -> Iterator[None]:
    """Add how long the block took."""
    begin = time.perf_counter()
    yield
    seconds.append(time.perf_counter() - begin)
