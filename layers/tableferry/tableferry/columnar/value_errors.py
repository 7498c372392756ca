"""What can be wrong with a value of a result, as errors."""

from __future__ import annotations

from tableferry.errors import NotSupported
from tableferry.schema.codec import Codec


def no_value(column: Codec) -> NotSupported:
    """The error of a value that the column's type does not have."""
    return NotSupported(f"Column {column.name!r} holds a value that its type does not have.")


def no_text(column: Codec) -> NotSupported:
    """The error of bytes that are no text in the column's character set."""
    return NotSupported(
        f"Column {column.name!r} holds bytes that are no text in its character set, which other tools would alter. "
        "Find them with CONVERT, or make the column a binary one."
    )
