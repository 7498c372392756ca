"""A table of one server on the other: its definition in the other's words, or what cannot cross, by column.

MySQL and MariaDB take each other's definitions with changes that neither tells of: MariaDB skips what MySQL hides in
version comments, MySQL knows other collations and other types. So a definition is taken apart and written anew; whatever
the other server has no word for is named before anything is built. What came out is compared by ``difference``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, zip_longest

from tableferry.database import Connection, rows, server_version
from tableferry.definition import CheckLine, ColumnLine, Definition, Tokens, literal, parse, sql, unquoted
from tableferry.servers import Server
from tableferry.tables import quote

# NO PAD, by the weights of Unicode's collation algorithm (9.0 in MySQL, 14.0 in MariaDB), or by code point.
_TO_MARIADB = {
    "utf8mb4_0900_ai_ci": "utf8mb4_uca1400_nopad_ai_ci",
    "utf8mb4_0900_as_ci": "utf8mb4_uca1400_nopad_as_ci",
    "utf8mb4_0900_as_cs": "utf8mb4_uca1400_nopad_as_cs",
    "utf8mb4_0900_bin": "utf8mb4_nopad_bin",
}
_TO_MYSQL = {theirs: ours for ours, theirs in _TO_MARIADB.items()}
_SINCE = {"MySQL": {"vector": (9, 0)}, "MariaDB": {"vector": (11, 7)}}
_ONLY_MARIADB = {"uuid", "inet4", "inet6", "xmltype"}
_CHARACTER = {"char", "varchar", "tinytext", "text", "mediumtext", "longtext", "enum", "set"}
_WITHOUT_LITERAL_DEFAULT = {"tinytext", "text", "mediumtext", "longtext", "tinyblob", "blob", "mediumblob", "longblob"}
_OPTIONS = {
    "ENGINE", "AUTO_INCREMENT", "CHARSET", "COLLATE", "ROW_FORMAT", "KEY_BLOCK_SIZE", "COMMENT", "STATS_PERSISTENT",
    "STATS_AUTO_RECALC", "STATS_SAMPLE_PAGES", "AVG_ROW_LENGTH", "MAX_ROWS", "MIN_ROWS", "CHECKSUM", "DELAY_KEY_WRITE",
    "PACK_KEYS",
}  # fmt: skip
_WIDTH = re.compile(r"^(tinyint|smallint|mediumint|int|bigint|year)\(\d+\)")
_DEFAULT_COLLATIONS = {
    "latin1": "latin1_swedish_ci", "big5": "big5_chinese_ci", "cp932": "cp932_japanese_ci", "dec8": "dec8_swedish_ci",
    "euckr": "euckr_korean_ci", "eucjpms": "eucjpms_japanese_ci", "gb2312": "gb2312_chinese_ci", "gbk": "gbk_chinese_ci",
    "gb18030": "gb18030_chinese_ci", "hp8": "hp8_english_ci", "swe7": "swe7_swedish_ci", "sjis": "sjis_japanese_ci",
    "tis620": "tis620_thai_ci", "ujis": "ujis_japanese_ci", "binary": "binary",
}  # fmt: skip
_INTRODUCED = re.compile(r"(?P<quoted>`(?:[^`]|``)*`|(?<!_utf8mb4)'(?:[^'\\]|''|\\.)*')|\b_utf8mb4'", re.DOTALL)
_SAME_WORDS = {"now": "current_timestamp", "curdate": "current_date", "curtime": "current_time"}
_OWN_NAME = re.compile(r"CONSTRAINT_\d+|.*_chk_\d+", re.DOTALL)  # what a server calls a check that has no name
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
        return cls(server, frozenset(found | {_mb3(name) for name in found}))


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
    if not target.server.mariadb:  # which has checks of the table only
        own = (column.check for column in found.columns if column.check and not _is_json(column))
        lines += [_check(CheckLine("", expression, ()), target) for expression in own]
    collation = _carried(_of_table(found), target)
    options = {**found.options, "CHARSET": _charset(collation), "COLLATE": collation}
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
    used = {_effective(column, found) for column in found.columns} | {_of_table(found)}
    return [
        f"Table {table!r}: collation {name} became {_carried(name, target)}, which compares by another version of Unicode."
        for name in sorted(used)
        if _carried(name, target) != name and "_bin" not in name
    ]


def sql_mode(mode: str) -> str:
    """A trigger's mode, less what says nothing about a trigger and not every server knows."""
    return ",".join(one for one in mode.split(",") if one not in _VANISHES)


