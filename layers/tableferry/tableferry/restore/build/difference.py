"""Which column of a table that was read back is not as it was backed up. The slow path, after a digest differed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import polars as pl

from tableferry.backup import inexact_json
from tableferry.columnar import result_set
from tableferry.columnar.digest import Digest, Hashing, digest
from tableferry.manifest.leaves import objects_of
from tableferry.manifest.manifest import ChunkEntry, Manifest, TableEntry
from tableferry.manifest.verify import fetch
from tableferry.mysql.database import Connection
from tableferry.schema.codec import Codec, select
from tableferry.schema.key_range import Range
from tableferry.storage.bucket import Store

_BATCH_BYTES = 4 * 1024 * 1024


def first_difference(
    connection: Connection, store: Store, source: Manifest, entry: TableEntry, table_sql: str
) -> str | None:
    """The first column whose values, each with its row's key, differ; None where only whole rows do.

    Memory: one object as a frame.
    """
    columns = entry.codecs
    written = _of_each(
        columns, entry.primary_key, (fetch(store, source, entry, file) for file in objects_of(store, source, entry))
    )
    found = _of_each(
        columns,
        entry.primary_key,
        _read(connection, table_sql, columns),
    )
    return next((column.name for column in columns if written[column.name] != found[column.name]), None)


def same_but_for_json(
    connection: Connection,
    store: Store,
    source: Manifest,
    entry: TableEntry,
    chunk: ChunkEntry,
    table_sql: str,
    hashing: Hashing,
) -> Digest | None:
    """What the files of a chunk hold, if its range of the table holds the same but for JSON that no text gives back.

    That may have become what its text says. None if more differs. Memory: one object as a frame.
    """
    columns = entry.codecs
    loosely = [
        pl.col(name).map_elements(inexact_json.as_read_back, return_dtype=pl.String) for name in sorted(entry.inexact)
    ]
    exact = written = Digest()
    for file in chunk.objects:
        frame = fetch(store, source, entry, file)
        exact += digest(frame, columns, hashing)
        written += digest(frame.with_columns(loosely), columns, hashing)
    where = Range(chunk.lower, chunk.upper).where(entry.primary_key, columns)
    frames = _read(connection, table_sql, columns, where)
    found = sum((digest(frame.with_columns(loosely), columns, hashing) for frame in frames), Digest())
    return exact if written == found else None


def _read(connection: Connection, table_sql: str, columns: Sequence[Codec], where: str = "") -> Iterator[pl.DataFrame]:
    sql = select(table_sql, columns, where)
    return (batch.content for batch in result_set.batches(connection, sql, columns, _BATCH_BYTES))


def _of_each(columns: Sequence[Codec], key: Sequence[str], frames: Iterable[pl.DataFrame]) -> dict[str, Digest]:
    keys = [column for column in columns if column.name in key]
    totals = {column.name: Digest() for column in columns}
    for frame in frames:
        for column in columns:
            totals[column.name] += digest(frame, [*keys, column])
    return totals
