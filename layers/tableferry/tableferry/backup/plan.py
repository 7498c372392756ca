"""What a backup is going to do, as a value: which tables, in which ranges of keys, by which tasks. It fits in JSON."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict

from tableferry.backup.ranges import key_ranges
from tableferry.columnar.formats import Format
from tableferry.errors import Conflict, InvalidRequest, NotSupported
from tableferry.jobs.shares import Share, cut, workers_of
from tableferry.mysql.database import Connection, Database
from tableferry.schema import catalog
from tableferry.schema.codec import Codec, codecs
from tableferry.schema.key_range import Range
from tableferry.schema.table import ForeignKey, Table, Trigger

_RANGE_BYTES = 16 * 1024 * 1024
_LEAST_RANGE_BYTES = 1024 * 1024
_RANGES_A_CONNECTION = 4  # at least, so that one that is slow has others take its ranges
_TASK_BYTES = 1024 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class TablePlan:
    """A table to be backed up: what the catalog says of it, and how it will be read."""

    table: Table
    columns: tuple[Codec, ...]
    definition: str
    foreign_keys: tuple[ForeignKey, ...]
    triggers: tuple[Trigger, ...]
    ranges: tuple[Range, ...]

    @property
    def range_bytes(self) -> float:
        """About how many bytes a range of it has."""
        return self.table.bytes_estimate / len(self.ranges)


@dataclass(frozen=True, slots=True)
class Task:
    """What is read at one go, with one result: ranges of tables. Whose it is, where there are several workers."""

    shares: tuple[Share, ...]
    bytes: float
    worker: int = 0


class BackupPlan(BaseModel):
    """A try at a backup, for whoever takes part in it. The ranges of a table together hold every key."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    attempt: str
    """Six random digits: what a try that was thought dead still writes is none of another one's."""

    database: str
    all_tables: bool
    format: Format
    digest_key: str
    lock_days: int
    started: datetime
    tables: tuple[TablePlan, ...]
    tasks: tuple[Task, ...]
    workers: int

    def of(self, worker: int) -> Iterator[tuple[int, Task]]:
        """The tasks of a worker, with their numbers."""
        return ((number, task) for number, task in enumerate(self.tasks) if task.worker == worker)


def plan(
    connection: Connection,
    database: Database,
    names: Sequence[str] | None,
    *,
    backup_id: str,
    form: Format,
    digest_key: str,
    lock_days: int = 0,
    workers: int = 1,
    connections: int = 2,
) -> BackupPlan:
    """Decide what there is to do, for so many workers with so many connections each; one of them has a single task.

    It reads the catalog and looks into primary keys only. Memory: the tables' definitions and ranges.

    Raises:
        TableNotFound: the database has no such table.
        NotSupported: a table's engine has no snapshots, or a column's type is not known to come back.
        Conflict: there are no tables.
        InvalidRequest: ``names`` is empty.
    """
    started = datetime.now(UTC)
    tables = _described(connection, database, names)
    total = sum(table.bytes_estimate for table in tables)
    fair = total // (workers * connections * _RANGES_A_CONNECTION)
    range_bytes = _RANGE_BYTES if workers == 1 else min(max(fair, _LEAST_RANGE_BYTES), _RANGE_BYTES)
    plans = tuple(_table_plan(connection, table, range_bytes) for table in tables)
    tasks = (_whole(plans),) if workers == 1 else _shared_out(plans, workers)
    return BackupPlan(
        id=backup_id,
        attempt=secrets.token_hex(3),
        database=database.name,
        all_tables=names is None,
        format=form,
        digest_key=digest_key,
        lock_days=lock_days,
        started=started,
        tables=plans,
        tasks=tasks,
        workers=1 + max(task.worker for task in tasks),  # no more than there is something to do for
    )


def _described(connection: Connection, database: Database, names: Sequence[str] | None) -> list[Table]:
    if names is not None and not names:
        raise InvalidRequest("`tables` is empty: name at least one table, or leave it out for all.")
    tables = catalog.describe_all(connection, database, names)
    if not tables:
        raise Conflict(f"The database {database.name!r} has no tables to back up.")
    for table in tables:
        if table.engine.lower() != "innodb":
            raise NotSupported(
                f"Table {table.name!r} is of engine {table.engine}, which has no snapshot. Name the tables to back up "
                "without it, or change its engine to InnoDB."
            )
    return tables


def _table_plan(connection: Connection, table: Table, range_bytes: int) -> TablePlan:
    return TablePlan(
        table=table,
        columns=codecs(table),
        definition=catalog.definition(connection, table.schema, table.name),
        foreign_keys=tuple(catalog.foreign_keys_of(connection, table.schema, table.name)),
        triggers=tuple(catalog.triggers(connection, table.schema, table.name)),
        ranges=tuple(key_ranges.plan(connection, table, range_bytes)),
    )


def _whole(plans: Sequence[TablePlan]) -> Task:
    shares = tuple(Share(number, 0, len(table_plan.ranges)) for number, table_plan in enumerate(plans))
    return Task(shares, sum(table_plan.table.bytes_estimate for table_plan in plans))


def _shared_out(plans: Sequence[TablePlan], workers: int) -> tuple[Task, ...]:
    """Tasks of at most about 1 GB, the largest first."""
    total = sum(table_plan.table.bytes_estimate for table_plan in plans)
    sizes = [[table_plan.range_bytes] * len(table_plan.ranges) for table_plan in plans]
    tasks = sorted(cut(sizes, min(_TASK_BYTES, total / (workers * 2))), key=lambda task: -task[1])
    given = workers_of([size for _, size in tasks], workers)
    return tuple(Task(shares, size, worker) for (shares, size), worker in zip(tasks, given, strict=True))
