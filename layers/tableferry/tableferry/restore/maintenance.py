"""What a schedule does: finish restores that died, and drop what was kept for long enough, old tables and old entries."""

from __future__ import annotations

from datetime import datetime, timedelta

from pydantic import BaseModel, ConfigDict

from tableferry.errors import RestoreUnderWay
from tableferry.ledger import epoch, ledger
from tableferry.mysql.database import Database
from tableferry.restore import record, recovery
from tableferry.restore.record import Restore
from tableferry.restore.recovery import restore_lock
from tableferry.restore.restore import end
from tableferry.storage.bucket import Store


class Ended(BaseModel):
    """A restore that was dealt with: the state it is in now, and for one that is stuck what to do."""

    model_config = ConfigDict(frozen=True)

    id: str
    state: str
    stuck: str | None = None


class Upkeep(BaseModel):
    """What was found; ``busy`` if a restore is going on, which has then finished those before it itself.

    ``forgotten``: how many entries of the ledger expired.
    """

    model_config = ConfigDict(frozen=True)

    database: str
    busy: bool = False
    finished: tuple[Ended, ...] = ()
    expired: tuple[Ended, ...] = ()
    stuck: tuple[Ended, ...] = ()
    forgotten: int = 0


def recover(database: Database, store: Store, now: datetime, keep_days: int = 0, ledger_days: int = 0) -> Upkeep:
    """Finish every restore of the database that died, and accept those that ended more than ``keep_days`` ago.

    Entries of the ledger older than ``ledger_days`` go, too. With 0 nothing expires. One that cannot be finished is
    told of as ``stuck``, and does not stop the others.

    Raises:
        MissingPrivilege, DatabaseUnavailable, StoreUnavailable: as they say.
    """
    with database.connect() as connection:
        forgotten = ledger.expire(connection, ledger_days)
    # One that died early has no schema to be found by. Looked for before the lock is taken, which others wait for.
    begun = record.to_finish(store)
    try:
        with restore_lock(database, store) as turn:
            finished, stuck = list(turn.finished), list(turn.stuck)
            ledger.forget(turn.connection, epoch.clean(turn.connection))
            known = {found.id for found in (*finished, *stuck)}
            for restore_id in begun:
                found = record.find(store, restore_id)
                other = found.database != database.name or recovery.alive(store, found)
                if not other and record.unfinished(found) and found.id not in known:
                    after = recovery.finish(turn.connection, store, found)
                    if after.stuck or not record.unfinished(after):
                        (stuck if after.stuck else finished).append(after)
            old = [found for found in turn.kept if not found.stuck and _is_old(found, now, keep_days)]
            expired = [end(turn.connection, store, found) for found in old]
    except RestoreUnderWay:
        return Upkeep(database=database.name, busy=True, forgotten=forgotten)
    return Upkeep(
        database=database.name,
        finished=tuple(map(_ended, finished)),
        expired=tuple(map(_ended, expired)),
        stuck=tuple(map(_ended, stuck)),
        forgotten=forgotten,
    )


def _is_old(found: Restore, now: datetime, keep_days: int) -> bool:
    return bool(keep_days) and found.finished is not None and found.finished < now - timedelta(days=keep_days)


def _ended(found: Restore) -> Ended:
    return Ended(id=found.id, state=found.state, stuck=found.stuck)
