"""A part of a table, by its primary key: what a backup reads at once, and what a restore reads back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tableferry.mysql.identifiers import quote


@dataclass(frozen=True, slots=True)
class Range:
    """Keys from ``lower`` up to, but not with, ``upper``; None is no bound. The key's first column is what counts."""

    lower: int | None = None
    upper: int | None = None

    def where(self, key: Sequence[str]) -> str:
        """The range as a condition, empty for a whole table."""
        bounds = []
        if self.lower is not None:
            bounds.append(f"{quote(key[0])} >= {self.lower}")
        if self.upper is not None:
            bounds.append(f"{quote(key[0])} < {self.upper}")
        return " AND ".join(bounds)
