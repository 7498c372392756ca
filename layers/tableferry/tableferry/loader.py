"""Frames into a table, through LOAD DATA LOCAL INFILE."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tableferry import infile
from tableferry.archive import for_csv
from tableferry.columns import Codec
from tableferry.database import Connection

if TYPE_CHECKING:
    import polars as pl


def load_frame(connection: Connection, table_sql: str, frame: pl.DataFrame, columns: Sequence[Codec]) -> infile.Outcome:
    """Put a frame's rows into a table; whether they arrived as they were is for a digest to say.

    Memory: the frame as CSV.
    """
    targets = [infile.Target(column.name, column.assigned("{}")) for column in columns]
    file = io.BytesIO()
    for_csv(frame, columns).write_csv(file, include_header=False, quote_style="non_numeric", null_value="NULL")
    return infile.load(connection, table_sql, targets, [file.getvalue()])
