"""A backup's task: ranges of keys read and written on all connections of a snapshot. What came of it is its part."""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass

import pymysql
from pydantic import BaseModel, ConfigDict

from tableferry.backup import inexact_json, load_history
from tableferry.backup.listing import IN_PLACE, Leafing, Listed, Listing
from tableferry.backup.plan import BackupPlan, TablePlan, Task
from tableferry.backup.ranges import key_ranges
from tableferry.backup.uploader import Rows, Sending, sending
from tableferry.columnar import result_set
from tableferry.columnar.digest import Digest, Hashing
from tableferry.columnar.formats import Format, names
from tableferry.columnar.packets import has_lines
from tableferry.errors import Conflict
from tableferry.manifest.manifest import ChunkEntry, LedgerEntry, ObjectEntry
from tableferry.mysql.database import Connection, error_code
from tableferry.mysql.worker_pool import pool_of
from tableferry.schema.codec import Codec, select
from tableferry.schema.key_range import Range
from tableferry.storage import object_keys
from tableferry.storage.bucket import Store

TellChunks = Callable[[int, int, int], None]
"""Called with chunks done, chunks in all, and rows since the last call."""

_SENT_AT_ONCE = 2  # objects a connection: one is encoded while another waits for S3
_GONE = {1054, 1146, 1360, 1412}  # no such column, table or trigger; its definition has changed


class Part(BaseModel):
    """What came of a task, table by table. The first one's has the load history, too: it is read in the same snapshot."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: int
    tables: tuple[Listed, ...]
    ledger: LedgerEntry | None = None

    @property
    def rows(self) -> int:
        """The rows of all its ranges."""
        return sum(listed.rows for listed in self.tables)


@dataclass(frozen=True, slots=True)
class RangePlan:
    """A range of a table's keys that is to be read. ``prefix`` is what its files' keys begin with."""

    table: int
    number: int
    table_plan: TablePlan
    prefix: str

    @property
    def range(self) -> Range:
        """The keys."""
        return self.table_plan.ranges[self.number]


@dataclass(frozen=True, slots=True)
class Chunk:
    """One range that was read, and its files, which may not be written yet."""

    range_plan: RangePlan
    digest: Digest
    hashing: Hashing
    inexact: dict[str, int]
    objects: tuple[Future[ObjectEntry], ...]

    def entry(self) -> ChunkEntry:
        """What the manifest says of it, once all its files are written; raises what one of them failed with."""
        return ChunkEntry(
            lower=self.range_plan.range.lower,
            upper=self.range_plan.range.upper,
            rows=self.digest.rows,
            digest=self.hashing.text(self.digest),
            objects=tuple(written.result() for written in self.objects),
            inexact=self.inexact,
        )


def run(
    connections: Sequence[Connection],
    store: Store,
    plan: BackupPlan,
    number: int,
    chunk_bytes: int,
    progress: TellChunks = lambda *_: None,
) -> Part:
    """Do a task of the plan, on as many threads as there are connections to one moment.

    Each run writes objects of its own: one that goes on after it was given up does no harm to the next.

    Memory: for each connection 16 times ``chunk_bytes`` (24 times for doubles as CSV, and in a process that has made
    others before) and 16 times the longest row; the plan; and of what was written what :class:`Listing` holds.

    Raises:
        Conflict: a table or column is not there any more.
        DatabaseUnavailable, StoreUnavailable: as they say.
    """
    task = plan.tasks[number]
    run_id = secrets.token_hex(4)
    hashing = Hashing(store.keys.for_digests(plan.digest_key))
    with as_planned():
        ledger = None
        if number == 0:
            served = [table_plan.table.name for table_plan in plan.tables]
            ledger = load_history.keep(connections[0], store, plan.id, run_id, served, plan.lock_days)
        with sending(store, plan.format, plan.lock_days, _SENT_AT_ONCE * len(connections)) as sender:
            range_plans = list(_range_plans(plan, task, run_id))
            listing = Listing(
                Leafing(store, plan.id, run_id, hashing, plan.lock_days), IN_PLACE if plan.workers == 1 else 0
            )
            _run(connections, sender, range_plans, chunk_bytes, hashing, listing, progress)
    return Part(task=number, tables=listing.done(), ledger=ledger)


@contextmanager
def as_planned() -> Iterator[None]:
    """A table or column that was there a moment ago and is gone is no fault of the request."""
    try:
        yield
    except pymysql.err.MySQLError as error:
        if error_code(error) not in _GONE:
            raise
        raise Conflict("A table was changed, renamed or dropped during the backup; take it again.") from error


def _range_plans(plan: BackupPlan, task: Task, run_id: str) -> Iterator[RangePlan]:
    for share in task.shares:
        table_plan = plan.tables[share.table]
        folder = object_keys.backup_table(plan.id, table_plan.table.name)
        for number in range(share.first, share.end):
            yield RangePlan(share.table, number, table_plan, f"{folder}{run_id}-{number:05d}")


def _run(
    connections: Sequence[Connection],
    sender: Sending,
    range_plans: Sequence[RangePlan],
    chunk_bytes: int,
    hashing: Hashing,
    listing: Listing,
    progress: TellChunks,
) -> None:
    """Read every range, on as many threads as there are connections, and list it; the first error stops the rest."""

    def one(range_plan: RangePlan) -> Chunk:
        try:
            with pool.connection() as connection:
                return back_up_chunk(connection, sender, range_plan, chunk_bytes, hashing)
        except BaseException as error:
            sender.stop(error)  # the others have ranges of any size to read
            raise

    progress(0, len(range_plans), 0)
    with pool_of(connections, len(connections)) as pool:
        futures = deque(pool.submit(one, range_plan) for range_plan in range_plans)
        try:
            for done, range_plan in enumerate(range_plans, 1):
                chunk = futures.popleft().result()
                planned = range_plan.table_plan
                listing.add(
                    range_plan.table,
                    planned.table.name,
                    len(planned.ranges),
                    range_plan.number,
                    chunk.entry(),
                    chunk.digest,
                )
                progress(done, len(range_plans), chunk.digest.rows)
        except BaseException as error:
            sender.stop(error)
            raise


def back_up_chunk(
    connection: Connection, sender: Sending, range_plan: RangePlan, chunk_bytes: int, hashing: Hashing
) -> Chunk:
    """Read one range of keys and have its files written; the same plan writes the same keys again.

    The next range is read while these are still on their way.
    """
    table, columns = range_plan.table_plan.table, range_plan.table_plan.columns
    where = range_plan.range.where(table.primary_key, columns)
    sql = select(table.sql, columns, where, key_ranges.in_key_order(table))
    total = Digest()
    objects = []
    for number, batch in enumerate(_read(connection, sql, columns, chunk_bytes, hashing, sender.form)):
        total += batch.digest
        objects.append(sender.send(f"{range_plan.prefix}-{number:05d}", batch, columns))
    return Chunk(range_plan, total, hashing, inexact_json.inexact(connection, table, where), tuple(objects))


def _read(
    connection: Connection, sql: str, columns: Sequence[Codec], chunk_bytes: int, hashing: Hashing, form: Format
) -> Iterator[Rows]:
    if form is Format.CSV and has_lines(columns):
        return result_set.lines(connection, sql, columns, chunk_bytes, hashing, names(columns))
    return result_set.batches(connection, sql, columns, chunk_bytes, hashing)
