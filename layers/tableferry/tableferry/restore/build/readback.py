"""Tables read back, range by range, and held against the manifest."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from tableferry.columnar import result_set
from tableferry.columnar.digest import Digest, Hashing
from tableferry.errors import DigestMismatch, Finding
from tableferry.mysql.database import Connection
from tableferry.mysql.worker_pool import WorkerPool
from tableferry.restore.build.difference import first_difference, same_but_for_json
from tableferry.restore.build.target import Item, Resources, Target
from tableferry.schema.codec import select
from tableferry.schema.key_range import Range


@dataclass(frozen=True, slots=True)
class ReadBack:
    """How the tables of one target are read back and compared."""

    resources: Resources
    connection: Connection
    target: Target
    hashing: Hashing

    def begin(self, pool: WorkerPool, item: Item) -> Sequence[Future[Digest]]:
        """Have a table read, each range of the backup's by itself; together they hold every key that there can be.

        Memory: for each of the pool's connections some times ``chunk_bytes``, as ``result_set`` says.
        """
        entry, table_sql = item.entry, self.target.place.sql(item)

        def read(part: Range) -> Digest:
            sql = select(table_sql, entry.codecs, part.where(entry.primary_key, entry.codecs))
            with pool.connection() as connection:
                return result_set.digest(connection, sql, entry.codecs, self.resources.chunk_bytes, self.hashing)

        return [pool.submit(read, Range(chunk.lower, chunk.upper)) for chunk in entry.chunks]

    def check_rows(self, reading: Sequence[Future[Digest]], item: Item) -> None:
        """Raise DigestMismatch if the table does not hold exactly the rows that were backed up.

        With the item's ``inexact_json``, JSON that no text gives back may have become what its text says.
        """
        entry, hashing = item.entry, self.hashing
        where = self.connection, self.resources.store, self.target.source, entry, self.target.place.sql(item)
        seen = sum((part.result() for part in reading), Digest())
        if (seen.rows, hashing.text(seen)) == (entry.rows, entry.digest):
            return
        if item.inexact_json and entry.inexact and same_but_for_json(*where, hashing):
            return
        column = first_difference(*where)
        message = (
            f"Table {entry.name!r} read back is not what was backed up ({seen.rows} rows, backed up "
            f"{entry.rows}" + (f"; column {column!r} differs" if column else "") + "). Nothing was changed."
        )
        raise DigestMismatch.of(Finding("digest", entry.name, message))
