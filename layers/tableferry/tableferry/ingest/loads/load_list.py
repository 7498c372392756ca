"""Loads as lists: the newest first, of one upload's key, one table, or in one state, a page at a time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import islice

from pydantic import BaseModel

from tableferry.ingest.loads import load_marks
from tableferry.ingest.loads.load_status import MARKED, LoadStatus, State, shown
from tableferry.storage import object_keys, signed_object
from tableferry.storage.bucket import Store

_READ_AT_MOST = 1000
_READ_AT_ONCE = 100
_READ_SECONDS = 3.0


class LoadList(BaseModel):
    """Statuses of loads, the newest first; ``next``, if there are more, is what to give as ``after``."""

    loads: list[LoadStatus]
    next: str | None = None


def listed(
    store: Store,
    key: str | None = None,
    table: str | None = None,
    state: State | None = None,
    limit: int = 100,
    after: str | None = None,
) -> LoadList:
    """A page of the loads that are asked for.

    One request reads no more than 1,000 statuses, and begins no more reads after three seconds: a page of loads that run
    among many that do not may be short, or empty, and still have a ``next``. Memory: the page.

    Raises:
        InvalidRequest: ``after`` is not the ``next`` of a page.
    """
    if key is not None:
        place = object_keys.loads_by_key(key)
    elif table is not None:
        place = object_keys.loads_by_table(table, state) if state in MARKED else object_keys.loads_by_table(table)
    elif state in MARKED:
        place = object_keys.loads_by_state(state)
    else:
        place = object_keys.LOADS_BY_TIME
    chosen: dict[str, LoadStatus] = {}
    names = load_marks.found(store, place, after)
    last, read = after, 0
    until = time.monotonic() + _READ_SECONDS
    while read < _READ_AT_MOST and (not read or time.monotonic() < until):
        part = list(islice(names, min(_READ_AT_ONCE, _READ_AT_MOST - read)))
        if not part:
            return LoadList(loads=list(chosen.values()))
        read += len(part)
        now = datetime.now(UTC)
        statuses = signed_object.present_of(store, [object_keys.load(load_id) for _, load_id in part], LoadStatus)
        for (name, load_id), read_status in zip(part, statuses, strict=True):
            last = name
            if read_status is None or load_id in chosen:
                continue
            status = shown(*read_status, now)
            if all((state in (None, status.state), table in (None, status.table), key in (None, status.key))):
                chosen[load_id] = status
                if len(chosen) == limit:
                    return LoadList(loads=list(chosen.values()), next=last)
    return LoadList(loads=list(chosen.values()), next=last)


def gathered(store: Store, table: str | None, states: Sequence[State], seconds: float) -> tuple[list[LoadStatus], bool]:
    """The loads in one of these states, as far as they are signed.

    And whether there are more than could be read in so many seconds.
    """
    until = time.monotonic() + seconds
    found: dict[str, LoadStatus] = {}
    for state in states:
        page = LoadList(loads=[], next="")
        while page.next is not None:
            if time.monotonic() > until:
                return list(found.values()), True
            page = listed(store, None, table, state, _READ_AT_MOST, page.next or None)
            found |= {load.id: load for load in page.loads if load.signed}
    return list(found.values()), False
