"""Frames into a table, through LOAD DATA LOCAL INFILE."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tableferry.columnar.formats import for_csv
from tableferry.columnar.native import library
from tableferry.mysql import local_infile
from tableferry.mysql.database import Connection
from tableferry.schema.codec import Codec, Kind

if TYPE_CHECKING:
    import polars as pl

_NUMBERS = (Kind.INT, Kind.UINT, Kind.FLOAT)


def encoded(frame: pl.DataFrame, columns: Sequence[Codec]) -> bytes | memoryview:
    """A frame's rows as :func:`load` sends them. Memory: with the native library twice the text, else five times."""
    if library.library():
        return library.encoded(frame, columns)
    file = io.BytesIO()
    for_csv(frame, columns).write_csv(file, include_header=False, quote_style="non_numeric", null_value="NULL")
    return file.getvalue()


def load(
    connection: Connection, table_sql: str, text: bytes | memoryview, columns: Sequence[Codec]
) -> local_infile.Outcome:
    """Put rows into a table; whether they arrived as they were is for a digest to say."""
    raw = library.library() is not None and any(column.hexed for column in columns)
    assigned = [column.assigned("{}", raw) for column in columns]
    if any(assigned):
        # Beside a column that is assigned MariaDB takes the 0 of one that is not for the next number, if it counts.
        assigned = [
            expression or ("{}" if column.kind in _NUMBERS else None)
            for column, expression in zip(columns, assigned, strict=True)
        ]
    targets = [
        local_infile.Target(column.name, expression) for column, expression in zip(columns, assigned, strict=True)
    ]
    return local_infile.load(connection, table_sql, targets, [text], charset="binary" if raw else "utf8mb4")
