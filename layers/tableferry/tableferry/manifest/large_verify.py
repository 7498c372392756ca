"""A verification over many functions: the steps of its state machine. What each leaves for the next lies in the bucket.

``begin`` writes the plan, ``work`` is what each worker does, ``finish`` holds all of it against the manifest, and ``failed``
ends a job that came to nothing. Each can be repeated: a worker that is called again goes on behind what is done, and one
that was given up and goes on says what the others say. The plan and what was found are signed: whoever can only write to
the bucket can neither have a damaged backup proven nor a whole one disproven.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from tableferry import deadline
from tableferry.errors import Conflict, NotSigned, ObjectNotFound, PreconditionFailed
from tableferry.jobs import relay, trouble
from tableferry.jobs.jobs import HandOver, Kind
from tableferry.manifest import attestation, manifest, verify_pace, verify_plan, verify_steps
from tableferry.manifest.manifest import Manifest
from tableferry.manifest.verify import Verified
from tableferry.manifest.verify_plan import VerifyPlan, VerifyTask
from tableferry.manifest.verify_steps import Seen
from tableferry.storage import object_keys, signed_object
from tableferry.storage.bucket import Store

REQUEST = "large-verify"
"""What the key of the request says in place of a job's kind: its arrival starts the state machine."""


class Order(BaseModel):
    """Which backup is to be verified, by how many workers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    backup: str
    workers: int


class Try(BaseModel):
    """The plan, and the execution that has the job."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    execution: str
    plan: VerifyPlan


class Step(BaseModel):
    """What the state machine goes on with. ``gone`` says that another execution has the job; ``more`` that a worker has.

    ``damaged`` is an end of the verification, too: the job's record says what was found.
    """

    model_config = ConfigDict(frozen=True, serialize_by_alias=True)

    id: str
    attempt: str = Field(default="", serialization_alias="try")
    workers: int = 0
    worker: int = 0
    state: Literal["begun", "more", "worked", "done", "damaged", "gone", "failed"]


def hand_over(store: Store, job_id: str, order: Order) -> HandOver:
    """Have the state machine do a job, once the job's record is ready for it."""
    return relay.hand_over(store, REQUEST, job_id, order)


def begin(store: Store, job_id: str, execution: str) -> Step:
    """Take the job for an execution of the state machine, and write the plan; the same one, if it does so again.

    Raises:
        BackupDamaged, BackupNotFound, Conflict: as :func:`manifest.read` and :func:`verify_plan.plan` say.
    """
    order = signed_object.get(store, object_keys.job_request(REQUEST, job_id)).parsed(Order)
    if not relay.take(store, Kind.VERIFY, job_id, execution):
        return Step(id=job_id, state="gone")
    source = manifest.read(store, order.backup, store.keys)
    with attestation.disproven_by_damage(store, source.id):
        planned = verify_plan.plan(store, source, order.workers)
    attempt = hashlib.sha256(execution.encode()).hexdigest()[:6]
    place = object_keys.work(job_id, attempt)
    signed_object.put(
        store, object_keys.work_plan(place), Try(execution=execution, plan=planned).model_dump(mode="json")
    )
    store.put(object_keys.work_workers(place), json.dumps(list(range(planned.workers))).encode())
    return Step(id=job_id, attempt=attempt, workers=planned.workers, state="begun")


def work(store: Store, job_id: str, attempt: str, worker: int, threads: int) -> Step:
    """Do the tasks of a worker that are not done; ``more`` where the function's time would not do for the next one.

    Memory: as :func:`verify_steps.run` says.
    """
    found = _read(store, job_id, attempt)
    place = object_keys.work(job_id, attempt)
    source = manifest.read(store, found.plan.backup, store.keys)
    answer = Step(id=job_id, attempt=attempt, worker=worker, state="worked")
    done = _done(store, place)
    left = [number for number, _ in found.plan.of(worker) if number not in done]
    for at, number in enumerate(left):
        if at and deadline.current().near(_slow(found.plan.tasks[number])):
            return answer.model_copy(update={"state": "more"})
        seen = verify_steps.run(store, source, found.plan, number, threads)
        with suppress(PreconditionFailed):  # done twice: the first is as good
            signed_object.put_new(store, object_keys.work_part(place, number), seen.model_dump(mode="json"))
        _tell(store, job_id, found, place)
    return answer


