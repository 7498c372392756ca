"""The tasks of a restore that many functions share: objects to load, and ranges to read back. Each can be repeated."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from tableferry.columnar.digest import Digest, Hashing
from tableferry.jobs.shares import Share, cut, workers_of
from tableferry.manifest import leaves
from tableferry.manifest.manifest import ChunkEntry, TableEntry
from tableferry.mysql.worker_pool import WorkerPool
from tableferry.restore.build.chunk_ledger import ChunkLedger
from tableferry.restore.build.fill import Loader
from tableferry.restore.build.readback import ReadBack
from tableferry.restore.build.target import Item, Target
from tableferry.storage.bucket import Store

TASK_BYTES = 256 * 1024 * 1024
"""Of files, about so much is a task: some 0.6 GB of a table, and less than a minute."""


@dataclass(frozen=True, slots=True)
class Task:
    """What is done at one go; its bytes, and whose it is.

    Its pieces are chunks of a table that has them in the manifest, and parts of one that has parts.
    """

    shares: tuple[Share, ...]
    bytes: int
    worker: int = 0


class TableSum(BaseModel):
    """The rows of a table that a task has read back, and the sum of their digest, sealed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    table: int
    rows: int
    sum: str


class ReadPart(BaseModel):
    """What came of reading back a task's ranges."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: int
    tables: tuple[TableSum, ...]


def share_out(tables: Sequence[TableEntry], workers: int, at_most: int = TASK_BYTES) -> tuple[Task, ...]:
    """All pieces of the tables in tasks of about so many bytes, each of which is one worker's, the largest first."""
    total = sum(table.bytes for table in tables)
    wanted = max(1, min(at_most, total // (workers * 2)))
    tasks = sorted(cut(map(_sizes, tables), wanted), key=lambda task: -task[1])
    given = workers_of([size for _, size in tasks], workers)
    return tuple(Task(shares, int(size), worker) for (shares, size), worker in zip(tasks, given, strict=True))


def _sizes(table: TableEntry) -> Sequence[int]:
    if table.parts:
        return [part.stored for part in table.parts]
    return [sum(file.bytes for file in chunk.objects) for chunk in table.chunks]


def chunks(store: Store, items: Sequence[Item], task: Task) -> Iterator[tuple[int, ChunkEntry]]:
    """The chunks of a task, each with the number of its table. Memory: a leaf."""
    for share in task.shares:
        table = items[share.table].entry
        if table.parts:
            for part in table.parts[share.first : share.end]:
                for chunk in leaves.chunks_of_part(store, table, part):
                    yield share.table, chunk
        else:
            for chunk in table.chunks[share.first : share.end]:
                yield share.table, chunk


def fill(pool: WorkerPool, store: Store, target: Target, task: Task, ledger: ChunkLedger) -> int:
    """Load the objects of a task that are not in yet; how many these were.

    Memory: as :func:`fill.fill` says, and the task's list of objects.

    Raises:
        Conflict: the try is over; or as :func:`fill.fill`.
        BackupDamaged: an object is missing or altered.
    """
    files = [(number, file) for number, chunk in chunks(store, target.items, task) for file in chunk.objects]
    with pool.connection() as connection:
        done = ledger.done(connection, [file.key for _, file in files])
    loader = Loader.of(pool, store, target.source, ledger)
    waiting = [(target.items[number], file) for number, file in files if file.key not in done]
    futures = [pool.submit(loader.load, item.entry, target.place.sql(item), file) for item, file in waiting]
    for future in futures:
        future.result()
    return len(waiting)


def read(pool: WorkerPool, read_back: ReadBack, number: int, task: Task) -> ReadPart:
    """Read a task's ranges back; memory as :meth:`ReadBack.begin` says, and the task's list of chunks."""
    items = read_back.target.items
    readings = [
        (table, pool.submit(read_back.chunk, pool, items[table], chunk))
        for table, chunk in chunks(read_back.resources.store, items, task)
    ]
    sums: dict[int, Digest] = {}
    for table, reading in readings:
        sums[table] = sums.get(table, Digest()) + reading.result()
    sealed = read_back.hashing.sealed
    return ReadPart(
        task=number,
        tables=tuple(TableSum(table=table, rows=seen.rows, sum=sealed(seen)) for table, seen in sums.items()),
    )


def added_up(parts: Sequence[ReadPart], tables: int, hashing: Hashing) -> list[Digest]:
    """What all parts together have read of each of so many tables."""
    seen = [Digest() for _ in range(tables)]
    for part in parts:
        for one in part.tables:
            seen[one.table] += hashing.opened(one.sum, one.rows)
    return seen
