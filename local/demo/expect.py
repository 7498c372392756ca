"""What should be, and what to say when it is not."""

from typing import Any

Json = dict[str, Any]


class Unexpected(Exception):
    """Something is not as it should be; the text says what was expected and what came instead."""


def check(what: str, found: object, expected: object) -> None:
    """Go on only if `found` is what was expected.

    Raises:
        Unexpected: it is not.
    """
    if found != expected:
        raise Unexpected(f"{what}: expected {expected}, but found {found}")


def digests(record: Json) -> dict[str, tuple[int, str]]:
    """Rows and digest of each table of a backup or of a restore."""
    return {table["name"]: (table["rows"], table["digest"]) for table in record["tables"]}
