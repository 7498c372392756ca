"""Shows work in named steps, some at once: on a terminal in a line that lives, elsewhere in few plain ones.

Standard library only, as ``make setup`` is: it runs before anything is installed. A step's end is one line, with its
size and its seconds; so is what was under way after 2, 10, 30 and 60 seconds, and every minute then. All goes to
standard error: what programs read of a target is its standard output.
"""

import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

_DRAWN_EVERY_SECONDS = 0.2
_TOLD_AFTER_SECONDS = (2.0, 10.0, 30.0, 60.0)
_TOLD_EVERY_SECONDS = 60.0
_CLEAR = "\r\x1b[2K"


class Step:
    """One piece of work under way: its ``size`` is said at its end, what ``so_far`` returns until then."""

    def __init__(self, name: str, size: str, began: float) -> None:
        self.name, self.size, self.began = name, size, began
        self.so_far: Callable[[], str] = lambda: self.size
        self.is_silent = False
        """Whether its end is not said: there was nothing to do, or it is said otherwise."""


class Steps:
    """The steps of one command. To be closed, which says the total; safe to use from several threads.

    Args:
        command: what its lines begin with.
        out: where they go; on a terminal the last of them lives. Standard error, if none is given.
        live: whether it is one; looked up if it is not said.
        clock: seconds that only grow.
    """

    def __init__(
        self,
        command: str,
        out: TextIO | None = None,
        live: bool | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._command, self._out, self._clock = command, out or sys.stderr, clock
        self._live = is_live(self._out) if live is None else live
        self._lock = threading.RLock()
        self._running: list[Step] = []
        self._began = clock()
        self._told = 0
        self._ended = 0
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @contextmanager
    def step(self, name: str, size: str = "") -> Iterator[Step]:
        """Show a step while it is under way, and its end, or that it failed."""
        step = Step(name, size, self._clock())
        with self._lock:
            self._running.append(step)
            if self._thread is None:
                self._thread = threading.Thread(target=self._keep_showing, daemon=True)
                self._thread.start()
        failed = True
        try:
            yield step
            failed = False
        finally:
            with self._lock:
                self._running.remove(step)
                if step.is_silent:
                    self._write("")
                else:
                    self._ended += 1
                    seconds = f"{self._clock() - step.began:.1f} s"
                    about = f"failed after {seconds}" if failed else ", ".join(filter(None, (step.size, seconds)))
                    self.say(f"{name}: {about}")

    def say(self, text: str) -> None:
        """Show text that stays, whole."""
        with self._lock:
            self._write(f"{self._command}: {text}\n")
            self.draw()

    def draw(self) -> None:
        """Draw the line that lives anew, or say where all is if it is time for that."""
        with self._lock:
            if not self._running:
                return
            if self._live:
                width = shutil.get_terminal_size().columns - 1
                self._out.write(_CLEAR + self._line()[:width])
                self._out.flush()
            elif self._clock() - self._began >= self._next_told():
                self._told += 1
                self._write(self._line() + "\n")

    def close(self) -> None:
        """End the line that lives, and say how long all took, if there was anything to do."""
        self._stop.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
        with self._lock:
            if self._ended:
                self._write(f"{self._command}: {self._clock() - self._began:.1f} s in all\n")
            self._ended = 0

    def _write(self, text: str) -> None:
        self._out.write((_CLEAR if self._live else "") + text)
        self._out.flush()

    def _line(self) -> str:
        seconds = self._clock() - self._began
        said = ((step.name, step.so_far()) for step in self._running)
        at_work = "; ".join(f"{name}: {so_far}" if so_far else name for name, so_far in said)
        return f"{self._command}: {int(seconds) // 60}:{int(seconds) % 60:02d} {at_work}"

    def _next_told(self) -> float:
        last = len(_TOLD_AFTER_SECONDS)
        if self._told < last:
            return _TOLD_AFTER_SECONDS[self._told]
        return _TOLD_AFTER_SECONDS[-1] + (self._told - last + 1) * _TOLD_EVERY_SECONDS

    def _keep_showing(self) -> None:
        while not self._stop.wait(_DRAWN_EVERY_SECONDS):
            self.draw()


@contextmanager
def steps(command: str, out: TextIO | None = None) -> Iterator[Steps]:
    """The steps of a command, closed at the end of the block, whatever ends it."""
    shown = Steps(command, out)
    try:
        yield shown
    finally:
        shown.close()


def is_live(out: TextIO, environment: Mapping[str, str] = os.environ) -> bool:
    """Whether a line that was written can be drawn anew: on a terminal that can, and not in CI, whose log keeps it all."""
    return out.isatty() and environment.get("TERM", "dumb") != "dumb" and not environment.get("CI")


def size_of(folder: Path) -> int:
    """The bytes of all files in a folder."""
    found = 0
    for where, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):
                found += Path(where, name).lstat().st_size
    return found


def megabytes(count: int) -> str:
    """A number of bytes in MB of a million, or in kB where that is none."""
    return f"{count / 1e6:.0f} MB" if count >= 1e6 else f"{count / 1e3:.0f} kB"
