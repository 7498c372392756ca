"""Back tables up: plan, one chunk at a time, finish. Each step takes and gives plain values and can be repeated."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import pymysql

from tableferry import __version__
from tableferry.backup import inexact_json, key_ranges, load_history
from tableferry.backup.snapshot import open_snapshot
from tableferry.backup.uploader import Rows, Sending, sending
from tableferry.columnar import result_set
from tableferry.columnar.digest import Digest, Hashing
from tableferry.columnar.formats import Format, names
from tableferry.columnar.packets import has_lines
from tableferry.errors import Conflict, InvalidRequest, NotSupported
from tableferry.manifest import digest_keys, manifest
from tableferry.manifest.manifest import ChunkEntry, ColumnEntry, Manifest, ObjectEntry, TableEntry
from tableferry.mysql.database import Connection, Database, error_code, server_version
from tableferry.mysql.session import Mode
from tableferry.mysql.worker_pool import pool_of
from tableferry.schema import catalog, show_create
from tableferry.schema.codec import Codec, codecs, select
from tableferry.schema.key_range import Range
from tableferry.schema.table import ForeignKey, Table, Trigger
from tableferry.signing import Keys
from tableferry.storage import object_keys
from tableferry.storage.bucket import Store

TellChunks = Callable[[int, int, int], None]
"""Called with chunks done, chunks in all, and rows since the last call."""

_RANGE_BYTES = 16 * 1024 * 1024
_SENT_AT_ONCE = 2  # objects a connection: one is encoded while another waits for S3
_GONE = {1054, 1146, 1360, 1412}  # no such column, table or trigger; its definition has changed


@dataclass(frozen=True, slots=True)
class TablePlan:
    """A table to be backed up: what the catalog says of it, and how it will be read."""

    table: Table
    columns: tuple[Codec, ...]
    definition: str
    foreign_keys: tuple[ForeignKey, ...]
    triggers: tuple[Trigger, ...]
    ranges: tuple[Range, ...]


@dataclass(frozen=True, slots=True)
class RangePlan:
    """A range of a table's keys that is to be read. ``prefix`` is what its files' keys begin with."""

    table_plan: TablePlan
    range: Range
    prefix: str


def backup(
    database: Database,
    store: Store,
    backup_id: str,
    tables: Sequence[str] | None,
    form: Format,
    keys: Keys,
    *,
    workers: int = 2,
    chunk_bytes: int = 4 * 1024 * 1024,
    lock_days: int = 0,
    progress: TellChunks = lambda *_: None,
) -> Manifest:
    """Write the tables (all, where none are named) as they are at one moment, and their manifest last.

    For ``lock_days`` nobody can delete what was written.

    Memory: for each worker 16 times ``chunk_bytes`` (24 times for doubles as CSV, and in a process that has made others
    before) and 16 times the longest row.

    Raises:
        TableNotFound: the database has no such table.
        NotSupported: a table's engine has no snapshots, or a column's type is not known to come back.
        Conflict: a definition changed meanwhile.
        DatabaseUnavailable, StoreUnavailable: as they say.
    """
    started = datetime.now(UTC)
    # A try that was thought dead and comes back must not write over what another one's manifest names.
    attempt = secrets.token_hex(3)
    key_id, hashing = digest_keys.newest(keys)
    with database.connect(Mode.FAITHFUL) as connection, _as_planned():
        table_plans = plan(connection, database, tables)
        with open_snapshot(database, [table_plan.table for table_plan in table_plans], workers) as snapshot:
            range_plans = [
                RangePlan(
                    table_plan,
                    part,
                    f"{object_keys.backup_table(backup_id, table_plan.table.name)}{attempt}-{number:05d}",
                )
                for table_plan in table_plans
                for number, part in enumerate(table_plan.ranges)
            ]
            kept = load_history.keep(
                snapshot.connections[0],
                store,
                backup_id,
                attempt,
                [table_plan.table.name for table_plan in table_plans],
                lock_days,
            )
            with sending(store, form, lock_days, _SENT_AT_ONCE * len(snapshot.connections)) as sender:
                entries = _run(snapshot.connections, sender, range_plans, chunk_bytes, hashing, progress)
        _unchanged(connection, table_plans)
        server = server_version(connection)
        besides = catalog.passed_over(connection, database) if tables is None else []
        served = catalog.served_names(connection, database)
    done = Manifest(
        id=backup_id,
        digest_key=key_id,
        tableferry=__version__,
        server=server,
        database=database.name,
        format=form,
        consistency="snapshot",
        position=snapshot.position,
        started=started,
        finished=datetime.now(UTC),
        tables=tuple(_entry(table_plan, range_plans, entries, hashing) for table_plan in table_plans),
        complete=set(served) <= {table_plan.table.name for table_plan in table_plans},
        notes=(f"Not backed up: {', '.join(besides)}.",) if besides else (),
        ledger=kept,
    )
    manifest.write(store, done, keys, lock_days)
    return done


def plan(connection: Connection, database: Database, names: Sequence[str] | None) -> list[TablePlan]:
    """Decide what there is to do; read the catalog and look into primary keys only.

    Raises what :func:`backup` raises of tables that cannot be backed up, and InvalidRequest where ``names`` is empty.
    """
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
    return [
        TablePlan(
            table=table,
            columns=codecs(table),
            definition=catalog.definition(connection, table.schema, table.name),
            foreign_keys=tuple(catalog.foreign_keys_of(connection, table.schema, table.name)),
            triggers=tuple(catalog.triggers(connection, table.schema, table.name)),
            ranges=tuple(key_ranges.plan(connection, table, _RANGE_BYTES)),
        )
        for table in tables
    ]


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


def back_up_chunk(
    connection: Connection, sender: Sending, range_plan: RangePlan, chunk_bytes: int, hashing: Hashing
) -> Chunk:
    """Read one range of keys and have its files written; the same plan writes the same keys again.

    The next range is read while these are still on their way.
    """
    table, columns = range_plan.table_plan.table, range_plan.table_plan.columns
    where = range_plan.range.where(table.primary_key)
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


def _run(
    connections: Sequence[Connection],
    sender: Sending,
    range_plans: Sequence[RangePlan],
    chunk_bytes: int,
    hashing: Hashing,
    progress: TellChunks,
) -> list[tuple[ChunkEntry, Digest]]:
    """Read every range, on as many threads as there are connections; the first error stops the rest."""

    def run(range_plan: RangePlan) -> Chunk:
        try:
            with pool.connection() as connection:
                return back_up_chunk(connection, sender, range_plan, chunk_bytes, hashing)
        except BaseException as error:
            sender.stop(error)  # the others have ranges of any size to read
            raise

    progress(0, len(range_plans), 0)
    with pool_of(connections, len(connections)) as pool:
        futures = [pool.submit(run, range_plan) for range_plan in range_plans]
        entries = []
        try:
            for done, future in enumerate(futures, 1):
                chunk = future.result()
                entries.append((chunk.entry(), chunk.digest))
                progress(done, len(range_plans), chunk.digest.rows)
        except BaseException as error:
            sender.stop(error)
            raise
    return entries


@contextmanager
def _as_planned() -> Iterator[None]:
    """A table or column that was there a moment ago and is gone is no fault of the request."""
    try:
        yield
    except pymysql.err.MySQLError as error:
        if error_code(error) not in _GONE:
            raise
        raise Conflict("A table was changed, renamed or dropped during the backup; take it again.") from error


def _unchanged(connection: Connection, table_plans: Sequence[TablePlan]) -> None:
    for table_plan in table_plans:
        now = catalog.definition(connection, table_plan.table.schema, table_plan.table.name)
        if show_create.fingerprint(now) != show_create.fingerprint(table_plan.definition):
            raise Conflict(
                f"The definition of table {table_plan.table.name!r} changed during the backup; take it again."
            )


def _entry(
    table_plan: TablePlan, range_plans: Sequence[RangePlan], done: Sequence[tuple[ChunkEntry, Digest]], hashing: Hashing
) -> TableEntry:
    parts = [part for range_plan, part in zip(range_plans, done, strict=True) if range_plan.table_plan is table_plan]
    own = [entry for entry, _ in parts]
    total = sum((digest for _, digest in parts), Digest())
    types = {column.name: column.column_type for column in table_plan.table.columns}
    return TableEntry(
        name=table_plan.table.name,
        definition=table_plan.definition,
        fingerprint=show_create.fingerprint(table_plan.definition),
        columns=tuple(ColumnEntry(type=types[codec.name], codec=codec) for codec in table_plan.columns),
        primary_key=table_plan.table.primary_key,
        foreign_keys=table_plan.foreign_keys,
        triggers=table_plan.triggers,
        rows=total.rows,
        bytes=sum(file.bytes for entry in own for file in entry.objects),
        digest=hashing.text(total),
        chunks=tuple(own),
    )
