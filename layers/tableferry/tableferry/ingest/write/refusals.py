"""What the database says of a row that it does not take, as a problem of that row's.

A table's triggers, checks and expressions can end in any error that there is, and in ones that a user made up. So an error
of an INSERT is a row's fault, unless it is known to be of something else: the connection, the transaction, the server.
Source: https://dev.mysql.com/doc/mysql-errors/9.7/en/server-error-reference.html and
https://mariadb.com/docs/server/reference/error-codes/mariadb-error-code-reference.
"""

from __future__ import annotations

import re
from typing import Any

import pymysql
from pymysql.constants import SERVER_STATUS

from tableferry.errors import Problem
from tableferry.mysql.database import Connection, error_code, execute
from tableferry.mysql.identifiers import NAME, column_list, unquoted
from tableferry.schema.table import Table

_CODES = {
    1048: "missing", 1364: "missing", 1062: "duplicate_key", 1586: "duplicate_key", 1216: "missing_parent",
    1452: "missing_parent", 1406: "too_long", 1118: "too_long", 1264: "out_of_range", 1690: "out_of_range",
    1366: "invalid", 1292: "invalid", 1411: "invalid", 3140: "invalid", 3157: "invalid", 1416: "invalid",
    1265: "not_allowed", 1526: "not_allowed", 3819: "check", 4025: "check", 1644: "refused", 1300: "encoding", 167: "no_number", 1467: "no_number",
    1977: "encoding", 3854: "encoding", 1217: "still_referenced", 1451: "still_referenced", 1761: "still_referenced",
    1762: "still_referenced",
}  # fmt: skip
# Classes of SQLSTATE: of values, of keys, and of what a trigger says itself, with whatever number.
_OF_ROWS = {"21", "22", "23", "44", "45"}
# The connection, the login, the transaction and its rollback, the database, memory, what was killed.
_OF_OTHERS = {"08", "25", "28", "3D", "40", "70", "XA"}
_NO_ROWS_FAULT = {
    1040, 1042, 1043, 1045, 1047, 1053, 1080, 1081, 1129, 1130, 1152, 1154, 1155, 1156, 1157, 1158, 1159, 1160, 1161,
    1184, 1189, 1190, 1203, 1226, 1461, 1698, 1820, 1862, 3032, 3118, 3168, 3169, 4031,  # connections, and their limits
    1015, 1020, 1099, 1100, 1180, 1181, 1205, 1206, 1207, 1213, 1223, 1412, 1615, 1637, 1689, 3058, 3572,  # locks
    1044, 1142, 1143, 1227, 1370, 1410, 1419,  # privileges
    1036, 1290, 1792, 1836, 1874,  # what takes no writes
    1021, 1037, 1038, 1041, 1114, 1135, 1153, 1197, 1436, 1705, 1878, 3170,  # room, memory, packets
    1317, 1927, 1969, 3024,  # what was killed, or took too long
    1002, 1003, 1004, 1005, 1009, 1012, 1013, 1014, 1016, 1017, 1018, 1019, 1023, 1024, 1026, 1027, 1028, 1030, 1031,
    1033, 1034, 1035, 1039, 1105, 1126, 1194, 1195, 1196, 1286, 1296, 1297, 1712, 1812, 1813, 1814, 1815, 1816, 1877,
    1932, 3185,  # files and engines
    1593, 1594, 1595, 1596, 1597, 1598, 1661, 1662, 1663, 1664, 1665, 1666, 1667, 1668, 1785, 1786, 3098, 3100,
    3101,  # replication and its log
    1046, 1049, 1064, 1148, 3948, 4166,  # our own statement
}  # fmt: skip
_OF_A_TABLE = {1054, 1146}  # which may be this one, or one of a trigger's
_SIGNAL = 1644
_LONGEST_REASON = 300
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
    "still_referenced": "rows of another table point at the one that this would alter",
}
_NOT_OF_ITS_TYPE, _NOT_FOR_A_FUNCTION = 1366, 1411
_FUNCTION = re.compile(r"for function (\w+)$")
_LOST_CHARACTER = re.compile("Incorrect string value", re.IGNORECASE)
_PARENT = re.compile(r"FOREIGN KEY \(([^)]*)\)")
_COLUMN = re.compile(r"(?:column|field) (?:'([^']*)'|(?:`[^`]*`\.)*`([^`]*)`)", re.IGNORECASE)
_KEY = re.compile(r".* for key '(.+)'$", re.DOTALL)
_FOREIGN_KEY = re.compile(rf"CONSTRAINT ({NAME}) FOREIGN KEY \(")
_CHECK = re.compile(r"CONSTRAINT (?:`([^`]+)`|'([^']+)')", re.IGNORECASE)


