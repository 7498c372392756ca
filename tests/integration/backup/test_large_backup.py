"""A backup over many functions, by the steps of its state machine: what they leave, repeat, and come to when one fails."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from functions.backup import app as backup_app
from tableferry.api.steps import backup as backup_steps
from tableferry.backup import large_backup, plan, task
from tableferry.backup.large_backup import Order, Scale
from tableferry.columnar.formats import Format
from tableferry.errors import Conflict, DatabaseUnavailable, LockDenied, NotSupported
from tableferry.jobs import jobs
from tableferry.jobs.jobs import Job, Kind
from tableferry.storage import object_keys
from tests.support import verbs
from tests.support.lambdas import Json, created, invoke
from tests.support.parts import Database
from tests.support.verbs import backup, get, load_sample, post

WORKERS = 3
EXECUTION = "an execution"


@pytest.fixture
def loaded(database: Database, bucket: str, monkeypatch: pytest.MonkeyPatch) -> Database:
    """The sample beside a table of many ranges."""
    monkeypatch.setattr(plan, "_LEAST_RANGE_BYTES", 16 * 1024)
    load_sample(database)
    verbs.run(database, "CREATE TABLE many (id INT PRIMARY KEY, text VARCHAR(60))")
    verbs.fill(database, "many", [(number, "x" * 60) for number in range(4000)])
    verbs.rows(database, "ANALYZE TABLE many")
    return database


def handed_over(*tables: str, workers: int = WORKERS) -> Job:
    """A job as the backup's function hands it over."""
    store = verbs.store()
    job = jobs.create(store, Kind.BACKUP, {}, trigger=False)
    order = Order(
        tables=list(tables) or None, format=Format.PARQUET, lock_days=0, scale=Scale(workers=workers, connections=2)
    )
    jobs.run(store, Kind.BACKUP, job.id, {}, lambda *_: large_backup.hand_over(store, job.id, order), lambda _: {})
    return found(job.id)


def found(job_id: str) -> Job:
    return jobs.find(verbs.store(), job_id, Kind.BACKUP)


def step(name: str, **event: object) -> Json:
    made: Json = backup_steps.ACTIONS[f"large-backup-{name}"](event)
    return made


def planned(job: Job) -> Json:
    return step("plan", id=job.id, execution=EXECUTION)


def moment(begun: Json) -> list[BaseException]:
    """Hold and all workers at once, as the state machine has them; the errors of those that failed."""
    which = {"id": begun["id"], "try": begun["try"]}
    with ThreadPoolExecutor(begun["workers"] + 1) as pool:
        under_way = [pool.submit(step, "hold", **which)]
        under_way += [pool.submit(step, "work", **which, worker=number) for number in range(begun["workers"])]
        return [error for one in under_way if (error := one.exception())]


def carried_out(job: Job) -> Json:
    """All of the state machine's steps, as far as they go well; raises the first error."""
    begun = planned(job)
    for error in moment(begun):
        raise error
    return step("finish", id=job.id, **{"try": begun["try"]})


def test_many_functions_make_the_backup_that_one_makes(loaded: Database) -> None:
    alone = backup()
    job = handed_over()
    assert carried_out(job)["state"] == "done"
    made = get(f"/backups/{job.id}").json
    assert made["state"] == "done"
    assert next(one["chunks"] for one in made["tables"] if one["name"] == "many") > WORKERS
    same = ("name", "rows", "digest")
    assert [{name: one[name] for name in same} for one in made["tables"]] == [
        {name: one[name] for name in same} for one in alone["tables"]
    ]
    assert (made["complete"], made["consistency"]) == (True, "snapshot")
    assert (alone["workers"], made["workers"]) == (1, WORKERS)
    assert found(job.id).result == {key: value for key, value in made.items() if key != "manifest"}
    assert post(f"/backups/{job.id}/verify").status == 201
    before = verbs.table(loaded, "many")
    verbs.run(loaded, "DELETE FROM many")
    verbs.restore(job.id)
    assert verbs.table(loaded, "many") == before


