"""The header line of a CSV file: recognised, and not required."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from tableferry.errors import InvalidRequest
from tableferry.tables import Column, Table


def header_of(table: Table, fields: Sequence[str | None]) -> tuple[Column, ...] | None:
    """The columns that a line names, if it is a header: every field the name of a column of the table.

    Raises:
        InvalidRequest: it is one, and names a column twice or one that the database computes. Taken for a row, it would
            be rejected, and the rows after it read in an order that is not theirs.
    """
    found = tuple(column for field in fields if field and (column := table.column(field.strip())))
    if not found or len(found) != len(fields):
        return None
    if computed := [column.name for column in found if column.generated]:
        raise InvalidRequest(
            f"The header names {', '.join(map(repr, computed))}, which the database computes: leave it out, with its values."
        )
    if twice := [name for name, count in Counter(column.name for column in found).items() if count > 1]:
        raise InvalidRequest(f"The header names {', '.join(map(repr, twice))} twice.")
    return found
