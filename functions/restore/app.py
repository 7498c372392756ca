"""S3 to tables."""

from __future__ import annotations

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Query

from tableferry.api import handler as api
from tableferry.api import job_routes, metrics, views
from tableferry.api.models import (
    DrillRequest,
    JobView,
    RecoverRequest,
    RestoreList,
    RestoreRequest,
    RestoreView,
    SignRequest,
)
from tableferry.api.steps import restore as restore_steps
from tableferry.config.settings import Settings
from tableferry.errors import RecordNotFound
from tableferry.ids import new_id
from tableferry.jobs import jobs
from tableferry.jobs.jobs import HandOver, Job, Kind
from tableferry.manifest import attestation
from tableferry.manifest.attestation import Proof
from tableferry.manifest.trust import on_trust, open_backup
from tableferry.mysql.database import Database
from tableferry.restore import large_restore, record
from tableferry.restore.drill import drill
from tableferry.restore.maintenance import recover
from tableferry.restore.restore import accept, plan, restore, undo
from tableferry.storage.bucket import Store, open_store

app = api.resolver()


@app.post(
    "/restores",
    summary="Restore tables",
    operation_id="createRestore",
    tags=["restores"],
    responses=api.responses(RestoreView, 201, job=True),
)
def create_restore(
    request: RestoreRequest | None = None, idempotency_key: api.IdempotencyKey = None
) -> Response[RestoreView | JobView]:
    """Beside, verified, swapped in at once; on any error nothing has changed."""
    wanted = (request or RestoreRequest()).of_job()
    return verbs.done_or_accepted(Kind.RESTORE, wanted, "/restores/{id}", idempotency_key, _by_record)


@app.get("/restores", summary="List the restores", operation_id="listRestores", tags=["restores"])
def list_restores(limit: Annotated[int, Query(ge=1, le=1000)] = 100) -> RestoreList:
    """The newest, newest first."""
    settings = Settings.from_env()
    found = record.newest(open_store(settings.bucket, settings.signing_keys), limit)
    return RestoreList(restores=[views.restore(restored) for restored in found])


@app.get("/restores/<id>", summary="Show one restore, or how far it is", operation_id="getRestore", tags=["restores"])
def show_restore(id: str) -> Response[RestoreView | JobView]:  # noqa: A002  # the name of the path's parameter
    """What was restored and verified; the state of its job while it is not done, and nobody has finished it for the job."""
    settings = Settings.from_env()
    store = open_store(settings.bucket, settings.signing_keys)
    try:
        job = jobs.find(store, id, Kind.RESTORE)
    except RecordNotFound:
        return api.answer(HTTPStatus.OK, views.restore(record.find(store, id, unsigned=True)))
    return api.answer(HTTPStatus.OK, _by_record(store, job) or views.job(job))


def _by_record(store: Store, job: Job) -> RestoreView | None:
    """What a restore's record says, where that is more than its job; it may have been undone, accepted or finished since."""
    try:
        found = record.find(store, job.id, unsigned=job.over)
    except RecordNotFound:  # it has not come so far
        return None
    ended = not found.signed or found.stuck or job.state == "done" or found.state not in record.UNDER_WAY
    says_why = job.state == "failed" and found.state == "failed"
    return views.restore(found) if ended and not says_why else None


@app.post("/restores/<id>/undo", summary="Undo a restore", operation_id="undoRestore", tags=["restores"])
def undo_restore(id: str) -> RestoreView:  # noqa: A002
    """What was written to the restored tables since is kept until accept."""
    settings = Settings.from_env()
    return views.restore(undo(Database(settings.database), open_store(settings.bucket, settings.signing_keys), id))


@app.post(
    "/restores/<id>/accept",
    summary="Accept a restore, and drop the old tables",
    operation_id="acceptRestore",
    tags=["restores"],
)
def accept_restore(id: str) -> RestoreView:  # noqa: A002
    """After this there is no undo. A restore that was undone stays so, and what it had brought is dropped."""
    settings = Settings.from_env()
    return views.restore(accept(Database(settings.database), open_store(settings.bucket, settings.signing_keys), id))


