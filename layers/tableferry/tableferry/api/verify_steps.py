"""The steps of a verification over many functions, as its state machine calls them: direct invocations of the backup function.

Each answers with what the next state needs. An error is left in the bucket, for the last step to tell of, and raised: so
the state machine hears of it. That a backup is damaged is no error of a step, but what the verification came to.
"""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from tableferry.api import handler, metrics, problems, views
from tableferry.config.settings import Settings
from tableferry.errors import BackupDamaged, TableferryError
from tableferry.ids import is_id
from tableferry.manifest import large_verify
from tableferry.manifest.large_verify import Step
from tableferry.storage.bucket import Store, open_store

_ENDED = "Functions of the verification were ended from outside: by their time, their memory or their platform. {said}"


class VerifyStepRequest(BaseModel):
    """What the state machine says to a step."""

    model_config = ConfigDict(extra="ignore")

    id: str
    attempt: str = Field(default="", alias="try", pattern="^[0-9a-f]*$")
    worker: int = Field(default=0, ge=0)
    execution: str = ""
    error: dict[str, Any] = Field(default_factory=dict)


Do = Callable[[Settings, Store, VerifyStepRequest], Step]


def _plan(_: Settings, store: Store, request: VerifyStepRequest) -> Step:
    return large_verify.begin(store, request.id, request.execution)


def _work(settings: Settings, store: Store, request: VerifyStepRequest) -> Step:
    return large_verify.work(store, request.id, request.attempt, request.worker, settings.workers)


def _finish(_: Settings, store: Store, request: VerifyStepRequest) -> Step:
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


def _failed(_: Settings, store: Store, request: VerifyStepRequest) -> Step:
    said = str(request.error.get("Error", ""))
    text = _ENDED.format(said=f"The state machine says {said}." if said else "").strip()
    unknown = problems.made(HTTPStatus.INTERNAL_SERVER_ERROR, "ended-from-outside", text)
    step = large_verify.failed(store, request.id, request.attempt, request.execution, unknown)
    if step.state == "failed":
        metrics.count(jobs_failed=1)
    return step


def _step(do: Do, *, leaves_error: bool = True) -> Callable[[dict[str, Any]], dict[str, Any]]:
    def run(event: dict[str, Any]) -> dict[str, Any]:
        request = handler.parsed(VerifyStepRequest, event)
        if not is_id(request.id):
            return Step(id=request.id, state="gone").model_dump(mode="json")
        settings = Settings.from_env()
        store = open_store(settings.bucket, settings.signing_keys)
        handler.logger.append_keys(job=request.id, attempt=request.attempt)
        try:
            return do(settings, store, request).model_dump(mode="json")
        except Exception as error:
            if leaves_error:
                large_verify.note(store, request.id, request.attempt, problems.problem(error))
            expected = isinstance(error, TableferryError)
            (handler.logger.warning if expected else handler.logger.error)("step failed", exc_info=error)
            raise

    return run


ACTIONS = {
    "large-verify-plan": _step(_plan),
    "large-verify-work": _step(_work),
    "large-verify-finish": _step(_finish),
    "large-verify-failed": _step(_failed, leaves_error=False),
}
