"""How long a verification takes, and over how many functions it goes so that each of them ends in time."""

from __future__ import annotations

import math

from tableferry.manifest.manifest import Manifest

BYTES_PER_SECOND, OBJECTS_PER_SECOND, ROWS_PER_SECOND = 0.44e9 / 12.7, 245 / 12.7, 6e6 / 12.7
"""Of one function: 12 s for each GB of table, as docs/deploy.md has measured, of a table of 6 million rows in 245 objects.

Rows that are well compressed have few bytes for their work, and large chunks few objects: the slowest of the three counts.
"""

USABLE = 13 / 15
"""Of the time that a function has: the rest is for its start and S3's slow days."""

CAREFUL = 1.5
"""So much longer than expected it may take, and still end in time."""


def expected(source: Manifest) -> float:
    """For how many seconds one function reads a backup."""
    return seconds(source.bytes, sum(table.object_count for table in source.tables), source.rows)


def seconds(size: int, objects: int, rows: int) -> float:
    """For how many seconds one function reads so many bytes, in so many objects, that hold so many rows."""
    return max(size / BYTES_PER_SECOND, objects / OBJECTS_PER_SECOND, rows / ROWS_PER_SECOND)


def functions(source: Manifest, left: float, most: int) -> int:
    """As few functions as are sure to end in so many seconds as are left, infinite where nobody ends them; at most so many.

    One that does not end in time is called again and goes on, so that what is too large for all of them is read, too.
    """
    if math.isinf(left):
        return 1
    return max(1, min(most, math.ceil(expected(source) * CAREFUL / max(left * USABLE, 1.0))))
