"""Which backups are known to come back: ``verifications/{backup}.json``, written when one was read again and was whole."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from itertools import islice
from typing import Literal

from pydantic import BaseModel, ConfigDict

from tableferry import manifest
from tableferry.errors import BackupDamaged, BackupNotFound, Conflict
from tableferry.manifest import Manifest
from tableferry.store import Store

_LOOKED_AT = 100


class Proof(BaseModel):
    """That a backup was whole at a moment: its objects read again (``verify``), or its tables built anew (``drill``)."""

    model_config = ConfigDict(frozen=True)

    backup: str
    by: Literal["verify", "drill"]
    at: datetime
    rows: int


class Ages(BaseModel):
    """The newest backup, and the newest one that is proven; ages in hours and days from when a backup was begun."""

    model_config = ConfigDict(frozen=True)

    backup: str | None = None
    hours_since_backup: float | None = None
    verified: str | None = None
    days_since_verified_backup: float | None = None


def save(store: Store, proof: Proof) -> None:
    store.put(_key(proof.backup), proof.model_dump_json().encode())


def ages(store: Store, signing_key: bytes, now: datetime) -> Ages:
    """How old the newest backup and the newest proven one are; None where there is none.

    Of each the signature is looked at: whoever can only write to the bucket cannot make an old backup look new.
    """
    newest = _first(store, signing_key, manifest.ids(store))
    proven = sorted((found.key for found in store.list("verifications/")), reverse=True)
    verified = _first(store, signing_key, (key.rpartition("/")[2].removesuffix(".json") for key in proven))
    return Ages(
        backup=newest.id if newest else None,
        hours_since_backup=_hours(newest, now),
        verified=verified.id if verified else None,
        days_since_verified_backup=hours / 24 if (hours := _hours(verified, now)) is not None else None,
    )


def _first(store: Store, signing_key: bytes, ids: Iterable[str]) -> Manifest | None:
    """The first of these backups that is there and signed."""
    for backup_id in islice(ids, _LOOKED_AT):
        try:
            return manifest.read(store, backup_id, signing_key)
        except (BackupNotFound, BackupDamaged, Conflict):
            continue
    return None


def _hours(made: Manifest | None, now: datetime) -> float | None:
    return round((now - made.started).total_seconds() / 3600, 3) if made else None


def _key(backup_id: str) -> str:
    return f"verifications/{backup_id}.json"
