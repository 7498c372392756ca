"""The steps of a backup over many functions, as its state machine calls them: the backup function's direct invocations.

Each answers with what the next state needs. An error is left in the bucket, for the last step to tell of, and raised: so
the state machine hears of it.
"""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from tableferry.api import handler, metrics, problems, views
from tableferry.backup import large_backup
from tableferry.backup.barrier import Bounds
from tableferry.backup.large_backup import Step
from tableferry.config.settings import Settings
from tableferry.errors import TableferryError
from tableferry.ids import is_id
from tableferry.mysql.database import Database
from tableferry.storage.bucket import Store, open_store

_ENDED = "Functions of the backup were ended from outside, {times} times: by their time, their memory or their platform. {said}"


class StepRequest(BaseModel):
    """What the state machine says to a step."""

    model_config = ConfigDict(extra="ignore")

    id: str
    attempt: str = Field(default="", alias="try", pattern="^[0-9a-f]*$")
    worker: int = Field(default=0, ge=0)
    execution: str = ""
    error: dict[str, Any] = Field(default_factory=dict)


Do = Callable[[Settings, Store, StepRequest], Step | None]


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
    said = str(request.error.get("Error", ""))
    text = _ENDED.format(times=large_backup.TRIES, said=f"The state machine says {said}." if said else "").strip()
    unknown = problems.made(HTTPStatus.INTERNAL_SERVER_ERROR, "ended-from-outside", text)
    database = Database(settings.database)
    step = large_backup.failed(database, store, request.id, request.attempt, request.execution, unknown)
    if step.state == "failed":
        metrics.count(jobs_failed=1)
    return step


def _step(do: Do, *, leaves_error: bool = True) -> Callable[[dict[str, Any]], dict[str, Any]]:
    def run(event: dict[str, Any]) -> dict[str, Any]:
        request = handler.parsed(StepRequest, event)
        if not is_id(request.id):
            return Step(id=request.id, state="gone").model_dump(mode="json")
        settings = Settings.from_env()
        store = open_store(settings.bucket, settings.signing_keys)
        handler.logger.append_keys(job=request.id, attempt=request.attempt)
        handler.logger.info("step begins", extra={"step": do.__name__.lstrip("_"), "worker": request.worker})
        try:
            step = do(settings, store, request)
        except Exception as error:
            if leaves_error:
                large_backup.note(store, request.id, request.attempt, error, problems.problem(error))
            expected = isinstance(error, TableferryError)
            (handler.logger.warning if expected else handler.logger.error)("step failed", exc_info=error)
            raise
        return step.model_dump(mode="json") if step else {}

    return run


def _bounds(settings: Settings) -> Bounds:
    return Bounds.holding(settings.lock_seconds)


ACTIONS = {
    "large-backup-plan": _step(_plan),
    "large-backup-hold": _step(_hold),
    "large-backup-work": _step(_work),
    "large-backup-finish": _step(_finish),
    "large-backup-failed": _step(_failed, leaves_error=False),
}
