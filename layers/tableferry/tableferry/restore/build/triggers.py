"""Triggers of tables that are exchanged.

They cannot cross schemas (error 1435), so they are dropped and made again: only
those of which the server has shown, on a copy of the table, that it would make them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import pymysql

from tableferry.errors import Conflict, Finding
from tableferry.mysql.database import Connection, error_code, execute, foreseen, rows, why_refused
from tableferry.mysql.identifiers import OWN_PREFIX, qualified, quote
from tableferry.mysql.retry import with_lock_retry
from tableferry.mysql.session import Mode
from tableferry.schema import catalog, show_create
from tableferry.schema.table import Trigger

_COPY = f"{OWN_PREFIX}copy_trigger"  # no restored table has such a name
_TRIGGER_EXISTS = 1359
_NOT_TRUSTED = 1419
_MAY_NOT_SET_DEFINER = {1227, 4254}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A table, by its schema and name, and triggers that one like it is to have, or to get back."""

    schema: str
    table: str
    triggers: tuple[Trigger, ...]
    advice: str = ""
    """What to do where one cannot be had."""


OF_THE_BACKUP = "Mend what it names, or restore `into` another name, which leaves triggers out."
OF_THE_LIVE = "An undo could not bring it back: mend what it names, or drop the trigger first."
OF_THE_KEPT = "Mend what it names, in the table that was kept if it is the cause, and undo again."


def look(connection: Connection, schema: str, wanted: Sequence[Wanted]) -> list[Finding]:
    """Try the triggers on empty copies of their tables in ``schema``; return a finding for each that cannot be had."""
    return [finding for table in wanted if table.triggers for finding in _tried(connection, schema, table)]


def _tried(connection: Connection, schema: str, wanted: Wanted) -> Iterator[Finding]:
    with _copy(connection, schema, wanted):
        for trigger in wanted.triggers:
            text = show_create.trigger_on(trigger.definition, _COPY)
            try:
                if text is None:
                    yield _finding(wanted, trigger, "Its text begins in a way that is not known here.")
                else:
                    _make(connection, trigger, text)
            except pymysql.err.MySQLError as error:
                if foreseen(error):
                    raise
                yield _finding(wanted, trigger, _why(error))


def _why(error: pymysql.err.MySQLError) -> str:
    if error_code(error) == _NOT_TRUSTED:
        return (
            "The server keeps a binary log and has log_bin_trust_function_creators off: set it to 1 (on RDS in the parameter "
            "group)."
        )
    return why_refused(error)


def _finding(wanted: Wanted, trigger: Trigger, why: str) -> Finding:
    return Finding(
        "triggers",
        wanted.table,
        f"Trigger {trigger.name!r} of table {wanted.table!r} could not be made again. {why} {wanted.advice}",
    )


@contextmanager
def _copy(connection: Connection, schema: str, wanted: Wanted) -> Iterator[None]:
    """An empty copy of the table in the schema, which is the session's until then."""
    [(own,)] = rows(connection, "SELECT DATABASE()")
    execute(connection, f"DROP TABLE IF EXISTS {qualified(schema, _COPY)}")  # of a look that died
    with_lock_retry(
        connection, f"CREATE TABLE {qualified(schema, _COPY)} LIKE {qualified(wanted.schema, wanted.table)}"
    )
    execute(connection, f"USE {quote(schema)}")
    try:
        yield
    finally:
        if connection.open:
            execute(connection, f"USE {quote(own)}")
            execute(connection, f"DROP TABLE IF EXISTS {qualified(schema, _COPY)}")


def drop(connection: Connection, schema: str, triggers: Sequence[Trigger]) -> None:
    """Drop triggers of a schema, if they are there; raises InUse."""
    for name in sorted(trigger.name for trigger in triggers):
        with_lock_retry(connection, f"DROP TRIGGER IF EXISTS {qualified(schema, name)}")


def make(connection: Connection, schema: str, table: str, triggers: Sequence[Trigger]) -> list[str]:
    """Make those of the triggers that the table has not; the schema is the session's own. Returns notes.

    Raises:
        InUse: the table stayed in use.
        Conflict: another table of the schema has a trigger of that name.
    """
    there = {trigger.name for trigger in catalog.triggers(connection, schema, table)}
    notes = []
    for trigger in triggers:
        if trigger.name in there:
            continue
        try:
            if _make(connection, trigger, show_create.trigger_on(trigger.definition) or trigger.definition):
                notes.append(f"Trigger {quote(trigger.name)} now runs as the database user of Tableferry.")
        except pymysql.err.MySQLError as error:
            if error_code(error) == _TRIGGER_EXISTS:
                raise taken(trigger.name, table, "another") from error
            raise
    return notes


def _make(connection: Connection, trigger: Trigger, text: str) -> bool:
    """Make a trigger in a session as that was in which it was made first; whether it had to be without its definer."""
    [(client, collation)] = rows(connection, "SELECT @@character_set_client, @@collation_connection")
    execute(connection, "SET SESSION sql_mode = %s", (trigger.sql_mode,))
    if trigger.collation_connection:
        execute(connection, "SET SESSION collation_connection = %s", (trigger.collation_connection,))
    if trigger.character_set_client and text.isascii():  # else the server would read our UTF-8 as something else
        execute(connection, "SET SESSION character_set_client = %s", (trigger.character_set_client,))
    try:
        with_lock_retry(connection, text)
        return False
    except pymysql.err.MySQLError as error:
        if error_code(error) not in _MAY_NOT_SET_DEFINER:
            raise
        with_lock_retry(connection, show_create.without_definer(text))
        return True
    finally:
        if connection.open:
            execute(
                connection,
                "SET SESSION sql_mode = %s, character_set_client = %s, collation_connection = %s",
                (Mode.FAITHFUL.value, client, collation),
            )


def refuse_taken(connection: Connection, schema: str, wanted: Sequence[Wanted], going: Collection[str]) -> None:
    """Raise Conflict if a trigger has the name of one of a table of the schema that does not go."""
    names = [trigger.name for table in wanted for trigger in table.triggers]
    others = catalog.taken(connection, schema, "TRIGGER", names, going)
    for table in wanted:
        for trigger in table.triggers:
            if trigger.name in others:
                raise taken(trigger.name, table.table, others[trigger.name])


def taken(name: str, table: str, by: str) -> Conflict:
    """The error that a trigger cannot come back, for its name is that of another table's."""
    return Conflict(
        f"Trigger {name!r} of table {table!r} cannot come back: table {by!r} has one of that name by now, and a schema "
        "can have a name only once. Drop that one, or make it anew by another name."
    )
