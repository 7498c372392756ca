"""Which server it is: MySQL or MariaDB, and its version."""

from __future__ import annotations

import re
from dataclasses import dataclass

_VERSION = re.compile(r"(?:5\.5\.5-)?(\d+)\.(\d+)\.(\d+)")
_AURORA = re.compile(r"(\d+)\.(\d+)\.mysql_aurora\.")
_OLDEST_AURORA = {(8, 0): 23}
"""The patch level of the oldest Aurora of a MySQL, where the version names Aurora's own in its place."""
# MySQL: RENAME TABLE of locked tables since 8.0.13, checks that are kept, enforced and shown since 8.0.16; before 8.0 there
# are no window functions, and a RENAME TABLE of several tables can be left half done by a crash. MariaDB: so it can before
# 10.6. docs/limits.md says which pages say so.
_OLDEST = {"MySQL": (8, 0, 16), "MariaDB": (10, 6, 0)}


@dataclass(frozen=True, slots=True)
class Server:
    """A server by what it calls itself. ``str()`` of it is for people, such as ``MySQL 9.7.0``."""

    flavour: str
    version: tuple[int, int, int]

    @classmethod
    def of(cls, text: str) -> Server:
        """Of a version such as ``10.11.19-MariaDB-log``; what cannot be read is version 0."""
        numbers = (0, 0, 0)
        if found := _VERSION.match(text):
            numbers = (int(found[1]), int(found[2]), int(found[3]))
        elif found := _AURORA.match(text):
            of_mysql = int(found[1]), int(found[2])
            numbers = (*of_mysql, _OLDEST_AURORA.get(of_mysql, 0))
        return cls("MariaDB" if "mariadb" in text.lower() else "MySQL", numbers)

    @property
    def mariadb(self) -> bool:
        return self.flavour == "MariaDB"

    @property
    def too_old(self) -> bool:
        return self.version < _OLDEST[self.flavour]

    @property
    def oldest(self) -> str:
        """The oldest that will do, in words."""
        aurora = "" if self.mariadb else " (of Aurora, version 3)"
        return f"{Server(self.flavour, _OLDEST[self.flavour])} or later{aurora}"

    def __str__(self) -> str:
        return f"{self.flavour} {'.'.join(str(number) for number in self.version)}"
