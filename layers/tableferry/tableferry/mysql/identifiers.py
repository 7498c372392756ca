"""Names as SQL identifiers, and the names that are Tableferry's own."""

from __future__ import annotations

from collections.abc import Iterable

from tableferry.errors import InvalidRequest

OWN_PREFIX = "tableferry_"
"""Tables and schemas with this prefix are Tableferry's own: never listed, never backed up."""


NAME = r"`(?:[^`]|``)+`"
"""A quoted name as the servers write it, as a regular expression without groups. ``unquoted`` reads it."""

QUOTED = r"`(?:[^`]|``)*`"
"""Whatever stands between backticks, nothing too: to step over it."""

TEXT = r"'(?:[^'\\]|''|\\.)*'"
"""A text in single quotes, as a regular expression without groups, which wants DOTALL."""


def possible(name: str) -> str:
    """A name that came from outside, if a server could have a table of it; raises InvalidRequest.

    Names hold characters of the Basic Multilingual Plane; to compare them with others is an error to the server.
    """
    if any(character > "\uffff" for character in name):
        raise InvalidRequest(f"No table can be named {name!r}: MySQL's names have no characters beyond U+FFFF.")
    return name


def quote(name: str) -> str:
    """A name of the catalog's as an identifier in SQL."""
    return "`" + name.replace("`", "``") + "`"


def unquoted(name: str) -> str:
    """A name without the backticks around it, if it has any."""
    return name[1:-1].replace("``", "`") if name.startswith("`") else name


def qualified(schema: str, name: str) -> str:
    """A table's name with its schema, both quoted."""
    return f"{quote(schema)}.{quote(name)}"


def column_list(names: Iterable[str]) -> str:
    """Columns' names, quoted, with commas between them."""
    return ", ".join(quote(name) for name in names)
