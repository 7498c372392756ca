"""Tables read back, range by range, and held against the manifest."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future

from tableferry.backup.key_ranges import Range
from tableferry.columnar import result_set
from tableferry.columnar.digest import Digest, Hashing
from tableferry.errors import DigestMismatch, Finding
from tableferry.manifest.manifest import Manifest, TableEntry
from tableferry.mysql.database import Connection
from tableferry.mysql.worker_pool import Crew
from tableferry.restore.build.difference import first_difference, same_but_for_json
from tableferry.schema.codec import select
from tableferry.storage.bucket import Store


def begin(
    crew: Crew, entry: TableEntry, table_sql: str, chunk_bytes: int, hashing: Hashing
) -> Sequence[Future[Digest]]:
    """Have a table read, each range of the backup's by itself; together they hold every key that there can be."""

    def read(part: Range) -> Digest:
        sql = select(table_sql, entry.codecs, part.where(entry.primary_key))
        with crew.connection() as connection:
            return result_set.digest(connection, sql, entry.codecs, chunk_bytes, hashing)

    return [crew.submit(read, Range(chunk.lower, chunk.upper)) for chunk in entry.chunks]


def refuse(
    reading: Sequence[Future[Digest]],
    connection: Connection,
    store: Store,
    source: Manifest,
    entry: TableEntry,
    table_sql: str,
    hashing: Hashing,
    inexact_json: bool,
) -> None:
    """Raise DigestMismatch if the table does not hold exactly the rows that were backed up.

    With ``inexact_json``, JSON that no text gives back may have become what its text says.
    """
    seen = sum((part.result() for part in reading), Digest())
    if (seen.rows, hashing.text(seen)) == (entry.rows, entry.digest):
        return
    if inexact_json and entry.inexact and same_but_for_json(connection, store, source, entry, table_sql, hashing):
        return
    column = first_difference(connection, store, source, entry, table_sql)
    message = (
        f"Table {entry.name!r} read back is not what was backed up ({seen.rows} rows, backed up "
        f"{entry.rows}" + (f"; column {column!r} differs" if column else "") + "). Nothing was changed."
    )
    raise DigestMismatch.of(Finding("digest", entry.name, message))
