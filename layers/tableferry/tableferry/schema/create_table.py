"""What SHOW CREATE TABLE says, taken apart: columns, keys, checks, options and partitions, of either server.

Nothing is left out: what has no field of its own here stands word by word in ``rest``, so that two definitions are equal
only if all of them is. What stands in version comments is taken as if it stood outside.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from tableferry.mysql.identifiers import QUOTED, TEXT, unquoted
from tableferry.schema import show_create

_TOKEN = re.compile(
    rf"(?P<space>\s+)|(?P<mark>/\*M?!\d*|\*/)|(?P<name>{QUOTED})|(?P<text>{TEXT})"
    r"|(?P<word>\d+(?:\.\d+)?[eE][-+]\d+|[\w$@.]+)|(?P<sign>.)",
    re.DOTALL,
)
_PREFIXES = re.compile(r"_\w+|[bBxX]")  # of a text: _utf8mb4'a', b'101'
_ESCAPES = {"0": "\0", "n": "\n", "r": "\r", "t": "\t", "Z": "\x1a", "b": "\b"}
_ESCAPED = re.compile(r"\\(.)|''", re.DOTALL)
Tokens = tuple[str, ...]

OWN_NAME = re.compile(r"CONSTRAINT_\d+|.*_chk_\d+", re.DOTALL)
"""What a server calls a check that has no name."""


@dataclass(slots=True)
class ColumnLine:
    """One column. ``default``, ``on_update``, ``generated`` and ``check`` are tokens of SQL, without outer words."""

    name: str
    type: str
    charset: str = ""
    collation: str = ""
    null: str = ""
    """NULL, NOT NULL or nothing."""
    default: Tokens | None = None
    on_update: Tokens | None = None
    generated: Tokens | None = None
    stored: bool = False
    auto_increment: bool = False
    invisible: bool = False
    comment: str = ""
    check: Tokens | None = None
    rest: list[str] = field(default_factory=list)


@dataclass(slots=True)
class CheckLine:
    """A check of the table's; what follows the expression is in ``rest``."""

    name: str
    expression: Tokens
    rest: Tokens


@dataclass(slots=True)
class Definition:
    """A CREATE TABLE, less its name and its foreign keys."""

    columns: list[ColumnLine]
    keys: list[Tokens]
    checks: list[CheckLine]
    options: dict[str, str]
    """By name, such as ENGINE, CHARSET, COLLATE, COMMENT."""
    rest: Tokens
    """What follows the columns and is no option: WITH SYSTEM VERSIONING, say."""
    partitions: Tokens


def parse(text: str) -> Definition:
    """Take a definition apart; raises ValueError where it is not as SHOW CREATE TABLE writes it."""
    body, tail = show_create.parts(text)
    definition = Definition([], [], [], {}, (), ())
    for line in body:
        tokens = tokenize(line)
        if not tokens:
            raise ValueError("an empty line")
        if tokens[0].startswith("`"):
            definition.columns.append(_column(tokens))
        elif "CHECK" in (tokens[0], *tokens[2:3]):
            definition.checks.append(_check(tokens))
        else:
            definition.keys.append(tokens)
    definition.options, definition.rest, definition.partitions = _tail(tokenize(tail)[1:])
    return definition


def tokenize(text: str) -> Tokens:
    """The words, names, texts and signs of a piece of SQL; a text and what stands directly before it is one."""
    tokens: list[str] = []
    glue = False
    for match in _TOKEN.finditer(text):
        kind, word = match.lastgroup, match[0]
        if kind == "text" and glue:
            tokens[-1] += word
        elif kind not in ("space", "mark"):
            tokens.append(word)
        glue = kind == "word" and _PREFIXES.fullmatch(word) is not None
    return tuple(tokens)


def sql(tokens: Sequence[str]) -> str:
    """Tokens as SQL again."""
    out = ""
    for before, word in zip(("", *tokens), tokens, strict=False):
        touching = not before or word in ("(", ")", ",", ".") or before in ("(", ".")
        apart = before and word == "(" and not re.match(r"[\w`]", before[-1])
        two_signs = len(before) == 1 == len(word) and before in "<>=!:|&-" and word in "=>:<|&>"
        out += ("" if (touching and not apart) or two_signs else " ") + word
    return out


