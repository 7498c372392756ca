"""What a session is, whatever the server's own settings are: stated on every connection, and read back.

A server, an ``init_connect`` or a parameter group may cut results, end statements, open transactions or let values in that
do not fit. So everything that a statement of ours depends on stands here, and nothing else sets it without putting it back.
What belongs to the user's own expressions (``div_precision_increment``, ``default_week_format``,
``auto_increment_increment``) stays as the server has it: defaults, triggers and generated columns are to give here what
they give elsewhere.

Sources: https://dev.mysql.com/doc/refman/9.7/en/server-system-variables.html,
https://mariadb.com/docs/server/server-management/variables-and-modes/server-system-variables.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any

import pymysql
from pymysql.constants import SERVER_STATUS

from tableferry.errors import SessionDiffers
from tableferry.mysql.protocol import Connection
from tableferry.mysql.version import Server

_MOST = 2**64 - 1
_A_DAY = 86400
_AN_HOUR = 3600
_UNKNOWN = 1193
_NOT_ALLOWED = {1227, 1229, 1238}  # but to administrators, but for the whole server, but at its start
_SWITCHED = {"ON": "1", "OFF": "0"}
_NAMED = re.compile(r"'(\w+)'")


@dataclass(frozen=True, slots=True)
class AtMost:
    """A number from 1 up to ``limit``: as the server has it, if that is one."""

    limit: int


Value = int | str | AtMost


class Mode(StrEnum):
    """What a session lets into a table."""

    STRICT = "STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,NO_AUTO_VALUE_ON_ZERO,NO_ENGINE_SUBSTITUTION"
    """Rows from outside: whatever would have to be altered to fit is an error."""

    FAITHFUL = "NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES,NO_ENGINE_SUBSTITUTION"
    """Rows that were in a table before: everything a table can hold goes in; the digest says whether it did."""


NOTHING: Mapping[str, Value] = {}
BUILDING: Mapping[str, Value] = {
    # What was in a table may come back into it; and an index of all rows waits for those who read the table.
    "foreign_key_checks": 0,
    "check_constraint_checks": 0,
    "lock_wait_timeout": _A_DAY,
}
"""To fill tables. But unique_checks stays on. Without it MariaDB would insert in bulk: slower, as rows come in key order
anyway, and without an end for a row as long as its log. MySQL might keep changes of an index for later, and then does not
look for duplicates."""

_EVERYWHERE: Mapping[str, Value] = {
    # A statement is a transaction unless we begin one, and that sees one moment.
    "autocommit": 1,
    "completion_type": "NO_CHAIN",
    # A result is whole, and a statement takes as long as it takes.
    "sql_select_limit": _MOST,
    "sql_big_selects": 1,  # so that max_join_size counts no more
    "sql_buffer_result": 0,
    "net_read_timeout": _AN_HOUR,
    "net_write_timeout": _AN_HOUR,
    "wait_timeout": _AN_HOUR,
    # A statement means what it says.
    "sql_safe_updates": 0,
    "sql_auto_is_null": 0,
    "foreign_key_checks": 1,
    "unique_checks": 1,
    # What it found is told, in words that we know.
    "sql_notes": 1,
    "lc_messages": "en_US",
    "sql_quote_show_create": 1,
    # Texts and moments are the same for both of us.
    "character_set_client": "utf8mb4",
    "character_set_results": "utf8mb4",
    "time_zone": "+00:00",
    "max_sort_length": 1024,
    # Who administers the server may want waits for locks to be shorter, but an answer has to come at last.
    "innodb_lock_wait_timeout": AtMost(50),
    "lock_wait_timeout": AtMost(_A_DAY),
}
_MYSQL: Mapping[str, Value] = {
    "transaction_isolation": "REPEATABLE-READ",
    "transaction_read_only": 0,
    "collation_connection": "utf8mb4_0900_ai_ci",
    "max_execution_time": 0,
    "use_secondary_engine": "OFF",  # whose copy of a table may be behind it
    "information_schema_stats_expiry": 0,  # else a table's size is given as it was up to a day ago
    # A key that MySQL made is part of the table; and nothing is shown that the table's maker did not say.
    "show_gipk_in_create_table_and_information_schema": 1,
    "show_create_table_verbosity": 0,
}
_MARIADB: Mapping[str, Value] = {
    "collation_connection": "utf8mb4_general_ci",
    "max_statement_time": 0,
    "idle_transaction_timeout": 0,
    "idle_readonly_transaction_timeout": 0,
    "idle_write_transaction_timeout": 0,
    "max_session_mem_used": 2**63 - 1,
    "check_constraint_checks": 1,
    "innodb_snapshot_isolation": 0,  # else a row that was changed since the moment is an error, 1020
    "alter_algorithm": "DEFAULT",
    "sql_if_exists": 0,
    "old": 0,
    "old_mode": "UTF8_IS_UTF8MB3",
    "system_versioning_insert_history": 0,
    "wsrep_dirty_reads": 0,
}
_RENAMED_SINCE = (11, 1, 1)
_FIRST_NAMES = {"transaction_isolation": "tx_isolation", "transaction_read_only": "tx_read_only"}

_ONLY_COMPARED: Mapping[str, Value] = {
    "sql_log_bin": 1,  # only administrators may set it; without it a replica would not get what is written
    "insert_id": 0,  # else the next row has that number; to MySQL, saying 0 would make it 0
}

_OF_MODE: dict[Mode, dict[str, Value]] = {
    # Who backs up or restores tables says soon that others have them to themselves, by LOCK TABLES or an ALTER that waits.
    Mode.FAITHFUL: {"lock_wait_timeout": AtMost(10)},
}

_unknown: dict[str, set[str]] = {}
_refused: dict[str, set[str]] = {}


def begin(connection: Connection, schema: str, mode: Mode, also: Mapping[str, Value] = NOTHING) -> None:
    """Make a connection that has just logged in a session of ours; ``also`` is stated besides, or instead.

    Two round trips: one states it, after what ``init_connect`` did, and one reads it back. A variable that the server does
    not know is left out, and one that it lets nobody set here has to be right already.

    Raises:
        SessionDiffers: the server made something else of it; nothing was done.
        pymysql.err.MySQLError: the connection broke.
    """
    raw: Any = connection
    version = str(raw.get_server_info())
    while True:
        wanted = _wanted(version, mode, also)
        try:
            _state(connection, version, wanted)
            if raw.server_status & SERVER_STATUS.SERVER_STATUS_IN_TRANS:
                connection.rollback()  # what init_connect began would never be committed
            found = _read(connection, wanted)
            break
        except pymysql.err.MySQLError as error:
            named = _NAMED.search(str(error.args[1])) if error.args[:1] == (_UNKNOWN,) else None
            if named is None or named[1] not in wanted:
                raise
            _unknown.setdefault(version, set()).add(named[1])
    _compare(connection, schema, wanted, found)


def _wanted(version: str, mode: Mode, also: Mapping[str, Value]) -> dict[str, Value]:
    server = Server.of(version)
    own = dict(_MYSQL)
    if server.mariadb:
        names = {} if server.version >= _RENAMED_SINCE else _FIRST_NAMES
        own = {names.get(name, name): _MYSQL[name] for name in _FIRST_NAMES} | dict(_MARIADB)
    wanted = {**_EVERYWHERE, "sql_mode": mode.value, **own, **_OF_MODE.get(mode, NOTHING)}
    wanted |= {name: value for name, value in also.items() if name in wanted}
    unknown = _unknown.get(version, set())
    return {name: value for name, value in (wanted | dict(_ONLY_COMPARED)).items() if name not in unknown}


def _state(connection: Connection, version: str, wanted: Mapping[str, Value]) -> None:
    """One SET of all; where the server refuses some of it to all but administrators, of each by itself, to find which."""
    known = _refused.setdefault(version, set(_ONLY_COMPARED))
    assignments = {name: _assignment(name, value) for name, value in wanted.items() if name not in known}
    try:
        _execute(connection, "SET SESSION " + ", ".join([*assignments.values(), "timestamp = DEFAULT"]))
    except pymysql.err.MySQLError as error:
        if error.args[0] not in _NOT_ALLOWED:
            raise
    else:
        return
    for name, assignment in assignments.items():
        try:
            _execute(connection, f"SET SESSION {assignment}")
        except pymysql.err.MySQLError as error:
            if error.args[0] not in _NOT_ALLOWED:
                raise
            known.add(name)


def _assignment(name: str, value: Value) -> str:
    if isinstance(value, AtMost):
        return f"{name} = CAST(GREATEST(1, LEAST(@@SESSION.{name}, {value.limit})) AS UNSIGNED)"
    return f"{name} = {value}" if isinstance(value, int) else f"{name} = '{value}'"


def _read(connection: Connection, wanted: Mapping[str, Value]) -> list[str]:
    """What the server says of each, and of the schema, as one text: a column for each would take ten times as long."""
    asked = ", ".join(f"IFNULL(@@SESSION.{name}, '')" for name in wanted)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT CONCAT_WS('\\n', {asked}, IFNULL(DATABASE(), ''))")
        row: Any = cursor.fetchone()
    return str(row[0]).split("\n") if row else []


def _compare(connection: Connection, schema: str, wanted: Mapping[str, Value], found: list[str]) -> None:
    if len(found) != len(wanted) + 1:
        raise SessionDiffers(
            "The database server does not say what it made of the session's settings. Nothing was done."
        )
    wrong = [name for (name, value), now in zip(wanted.items(), found, strict=False) if not _same(value, now)]
    if found[-1].lower() != schema.lower():
        wrong.append("the database")
    raw: Any = connection
    if raw.server_status & SERVER_STATUS.SERVER_STATUS_IN_TRANS:
        wrong.append("an open transaction")
    if wrong:
        raise SessionDiffers(
            f"The database server gives a session that Tableferry cannot work in ({', '.join(wrong)}): look into its "
            "parameters and init_connect. Nothing was done."
        )


def _same(value: Value, now: str) -> bool:
    if isinstance(value, AtMost):
        return now.isdecimal() and 1 <= int(now) <= value.limit
    if isinstance(value, int):
        now = _SWITCHED.get(now, now)
        return _is_number(now) and Decimal(now) == value
    return set(now.split(",")) == set(value.split(","))


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).isdecimal()


def _execute(connection: Connection, sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql)
