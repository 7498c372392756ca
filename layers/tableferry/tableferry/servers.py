"""Which server it is: MySQL or MariaDB, and its version."""

from __future__ import annotations

import re
from dataclasses import dataclass

_VERSION = re.compile(r"(?:5\.5\.5-)?(\d+)\.(\d+)\.(\d+)")
_OLDEST = {"MySQL": (8, 0), "MariaDB": (10, 6)}


@dataclass(frozen=True, slots=True)
class Server:
    """A server by what it calls itself. ``str()`` of it is for people, such as ``MySQL 9.7.0``."""

    flavour: str
    version: tuple[int, int, int]

    @classmethod
    def of(cls, text: str) -> Server:
        """Of a version such as ``10.11.19-MariaDB-log``; what cannot be read is version 0."""
        found = _VERSION.match(text)
        numbers = (int(found[1]), int(found[2]), int(found[3])) if found else (0, 0, 0)
        return cls("MariaDB" if "mariadb" in text.lower() else "MySQL", numbers)

    @property
    def mariadb(self) -> bool:
        return self.flavour == "MariaDB"

    @property
    def too_old(self) -> bool:
        return self.version < _OLDEST[self.flavour]

    @property
    def oldest(self) -> str:
        """The oldest version that will do."""
        return ".".join(str(number) for number in _OLDEST[self.flavour])

    def __str__(self) -> str:
        return f"{self.flavour} {'.'.join(str(number) for number in self.version)}"