def literal(word: str) -> bytes | None:
    """The bytes of a text, a number or a hexadecimal number as it stands in a definition; None for anything else."""
    quoted = re.fullmatch(r"(?:_\w+)?'(.*)'", word, re.DOTALL)
    if quoted:
        return _ESCAPED.sub(lambda m: _ESCAPES.get(m[1], m[1]) if m[1] else "'", quoted[1]).encode()
    if re.fullmatch(r"0x(?:[0-9A-Fa-f]{2})+", word):
        return bytes.fromhex(word[2:])
    return word.encode() if re.fullmatch(r"[\d.]+(?:[eE]\d+)?", word) else None


def key_name(key: Tokens) -> str:
    """The name of a key's line; PRIMARY where it has none."""
    return next((unquoted(word) for word in key[:3] if word.startswith("`")), "PRIMARY")


def _group(tokens: Sequence[str], start: int) -> int:
    """Where the parenthesis that opens at ``start`` is closed, and one more."""
    depth = 0
    for at in range(start, len(tokens)):
        depth += (tokens[at] == "(") - (tokens[at] == ")")
        if depth == 0:
            return at + 1
    raise ValueError("a parenthesis that is not closed")


def _value(tokens: Sequence[str], start: int) -> int:
    """Where a DEFAULT's value ends: a literal, a word with or without parentheses, or an expression in parentheses."""
    at = start + (tokens[start] in ("-", "+"))
    if tokens[at] == "(":
        return _group(tokens, at)
    at += 1
    return _group(tokens, at) if at < len(tokens) and tokens[at] == "(" else at


def _column(tokens: Tokens) -> ColumnLine:
    at = _group(tokens, 2) if tokens[2:3] == ("(",) else 2
    while at < len(tokens) and tokens[at].lower() in ("unsigned", "zerofill"):
        at += 1
    column = ColumnLine(unquoted(tokens[0]), sql(tokens[1:at]))
    try:
        while at < len(tokens):
            at = _attribute(column, tokens, at)
    except IndexError as error:
        raise ValueError("a column that breaks off") from error
    return column


def _attribute(column: ColumnLine, tokens: Tokens, at: int) -> int:
    """Take one attribute of a column; where the next one starts."""
    match [word.upper() for word in tokens[at : at + 3]]:
        case ["CHARACTER", "SET", _]:
            column.charset = tokens[at + 2]
            return at + 3
        case ["COLLATE", _, *_]:
            column.collation = tokens[at + 1]
            return at + 2
        case ["GENERATED", "ALWAYS", "AS"] if tokens[at + 3] == "(":
            end = _group(tokens, at + 3)
            column.generated = tokens[at + 4 : end - 1]
            column.stored = tokens[end] == "STORED"
            if tokens[end] not in ("STORED", "VIRTUAL"):
                column.rest.append(tokens[end])
            return end + 1
        case ["NOT", "NULL", *_]:
            column.null = "NOT NULL"
            return at + 2
        case ["NULL", *_]:
            column.null = "NULL"
            return at + 1
        case ["DEFAULT", *_]:
            end = _value(tokens, at + 1)
            column.default = tokens[at + 1 : end]
            return end
        case ["ON", "UPDATE", _]:
            end = _value(tokens, at + 2)
            column.on_update = tokens[at + 2 : end]
            return end
        case ["AUTO_INCREMENT", *_]:
            column.auto_increment = True
            return at + 1
        case ["INVISIBLE", *_]:
            column.invisible = True
            return at + 1
        case ["COMMENT", _, *_]:
            column.comment = tokens[at + 1]
            return at + 2
        case ["CHECK", "(", _]:
            end = _group(tokens, at + 1)
            column.check = tokens[at + 2 : end - 1]
            return end
    column.rest.append(tokens[at])
    return at + 1


def _check(tokens: Tokens) -> CheckLine:
    start = tokens.index("CHECK")
    end = _group(tokens, start + 1)
    name = unquoted(tokens[1]) if start else ""
    return CheckLine(name, tokens[start + 2 : end - 1], tokens[end:])


def _tail(tokens: Tokens) -> tuple[dict[str, str], Tokens, Tokens]:
    at = next((i for i in range(len(tokens)) if tokens[i : i + 2] == ("PARTITION", "BY")), len(tokens))
    options = {}
    rest = []
    words: Iterator[tuple[int, str]] = iter(enumerate(tokens[:at]))
    for i, word in words:
        if tokens[i + 1 : i + 2] == ("=",) and i + 2 < at:
            options[word.upper()] = tokens[i + 2]
            next(words), next(words)
        elif word != "DEFAULT":
            rest.append(word)
    return options, tuple(rest), tokens[at:]
