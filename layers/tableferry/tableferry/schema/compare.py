"""Whether two definitions are of the same table: of one server line by line, of two in what both have words for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import zip_longest

from tableferry.mysql.identifiers import QUOTED, unquoted
from tableferry.schema.collations import is_json, kind_of, of_column, of_table, own_checks, pivot
from tableferry.schema.create_table import OWN_NAME, ColumnLine, Definition, Tokens, key_name, literal, parse
from tableferry.schema.types import INTEGER_BITS

_WIDTH = re.compile(rf"^({'|'.join([*INTEGER_BITS, 'year'])})\(\d+\)")
_BEGINNING = re.compile(rf"[A-Z ]*({QUOTED})")
_SAME_WORDS = {"now": "current_timestamp", "curdate": "current_date", "curtime": "current_time"}


def difference(said: str, made: str, same_name: bool) -> str:
    """The first thing in which two definitions of different servers differ; empty where there is none."""
    try:
        of_said, of_made = _neutral(parse(said), same_name), _neutral(parse(made), same_name)
    except ValueError:
        return "it is not one that SHOW CREATE TABLE writes"
    return next((label for label in [*of_said, *of_made] if of_said.get(label) != of_made.get(label)), "")


def first(said: Sequence[str], made: Sequence[str]) -> str:
    """The first line in which two definitions of the same server differ, called by what it defines."""
    for number, (line_said, line_made) in enumerate(zip_longest(said, made)):
        if line_said != line_made:
            line = (line_said or line_made or "").strip()
            name = _BEGINNING.match(line)
            kind = "column" if line.startswith("`") else "key or check"
            return f"{kind} {unquoted(name[1])!r} (line {number + 1})" if name else f"line {number + 1}"
    return ""


def _neutral(definition: Definition, same_name: bool) -> dict[str, object]:
    """A definition by its parts, each by a name for people, in words of neither server."""
    parts: dict[str, object] = {
        f"column {column.name!r}": (number, *_neutral_column(column, definition))
        for number, column in enumerate(definition.columns)
    }
    parts |= _neutral_checks(definition, same_name)
    for number, key in enumerate(definition.keys):
        shown = tuple("IGNORED" if word == "INVISIBLE" else word for word in key)
        parts[f"key {key_name(key)!r}"] = (number, shown)
    options = {name: value for name, value in definition.options.items() if name not in ("AUTO_INCREMENT", "CHARSET")}
    parts["its options"] = {**options, "COLLATE": pivot(of_table(definition))}
    parts["what follows its columns"] = definition.rest
    parts["its partitions"] = tuple(unquoted(word) for word in _words(definition.partitions))
    return parts


def _neutral_column(column: ColumnLine, table: Definition) -> tuple[object, ...]:
    return (
        _type(column),
        "" if is_json(column) else pivot(of_column(column, table)),
        column.null.removeprefix("NULL"),
        _neutral_default(column),
        _words(column.on_update or ()),
        None if column.generated is None else _words(column.generated),
        column.stored,
        column.auto_increment,
        column.invisible,
        literal(column.comment) if column.comment else b"",
        tuple(column.rest),
    )


def _neutral_checks(definition: Definition, same_name: bool) -> dict[str, object]:
    """The checks of the table and of its columns: by name where that is the user's, the others sorted, as one part."""
    parts: dict[str, object] = {}
    nameless = []
    for check in [*definition.checks, *own_checks(definition)]:
        neutral = (_words(check.expression), check.rest)
        if check.name and same_name and not OWN_NAME.fullmatch(check.name):
            parts[f"check {check.name!r}"] = neutral
        else:
            nameless.append(neutral)
    parts["its checks without names"] = sorted(nameless)
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
    if is_json(column):
        return "json"
    text = column.type.lower() if kind_of(column) not in ("enum", "set") else column.type
    text = text.replace("geomcollection", "geometrycollection")
    return text if "zerofill" in text or text == "tinyint(1)" else _WIDTH.sub(r"\1", text)
