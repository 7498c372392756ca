"""How far pip and apt-get are, from what they print and what is there. Standard library only, as `tools.setup` is."""

import re
from pathlib import Path

from local.runtime.steps import megabytes


class PipInstalling:
    """How far pip is with a lock's ``packages``, from what it prints and what is there."""

    _SIZE = re.compile(r"^ *(?:Downloading|Using cached) \S+ \(([\d.]+) (bytes|kB|MB|GB)\)")
    _UNITS = {"bytes": 1, "kB": 1_000, "MB": 1_000_000, "GB": 1_000_000_000}  # noqa: RUF012  # read only

    def __init__(self, lock: Path, environment: Path) -> None:
        self.packages = len(re.findall(r"^[\w.-]+==", lock.read_text(), re.MULTILINE))
        self._environment = environment
        self._before = 0
        self._fetched = self._bytes = 0
        self._installs = False

    def hear(self, line: str) -> None:
        """Take in a line that pip has printed."""
        if line.startswith("Ignoring "):  # of another platform, or another Python
            self.packages -= 1
        elif line.startswith(("Collecting ", "Processing ")):
            self._fetched += 1
        elif found := self._SIZE.match(line):
            self._bytes += round(float(found[1]) * self._UNITS[found[2]])
        elif line.startswith("Installing collected packages"):
            self._before, self._installs = self._present(), True

    def so_far(self) -> str:
        """What to show of it."""
        size = f", {megabytes(self._bytes)}" if self._bytes else ""
        if self._installs:
            return f"{max(self._present() - self._before, 0)} of {self.packages} packages installed{size}"
        return f"{self._fetched} of {self.packages} packages fetched{size}"

    def _present(self) -> int:
        return sum(1 for _ in self._environment.glob("lib/python*/site-packages/*.dist-info"))


class AptInstalling:
    """How far apt-get is, from what it prints."""

    def __init__(self) -> None:
        self._of, self._set_up = "?", 0
        self._fetched = self._taken = ""

    def hear(self, line: str) -> None:
        """Take in a line that apt-get has printed."""
        if found := re.match(r"(?:\d+ upgraded, )(\d+) newly installed", line):
            self._of = found[1]
        elif found := re.match(r"Need to get (.+?) of archives", line):
            self._fetched = found[1].split("/")[0]
        elif found := re.match(r"After this operation, (.+?) of additional disk space", line):
            self._taken = found[1]
        elif line.startswith("Setting up "):
            self._set_up += 1

    def so_far(self) -> str:
        """What to show of it."""
        return f"{self._set_up} of {self._of} packages set up" + (f", {self._fetched}" if self._fetched else "")

    def size(self) -> str:
        """What it came to."""
        return f"{self._set_up} packages" + (f", {self._taken}" if self._taken else "")
