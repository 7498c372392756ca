"""Verify a backup in three steps of values: plan, task, finish. One function takes them all, or many share the tasks.

A task reads objects, and says of each table what it found; the sums are sealed, as whoever reads the bucket may read them.
Reading twice does no harm, so any step can be repeated, and one that was given up can go on.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice

from pydantic import BaseModel, ConfigDict

from tableferry.columnar.digest import Digest, digest
from tableferry.errors import BackupDamaged, Conflict
from tableferry.jobs.shares import Share
from tableferry.manifest import digest_keys, ledger_objects
from tableferry.manifest.inventory import present
from tableferry.manifest.leaves import chunks_of_part
from tableferry.manifest.manifest import Manifest, ObjectEntry, TableEntry
from tableferry.manifest.verify import Verified, fetch, finding, refuse
from tableferry.manifest.verify_plan import VerifyPlan, plan
from tableferry.storage.bucket import Store

_WAITING = 16  # results, which are small, for each thread

TellObjects = Callable[[int, int, int], None]
"""Called with objects done, objects in all, and rows since the last call."""


class Problem(BaseModel):
    """Something that is wrong, in words, and of which object: one of the table's files, or a list of them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    text: str


class TableSeen(BaseModel):
    """What a task found of a table, by its number: rows and bytes of what could be read, and the sum, sealed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    table: int
    rows: int
    bytes: int
    sum: str
    problems: tuple[Problem, ...] = ()


class Seen(BaseModel):
    """What a task found."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: int
    tables: tuple[TableSeen, ...]


def run(
    store: Store,
    source: Manifest,
    planned: VerifyPlan,
    number: int,
    threads: int = 1,
    tell: Callable[[int], None] = lambda _: None,
) -> Seen:
    """Do a task: size, SHA-256, rows and digest of each of its objects, whatever is wrong with others.

    ``tell`` is told the rows of each object that was read. Memory: for each thread one object as a frame; and the task's
    list of objects.
    """
    shares = planned.tasks[number].shares
    with ThreadPoolExecutor(threads, thread_name_prefix="verify") as pool:
        tables = tuple(_seen(store, source, share, pool, threads * _WAITING, tell) for share in shares)
    return Seen(task=number, tables=tables)


def finish(store: Store, source: Manifest, planned: VerifyPlan, seen: Iterable[Seen]) -> Verified:
    """Hold what all tasks found, in any order, against the manifest; look through the bucket for what else lies there.

    Memory: that of :func:`~tableferry.manifest.inventory.present`, a number for each table, and what is wrong.

    Raises:
        BackupDamaged: something is not as the manifest says; it carries what was found of every table.
        Conflict: a task is not done.
    """
    hashing = digest_keys.of(store, source)
    there = present(store, source, source.tables)
    sums, sizes = [Digest()] * len(source.tables), [0] * len(source.tables)
    problems: dict[int, list[tuple[int, tuple[Problem, ...]]]] = defaultdict(list)
    left = set(range(len(planned.tasks)))
    for one in seen:
        if one.task not in left:
            continue  # done twice
        left.remove(one.task)
        for table in one.tables:
            sums[table.table] += hashing.opened(table.sum, table.rows)
            sizes[table.table] += table.bytes
            if table.problems:
                problems[table.table].append((one.task, table.problems))
    if left:
        raise Conflict(f"Of {len(planned.tasks)} tasks of the verification {len(left)} are not done; ask for it again.")
    found = []
    for number, entry in enumerate(source.tables):
        listed = there.problems[entry.name]
        known = {*listed}  # a list of files that cannot be had, too
        inside = [one for _, part in sorted(problems[number], key=lambda part: part[0]) for one in part]
        listed += [one.text for one in inside if one.key not in there.absent and one.text not in known]
        if not listed and (sums[number].rows, hashing.text(sums[number])) != (entry.rows, entry.digest):
            listed.append(f"The rows of table {entry.name!r} are not the ones that were backed up.")
        found.append(finding(entry, listed, sums[number], sizes[number], hashing))
    try:
        for _ in ledger_objects.lines(store, source):
            pass
    except BackupDamaged as error:
        there.problems[""].append(str(error))
    refuse(source, found, there.problems)
    return Verified(tuple(found), there.leftovers)


def verify(store: Store, source: Manifest, progress: TellObjects = lambda *_: None, threads: int = 1) -> Verified:
    """Take all the steps here. Memory: that of :func:`run` and :func:`finish`.

    Raises:
        BackupDamaged: something is not as the manifest says; it carries what was found of every table.
    """
    planned = plan(store, source)
    done = 0

    def tell(rows: int) -> None:
        nonlocal done
        done += 1
        progress(done, planned.objects, rows)

    progress(0, planned.objects, 0)
    seen = (run(store, source, planned, number, threads, tell) for number in range(len(planned.tasks)))
    return finish(store, source, planned, list(seen))


def _seen(
    store: Store, source: Manifest, share: Share, pool: ThreadPoolExecutor, waiting: int, tell: Callable[[int], None]
) -> TableSeen:
    table = source.tables[share.table]
    hashing = digest_keys.of(store, source)
    problems: list[Problem] = []
    total, size = Digest(), 0

    def read(file: ObjectEntry) -> Digest | Problem:
        try:
            return digest(fetch(store, source, table, file), table.codecs, hashing)
        except BackupDamaged as error:
            return Problem(key=file.key, text=str(error))

    for found in _in_order(pool, read, _files(store, table, share), waiting):
        if isinstance(found, Problem):
            problems.append(found)
            continue
        file, came = found
        if isinstance(came, Problem):
            problems.append(came)
        else:
            total, size = total + came, size + file.bytes
        tell(file.rows)
    return TableSeen(
        table=share.table, rows=total.rows, bytes=size, sum=hashing.sealed(total), problems=tuple(problems)
    )


def _files(store: Store, table: TableEntry, share: Share) -> Iterator[ObjectEntry | Problem]:
    """The files of a share. A list that cannot be had, or contradicts the root, is a problem; those behind it are read."""
    yield from islice((file for chunk in table.chunks for file in chunk.objects), share.first, share.end)
    for part in table.parts[share.first : share.end]:
        try:
            chunks = chunks_of_part(store, table, part)
        except BackupDamaged as error:
            yield Problem(key=part.key, text=str(error))
            continue
        for chunk in chunks:
            yield from chunk.objects


def _in_order(
    pool: ThreadPoolExecutor,
    read: Callable[[ObjectEntry], Digest | Problem],
    files: Iterable[ObjectEntry | Problem],
    waiting: int,
) -> Iterator[tuple[ObjectEntry, Digest | Problem] | Problem]:
    """What comes of each file, in their order; only so many are asked for ahead."""
    asked: deque[tuple[ObjectEntry, Future[Digest | Problem]] | Problem] = deque()
    for file in files:
        asked.append(file if isinstance(file, Problem) else (file, pool.submit(read, file)))
        if len(asked) > waiting:
            yield _come(asked.popleft())
    while asked:
        yield _come(asked.popleft())


def _come(
    asked: tuple[ObjectEntry, Future[Digest | Problem]] | Problem,
) -> tuple[ObjectEntry, Digest | Problem] | Problem:
    return asked if isinstance(asked, Problem) else (asked[0], asked[1].result())
