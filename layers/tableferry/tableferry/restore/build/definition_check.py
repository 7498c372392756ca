"""What a definition made, read back and held against what it says, before any row goes in.

A server drops what it does not know (version comments), adds what it knows better (a SELECT in a comment) and has
defaults of its own; none of it is an error to it. So the text that went in is worth nothing, and what SHOW CREATE TABLE
says of the outcome has to be what the manifest says: to the letter, or, from another server, in what both have.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import zip_longest

import pymysql

from tableferry.errors import DefinitionDiffers, Finding, NotSupported
from tableferry.manifest.manifest import TableEntry
from tableferry.mysql.database import Connection, execute, server_version
from tableferry.mysql.identifiers import NAME, TEXT, qualified, unquoted
from tableferry.schema import catalog, compare, show_create
from tableferry.schema.codec import Codec, Kind, codecs

_BARE = re.compile(rf"  ({NAME}) \w+(?:\((?:{TEXT}|[^')])*\))?(?: unsigned)?")
"""The name and type of a column's line."""


def check_definition(connection: Connection, entry: TableEntry, server: str, schema: str, name: str) -> None:
    """Raise DefinitionDiffers unless a table is what ``entry``, of a backup of ``server``, says.

    Its definition has to be, and the way in which its columns' values are held: a column that the manifest does not name
    would be filled by its default, and one that it names as of another kind by what that makes of it.
    """
    made = catalog.definition(connection, schema, name)
    if differs := _difference(entry, server, server_version(connection), made, name == entry.name):
        raise _differs(
            entry,
            f"This server makes something else of the definition of table {entry.name!r}: {differs}. Nothing was changed.",
        )
    try:
        found = codecs(catalog.table(connection, schema, name))
    except NotSupported as error:
        raise _differs(entry, f"Table {entry.name!r} would have a column that cannot be loaded: {error}") from error
    for said, is_ in zip_longest(entry.codecs, found):
        if said is None or is_ is None or _essence(said) != _essence(is_):
            column = (said or is_).name
            raise _differs(
                entry,
                f"What the manifest says of column {column!r} of table {entry.name!r} does not fit its definition. "
                "Nothing was changed.",
            )


def _differs(entry: TableEntry, message: str) -> DefinitionDiffers:
    return DefinitionDiffers.of(Finding("definition", entry.name, message))


def culprit(connection: Connection, text: str, schema: str) -> str:
    """The first column of a definition that this server takes in no table; empty where it is none.

    Each is tried by itself beside the bare others, in a table of a schema that is dropped afterwards.
    """
    try:
        columns = [line for line in show_create.parts(text)[0] if line.startswith("  `")]
    except ValueError:
        return ""
    trial = qualified(schema, "tableferry_trial")
    bare = [_BARE.match(line) for line in columns]
    for line, found in zip(columns, bare, strict=True):
        others = [other[0] for other in bare if other and other is not found]
        own = line.replace(" AUTO_INCREMENT", "")  # which wants a key
        try:
            execute(connection, f"CREATE TABLE {trial} (\n" + ",\n".join([*others, own]) + "\n)")
        except pymysql.err.MySQLError:
            if found and _taken(connection, trial, others):
                return unquoted(found[1])
        execute(connection, f"DROP TABLE IF EXISTS {trial}")
    return ""


def _taken(connection: Connection, trial: str, lines: Sequence[str]) -> bool:
    """Whether a table of these columns can be had, if of any."""
    try:
        if lines:
            execute(connection, f"CREATE TABLE {trial} (\n" + ",\n".join(lines) + "\n)")
    except pymysql.err.MySQLError:
        return False
    return True


def _difference(entry: TableEntry, server: str, here: str, made: str, same_name: bool) -> str:
    """The first thing in which a definition and its outcome differ; empty where there is none."""
    try:
        said, is_ = show_create.comparable(entry.definition, same_name), show_create.comparable(made, same_name)
    except ValueError:
        return "it is not one that SHOW CREATE TABLE writes"
    if said == is_:
        return ""
    if server != here:
        return compare.difference(entry.definition, made, same_name)
    return compare.first(said, is_)


def _essence(codec: Codec) -> Codec:
    """A codec without what makes no difference: MySQL's JSON has no character set, MariaDB's has."""
    return codec if codec.kind is Kind.CODED else replace(codec, charset="")
