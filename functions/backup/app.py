"""Tables to S3."""

from __future__ import annotations

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Query

from tableferry import deadline
from tableferry.api import handler as api
from tableferry.api import job_routes, metrics, views
from tableferry.api.models import (
    BackupDetail,
    BackupList,
    BackupPlanView,
    BackupRequest,
    BackupView,
    JobView,
    VerificationView,
    VerifyRequest,
)
from tableferry.api.steps import backup as backup_steps
from tableferry.api.steps import verify as verify_steps
from tableferry.backup import large_backup
from tableferry.backup.backup import backup
from tableferry.backup.dry_run import rehearse
from tableferry.backup.large_backup import Order, Scale
from tableferry.backup.outlook.capacity import Allowed
from tableferry.backup.outlook.forecast import forecast
from tableferry.columnar.formats import Format
from tableferry.config.settings import Settings
from tableferry.errors import BackupNotFound, RecordNotFound
from tableferry.jobs import jobs
from tableferry.jobs.jobs import HandOver, Kind
from tableferry.manifest import attestation, large_verify, manifest, retention
from tableferry.manifest.latest import latest
from tableferry.manifest.verify_steps import verify
from tableferry.mysql.database import Database
from tableferry.storage.bucket import Store, open_store

app = api.resolver()


@app.post(
    "/backups",
    summary="Back tables up",
    operation_id="createBackup",
    tags=["backups"],
    responses={**api.responses(BackupPlanView, 200), **api.responses(BackupView, 201, job=True)},
)
def create_backup(
    request: BackupRequest | None = None, idempotency_key: api.IdempotencyKey = None
) -> Response[BackupView | JobView | BackupPlanView]:
    """Done in time: 201 and the backup. Else 202 and where to look. Of a dry run 200 and the plan."""
    asked = request or BackupRequest()
    if asked.dry_run:
        return api.answer(HTTPStatus.OK, _planned(asked))
    return verbs.done_or_accepted(Kind.BACKUP, asked.of_job(), "/backups/{id}", idempotency_key)


@app.get("/backups", summary="List the backups", operation_id="listBackups", tags=["backups"])
def list_backups(limit: Annotated[int, Query(ge=1, le=1000)] = 100) -> BackupList:
    """Newest first; those that are under way, or came to nothing in the last day, are its ``jobs``."""
    settings = Settings.from_env()
    store = open_store(settings.bucket, settings.signing_keys)
    return views.backups(store, settings.signing_keys, limit, datetime.now(UTC))


@app.get("/backups/<id>", summary="Show one backup, or how far it is", operation_id="getBackup", tags=["backups"])
def show_backup(id: str) -> Response[BackupDetail | JobView]:  # noqa: A002  # the name of the path's parameter
    """The backup with its manifest, of ``latest`` too; the state of its job while there is none."""
    settings = Settings.from_env()
    store = open_store(settings.bucket, settings.signing_keys)
    if id == "latest":
        found = latest(store, settings.signing_keys, settings.database.name, passed_over=metrics.passed_over)
        return api.answer(HTTPStatus.OK, views.backup_detail(found))
    try:
        found = manifest.read(store, id, settings.signing_keys)
    except BackupNotFound as error:
        try:
            job = jobs.find(store, id, Kind.BACKUP)
        except RecordNotFound:
            raise error from None
        if job.state != "done":
            return api.answer(HTTPStatus.OK, views.job(job))
        found = manifest.read(store, id, settings.signing_keys)  # it was finished since we looked
    return api.answer(HTTPStatus.OK, views.backup_detail(found))


@app.post(
    "/backups/<id>/verify",
    summary="Verify a backup",
    operation_id="verifyBackup",
    tags=["backups"],
    responses=api.responses(VerificationView, 201, job=True),
)
def verify_backup(id: str) -> Response[VerificationView | JobView]:  # noqa: A002
    """Every object's size, SHA-256, rows and digest; 409 says, table by table, what is wrong."""
    return verbs.done_or_accepted(Kind.VERIFY, {"backup": id}, "/verifications/{id}")


@app.get(
    "/verifications/<id>", summary="Show what a verification found", operation_id="getVerification", tags=["backups"]
)
def show_verification(id: str) -> Response[VerificationView | JobView]:  # noqa: A002
    """The verification, or the state of its job."""
    settings = Settings.from_env()
    return job_routes.outcome(jobs.find(open_store(settings.bucket, settings.signing_keys), id, Kind.VERIFY))