def _restore(
    settings: Settings, store: Store, job_id: str, request: dict[str, Any], progress: jobs.Tell
) -> dict[str, Any] | HandOver:
    wanted = api.parsed(RestoreRequest, request)
    names = None if wanted.tables is None and not wanted.into else [*(wanted.tables or ()), *wanted.into]
    source = open_backup(
        store, wanted.backup, settings.signing_keys, wanted.trust, settings.database.name, names, metrics.passed_over
    )
    with attestation.disproven_by_damage(store, source.id), on_trust(wanted.trust):
        items = plan(
            source,
            wanted.tables,
            wanted.into,
            settings.database.served,
            inexact_json=wanted.allow_inexact_json,
            replace=wanted.replace,
        )
        if (several := restore_steps.several(settings, store, source, items, wanted)) is not None:
            return large_restore.hand_over(store, job_id, several)
        done = restore(
            Database(settings.database),
            store,
            job_id,
            source,
            items,
            dry_run=wanted.dry_run,
            allow_orphans=wanted.allow_orphans,
            workers=settings.workers,
            chunk_bytes=settings.chunk_bytes,
            progress=progress,
        )
    metrics.count(rows_restored=0 if wanted.dry_run else sum(table.rows for table in done.tables))
    return views.restore(done).model_dump(mode="json")


def drill_backup(event: dict[str, Any]) -> dict[str, Any]:
    """A restore test: a backup's tables built beside, verified and dropped; else it raises, and an alarm sounds."""
    wanted = api.parsed(DrillRequest, event)
    settings = Settings.from_env()
    store = open_store(settings.bucket, settings.signing_keys)
    source = open_backup(
        store, wanted.backup, settings.signing_keys, False, settings.database.name, passed_over=metrics.passed_over
    )
    now = datetime.now(UTC)
    with attestation.disproven_by_damage(store, source.id):
        drill(
            Database(settings.database),
            store,
            new_id(now),
            source,
            plan(source, None, {}, settings.database.served, inexact_json=True),
            workers=settings.workers,
            chunk_bytes=settings.chunk_bytes,
        )
    done = Proof(backup=source.id, by="drill", at=datetime.now(UTC), rows=source.rows)
    attestation.save(store, done)
    metrics.count(rows_drilled=source.rows)
    return done.model_dump(mode="json")


def recover_restores(event: dict[str, Any]) -> dict[str, Any]:
    """What a schedule asks for: finish restores that died, drop what was kept longer than KEEP_OLD_DAYS and LEDGER_DAYS."""
    api.parsed(RecoverRequest, event)
    settings = Settings.from_env()
    database, store = Database(settings.database), open_store(settings.bucket, settings.signing_keys)
    done = recover(database, store, datetime.now(UTC), settings.keep_old_days, settings.ledger_days)
    for stuck in done.stuck:
        api.logger.error("a restore cannot be finished", extra={"restore": stuck.id, "detail": stuck.stuck})
    metrics.count(
        restores_recovered=len(done.finished), restores_expired=len(done.expired), restores_stuck=len(done.stuck)
    )
    return done.model_dump(mode="json")


def sign_record(event: dict[str, Any]) -> dict[str, Any]:
    """Sign the record of a restore that an earlier version or key wrote. Who may invoke the function vouches for it."""
    wanted = api.parsed(SignRequest, event)
    settings = Settings.from_env()
    signed = record.sign(open_store(settings.bucket, settings.signing_keys), wanted.restore)
    api.logger.warning("record signed anew", extra={"restore": signed.id, "state": signed.state})
    return views.restore(signed).model_dump(mode="json")


verbs = job_routes.Verbs(app, {Kind.RESTORE: _restore})
handler = api.handler(
    app,
    objects=verbs.on_object,
    direct=api.actions(
        restore=verbs.at_once(Kind.RESTORE),
        drill=drill_backup,
        recover=recover_restores,
        sign=sign_record,
        **restore_steps.ACTIONS,
    ),
)
