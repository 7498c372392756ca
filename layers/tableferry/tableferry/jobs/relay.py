"""A job that passes from function to function: whoever does a step of it renews its lease, and the last one ends it.

The function whose job it was hands it over: its record names no function as the holder any more, but ``HANDED_OVER``. The
first step takes it for its execution by a conditional put. A second execution finds it taken, and ends. A step that was
given up and goes on can renew the lease, which does no harm, and end a job that is not over, with what is true of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import BaseModel

from tableferry.errors import NotSigned, ObjectNotFound, PreconditionFailed
from tableferry.jobs.jobs import HANDED_OVER, HandOver, Job, Kind, Progress
from tableferry.storage import object_keys, signed_object
from tableferry.storage.bucket import Store

LEASE = timedelta(minutes=20)
"""Longer than any step: a function has 15 minutes."""

_RENEWED_EVERY = timedelta(seconds=5)
_TRIES = 20


def hand_over(store: Store, request: str, job_id: str, order: BaseModel) -> HandOver:
    """Have a state machine do a job: the object that starts it is written once the job's record is ready for it.

    ``request`` is what the object's key says in place of a job's kind.
    """

    def start() -> None:
        with suppress(PreconditionFailed):
            signed_object.put_new(store, object_keys.job_request(request, job_id), order.model_dump(mode="json"))

    return HandOver(start)


def take(store: Store, kind: Kind, job_id: str, holder: str) -> bool:
    """Take a job that was handed over for an execution; whether it is its now, by this or by another life of the step."""
    found, job = _read(store, kind, job_id)
    now = datetime.now(UTC)
    if job is None or job.over or job.lease is None or job.lease < now:
        return False
    if job.holder == holder:
        return True
    if job.holder != HANDED_OVER:
        return False
    taken = job.model_copy(update={"holder": holder, "lease": now + LEASE})
    try:
        signed_object.replace(store, object_keys.job(job_id), taken.model_dump(mode="json"), found.etag)
    except PreconditionFailed:
        return False
    return True


def holds(store: Store, kind: Kind, job_id: str, holder: str) -> bool:
    """Whether a job is an execution's, and not over."""
    _, job = _read(store, kind, job_id)
    return job is not None and not job.over and job.holder == holder


def tell(
    store: Store, kind: Kind, job_id: str, holder: str, done: int, of: int, rows: int, share: float | None = None
) -> None:
    """Renew the lease and note progress, unless another step has just done so.

    ``share`` is that of all the work, where it is not what is done.
    """
    found, job = _read(store, kind, job_id)
    now = datetime.now(UTC)
    if job is None or job.over or job.holder != holder:
        return
    if job.lease and job.lease > now + LEASE - _RENEWED_EVERY and done < of:
        return
    seconds = round((now - job.created).total_seconds(), 3)
    if share is None and of:
        share = done / of
    progress = Progress(done=done, of=of, rows=rows, share=share, seconds=seconds)
    told = job.model_copy(update={"lease": now + LEASE, "progress": progress})
    try:
        signed_object.replace(store, object_keys.job(job_id), told.model_dump(mode="json"), found.etag)
    except PreconditionFailed:
        return  # another step has


def end(store: Store, kind: Kind, job_id: str, holder: str, outcome: Mapping[str, Any]) -> bool:
    """Write the outcome of a job; whether it is written, by us or by another life of this step.

    ``outcome`` is ``{"state": "done", "result": …}`` or ``{"state": "failed", "problem": …}``.
    """
    for _ in range(_TRIES):
        found, job = _read(store, kind, job_id)
        if job is None or job.holder != holder:
            return False
        if job.over:
            return bool(job.state == outcome["state"])
        ended = job.model_copy(update={**outcome, "lease": None, "finished": datetime.now(UTC)})
        try:
            signed_object.replace(store, object_keys.job(job_id), ended.model_dump(mode="json"), found.etag)
        except PreconditionFailed:
            continue  # a renewal came between
        return True
    return False


def _read(store: Store, kind: Kind, job_id: str) -> tuple[signed_object.Read, Job] | tuple[Any, None]:
    try:
        found = signed_object.get(store, object_keys.job(job_id))
    except (ObjectNotFound, NotSigned):
        return None, None
    job = found.parsed(Job)
    return (found, job) if job.kind is kind else (found, None)
