"""Backups, verifications, restores and jobs as the API shows them: without SQL."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import datetime
from itertools import islice

from tableferry import jobs, manifest
from tableferry.errors import BackupDamaged, BackupNotFound, Conflict
from tableferry.jobs import Job, Kind
from tableferry.manifest import Manifest
from tableferry.models import (
    BackedUpTable,
    BackupDetail,
    BackupList,
    BackupView,
    JobView,
    RestoreView,
    VerificationView,
    VerifiedTable,
)
from tableferry.record import Restore
from tableferry.signing import Keys
from tableferry.store import Store
from tableferry.verify import Verified

_AT_ONCE = 8


def backup(made: Manifest) -> BackupView:
    return BackupView(
        id=made.id,
        database=made.database,
        format=made.format.value,
        consistency=made.consistency,
        started=made.started,
        finished=made.finished,
        rows=made.rows,
        bytes=made.bytes,
        complete=made.complete,
        notes=list(made.notes),
        digest_key=made.digest_key,
        tables=[
            BackedUpTable(
                name=table.name,
                rows=table.rows,
                bytes=table.bytes,
                digest=table.digest,
                chunks=len(table.chunks),
                objects=len(table.objects),
                inexact_json=table.inexact,
            )
            for table in made.tables
        ],
    )


def backup_detail(made: Manifest) -> BackupDetail:
    return BackupDetail(**dict(backup(made)), manifest=made.model_dump(mode="json"))


def backups(store: Store, keys: Keys, limit: int, now: datetime) -> BackupList:
    """The newest, so many at most; one that has no manifest (yet) is none, but may be a job. Memory: a few manifests."""

    def view(backup_id: str) -> BackupView | str | None:
        try:
            return backup(manifest.read(store, backup_id, keys))
        except BackupNotFound:
            return None
        except (BackupDamaged, Conflict):
            return backup_id

    found = BackupList(backups=[], damaged=[], jobs=[job(one) for one in jobs.unfinished(store, Kind.BACKUP, now)])
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="manifest") as pool:
        for seen in pool.map(view, islice(manifest.ids(store), limit)):
            if isinstance(seen, str):
                found.damaged.append(seen)
            elif seen is not None:
                found.backups.append(seen)
    return found


def verification(job_id: str, backup_id: str, found: Verified) -> VerificationView:
    tables = [
        VerifiedTable.model_validate({**asdict(table), "problems": list(table.problems)}) for table in found.tables
    ]
    return VerificationView(id=job_id, backup=backup_id, tables=tables, leftovers=found.leftovers)


def restore(done: Restore) -> RestoreView:
    return RestoreView.model_validate(done.public())


def job(found: Job) -> JobView:
    return JobView(
        id=found.id,
        kind=found.kind.value,
        state=found.state,
        progress=found.progress.model_dump(),
        created=found.created,
        finished=found.finished,
        problem=found.problem,
    )
