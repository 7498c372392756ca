"""A dry run: the same checks and the same build as a restore's, in a schema that is dropped again; nothing live is changed.

What a restore would answer is in the plan's ``problems``; what was too large to be tried is in ``unchecked``.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from tableferry.errors import Conflict, DigestMismatch, Finding, NotSupported
from tableferry.manifest.manifest import Manifest
from tableferry.mysql.database import Connection
from tableferry.mysql.session import Mode
from tableferry.restore import changes, dependent_views, preflight, record, recovery
from tableferry.restore.build import orphans, shadow
from tableferry.restore.build.scratch_schema import scratch
from tableferry.restore.build.target import Item, Place, Resources, Target
from tableferry.restore.record import Plan, PlannedTable, Restore, RestoredTable
from tableferry.schema import catalog, translate
from tableferry.schema.table import ForeignKey

STAGES = ("definition", "foreign-keys", "triggers", "rows", "orphans", "views")
"""What is looked at by building, in this order, once nothing of ``preflight.CHECKS`` is in the way."""

CHECKS = (*recovery.CHECKS, *preflight.CHECKS, *STAGES)

MOST_ROWS, MOST_BYTES = 1_000_000, 64 * 1024 * 1024
"""What a dry run loads at most, of all tables together, smallest first; bytes as stored in the bucket."""


def rehearse(resources: Resources, restore_id: str, target: Target, allow_orphans: bool) -> Restore:
    """Plan a restore, build what is not too large for a trial, and drop it; return its record, which is saved, too.

    The record's plan lists what a restore would have been refused for, and what was not looked at.

    It takes no lock and finishes no other restore: what it says is as of now. Memory: that of a restore.
    """
    now = datetime.now(UTC)
    source, items, place = target.source, target.items, target.place
    with resources.database.connect(Mode.FAITHFUL) as connection:
        live = set(catalog.table_names(connection, place.live))
        following = preflight.following(connection, target, live)
        problems = recovery.in_the_way(connection, resources.store, place.live, [item.into for item in items])
        problems += preflight.look(connection, target, live)
        notes = preflight.notes(connection, target)
        definitions = {item.into: _definition(connection, source, item) for item in items}
        if problems:
            message = "The tables were not built for a trial: this is done once nothing else is in the way."
            unchecked = [Finding(stage, "", message) for stage in STAGES if stage != "views"]
        else:
            with scratch(connection, "plan", place.live, restore_id) as name:
                scratch_target = replace(target, place=Place(place.live, name, name))
                trial = _Trial(resources, connection, scratch_target, following)
                unchecked = trial.run(allow_orphans)
            problems, notes = trial.problems, [*notes, *trial.notes]
            definitions |= trial.definitions
        compared = {
            item.into: changes.columns(catalog.definition(connection, place.live, item.into), definitions[item.into])
            for item in items
            if item.into in live
        }
        spoilt, unread = dependent_views.forecast(
            connection, place.live, {table: found.going for table, found in compared.items()}
        )
        keys = target.foreign_keys()
        planned = [_planned(connection, target, item, keys, following, compared.get(item.into)) for item in items]
    plan = Plan(
        tables=tuple(planned), checks=CHECKS, problems=tuple(problems), unchecked=(*unchecked, *unread)
    )  # fmt: skip
    tables = tuple(
        RestoredTable(
            name=item.entry.name,
            into=item.into,
            rows=item.entry.rows,
            digest=item.entry.digest,
            replaced=item.into in live,
        )
        for item in items
    )
    found = Restore(
        id=restore_id, backup=source.id, database=place.live, state="planned", tables=tables, notes=(*notes, *spoilt),
        started=now, finished=datetime.now(UTC), plan=plan,
    )  # fmt: skip
    return record.save(resources.store, found)


class _Trial:
    """The build, in a schema of its own, as far as it is worth its time."""

    def __init__(
        self, resources: Resources, connection: Connection, target: Target, following: Sequence[ForeignKey]
    ) -> None:
        self._resources, self._connection = resources, connection
        self._target, self._following = target, following
        self.problems: list[Finding] = []
        self.notes: list[str] = []
        self.definitions: dict[str, str] = {}
        """Of each table as this server makes it."""

    def run(self, allow_orphans: bool) -> list[Finding]:
        """Take a restore's steps until one finds problems; returns what was not looked at, and why."""
        connection, target, place = self._connection, self._target, self._target.place
        keys = target.foreign_keys()
        small = within(target.items)
        unchecked = [_too_large(item) for item in target.items if item not in small]
        try:
            shadow.prepare(connection, target, keys, self._following)
            self.definitions = {
                item.into: catalog.definition(connection, place.shadow, item.into) for item in target.items
            }
            shadow.load(self._resources, connection, replace(target, items=small))
        except (Conflict, DigestMismatch, NotSupported) as error:
            self.problems += error.said
            message = "Rows without a parent were not looked for: this is done once nothing else is in the way."
            return [*unchecked, Finding("orphans", "", message)]
        both = [*keys, *target.arriving(self._following)]
        large = {item.into for item in target.items if item not in small}
        known = [key for key in both if not _ends(key, place) & large]
        self.problems, self.notes = orphans.look(connection, known, allow_orphans)
        return [*unchecked, *(_unknown(key, _ends(key, place) & large) for key in both if key not in known)]


