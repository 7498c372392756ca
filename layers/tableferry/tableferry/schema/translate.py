"""A table of one server on the other: its definition in the other's words, or what cannot cross, by column.

MySQL and MariaDB take each other's definitions with changes that neither tells of: MariaDB skips what MySQL hides in
version comments, MySQL knows other collations and other types. So a definition is taken apart and written anew; whatever
the other server has no word for is named before anything is built. What came out is compared by the module ``likeness``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from tableferry.mysql.database import Connection, rows, server_version
from tableferry.mysql.dialect import Dialect, dialect_of
from tableferry.mysql.identifiers import QUOTED, TEXT, quote, unquoted
from tableferry.mysql.version import Server
from tableferry.schema import types
from tableferry.schema.collations import carried, charset_of, is_json, kind_of, mb3, of_column, of_table, own_checks
from tableferry.schema.create_table import (
    OWN_NAME,
    CheckLine,
    ColumnLine,
    Definition,
    Tokens,
    literal,
    parse,
    sql,
)
from tableferry.schema.types import TYPES, Family

_OPTIONS = {
    "ENGINE", "AUTO_INCREMENT", "CHARSET", "COLLATE", "ROW_FORMAT", "KEY_BLOCK_SIZE", "COMMENT", "STATS_PERSISTENT",
    "STATS_AUTO_RECALC", "STATS_SAMPLE_PAGES", "AVG_ROW_LENGTH", "MAX_ROWS", "MIN_ROWS", "CHECKSUM", "DELAY_KEY_WRITE",
    "PACK_KEYS",
}  # fmt: skip
_WITHOUT_LITERAL_DEFAULT = types.of(Family.TEXT, Family.BLOB)
_INTRODUCED = re.compile(rf"(?P<quoted>{QUOTED}|(?<!_utf8mb4){TEXT})|\b_utf8mb4'", re.DOTALL)
_VANISHES = {"NO_AUTO_CREATE_USER"}  # says something about GRANT only, and so nothing in a trigger


@dataclass(frozen=True, slots=True)
class Target:
    """The server that a backup is to be restored on."""

    server: Server
    collations: frozenset[str]

    @classmethod
    def of(cls, connection: Connection) -> Target:
        server = Server.of(server_version(connection))
        sql_text = "SELECT collation_name FROM information_schema.collations"
        if server.mariadb and server.version >= (10, 10, 0):
            sql_text = "SELECT full_collation_name FROM information_schema.collation_character_set_applicability"
        found = {str(name) for (name,) in rows(connection, sql_text)}
        return cls(server, frozenset(found | {mb3(name) for name in found}))

    def carried(self, collation: str) -> str:
        """The collation that a collation becomes there."""
        return carried(collation, self.server.mariadb)

    @property
    def dialect(self) -> Dialect:
        return dialect_of(self.server)


def crosses(source: str, connection: Connection) -> bool:
    """Whether a backup of the server ``source`` would come to a server of the other kind; asks the server nothing."""
    return Server.of(source).flavour != Server.of(server_version(connection)).flavour


def target_of(source: str, connection: Connection) -> Target | None:
    """The server that a backup of ``source`` would cross to; None where it is of the same kind."""
    return Target.of(connection) if crosses(source, connection) else None


def translated(text: str, table: str, target: Target) -> tuple[str, list[str]]:
    """A definition in the words of the target, and what it has no words for.

    Raises ValueError where the definition is not as SHOW CREATE TABLE writes it.
    """
    if target.server.mariadb:  # to which every text is one in the session's character set
        text = _without_introducers(text)
    found = parse(text)
    obstacles = list(_obstacles(found, f"table {table!r}", target))
    lines = [_column(column, found, target) for column in found.columns]
    lines += [sql(_key(key, target)) for key in found.keys]
    lines += [_check(check, target) for check in found.checks]
    if not target.dialect.columns_have_checks:
        lines += [_check(check, target) for check in own_checks(found)]
    collation = target.carried(of_table(found))
    options = {**found.options, "CHARSET": charset_of(collation), "COLLATE": collation}
    tail = " ".join(
        f"DEFAULT {name}={value}" if name == "CHARSET" else f"{name}={value}" for name, value in options.items()
    )
    after = f"\n{sql(found.partitions)}" if found.partitions else ""
    return f"CREATE TABLE {quote(table)} (\n  " + ",\n  ".join(lines) + f"\n) {tail}{after}", obstacles


def _without_introducers(text: str) -> str:
    return _INTRODUCED.sub(lambda match: match["quoted"] or "'", text)


def notes(text: str, table: str, target: Target) -> list[str]:
    """What is not the same though nothing is lost: collations of another version of Unicode."""
    found = parse(text)
    used = {of_column(column, found) for column in found.columns} | {of_table(found)}
    return [
        f"Table {table!r}: collation {name} became {target.carried(name)}, which compares by another version of Unicode."
        for name in sorted(used)
        if target.carried(name) != name and "_bin" not in name
    ]


def sql_mode(mode: str) -> str:
    """A trigger's mode, less what says nothing about a trigger and not every server knows."""
    return ",".join(one for one in mode.split(",") if one not in _VANISHES)


# --- what cannot cross


