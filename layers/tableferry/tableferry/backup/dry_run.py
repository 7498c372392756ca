"""A backup's dry run: what it would do, how long it would take and what it would cost. Nothing is written or locked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from tableferry.backup import plan, task
from tableferry.backup.outlook.capacity import Allowed, Choice, Size, choose
from tableferry.backup.outlook.forecast import evidence
from tableferry.backup.plan import BackupPlan, TablePlan
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

        def planned(some: Sequence[str] | None) -> BackupPlan:
            return plan.plan(
                connection, database, some, backup_id="", form=form, digest_key="", workers=choice.workers,
                connections=choice.connections,
            )  # fmt: skip

        served = catalog.served_names(connection, database)
        tables, busy, problems = _plans(planned, names, served)
        if busy < choice.workers and not choice.refusal:  # the others would have nothing to do
            choice = choose(replace(size, ranges=busy), pace, allowed, wanted)
        notes = _notes(connection, database, names, choice, wanted)
    if choice.refusal:
        problems = [*CannotEndInTime(choice.refusal).said, *problems]
    complete = bool(tables) and set(served) <= {found.table.name for found in tables}
    return Rehearsal(tables, size, choice, complete, tuple(problems), tuple(notes))


def _plans(
    planned: Callable[[Sequence[str] | None], BackupPlan], names: Sequence[str] | None, served: Sequence[str]
) -> tuple[tuple[TablePlan, ...], int, list[Finding]]:
    """The plans of the tables that can be backed up, how many functions have something to do, and what is said of others.

    Of those a backup names the first only.
    """
    try:
        whole = planned(names)
    except _REFUSALS as error:
        every = sorted(set(served if names is None else names))
        if not every:
            return (), 1, list(error.said)
    else:
        return whole.tables, whole.workers, []
    good: list[str] = []
    problems: list[Finding] = []
    for name in every:
        try:
            planned([name])
        except _REFUSALS as error:
            problems += [_of_table(name, error, finding) for finding in error.said]
        else:
            good.append(name)
    if not good:
        return (), 1, problems
    rest = planned(good)
    return rest.tables, rest.workers, problems


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
            "more, the tables have no more ranges, the server has no more connections, or the user may not lock tables."
        )
    if choice.doubtful:
        notes.append(
            f"By the estimate it takes {choice.seconds:,.0f} seconds, and there are {choice.usable:,.0f}: it may not end in "
            "time, and is begun because the estimate may be wrong."
        )
    return notes
