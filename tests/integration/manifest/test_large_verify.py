"""Verifications over several functions: the steps as the state machine calls them, killed, repeated, late and in any order."""

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest

from functions.backup import app as backup_app
from tableferry import deadline
from tableferry.deadline import Deadline
from tableferry.errors import Conflict
from tableferry.jobs import relay
from tableferry.manifest import verify_pace, verify_plan, verify_steps
from tableferry.manifest.attestation import Proof
from tableferry.storage import object_keys, signed_object
from tests.effort import either_server, sample
from tests.integration.manifest.test_tampered import DAMAGES, alter, put, take_away
from tests.support import verbs
from tests.support.killed_verify import killed
from tests.support.lambdas import Json, created, invoke
from tests.support.parts import Database
from tests.support.verbs import SAMPLE, backup, get, load_sample, objects, post

pytestmark = either_server

EXECUTION = "0a1b2c3d-0000-0000-0000-000000000000"
WORKERS = 3


@pytest.fixture
def made(database: Database, bucket: str, monkeypatch: pytest.MonkeyPatch) -> Json:
    """A backup of some objects, in a deployment where verifications go over three functions an object a task."""
    load_sample(database, employees=100)
    monkeypatch.setenv("CHUNK_BYTES", "500")
    found = backup()
    monkeypatch.setenv("JOBS", "event")
    monkeypatch.setenv("SCALE", "on")
    monkeypatch.setenv("SCALE_WORKERS", str(WORKERS))
    monkeypatch.setattr(verify_pace, "CAREFUL", 1e9)
    monkeypatch.setattr(verify_plan, "TASK_OBJECTS", 1)
    return found


@pytest.fixture
def asked(made: Json, bucket: str) -> str:
    """The id of a verification that its function has handed over."""
    return handed_over(made, bucket)


def handed_over(made: Json, bucket: str) -> str:
    answer = post(f"/backups/{made['id']}/verify", {}, prefer="wait=0")
    assert answer.status == 202
    job_id = str(answer.json["id"])
    invoke(backup_app.handler, created(bucket, f"jobs/verify/{job_id}.json"))
    return job_id


def step(name: str, job_id: str, execution: str = EXECUTION, **more: object) -> Json:
    event = {"action": f"large-verify-{name}", "id": job_id, "execution": execution, **more}
    found: Json = invoke(backup_app.handler, event)
    return found


def worked(begun: Json, worker: int) -> None:
    """A worker, called as often as it says that there is more."""
    while (found := step("work", begun["id"], **{"try": begun["try"]}, worker=worker))["state"] == "more":
        assert (found["id"], found["try"], found["worker"]) == (begun["id"], begun["try"], worker)
    assert found["state"] == "worked"


def through(job_id: str) -> str:
    """All steps of the state machine; how it ends."""
    begun = step("plan", job_id)
    assert (begun["state"], begun["workers"]) == ("begun", WORKERS)
    for worker in verbs.content(object_keys.work_workers(object_keys.work(job_id, begun["try"]))):
        worked(begun, worker)
    return str(step("finish", job_id, **{"try": begun["try"]})["state"])


def mark(backup_id: str) -> Json:
    return signed_object.get(verbs.store(), object_keys.verification(backup_id)).content


def test_a_verification_over_three_functions_says_what_one_says(made: Json, asked: str) -> None:
    assert get(f"/verifications/{asked}").json["state"] == "running"
    assert through(asked) == "done"
    found = get(f"/verifications/{asked}").json
    assert (found["backup"], found["ok"], found["leftovers"]) == (made["id"], True, 0)
    assert found["tables"] == [
        {key: table[key] for key in ("name", "rows", "bytes", "digest", "objects")} | {"ok": True, "problems": []}
        for table in made["tables"]
    ]
    assert Proof.model_validate(mark(made["id"])).rows == sum(table["rows"] for table in made["tables"])


@sample(3)
@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_wrong_is_found_and_disproves_the_backup_as_by_one_function(
    made: Json, bucket: str, monkeypatch: pytest.MonkeyPatch, damage: Callable[[Json], str]
) -> None:
    assert through(handed_over(made, bucket)) == "done"
    monkeypatch.setenv("JOBS", "event")
    key = damage(made)
    job_id = handed_over(made, bucket)
    assert through(job_id) == "damaged"
    job = get(f"/verifications/{job_id}").json
    assert job["state"] == "failed"
    assert key in job["problem"]["detail"]
    assert "damaged_at" in mark(made["id"])
    monkeypatch.setenv("JOBS", "inline")  # where no state machine is
    assert post(f"/backups/{made['id']}/verify").problem(409) == job["problem"]


