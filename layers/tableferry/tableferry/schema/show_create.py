"""Statements made from what SHOW CREATE TABLE says, line by line.

Both servers write one column, key or constraint a line, indented by two spaces, between ``CREATE TABLE `name` (`` and a
line that begins with ``)``. Newlines inside texts are escaped, those inside names are not: they are hidden meanwhile, so
that a line is a unit.
"""

from __future__ import annotations

import hashlib
import re

from tableferry.mysql.identifiers import NAME, QUOTED, TEXT, column_list, qualified, quote, unquoted
from tableferry.schema.table import ForeignKey

_FOREIGN_KEY = re.compile(rf"  CONSTRAINT {NAME} FOREIGN KEY ")
_COLUMN = re.compile(rf"  ({NAME}) (.+)", re.DOTALL)
_NAMED_CHECK = re.compile(rf"  CONSTRAINT ({NAME}) CHECK ")
_COLUMN_COLLATION = re.compile(rf"^(  {NAME} [a-z]+(?:\((?:'(?:[^']|'')*'|[^')])*\))?) COLLATE (\w+)")
_TABLE_COLLATION = re.compile(r"^\).* COLLATE=(\w+)")
_AUTO_INCREMENT = re.compile(r"(^\).*?) AUTO_INCREMENT=\d+", re.MULTILINE)
_BY = rf"DEFINER={QUOTED}(?:@{QUOTED})? "  # a user or, on MariaDB, a role
_DEFINER = re.compile(f"^CREATE {_BY}")
_ANY_NAME = rf"(?:{NAME}|\"(?:[^\"]|\"\")+\"|[^\s`\".()]+)"
_GAP = r"(?:\s|/\*.*?\*/|(?:#|-- )[^\n]*\n)+"
_TRIGGER = re.compile(
    rf"^(CREATE (?:{_BY})?TRIGGER{_GAP}(?:IF{_GAP}NOT{_GAP}EXISTS{_GAP})?)(?:{_ANY_NAME}\s*\.\s*)?"
    rf"({_ANY_NAME}{_GAP}(?:BEFORE|AFTER){_GAP}.*?{_GAP}ON{_GAP})(?:{_ANY_NAME}\s*\.\s*)?({_ANY_NAME})(?={_GAP})",
    re.IGNORECASE | re.DOTALL,
)
_QUOTED = re.compile(rf"{QUOTED}|{TEXT}|\"(?:[^\"\\]|\"\"|\\.)*\"", re.DOTALL)
_VERSION_COMMENTS_OF_SHOW_CREATE = re.compile(
    r"/\*!(?:50100 (?:PARTITION BY|TABLESPACE|WITH PARSER)|50500 PARTITION BY|50606 (?:STORAGE|COLUMN_FORMAT)|80003 SRID \d+|800(?:00|23) INVISIBLE"
    r"|80016 NOT ENFORCED|800\d\d ENCRYPTION)\b|\*/"
)
_LONGEST_NAME, _SERVERS_SUFFIX = 64, len("_chk_9999")
_DIGITS, _KEPT_OF_NAME = 12, 48
_NEWLINE = "\0"  # no name can hold this, and a text holds it escaped
_ACTIONS = re.compile(r"(?: ON (?:DELETE|UPDATE) (?:CASCADE|RESTRICT|NO ACTION|SET NULL|SET DEFAULT))*")
_PLAIN_ENGINE = re.compile(r"^\) ENGINE=InnoDB\b(?!.*\b(?:DIRECTORY|CONNECTION|UNION)\b)", re.MULTILINE | re.DOTALL)
_EFFECTS = re.compile(
    r"@|\b(?:NEXTVAL|LASTVAL|SETVAL|(?:NEXT|PREVIOUS) VALUE|SLEEP|BENCHMARK|LOAD_FILE|\w*_LOCKS?)\b", re.IGNORECASE
)
"""Variables, sequences and functions that do more than give a value; the servers themselves refuse most of them."""
_SELECTS = re.compile(r"\b(?:SELECT|TABLE(?!SPACE)|VALUES(?! LESS| IN)|WITH (?!PARSER|SYSTEM))\b", re.IGNORECASE)


def fingerprint(definition: str) -> str:
    """SHA-256 of a definition, less the AUTO_INCREMENT counter, which moves with every row."""
    return hashlib.sha256(_AUTO_INCREMENT.sub(r"\1", definition).encode()).hexdigest()


def without_foreign_keys(definition: str, schema: str, name: str, keep_names: bool) -> str:
    """The CREATE TABLE of a table elsewhere: in another schema, by a name, without its foreign keys.

    Unless ``keep_names``, its checks lose their names, which a schema can have only once.
    """
    body, tail = parts(definition)
    if default := _TABLE_COLLATION.match(tail):
        body = [_inheriting(line, default[1]) for line in body]
    if not keep_names:
        body = [_NAMED_CHECK.sub(lambda check: _own_check(name, check[1][1:-1]), line) for line in body]
    return f"CREATE TABLE {qualified(schema, name)} (\n" + ",\n".join(body) + f"\n{tail}"


def beside(table: str, name: str) -> str:
    """A name for a key or check of a table that stands beside the one which has ``name``: its own, and short enough."""
    digest_of = hashlib.sha256(f"{table}\0{name}".encode()).hexdigest()[:_DIGITS]
    return f"{table[:_KEPT_OF_NAME]}_{digest_of}"


