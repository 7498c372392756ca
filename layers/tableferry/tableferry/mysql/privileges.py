"""What the database user may do: asked where lacking a privilege shows as less, and not as an error."""

from __future__ import annotations

import re
from collections.abc import Iterable

from tableferry.errors import MissingPrivilege
from tableferry.mysql.database import Connection, rows
from tableferry.mysql.identifiers import QUOTED, quote, unquoted

Wanted = tuple[str, str, str]
"""A privilege, a schema, and a table."""

_NAME = rf"(\*|{QUOTED})"
_LINE = re.compile(rf"(GRANT|REVOKE) (.+?) ON {_NAME}\.{_NAME} (?:TO|FROM) ")
_ONE = re.compile(r"(?:\([^)]*\)|[^,(])+")


def need(connection: Connection, privilege: str, schema: str, table: str, else_: str = "") -> None:
    """Raise MissingPrivilege, which tells what would happen ``else_``, if the user lacks a privilege on a table.

    For what shows as less where it is lacking, and for what could neither be finished nor taken back without it.
    """
    if not may(connection, privilege, schema, table):
        raise MissingPrivilege(
            f"The database user lacks the privilege {privilege} on table {table!r}{else_}. What Tableferry needs is in "
            "sources/grants.sql, statement by statement."
        )


def may(connection: Connection, privilege: str, schema: str, table: str) -> bool:
    """Whether SHOW GRANTS, which shows those of the roles in force too, has a privilege for a table."""
    return _may(grants(connection), privilege, schema, table)


def grants(connection: Connection) -> list[str]:
    """What SHOW GRANTS says, line by line."""
    return [str(line) for (line,) in rows(connection, "SHOW GRANTS")]


def missing(connection: Connection, wanted: Iterable[Wanted]) -> list[Wanted]:
    """Those of the privileges, each on a table of a schema, that the user lacks; asked once for all."""
    lines = grants(connection)
    return [one for one in wanted if not _may(lines, *one)]


def _may(lines: Iterable[str], privilege: str, schema: str, table: str) -> bool:
    everywhere, here = False, False
    on_schemas: dict[int, bool] = {}
    for line in lines:
        found = _LINE.match(line)
        if found is None or not _covers(found[3], schema):
            continue
        has = bool({privilege, "ALL PRIVILEGES"} & {one.strip() for one in _ONE.findall(found[2])})
        if has and found[1] == "REVOKE":  # MySQL's partial revokes
            return False
        if found[4] == quote(table):
            here |= has
        elif found[3] == "*":
            everywhere |= has
        elif found[4] == "*":
            closeness = _closeness(found[3])
            on_schemas[closeness] = on_schemas.get(closeness, False) or has
    # Of the grants on schemas, the server looks at the closest one only.
    return everywhere or here or (bool(on_schemas) and on_schemas[max(on_schemas)])


def _closeness(pattern: str) -> int:
    """How much of a name a pattern says before its first wildcard; a name without any says all."""
    plain = re.sub(r"\\.", "x", pattern)
    return min((at for mark in "_%" if (at := plain.find(mark)) >= 0), default=len(plain) + 1)


def _covers(pattern: str, schema: str) -> bool:
    r"""Whether a schema's name in a grant, in which _ and % are wildcards and \ takes that from them, is of this one."""
    if pattern in ("*", quote(schema)):
        return True
    parts = re.findall(r"\\?.", unquoted(pattern), re.DOTALL)
    wildcards = {"_": ".", "%": ".*"}
    expression = "".join(wildcards.get(part) or re.escape(part[-1]) for part in parts)
    return re.fullmatch(expression, schema, re.DOTALL) is not None
