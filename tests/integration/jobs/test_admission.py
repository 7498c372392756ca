"""No more jobs than can be done are let in, and the same request is one job, however often and at once it is sent."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from tableferry.api import prefer
from tableferry.api.models import BackupRequest, RestoreRequest
from tableferry.errors import TooManyJobs
from tableferry.ids import new_id
from tableferry.jobs import admission
from tableferry.jobs.jobs import Job, Kind
from tableferry.storage import signed_object
from tests.effort import either_server, in_ci
from tests.integration.jobs.test_jobs import ago, deliver, loaded, queued, rewrite
from tests.support import verbs
from tests.support.lambdas import Answer, Json
from tests.support.parts import Database
from tests.support.verbs import post

pytestmark = either_server

__all__ = ["loaded"]  # a fixture


def asked(path: str = "/backups", key: str | None = None, **wanted: object) -> Answer:
    return post(path, wanted, prefer="wait=0", **({} if key is None else {"idempotency-key": key}))


def made() -> list[str]:
    """The ids of all jobs that there are."""
    return [found.key for found in verbs.store().list("jobs/2")]


def at_once(many: int, wanted: Json, key: str | None = None, kind: Kind = Kind.BACKUP) -> list[Job | None]:
    """The jobs of so many requests at once; None for one that is not let in.

    Below the handlers: Lambda gives each request a process of its own, and Powertools' resolver is not for threads.
    """

    def ask(_: int) -> Job | None:
        try:
            return admission.admitted(verbs.store(), kind, wanted, key, trigger=True)[0]
        except TooManyJobs:
            return None

    with ThreadPoolExecutor(many) as pool:
        return list(pool.map(ask, range(many)))


def refused(answer: Answer) -> Json:
    problem = answer.problem(429)
    assert problem["type"].endswith(":too-many-jobs")
    assert int(answer.headers["retry-after"]) > 0
    return problem


@in_ci
def test_of_fifty_requests_at_once_so_many_are_let_in_as_can_be_done_and_the_others_make_nothing(
    loaded: Database,
) -> None:
    let_in = [job for job in at_once(50, {"tables": ["jobs"]}) if job is not None]
    assert len(let_in) == admission.SLOTS
    assert sorted(made()) == sorted(f"jobs/{job.id}.json" for job in let_in)
    assert len(list(verbs.store().list("jobs/backup/"))) == admission.SLOTS
    refused(asked(tables=["jobs"]))


def test_a_slot_is_free_again_when_its_job_is_done_failed_or_dead(loaded: Database, bucket: str) -> None:
    jobs = [queued("/backups", {"tables": ["jobs"]}) for _ in range(admission.SLOTS)]
    refused(asked())
    refused(asked(f"/backups/{jobs[0]['id']}/verify"))  # which the same function does
    assert asked("/restores").status == 202  # and another one restores
    deliver(jobs[0], bucket)
    assert asked().status == 202
    refused(asked())
    rewrite(jobs[1], created=ago(minutes=11))
    rewrite(jobs[2], state="running", lease=ago(seconds=5))
    rewrite(jobs[3], state="failed")
    assert [asked().status for _ in range(4)] == [202, 202, 202, 429]


@pytest.mark.parametrize(
    "text", [b"", b"[]", b'{"job": 7, "kind": "backup"}', b'{"job": "x", "kind": "backup"}', b"[" * 9999]
)
def test_what_is_no_slot_of_ours_takes_none(loaded: Database, text: bytes) -> None:
    for number in range(admission.SLOTS):
        verbs.store().put(f"jobs/slots/backup-{number}.json", text)
    assert asked().status == 202


def test_a_slot_whose_function_died_before_it_made_the_job_is_free_after_a_minute(loaded: Database) -> None:
    def fill(age: timedelta) -> None:
        job_id = new_id(datetime.now(UTC) - age)
        for number in range(admission.SLOTS):
            signed_object.put(verbs.store(), f"jobs/slots/backup-{number}.json", {"job": job_id, "kind": "backup"})

    fill(timedelta(seconds=1))
    refused(asked())
    for age in (timedelta(seconds=70), timedelta(days=-400)):
        fill(age)
        assert asked().status == 202


@pytest.mark.parametrize(
    ("path", "kind", "content"),
    [
        ("/backups", Kind.BACKUP, BackupRequest(tables=["jobs"]).of_job()),
        ("/restores", Kind.RESTORE, RestoreRequest(tables=["jobs"]).of_job()),
    ],
    ids=["backups", "restores"],
)
def test_the_same_key_is_the_same_job(loaded: Database, bucket: str, path: str, kind: Kind, content: Json) -> None:
    wanted = {"tables": ["jobs"]}
    first = asked("/backups", tables=["jobs"]).json
    deliver(first, bucket)
    jobs = at_once(8, content, "a key", kind)
    [job_id] = {job and job.id for job in jobs}
    answer = asked(path, "a key", **wanted)
    assert (answer.status, answer.json["id"]) == (202, job_id)
    assert len(made()) == 2
    deliver(answer.json, bucket)
    again = asked(path, "a key", **wanted)
    assert (again.status, again.json["id"], again.json["state"]) == (201, job_id, "done")
    assert again.headers["idempotent-replayed"] == "true"
    mismatch = asked(path, "a key", tables=["departments"]).problem(422)
    assert mismatch["type"].endswith(":idempotency-mismatch")
    assert asked(path, "another key", **wanted).json["id"] != job_id


def test_a_restore_that_was_undone_since_is_not_said_to_be_in_place(loaded: Database, bucket: str) -> None:
    deliver(asked("/backups", tables=["jobs"]).json, bucket)
    job = asked("/restores", "once", tables=["jobs"]).json
    deliver(job, bucket)
    assert asked("/restores", "once", tables=["jobs"]).json["tables"][0]["replaced"] is True
    undone = post(f"/restores/{job['id']}/undo").json
    again = asked("/restores", "once", tables=["jobs"])
    assert (again.status, again.headers["idempotent-replayed"], again.json) == (201, "true", undone)
    assert (again.json["state"], again.json["tables"][0]["replaced"]) == ("undone", False)
    accepted = post(f"/restores/{job['id']}/accept").json
    assert asked("/restores", "once", tables=["jobs"]).json == accepted
    assert accepted["kept"] is None


def test_a_key_that_nobody_of_us_noted_leads_to_no_job_of_another(loaded: Database) -> None:
    other = asked("/backups", tables=["jobs"]).json
    asked("/backups", "a key", tables=["jobs"])
    [noted] = verbs.store().list("jobs/keys/")
    found = verbs.content(noted.key)
    verbs.store().put(noted.key, json.dumps({**found, "job": other["id"]}).encode())
    assert asked("/backups", "a key", tables=["jobs"]).json["id"] != other["id"]


def test_a_request_that_was_refused_can_be_sent_again_with_its_key(loaded: Database, bucket: str) -> None:
    jobs = [queued("/backups", {"tables": ["jobs"]}) for _ in range(admission.SLOTS)]
    refused(asked("/backups", "a key"))
    refused(asked("/backups", "a key"))
    deliver(jobs[0], bucket)
    job = asked("/backups", "a key").json
    assert job["state"] == "queued"
    assert deliver(job, bucket) == [job["id"]]


def test_a_job_whose_function_died_before_it_could_start_it_is_started_by_the_next_try(
    loaded: Database, bucket: str
) -> None:
    job = asked("/backups", "a key").json
    verbs.remove(f"jobs/backup/{job['id']}.json")
    assert asked("/backups", "a key").json["id"] == job["id"]
    assert deliver(job, bucket) == [job["id"]]


def test_a_request_that_nobody_hears_any_more_makes_nothing(loaded: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    monkeypatch.setattr(prefer, "_begun", lambda app: now - 26)
    refused(asked())
    assert made() == []
    monkeypatch.setattr(prefer, "_begun", lambda app: now - 23)
    begun = time.monotonic()
    assert post("/backups", {}, prefer="wait=25").status == 202
    assert time.monotonic() - begun < 15  # it could wait for 25
