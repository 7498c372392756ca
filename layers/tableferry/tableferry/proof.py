"""Which backups are known to come back: ``verifications/{backup}.json``, written when one was read again and was whole."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from tableferry.errors import BackupNotFound
from tableferry.identity import is_id
from tableferry.latest import latest, signed
from tableferry.manifest import Manifest
from tableferry.store import Store


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


def ages(store: Store, signing_key: bytes, database: str, now: datetime) -> Ages:
    """How old the newest backup of the database is, and the newest proven one; None where there is none.

    They are what ``latest`` means, so that a backup of one table, or one that nobody signed, does not hide that there is
    none of the others.
    """
    try:
        newest = latest(store, signing_key, database)
    except BackupNotFound:
        newest = None
    proven = sorted((found.key for found in store.list("verifications/")), reverse=True)
    ids = (key.rpartition("/")[2].removesuffix(".json") for key in proven)
    now_id = f"{now:%Y%m%dT%H%M%SZ}-g"
    verified = _newest_proven(store, signing_key, database, (one for one in ids if is_id(one) and one < now_id))
    return Ages(
        backup=newest.id if newest else None,
        hours_since_backup=_hours(newest, now),
        verified=verified.id if verified else None,
        days_since_verified_backup=hours / 24 if (hours := _hours(verified, now)) is not None else None,
    )


def _newest_proven(store: Store, signing_key: bytes, database: str, ids: Iterable[str]) -> Manifest | None:
    newest = None
    for found in signed(store, signing_key, ids):
        if found.database == database and found.complete is not False:
            return found
        if found.database == database:
            newest = newest or found
    return newest


def _hours(made: Manifest | None, now: datetime) -> float | None:
    return round((now - made.started).total_seconds() / 3600, 3) if made else None


def _key(backup_id: str) -> str:
    return f"verifications/{backup_id}.json"
