"""How many rows of a load may be rejected, and how a user says it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

PATTERN = r"^[0-9]{1,15}$|^([0-9]{1,15}\+)?[0-9]{1,3}(\.[0-9]{1,9})?%$"
"""A limit as text; pydantic's expressions, which know no looking ahead, read it too."""


@dataclass(frozen=True, slots=True)
class Limit:
    """So many rejects a load may have: rows, a share (0 to 1) of those read, or both added; 0 is none at all."""

    rows: int | None = None
    share: Decimal | None = None

    def exceeded(self, rejected: int, read: int) -> bool:
        return rejected > (self.rows or 0) + (self.share or 0) * read

    def __str__(self) -> str:
        """As it is written: ``100``, ``5%`` or ``100+5%``."""
        share = [f"{(self.share * 100).normalize():f}%"] if self.share is not None else []
        return "+".join([*([str(self.rows)] if self.rows is not None else []), *share])


MAX_REJECTS = Limit(rows=10_000, share=Decimal("0.1"))
"""Unless it is said: a small file may be rejected whole, a large one that is not what it should be stops early."""


def read(value: object) -> Limit:
    """Read a limit: a number of rows, or text as :data:`PATTERN` has it; raises ValueError."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return Limit(rows=value)
    if not isinstance(value, str) or not re.fullmatch(PATTERN, value):
        raise ValueError
    if not value.endswith("%"):
        return Limit(rows=int(value))
    rows, _, percent = value.removesuffix("%").rpartition("+")
    if (share := Decimal(percent) / 100) > 1:
        raise ValueError
    return Limit(rows=int(rows) if rows else None, share=share)
