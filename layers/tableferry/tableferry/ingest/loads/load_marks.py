"""Where loads are found in lists: marks, objects without content whose names sort by time, the newest first.

``loads/by-time/{mark}``, the same under ``loads/by-key/{hash of the upload's key}/`` and ``loads/by-table/{hash of the
table's name}/all/`` and, once a load has come to a state in which it stays for a while, under ``loads/by-state/{state}/``
and ``loads/by-table/{hash}/{state}/``: no list goes through marks of loads that were never what it asks for. A mark is the
milliseconds from the load's beginning to the year 2286, and its id. No mark is ever taken away; whoever finds one asks the
load status whether it is still so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

from tableferry.errors import InvalidRequest
from tableferry.storage.bucket import Store

_END_MILLISECONDS = 9_999_999_999_999
_MARK = re.compile(r"[0-9]{13}-([0-9a-f]{32})")


def mark(load_id: str, started: datetime) -> str:
    """The mark of a load."""
    return f"{_END_MILLISECONDS - int(started.timestamp() * 1000):013d}-{load_id}"


def put(store: Store, places: Sequence[str], name: str) -> None:
    """Set a mark in each of these places, all at once."""
    with ThreadPoolExecutor(len(places)) as pool:
        list(pool.map(lambda place: store.put(f"{place}{name}", b"", "text/plain"), places))


def found(store: Store, place: str, after: str | None = None) -> Iterator[tuple[str, str]]:
    """Marks of a place and the ids in them, the newest first, from behind one on.

    Raises:
        InvalidRequest: ``after`` is no mark.
    """
    if after is not None and not _MARK.fullmatch(after):
        raise InvalidRequest("`after` has to be the `next` of the page before, as it came.")
    for item in store.list(place, after=f"{place}{after}" if after else ""):
        name = item.key.removeprefix(place)
        if parts := _MARK.fullmatch(name):
            yield name, parts[1]