def test_each_worker_has_its_share_and_all_shares_are_the_whole(loaded: Database) -> None:
    begun = planned(handed_over())
    tried = large_backup.read(verbs.store(), begun["id"], begun["try"])
    assert {one.worker for one in tried.plan.tasks} == set(range(WORKERS))
    read = sorted(
        (share.table, one) for job in tried.plan.tasks for share in job.shares for one in range(share.first, share.end)
    )
    assert read == [(number, one) for number, table in enumerate(tried.plan.tables) for one in range(len(table.ranges))]
    sizes = [sum(one.bytes for _, one in tried.plan.of(worker)) for worker in range(WORKERS)]
    assert max(sizes) < 2 * min(sizes)


def test_every_step_can_be_repeated(loaded: Database) -> None:
    job = handed_over()
    begun = planned(job)
    assert step("plan", id=job.id, execution="another") == {
        "id": job.id, "try": "", "workers": 0, "source": "live", "state": "gone",
    }  # fmt: skip
    anew = planned(job)  # the answer to the first was lost
    assert anew["try"] != begun["try"]
    assert not moment(anew)
    which = {"id": job.id, "try": anew["try"]}
    [first, second] = [step("finish", **which) for _ in range(2)]
    assert first == second
    assert found(job.id).state == "done"
    assert post(f"/backups/{job.id}/verify").status == 201


def test_a_worker_that_comes_twice_or_late_adds_nothing(loaded: Database) -> None:
    job = handed_over()
    begun = planned(job)
    assert not moment(begun)
    which = {"id": job.id, "try": begun["try"]}
    with pytest.raises(Exception, match=r"already"):
        step("work", **which, worker=1)
    step("finish", **which)
    assert post(f"/backups/{job.id}/verify").status == 201


def test_a_backup_that_lacks_a_part_is_none(loaded: Database, s3_client: Any, bucket: str) -> None:
    job = handed_over()
    begun = planned(job)
    assert not moment(begun)
    key = object_keys.work_part(object_keys.work(job.id, begun["try"]), 1)
    s3_client.delete_object(Bucket=bucket, Key=key)
    which = {"id": job.id, "try": begun["try"]}
    with pytest.raises(Conflict):
        step("finish", **which)
    assert get("/backups").json["backups"] == []
    assert found(job.id).state == "running"


@pytest.fixture
def fails(monkeypatch: pytest.MonkeyPatch) -> list[BaseException]:
    """What ranges fail with, one after the other, from now on."""
    errors: list[BaseException] = []
    real = task.back_up_chunk
    turn = threading.Lock()

    def chunk(*given: Any) -> Any:
        with turn:
            if errors:
                raise errors.pop()
        return real(*given)

    monkeypatch.setattr(task, "back_up_chunk", chunk)
    return errors


def test_after_a_try_that_failed_another_makes_the_backup(loaded: Database, fails: list[BaseException]) -> None:
    job = handed_over()
    begun = planned(job)
    fails.append(DatabaseUnavailable("The database went away."))
    assert moment(begun)
    again = step(
        "failed", id=job.id, execution=EXECUTION, error={"Error": "States.TaskFailed"}, **{"try": begun["try"]}
    )
    assert (again["state"], again["workers"]) == ("again", WORKERS)
    assert not moment(again)
    step("finish", id=job.id, **{"try": again["try"]})
    found_now = post(f"/backups/{job.id}/verify")
    assert found_now.status == 201
    assert found_now.json["leftovers"] > 0  # the first try's


def test_after_the_last_try_the_job_says_what_the_first_function_failed_with(
    loaded: Database, fails: list[BaseException]
) -> None:
    job = handed_over()
    now = planned(job)
    for _ in range(large_backup.TRIES):
        fails.append(DatabaseUnavailable("The database went away."))
        assert moment(now)
        now = step("failed", id=job.id, execution=EXECUTION, error={"Error": "x"}, **{"try": now["try"]})
    assert now["state"] == "failed"
    problem = get(f"/backups/{job.id}").json["problem"]
    assert (problem["status"], problem["detail"]) == (503, "The database went away.")


@pytest.mark.parametrize(
    "error", [NotSupported("No."), LockDenied("The user may not lock.", "denied")], ids=["not-supported", "denied"]
)
def test_what_would_fail_again_is_not_tried_again(
    loaded: Database, fails: list[BaseException], error: BaseException
) -> None:
    job = handed_over()
    begun = planned(job)
    fails.append(error)
    assert moment(begun)
    ended = step("failed", id=job.id, execution=EXECUTION, error={"Error": "x"}, **{"try": begun["try"]})
    assert ended["state"] == "failed"
    assert found(job.id).state == "failed"


