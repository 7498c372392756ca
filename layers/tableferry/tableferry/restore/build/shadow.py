"""Tables of a backup built in a schema of their own, and held against the manifest. Nothing live is touched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pymysql

from tableferry.errors import Conflict, Finding
from tableferry.manifest import digest_keys
from tableferry.manifest.manifest import Manifest
from tableferry.mysql.database import Connection, error_code, execute, rows
from tableferry.mysql.identifiers import quote
from tableferry.mysql.retry import with_lock_retry
from tableferry.mysql.worker_pool import WorkerPool, worker_pool
from tableferry.restore.build import definition_check, foreign_key_check, orphans, readback, triggers
from tableferry.restore.build import indexes as secondary
from tableferry.restore.build.fill import fill
from tableferry.restore.build.progress import BuildProgress
from tableferry.restore.build.target import Item, Resources, Target
from tableferry.schema import catalog, show_create, translate
from tableferry.schema.table import ForeignKey, Trigger

_FEW_ROWS = 20_000  # to take an index off and make it anew costs as much as writing so many rows to it
_OF_SESSIONS = ("sql_require_primary_key", "sql_generate_invisible_primary_key")
_MAY_NOT_SET = 1227
_BACKED_UP_SO = (
    "The two tables were backed up so, and the server does not make such a foreign key anew. Restore the one that has it "
    "by itself, beside a table that it fits, or back both up again once they fit."
)


def build(
    resources: Resources,
    connection: Connection,
    target: Target,
    keys: Sequence[ForeignKey],
    following: Sequence[ForeignKey] = (),
    allow_orphans: bool = False,
) -> list[str]:
    """Create, fill and check the tables and give them ``keys``; on an error the schema is left for the caller to drop.

    ``following`` are the foreign keys of tables that stay, which are to point at these. Returns a note for each foreign key
    without whose parents rows are, if that is allowed. A dry run takes the same steps, and stops before the last.

    Memory: for each worker twelve times the chunk of the backup, and sixteen times the longest row.
    """
    prepare(connection, target, keys, following)
    load(resources, connection, target)
    return connect(connection, target.items, keys, allow_orphans)


def prepare(
    connection: Connection, target: Target, keys: Sequence[ForeignKey], following: Sequence[ForeignKey] = ()
) -> None:
    """Make the tables, empty.

    Raises:
        Conflict: a table cannot be had, a foreign key would not fit, or a trigger could not be made.
    """
    place = target.place
    _create(connection, target)
    inside = [key for key in keys if key.parent_schema == place.shadow]
    outside = [key for key in keys if key.parent_schema != place.shadow]
    misfits = foreign_key_check.look(connection, place.shadow, inside, _BACKED_UP_SO)
    misfits += foreign_key_check.look(connection, place.shadow, [*outside, *target.arriving(following)])
    if misfits:
        raise Conflict.of(*misfits)
    if unmade := triggers.look(connection, place.shadow, _triggers_before_and_after(connection, target)):
        raise Conflict.of(*unmade)


def _triggers_before_and_after(connection: Connection, target: Target) -> list[triggers.Wanted]:
    """Those that the tables are to have, and those of the live ones, which an undo is to bring back."""
    place = target.place
    live = set(catalog.table_names(connection, place.live))
    coming = [
        triggers.Wanted(place.shadow, item.into, triggers_of(connection, target.source, item), triggers.OF_THE_BACKUP)
        for item in target.items
    ]
    return coming + [
        triggers.Wanted(
            place.live, item.into, tuple(catalog.triggers(connection, place.live, item.into)), triggers.OF_THE_LIVE
        )
        for item in target.items
        if item.into in live
    ]


def triggers_of(connection: Connection, source: Manifest, item: Item) -> tuple[Trigger, ...]:
    """The triggers that a table is to have on this server.

    None where it gets another name, for triggers' names are the schema's.
    """
    if item.renamed:
        return ()
    if not translate.crosses(source.server, connection):
        return item.entry.triggers
    mode = translate.sql_mode
    # The other server may not know the collation.
    return tuple(
        replace(trigger, sql_mode=mode(trigger.sql_mode), collation_connection="") for trigger in item.entry.triggers
    )


def load(resources: Resources, connection: Connection, target: Target) -> None:
    """Fill tables that were made empty, and hold them against the manifest; memory as ``build`` says."""
    indexes = take_indexes_off(connection, target)
    progress = BuildProgress(resources.progress, [item.entry for item in target.items])
    hashing = digest_keys.of(resources.store, target.source)
    with worker_pool(resources.database, resources.workers) as pool:
        tables = [(item.entry, target.place.sql(item)) for item in target.items]
        fill(pool, resources.store, target.source, tables, progress)
        _finish(pool, readback.ReadBack(resources, connection, target, hashing), indexes, progress)


def keyless_settings(connection: Connection) -> list[str]:
    """Switch off the settings that let no table without a primary key be as it was; return those that the user may not."""
    found = rows(
        connection,
        "SHOW SESSION VARIABLES WHERE Variable_name IN ('sql_require_primary_key', 'sql_generate_invisible_primary_key',"
        " 'innodb_force_primary_key') AND Value = 'ON'",
    )
    return [str(name) for name, _ in found if name not in _OF_SESSIONS or not _switched_off(connection, name)]


def _switched_off(connection: Connection, setting: str) -> bool:
    try:
        execute(connection, f"SET SESSION {setting} = 0")
    except pymysql.err.MySQLError as error:
        if error_code(error) != _MAY_NOT_SET:
            raise
        return False
    return True


def _create(connection: Connection, target: Target) -> None:
    """Make the tables, empty, and hold each against its definition; raises Conflict for one that cannot be had."""
    source, items, place = target.source, target.items, target.place
    execute(connection, f"DROP DATABASE IF EXISTS {quote(place.shadow)}")  # a try of this same restore that died
    execute(connection, f"CREATE DATABASE {quote(place.shadow)}")
    keyless_settings(connection)
    other = translate.other_server(source.server, connection)
    execute(connection, "SET SESSION foreign_key_checks = 0")
    for item in items:
        text = item.entry.definition
        if other:
            text, obstacles = translate.translated(text, item.entry.name, other)
            if obstacles:
                raise Conflict.of(*(Finding("crossing", item.entry.name, obstacle) for obstacle in obstacles))
        try:
            execute(connection, show_create.without_foreign_keys(text, place.shadow, item.into, not item.renamed))
        except pymysql.err.MySQLError as error:
            column = definition_check.culprit(connection, text, place.shadow)
            message = (
                f"This server does not take the definition of table {item.entry.name!r}"
                + (f": column {column!r}" if column else "")
                + f" (error {error_code(error)}). Nothing was changed."
            )
            raise Conflict.of(Finding("definition", item.entry.name, message)) from error
    for item in items:
        definition_check.check_definition(connection, item.entry, source.server, place.shadow, item.into)
    execute(connection, "SET SESSION foreign_key_checks = 1")


def take_indexes_off(connection: Connection, target: Target) -> dict[str, list[str]]:
    """Take the indexes off that are better made afterwards; their lines, by the table's name."""
    deferred = {}
    for item in target.items:
        if item.entry.rows < _FEW_ROWS:
            continue
        made = catalog.definition(connection, target.place.shadow, item.into)
        if lines := secondary.deferrable(made, {codec.name for codec in item.entry.codecs}):
            secondary.take_off(connection, target.place.sql(item), lines)
            deferred[item.into] = lines
    return deferred