def finish(store: Store, job_id: str, attempt: str) -> tuple[Manifest, Verified]:
    """Hold what all workers found against the manifest, and write down that the backup is whole, or that it is not.

    Memory: as :func:`verify_steps.finish` says.

    Raises:
        BackupDamaged: something is not as the manifest says; it carries what was found of every table.
        Conflict: a task is not done.
    """
    found = _read(store, job_id, attempt)
    place = object_keys.work(job_id, attempt)
    source = manifest.read(store, found.plan.backup, store.keys)
    with attestation.proves(store, source, "verify"):
        seen = (_seen(store, place, number) for number in range(len(found.plan.tasks)))
        verified = verify_steps.finish(store, source, found.plan, seen)
    return source, verified


def end(store: Store, job_id: str, attempt: str, outcome: Mapping[str, Any]) -> Step:
    """Write into the job's record what it came to."""
    relay.end(store, Kind.VERIFY, job_id, _read(store, job_id, attempt).execution, outcome)
    return Step(id=job_id, attempt=attempt, state="done" if outcome["state"] == "done" else "damaged")


def note(store: Store, job_id: str, attempt: str, problem: Mapping[str, Any]) -> None:
    """Leave the error of a step for :func:`failed`: the last is the one that it was not tried again after."""
    trouble.leave(store, job_id, attempt, problem, over=True)


def failed(store: Store, job_id: str, attempt: str, execution: str, unknown: Mapping[str, Any]) -> Step:
    """End the job with what a step of it failed with; ``unknown`` where none has left a word, being ended from outside.

    Where a step that was given up has come to an end meanwhile, that stands.
    """
    found = trouble.left(store, job_id, attempt)
    problem = found.problem if found else dict(unknown)
    ended = relay.end(store, Kind.VERIFY, job_id, execution, {"state": "failed", "problem": problem})
    return Step(id=job_id, attempt=attempt, state="failed" if ended else "done")


def choose(source: Manifest, most: int) -> int:
    """Over how many functions a verification that begins now goes, if there may be so many."""
    return verify_pace.functions(source, deadline.current().left(), most)


def _read(store: Store, job_id: str, attempt: str) -> Try:
    try:
        return signed_object.get(store, object_keys.work_plan(object_keys.work(job_id, attempt))).parsed(Try)
    except (ObjectNotFound, NotSigned) as error:
        raise Conflict(f"The verification {job_id!r} has no plan of try {attempt!r}.") from error


def _seen(store: Store, place: str, number: int) -> Seen:
    try:
        return signed_object.get(store, object_keys.work_part(place, number)).parsed(Seen)
    except (ObjectNotFound, NotSigned) as error:
        raise Conflict(f"Task {number} of the verification is not done; ask for it again.") from error


def _done(store: Store, place: str) -> set[int]:
    """The numbers of the tasks that somebody has done."""
    numbers = (object_keys.worked_task(found.key) for found in store.list(object_keys.work_parts(place)))
    return {number for number in numbers if number is not None}


def _slow(task: VerifyTask) -> float:
    """The seconds that a task takes on a bad day."""
    return verify_pace.seconds(task.bytes, task.objects, task.rows) * 3


def _tell(store: Store, job_id: str, found: Try, place: str) -> None:
    """Renew the job's lease, and note how many objects are read."""
    done = [found.plan.tasks[number] for number in _done(store, place) if number < len(found.plan.tasks)]
    objects, rows = sum(task.objects for task in done), sum(task.rows for task in done)
    relay.tell(store, Kind.VERIFY, job_id, found.execution, objects, found.plan.objects, rows)
