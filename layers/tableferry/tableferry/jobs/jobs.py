"""Work that outlives the request which asked for it.

``jobs/{kind}/{id}.json`` holds the request; its object-created event starts the function that does the work.
``jobs/{id}.json`` holds state, lease, progress and outcome. Events come at least once: the first to take the lease (a
conditional put) does the work, and whoever comes later finds it taken, or done. A lease is renewed every few seconds, so
one that has run out belongs to a function that died. The record names its holder, who knows it as his own also where no
answer to his last writing came. Both objects are signed: who can only write to the bucket orders
nothing. An hour after it was asked for a job is not begun any more, however often its event comes, so that an old state
of its record, put back by somebody who kept it, starts nothing.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import islice, takewhile
from typing import Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict

from tableferry.errors import NotSigned, ObjectNotFound, PreconditionFailed, RecordNotFound, StoreUnavailable
from tableferry.ids import is_id, new_id
from tableferry.storage import object_keys, signed_object
from tableferry.storage.bucket import Store

LEASE = timedelta(seconds=30)
_RENEWED_EVERY_SECONDS = 3.0
_QUEUED_AT_MOST = timedelta(minutes=10)
_LOOKED_AT = 200
_READ_AT_MOST = 1000
_CLOCKS_DIFFER = timedelta(minutes=5)
_BEGUN_AT_MOST = timedelta(hours=1)  # three tries of 15 minutes, and the pauses between them
_POLL_SECONDS = (0.05, 0.5)


class Kind(StrEnum):
    """What there is to do."""

    BACKUP = "backup"
    VERIFY = "verify"
    RESTORE = "restore"


class Progress(BaseModel):
    """Parts done, of how many, and the rows in them; which share that is of all the work, and the seconds it took."""

    model_config = ConfigDict(frozen=True)

    done: int = 0
    of: int = 0
    rows: int = 0
    share: float | None = None
    seconds: float = 0.0

    def advanced(self, done: int, of: int, rows: int, share: float | None, seconds: float) -> Progress:
        """This progress when so many parts are done, with rows more, after so many seconds of work. Shares do not fall."""
        if share is None and of:
            share = done / of
        if share is not None:
            share = min(max(share, self.share or 0.0), 1.0)
        return Progress(done=done, of=of, rows=self.rows + rows, share=share, seconds=round(seconds, 3))


class Job(BaseModel):
    """The record of a job."""

    model_config = ConfigDict(frozen=True)

    id: str
    kind: Kind
    state: Literal["queued", "running", "done", "failed", "dead"] = "queued"
    progress: Progress = Progress()
    created: datetime
    lease: datetime | None = None
    holder: str = ""
    """Of the lease: a random word."""
    finished: datetime | None = None
    result: dict[str, Any] | None = None
    problem: dict[str, Any] | None = None

    @property
    def over(self) -> bool:
        return self.state in ("done", "failed")

    def as_of(self, now: datetime) -> Job:
        """The job as it is: one that nobody does any more is dead, whatever its record says."""
        abandoned = self.lease < now if self.lease else self.created + _QUEUED_AT_MOST < now
        return self if self.over or not abandoned else self.model_copy(update={"state": "dead"})


class Tell(Protocol):
    """Takes parts done, of how many, and the rows since it was last called; and where parts are not all, the share done."""

    def __call__(self, done: int, of: int, rows: int, share: float | None = None) -> None: ...


HANDED_OVER = "handed over"
"""The holder of a job that others are to go on with: see :mod:`tableferry.jobs.relay`."""


@dataclass(frozen=True, slots=True)
class HandOver:
    """What work comes to that others are to go on with: ``start`` has them begin, once the record says so."""

    start: Callable[[], None]


Work = Callable[[str, dict[str, Any], Tell], dict[str, Any] | HandOver]
"""From a job's id, its request, and a function that is told of progress, to its result."""


def create(store: Store, kind: Kind, request: dict[str, Any], *, trigger: bool, job_id: str | None = None) -> Job:
    """Write a job's record and, for it to be done by another function, the object that starts it.

    Raises:
        PreconditionFailed: there is a job of this id.
    """
    now = datetime.now(UTC)
    job = Job(id=job_id or new_id(now), kind=kind, created=now)
    signed_object.put_new(store, object_keys.job(job.id), job.model_dump(mode="json"))
    if trigger:
        start(store, job, request)
    return job


def start(store: Store, job: Job, request: dict[str, Any]) -> None:
    """Write the object that starts a job, unless it is there."""
    with suppress(PreconditionFailed):
        signed_object.put_new(store, object_keys.job_request(job.kind, job.id), request)


def find(store: Store, job_id: str, kind: Kind) -> Job:
    """A job as it is now; raises RecordNotFound."""
    try:
        if not is_id(job_id):
            raise ObjectNotFound(job_id)
        job = signed_object.get(store, object_keys.job(job_id)).parsed(Job)
    except (ObjectNotFound, NotSigned) as error:
        raise RecordNotFound(f"There is no {kind} {job_id!r}.") from error
    if job.kind != kind:
        raise RecordNotFound(f"There is no {kind} {job_id!r}.")
    return job.as_of(datetime.now(UTC))


