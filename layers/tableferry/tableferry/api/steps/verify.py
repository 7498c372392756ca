"""The steps of a verification over many functions: direct invocations of the backup function.

That a backup is damaged is no error of a step, but what the verification came to.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tableferry.api import handler, metrics, problems, views
from tableferry.api.steps.step import StepRequest, action, ended_from_outside
from tableferry.config.settings import Settings
from tableferry.errors import BackupDamaged
from tableferry.manifest import large_verify
from tableferry.manifest.large_verify import Step
from tableferry.storage.bucket import Store


def _plan(_: Settings, store: Store, request: StepRequest) -> Step:
    return large_verify.begin(store, request.id, request.execution)


def _work(settings: Settings, store: Store, request: StepRequest) -> Step:
    return large_verify.work(store, request.id, request.attempt, request.worker, settings.workers)


def _finish(_: Settings, store: Store, request: StepRequest) -> Step:
    try:
        source, verified = large_verify.finish(store, request.id, request.attempt)
    except BackupDamaged as error:
        handler.logger.warning("job failed", extra={"error": error.name, "detail": str(error)}, exc_info=error)
        metrics.count(jobs_failed=1)
        outcome: dict[str, Any] = {"state": "failed", "problem": problems.problem(error)}
    else:
        metrics.count(rows_verified=source.rows)
        result = views.verification(request.id, source.id, verified).model_dump(mode="json")
        outcome = {"state": "done", "result": result}
    return large_verify.end(store, request.id, request.attempt, outcome)


def _failed(_: Settings, store: Store, request: StepRequest) -> Step:
    unknown = ended_from_outside(request, "Functions of the verification were")
    step = large_verify.failed(store, request.id, request.attempt, request.execution, unknown)
    if step.state == "failed":
        metrics.count(jobs_failed=1)
    return step


def _note(store: Store, request: StepRequest, _: BaseException, problem: Mapping[str, Any]) -> None:
    large_verify.note(store, request.id, request.attempt, problem)


ACTIONS = {
    "large-verify-plan": action(_plan, _note),
    "large-verify-work": action(_work, _note),
    "large-verify-finish": action(_finish, _note),
    "large-verify-failed": action(_failed, None),
}
