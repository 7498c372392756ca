"""A schema of one's own for a while: where a dry run builds tables. Those of functions that died the next one drops."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

from tableferry.mysql.database import Connection, execute, rows
from tableferry.mysql.identifiers import OWN_PREFIX, quote
from tableferry.mysql.named_lock import named_lock


def prefix_of(purpose: str, live: str) -> str:
    """What the names of the schemas for one purpose begin with, of one database; others of the server have their own."""
    return f"{OWN_PREFIX}{purpose}_{hashlib.sha256(live.encode()).hexdigest()[:8]}_"


@contextmanager
def scratch(connection: Connection, purpose: str, live: str, name: str) -> Iterator[str]:
    """Give the name of a schema that nobody else uses, and drop it on leaving, if it was made; the caller makes it.

    Each is guarded by a lock of its own name for as long as its connection lives, so that several can be in use at once,
    and one without a lock is left over.
    """
    prefix = prefix_of(purpose, live)
    for left_over in schemas(connection, prefix):
        with named_lock(connection, left_over) as is_ours:
            if is_ours:
                drop(connection, left_over)
    own = prefix + name.lower().replace("-", "_")
    with named_lock(connection, own):
        try:
            yield own
        finally:
            if connection.open:
                drop(connection, own)


def schemas(connection: Connection, prefix: str) -> list[str]:
    """The schemas whose names begin so."""
    found = rows(
        connection,
        "SELECT schema_name FROM information_schema.schemata WHERE schema_name LIKE %s",
        (prefix.replace("_", r"\_") + "%",),
    )
    return [str(name) for (name,) in found]


def drop(connection: Connection, schema: str) -> None:
    """Drop a schema that is Tableferry's own, with all that is in it."""
    execute(connection, "SET SESSION foreign_key_checks = 0")
    execute(connection, f"DROP DATABASE IF EXISTS {quote(schema)}")
    execute(connection, "SET SESSION foreign_key_checks = 1")