def _obstacles(found: Definition, table: str, target: Target) -> Iterator[str]:
    """What the target has no word for, in sentences; ``table`` is how they call the table."""
    server = target.server
    for column in found.columns:
        for lack in _column_lacks(column, found, target):
            yield f"Column {column.name!r} of {table} {lack}, which {server} has not."
        if not target.dialect.shows_default_bytes and column.default and not _is_text(column.default):
            yield (
                f"Column {column.name!r} of {table} has a default that is no text in UTF-8, which {server} could not show."
            )
    if (collation := of_table(found)) and target.carried(collation) not in target.collations:
        yield f"The collation {collation} of {table} is not one of {server}."
    for key in found.keys:
        if reason := _key_obstacle(key, server):
            name = next((unquoted(word) for word in key if word.startswith("`")), "PRIMARY")
            yield f"Key {name!r} of {table} {reason}, which {server} has not."
    for check in found.checks:
        if check.rest and server.mariadb:
            yield f"Check {check.name!r} of {table} is not enforced, which {server} has not."
    for option in sorted(found.options.keys() - _OPTIONS):
        yield f"The option {option} of {table} is not one of {server}."
    if found.rest:
        yield f"{table.capitalize()} has {' '.join(found.rest)}, which {server} has not."


def _column_lacks(column: ColumnLine, table: Definition, target: Target) -> Iterator[str]:
    """What the column is or has that the target has not."""
    kind, collation = kind_of(column), of_column(column, table)
    if kind in TYPES and not TYPES[kind].known_to(target.server):
        yield f"is of type {kind}"
    if column.rest:
        yield f"has {' '.join(column.rest)}"
    if collation and target.carried(collation) not in target.collations:
        yield f"has the collation {collation}"
    if target.server.mariadb and column.null == "NOT NULL":
        if column.generated is not None:
            yield "is generated and NOT NULL"
        if column.invisible and not (column.default or column.auto_increment):
            yield "is invisible, NOT NULL and without a default"


def _key_obstacle(key: Tokens, server: Server) -> str:
    words = {word.upper() for word in key}
    if key[0] not in ("PRIMARY", "UNIQUE", "KEY", "FULLTEXT", "SPATIAL") or "OVERLAPS" in words:
        return f"is of kind {key[0]}"
    if any(pair in (("(", "("), (",", "(")) for pair in pairwise(key)):
        return "is over an expression"
    if "PARSER" in words:
        return "has a parser of its own"
    if "HASH" in words and key[0] == "UNIQUE" and not server.mariadb:
        return "is unique over texts without length"
    if "DESC" in words and server.mariadb and server.version < (10, 8, 0):
        return "is descending"
    return ""


def _is_text(default: Tokens) -> bool:
    value = literal(default[0]) if len(default) == 1 else b""
    try:
        (value or b"").decode()
    except UnicodeDecodeError:
        return False
    return True


# --- in the words of the target


def _column(column: ColumnLine, table: Definition, target: Target) -> str:
    mariadb = target.server.mariadb
    parts = [quote(column.name), column.type.replace("geomcollection", "geometrycollection")]
    collation = target.carried(of_column(column, table))
    if is_json(column):
        parts[1] = "longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin" if mariadb else "json"
    elif collation and collation != target.carried(of_table(table)):
        parts.append(f"CHARACTER SET {charset_of(collation)} COLLATE {collation}")
    if column.generated is not None:
        parts.append(f"GENERATED ALWAYS AS ({sql(column.generated)}) {'STORED' if column.stored else 'VIRTUAL'}")
    parts.append(column.null)
    if column.default is not None:
        parts.append("DEFAULT " + _default(column, mariadb))
    if column.on_update is not None:
        parts.append("ON UPDATE " + sql(column.on_update))
    parts += ["AUTO_INCREMENT"] * column.auto_increment + ["INVISIBLE"] * column.invisible
    parts.append(f"COMMENT {column.comment}" if column.comment else "")
    if mariadb and is_json(column):
        parts.append(f"CHECK (json_valid({quote(column.name)}))")
    return " ".join(part for part in parts if part)


def _default(column: ColumnLine, mariadb: bool) -> str:
    """MySQL wants in parentheses whatever is no literal, and even those for texts, bytes and the like."""
    value = column.default or ()
    text = sql(value)
    is_literal = literal(value[-1]) is not None or value[-1].startswith(("b'", "x'")) or text.upper() == "NULL"
    if mariadb or text.startswith("(") or (is_literal and kind_of(column) not in _WITHOUT_LITERAL_DEFAULT):
        return text
    if value[0].lower() == "current_timestamp" and kind_of(column) in types.INSTANTS:
        return text
    return text if text.upper() == "NULL" else f"({text})"


def _key(key: Tokens, target: Target) -> Tokens:
    ours = target.dialect.hidden_index
    return tuple(ours if word in ("IGNORED", "INVISIBLE") else word for word in key)


def _check(check: CheckLine, target: Target) -> str:
    kept = check.name and (target.server.mariadb or not OWN_NAME.fullmatch(check.name))
    name = f"CONSTRAINT {quote(check.name)} " if kept else ""
    return f"{name}CHECK ({sql(check.expression)}) {sql(check.rest)}".rstrip()
