"""A backup over many functions: the steps of its state machine. What each leaves for the next lies in the bucket.

``begin`` makes the plan of a try, ``hold`` makes its one moment, ``work`` is what each worker does in it, ``finish`` makes
one backup of it, and ``failed`` begins another try or ends the job. Each can be repeated, and one that was given up and
goes on does no harm: what it writes has the try in its key or is written once. The plan, the parts and the moment are
signed: whoever can only write to the bucket can neither order a backup nor make one up.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import AbstractContextManager, suppress
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from tableferry.backup import barrier, plan, task
from tableferry.backup.finish import finish as finished
from tableferry.backup.plan import BackupPlan
from tableferry.backup.snapshot import Snapshot, open_snapshot
from tableferry.backup.task import Part
from tableferry.columnar.formats import Format
from tableferry.errors import (
    Conflict,
    NotSigned,
    ObjectNotFound,
    PreconditionFailed,
    TableferryError,
)
from tableferry.jobs import relay, trouble
from tableferry.jobs.jobs import HandOver, Kind
from tableferry.jobs.trouble import Trouble
from tableferry.manifest import digest_keys, manifest
from tableferry.manifest.manifest import Manifest
from tableferry.mysql.database import Database
from tableferry.mysql.session import Mode
from tableferry.storage import object_keys, signed_object
from tableferry.storage.bucket import Store

REQUEST = "large-backup"
"""What the key of the request says in place of a job's kind: its arrival starts the state machine."""

TRIES = 3


class Scale(BaseModel):
    """Over how many functions a backup goes, and with how many connections each."""

    model_config = ConfigDict(frozen=True)

    workers: int
    connections: int


class Order(BaseModel):
    """What a backup over many functions is to be, for its first step and every try."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tables: list[str] | None
    format: Format
    lock_days: int
    scale: Scale


class Try(BaseModel):
    """One try at it: its plan, the execution that has the job, and which try it is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    order: Order
    execution: str
    number: int
    plan: BackupPlan


class Step(BaseModel):
    """What the state machine goes on with: a try that is begun; or that there is nothing (more) to do.

    ``gone`` says that another execution has the job.
    """

    model_config = ConfigDict(frozen=True, serialize_by_alias=True)

    id: str
    attempt: str = Field(default="", serialization_alias="try")
    workers: int = 0
    source: Literal["live", "static"] = "live"
    state: Literal["begun", "again", "gone", "done", "failed"]


def hand_over(store: Store, job_id: str, order: Order) -> HandOver:
    """Have the state machine do a job, once the job's record is ready for it."""
    return relay.hand_over(store, REQUEST, job_id, order)


def begin(database: Database, store: Store, job_id: str, execution: str) -> Step:
    """Take the job for an execution of the state machine, and write the plan of its first try.

    Raises what :func:`plan.plan` raises; the job is this execution's then, and :func:`failed` ends it.
    """
    order = signed_object.get(store, object_keys.job_request(REQUEST, job_id)).parsed(Order)
    if not relay.take(store, Kind.BACKUP, job_id, execution):
        return Step(id=job_id, state="gone")
    return _begin(database, store, job_id, order, execution, 1)


def hold(database: Database, store: Store, job_id: str, attempt: str, bounds: barrier.Bounds) -> None:
    """Make the one moment that all workers of a try see; raises what :func:`barrier.hold` raises."""
    found = read(store, job_id, attempt)
    if found.plan.workers > 1:
        place = object_keys.work(job_id, attempt)
        barrier.hold(
            database, store, place, [one.table for one in found.plan.tables], found.plan.workers, bounds=bounds
        )


def work(
    database: Database,
    store: Store,
    job_id: str,
    attempt: str,
    worker: int,
    chunk_bytes: int,
    bounds: barrier.Bounds,
) -> None:
    """Do all tasks of one worker in the moment of the try; memory as :func:`task.run` says.

    Raises what :func:`barrier.join` and :func:`task.run` raise.
    """
    found = read(store, job_id, attempt)
    place = object_keys.work(job_id, attempt)
    with _moment(database, store, place, found, worker, bounds) as snapshot:
        done = {key.key for key in store.list(object_keys.work_parts(place))}  # by another life of this worker
        for number, _ in found.plan.of(worker):
            if object_keys.work_part(place, number) in done:
                continue
            part = task.run(snapshot.connections, store, found.plan, number, chunk_bytes)
            _put_part(store, place, part, snapshot.position)
            _tell(store, found, place)


def finish(database: Database, store: Store, job_id: str, attempt: str) -> Manifest:
    """Hold what all workers left together, and write the manifest; where another life of this step did, that one.

    Raises:
        Conflict: a task is not done, or a definition has changed.
    """
    found = read(store, job_id, attempt)
    place = object_keys.work(job_id, attempt)
    position = _part(store, place, 0).position
    parts = (_part(store, place, number).part for number in range(len(found.plan.tasks)))
    with database.connect(Mode.FAITHFUL) as connection, suppress(PreconditionFailed), task.as_planned():
        return finished(connection, database, store, found.plan, parts, position)
    return manifest.read(store, job_id, store.keys)


