"""The end of a backup: what came of all its tasks, held together, becomes the manifest. Can be repeated."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime

from tableferry import __version__
from tableferry.backup.listing import Listed
from tableferry.backup.plan import BackupPlan, TablePlan
from tableferry.backup.task import Part
from tableferry.columnar.digest import Digest, Hashing
from tableferry.errors import Conflict
from tableferry.manifest import manifest
from tableferry.manifest.manifest import ColumnEntry, LedgerEntry, Manifest, TableEntry
from tableferry.mysql.database import Connection, Database, server_version
from tableferry.schema import catalog, show_create
from tableferry.storage.bucket import Store


def finish(
    connection: Connection,
    database: Database,
    store: Store,
    plan: BackupPlan,
    parts: Iterable[Part],
    position: dict[str, str],
) -> Manifest:
    """Write the manifest of a plan whose tasks are all done; ``position`` names the moment that all of them saw.

    ``parts`` are taken one after the other, in any order. Memory: the manifest's root, and one part.

    Raises:
        Conflict: a definition is not what was planned, or a range is lacking.
        PreconditionFailed: the backup has a manifest.
    """
    _unchanged(connection, plan.tables)
    server = server_version(connection)
    besides = catalog.passed_over(connection, database) if plan.all_tables else []
    served = catalog.served_names(connection, database)
    hashing = Hashing(store.keys.for_digests(plan.digest_key))
    ledgers: list[LedgerEntry] = []

    def noted(part: Part) -> Part:
        ledgers.extend([part.ledger] if part.ledger is not None else [])
        return part

    tables = tuple(_tables(plan, map(noted, parts), hashing))
    done = Manifest(
        version=manifest.version_of(plan.id, tables, plan.workers),
        id=plan.id,
        digest_key=plan.digest_key,
        tableferry=__version__,
        server=server,
        database=plan.database,
        format=plan.format,
        consistency="snapshot",
        position=position,
        started=plan.started,
        finished=datetime.now(UTC),
        tables=tables,
        complete=set(served) <= {table_plan.table.name for table_plan in plan.tables},
        workers=plan.workers,
        notes=(f"Not backed up: {', '.join(besides)}.",) if besides else (),
        ledger=ledgers[0] if ledgers else None,
    )
    manifest.write(store, done, store.keys, plan.lock_days)
    return done


def _unchanged(connection: Connection, table_plans: Sequence[TablePlan]) -> None:
    for table_plan in table_plans:
        now = catalog.definition(connection, table_plan.table.schema, table_plan.table.name)
        if show_create.fingerprint(now) != show_create.fingerprint(table_plan.definition):
            raise Conflict(
                f"The definition of table {table_plan.table.name!r} changed during the backup; take it again."
            )


def _tables(plan: BackupPlan, parts: Iterable[Part], hashing: Hashing) -> Iterator[TableEntry]:
    known: dict[int, list[Listed]] = defaultdict(list)
    for part in parts:
        for listed in part.tables:
            known[listed.table].append(listed)
    for number, table_plan in enumerate(plan.tables):
        own = sorted(known[number], key=lambda listed: listed.first)
        ends = [0, *(listed.end for listed in own)]
        if [*(listed.first for listed in own), len(table_plan.ranges)] != ends:
            raise Conflict(f"Ranges of table {table_plan.table.name!r} are lacking in the backup; take it again.")
        yield _entry(table_plan, own, hashing)


def _entry(table_plan: TablePlan, own: Sequence[Listed], hashing: Hashing) -> TableEntry:
    total = sum((hashing.opened(listed.sum, listed.rows) for listed in own), Digest())
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
        bytes=sum(listed.bytes for listed in own),
        digest=hashing.text(total),
        chunks=tuple(chunk for listed in own for chunk in listed.chunks),
        parts=tuple(part for listed in own for part in listed.parts),
    )
