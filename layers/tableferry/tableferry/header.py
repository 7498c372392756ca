"""The header line of a CSV file: recognised, and not required."""

from __future__ import annotations

from collections.abc import Sequence

from tableferry.tables import Column, Table


def header_of(table: Table, fields: Sequence[str | None]) -> tuple[Column, ...] | None:
    """The columns that a line names, if it is a header: every field the name of another column of the table."""
    columns = [table.column(field.strip()) if field else None for field in fields]
    found = tuple(column for column in columns if column is not None and not column.generated)
    if not found or len(found) != len(fields) or len({column.name for column in found}) != len(found):
        return None
    return found
