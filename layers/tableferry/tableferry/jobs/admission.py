"""Which jobs are let in: no more at once than their function can do, and the same request only once.

A function's requests wait in the same processes that its jobs need. So each function has a few slots, objects
``jobs/slots/{function}-{n}.json`` that name the job in them; a request that finds none is refused before anything is
made. A slot is free again when its job is over or dead. Slots are taken by conditional puts, so two never get the same.
Both kinds of objects are signed; what nobody of us wrote is as if it were not there.

``jobs/keys/{kind}-{hash}.json`` holds the id of the job that an Idempotency-Key was first sent with, and the request.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from tableferry.errors import IdempotencyMismatch, ObjectNotFound, PreconditionFailed, RecordNotFound, TooManyJobs
from tableferry.ids import new_id
from tableferry.jobs import jobs
from tableferry.jobs.jobs import Job, Kind
from tableferry.storage import object_keys, signed_object
from tableferry.storage.bucket import Store

SLOTS = 6
"""Jobs of a function at once: as many requests may wait for them, and a new account's ten functions still do the work."""

_RETRY_AFTER_SECONDS = 20
_BEING_MADE = timedelta(minutes=1)  # what a job's record takes at most to be there, once its slot is taken


def admitted(
    store: Store, kind: Kind, request: dict[str, Any], idempotency_key: str | None, *, trigger: bool
) -> tuple[Job, bool]:
    """The job for a request, and whether it is a new one; with a key that was sent before it is the job of then.

    Raises:
        TooManyJobs: there are as many as the function can do; nothing was made.
        IdempotencyMismatch: the key was sent with another request.
    """
    job_id = new_id(datetime.now(UTC))
    if idempotency_key is not None:
        job_id = _id_of(store, kind, request, idempotency_key, job_id)
        try:
            found = jobs.find(store, job_id, kind)
        except RecordNotFound:
            pass  # refused then, or its function died before it could make it
        else:
            if trigger and found.state == "queued":
                jobs.start(store, found, request)
            return found, False
    _take_slot(store, kind, job_id)
    try:
        return jobs.create(store, kind, request, trigger=trigger, job_id=job_id), True
    except PreconditionFailed:  # the same key, at the same time
        return jobs.find(store, job_id, kind), False


def _id_of(store: Store, kind: Kind, request: dict[str, Any], idempotency_key: str, new: str) -> str:
    """The id that was noted for the key, or the new one, which is noted."""
    key = object_keys.job_note(kind, idempotency_key)
    note = {"job": new, "request": request}
    try:
        signed_object.put_new(store, key, note)
        return new
    except PreconditionFailed:
        text, etag = store.get(key)
    noted = signed_object.content(store, key, text)
    if noted is None:  # nobody of us wrote it
        signed_object.replace(store, key, note, etag)
        return new
    if noted["request"] != request:
        raise IdempotencyMismatch("This Idempotency-Key was sent with another request before: choose a new one.")
    return str(noted["job"])


def _take_slot(store: Store, kind: Kind, job_id: str) -> None:
    function = "restore" if kind is Kind.RESTORE else "backup"
    first = int(job_id[-5:], 16)  # random, and the same for all who ask for this job
    for number in range(SLOTS):
        if _took(store, object_keys.job_slot(function, (first + number) % SLOTS), kind, job_id):
            return
    raise TooManyJobs(
        f"There are {SLOTS} jobs under way or waiting, as many as can be done at once. Nothing was made: ask again when one "
        "of them is done.",
        _RETRY_AFTER_SECONDS,
    )


def _took(store: Store, key: str, kind: Kind, job_id: str) -> bool:
    """Whether the slot is the job's now; one that another request for the same job has taken is, too."""
    mine = {"job": job_id, "kind": kind.value}
    for _ in range(2):
        try:
            text, etag = store.get(key)
        except ObjectNotFound:
            etag, said = "", {}
        else:
            said = signed_object.content(store, key, text) or {}  # what nobody of us wrote takes no slot
        if said == mine:
            return True
        if said and _in_use(store, said):
            return False
        try:
            if etag:
                signed_object.replace(store, key, mine, etag)
            else:
                signed_object.put_new(store, key, mine)
        except PreconditionFailed:
            continue  # by whom?
        return True
    return False


def _in_use(store: Store, said: Mapping[str, Any]) -> bool:
    job_id = str(said["job"])
    try:
        job = jobs.find(store, job_id, Kind(said["kind"]))
    except RecordNotFound:
        now = datetime.now(UTC)
        return f"{now - _BEING_MADE:%Y%m%dT%H%M%SZ}" <= job_id <= f"{now + _BEING_MADE:%Y%m%dT%H%M%SZ}"
    return not job.over and job.state != "dead"