def unfinished(store: Store, kind: Kind, now: datetime) -> list[Job]:
    """The jobs of a kind of the last day that have not come to a result: under way, failed or dead; newest first.

    Of the day's jobs no more than the newest 200 are looked at, among what somebody may have forged.
    """
    since = f"{now - timedelta(days=1):%Y%m%dT%H%M%S}"
    listed = (item.key for item in store.list(object_keys.JOB_RECORDS, after=f"{object_keys.JOBS}{since}"))
    past = takewhile(lambda key: key < object_keys.job(f"{now + _CLOCKS_DIFFER:%Y%m%dT%H%M%SZ}"), listed)
    keys = [key for key in past if is_id(object_keys.job_id(key))]
    present = signed_object.present(store, reversed(keys[-_READ_AT_MOST:]), Job)
    newest = islice((job for found, job in present if found.signed), _LOOKED_AT)
    return [job.as_of(now) for job in newest if job.kind is kind and job.state != "done"]


def wait(store: Store, job: Job, seconds: float) -> Job:
    """The job when it is over, or as it is after so many seconds."""
    until = time.monotonic() + seconds
    pause, longest = _POLL_SECONDS
    while not (now := find(store, job.id, job.kind)).over and time.monotonic() + pause < until:
        time.sleep(pause)
        pause = min(pause * 1.5, longest)
    return now


def requested(store: Store, key: str) -> tuple[Kind, str, dict[str, Any]]:
    """Kind, id and request of the job whose trigger has this key; raises NotSigned and ObjectNotFound."""
    kind, job_id = object_keys.requested_job(key)
    if kind not in set(Kind) or not is_id(job_id):
        raise NotSigned(f"The object {key!r} is none that starts a job.")
    return Kind(kind), job_id, signed_object.get(store, key).content


def run(
    store: Store,
    kind: Kind,
    job_id: str,
    request: dict[str, Any],
    work: Work,
    problem: Callable[[BaseException], dict[str, Any]],
) -> BaseException | None:
    """Do a job, unless somebody does it or has done it, or hand it over; returns the error that it failed with, for the log.

    Raises NotSigned if the record was not written by :func:`create`.
    """
    lease = _take(store, kind, job_id)
    if lease is None:
        return None
    try:
        with lease.renewed():
            result = work(job_id, request, lease.advance)
        if isinstance(result, HandOver):
            lease.hand_over()
            result.start()
            return None
        outcome: dict[str, Any] = {"state": "done", "result": result}
        failure = None
    except Exception as error:  # noqa: BLE001  # whatever it was, the record has to say that the job failed
        outcome, failure = {"state": "failed", "problem": problem(error)}, error
    lease.finish(outcome)
    return failure


class _Lease:
    """The right to do a job, for as long as it is renewed."""

    def __init__(self, store: Store, job: Job, etag: str) -> None:
        self._store = store
        self._job = job
        self._etag = etag
        self._lock = threading.Lock()
        self._began = time.monotonic()

    def advance(self, done: int, of: int, rows: int, share: float | None = None) -> None:
        """Note progress; it is written with the next renewal."""
        with self._lock:
            now = self._job.progress.advanced(done, of, rows, share, time.monotonic() - self._began)
            self._job = self._job.model_copy(update={"progress": now})

    @contextmanager
    def renewed(self) -> Iterator[None]:
        stop = threading.Event()

        def renew() -> None:
            while not stop.wait(_RENEWED_EVERY_SECONDS):
                try:
                    self._write({"lease": datetime.now(UTC) + LEASE})
                except StoreUnavailable:
                    continue  # there is time until the lease runs out
                except PreconditionFailed:
                    return  # taken over: `finish` will say so

        thread = threading.Thread(target=renew, daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def hand_over(self) -> None:
        """Give the job to whoever takes it next; nobody renews its lease until then."""
        self._write({"lease": datetime.now(UTC) + _QUEUED_AT_MOST, "holder": HANDED_OVER})

    def finish(self, outcome: dict[str, Any]) -> None:
        self._write({**outcome, "lease": None, "finished": datetime.now(UTC)})

    def _write(self, update: dict[str, Any]) -> None:
        with self._lock:
            job = self._job.model_copy(update=update)
            content = job.model_dump(mode="json")
            try:
                self._etag = signed_object.replace(self._store, object_keys.job(job.id), content, self._etag)
            except PreconditionFailed:
                if (etag := self._still_held()) is None:
                    raise
                self._etag = signed_object.replace(self._store, object_keys.job(job.id), content, etag)
            self._job = job

    def _still_held(self) -> str | None:
        """The ETag of a record that we wrote without hearing of it; None if it is somebody else's."""
        try:
            found = signed_object.get(self._store, object_keys.job(self._job.id))
        except (ObjectNotFound, NotSigned):
            return None
        job = found.parsed(Job)
        return found.etag if job.holder == self._job.holder and not job.over else None


def _take(store: Store, kind: Kind, job_id: str) -> _Lease | None:
    now = datetime.now(UTC)
    found = signed_object.get(store, object_keys.job(job_id))
    job = found.parsed(Job)
    if job.kind != kind or job.over or (job.lease and job.lease > now) or job.created + _BEGUN_AT_MOST < now:
        return None
    if job.lease is None and job.as_of(now).state == "dead":
        return None  # its caller was told so, and may have asked for another one since
    # It begins anew, and what a try that died had done does not count.
    begun = {"state": "running", "progress": Progress(), "lease": now + LEASE, "holder": secrets.token_hex(8)}
    taken = job.model_copy(update=begun)
    try:
        return _Lease(
            store,
            taken,
            signed_object.replace(store, object_keys.job(job_id), taken.model_dump(mode="json"), found.etag),
        )
    except PreconditionFailed:
        return None
