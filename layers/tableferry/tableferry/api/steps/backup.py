"""The steps of a backup over many functions: direct invocations of the backup function."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tableferry.api import metrics, views
from tableferry.api.steps.step import StepRequest, action, ended_from_outside
from tableferry.backup import large_backup
from tableferry.backup.barrier import Bounds
from tableferry.backup.large_backup import Step
from tableferry.config.settings import Settings
from tableferry.mysql.database import Database
from tableferry.storage.bucket import Store


def _plan(settings: Settings, store: Store, request: StepRequest) -> Step:
    return large_backup.begin(Database(settings.database), store, request.id, request.execution)


def _hold(settings: Settings, store: Store, request: StepRequest) -> None:
    large_backup.hold(Database(settings.database), store, request.id, request.attempt, _bounds(settings))


def _work(settings: Settings, store: Store, request: StepRequest) -> None:
    large_backup.work(
        Database(settings.database),
        store,
        request.id,
        request.attempt,
        request.worker,
        settings.chunk_bytes,
        _bounds(settings),
    )


def _finish(settings: Settings, store: Store, request: StepRequest) -> Step:
    made = large_backup.finish(Database(settings.database), store, request.id, request.attempt)
    metrics.count(rows_backed_up=made.rows, backup_bytes=made.bytes)
    result = views.backup(made).model_dump(mode="json")
    return large_backup.done(store, request.id, request.attempt, result)


def _failed(settings: Settings, store: Store, request: StepRequest) -> Step:
    unknown = ended_from_outside(request, f"Functions of the backup were, at each of {large_backup.TRIES} tries,")
    database = Database(settings.database)
    step = large_backup.failed(database, store, request.id, request.attempt, request.execution, unknown)
    if step.state == "failed":
        metrics.count(jobs_failed=1)
    return step


def _note(store: Store, request: StepRequest, error: BaseException, problem: Mapping[str, Any]) -> None:
    large_backup.note(store, request.id, request.attempt, error, problem)


def _bounds(settings: Settings) -> Bounds:
    return Bounds.holding(settings.lock_seconds)


ACTIONS = {
    "large-backup-plan": action(_plan, _note),
    "large-backup-hold": action(_hold, _note),
    "large-backup-work": action(_work, _note),
    "large-backup-finish": action(_finish, _note),
    "large-backup-failed": action(_failed, None),
}