def _own_check(table: str, name: str) -> str:
    """The beginning of a check's line: the server names it after the table, if that is no longer than a name may be."""
    return "  CHECK " if _server_names(table) else f"  CONSTRAINT {quote(beside(table, name))} CHECK "


def _server_names(table: str) -> bool:
    return len(table) + _SERVERS_SUFFIX <= _LONGEST_NAME


def parts(definition: str) -> tuple[list[str], str]:
    """The lines of a definition without foreign keys, and what follows them from the closing parenthesis on.

    Raises ValueError where it is not as SHOW CREATE TABLE writes it.
    """
    _, *lines = _QUOTED.sub(lambda quoted: quoted[0].replace("\n", _NEWLINE), definition).split("\n")
    end = next((number for number, line in enumerate(lines) if line.startswith(")")), None)
    if not end:
        raise ValueError("no columns")
    body = [line.rstrip(",").replace(_NEWLINE, "\n") for line in lines[:end] if not _FOREIGN_KEY.match(line)]
    return body, "\n".join(lines[end:]).replace(_NEWLINE, "\n")


def comparable(definition: str, keep_names: bool) -> list[str]:
    """What two definitions of one table have in common, line by line: all but the name, foreign keys and the counter.

    Unless ``keep_names``, the names of checks as well.
    """
    body, tail = parts(definition)
    lines = [*body, *_AUTO_INCREMENT.sub(r"\1", tail).split("\n")]
    return lines if keep_names else [_NAMED_CHECK.sub("  CHECK ", line) for line in lines]


def _inheriting(line: str, default: str) -> str:
    """A column's line without the table's own collation.

    MySQL shows a collation that is inherited, and takes it for the column's own when it is read back; one that is the
    column's own it shows behind CHARACTER SET.
    """
    found = _COLUMN_COLLATION.match(line)
    return found[1] + line[found.end() :] if found and found[2] == default else line


def column_lines(definition: str) -> dict[str, str]:
    """What a definition says of each column behind its name, by its name, in its order.

    Raises ValueError where it is not as SHOW CREATE TABLE writes it.
    """
    body, _ = parts(definition)
    found = (_COLUMN.fullmatch(line) for line in body)
    return {unquoted(match[1]): match[2] for match in found if match}


def add_foreign_key(key: ForeignKey) -> str:
    """The statement that gives the foreign key to its table."""
    return (
        f"ALTER TABLE {qualified(key.schema, key.table)} ADD CONSTRAINT {quote(key.name)} FOREIGN KEY"
        f" ({column_list(key.columns)})"
        f" REFERENCES {qualified(key.parent_schema, key.parent_table)} ({column_list(key.parent_columns)})"
        + key.actions
    )


def foreign_key_line(key: ForeignKey) -> str:
    """A foreign key to a table of the same schema, as SHOW CREATE TABLE writes it."""
    return (
        f"  CONSTRAINT {quote(key.name)} FOREIGN KEY ({column_list(key.columns)})"
        f" REFERENCES {quote(key.parent_table)} ({column_list(key.parent_columns)}){key.actions}"
    )


def check_names(definition: str) -> list[str]:
    """The names of a table's checks."""
    body, _ = parts(definition)
    found = (_NAMED_CHECK.match(line) for line in body)
    return [unquoted(match[1]) for match in found if match]


def own_check_names(definition: str, table: str) -> list[str]:
    """The names that MySQL gives the checks of a table which is made elsewhere by another name."""
    names = check_names(definition)
    if _server_names(table):
        return [f"{table}_chk_{number}" for number in range(1, len(names) + 1)]
    return [beside(table, name) for name in names]


def foreign_key_lines(definition: str) -> list[str]:
    """The lines of a definition that are foreign keys."""
    lines = _QUOTED.sub(lambda quoted: quoted[0].replace("\n", _NEWLINE), definition).split("\n")
    return [line.rstrip(",").replace(_NEWLINE, "\n") for line in lines if _FOREIGN_KEY.match(line)]


def drop_foreign_key(key: ForeignKey) -> str:
    """The statement that drops a foreign key."""
    return f"ALTER TABLE {qualified(key.schema, key.table)} DROP FOREIGN KEY {quote(key.name)}"


def trigger_on(definition: str, table: str | None = None) -> str | None:
    """The CREATE TRIGGER in whatever schema the session has, for its table or for another; None if it cannot be read.

    MariaDB keeps the text as it was written, a schema before the names too.
    """
    found = _TRIGGER.match(definition)
    if found is None:
        return None
    begun, event, own = found.groups()
    return f"{begun}{event}{quote(table) if table else own}{definition[found.end() :]}"


def without_definer(definition: str) -> str:
    """The CREATE TRIGGER with whoever runs it as its definer."""
    return _DEFINER.sub("CREATE ", definition)


def is_plain(definition: str) -> bool:
    """Whether a definition is one CREATE TABLE and nothing else, as far as its text can show.

    Servers run what stands in version comments (``/*!50000 … */``); only those that SHOW CREATE TABLE makes are taken.
    """
    bare = _QUOTED.sub("''", definition).removeprefix("CREATE TABLE")
    plain = _VERSION_COMMENTS_OF_SHOW_CREATE.sub("", bare)
    return (
        definition.startswith("CREATE TABLE `")
        and _PLAIN_ENGINE.search(plain) is not None
        and not any(mark in plain for mark in (";", "/*", "--", "#"))
        and not _SELECTS.search(plain)
        and not _EFFECTS.search(plain)
    )


def is_actions(text: str) -> bool:
    """Whether a text is what a foreign key may say after its columns."""
    return _ACTIONS.fullmatch(text) is not None
