"""How rows from outside are read and what becomes of them, as far as the user may say."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class OnDuplicate(StrEnum):
    """What becomes of a row whose key is in the table."""

    REJECT = "reject"
    IGNORE = "ignore"
    UPDATE = "update"


class Null(StrEnum):
    r"""The field without quotes that is NULL in a CSV file; with ``\N`` an empty one is the empty text."""

    EMPTY = ""
    BACKSLASH_N = r"\N"


class Binary(StrEnum):
    """How bytes are written as text."""

    HEX = "hex"
    BASE64 = "base64"


@dataclass(frozen=True, slots=True)
class Limit:
    """So many rejects a load may have: a number of rows, or a share of those read."""

    rows: int | None = None
    share: float | None = None

    def exceeded(self, rejected: int, read: int) -> bool:
        if self.rows is not None and rejected > self.rows:
            return True
        return self.share is not None and rejected > self.share * read


@dataclass(frozen=True, slots=True)
class Options:
    """What may be said of a batch or a file; ``delimiter`` is seen from the file's first line unless it is given."""

    on_duplicate: OnDuplicate = OnDuplicate.REJECT
    null: Null = Null.EMPTY
    binary: Binary = Binary.HEX
    max_rejects: Limit | None = None
    delimiter: str | None = None