def within(items: Sequence[Item]) -> list[Item]:
    """The tables that a dry run loads, in the order given."""
    chosen: set[str] = set()
    rows = size = 0
    for item in sorted(items, key=lambda item: (item.entry.rows, item.entry.bytes)):
        rows, size = rows + item.entry.rows, size + item.entry.bytes
        if rows > MOST_ROWS or size > MOST_BYTES:
            break
        chosen.add(item.into)
    return [item for item in items if item.into in chosen]


def _ends(key: ForeignKey, place: Place) -> set[str]:
    """The tables of a foreign key that come out of the backup."""
    ends = ((key.schema, key.table), (key.parent_schema, key.parent_table))
    return {table for schema, table in ends if schema == place.shadow}


def _too_large(item: Item) -> Finding:
    message = (
        f"The {item.entry.rows} rows of table {item.entry.name!r} were not loaded for a trial: a dry run loads "
        f"{MOST_ROWS} rows and {MOST_BYTES >> 20} MiB at most. A restore compares them before anything is replaced."
    )
    return Finding("rows", item.into, message)


def _unknown(key: ForeignKey, large: Collection[str]) -> Finding:
    message = (
        f"Whether rows of table {key.table!r} would have no parent in {key.parent_table!r} (foreign key {key.name!r}) was "
        f"not looked at, for table {min(large)!r} was not loaded. A restore looks before anything is replaced."
    )
    return Finding("orphans", key.table, message)


def _definition(connection: Connection, source: Manifest, item: Item) -> str:
    """The definition in this server's words, as far as it can be told without making the table."""
    target = translate.other_server(source.server, connection)
    return translate.translated(item.entry.definition, item.entry.name, target)[0] if target else item.entry.definition


def _planned(
    connection: Connection,
    target: Target,
    item: Item,
    keys: Sequence[ForeignKey],
    following: Sequence[ForeignKey],
    columns: changes.Columns | None,
) -> PlannedTable:
    now, counted = (None, True) if columns is None else changes.row_count(connection, target.place.live, item.into)
    return PlannedTable(
        name=item.entry.name,
        into=item.into,
        rows=item.entry.rows,
        bytes=item.entry.bytes,
        replaces=columns is not None,
        foreign_keys=tuple(key.name for key in keys if key.table == item.into),
        repointed=tuple(f"{key.table}.{key.name}" for key in following if key.parent_table == item.into),
        triggers=tuple(trigger.name for trigger in shadow.triggers_of(connection, target.source, item)),
        rows_now=now,
        rows_now_counted=counted,
        columns=columns or changes.Columns(),
    )
