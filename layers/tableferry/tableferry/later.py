"""Loads that wait: what stopped them passes by itself, and they are tried again with growing pauses, for hours.

``loads/waiting/{time}-{load id}`` says when a load is to be tried again, and sorts by it. A schedule looks every minute
for those whose time has come; ``loads/waited.json`` says up to when it has looked. No mark is taken away: whoever finds
one asks the account whether the load still waits.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from pydantic import BaseModel, ConfigDict

from tableferry import account as accounts
from tableferry import handover, signed
from tableferry.account import Account
from tableferry.errors import NotSigned, ObjectNotFound, RecordNotFound, TableferryError
from tableferry.store import Store

PAUSES = tuple(timedelta(minutes=minutes) for minutes in (1, 2, 4, 8, 15, 30))
"""Before the second try, the third, and so on; the last one stays."""

_PREFIX = "loads/waiting/"
_LOOKED = "loads/waited.json"
_CLOCKS_DIFFER = timedelta(minutes=2)
_TIME = "%Y%m%dT%H%M%SZ"
_MOST_AT_A_TIME = 5000
_AT_ONCE = 16


class Looked(BaseModel):
    """Up to when the waiting loads have been looked for."""

    model_config = ConfigDict(frozen=True)

    until: datetime


def put_off(store: Store, account: Account, error: TableferryError, hours: float, now: datetime) -> Account | None:
    """Have a load wait for its next try; None, and nothing is written, if it has failed for so many hours.

    The pauses grow with the tries since it last got further. Raises StoreUnavailable.
    """
    since = account.failing_since or now
    if now - since >= timedelta(hours=hours):
        return None
    next_try = now + PAUSES[min(account.tries, len(PAUSES) - 1)]
    store.put(f"{_PREFIX}{next_try:{_TIME}}-{account.id}", b"", "text/plain")
    waiting = account.failed(error.name, str(error)).model_copy(
        update={
            "state": "waiting",
            "finished": None,
            "tries": account.tries + 1,
            "failing_since": since,
            "next_try": next_try,
        }
    )
    return accounts.save(store, waiting)


def go_on(store: Store, now: datetime) -> list[str]:
    """Hand over the loads whose time has come; their ids. Memory: 5,000 marks, and the next call finds the others."""
    begin = _looked_until(store) - _CLOCKS_DIFFER
    due: dict[str, datetime] = {}
    until = now
    for item in store.list(_PREFIX, after=f"{_PREFIX}{begin:{_TIME}}"):
        time, _, load_id = item.key.removeprefix(_PREFIX).partition("Z-")
        try:
            when = datetime.strptime(f"{time}Z", _TIME).replace(tzinfo=UTC)
        except ValueError:
            continue  # nobody of ours wrote it
        if when > now:
            break
        if len(due) == _MOST_AT_A_TIME:
            until = when
            break
        due[load_id] = when
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="due") as pool:
        done = list(pool.map(lambda load_id: _handed_over(store, load_id, now), due))
    signed.put(store, _LOOKED, Looked(until=until).model_dump(mode="json"))
    return [load_id for load_id, handed_over in zip(due, done, strict=True) if handed_over]


def _handed_over(store: Store, load_id: str, now: datetime) -> bool:
    """Hand a load over if it waits, and not for longer than until now."""
    try:
        account = accounts.find(store, load_id)
    except (RecordNotFound, NotSigned):
        return False
    if account.state != "waiting" or account.next_try is None or account.next_try > now:
        return False
    handover.hand_over(store, load_id, retry=False)
    return True


def _looked_until(store: Store) -> datetime:
    try:
        return signed.get(store, _LOOKED).parsed(Looked).until
    except (ObjectNotFound, NotSigned):
        return datetime(2000, 1, 1, tzinfo=UTC)
