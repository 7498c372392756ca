"""What the database says of a row that it does not take, as a problem of that row's."""

from __future__ import annotations

import re

import pymysql

from tableferry.database import error_code
from tableferry.errors import Problem
from tableferry.tables import Table

_CODES = {
    1048: "missing", 1364: "missing", 1062: "duplicate_key", 1586: "duplicate_key", 1216: "missing_parent",
    1452: "missing_parent", 1406: "too_long", 1118: "too_long", 1264: "out_of_range", 1690: "out_of_range",
    1366: "invalid", 1292: "invalid", 1411: "invalid", 3140: "invalid", 3157: "invalid", 1416: "invalid",
    1265: "not_allowed", 1526: "not_allowed", 3819: "check", 4025: "check", 1644: "refused", 1300: "encoding", 167: "no_number", 1467: "no_number",
    1977: "encoding", 3854: "encoding",
}  # fmt: skip
_MESSAGES = {
    "missing": "a value is required",
    "duplicate_key": "a row with this key is there already",
    "missing_parent": "the row that this one points at is not there",
    "too_long": "the value is too long",
    "out_of_range": "the value is out of range",
    "invalid": "the value is not of the column's type",
    "not_allowed": "the value is none that the column or the table's partitions allow",
    "check": "a check of the table's is not met",
    "encoding": "the column's character set lacks a character of the value",
    "no_number": "the next number is more than the column holds",
    "refused": "a trigger of the table's refused the row",
}
_LOST_CHARACTER = re.compile("Incorrect string value", re.IGNORECASE)
_PARENT = re.compile(r"FOREIGN KEY \(([^)]*)\)")
_COLUMN = re.compile(r"(?:column|field) (?:'([^']*)'|(?:`[^`]*`\.)*`([^`]*)`)", re.IGNORECASE)
_KEY = re.compile(r".* for key '(.+)'$", re.DOTALL)
_FOREIGN_KEY = re.compile(r"CONSTRAINT `((?:[^`]|``)+)` FOREIGN KEY \(")
_CHECK = re.compile(r"CONSTRAINT (?:`([^`]+)`|'([^']+)')", re.IGNORECASE)


def is_a_rows_fault(error: pymysql.err.MySQLError) -> bool:
    """Whether the database refused a row for what is in it, rather than failed."""
    return error_code(error) in _CODES


def broken(table: Table, error: pymysql.err.MySQLError) -> tuple[str, str]:
    """The code of the problem, and the name of the key, foreign key or check that the row broke, as far as it is told."""
    code = _CODES[error_code(error)]
    text = str(error.args[1]) if len(error.args) > 1 else ""
    if code == "duplicate_key":
        return code, _key(table, text)
    if code == "missing_parent":
        found = _FOREIGN_KEY.search(text)
        return code, found[1].replace("``", "`") if found else ""
    if code == "check":
        found = _CHECK.search(text)
        return code, (found[1] or found[2]) if found else ""
    return code, ""


def refusal(number: int, table: Table, error: pymysql.err.MySQLError) -> Problem:
    """The problem of the row that the database refused with this error; of its text only names are passed on."""
    code = _CODES[error_code(error)]
    text = str(error.args[1]) if len(error.args) > 1 else ""
    if _LOST_CHARACTER.match(text):  # 1366, which any value may have that is not of its column's type
        code = "encoding"
    column = ""
    message = _MESSAGES[code]
    if code == "duplicate_key":
        if name := _key(table, text):
            column = ", ".join(table.primary_key) if name == "PRIMARY" else ""
            message += f" (key {name})"
    elif code == "missing_parent":
        if parent := _PARENT.search(text):
            column = parent[1].replace("`", "")
    elif code == "check":
        if check := _CHECK.search(text):
            message += f" ({check[1] or check[2]})"
    elif columns := _COLUMN.findall(text):  # the value comes before the column, and may look like one
        column = "".join(columns[-1]).rpartition(".")[2]  # MySQL names the table with a JSON column
    return Problem(number, column, code, message)


def _key(table: Table, text: str) -> str:
    key = _KEY.fullmatch(text)
    return key[1].removeprefix(f"{table.name}.") if key else ""  # MySQL names the table, MariaDB does not
