"""Jobs that pass from function to function: one execution has them, whoever does a step renews, and the last one ends."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tableferry.errors import StoreUnavailable
from tableferry.jobs import jobs, relay
from tableferry.jobs.jobs import HandOver, Job, Kind
from tableferry.storage import object_keys, signed_object
from tests.effort import either_server
from tests.support import verbs

pytestmark = [either_server, pytest.mark.usefixtures("database", "bucket")]


def problem(error: BaseException) -> dict[str, Any]:
    return {"detail": str(error)}


def handed_over() -> Job:
    """A job whose function has given it away."""
    store = verbs.store()
    job = jobs.create(store, Kind.BACKUP, {}, trigger=False)
    started: list[Job] = []

    def start() -> None:
        started.append(jobs.find(store, job.id, Kind.BACKUP))

    assert jobs.run(store, Kind.BACKUP, job.id, {}, lambda *_: HandOver(start), problem) is None
    [then] = started
    assert (then.state, then.holder) == ("running", jobs.HANDED_OVER)
    return then


def found(job: Job) -> Job:
    return jobs.find(verbs.store(), job.id, Kind.BACKUP)


def rewritten(job: Job, **changed: object) -> None:
    key = object_keys.job(job.id)
    signed_object.put(verbs.store(), key, signed_object.get(verbs.store(), key).content | changed)


def test_one_execution_takes_a_job_and_may_do_so_again() -> None:
    job, store = handed_over(), verbs.store()
    assert relay.take(store, Kind.BACKUP, job.id, "one")
    assert not relay.take(store, Kind.BACKUP, job.id, "another")
    assert relay.take(store, Kind.BACKUP, job.id, "one")
    assert found(job).state == "running"


def test_the_function_that_gave_a_job_away_does_not_do_it_when_its_event_comes_again() -> None:
    job, store = handed_over(), verbs.store()
    done: list[str] = []

    def work(job_id: str, *_: Any) -> dict[str, Any]:
        done.append(job_id)
        return {}

    jobs.run(store, Kind.BACKUP, job.id, {}, work, problem)
    assert relay.take(store, Kind.BACKUP, job.id, "one")
    jobs.run(store, Kind.BACKUP, job.id, {}, work, problem)
    assert not done


def test_a_job_of_another_kind_one_that_is_over_and_one_that_is_still_done_are_not_to_be_had() -> None:
    store = verbs.store()
    assert not relay.take(store, Kind.RESTORE, handed_over().id, "one")
    assert not relay.take(store, Kind.BACKUP, jobs.create(store, Kind.BACKUP, {}, trigger=False).id, "one")
    job = handed_over()
    rewritten(job, lease=(datetime.now(UTC) - timedelta(seconds=1)).isoformat())
    assert not relay.take(store, Kind.BACKUP, job.id, "one")
    assert found(job).state == "dead"


def test_steps_renew_the_lease_and_tell_of_progress_but_not_those_of_another_execution() -> None:
    job, store = handed_over(), verbs.store()
    relay.take(store, Kind.BACKUP, job.id, "one")
    rewritten(job, lease=(datetime.now(UTC) + timedelta(seconds=1)).isoformat())
    relay.tell(store, Kind.BACKUP, job.id, "another", 3, 4, 30)
    assert found(job).progress.done == 0
    relay.tell(store, Kind.BACKUP, job.id, "one", 1, 4, 10)
    now = found(job)
    assert (now.progress.done, now.progress.of, now.progress.rows, now.progress.share) == (1, 4, 10, 0.25)
    assert now.lease
    assert now.lease > datetime.now(UTC) + relay.LEASE - timedelta(minutes=1)
    relay.tell(store, Kind.BACKUP, job.id, "one", 2, 4, 20)
    assert found(job).progress.done == 1  # told a moment ago
    relay.tell(store, Kind.BACKUP, job.id, "one", 4, 4, 40)
    assert found(job).progress.done == 4


def test_the_last_step_ends_a_job_once_whatever_comes_after_it() -> None:
    job, store = handed_over(), verbs.store()
    relay.take(store, Kind.BACKUP, job.id, "one")
    done = {"state": "done", "result": {"rows": 7}}
    assert not relay.end(store, Kind.BACKUP, job.id, "another", done)
    assert relay.end(store, Kind.BACKUP, job.id, "one", done)
    assert relay.end(store, Kind.BACKUP, job.id, "one", done)
    assert not relay.end(store, Kind.BACKUP, job.id, "one", {"state": "failed", "problem": {}})
    relay.tell(store, Kind.BACKUP, job.id, "one", 1, 4, 10)
    assert (found(job).state, found(job).result, found(job).progress.done) == ("done", {"rows": 7}, 0)


def test_a_job_that_could_not_be_given_away_has_failed() -> None:
    store = verbs.store()
    job = jobs.create(store, Kind.BACKUP, {}, trigger=False)

    def start() -> None:
        raise StoreUnavailable("S3 is away")

    error = jobs.run(store, Kind.BACKUP, job.id, {}, lambda *_: HandOver(start), problem)
    assert isinstance(error, StoreUnavailable)
    assert (found(job).state, found(job).problem) == ("failed", {"detail": "S3 is away"})
