"""Frames into a table, through LOAD DATA LOCAL INFILE."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tableferry import infile, native
from tableferry.archive import for_csv
from tableferry.columns import Codec, Kind
from tableferry.database import Connection, is_mariadb

if TYPE_CHECKING:
    import polars as pl

_NUMBERS = (Kind.INT, Kind.UINT, Kind.FLOAT)


def encoded(frame: pl.DataFrame, columns: Sequence[Codec]) -> bytes | memoryview:
    """A frame's rows as :func:`load` sends them. Memory: with the native library twice the text, else five times."""
    if native.library():
        return native.encoded(frame, columns)
    file = io.BytesIO()
    for_csv(frame, columns).write_csv(file, include_header=False, quote_style="non_numeric", null_value="NULL")
    return file.getvalue()


def converted_by_mariadb(columns: Sequence[Codec]) -> tuple[Codec, ...]:
    """The columns of text that :func:`load` has MariaDB convert."""
    raw = _is_raw(columns)
    return tuple(column for column in columns if "CONVERT" in (_expression(column, raw, True) or ""))


def _expression(column: Codec, raw: bool, mariadb: bool) -> str | None:
    """What the server makes of a field, if it does not take it as it is.

    Of a file without a character set it takes text in utf8mb4 so, but not for JSON: on MySQL a column may have become
    that on its way from MariaDB. There text as it is spares CONVERT, which has an end.
    """
    if raw and column.kind is Kind.TEXT and not (mariadb and column.charset == "utf8mb4"):
        return "CONVERT({} USING utf8mb4)"
    return column.assigned("{}", raw)


def _is_raw(columns: Sequence[Codec]) -> bool:
    """Whether rows have bytes as they are; then the file is of no character set, and other columns pay for it."""
    return native.library() is not None and any(column.hexed for column in columns)


def load(connection: Connection, table_sql: str, text: bytes | memoryview, columns: Sequence[Codec]) -> infile.Outcome:
    """Put rows into a table; whether they arrived as they were is for a digest to say."""
    raw = _is_raw(columns)
    assigned = [_expression(column, raw, is_mariadb(connection)) for column in columns]
    if any(assigned):
        # Beside a column that is assigned MariaDB takes the 0 of one that is not for the next number, if it counts.
        assigned = [
            expression or ("{}" if column.kind in _NUMBERS else None)
            for column, expression in zip(columns, assigned, strict=True)
        ]
    targets = [infile.Target(column.name, expression) for column, expression in zip(columns, assigned, strict=True)]
    return infile.load(connection, table_sql, targets, [text], charset="binary" if raw else "utf8mb4")
