"""The objects of a backup into tables that were made for them."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from tableferry.columnar import load_data
from tableferry.errors import Conflict, Finding
from tableferry.manifest.manifest import Manifest, ObjectEntry, TableEntry
from tableferry.manifest.verify import fetch
from tableferry.mysql.database import Connection, dialect, rows
from tableferry.mysql.retry import retry
from tableferry.mysql.worker_pool import WorkerPool
from tableferry.restore.build.progress import BuildProgress
from tableferry.schema.codec import Kind
from tableferry.storage.bucket import Store

_LARGE_BYTES = 16 * 1024 * 1024
_TRIES = 20


def fill(
    pool: WorkerPool, store: Store, source: Manifest, tables: Sequence[tuple[TableEntry, str]], progress: BuildProgress
) -> None:
    """Load every object of these tables, whose names in SQL stand beside them.

    Memory: of each of the pool's threads, or connections where objects are larger than 16 MiB, an object, its frame and
    its rows as text.
    """
    with pool.connection() as connection:
        longest = _longest_coded(connection)
    tasks = [(entry, sql, file) for entry, sql in tables for file in entry.objects]

    def prepared(entry: TableEntry, file: ObjectEntry) -> bytes | memoryview:
        frame = fetch(store, source, entry, file)
        if longest is not None:
            _refuse_too_long(longest, frame, entry)
        return load_data.encoded(frame, entry.codecs)

    def run(entry: TableEntry, table_sql: str, file: ObjectEntry) -> None:
        # Whoever waits for a connection has its rows ready; but not rows of megabytes, of which each takes many times that.
        text = prepared(entry, file) if file.bytes < _LARGE_BYTES else None
        with pool.connection() as connection:
            _load(connection, table_sql, text or prepared(entry, file), entry)

    progress.begin()
    futures = [pool.submit(run, *task) for task in tasks]
    for future, (_, _, file) in zip(futures, tasks, strict=True):
        future.result()
        progress.loaded(file)


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
