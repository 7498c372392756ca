"""The objects of a backup into tables that were made for them."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass

import polars as pl

from tableferry.columnar import load_data
from tableferry.errors import Conflict, Finding
from tableferry.manifest.leaves import objects_of
from tableferry.manifest.manifest import Manifest, ObjectEntry, TableEntry
from tableferry.manifest.verify import fetch
from tableferry.mysql.database import Connection, dialect, rows
from tableferry.mysql.retry import retry
from tableferry.mysql.worker_pool import WorkerPool
from tableferry.restore.build.chunk_ledger import ChunkLedger
from tableferry.restore.build.progress import BuildProgress
from tableferry.schema.codec import Kind
from tableferry.storage.ahead import ahead
from tableferry.storage.bucket import Store

_LARGE_BYTES = 16 * 1024 * 1024
_TRIES = 20
_WAITING = 256  # objects that the pool has, more than it has threads


def fill(
    pool: WorkerPool, store: Store, source: Manifest, tables: Sequence[tuple[TableEntry, str]], progress: BuildProgress
) -> None:
    """Load every object of these tables, whose names in SQL stand beside them.

    Memory: of each of the pool's threads, or connections where objects are larger than 16 MiB, an object, its frame and
    its rows as text; of the manifest what :func:`~tableferry.manifest.leaves.objects_of` holds.
    """
    loader = Loader.of(pool, store, source)

    def loading() -> Generator[tuple[ObjectEntry, Future[None]], None, None]:
        for entry, sql in tables:
            with closing(objects_of(store, source, entry)) as files:
                for file in files:
                    yield file, pool.submit(loader.load, entry, sql, file)

    progress.begin()
    with closing(ahead(loading(), _WAITING)) as loads:
        for file, load in loads:
            load.result()
            progress.loaded(file)


@dataclass(frozen=True, slots=True)
class Loader:
    """How objects of a backup come into tables, by the connections of a pool.

    With a ``ledger`` each of them comes once, whoever else has it, too.
    """

    pool: WorkerPool
    store: Store
    source: Manifest
    longest: int | None
    """What :func:`_longest_coded` says."""

    ledger: ChunkLedger | None = None

    @classmethod
    def of(cls, pool: WorkerPool, store: Store, source: Manifest, ledger: ChunkLedger | None = None) -> Loader:
        """One for the server that the pool is connected with."""
        with pool.connection() as connection:
            return cls(pool, store, source, _longest_coded(connection), ledger)

    def load(self, entry: TableEntry, table_sql: str, file: ObjectEntry) -> None:
        """Load one object of a table, whose name in SQL stands beside it; with a ledger, unless it is in."""
        # Whoever waits for a connection has its rows ready; but not rows of megabytes, of which each takes many times that.
        text = self._prepared(entry, file) if file.bytes < _LARGE_BYTES else None
        with self.pool.connection() as connection:
            ready = text or self._prepared(entry, file)
            if self.ledger is None:
                _load(connection, table_sql, ready, entry)
            else:
                self.ledger.once(
                    connection, file.key, lambda: load_data.load(connection, table_sql, ready, entry.codecs)
                )

    def _prepared(self, entry: TableEntry, file: ObjectEntry) -> bytes | memoryview:
        frame = fetch(self.store, self.source, entry, file)
        if self.longest is not None:
            _refuse_too_long(self.longest, frame, entry)
        return load_data.encoded(frame, entry.codecs)


def _load(connection: Connection, table_sql: str, text: bytes | memoryview, entry: TableEntry) -> None:
    """One object's rows. Workers can stand in each other's way; then one's statement is rolled back, and done again."""
    retry(lambda: load_data.load(connection, table_sql, text, entry.codecs), _TRIES)


def _longest_coded(connection: Connection) -> int | None:
    """MariaDB's CONVERT gives no more bytes than a packet has, and says nothing of it; MySQL's does."""
    if not dialect(connection).cuts_converted_texts:
        return None
    [(limit,)] = rows(connection, "SELECT @@SESSION.max_allowed_packet")
    return int(str(limit))


def _refuse_too_long(limit: int, frame: pl.DataFrame, entry: TableEntry) -> None:
    """Raise Conflict, with the row's key, for a text that CONVERT would not give whole."""
    coded = [column.name for column in entry.codecs if column.kind is Kind.CODED]
    if not coded:
        return
    sizes: list[int] = frame.select(pl.max_horizontal(pl.col(coded).bin.size()).fill_null(0)).to_series().to_list()
    if (longest := max(sizes)) > limit:
        row = frame.row(sizes.index(longest), named=True)
        key = ", ".join(f"{name} = {row[name]!r}" for name in entry.primary_key if name in row)
        where = f" in the row {key}" if key else ""
        message = (
            f"Table {entry.name!r} has a text of {longest} bytes{where}, and the server's max_allowed_packet is {limit}: "
            "raise it first. Nothing was changed."
        )
        raise Conflict.of(Finding("max-allowed-packet", entry.name, message))
