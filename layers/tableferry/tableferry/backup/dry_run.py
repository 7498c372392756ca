"""A backup's dry run: what it would do, how long it would take and what it would cost. Nothing is written or locked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from tableferry.backup import plan, task
from tableferry.backup.capacity import Allowed, Choice, Size, choose
from tableferry.backup.forecast import evidence
from tableferry.backup.plan import TablePlan
from tableferry.columnar.formats import Format
from tableferry.errors import (
    CannotEndInTime,
    Conflict,
    Finding,
    MissingPrivilege,
    NotSupported,
    TableferryError,
    TableNotFound,
    TableNotServed,
)
from tableferry.mysql.database import Connection, Database
from tableferry.mysql.session import Mode
from tableferry.schema import catalog
from tableferry.storage.bucket import Store

_REFUSALS = (TableNotFound, TableNotServed, NotSupported, Conflict, MissingPrivilege)


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What was found: the tables that would be backed up, how, and what is in the way (``problems``: nothing, it can go)."""

    tables: tuple[TablePlan, ...]
    size: Size
    choice: Choice
    complete: bool
    problems: tuple[Finding, ...]
    notes: tuple[str, ...]


def rehearse(
    database: Database,
    store: Store,
    names: Sequence[str] | None,
    form: Format,
    allowed: Allowed,
    wanted: int | None = None,
) -> Rehearsal:
    """Plan a backup of these tables (all, where none are named) as it would be taken now, and name what would refuse it.

    It takes a backup's own steps as far as the first lock. Memory: the tables' definitions and ranges.

    Raises:
        InvalidRequest: ``names`` is empty.
        Conflict: a table was changed, renamed or dropped meanwhile.
        DatabaseUnavailable, StoreUnavailable: as they say.
    """
    with database.connect(Mode.FAITHFUL) as connection, task.as_planned():
        size, pace, allowed = evidence(connection, database, store, names, form, allowed, always=True)
        choice = choose(size, pace, allowed, wanted)

        def planned(some: Sequence[str] | None) -> tuple[TablePlan, ...]:
            return plan.plan(
                connection, database, some, backup_id="", form=form, digest_key="", workers=choice.workers,
                connections=choice.connections,
            ).tables  # fmt: skip

        served = catalog.served_names(connection, database)
        tables, problems = _plans(planned, names, served)
        notes = _notes(connection, database, names, choice, wanted)
    if choice.refusal:
        problems = [*CannotEndInTime(choice.refusal).said, *problems]
    complete = bool(tables) and set(served) <= {found.table.name for found in tables}
    return Rehearsal(tables, size, choice, complete, tuple(problems), tuple(notes))


def _plans(
    planned: Callable[[Sequence[str] | None], tuple[TablePlan, ...]], names: Sequence[str] | None, served: Sequence[str]
) -> tuple[tuple[TablePlan, ...], list[Finding]]:
    """The plans of all tables that can be backed up, and what a backup says of the others, which names the first only."""
    try:
        return planned(names), []
    except _REFUSALS as error:
        alone = [_planned_or_refused(planned, name) for name in sorted(set(served if names is None else names))]
        if not alone:
            return (), list(error.said)
    good = tuple(found for tables, _ in alone for found in tables)
    return good, [finding for _, problems in alone for finding in problems]


def _planned_or_refused(
    planned: Callable[[Sequence[str] | None], tuple[TablePlan, ...]], name: str
) -> tuple[tuple[TablePlan, ...], list[Finding]]:
    try:
        return planned([name]), []
    except _REFUSALS as error:
        return (), [_of_table(name, error, finding) for finding in error.said]


def _of_table(name: str, error: TableferryError, finding: Finding) -> Finding:
    return replace(finding, code=error.name, table=finding.table or name)


def _notes(
    connection: Connection, database: Database, names: Sequence[str] | None, choice: Choice, wanted: int | None
) -> list[str]:
    besides = catalog.passed_over(connection, database) if names is None else []
    notes = [f"Not backed up: {', '.join(besides)}."] if besides else []
    if wanted is not None and choice.workers < wanted:
        notes.append(
            f"Of {wanted} functions that are asked for there would be {choice.workers}: SCALE and SCALE_WORKERS allow no "
            "more, or the server has no more connections left."
        )
    if choice.doubtful:
        notes.append(
            f"By the estimate it takes {choice.seconds:,.0f} seconds, and there are {choice.usable:,.0f}: it may not end in "
            "time, and is begun because the estimate may be wrong."
        )
    return notes
