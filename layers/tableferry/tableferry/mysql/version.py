"""Which server it is: MySQL or MariaDB, its version, and what the two do otherwise, so that nobody else has to ask.

What the pages of the two say of a difference stands where it is used; the rest was found by trying, on both.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

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


@dataclass(frozen=True, slots=True)
class Dialect:
    """One of the two, by what matters here."""

    name: str
    json_is_a_check: bool
    """JSON is a LONGTEXT with a check, and no type."""

    columns_have_checks: bool
    """A check can stand in a column's line, and be a part of it."""

    checks_of_one_schema: bool
    """A schema can have a check's name only once; else a table can."""

    shows_default_bytes: bool
    """SHOW CREATE TABLE can show a default that is no text in UTF-8."""

    wants_references: bool
    """A foreign key wants the privilege REFERENCES on what it points at."""

    renames_locked_tables: bool
    """RENAME TABLE works on tables that are locked, and the locks go with them."""

    drops_all_or_none: bool
    """DROP DATABASE of tables of which one may not go drops none of them."""

    read_only_schemas: bool
    """A schema can be read-only by itself."""

    standard_keys_only: bool
    """There is a switch, restrict_fk_on_non_standard_key, that lets foreign keys point at unique keys only."""

    cuts_converted_texts: bool
    """CONVERT gives no more bytes than a packet has, and says nothing of it."""

    session_admin: bool
    """There is a privilege, SESSION_VARIABLES_ADMIN, to set variables that only administrators may."""

    hidden_index: str
    """The word for an index that the optimizer is not to use."""

    explain: str
    """How to ask for a plan as rows, however the server is set to explain."""

    log_status: tuple[str, str]
    """How to ask for the place in the binary log: as its newest version has it and its older ones, or the reverse."""

    gtid: str
    """The variable that holds the transactions done."""

    compared_names: Mapping[str, str]
    """How the server compares such names when one is made, by what has them, as SQL with ``{}`` for the name.

    Found by trying. What CONVERT gives has the character set's own collation, general_ci, whose name is another one before
    MySQL 8.0.30.
    """


MYSQL = Dialect(
    name="MySQL",
    json_is_a_check=False,
    columns_have_checks=False,
    checks_of_one_schema=True,
    shows_default_bytes=True,
    wants_references=True,
    renames_locked_tables=True,
    drops_all_or_none=True,
    read_only_schemas=True,
    standard_keys_only=True,
    cuts_converted_texts=False,
    session_admin=True,
    hidden_index="INVISIBLE",
    explain="EXPLAIN FORMAT=TRADITIONAL",
    log_status=("SHOW BINARY LOG STATUS", "SHOW MASTER STATUS"),
    gtid="@@GLOBAL.gtid_executed",
    compared_names={
        "TRIGGER": "CONVERT({} USING utf8mb3)",
        "FOREIGN KEY": "CONVERT({} USING utf8mb3)",
        "CHECK": "{}",  # the column's own collation, which has no regard to case
    },
)
MARIADB = Dialect(
    name="MariaDB",
    json_is_a_check=True,
    columns_have_checks=True,
    checks_of_one_schema=False,
    shows_default_bytes=False,
    wants_references=False,
    renames_locked_tables=False,
    drops_all_or_none=False,
    read_only_schemas=False,
    standard_keys_only=False,
    cuts_converted_texts=True,
    session_admin=False,
    hidden_index="IGNORED",
    explain="EXPLAIN",
    log_status=("SHOW MASTER STATUS", "SHOW BINARY LOG STATUS"),
    gtid="@@GLOBAL.gtid_binlog_pos",
    compared_names={
        "TRIGGER": "CAST({} AS BINARY)",  # each is a file
        "FOREIGN KEY": "CONVERT(CAST({} AS BINARY) USING latin1) COLLATE latin1_swedish_ci",  # InnoDB's own table
    },
)


def dialect_of(server: Server) -> Dialect:
    """The dialect of a server."""
    return MARIADB if server.mariadb else MYSQL


@lru_cache(maxsize=16)
def dialect_of_version(version: str) -> Dialect:
    """The dialect of a server by its version, such as ``10.11.19-MariaDB-log``; remembered."""
    return dialect_of(Server.of(version))
