"""Which backups are known to come back: ``verifications/{backup}.json``, written when one was read again and was whole.

Whoever finds one damaged later writes that in its place: it is proven no more, and nothing older expires for its sake.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from tableferry.errors import BackupDamaged, BackupNotFound, DigestMismatch, StoreUnavailable
from tableferry.ids import is_id
from tableferry.manifest.latest import latest
from tableferry.manifest.latest import signed as signed_backups
from tableferry.manifest.manifest import Manifest
from tableferry.signing import Keys
from tableferry.storage import object_keys, signed_object
from tableferry.storage.bucket import Store

_MARKS_READ = 1000  # of which somebody may have forged most


class Proof(BaseModel):
    """That a backup was whole at a moment: its objects read again (``verify``), or its tables built anew (``drill``)."""

    model_config = ConfigDict(frozen=True)

    backup: str
    by: Literal["verify", "drill"]
    at: datetime
    rows: int


class Disproof(BaseModel):
    """That a backup was not whole at a moment. It is no Proof to versions either that do not know it."""

    model_config = ConfigDict(frozen=True)

    backup: str
    damaged_at: datetime


class Ages(BaseModel):
    """The newest backup, and the newest one that is proven; ages in hours and days from when a backup was begun."""

    model_config = ConfigDict(frozen=True)

    backup: str | None = None
    hours_since_backup: float | None = None
    verified: str | None = None
    days_since_verified_backup: float | None = None


def save(store: Store, proof: Proof) -> None:
    """Write the mark of a proven backup."""
    signed_object.put(store, object_keys.verification(proof.backup), proof.model_dump(mode="json"))


@contextmanager
def disproven_by_damage(store: Store, backup_id: str) -> Iterator[None]:
    """Whoever reads the backup inside, and finds it damaged or other than it was, takes its proof back.

    Where S3 does not let him, the error is the damage still, and the next who reads it takes the proof back.
    """
    try:
        yield
    except (BackupDamaged, DigestMismatch):
        found = Disproof(backup=backup_id, damaged_at=datetime.now(UTC))
        with suppress(StoreUnavailable):
            signed_object.put(store, object_keys.verification(backup_id), found.model_dump(mode="json"))
        raise


@contextmanager
def proves(store: Store, source: Manifest, by: Literal["verify", "drill"]) -> Iterator[None]:
    """What is done inside without an error proves the backup; damage disproves it, and another error leaves it as it was."""
    with disproven_by_damage(store, source.id):
        yield
    save(store, Proof(backup=source.id, by=by, at=datetime.now(UTC), rows=source.rows))


def ages(store: Store, keys: Keys, database: str, now: datetime) -> Ages:
    """How old the newest backup of the database is, and the newest proven one; None where there is none.

    They are what ``latest`` means, so that a backup of one table, or one that nobody signed, does not hide that there is
    none of the others. The mark that one was proven is signed too, so that nobody can make one look proven.
    """
    try:
        newest = latest(store, keys, database)
    except BackupNotFound:
        newest = None
    verified = _newest_proven(proven(store, keys, now), database)
    return Ages(
        backup=newest.id if newest else None,
        hours_since_backup=_hours(newest, now),
        verified=verified.id if verified else None,
        days_since_verified_backup=hours / 24 if (hours := _hours(verified, now)) is not None else None,
    )


def proven(store: Store, keys: Keys, now: datetime) -> Iterator[Manifest]:
    """The backups of whatever database that are signed and have a signed mark, newest first. Memory: one manifest."""
    return signed_backups(store, keys, _marked(store, now))


def _marked(store: Store, now: datetime) -> Iterator[str]:
    """The ids of the backups that have a signed mark, newest first."""
    last = f"{now:%Y%m%dT%H%M%SZ}-g"
    ids = [object_keys.verified_backup(found.key) for found in store.list(object_keys.VERIFICATIONS)]
    marked = sorted((one for one in ids if is_id(one) and one < last), reverse=True)[:_MARKS_READ]
    for found, proof in signed_object.present(store, map(object_keys.verification, marked), Proof):
        if found.signed:
            yield proof.backup


def _newest_proven(known: Iterable[Manifest], database: str) -> Manifest | None:
    newest = None
    for found in known:
        if found.database == database and found.complete is not False:
            return found
        if found.database == database:
            newest = newest or found
    return newest


def _hours(made: Manifest | None, now: datetime) -> float | None:
    return round((now - made.started).total_seconds() / 3600, 3) if made else None
