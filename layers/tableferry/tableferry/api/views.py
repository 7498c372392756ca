"""Backups, verifications, restores and jobs as the API shows them: without SQL."""

from __future__ import annotations

import time
from dataclasses import asdict
from datetime import datetime
from itertools import islice, takewhile
from typing import Literal

from tableferry.api.models import (
    BackedUpTable,
    BackupDetail,
    BackupList,
    BackupView,
    JobView,
    RestoreView,
    VerificationView,
    VerifiedTable,
)
from tableferry.jobs import estimate, jobs
from tableferry.jobs.estimate import ProgressView
from tableferry.jobs.jobs import Job, Kind
from tableferry.manifest import manifest
from tableferry.manifest.latest import signed
from tableferry.manifest.manifest import Manifest
from tableferry.manifest.verify import Verified
from tableferry.restore.record import Restore
from tableferry.signing import Keys
from tableferry.storage.bucket import Store

_READ_AT_MOST = 2000
_READ_SECONDS = 10.0
_UNITS: dict[Kind, Literal["chunks", "objects"]] = {
    Kind.BACKUP: "chunks",
    Kind.VERIFY: "objects",
    Kind.RESTORE: "objects",
}


def backup(made: Manifest) -> BackupView:
    """A backup as a list shows it."""
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
                chunks=table.chunk_count,
                objects=table.object_count,
                inexact_json=table.inexact,
            )
            for table in made.tables
        ],
    )


def backup_detail(made: Manifest) -> BackupDetail:
    """A backup with what it has of each table."""
    return BackupDetail(**dict(backup(made)), manifest=made.model_dump(mode="json"))


def backups(store: Store, keys: Keys, limit: int, now: datetime) -> BackupList:
    """The newest that are signed, so many at most, and no more of the damaged ones that are newer than the last of them.

    One that has no manifest (yet) is none, but may be a job. No more than a request has time for is looked at, however
    many somebody has forged. Memory: as of :func:`~tableferry.manifest.latest.signed`.
    """
    until = time.monotonic() + _READ_SECONDS
    ids = takewhile(lambda _: time.monotonic() < until, islice(manifest.ids(store), _READ_AT_MOST))
    found = BackupList(backups=[], damaged=[], jobs=[job(one) for one in jobs.unfinished(store, Kind.BACKUP, now)])
    good = signed(store, keys, ids, lambda damaged, _: found.damaged.append(damaged))
    found.backups.extend(backup(made) for made in islice(good, limit))
    return found.model_copy(update={"damaged": found.damaged[:limit]})


def verification(job_id: str, backup_id: str, found: Verified) -> VerificationView:
    """What a verification found."""
    tables = [
        VerifiedTable.model_validate({**asdict(table), "problems": list(table.problems)}) for table in found.tables
    ]
    return VerificationView(id=job_id, backup=backup_id, tables=tables, leftovers=found.leftovers)


def restore(done: Restore) -> RestoreView:
    """A restore as its record has it."""
    return RestoreView.model_validate(done.public())


def job(found: Job) -> JobView:
    """A job, with how far it is."""
    return JobView(
        id=found.id,
        kind=found.kind.value,
        state=found.state,
        progress=progress(found),
        created=found.created,
        finished=found.finished,
        problem=found.problem,
    )


def progress(found: Job) -> ProgressView:
    """How far a job is; one that did not come to its end is as far as it was then."""
    known, done = found.progress, found.state == "done"
    return ProgressView(
        done=known.done,
        of=known.of,
        rows=known.rows,
        unit=_UNITS[found.kind],
        percent=estimate.percent(known.share, done=done),
        seconds_left=estimate.seconds_left(known.share, known.seconds, running=found.state == "running", done=done),
    )
