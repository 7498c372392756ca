"""What has been written already, in the same transaction as the rows it stands for: that makes it exactly once.

One table of Tableferry's own in the same database, made when it is first needed. An entry is a part of something (a
block of a file, the answer to a request) and a JSON text that says what came of it. Entries expire: a request whose entry
has gone is a new one.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pymysql

from tableferry.ledger import facts
from tableferry.mysql.database import Connection, error_code, execute, rows
from tableferry.mysql.retry import retry_statement
from tableferry.mysql.server_errors import NO_SUCH_TABLE, ROLLED_BACK

TABLE = "tableferry_ledger"
FINAL = -1
"""The part of a load that stands for the whole, when it has ended."""

OWNER = -2
"""The part of a load that says who works at it; there is none of one that has ended."""

_IDENTITY = "database"
_HORIZON = "expired"
_PAGE = 1000
_ADDED, _ADDED_BYTES = 500, 256 * 1024

_CREATE = f"""CREATE TABLE IF NOT EXISTS `{TABLE}` (
  `id` VARCHAR(80) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `part` INT NOT NULL,
  `written` TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
  `content` LONGTEXT CHARACTER SET utf8mb4 NOT NULL,
  PRIMARY KEY (`id`, `part`),
  KEY `written` (`written`)
) ENGINE=InnoDB COMMENT='Tableferry: what has been loaded'"""


def prepare(connection: Connection) -> None:
    """Make the ledger where there is none; not inside a transaction, which it would commit."""
    try:
        execute(connection, f"SELECT 1 FROM `{TABLE}` LIMIT 0")
    except pymysql.err.ProgrammingError as error:
        if error_code(error) != NO_SUCH_TABLE:
            raise
        retry_statement(lambda: execute(connection, _CREATE))


def identity(connection: Connection) -> str:
    """The id of the database, which a copy of it keeps: made when it is first asked for; not inside a transaction."""
    return str(facts.begin(connection, _IDENTITY, secrets.token_hex(8)))


def horizon(connection: Connection) -> datetime | None:
    """The time before which entries have been dropped, whatever is set now; None if none ever was."""
    found = facts.read(connection, _HORIZON)
    return datetime.fromisoformat(found) if found else None


def write(connection: Connection, entry: str, part: int, content: Any) -> bool:
    """Write an entry in the transaction that is open; False, and nothing written, if it is there already.

    Waits for another transaction that is writing the same one.
    """
    try:
        execute(
            connection,
            f"INSERT INTO `{TABLE}` (`id`, `part`, `content`) VALUES (%s, %s, %s)",
            (entry, part, json.dumps(content, ensure_ascii=False)),
        )
    except pymysql.err.IntegrityError:
        return False
    return True


def put(connection: Connection, entry: str, part: int, content: Any) -> None:
    """Write an entry, whether it is there or not."""
    execute(
        connection,
        f"INSERT INTO `{TABLE}` (`id`, `part`, `content`) VALUES (%s, %s, %s)"
        " ON DUPLICATE KEY UPDATE `content` = VALUES(`content`)",
        (entry, part, json.dumps(content, ensure_ascii=False)),
    )


def update(connection: Connection, entry: str, part: int, content: Any) -> None:
    """Put another content into an entry that is there."""
    text = json.dumps(content, ensure_ascii=False)
    execute(connection, f"UPDATE `{TABLE}` SET `content` = %s WHERE `id` = %s AND `part` = %s", (text, entry, part))


def read(connection: Connection, entry: str, part: int) -> Any:
    """The content of an entry, None where there is none."""
    found = rows(connection, f"SELECT `content` FROM `{TABLE}` WHERE `id` = %s AND `part` = %s", (entry, part))
    return json.loads(found[0][0]) if found else None


def held(connection: Connection, entry: str, part: int) -> Any:
    """As ``read``, but what is there now, and nobody changes it until the transaction that is open ends."""
    sql = f"SELECT `content` FROM `{TABLE}` WHERE `id` = %s AND `part` = %s FOR UPDATE"
    found = rows(connection, sql, (entry, part))
    return json.loads(found[0][0]) if found else None


def last(connection: Connection, entry: str) -> tuple[int, Any] | None:
    """The last part of an entry and its content; None where there is none."""
    sql = f"SELECT `part`, `content` FROM `{TABLE}` WHERE `id` = %s AND `part` >= 0 ORDER BY `part` DESC LIMIT 1"
    found = rows(connection, sql, (entry,))
    return (found[0][0], json.loads(found[0][1])) if found else None


def parts(connection: Connection, entry: str) -> list[int]:
    """The parts there are, in order."""
    found = rows(connection, f"SELECT `part` FROM `{TABLE}` WHERE `id` = %s ORDER BY `part`", (entry,))
    return [part for (part,) in found]


def delete(connection: Connection, entry: str, numbers: Sequence[int]) -> None:
    """Drop parts of an entry."""
    for number in numbers:
        execute(connection, f"DELETE FROM `{TABLE}` WHERE `id` = %s AND `part` = %s", (entry, number))


def every(connection: Connection) -> Iterator[tuple[str, int, datetime, str]]:
    """All entries with their parts, times and contents, in the order of their ids. Memory: a page of them."""
    last, number = "", FINAL
    while True:
        page = rows(
            connection,
            f"SELECT `id`, `part`, `written`, `content` FROM `{TABLE}` WHERE `id` >= %s AND (`id` > %s OR `part` > %s)"
            " ORDER BY `id`, `part` LIMIT %s",
            (last, last, number, _PAGE),
        )
        yield from page
        if len(page) < _PAGE:
            return
        last, number = page[-1][:2]


def unended(connection: Connection) -> list[tuple[str, Any]]:
    """The loads that have not come to the end of their file, by their ids: those that run or died, and that failed."""
    found = rows(
        connection,
        f"SELECT `id`, `content` FROM `{TABLE}` WHERE `id` >= 'load/' AND `id` < 'load0'"
        " AND (`part` = %s OR (`part` = %s AND `content` LIKE %s)) ORDER BY `id`",
        (OWNER, FINAL, '%"state": "failed"%'),
    )
    return [(entry, json.loads(content)) for entry, content in found]


Add = Callable[[str, int, datetime, str], None]
"""Takes an entry with its part, time and content."""


@contextmanager
def adding(connection: Connection) -> Iterator[Add]:
    """Write entries as they stood in a ledger, many at once; not inside a transaction."""
    pending: list[tuple[str, int, datetime, str]] = []

    def write_all() -> None:
        if pending:
            each = ", ".join(["(%s, %s, %s, %s)"] * len(pending))
            execute(
                connection,
                f"INSERT INTO `{TABLE}` (`id`, `part`, `written`, `content`) VALUES {each}"
                " ON DUPLICATE KEY UPDATE `content` = VALUES(`content`)",
                [value for one in pending for value in one],
            )
            pending.clear()

    def add(entry: str, part: int, written: datetime, content: str) -> None:
        pending.append((entry, part, written.replace(tzinfo=None), content))
        if sum(len(one[3]) for one in pending) > _ADDED_BYTES or len(pending) >= _ADDED:
            write_all()

    yield add
    write_all()


def written_by_any(connection: Connection, name: str) -> list[datetime]:
    """When entries of this name were written, in whatever epoch."""
    sql = f"SELECT `written` FROM `{TABLE}` WHERE `id` = %s OR `id` LIKE %s"
    return [written.replace(tzinfo=UTC) for (written,) in rows(connection, sql, (name, f"{name}/%"))]


def forget(connection: Connection, suffixes: Collection[str]) -> None:
    """Drop the entries whose ids end so. Looked for first, without a lock; not inside a transaction."""
    if not suffixes:
        return
    marks = ", ".join(["%s"] * len(suffixes))
    sql = f"SELECT `id`, `part` FROM `{TABLE}` WHERE SUBSTRING_INDEX(`id`, '/', -1) IN ({marks})"
    try:
        found = rows(connection, sql, tuple(suffixes))
    except pymysql.err.ProgrammingError as error:
        if error_code(error) != NO_SUCH_TABLE:
            raise
        return
    for entry, part in found:
        delete(connection, entry, [part])


def expire(connection: Connection, days: int, limit: int = 1000) -> int:
    """Drop the oldest entries, ``limit`` at most, that were written more than so many days ago; returns how many.

    Not inside a transaction. With 0 days nothing expires, and a load that has not ended never does: of its file some
    blocks are in, and only the ledger knows which. A ledger made before there was an index on ``written`` is read whole.
    """
    if not days:
        return 0
    try:
        # Looked for first, without a lock: a DELETE by time would wait for whoever writes the next entry.
        old = rows(
            connection,
            f"SELECT `id`, `part`, `written` FROM `{TABLE}` WHERE `written` < NOW() - INTERVAL %s DAY"
            " AND (`part` = %s OR `id` LIKE 'request/%%') ORDER BY `written` LIMIT %s",
            (days, FINAL, limit),
        )
        if not old:
            return 0
        each = " OR ".join(["(`id` = %s AND `part` = %s)"] * len(old))
        latest = max(written for _, _, written in old).replace(tzinfo=UTC)
        facts.prepare(connection)
        facts.put(connection, _HORIZON, max(latest, horizon(connection) or latest).isoformat())
        return execute(
            connection,
            f"DELETE FROM `{TABLE}` WHERE `written` < NOW() - INTERVAL %s DAY AND ({each})",
            (days, *(value for entry, part, _ in old for value in (entry, part))),
        )
    except pymysql.err.MySQLError as error:
        # What this follows is done, and must not fail for it; another call is at the same entries, or none was made yet.
        if error_code(error) not in ROLLED_BACK | {NO_SUCH_TABLE}:
            raise
        return 0
