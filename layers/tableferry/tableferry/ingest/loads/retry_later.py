"""Loads that wait: what stopped them passes by itself, and they are tried again with growing pauses, for hours.

``loads/waiting/{time}-{load id}`` says when a load is to be tried again, and sorts by it. A schedule looks every minute
for those whose time has come; ``loads/waited.json`` says up to when it has looked. No mark is taken away: whoever finds
one asks the load status whether the load still waits.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from pydantic import BaseModel, ConfigDict

from tableferry.errors import Conflict, NotSigned, ObjectNotFound, RecordNotFound, TableferryError
from tableferry.ingest.loads import handover, load_status
from tableferry.ingest.loads.load_status import LoadStatus
from tableferry.storage import object_keys, signed_object
from tableferry.storage.bucket import Store

PAUSES = tuple(timedelta(minutes=minutes) for minutes in (1, 2, 4, 8, 15, 30))
"""Before the second try, the third, and so on; the last one stays."""

_CLOCKS_DIFFER = timedelta(minutes=2)
_TIME = "%Y%m%dT%H%M%SZ"
_MOST_AT_A_TIME = 5000
_AT_ONCE = 16


class Looked(BaseModel):
    """Up to when the waiting loads have been looked for, and behind which mark to go on if there were too many since."""

    model_config = ConfigDict(frozen=True)

    until: datetime
    after: str = ""
    begun: datetime | None = None
    """When the first of the calls began that go on with each other: nothing older than it was missed by them."""


def put_off(store: Store, status: LoadStatus, error: TableferryError, hours: float, now: datetime) -> LoadStatus | None:
    """Have a load wait for its next try; None, and nothing is written, if it has failed for so many hours.

    The pauses grow with the tries since it last got further. Raises StoreUnavailable.
    """
    since = status.failing_since or now
    if now - since >= timedelta(hours=hours):
        return None
    next_try = now + PAUSES[min(status.tries, len(PAUSES) - 1)]
    store.put(object_keys.load_waiting(f"{next_try:{_TIME}}-{status.id}"), b"", "text/plain")
    waiting = status.failed(error.name, str(error)).model_copy(
        update={
            "state": "waiting",
            "finished": None,
            "tries": status.tries + 1,
            "failing_since": since,
            "next_try": next_try,
        }
    )
    return load_status.save(store, waiting)


def go_on(store: Store, now: datetime) -> list[str]:
    """Hand over the loads whose time has come; their ids. Memory: 5,000 marks, and the next call goes on behind them."""
    before = _looked(store)
    begin = before.after or f"{before.until - _CLOCKS_DIFFER:{_TIME}}"
    begun = before.begun or now
    looked = Looked(until=begun)
    due: dict[str, None] = {}
    name = begin
    for number, item in enumerate(store.list(object_keys.LOADS_WAITING, after=object_keys.load_waiting(begin))):
        if number == _MOST_AT_A_TIME:
            looked = Looked(until=before.until, after=name, begun=begun)
            break
        name = object_keys.waiting_mark(item.key)
        time, _, load_id = name.partition("Z-")
        try:
            when = datetime.strptime(f"{time}Z", _TIME).replace(tzinfo=UTC)
        except ValueError:
            continue  # nobody of ours wrote it
        if when > now:
            break
        due[load_id] = None
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="due") as pool:
        done = [load_id for load_id in pool.map(lambda load_id: _handed_over(store, load_id, now), due) if load_id]
    signed_object.put(store, object_keys.LOADS_WAITED, looked.model_dump(mode="json"))
    return done


def _handed_over(store: Store, load_id: str, now: datetime) -> str | None:
    """Hand a load over if it waits, and not for longer than until now; its id if so."""
    try:
        status = load_status.find(store, load_id)
    except (RecordNotFound, Conflict):
        return None  # one that cannot be read must not keep the others waiting
    if status.state != "waiting" or status.next_try is None or status.next_try > now:
        return None
    handover.hand_over(store, load_id, retry=False)
    return load_id


def _looked(store: Store) -> Looked:
    try:
        return signed_object.get(store, object_keys.LOADS_WAITED).parsed(Looked)
    except (ObjectNotFound, NotSigned):
        return Looked(until=datetime(2000, 1, 1, tzinfo=UTC))
