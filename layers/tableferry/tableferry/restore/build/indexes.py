"""Secondary indexes, taken off a table while it is empty and made when its rows are in.

An index that is made at once is sorted first, instead of being written to here and there for each row.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

import pymysql

from tableferry.errors import DigestMismatch
from tableferry.mysql.database import Connection, error_code, execute
from tableferry.mysql.identifiers import NAME, TEXT, quote
from tableferry.schema import show_create

_KEY = re.compile(
    rf"  (?P<unique>UNIQUE )?KEY (?P<name>{NAME}) \((?P<parts>{NAME}(?:\(\d+\))?(?: DESC)?(?:,{NAME}(?:\(\d+\))?(?: DESC)?)*)\)"
    rf"(?: USING BTREE)?(?: COMMENT {TEXT})?(?: /\*!80000 INVISIBLE \*/)?",
    re.DOTALL,
)
"""A B-tree of columns, as SHOW CREATE TABLE writes it: not of expressions, of words, or of places."""
_PARTS = re.compile(f"({NAME})")
_COLUMN = re.compile(f"  ({NAME}) ")
_ANY_KEY = re.compile(r"  (?:PRIMARY |UNIQUE |FULLTEXT |SPATIAL |VECTOR )?KEY ")

_ALTERED_WITH_THE_TABLE = re.compile(rf"  UNIQUE KEY {NAME} \(.*\) USING HASH", re.DOTALL)
"""MariaDB forgets the word with any change of the table; for a key of long values, which it keeps, it copies all rows."""

_DUPLICATE, _NOT_IN_PLACE = 1062, {1845, 1846}


def deferrable(definition: str, stored: Collection[str]) -> list[str]:
    """The lines of a definition's indexes that can be made after its rows, and come to stand where they stood.

    Not the one that rows are kept by, nor one that AUTO_INCREMENT needs, nor one of a column that is computed
    (``stored`` has the others), and none that stands before one of these.
    """
    body, _ = show_create.parts(definition)
    keyed = any(line.startswith("  PRIMARY KEY") for line in body)
    # The word may stand in a text, too: better one too many.
    counted = {column[1] for line in body if " AUTO_INCREMENT" in line and (column := _COLUMN.match(line))}
    columns = {quote(name) for name in stored}
    keys = [line for line in body if _ANY_KEY.match(line)]
    if any(map(_ALTERED_WITH_THE_TABLE.match, keys)):
        return []
    found: list[str] = []
    for line in reversed(keys):
        key = _KEY.fullmatch(line)
        if not key or (key["unique"] and not keyed):
            break
        parts = _PARTS.findall(key["parts"])
        if not columns.issuperset(parts) or parts[0] in counted:
            break
        found.append(line.strip())
    return found[::-1]


def take_off(connection: Connection, table_sql: str, lines: Sequence[str]) -> None:
    """Drop these indexes of an empty table."""
    names = [found["name"] for line in lines if (found := _KEY.fullmatch(f"  {line}"))]
    # Which always can be; a server may be told (``alter_algorithm``) to refuse what cannot be done by a faster one.
    execute(connection, f"ALTER TABLE {table_sql} {', '.join(f'DROP KEY {name}' for name in names)}, ALGORITHM = COPY")


def are_on(definition: str, lines: Sequence[str]) -> bool:
    """Whether a table of this definition has all indexes of these lines, by their names."""
    names = {found["name"] for line in show_create.parts(definition)[0] if (found := _KEY.fullmatch(line))}
    return all((found := _KEY.fullmatch(f"  {line}")) and found["name"] in names for line in lines)


def put_on(connection: Connection, table_sql: str, lines: Sequence[str]) -> bool:
    """Make the indexes; returns whether the rows stayed where they were, and were not copied for it.

    Raises:
        DigestMismatch: rows that were different are the same in a unique key here.
    """
    statement = f"ALTER TABLE {table_sql} " + ", ".join(f"ADD {line}" for line in lines)
    try:
        try:
            execute(connection, f"{statement}, ALGORITHM = INPLACE")
        except pymysql.err.MySQLError as error:
            if error_code(error) not in _NOT_IN_PLACE:
                raise
            execute(connection, f"{statement}, ALGORITHM = COPY")
            return False
    except pymysql.err.IntegrityError as error:
        if error_code(error) != _DUPLICATE:
            raise
        raise DigestMismatch(
            f"Rows of table {table_sql} that differed where they were backed up are the same here in a unique key: its "
            "collation may compare otherwise on this server. Nothing was changed."
        ) from error
    return True