def is_a_rows_fault(connection: Connection, table: Table, error: pymysql.err.MySQLError) -> bool:
    """Whether the database refused a row of an INSERT for what is in it, rather than failed.

    If so, the transaction that the INSERT was in goes on.
    """
    code = error_code(error)
    state = _state(error)
    if code in _CODES or state[:2] in _OF_ROWS:
        return True
    # Numbers below 1000 and from 2000 on are the client's; those that are beyond 32,767 the driver takes for negative.
    if 0 <= code < 1000 or 2000 <= code < 3000 or code in _NO_ROWS_FAULT or state[:2] in _OF_OTHERS:
        return False
    return connection.open and not (code in _OF_A_TABLE and _is_gone(connection, table)) and _goes_on(connection)


def _is_gone(connection: Connection, table: Table) -> bool:
    """Whether the table, or a column of it, is no longer there."""
    try:
        execute(connection, f"SELECT {column_list(column.name for column in table.columns)} FROM {table.sql} LIMIT 0")
    except pymysql.err.MySQLError:
        return True
    return False


def _goes_on(connection: Connection) -> bool:
    """Whether the transaction is open still: what an error rolled back must not be counted as written."""
    execute(connection, "DO 0")
    raw: Any = connection  # the driver's stubs leave out the protocol's own parts
    return bool(raw.server_status & SERVER_STATUS.SERVER_STATUS_IN_TRANS)


def broken(table: Table, error: pymysql.err.MySQLError) -> tuple[str, str]:
    """The code of the problem, and the name of the key, foreign key or check that the row broke, as far as it is told."""
    code = _known(error) or "refused"
    text = _text(error)
    if code == "duplicate_key":
        return code, _key(table, text)
    if code == "missing_parent":
        found = _FOREIGN_KEY.search(text)
        return code, unquoted(found[1]) if found else ""
    if code == "check":
        found = _CHECK.search(text)
        return code, (found[1] or found[2]) if found else ""
    return code, ""


def is_of_a_key(error: pymysql.err.MySQLError) -> bool:
    """Whether a row was refused for a key that is there, of whatever table."""
    return _CODES.get(error_code(error)) == "duplicate_key"


def refusal(number: int, table: Table, error: pymysql.err.MySQLError, *, elsewhere: bool = False) -> Problem:
    """The problem of the row that the database refused with this error; ``elsewhere`` if it met a key of another table.

    Of the text of an error that is known only names are passed on; of others it is all that there is to say.
    """
    text = _text(error)
    if (known := _known(error)) is None:
        reason = " ".join(text.split())[:_LONGEST_REASON]
        return Problem(
            number, "", "refused", f"the database refused the row: {reason} (error {error_code(error) & 0xFFFF})"
        )
    if elsewhere and known == "duplicate_key":
        found = _KEY.fullmatch(text)
        name = f" (key {found[1]})" if found else ""
        return Problem(
            number, "", "refused", f"a trigger of the table's met a key that is in another table already{name}"
        )
    code = "encoding" if error_code(error) == _NOT_OF_ITS_TYPE and _LOST_CHARACTER.match(text) else known
    column = ""
    message = _MESSAGES[code]
    if error_code(error) == _NOT_FOR_A_FUNCTION and (function := _FUNCTION.search(text)):
        message = f"a value is none that the function {function[1]} takes, of which the table makes use"
    elif code == "duplicate_key":
        if name := _key(table, text):
            column = ", ".join(table.primary_key) if name == "PRIMARY" else ""
            message += f" (key {name})"
    elif code == "missing_parent":
        if parent := _PARENT.search(text):
            column = parent[1].replace("`", "")
    elif code == "still_referenced":
        if key := _FOREIGN_KEY.search(text):
            message += f" (foreign key {key[1].replace('``', '`')})"
    elif code == "check":
        if check := _CHECK.search(text):
            message += f" ({check[1] or check[2]})"
    elif columns := _COLUMN.findall(text):  # the value comes before the column, and may look like one
        column = "".join(columns[-1]).rpartition(".")[2]  # MySQL names the table with a JSON column
    return Problem(number, column, code, message)


def _known(error: pymysql.err.MySQLError) -> str | None:
    """The code of a problem for an error whose number says what it is; not one that a trigger took for its own."""
    code = error_code(error)
    return None if _state(error)[:2] == "45" and code != _SIGNAL else _CODES.get(code)


def _state(error: pymysql.err.MySQLError) -> str:
    return getattr(error, "sqlstate", None) or ""


def _text(error: pymysql.err.MySQLError) -> str:
    return str(error.args[1]) if len(error.args) > 1 else ""


def _key(table: Table, text: str) -> str:
    key = _KEY.fullmatch(text)
    return key[1].removeprefix(f"{table.name}.") if key else ""  # MySQL names the table, MariaDB does not
