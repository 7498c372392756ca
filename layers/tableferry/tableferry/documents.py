"""What MySQL's JSON can hold and its text cannot: a DECIMAL, a date, bytes, put in by functions.

Read as text and stored again, ``JSON_ARRAY(1.5, CURRENT_DATE)`` holds a DOUBLE and a string. The text is mostly the same,
so no digest of it can tell; the server's own JSON_TYPE can. Integers, too, have a type that only functions choose: the
parser makes those from 2^32 on unsigned, and no smaller one. Source:
https://dev.mysql.com/doc/refman/8.4/en/json-attribute-functions.html#function_json-type. MariaDB's JSON is its text.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from tableferry.database import Connection, rows
from tableferry.tables import Table, quote

_GIVEN_BACK = "'OBJECT','ARRAY','STRING','INTEGER','DOUBLE','BOOLEAN','NULL'"
_UNSIGNED_FROM = 2**32  # from it on, the server's parser takes a number without a sign for an unsigned one

_INEXACT = (
    f"(JSON_TYPE(v) NOT IN ({_GIVEN_BACK}, 'UNSIGNED INTEGER')"
    f" OR JSON_TYPE(v) = 'UNSIGNED INTEGER' AND v < {_UNSIGNED_FROM} OR JSON_TYPE(v) = 'INTEGER' AND v >= {_UNSIGNED_FROM})"
)


def inexact(connection: Connection, table: Table, where: str) -> dict[str, int]:
    """How many rows hold, in each JSON column of a range of the table, what their text does not give back."""
    columns = [column.name for column in table.stored if column.data_type == "json"]
    if not columns:
        return {}
    counts = ", ".join(f"COALESCE(SUM({_holds(quote(name))}), 0)" for name in columns)
    [found] = rows(connection, f"SELECT {counts} FROM {table.sql} t" + (f" WHERE {where}" if where else ""))
    return {name: int(count) for name, count in zip(columns, found, strict=True) if count}


def added(parts: Sequence[Mapping[str, int]]) -> dict[str, int]:
    """The counts of all parts of a table."""
    return {name: sum(part.get(name, 0) for part in parts) for name in {name for part in parts for name in part}}


def as_read_back(text: str) -> str:
    """A document's text in a form that does not change with how its numbers were held: as MySQL's parser takes them."""
    return json.dumps(json.loads(text, parse_int=_whole, object_pairs_hook=list))


def _whole(digits: str) -> Any:
    number = int(digits)
    return number if -(2**63) <= number < 2**64 else float(number)


def _holds(column: str) -> str:
    # `**` takes a step after it: together these reach every scalar, the outermost one by the array around it.
    in_arrays = f"JSON_TABLE(JSON_ARRAY(t.{column}), '$**[*]' COLUMNS (v JSON PATH '$')) a"
    in_objects = f"JSON_TABLE(t.{column}, '$**.*' COLUMNS (v JSON PATH '$')) o"
    return " OR ".join(f"EXISTS (SELECT 1 FROM {place} WHERE {_INEXACT})" for place in (in_arrays, in_objects))
