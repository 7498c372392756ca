"""What a verification is going to do, as a value: which parts of a backup are read by which tasks. It fits in JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from pydantic import BaseModel, ConfigDict

from tableferry.jobs.shares import Share, workers_of
from tableferry.manifest import digest_keys
from tableferry.manifest.manifest import Manifest, TableEntry
from tableferry.storage.bucket import Store

TASK_OBJECTS, TASK_BYTES = 256, 1 << 30
"""A task is full with so many objects, or bytes in them: about a GB of table, and some seconds of work."""


@dataclass(frozen=True, slots=True)
class VerifyTask:
    """What is read at one go, with one result; whose it is, and how many objects and rows it has.

    Its pieces are a table's parts, if it has any, or else its files.
    """

    shares: tuple[Share, ...]
    objects: int
    rows: int
    bytes: int
    worker: int = 0


class VerifyPlan(BaseModel):
    """What there is to read of a backup, in the order of its tables and keys. It fits in JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    backup: str
    workers: int
    tasks: tuple[VerifyTask, ...]

    @property
    def objects(self) -> int:
        """The objects of all tasks."""
        return sum(task.objects for task in self.tasks)

    def of(self, worker: int) -> Iterator[tuple[int, VerifyTask]]:
        """The tasks of a worker, with their numbers."""
        return ((number, task) for number, task in enumerate(self.tasks) if task.worker == worker)


def plan(store: Store, source: Manifest, workers: int = 1) -> VerifyPlan:
    """Decide what there is to read, for so many workers; the same for the same manifest. It reads nothing.

    Raises:
        BackupDamaged: the digests were made with a key that is not here.
    """
    digest_keys.of(store, source)
    tasks = list(_cut(source))
    given = workers_of([task.bytes for task in tasks], workers)
    shared = tuple(replace(task, worker=worker) for task, worker in zip(tasks, given, strict=True))
    return VerifyPlan(backup=source.id, workers=workers, tasks=shared)


def _cut(source: Manifest) -> Iterator[VerifyTask]:
    """What the root lists, in its order, in tasks that are about full; of small tables several share one."""
    shares: list[Share] = []
    objects = rows = size = 0
    for number, table in enumerate(source.tables):
        first, listed = 0, list(_listed(table))
        for end, (count, held, stored) in enumerate(listed, 1):
            objects, rows, size = objects + count, rows + held, size + stored
            if objects >= TASK_OBJECTS or size >= TASK_BYTES:
                yield VerifyTask((*shares, Share(number, first, end)), objects, rows, size)
                shares, objects, rows, size, first = [], 0, 0, 0, end
        if first < len(listed):
            shares.append(Share(number, first, len(listed)))
    if shares:
        yield VerifyTask(tuple(shares), objects, rows, size)


def _listed(table: TableEntry) -> Iterator[tuple[int, int, int]]:
    """Objects, rows and bytes of each part, or of each file."""
    yield from ((part.objects, part.rows, part.stored) for part in table.parts)
    yield from ((1, file.rows, file.bytes) for chunk in table.chunks for file in chunk.objects)
