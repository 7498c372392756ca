"""What MySQL and MariaDB do otherwise, a field each, so that nobody else has to ask which of the two it is.

What the pages of the two say of a field stands where it is used; the rest was found by trying, on both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from tableferry.mysql.database import Connection, server_version
from tableferry.mysql.version import Server


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
    """How to ask for the place in the binary log: as its newest version has it, and its older ones, or the other way round."""

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


def dialect(connection: Connection) -> Dialect:
    """The dialect of a connection's server; asks the server nothing, and remembers it by the server's version."""
    return _of(server_version(connection))


def dialect_of(server: Server) -> Dialect:
    """The dialect of a server that is known by its version."""
    return MARIADB if server.mariadb else MYSQL


@lru_cache(maxsize=16)
def _of(version: str) -> Dialect:
    return dialect_of(Server.of(version))
