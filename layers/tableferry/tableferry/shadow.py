"""Tables of a backup built in a schema of their own, and held against the manifest. Nothing live is touched."""

from __future__ import annotations

import queue
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace

import polars as pl
import pymysql

from tableferry import crossing, ddl, loader, orphans, outcome, wire
from tableferry.columns import Kind, select
from tableferry.database import Connection, Database, Mode, error_code, execute, is_mariadb, rows
from tableferry.difference import first_difference, same_but_for_json
from tableferry.digest import Digest
from tableferry.errors import Conflict, DigestMismatch
from tableferry.manifest import Manifest, ObjectEntry, TableEntry
from tableferry.store import Store
from tableferry.tables import OWN_PREFIX, ForeignKey, qualified, quote
from tableferry.verify import fetch

Progress = Callable[[int, int, int], None]

_TRIES, _IN_THE_WAY = 20, {1205, 1213}  # lock wait timeout, deadlock
_LONG_BYTES = 32 * 1024 * 1024
_DOES_NOT_FIT = {
    1005,
    1072,
    1215,
    1822,
    1824,
    3780,
    6125,
}  # foreign keys: no such index, column or table, or another type


@dataclass(frozen=True, slots=True)
class Item:
    """One table to restore, and the name it gets."""

    entry: TableEntry
    into: str
    inexact_json: bool = False
    """Whether JSON that no text gives back may become what its text says."""

    @property
    def renamed(self) -> bool:
        return self.into != self.entry.name


@dataclass(frozen=True, slots=True)
class Place:
    """The schemas of one restore: where tables are built, and where the replaced ones are kept."""

    live: str
    shadow: str
    old: str

    @classmethod
    def of(cls, live: str, restore_id: str) -> Place:
        name = restore_id.lower().replace("-", "_")
        return cls(live, f"{OWN_PREFIX}{name}", f"{OWN_PREFIX}old_{name}")


def build(
    database: Database,
    connection: Connection,
    store: Store,
    source: Manifest,
    items: Sequence[Item],
    place: Place,
    keys: Sequence[ForeignKey],
    *,
    workers: int,
    chunk_bytes: int,
    progress: Progress,
    allow_orphans: bool = False,
) -> list[str]:
    """Create, fill and check the tables and give them ``keys``; on an error the schema is left for the caller to drop.

    Returns a note for each foreign key without whose parents rows are, if that is allowed.

    Memory: about six times the largest object of the backup, a worker.
    """
    _create(connection, source, items, place)
    _fill(database, store, source, items, place, workers, progress)
    _check(connection, store, source, items, place, chunk_bytes)
    return _connect(connection, items, keys, allow_orphans)


def foreign_keys(source: Manifest, items: Sequence[Item], place: Place) -> list[ForeignKey]:
    """The foreign keys of the tables restored: to each other among the shadows, to others in the live schema."""
    names = {item.entry.name: item.into for item in items}
    keys = []
    for item in items:
        for key in item.entry.foreign_keys:
            moved = replace(key, schema=place.shadow, table=item.into)
            if key.parent_schema == source.database:
                inside = key.parent_table in names
                moved = replace(
                    moved,
                    parent_schema=place.shadow if inside else place.live,
                    parent_table=names.get(key.parent_table, key.parent_table),
                )
            keys.append(moved)
    return keys


def _create(connection: Connection, source: Manifest, items: Sequence[Item], place: Place) -> None:
    """Make the tables, empty, and hold each against its definition; raises Conflict for one that cannot be had."""
    execute(connection, f"DROP DATABASE IF EXISTS {quote(place.shadow)}")  # a try of this same restore that died
    execute(connection, f"CREATE DATABASE {quote(place.shadow)}")
    target = crossing.target_of(source.server, connection)
    execute(connection, "SET SESSION foreign_key_checks = 0")
    for item in items:
        text = item.entry.definition
        if target:
            text, obstacles = crossing.translated(text, item.entry.name, target)
            if obstacles:
                raise Conflict(" ".join(obstacles))
        try:
            execute(connection, ddl.without_foreign_keys(text, place.shadow, item.into, not item.renamed))
        except pymysql.err.MySQLError as error:
            column = outcome.culprit(connection, text, place.shadow)
            raise Conflict(
                f"This server does not take the definition of table {item.entry.name!r}"
                + (f": column {column!r}" if column else "")
                + f" (error {error_code(error)}). Nothing was changed."
            ) from error
    for item in items:
        outcome.refuse(connection, item.entry, source.server, place.shadow, item.into)
    execute(connection, "SET SESSION foreign_key_checks = 1")