def done(store: Store, job_id: str, attempt: str, result: Mapping[str, Any]) -> Step:
    """Write what the backup came to into the job's record."""
    holder = read(store, job_id, attempt).execution
    relay.end(store, Kind.BACKUP, job_id, holder, {"state": "done", "result": result})
    return Step(id=job_id, attempt=attempt, state="done")


def note(store: Store, job_id: str, attempt: str, error: BaseException, problem: Mapping[str, Any]) -> None:
    """Leave the error of a step for :func:`failed`, unless another step was the first to fail."""
    again = not isinstance(error, TableferryError) or error.transient or isinstance(error, Conflict)
    trouble.leave(store, job_id, attempt, problem, again=again)


def failed(
    database: Database, store: Store, job_id: str, attempt: str, execution: str, unknown: Mapping[str, Any]
) -> Step:
    """Begin the next try, or end the job with what the first of its functions failed with.

    ``unknown`` is the problem where none has left one: they were ended from outside. Where no try was begun there is
    nothing to begin again; nor where the job is over, or another execution's, by now.
    """
    if not relay.holds(store, Kind.BACKUP, job_id, execution):
        return Step(id=job_id, attempt=attempt, state="gone")
    found = trouble.left(store, job_id, attempt) or Trouble(problem=dict(unknown))
    if attempt and found.again:
        tried = read(store, job_id, attempt)
        if tried.number < TRIES:
            begun = _begin(database, store, job_id, tried.order, execution, tried.number + 1)
            return begun.model_copy(update={"state": "again"})
    relay.end(store, Kind.BACKUP, job_id, execution, {"state": "failed", "problem": found.problem})
    return Step(id=job_id, attempt=attempt, state="failed")


def read(store: Store, job_id: str, attempt: str) -> Try:
    """A try as it was begun; raises Conflict where there is none."""
    try:
        return signed_object.get(store, object_keys.work_plan(object_keys.work(job_id, attempt))).parsed(Try)
    except (ObjectNotFound, NotSigned) as error:
        raise Conflict(f"The backup {job_id!r} has no plan of try {attempt!r}.") from error


class _PartInPlace(BaseModel):
    """What a worker left of a task, with the moment that it saw."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    part: Part
    position: dict[str, str]


def _begin(database: Database, store: Store, job_id: str, order: Order, execution: str, number: int) -> Step:
    key_id, _ = digest_keys.newest(store.keys)
    with database.connect(Mode.FAITHFUL) as connection, task.as_planned():
        planned = plan.plan(
            connection,
            database,
            order.tables,
            backup_id=job_id,
            form=order.format,
            digest_key=key_id,
            lock_days=order.lock_days,
            workers=order.scale.workers,
            connections=order.scale.connections,
        )
    begun = Try(order=order, execution=execution, number=number, plan=planned)
    place = object_keys.work(job_id, planned.attempt)
    signed_object.put(store, object_keys.work_plan(place), begun.model_dump(mode="json"))
    store.put(object_keys.work_workers(place), json.dumps(list(range(planned.workers))).encode())
    _tell(store, begun, place)
    return Step(id=job_id, attempt=planned.attempt, workers=planned.workers, state="begun")


def _moment(
    database: Database, store: Store, place: str, found: Try, worker: int, bounds: barrier.Bounds
) -> AbstractContextManager[Snapshot]:
    tables = [one.table for one in found.plan.tables]
    connections = found.order.scale.connections
    if found.plan.workers == 1:
        return open_snapshot(database, tables, connections)
    return barrier.join(database, store, place, worker, tables, connections, bounds=bounds)


def _put_part(store: Store, place: str, part: Part, position: dict[str, str]) -> None:
    """Once: what came of a task that was done twice in one moment is the same, and the first is as good."""
    left = _PartInPlace(part=part, position=position)
    with suppress(PreconditionFailed):
        signed_object.put_new(store, object_keys.work_part(place, part.task), left.model_dump(mode="json"))


def _part(store: Store, place: str, number: int) -> _PartInPlace:
    try:
        return signed_object.get(store, object_keys.work_part(place, number)).parsed(_PartInPlace)
    except (ObjectNotFound, NotSigned) as error:
        raise Conflict(f"Task {number} of the backup is not done; take it again.") from error


def _tell(store: Store, found: Try, place: str) -> None:
    """Renew the job's lease, and note how many tasks are done."""
    done = sum(1 for _ in store.list(object_keys.work_parts(place)))
    relay.tell(store, Kind.BACKUP, found.plan.id, found.execution, done, len(found.plan.tasks), 0)
