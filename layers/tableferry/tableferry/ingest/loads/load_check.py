"""Whether a load that has ended, by its status in the bucket, is in the table as it is now: the ledger is asked first.

The load status stays what it was when the database is put back to before the load, by a restore or by other means (a
snapshot, a point in time); what the ledger says goes back with the rows.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from enum import Enum

from tableferry.errors import Conflict
from tableferry.ingest.loads.checkpoints import Entries, State
from tableferry.ingest.loads.load_status import LoadStatus
from tableferry.ingest.write.insertion import Counts
from tableferry.ledger import epoch, ledger
from tableferry.mysql.database import Connection

_CLOCKS_DIFFER = timedelta(hours=1)


class Standing(Enum):
    """What is so of a load that is done."""

    IN = "its rows are in, or its entry has expired"
    REPLACED = "a restore has put another table in the place of the one that its rows went into"
    PUT_BACK = "the database was put back to before it"
    ELSEWHERE = "it went into another database"


def standing(connection: Connection, entries: Entries, done: LoadStatus, ledger_days: int) -> Standing:
    """What is so of a load whose status says that it is done; ``entries`` are those of the table as it is now."""
    if entries.ended(connection) is not None:
        return Standing.IN
    if _may_have_expired(connection, done, ledger_days):
        return Standing.IN
    if done.restore != epoch.restore_of(entries.epoch):
        return Standing.REPLACED
    if done.database is not None and done.database != ledger.identity(connection):
        return Standing.ELSEWHERE
    return Standing.PUT_BACK


def replaced(connection: Connection, entries: Entries, known: LoadStatus) -> LoadStatus:
    """The status of a load whose rows went into a table which is not the one of now: how many, and where they are."""
    of = epoch.epoch_of(known.restore)
    there = Entries(known.id, known.table, of)
    ended, state = there.ended(connection), there.state(connection)
    if ended is not None and ended.state == "done":
        known = ended
    elif state is not None and known.state != "done":
        known = known.model_copy(update={**asdict(state.counts), "read": state.counts.read, "bytes": state.consumed})
    if known.state == "done":
        went, rest = "All lines of it went", ""
    elif state is not None and state.next.line > 1:
        went, rest = f"Lines 1 to {state.next.line - 1} of it went", ", and none after them"
    else:
        went, rest = "No line of it went", ""
    by = epoch.restore_of(entries.epoch)
    kept = epoch.known(connection, known.table).kept_in(of)
    return known.replaced(
        f"{went} into the table {known.table!r} that "
        + (f"restore {by} replaced" if by else f"restore {known.restore} had brought, and that its undoing put away")
        + (f" (kept as {kept}.{known.table})" if kept else " (dropped since)")
        + f"{rest}. POST /loads/{known.id}/retry loads what is not in the table as it is now."
    )


def refuse_unknown(connection: Connection, entries: Entries, known: LoadStatus) -> None:
    """Raise Conflict if a backup, made since the load began, was restored and does not say which of its rows it has."""
    source = epoch.source(connection, known.table, entries.epoch)
    if source is None or not source.may_have(known.started) or known.restore == epoch.restore_of(entries.epoch):
        return
    if entries.ended(connection) is None and entries.state(connection) is None:
        raise Conflict(
            f"The table {known.table!r} was restored from backup {source.backup}, which does not say whether it has rows of "
            "this load: it was made by an earlier version. Nothing was written. Look into the table; to load the file, "
            "upload it again."
        )


def fewer(state: State | None, known: LoadStatus) -> bool:
    """Whether the ledger has fewer rows of a load in the table than its status."""
    counts = state.counts if state is not None else Counts()
    return counts.inserted + counts.updated < known.inserted + known.updated


def put_back(known: LoadStatus, state: State | None) -> str:
    """What is said of a load of which the ledger has fewer rows than were in by its status."""
    line = state.next.line if state is not None else 1
    return (
        f"{known.read} rows of it had been read, and by the ledger fewer are: the database had been put back to before. It "
        f"was loaded again from line {line} on."
    )


def _may_have_expired(connection: Connection, done: LoadStatus, ledger_days: int) -> bool:
    """Whether the last entry of a load would have been dropped by now, or by an earlier setting of LEDGER_DAYS."""
    finished = done.finished or done.started
    horizons = [ledger.horizon(connection)]
    if ledger_days:
        horizons.append(datetime.now(UTC) - timedelta(days=ledger_days))
    return any(horizon is not None and finished < horizon + _CLOCKS_DIFFER for horizon in horizons)