def _finish(
    pool: WorkerPool,
    read_back: readback.ReadBack,
    indexes: Mapping[str, Sequence[str]],
    progress: BuildProgress,
) -> None:
    """Make the indexes and, meanwhile, read the rows back."""
    connection, target = read_back.connection, read_back.target
    source, place = target.source, target.place

    def index(item: Item) -> bool:
        with pool.connection() as own:
            return secondary.put_on(own, place.sql(item), indexes[item.into])

    made = {item.into: pool.submit(index, item) for item in target.items if item.into in indexes}
    readings = [read_back.begin(pool, item) for item in target.items]
    # All are read before any index is waited for, since a table's next ranges are asked for as its first ones come.
    seen = {}
    for item, reading in zip(target.items, readings, strict=True):
        seen[item.into] = readback.digest_of(reading, progress.read_back)
        if item.into not in made:
            read_back.check_rows(seen[item.into], item)
    for item in target.items:
        if item.into in made:
            stayed = made[item.into].result()
            final = seen[item.into] if stayed else readback.digest_of(read_back.begin(pool, item))
            read_back.check_rows(final, item)
            definition_check.check_definition(connection, item.entry, source.server, place.shadow, item.into)


def connect(
    connection: Connection, items: Sequence[Item], keys: Sequence[ForeignKey], allow_orphans: bool
) -> list[str]:
    """Give the shadows their foreign keys; of rows without a parent it is refused, or noted.

    They are looked for once the keys hold: before, others may delete a parent that was seen. Can be repeated.
    """
    there = {
        (own.schema, own.table, own.name)
        for schema, table in {(key.schema, key.table) for key in keys}
        for own in catalog.foreign_keys_of(connection, schema, table)
    }
    renamed = {item.into for item in items if item.renamed}
    with foreign_key_check.as_they_were(connection):
        for key in keys:
            try:
                name = show_create.beside(key.table, key.name) if key.table in renamed else key.name
                if (key.schema, key.table, name) in there:
                    continue  # of a step that died after it
                with_lock_retry(connection, show_create.add_foreign_key(replace(key, name=name)))  # it locks the parent
            except pymysql.err.MySQLError as error:
                raise Conflict.of(foreign_key_check.misfit(connection, key, error)) from error
    return orphans.check_parents(connection, keys, allow_orphans)
