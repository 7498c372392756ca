"""Over how many functions a restore goes: decided by the bytes and rows of the backup, before anything is begun."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tableferry.backup.outlook.capacity import CAREFUL, SHARED, USABLE
from tableferry.restore.build.target import Item

BYTES_PER_SECOND = 0.44e9 / 60
ROWS_PER_SECOND = 6e6 / 60
"""Of one function, as docs/deploy.md has measured: 0.44 GB of files, 6 million rows, in 60 s; the slower of both counts."""


def functions(items: Sequence[Item], seconds: float, most: int, wanted: int | None = None) -> int:
    """How many functions restore the tables: one, if it is expected to end in the ``seconds`` that it has, by a margin.

    Else as many as would end in that time, but not more than ``most``: they go on for as long as it takes. Or as many as
    are ``wanted``, if so many are allowed.
    """
    if wanted is not None:
        return min(wanted, most)
    needed, usable = expected(items) * CAREFUL, seconds * USABLE
    if needed <= usable:
        return 1
    return min(most, max(2, math.ceil(needed / (usable * SHARED))))


def expected(items: Sequence[Item]) -> float:
    """For how many seconds one function restores the tables."""
    size, rows = sum(item.entry.bytes for item in items), sum(item.entry.rows for item in items)
    return max(size / BYTES_PER_SECOND, rows / ROWS_PER_SECOND)
