"""Which server it is: MySQL or MariaDB, and its version; or no server but a proxy, by its name."""

from __future__ import annotations

import re
from dataclasses import dataclass

_RDS_PROXY = re.compile(
    r"\.proxy-[a-z0-9]+\.(?:[a-z0-9-]+\.rds|rds\.[a-z0-9-]+)\.amazonaws\.com(?:\.cn)?\.?$", re.IGNORECASE
)
_VERSION = re.compile(r"(?:5\.5\.5-)?(\d+)\.(\d+)\.(\d+)")
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
        """The oldest that will do, in words."""
        aurora = "" if self.mariadb else " (of Aurora, version 3)"
        return f"{Server(self.flavour, _OLDEST[self.flavour])} or later{aurora}"

    def __str__(self) -> str:
        return f"{self.flavour} {'.'.join(str(number) for number in self.version)}"


def is_rds_proxy(host: str) -> bool:
    """Whether a name is that of an endpoint of RDS Proxy, such as ``shop.proxy-abc123.eu-west-1.rds.amazonaws.com``."""
    return _RDS_PROXY.search(host) is not None