def test_functions_that_were_ended_from_outside_are_named_as_such(loaded: Database) -> None:
    job = handed_over()
    now = planned(job)
    for _ in range(large_backup.TRIES):
        now = step("failed", id=job.id, execution=EXECUTION, error={"Error": "States.Timeout"}, **{"try": now["try"]})
    problem = get(f"/backups/{job.id}").json["problem"]
    assert "States.Timeout" in problem["detail"]


def test_a_plan_that_fails_ends_the_job(loaded: Database) -> None:
    job = handed_over("nope")
    with pytest.raises(Exception, match="nope"):
        planned(job)
    ended = step("failed", id=job.id, execution=EXECUTION, error={"Error": "TableNotFound"}, **{"try": ""})
    assert ended["state"] == "failed"
    assert get(f"/backups/{job.id}").json["problem"]["status"] == 404


def test_who_can_only_write_to_the_bucket_orders_no_backup(loaded: Database, s3_client: Any, bucket: str) -> None:
    job = handed_over()
    key = object_keys.job_request(large_backup.REQUEST, job.id)
    order = s3_client.get_object(Bucket=bucket, Key=key)["Body"].read()
    s3_client.put_object(Bucket=bucket, Key=key, Body=order.replace(b"parquet", b"csv"))
    with pytest.raises(Exception, match="signed"):
        planned(job)


@pytest.mark.parametrize(("workers", "used"), [(1, 1), (3, 2)])
def test_no_more_functions_take_part_than_there_is_something_to_do_for(
    loaded: Database, workers: int, used: int
) -> None:
    job = handed_over("jobs", workers=workers)
    begun = planned(job)
    assert begun["workers"] == used  # of a table of two ranges
    assert not moment(begun)
    step("finish", id=job.id, **{"try": begun["try"]})
    assert get(f"/backups/{job.id}").json["rows"] == 7


def test_a_request_for_several_functions_is_handed_to_the_state_machine(
    loaded: Database, monkeypatch: pytest.MonkeyPatch, bucket: str
) -> None:
    monkeypatch.setenv("SCALE", "on")
    monkeypatch.setenv("JOBS", "event")
    asked = post("/backups", {"workers": WORKERS}, prefer="wait=0")
    assert asked.status == 202
    job_id = asked.json["id"]
    invoke(backup_app.handler, created(bucket, f"jobs/backup/{job_id}.json"))
    assert get(f"/backups/{job_id}").json["state"] == "running"
    assert carried_out(found(job_id))["state"] == "done"
    said = get(f"/backups/{job_id}").json["manifest"]
    assert (said["version"], said["workers"]) == (3, WORKERS)


def test_where_no_object_starts_anything_one_function_does_what_several_were_asked_for(
    loaded: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCALE", "on")
    assert post("/backups", {"workers": WORKERS}).json["state"] == "done"


def test_a_direct_invocation_of_a_large_backup_answers_with_its_job(
    loaded: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCALE", "on")
    monkeypatch.setenv("JOBS", "event")
    answer = invoke(backup_app.handler, {"action": "backup", "workers": WORKERS})
    assert answer["state"] == "running"
    assert carried_out(found(answer["id"]))["state"] == "done"


def test_a_failure_that_is_told_of_a_job_that_is_over_begins_nothing(loaded: Database) -> None:
    """As of a step that was given up and has ended the job all the same."""
    job = handed_over()
    begun = planned(job)
    assert not moment(begun)
    which = {"id": job.id, "try": begun["try"]}
    assert step("finish", **which)["state"] == "done"
    late = step("failed", **which, execution=EXECUTION, error={"Error": "States.Timeout"})
    assert late["state"] == "gone"
    assert found(job.id).state == "done"
    of_another = step("failed", **which, execution="another", error={"Error": "States.Timeout"})
    assert of_another["state"] == "gone"
    tries = {found.key.split("/")[2] for found in verbs.store().list(f"work/{job.id}/")}
    assert tries == {begun["try"]}
