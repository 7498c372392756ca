"""A dry run: what a restore would do and what stands in its way, looked up and written down; nothing else happens."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from tableferry import catalog, preflight, record
from tableferry.database import Connection, Database, Mode
from tableferry.manifest import Manifest
from tableferry.record import Plan, PlannedTable, Restore, RestoredTable
from tableferry.shadow import Item, Place, foreign_keys
from tableferry.store import Store


def rehearse(
    database: Database, store: Store, restore_id: str, source: Manifest, items: Sequence[Item], place: Place
) -> Restore:
    """The record of a restore that was only planned; its plan lists what a restore would have been refused for.

    It takes no lock and finishes no other restore: what it says is as of now.
    """
    now = datetime.now(UTC)
    with database.connect(Mode.FAITHFUL) as connection:
        live = set(catalog.table_names(connection, place.live))
        problems = preflight.look(connection, source, items, place, live)
        plan = Plan(
            tables=tuple(_planned(connection, source, items, place, live)),
            checks=tuple(preflight.CHECKS),
            problems=tuple(problems),
        )
        notes = tuple(preflight.notes(connection, source, items))
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
    planned = Restore(
        id=restore_id, backup=source.id, database=place.live, state="planned", tables=tables, notes=notes, started=now,
        finished=datetime.now(UTC), plan=plan,
    )  # fmt: skip
    return record.save(store, planned)


def _planned(
    connection: Connection, source: Manifest, items: Sequence[Item], place: Place, live: set[str]
) -> list[PlannedTable]:
    keys = foreign_keys(source, items, place)
    following = preflight.following(connection, items, place, live)
    return [
        PlannedTable(
            name=item.entry.name,
            into=item.into,
            rows=item.entry.rows,
            bytes=item.entry.bytes,
            replaces=item.into in live,
            foreign_keys=tuple(key.name for key in keys if key.table == item.into),
            repointed=tuple(f"{key.table}.{key.name}" for key in following if key.parent_table == item.into),
            triggers=tuple(trigger.name for trigger in preflight.triggers(connection, source, item)),
        )
        for item in items
    ]
