"""Ids that begin with their time (:mod:`~tableferry.ids`), the newest first, out of listings that begin with the oldest."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

_DAYS = (1, 8, 64, 512)
_AHEAD = timedelta(minutes=5)  # by which one clock may differ from another


def newest(listed: Callable[[str], Iterator[str]], now: datetime) -> Iterator[str]:
    """Ids, the newest first; ``listed`` gives those that follow a text, in order.

    S3 lists a thousand keys at a time, from the oldest on. So the last day is asked for first, then the week before it,
    and so on: whoever stops early has not waited for years of keys. Ids of the future are of nobody who says the truth,
    and are neither given nor listed. Memory: the ids of one such span.
    """
    end = f"{now + _AHEAD:%Y%m%dT%H%M%SZ}"
    for days in (*_DAYS, None):
        begin = f"{now - timedelta(days=days):%Y%m%d}" if days else ""
        span = []
        for found in listed(begin):
            if found >= end:
                break
            span.append(found)
        yield from reversed(span)
        end = begin
