"""What MySQL's JSON can hold and its text cannot: a DECIMAL, a date, bytes, put in by functions.

Read as text and stored again, ``JSON_ARRAY(1.5, CURRENT_DATE)`` holds a DOUBLE and a string. The text is mostly the same,
so no digest of it can tell; the server's own JSON_TYPE can. Integers, too, have a type that only functions choose: the
parser makes those from 2^32 on unsigned, and no smaller one. Source:
https://dev.mysql.com/doc/refman/8.4/en/json-attribute-functions.html#function_json-type. MariaDB's JSON is its text.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from tableferry.backup import json_paths
from tableferry.mysql.database import Connection, rows
from tableferry.mysql.identifiers import quote
from tableferry.schema.table import Table

_UNSIGNED_FROM = 2**32  # from it on, the server's parser takes a number without a sign for an unsigned one

_SAMPLE = 100  # documents that tell what the others are like
_SAMPLED = 4096  # bytes at most of each: longer ones have too many places


def inexact(connection: Connection, table: Table, where: str) -> dict[str, int]:
    """How many rows hold, in each JSON column of a range of the table, what their text does not give back."""
    columns = [column.name for column in table.stored if column.data_type == "json"]
    if not columns:
        return {}
    restriction = f" WHERE {where}" if where else ""
    counts = ", ".join(
        f"COALESCE(SUM({_holds(column, _documents(connection, column, f'{table.sql} t{restriction}'))}), 0)"
        for column in (f"t.{quote(name)}" for name in columns)
    )
    [found] = rows(connection, f"SELECT {counts} FROM {table.sql} t{restriction}")
    return {name: int(count) for name, count in zip(columns, found, strict=True) if count}


def as_read_back(text: str) -> str:
    """A document's text in a form that does not change with how its numbers were held: as MySQL's parser takes them."""
    return json.dumps(json.loads(text, parse_int=_whole, object_pairs_hook=list))


def _whole(digits: str) -> Any:
    number = int(digits)
    return number if -(2**63) <= number < 2**64 else float(number)


def _documents(connection: Connection, column: str, source: str) -> list[str]:
    """Some documents of a range, of those that are not long."""
    short = f"CASE WHEN JSON_STORAGE_SIZE({column}) <= {_SAMPLED} THEN {column} END"
    return [document for (document,) in rows(connection, f"SELECT {short} FROM {source} LIMIT {_SAMPLE}") if document]


def _holds(column: str, like: Sequence[str]) -> str:
    """1 for a document that holds what its text does not give back; quick for documents like those given."""
    # `**` takes a step after it: together these reach every scalar, the outermost one by the array around it. To the
    # column a null is NULL.
    in_arrays = f"JSON_TABLE(JSON_ARRAY({column}), '$**[*]' COLUMNS (v JSON PATH '$')) a"
    in_objects = f"JSON_TABLE({column}, '$**.*' COLUMNS (v JSON PATH '$')) o"
    given_back = f"CASE JSON_TYPE(v) WHEN 'OBJECT' THEN 1 WHEN 'ARRAY' THEN 1 {_given_back('v')} ELSE v IS NULL END"
    by_table = " OR ".join(
        f"EXISTS (SELECT 1 FROM {place} WHERE NOT {given_back})" for place in (in_arrays, in_objects)
    )
    exact = json_paths.condition(like, column, _given_back)
    return f"CASE WHEN {column} IS NULL THEN 0 WHEN {exact} THEN 0 ELSE {by_table} END" if exact else by_table


def _given_back(value: str) -> str:
    """For each type of scalar that the server's parser makes of a text, whether it makes it of this value's text."""
    return (
        f"WHEN 'STRING' THEN 1 WHEN 'INTEGER' THEN {value} < {_UNSIGNED_FROM} WHEN 'DOUBLE' THEN 1 WHEN 'BOOLEAN' THEN 1"
        f" WHEN 'NULL' THEN 1 WHEN 'UNSIGNED INTEGER' THEN {value} >= {_UNSIGNED_FROM}"
    )
