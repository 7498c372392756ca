"""What the checks of single values share."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

Value = str | int | bytes
Check = Callable[[object], Value]


class Bad(Exception):
    """The value cannot be stored as it is."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def string(value: object) -> str:
    """The value, if it is text."""
    if isinstance(value, str):
        return value
    raise Bad("invalid", f"expected text, not {shown(value)}")


def shown(value: object) -> str:
    """A value for a message, shortened."""
    text = (
        repr(value)
        if isinstance(value, str)
        else str(value)
        if isinstance(value, int | Decimal)
        else type(value).__name__
    )
    return text if len(text) <= 60 else text[:57] + "…"
