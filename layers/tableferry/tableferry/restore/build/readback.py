"""Tables read back, range by range, and held against the manifest."""

from __future__ import annotations

from collections.abc import Callable, Generator
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass

from tableferry.columnar import result_set
from tableferry.columnar.digest import Digest, Hashing
from tableferry.errors import DigestMismatch, Finding
from tableferry.manifest.leaves import chunks_of
from tableferry.manifest.manifest import ChunkEntry, TableEntry
from tableferry.mysql.database import Connection, server_version
from tableferry.mysql.worker_pool import WorkerPool
from tableferry.restore.build.difference import first_difference, same_but_for_json
from tableferry.restore.build.target import Item, Resources, Target
from tableferry.schema.codec import select
from tableferry.schema.key_range import Range
from tableferry.storage.ahead import ahead

Reading = Generator[tuple[ChunkEntry, Future[Digest]], None, None]
"""Ranges of a table, in the order of their keys, and what will have been read of each."""

_WAITING = 64  # ranges of a table that the pool has, more than it has threads


def digest_of(reading: Reading, tell: Callable[[ChunkEntry], None] = lambda _: None) -> Digest:
    """Wait for what is read of a table, telling of each range; raises what one of them failed with."""
    seen = Digest()
    with closing(reading):
        for chunk, part in reading:
            seen += part.result()
            tell(chunk)
    return seen


@dataclass(frozen=True, slots=True)
class ReadBack:
    """How the tables of one target are read back and compared."""

    resources: Resources
    connection: Connection
    target: Target
    hashing: Hashing

    def begin(self, pool: WorkerPool, item: Item) -> Reading:
        """Have a table read, each range of the backup's by itself; together they hold every key that there can be.

        Memory: for each of the pool's connections some times ``chunk_bytes``, as ``result_set`` says; of the manifest what
        :func:`~tableferry.manifest.leaves.chunks_of` holds.
        """

        def reading() -> Reading:
            with closing(chunks_of(self.resources.store, self.target.source, item.entry)) as chunks:
                for chunk in chunks:
                    yield chunk, pool.submit(self.chunk, pool, item, chunk)

        return ahead(reading(), _WAITING)

    def chunk(self, pool: WorkerPool, item: Item, chunk: ChunkEntry) -> Digest:
        """What a range of a table holds.

        With the item's ``inexact_json``, JSON that no text gives back may have become what its text says: then it is what
        the range's files hold. Memory: as ``begin`` says, then an object as a frame, too.
        """
        entry, table_sql = item.entry, self.target.place.sql(item)

        def read(part: Range) -> Digest:
            sql = select(table_sql, entry.codecs, part.where(entry.primary_key, entry.codecs))
            return result_set.digest(connection, sql, entry.codecs, self.resources.chunk_bytes, self.hashing)

        with pool.connection() as connection:
            seen = read(Range(chunk.lower, chunk.upper))
            if item.inexact_json and chunk.inexact and self.hashing.text(seen) != chunk.digest:
                where = self.resources.store, self.target.source, entry, chunk, table_sql
                seen = same_but_for_json(connection, *where, self.hashing) or seen
            if chunk.lower is not None and chunk.upper is not None and self._order_may_differ(connection, entry, chunk):
                seen -= read(Range(chunk.upper, chunk.lower))
        return seen

    def _order_may_differ(self, connection: Connection, entry: TableEntry, chunk: ChunkEntry) -> bool:
        """Whether the bounds of a range may be the other way round here.

        Another server, or another version of it, may have other collations, or the same ones by other rules. Then ranges
        that met where they were cut overlap here. But as long as what lies between two bounds is counted off where they
        are the other way round, they still add up to the table, whatever the order.
        """
        collated = any(codec.charset for codec in entry.codecs if codec.name in entry.primary_key)
        whole = not isinstance(chunk.lower, tuple) and not isinstance(chunk.upper, tuple)
        return collated and not whole and self.target.source.server != server_version(connection)

    def check_rows(self, seen: Digest, item: Item, *, names_column: bool = True) -> None:
        """Raise DigestMismatch if a table does not hold exactly the rows that were backed up, but those that were ``seen``.

        That it ``names_column`` takes reading all of the table and of its files on one connection.
        """
        entry = item.entry
        if (seen.rows, self.hashing.text(seen)) == (entry.rows, entry.digest):
            return
        where = self.connection, self.resources.store, self.target.source, entry, self.target.place.sql(item)
        column = first_difference(*where) if names_column else None
        message = (
            f"Table {entry.name!r} read back is not what was backed up ({seen.rows} rows, backed up "
            f"{entry.rows}" + (f"; column {column!r} differs" if column else "") + "). Nothing was changed."
        )
        raise DigestMismatch.of(Finding("digest", entry.name, message))
