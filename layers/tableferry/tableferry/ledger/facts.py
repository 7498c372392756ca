"""What is known of a database and of its tables beside the ledger's entries: a text in JSON for each thing, by its id.

One table of Tableferry's own in the same database, made when it is first needed. A row of it can be locked, which an entry
of the ledger that others add to beside it cannot be without keeping them waiting.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pymysql

from tableferry.mysql.database import Connection, error_code, execute, rows
from tableferry.mysql.retry import retry_statement
from tableferry.mysql.server_errors import NO_SUCH_TABLE

TABLE = "tableferry_epochs"

_CREATE = f"""CREATE TABLE IF NOT EXISTS `{TABLE}` (
  `id` VARCHAR(80) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `content` LONGTEXT CHARACTER SET utf8mb4 NOT NULL,
  PRIMARY KEY (`id`)
) ENGINE=InnoDB COMMENT='Tableferry: which restore brought a table'"""


def prepare(connection: Connection) -> None:
    """Make the table where there is none; not inside a transaction, which it would commit."""
    if not is_there(connection):
        retry_statement(lambda: execute(connection, _CREATE))


def is_there(connection: Connection) -> bool:
    """Whether there is such a table."""
    try:
        execute(connection, f"SELECT 1 FROM `{TABLE}` LIMIT 0")
    except pymysql.err.ProgrammingError as error:
        if error_code(error) != NO_SUCH_TABLE:
            raise
        return False
    return True


def read(connection: Connection, name: str, lock: str = "") -> Any:
    """What is known, None where nothing is, or there is no table yet; ``lock`` is what is added to the SELECT."""
    try:
        found = rows(connection, f"SELECT `content` FROM `{TABLE}` WHERE `id` = %s {lock}", (name,))
    except pymysql.err.ProgrammingError as error:
        if error_code(error) != NO_SUCH_TABLE:
            raise
        return None
    return json.loads(found[0][0]) if found else None


def alike(connection: Connection, prefix: str) -> list[Any]:
    """All that is known by names that begin so; of letters and slashes."""
    found = rows(connection, f"SELECT `content` FROM `{TABLE}` WHERE `id` LIKE %s ORDER BY `id`", (f"{prefix}%",))
    return [json.loads(text) for (text,) in found]


def begin(connection: Connection, name: str, content: Any) -> Any:
    """What is known, which is ``content`` if nothing was; not inside a transaction."""
    if (found := read(connection, name)) is None:
        prepare(connection)
        text = json.dumps(content, ensure_ascii=False)
        sql = f"INSERT IGNORE INTO `{TABLE}` (`id`, `content`) VALUES (%s, %s)"
        retry_statement(lambda: execute(connection, sql, (name, text)))
        found = read(connection, name)
    return found


def delete(connection: Connection, name: str) -> None:
    """Forget a thing."""
    execute(connection, f"DELETE FROM `{TABLE}` WHERE `id` = %s", (name,))


def put(connection: Connection, name: str, content: Any) -> None:
    """Write down what is known from now on, in the transaction that is open."""
    put_all(connection, {name: content})


def put_all(connection: Connection, known: Mapping[str, Any]) -> None:
    """As ``put``, of several things at once."""
    if known:
        execute(
            connection,
            f"INSERT INTO `{TABLE}` (`id`, `content`) VALUES {', '.join(['(%s, %s)'] * len(known))}"
            " ON DUPLICATE KEY UPDATE `content` = VALUES(`content`)",
            [text for name, content in known.items() for text in (name, json.dumps(content, ensure_ascii=False))],
        )