def difference(said: str, made: str, same_name: bool) -> str:
    """The first thing in which two definitions of different servers differ; empty where there is none."""
    try:
        one, other = _neutral(parse(said), same_name), _neutral(parse(made), same_name)
    except ValueError:
        return "it is not one that SHOW CREATE TABLE writes"
    return next((label for label in [*one, *other] if one.get(label) != other.get(label)), "")


def first(said: Sequence[str], made: Sequence[str]) -> str:
    """The first line in which two definitions of the same server differ, called by what it defines."""
    for number, (one, other) in enumerate(zip_longest(said, made)):
        if one != other:
            line = (one or other or "").strip()
            name = re.match(r"(?:[A-Z ]*)`((?:[^`]|``)*)`", line)
            kind = "column" if line.startswith("`") else "key or check"
            return f"{kind} {name[1].replace('``', '`')!r} (line {number + 1})" if name else f"line {number + 1}"
    return ""


# --- what cannot cross


def _obstacles(found: Definition, table: str, target: Target) -> Iterator[str]:
    server = target.server
    for column in found.columns:
        of = f"Column {column.name!r} of {table}"
        kind = _kind(column)
        if (kind in _ONLY_MARIADB and not server.mariadb) or server.version < _SINCE[server.flavour].get(kind, (0, 0)):
            yield f"{of} is of type {kind}, which {server} has not."
        if column.rest:
            yield f"{of} has {' '.join(column.rest)}, which {server} has not."
        if (collation := _effective(column, found)) and _carried(collation, target) not in target.collations:
            yield f"{of} has the collation {collation}, which {server} has not."
        if server.mariadb and column.generated is not None and column.null == "NOT NULL":
            yield f"{of} is generated and NOT NULL, which {server} has not."
        if (
            server.mariadb
            and column.invisible
            and column.null == "NOT NULL"
            and not (column.default or column.auto_increment)
        ):
            yield f"{of} is invisible, NOT NULL and without a default, which {server} has not."
        if server.mariadb and column.default and not _is_text(column.default):
            yield f"{of} has a default that is no text in UTF-8, which {server} could not show."
    if (collation := _of_table(found)) and _carried(collation, target) not in target.collations:
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
    collation = _carried(_effective(column, table), target)
    if _is_json(column):
        parts[1] = "longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin" if mariadb else "json"
    elif collation and collation != _carried(_of_table(table), target):
        parts.append(f"CHARACTER SET {_charset(collation)} COLLATE {collation}")
    if column.generated is not None:
        parts.append(f"GENERATED ALWAYS AS ({sql(column.generated)}) {'STORED' if column.stored else 'VIRTUAL'}")
    parts.append(column.null)
    if column.default is not None:
        parts.append("DEFAULT " + _default(column, mariadb))
    if column.on_update is not None:
        parts.append("ON UPDATE " + sql(column.on_update))
    parts += ["AUTO_INCREMENT"] * column.auto_increment + ["INVISIBLE"] * column.invisible
    parts.append(f"COMMENT {column.comment}" if column.comment else "")
    if mariadb and _is_json(column):
        parts.append(f"CHECK (json_valid({quote(column.name)}))")
    return " ".join(part for part in parts if part)


def _default(column: ColumnLine, mariadb: bool) -> str:
    """MySQL wants in parentheses whatever is no literal, and even those for texts, bytes and the like."""
    value = column.default or ()
    text = sql(value)
    is_literal = literal(value[-1]) is not None or value[-1].startswith(("b'", "x'")) or text.upper() == "NULL"
    if mariadb or text.startswith("(") or (is_literal and _kind(column) not in _WITHOUT_LITERAL_DEFAULT):
        return text
    if value[0].lower() == "current_timestamp" and _kind(column) in ("datetime", "timestamp"):
        return text
    return text if text.upper() == "NULL" else f"({text})"


def _key(key: Tokens, target: Target) -> Tokens:
    ours, theirs = ("IGNORED", "INVISIBLE") if target.server.mariadb else ("INVISIBLE", "IGNORED")
    return tuple(ours if word == theirs else word for word in key)


def _check(check: CheckLine, target: Target) -> str:
    kept = check.name and (target.server.mariadb or not _OWN_NAME.fullmatch(check.name))
    name = f"CONSTRAINT {quote(check.name)} " if kept else ""
    return f"{name}CHECK ({sql(check.expression)}) {sql(check.rest)}".rstrip()