def test_one_function_does_what_ends_in_time_and_all_where_scale_is_off(
    made: Json, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCALE", "off")
    assert get(f"/verifications/{handed_over(made, bucket)}").json["ok"]
    monkeypatch.setenv("SCALE", "on")
    monkeypatch.setattr(verify_pace, "CAREFUL", 1.5)
    assert get(f"/verifications/{handed_over(made, bucket)}").json["ok"]
    assert not list(verbs.store().list("jobs/large-verify/"))


def test_every_step_may_be_done_again_and_a_worker_does_not_read_twice_what_is_done(
    made: Json, asked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = step("plan", asked)
    assert step("plan", asked) == begun
    for worker in (0, 2, 1, 0):
        worked(begun, worker)
    monkeypatch.setattr(verify_steps, "run", lambda *_: pytest.fail("it was read again"))
    worked(begun, 1)
    for _ in range(2):
        assert step("finish", asked, **{"try": begun["try"]})["state"] == "done"
    assert get(f"/verifications/{asked}").json["ok"]
    assert step("plan", asked)["state"] == "gone"
    assert (
        step("failed", asked, **{"try": begun["try"]})["state"] == "done"
    )  # late, of an execution that came to an end
    assert get(f"/verifications/{asked}").json["ok"]


def test_a_second_execution_of_the_same_request_ends_at_once(asked: str) -> None:
    assert step("plan", asked)["state"] == "begun"
    assert step("plan", asked, execution="another")["state"] == "gone"
    assert step("plan", "../x")["state"] == "gone"


def test_a_worker_and_its_ghost_read_the_same_at_once_and_harm_nothing(made: Json, asked: str) -> None:
    begun = step("plan", asked)
    threads = [threading.Thread(target=worked, args=(begun, worker)) for worker in (0, 0, 1, 2, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert step("finish", asked, **{"try": begun["try"]})["state"] == "done"
    worked(begun, 1)  # a ghost that goes on after the end
    found = get(f"/verifications/{asked}").json
    assert [table["rows"] for table in found["tables"]] == [table["rows"] for table in made["tables"]]


@sample(3)
@pytest.mark.parametrize(
    ("method", "when", "number"),
    [
        ("get", "before", 0),
        ("get", "after", 3),
        ("put_new", "before", 0),
        ("put_new", "after", 0),
        ("put_new", "after", 1),
    ],
)
@pytest.mark.parametrize("damage", [None, alter])
def test_a_worker_that_is_killed_goes_on_when_it_is_called_again(
    made: Json, asked: str, method: str, when: str, number: int, damage: Callable[[Json], str] | None
) -> None:
    key = damage(made) if damage else ""
    begun = step("plan", asked)
    event = {"action": "large-verify-work", "id": asked, "try": begun["try"], "worker": 0}
    assert killed(event, method, when, number)
    for worker in range(WORKERS):
        worked(begun, worker)
    assert step("finish", asked, **{"try": begun["try"]})["state"] == ("damaged" if damage else "done")
    found = get(f"/verifications/{asked}").json
    assert key in found["problem"]["detail"] if damage else found["ok"]


@sample(2)
@pytest.mark.parametrize(
    ("name", "method", "when", "number"),
    [
        ("plan", "replace", "after", 0),  # the lease is taken
        ("plan", "put", "after", 0),  # the plan is there, and who the workers are is not
        ("plan", "put", "after", 1),
        ("finish", "put", "before", 0),
        ("finish", "put", "after", 0),  # it is proven, and the record does not say so
        ("finish", "replace", "after", 0),
    ],
)
def test_a_step_that_is_killed_is_done_again(
    made: Json, asked: str, name: str, method: str, when: str, number: int
) -> None:
    event = {"action": f"large-verify-{name}", "id": asked, "execution": EXECUTION}
    if name == "plan":
        assert killed(event, method, when, number)
        assert through(asked) == "done"
    else:
        begun = step("plan", asked)
        for worker in range(WORKERS):
            worked(begun, worker)
        assert killed(event | {"try": begun["try"]}, method, when, number)
        assert step("finish", asked, **{"try": begun["try"]})["state"] == "done"
    assert get(f"/verifications/{asked}").json["ok"]
    assert Proof.model_validate(mark(made["id"])).by == "verify"


def test_what_nobody_has_read_is_not_proven(made: Json, asked: str) -> None:
    begun = step("plan", asked)
    worked(begun, 0)
    with pytest.raises(Conflict, match="is not done"):
        step("finish", asked, **{"try": begun["try"]})
    error = {"Error": "Conflict"}
    assert step("failed", asked, **{"try": begun["try"]}, error=error)["state"] == "failed"
    assert get(f"/verifications/{asked}").json["problem"]["type"].endswith(":conflict")
    assert not list(verbs.store().list(object_keys.VERIFICATIONS))


def test_a_function_that_was_ended_from_outside_is_told_of_in_the_record(asked: str) -> None:
    begun = step("plan", asked)
    assert step("failed", asked, **{"try": begun["try"]}, error={"Error": "Sandbox.Timedout"})["state"] == "failed"
    problem = get(f"/verifications/{asked}").json["problem"]
    assert problem["type"].endswith(":ended-from-outside")
    assert "Sandbox.Timedout" in problem["detail"]


def test_a_backup_that_has_no_manifest_any_more_fails_with_that(made: Json, asked: str) -> None:
    verbs.remove(object_keys.manifest(made["id"]))
    with pytest.raises(Exception, match="no backup"):
        step("plan", asked)
    assert step("failed", asked, **{"try": ""}, error={"Error": "BackupNotFound"})["state"] == "failed"
    assert get(f"/verifications/{asked}").json["problem"]["type"].endswith(":backup-not-found")


def test_who_can_only_write_to_the_bucket_has_nothing_proven(made: Json, asked: str) -> None:
    """Neither by a part that he makes up, nor by that of a verification from before the damage."""
    old = step("plan", asked)
    for worker in range(WORKERS):
        worked(old, worker)
    take_away(made)
    answer = post(f"/backups/{made['id']}/verify", {}, prefer="wait=0").json
    invoke(backup_app.handler, created(verbs.store().bucket, f"jobs/verify/{answer['id']}.json"))
    begun = step("plan", answer["id"])
    before, now = object_keys.work(asked, old["try"]), object_keys.work(answer["id"], begun["try"])
    for part in list(verbs.store().list(object_keys.work_parts(before))):
        put(part.key.replace(before, now), verbs.store().get(part.key)[0])
    for worker in range(WORKERS):
        worked(begun, worker)
    with pytest.raises(Conflict, match="is not done"):
        step("finish", answer["id"], **{"try": begun["try"]})
    assert not list(verbs.store().list(object_keys.VERIFICATIONS))


def test_a_worker_ends_before_its_function_is_ended_and_says_that_there_is_more(
    asked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = step("plan", asked)
    monkeypatch.setattr(deadline, "current", lambda: Deadline(lambda: 0.001))
    calls = 0
    while True:
        found = step("work", asked, **{"try": begun["try"]}, worker=0)
        calls += 1
        parts = list(verbs.store().list(object_keys.work_parts(object_keys.work(asked, begun["try"]))))
        assert len(parts) == calls
        if found["state"] == "worked":
            break
        assert found["state"] == "more"
    assert calls > 2  # a task each, so that it comes to an end whatever time there is
    for worker in (1, 2):
        worked(begun, worker)
    assert step("finish", asked, **{"try": begun["try"]})["state"] == "done"


def test_the_record_tells_how_many_objects_are_read(made: Json, asked: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "_RENEWED_EVERY", timedelta(0))
    begun, seen = step("plan", asked), []
    for worker in range(WORKERS):
        worked(begun, worker)
        progress = get(f"/verifications/{asked}").json["progress"]
        seen.append(progress["done"])
        assert (progress["of"], progress["unit"]) == (len(objects(made)), "objects")
    assert seen == sorted(seen)
    assert seen[-1] == len(objects(made))
    assert progress["rows"] == sum(table["rows"] for table in made["tables"])
    assert set(SAMPLE) == {table["name"] for table in made["tables"]}
