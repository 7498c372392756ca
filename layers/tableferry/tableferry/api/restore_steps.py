"""The steps of a restore over many functions, as its state machine calls them: the restore function's direct invocations.

Each answers with what the next state needs. An error is left in the bucket, for the last step to tell of, and raised: so
the state machine hears of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from tableferry import deadline
from tableferry.api import handler, metrics, problems, views
from tableferry.api.models import RestoreRequest
from tableferry.config.settings import Settings
from tableferry.errors import TableferryError
from tableferry.ids import is_id
from tableferry.manifest import digest_keys
from tableferry.manifest.manifest import Manifest
from tableferry.mysql.database import Database
from tableferry.restore import choice, large_restore
from tableferry.restore.build.target import Item
from tableferry.restore.large_restore import Order, Scale, Step
from tableferry.restore.record import Restore
from tableferry.storage.bucket import Store, open_store

_ENDED = "Functions of the restore were ended from outside: by their time, their memory or their platform. Nothing was changed."


class StepRequest(BaseModel):
    """What the state machine says to a step."""

    model_config = ConfigDict(extra="ignore")

    id: str
    attempt: str = Field(default="", alias="try", pattern="^[0-9a-f]*$")
    worker: int = Field(default=0, ge=0)
    round: int = Field(default=0, ge=0)
    execution: str = ""
    error: dict[str, Any] = Field(default_factory=dict)


def several(
    settings: Settings, store: Store, source: Manifest, items: Sequence[Item], wanted: RestoreRequest
) -> Order | None:
    """The order for many functions; None where one does it all, with what is set or asked for, or has to.

    One has to where the digests can only be made anew, by reading all files first, and for a dry run.
    """
    if not settings.scale or wanted.dry_run or not digest_keys.is_known(store, source):
        return None
    workers = choice.functions(items, deadline.current().left(), settings.scale_workers, wanted.workers)
    if workers == 1:
        return None
    return Order(
        backup=source.id,
        tables=None if wanted.tables is None else tuple(wanted.tables),
        into=wanted.into,
        replace=wanted.replace,
        trust=wanted.trust,
        inexact_json=wanted.allow_inexact_json,
        allow_orphans=wanted.allow_orphans,
        scale=Scale(workers=workers, connections=settings.scale_connections),
    )


Do = Callable[[Settings, Store, StepRequest], Step | None]


def _begin(settings: Settings, store: Store, request: StepRequest) -> Step:
    return large_restore.begin(Database(settings.database), store, request.id, request.execution)


def _fill(settings: Settings, store: Store, request: StepRequest) -> None:
    large_restore.fill(Database(settings.database), store, request.id, request.attempt, request.worker)


def _indexes(settings: Settings, store: Store, request: StepRequest) -> Step:
    return large_restore.indexes(Database(settings.database), store, request.id, request.attempt, request.round)


def _read_back(settings: Settings, store: Store, request: StepRequest) -> None:
    database = Database(settings.database)
    large_restore.read_back(database, store, request.id, request.attempt, request.worker, settings.chunk_bytes)


def _finish(settings: Settings, store: Store, request: StepRequest) -> Step:
    database = Database(settings.database)
    came = large_restore.finish(database, store, request.id, request.attempt, request.round, settings.chunk_bytes)
    return came if isinstance(came, Step) else _done(store, request, came)


def _failed(settings: Settings, store: Store, request: StepRequest) -> Step:
    said = str(request.error.get("Error", ""))
    text = f"{_ENDED} The state machine says {said}." if said else _ENDED
    unknown = problems.made(HTTPStatus.INTERNAL_SERVER_ERROR, "ended-from-outside", text)
    database = Database(settings.database)
    came = large_restore.failed(database, store, request.id, request.attempt, request.execution, unknown)
    if isinstance(came, Restore):
        return _done(store, request, came)
    metrics.count(jobs_failed=1)
    return came


def _done(store: Store, request: StepRequest, came: Restore) -> Step:
    metrics.count(rows_restored=sum(table.rows for table in came.tables))
    return large_restore.done(store, request.id, request.attempt, views.restore(came).model_dump(mode="json"))


def _step(do: Do, *, leaves_error: bool = True) -> Callable[[dict[str, Any]], dict[str, Any]]:
    def run(event: dict[str, Any]) -> dict[str, Any]:
        request = handler.parsed(StepRequest, event)
        if not is_id(request.id):
            return Step(id=request.id, state="gone").model_dump(mode="json")
        settings = Settings.from_env()
        store = open_store(settings.bucket, settings.signing_keys)
        handler.logger.append_keys(job=request.id, attempt=request.attempt)
        try:
            step = do(settings, store, request)
        except Exception as error:
            if leaves_error:
                large_restore.note(store, request.id, request.attempt, error, problems.problem(error))
            expected = isinstance(error, TableferryError)
            (handler.logger.warning if expected else handler.logger.error)("step failed", exc_info=error)
            raise
        return step.model_dump(mode="json") if step else {}

    return run


ACTIONS = {
    "large-restore-begin": _step(_begin),
    "large-restore-fill": _step(_fill),
    "large-restore-index": _step(_indexes),
    "large-restore-readback": _step(_read_back),
    "large-restore-finish": _step(_finish),
    "large-restore-failed": _step(_failed, leaves_error=False),
}
