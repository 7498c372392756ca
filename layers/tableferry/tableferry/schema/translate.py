"""A table of one server on the other: its definition in the other's words, or what cannot cross, by column.

MySQL and MariaDB take each other's definitions with changes that neither tells of: MariaDB skips what MySQL hides in
version comments, MySQL knows other collations and other types. So a definition is taken apart and written anew; whatever
the other server has no word for is named before anything is built. What came out is compared by the module ``compare``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from tableferry.mysql.database import Connection, rows, server_version
from tableferry.mysql.identifiers import QUOTED, TEXT, quote, unquoted
from tableferry.mysql.version import Dialect, Server, dialect_of
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
class OtherServer:
    """The server that a backup is to be restored on."""

    server: Server
    collations: frozenset[str]

    @classmethod
    def of(cls, connection: Connection) -> OtherServer:
        """The server of a connection; asks it for its collations."""
        server = Server.of(server_version(connection))
        sql_text = "SELECT collation_name FROM information_schema.collations"
        if server.mariadb and server.version >= (10, 10, 0):
            sql_text = "SELECT full_collation_name FROM information_schema.collation_character_set_applicability"
        names = {str(name) for (name,) in rows(connection, sql_text)}
        return cls(server, frozenset(names | {mb3(name) for name in names}))

    def carried(self, collation: str) -> str:
        """The collation that a collation becomes there."""
        return carried(collation, self.server.mariadb)

    @property
    def dialect(self) -> Dialect:
        """What it does otherwise than the other of the two."""
        return dialect_of(self.server)


def crosses(source: str, connection: Connection) -> bool:
    """Whether a backup of the server ``source`` would come to a server of the other kind; asks the server nothing."""
    return Server.of(source).flavour != Server.of(server_version(connection)).flavour


def other_server(source: str, connection: Connection) -> OtherServer | None:
    """The server that a backup of ``source`` would cross to; None where it is of the same kind."""
    return OtherServer.of(connection) if crosses(source, connection) else None


def translated(text: str, table: str, other: OtherServer) -> tuple[str, list[str]]:
    """A definition in the words of the other server, and what it has no words for.

    Raises ValueError where the definition is not as SHOW CREATE TABLE writes it.
    """
    if other.server.mariadb:  # to which every text is one in the session's character set
        text = _without_introducers(text)
    definition = parse(text)
    obstacles = list(_obstacles(definition, f"table {table!r}", other))
    lines = [_column(column, definition, other) for column in definition.columns]
    lines += [sql(_key(key, other)) for key in definition.keys]
    lines += [_check(check, other) for check in definition.checks]
    if not other.dialect.columns_have_checks:
        lines += [_check(check, other) for check in own_checks(definition)]
    collation = other.carried(of_table(definition))
    options = {**definition.options, "CHARSET": charset_of(collation), "COLLATE": collation}
    tail = " ".join(
        f"DEFAULT {name}={value}" if name == "CHARSET" else f"{name}={value}" for name, value in options.items()
    )
    after = f"\n{sql(definition.partitions)}" if definition.partitions else ""
    return f"CREATE TABLE {quote(table)} (\n  " + ",\n  ".join(lines) + f"\n) {tail}{after}", obstacles


def _without_introducers(text: str) -> str:
    return _INTRODUCED.sub(lambda match: match["quoted"] or "'", text)


def notes(text: str, table: str, other: OtherServer) -> list[str]:
    """What is not the same though nothing is lost: collations of another version of Unicode."""
    definition = parse(text)
    used = {of_column(column, definition) for column in definition.columns} | {of_table(definition)}
    return [
        f"Table {table!r}: collation {name} became {other.carried(name)}, which compares by another version of Unicode."
        for name in sorted(used)
        if other.carried(name) != name and "_bin" not in name
    ]


def sql_mode(mode: str) -> str:
    """A trigger's mode, less what says nothing about a trigger and not every server knows."""
    return ",".join(word for word in mode.split(",") if word not in _VANISHES)


# --- what cannot cross


def _obstacles(definition: Definition, table: str, other: OtherServer) -> Iterator[str]:
    """What the other server has no word for, in sentences; ``table`` is how they call the table."""
    server = other.server
    for column in definition.columns:
        for lack in _column_lacks(column, definition, other):
            yield f"Column {column.name!r} of {table} {lack}, which {server} has not."
        if not other.dialect.shows_default_bytes and column.default and not _is_text(column.default):
            yield (
                f"Column {column.name!r} of {table} has a default that is no text in UTF-8, which {server} could not show."
            )
    if (collation := of_table(definition)) and other.carried(collation) not in other.collations:
        yield f"The collation {collation} of {table} is not one of {server}."
    for key in definition.keys:
        if reason := _key_obstacle(key, server):
            name = next((unquoted(word) for word in key if word.startswith("`")), "PRIMARY")
            yield f"Key {name!r} of {table} {reason}, which {server} has not."
    for check in definition.checks:
        if check.rest and server.mariadb:
            yield f"Check {check.name!r} of {table} is not enforced, which {server} has not."
    for option in sorted(definition.options.keys() - _OPTIONS):
        yield f"The option {option} of {table} is not one of {server}."
    if definition.rest:
        yield f"{table.capitalize()} has {' '.join(definition.rest)}, which {server} has not."


def _column_lacks(column: ColumnLine, table: Definition, other: OtherServer) -> Iterator[str]:
    """What the column is or has that the other server has not."""
    kind, collation = kind_of(column), of_column(column, table)
    if kind in TYPES and not TYPES[kind].known_to(other.server):
        yield f"is of type {kind}"
    if column.rest:
        yield f"has {' '.join(column.rest)}"
    if collation and other.carried(collation) not in other.collations:
        yield f"has the collation {collation}"
    if other.server.mariadb and column.null == "NOT NULL":
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


# --- in the words of the other server


def _column(column: ColumnLine, table: Definition, other: OtherServer) -> str:
    mariadb = other.server.mariadb
    parts = [quote(column.name), column.type.replace("geomcollection", "geometrycollection")]
    collation = other.carried(of_column(column, table))
    if is_json(column):
        parts[1] = "longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin" if mariadb else "json"
    elif collation and collation != other.carried(of_table(table)):
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


def _key(key: Tokens, other: OtherServer) -> Tokens:
    ours = other.dialect.hidden_index
    return tuple(ours if word in ("IGNORED", "INVISIBLE") else word for word in key)


def _check(check: CheckLine, other: OtherServer) -> str:
    kept = check.name and (other.server.mariadb or not OWN_NAME.fullmatch(check.name))
    name = f"CONSTRAINT {quote(check.name)} " if kept else ""
    return f"{name}CHECK ({sql(check.expression)}) {sql(check.rest)}".rstrip()