def _planned(asked: BackupRequest) -> BackupPlanView:
    settings = Settings.from_env()
    store = open_store(settings.bucket, settings.signing_keys)
    form = Format(asked.format)
    found = rehearse(Database(settings.database), store, asked.tables, form, _allowed(settings), asked.workers)
    return views.backup_plan(found, settings.bucket, settings.database.name, asked.format)


def _allowed(settings: Settings) -> Allowed:
    """What a backup of this deployment may use, from now until the invocation ends."""
    return Allowed(
        seconds=deadline.current().left(),
        scale=settings.scale and not settings.inline_jobs,  # there, no object starts anything
        workers=settings.scale_workers,
        connections=settings.scale_connections,
        alone=settings.workers,
    )


def _backup(
    settings: Settings, store: Store, backup_id: str, request: dict[str, Any], progress: jobs.Tell
) -> dict[str, Any] | HandOver:
    wanted = api.parsed(BackupRequest, request)
    database, form = Database(settings.database), Format(wanted.format)
    choice = forecast(database, store, wanted.tables, form, _allowed(settings), wanted.workers).accepted()
    if not choice.one:
        scale = Scale(workers=choice.workers, connections=choice.connections)
        order = Order(tables=wanted.tables, format=form, lock_days=settings.lock_days, scale=scale)
        return large_backup.hand_over(store, backup_id, order)
    made = backup(
        database,
        store,
        backup_id,
        wanted.tables,
        form,
        workers=settings.workers,
        chunk_bytes=settings.chunk_bytes,
        lock_days=settings.lock_days,
        progress=progress,
    )
    metrics.count(rows_backed_up=made.rows, backup_bytes=made.bytes)
    return views.backup(made).model_dump(mode="json")


def _verify(
    settings: Settings, store: Store, job_id: str, request: dict[str, Any], progress: jobs.Tell
) -> dict[str, Any] | HandOver:
    wanted = api.parsed(VerifyRequest, request)
    if wanted.backup == "latest":
        found = latest(store, settings.signing_keys, settings.database.name, passed_over=metrics.passed_over)
    else:
        found = manifest.read(store, wanted.backup, settings.signing_keys)
    scales = settings.scale and not settings.inline_jobs  # with jobs done by requests there is no state machine
    if scales and (functions := large_verify.choose(found, settings.scale_workers)) > 1:
        return large_verify.hand_over(store, job_id, large_verify.Order(backup=found.id, workers=functions))
    metrics.count(rows_verified=found.rows)
    with attestation.proves(store, found, "verify"):
        verified = verify(store, found, progress, settings.workers)
    return views.verification(job_id, found.id, verified).model_dump(mode="json")


def check(_request: dict[str, Any]) -> dict[str, Any]:
    """How old the newest backup and the newest proven one are, as metrics too; alarms listen. Then what is superseded."""
    settings, now = Settings.from_env(), datetime.now(UTC)
    store = open_store(settings.bucket, settings.signing_keys)
    found = attestation.ages(store, settings.signing_keys, settings.database.name, now)
    metrics.gauge(
        hours_since_backup=found.hours_since_backup, days_since_verified_backup=found.days_since_verified_backup
    )
    retired = _retire(settings, store, now) if settings.retention_days else None
    return {**found.model_dump(mode="json"), "retention": retired}


def _retire(settings: Settings, store: Store, now: datetime) -> dict[str, Any]:
    """Mark what may go. Where only a proof of the newest backup is lacking, it is asked for, once a day until then."""
    found = retention.retire(store, settings.signing_keys, settings.database.name, settings.retention_days, now)
    said = found.model_dump(mode="json")
    if found.kept or found.damaged:
        api.logger.warning("old backups stay", extra={"retention": said})
    elif found.expiring:
        api.logger.info("old backups expire", extra={"retention": said})
    if found.to_verify and not jobs.unfinished(store, Kind.VERIFY, now):
        verbs.begin(settings, store, Kind.VERIFY, {"backup": found.to_verify})
    return said


def back_up(request: dict[str, Any]) -> dict[str, Any]:
    """A backup, or its dry run, which is no job: nothing is written."""
    if request.get("dry_run") and (asked := api.parsed(BackupRequest, request)).dry_run:
        return _planned(asked).model_dump(mode="json")
    return verbs.at_once(Kind.BACKUP)(request)


verbs = job_routes.Verbs(app, {Kind.BACKUP: _backup, Kind.VERIFY: _verify})
handler = api.handler(
    app,
    objects=verbs.on_object,
    direct=api.actions(
        backup=back_up,
        verify=verbs.at_once(Kind.VERIFY),
        check=check,
        **backup_steps.ACTIONS,
        **verify_steps.ACTIONS,
    ),
)
