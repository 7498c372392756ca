"""Ids of backups, restores and jobs: when, and something random; they sort by time."""

from __future__ import annotations

import re
import secrets
from datetime import datetime

_ID = re.compile(r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{8}")


def new_id(now: datetime) -> str:
    """An id such as ``20261122T071500Z-1a2b3c4d``: ``now``, in UTC, to the millisecond, and five random digits."""
    return f"{now:%Y%m%dT%H%M%SZ}-{now.microsecond // 1000:03x}{secrets.randbits(20):05x}"


def is_id(text: str) -> bool:
    """Whether a text has the form of an id."""
    return _ID.fullmatch(text) is not None
