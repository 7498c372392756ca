"""Backups, verifications, restores and jobs as the API shows them: without SQL."""

from __future__ import annotations

import math
import time
from dataclasses import asdict
from datetime import datetime
from itertools import islice, takewhile
from typing import Any, Literal

from tableferry.api.models import (
    BackedUpTable,
    BackupDetail,
    BackupList,
    BackupPlanView,
    BackupSpeedView,
    BackupView,
    BackupWritesView,
    CostView,
    FindingView,
    JobView,
    PlannedBackupTableView,
    RestoreView,
    VerificationView,
    VerifiedTable,
)
from tableferry.backup.dry_run import Rehearsal
from tableferry.backup.outlook.cost import AS_OF, cost, objects, stored_bytes
from tableferry.jobs import estimate, jobs
from tableferry.jobs.estimate import ProgressView
from tableferry.jobs.jobs import Job, Kind
from tableferry.manifest import manifest
from tableferry.manifest.latest import signed
from tableferry.manifest.manifest import Manifest
from tableferry.manifest.verify import Verified
from tableferry.restore.record import Restore
from tableferry.signing import Keys
from tableferry.storage import object_keys
from tableferry.storage.bucket import Store

_NAMED_AT_MOST = 8_000  # some 3 MB; a function's answer is at most 6 MB
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
        workers=made.workers,
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


def backup_plan(found: Rehearsal, bucket: str, database: str, form: str) -> BackupPlanView:
    """What a dry run of a backup found. It names no id: there is none before the backup is asked for."""
    choice, size = found.choice, found.size
    price = cost(size.bytes, len(found.tables), choice)
    return BackupPlanView(
        database=database,
        format=form,
        tables=[
            PlannedBackupTableView(
                name=one.table.name,
                rows_estimate=one.table.rows_estimate,
                bytes_estimate=one.table.bytes_estimate,
                ranges=len(one.ranges),
            )
            for one in found.tables
        ],
        complete=found.complete,
        rows_estimate=size.rows,
        bytes_estimate=size.bytes,
        source=choice.source,
        workers=choice.workers,
        connections=choice.all_connections,
        seconds=round(choice.seconds, 1),
        seconds_allowed=round(choice.usable, 1) if math.isfinite(choice.usable) else None,
        speed=BackupSpeedView(
            bytes_per_second=round(choice.pace.bytes_per_second),
            by=choice.pace.how,
            backups=list(choice.pace.backups),
        ),
        writes=BackupWritesView(
            bucket=bucket,
            prefix=object_keys.backup("{id}"),
            objects=objects(size.bytes, len(found.tables)),
            bytes=stored_bytes(size.bytes, choice),
        ),
        cost=CostView(
            once=round(price.once, 6),
            functions=round(price.functions, 6),
            requests=round(price.requests, 6),
            state_machine=round(price.state_machine, 6),
            storage_a_month=round(price.storage_a_month, 6),
            as_of=AS_OF,
        ),
        problems=[FindingView(**asdict(finding)) for finding in found.problems],
        notes=list(found.notes),
    )


def backup_detail(made: Manifest) -> BackupDetail:
    """A backup with what it has of each table; without the names of its objects, where they would be too many."""
    whole = _without_keys(made)
    named = sum(len(table.parts) + sum(len(chunk.objects) for chunk in table.chunks) for table in made.tables)
    if named > _NAMED_AT_MOST:
        whole["tables"] = [
            {name: value for name, value in table.items() if name not in ("chunks", "parts")}
            for table in whole["tables"]
        ]
    return BackupDetail(**dict(backup(made)), manifest=whole)


def _without_keys(made: Manifest) -> dict[str, Any]:
    """The manifest, but for keys at which ranges meet that are no whole numbers, such as names and addresses.

    Who sees it need not be one who may see rows. In the bucket it is whole.
    """
    content = made.model_dump(mode="json")
    for table in content["tables"]:
        for part in [*table.get("chunks", ()), *table.get("parts", ())]:
            part |= {end: None for end in ("lower", "upper") if _is_text(part[end])}
    return content


def _is_text(bound: Any) -> bool:
    return isinstance(bound, list) and any(isinstance(value, str) for value in bound)


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