# --- what both have in common


def _neutral(found: Definition, same_name: bool) -> dict[str, object]:
    """A definition by its parts, each by a name for people, in words of neither server."""
    parts: dict[str, object] = {}
    for number, column in enumerate(found.columns):
        json = _is_json(column)
        parts[f"column {column.name!r}"] = (
            number, _type(column), "" if json else _pivot(_effective(column, found)),
            column.null.removeprefix("NULL"), _neutral_default(column), _words(column.on_update or ()),
            None if column.generated is None else _words(column.generated), column.stored, column.auto_increment,
            column.invisible, literal(column.comment) if column.comment else b"", tuple(column.rest),
        )  # fmt: skip
    checks = [*found.checks, *(CheckLine("", c.check, ()) for c in found.columns if c.check and not _is_json(c))]
    nameless = []
    for check in checks:
        if check.name and same_name and not _OWN_NAME.fullmatch(check.name):
            parts[f"check {check.name!r}"] = (_words(check.expression), check.rest)
        else:
            nameless.append((_words(check.expression), check.rest))
    parts["its checks without names"] = sorted(nameless)
    for number, key in enumerate(found.keys):
        name = next((unquoted(word) for word in key[:3] if word.startswith("`")), "PRIMARY")
        shown = tuple("IGNORED" if word == "INVISIBLE" else word for word in key)
        parts[f"key {name!r}"] = (number, shown)
    options = {name: value for name, value in found.options.items() if name not in ("AUTO_INCREMENT", "CHARSET")}
    parts["its options"] = {**options, "COLLATE": _pivot(_of_table(found))}
    parts["what follows its columns"] = found.rest
    parts["its partitions"] = tuple(unquoted(word) for word in _words(found.partitions))
    return parts


def _words(tokens: Tokens) -> Tokens:
    """An expression's words in order, whoever set its parentheses, spelt as one."""
    out = []
    for word in tokens:
        if word in "()":
            continue
        if word.startswith("`"):
            out.append(word.lower())
        elif word.endswith("'"):
            out.append(word if word.startswith(("'", "b'", "x'")) else word[word.index("'") :])
        else:
            out.append(_SAME_WORDS.get(word.lower(), word.lower()))
    return tuple(out)


def _neutral_default(column: ColumnLine) -> object:
    value = tuple(word for word in column.default or () if word not in "()")
    if value in ((), ("NULL",)):
        return None
    given = literal(value[-1])
    if given is not None and value[:-1] in ((), ("-",)):
        return "".join(value[:-1]).encode() + given
    return _words(value)


def _type(column: ColumnLine) -> str:
    """A type without the width in which a client might show its numbers."""
    if _is_json(column):
        return "json"
    text = column.type.lower() if _kind(column) not in ("enum", "set") else column.type
    text = text.replace("geomcollection", "geometrycollection")
    return text if "zerofill" in text or text == "tinyint(1)" else _WIDTH.sub(r"\1", text)


def _is_json(column: ColumnLine) -> bool:
    """MySQL's JSON, or what MariaDB makes of the word: a LONGTEXT with a check."""
    valid = ("json_valid", "(", quote(column.name), ")")
    return _kind(column) == "json" or (_kind(column) == "longtext" and column.check == valid)


def _kind(column: ColumnLine) -> str:
    return re.split(r"\W", column.type.lower(), maxsplit=1)[0]


def _effective(column: ColumnLine, table: Definition) -> str:
    """The collation of a column's text; empty for what is no text."""
    if _kind(column) not in _CHARACTER or _is_json(column):
        return ""
    return _collation(column.collation, column.charset) or _of_table(table)


def _of_table(table: Definition) -> str:
    return _collation(table.options.get("COLLATE", ""), table.options.get("CHARSET", ""))


def _collation(collation: str, charset: str) -> str:
    return _mb3(collation or (_DEFAULT_COLLATIONS.get(charset, f"{charset}_general_ci") if charset else ""))


def _mb3(name: str) -> str:
    return re.sub(r"^utf8_", "utf8mb3_", name)


def _charset(collation: str) -> str:
    return collation.partition("_")[0]


def _carried(collation: str, target: Target) -> str:
    return (_TO_MARIADB if target.server.mariadb else _TO_MYSQL).get(collation, collation)


def _pivot(collation: str) -> str:
    return _TO_MARIADB.get(collation, collation)
