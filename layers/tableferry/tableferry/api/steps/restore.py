"""The steps of a restore over many functions: direct invocations of the restore function."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tableferry import deadline
from tableferry.api import metrics, views
from tableferry.api.models import RestoreRequest
from tableferry.api.steps.step import StepRequest, action, ended_from_outside
from tableferry.config.settings import Settings
from tableferry.manifest import digest_keys
from tableferry.manifest.manifest import Manifest
from tableferry.mysql.database import Database
from tableferry.restore import choice, large_restore
from tableferry.restore.build.target import Item
from tableferry.restore.large_restore import Order, Scale, Step
from tableferry.restore.record import Restore
from tableferry.storage.bucket import Store


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
    unknown = ended_from_outside(request, "Nothing was changed. Functions of the restore were")
    database = Database(settings.database)
    came = large_restore.failed(database, store, request.id, request.attempt, request.execution, unknown)
    if isinstance(came, Restore):
        return _done(store, request, came)
    metrics.count(jobs_failed=1)
    return came


def _done(store: Store, request: StepRequest, came: Restore) -> Step:
    metrics.count(rows_restored=sum(table.rows for table in came.tables))
    return large_restore.done(store, request.id, request.attempt, views.restore(came).model_dump(mode="json"))


def _note(store: Store, request: StepRequest, error: BaseException, problem: Mapping[str, Any]) -> None:
    large_restore.note(store, request.id, request.attempt, error, problem)


ACTIONS = {
    "large-restore-begin": action(_begin, _note),
    "large-restore-fill": action(_fill, _note),
    "large-restore-index": action(_indexes, _note),
    "large-restore-readback": action(_read_back, _note),
    "large-restore-finish": action(_finish, _note),
    "large-restore-failed": action(_failed, None),
}
