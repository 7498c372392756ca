"""Collations and types by which columns of the two servers are compared: what each has in effect, and its like there."""

from __future__ import annotations

import re

from tableferry.mysql.identifiers import quote
from tableferry.schema.create_table import CheckLine, ColumnLine, Definition
from tableferry.schema.types import CHARACTER

# NO PAD, by the weights of Unicode's collation algorithm (9.0 in MySQL, 14.0 in MariaDB), or by code point.
_TO_MARIADB = {
    "utf8mb4_0900_ai_ci": "utf8mb4_uca1400_nopad_ai_ci",
    "utf8mb4_0900_as_ci": "utf8mb4_uca1400_nopad_as_ci",
    "utf8mb4_0900_as_cs": "utf8mb4_uca1400_nopad_as_cs",
    "utf8mb4_0900_bin": "utf8mb4_nopad_bin",
}
_TO_MYSQL = {theirs: ours for ours, theirs in _TO_MARIADB.items()}
_DEFAULT_COLLATIONS = {
    "latin1": "latin1_swedish_ci", "big5": "big5_chinese_ci", "cp932": "cp932_japanese_ci", "dec8": "dec8_swedish_ci",
    "euckr": "euckr_korean_ci", "eucjpms": "eucjpms_japanese_ci", "gb2312": "gb2312_chinese_ci", "gbk": "gbk_chinese_ci",
    "gb18030": "gb18030_chinese_ci", "hp8": "hp8_english_ci", "swe7": "swe7_swedish_ci", "sjis": "sjis_japanese_ci",
    "tis620": "tis620_thai_ci", "ujis": "ujis_japanese_ci", "binary": "binary",
}  # fmt: skip


def is_json(column: ColumnLine) -> bool:
    """MySQL's JSON, or what MariaDB makes of the word: a LONGTEXT with a check."""
    valid = ("json_valid", "(", quote(column.name), ")")
    return kind_of(column) == "json" or (kind_of(column) == "longtext" and column.check == valid)


def own_checks(table: Definition) -> list[CheckLine]:
    """The checks that stand in columns' lines, as checks of the table, but for those that make a column JSON."""
    return [CheckLine("", column.check, ()) for column in table.columns if column.check and not is_json(column)]


def kind_of(column: ColumnLine) -> str:
    """The word that names a column's type."""
    return re.split(r"\W", column.type.lower(), maxsplit=1)[0]


def of_column(column: ColumnLine, table: Definition) -> str:
    """The collation of a column's text; empty for what is no text."""
    if kind_of(column) not in CHARACTER or is_json(column):
        return ""
    return _collation(column.collation, column.charset) or of_table(table)


def of_table(table: Definition) -> str:
    """The collation of a table."""
    return _collation(table.options.get("COLLATE", ""), table.options.get("CHARSET", ""))


def carried(collation: str, mariadb: bool) -> str:
    """The collation that is a collation's like on the other server, which is MariaDB or MySQL."""
    return (_TO_MARIADB if mariadb else _TO_MYSQL).get(collation, collation)


def pivot(collation: str) -> str:
    """A collation by one name for both servers."""
    return _TO_MARIADB.get(collation, collation)


def charset_of(collation: str) -> str:
    """The character set of a collation."""
    return collation.partition("_")[0]


def mb3(name: str) -> str:
    """A collation of MySQL's older name for three-byte UTF-8 by the newer one."""
    return re.sub(r"^utf8_", "utf8mb3_", name)


def _collation(collation: str, charset: str) -> str:
    return mb3(collation or (_DEFAULT_COLLATIONS.get(charset, f"{charset}_general_ci") if charset else ""))