def _fill(
    database: Database,
    store: Store,
    source: Manifest,
    items: Sequence[Item],
    place: Place,
    workers: int,
    progress: Progress,
) -> None:
    """Load every object, on ``workers`` connections."""
    tasks = [(item, file) for item in items for file in item.entry.objects]
    free: queue.SimpleQueue[Connection] = queue.SimpleQueue()

    def run(item: Item, file: ObjectEntry) -> int:
        frame = fetch(store, source, item.entry, file)
        connection = free.get()
        try:
            _load(connection, qualified(place.shadow, item.into), frame, item.entry)
        finally:
            free.put(connection)
        return file.rows

    with ExitStack() as stack:
        for _ in range(workers):
            connection = stack.enter_context(database.connect(Mode.FAITHFUL))
            execute(connection, "SET SESSION foreign_key_checks = 0")
            if is_mariadb(connection):
                execute(connection, "SET SESSION check_constraint_checks = 0")  # what was there may come back
            free.put(connection)
        pool = stack.enter_context(ThreadPoolExecutor(workers))
        futures = [pool.submit(run, *task) for task in tasks]
        try:
            for done, future in enumerate(futures, 1):
                progress(done, len(futures), future.result())
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _load(connection: Connection, table_sql: str, frame: pl.DataFrame, entry: TableEntry) -> None:
    """One object's rows. Workers can stand in each other's way; then one's statement is rolled back, and done again."""
    _refuse_too_long(connection, frame, entry)
    # Without the checks MariaDB inserts in bulk, and never ends with a row as long as its log.
    execute(connection, f"SET SESSION unique_checks = {int(frame.estimated_size() > _LONG_BYTES)}")
    for tries_left in reversed(range(_TRIES)):
        try:
            loader.load_frame(connection, table_sql, frame, entry.codecs)
            return
        except pymysql.err.OperationalError as error:
            if error_code(error) not in _IN_THE_WAY or not tries_left:
                raise


def _refuse_too_long(connection: Connection, frame: pl.DataFrame, entry: TableEntry) -> None:
    """MariaDB's CONVERT gives no more than a packet, and says nothing of it; raises Conflict, with the row's key."""
    coded = [column.name for column in entry.codecs if column.kind is Kind.CODED]
    if not coded or not is_mariadb(connection):
        return
    sizes: list[int] = frame.select(pl.max_horizontal(pl.col(coded).bin.size()).fill_null(0)).to_series().to_list()
    [(limit,)] = rows(connection, "SELECT @@SESSION.max_allowed_packet")
    if (longest := max(sizes)) > int(limit):
        row = frame.row(sizes.index(longest), named=True)
        key = ", ".join(f"{name} = {row[name]!r}" for name in entry.primary_key if name in row)
        where = f" in the row {key}" if key else ""
        raise Conflict(
            f"Table {entry.name!r} has a text of {longest} bytes{where}, and the server's max_allowed_packet is {limit}: "
            "raise it first. Nothing was changed."
        )


def _check(
    connection: Connection, store: Store, source: Manifest, items: Sequence[Item], place: Place, chunk_bytes: int
) -> None:
    """Read the shadows back; raises DigestMismatch if one does not hold exactly the rows that were backed up."""
    for item in items:
        columns = item.entry.codecs
        table_sql = qualified(place.shadow, item.into)
        seen = Digest()
        for batch in wire.batches(connection, select(table_sql, columns), columns, chunk_bytes):
            seen += batch.digest
        if (seen.rows, seen.hex) != (item.entry.rows, item.entry.digest):
            if (
                item.inexact_json
                and item.entry.inexact
                and same_but_for_json(connection, store, source, item.entry, table_sql)
            ):
                continue
            column = first_difference(connection, store, source, item.entry, table_sql)
            raise DigestMismatch(
                f"Table {item.entry.name!r} read back is not what was backed up ({seen.rows} rows, backed up "
                f"{item.entry.rows}" + (f"; column {column!r} differs" if column else "") + "). Nothing was changed."
            )


def _connect(
    connection: Connection, items: Sequence[Item], keys: Sequence[ForeignKey], allow_orphans: bool
) -> list[str]:
    """Give the shadows their foreign keys, once no row would be without a parent, or it is noted."""
    notes = orphans.refuse(connection, keys, allow_orphans)
    renamed = {item.into for item in items if item.renamed}
    execute(connection, "SET SESSION foreign_key_checks = 0")
    for key in keys:
        try:
            name = ddl.beside(key.table, key.name) if key.table in renamed else key.name
            execute(connection, ddl.add_foreign_key(replace(key, name=name)))
        except pymysql.err.MySQLError as error:
            if error_code(error) not in _DOES_NOT_FIT:
                raise
            raise Conflict(
                f"Foreign key {key.name!r} of table {key.table!r} does not fit table {key.parent_table!r} any more."
            ) from error
    execute(connection, "SET SESSION foreign_key_checks = 1")
    return notes
