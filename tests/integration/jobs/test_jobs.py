"""Jobs: work that outlives the request, starts by an event that may come twice, and never runs for ever."""

import contextlib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from functions.backup import app as backup_app
from functions.restore import app as restore_app
from tableferry.errors import TableNotFound
from tableferry.ids import new_id
from tableferry.jobs import jobs
from tableferry.restore import record
from tableferry.restore import restore as restore_module
from tableferry.storage import signed_object
from tests.effort import either_server
from tests.support import verbs
from tests.support.lambdas import Json, created, invoke, request
from tests.support.parts import Database
from tests.support.verbs import backup, get, load_sample, post, run, table

pytestmark = either_server


@pytest.fixture
def loaded(database: Database, bucket: str, monkeypatch: pytest.MonkeyPatch) -> Database:
    """The sample, in a deployment where objects start functions."""
    load_sample(database)
    monkeypatch.setenv("JOBS", "event")
    return database


def queued(path: str, body: Json | None = None) -> Json:
    """A job that the request did not wait for."""
    answer = post(path, body or {}, prefer="wait=0")
    assert answer.status == 202
    found: Json = answer.json
    assert found["state"] == "queued"
    assert answer.headers["location"].endswith(f"/{found['id']}")
    assert get(answer.headers["location"]).json == found
    return found


def deliver(job: Json, bucket: str) -> Any:
    """S3 tells the function of the object that starts the job."""
    app: Any = restore_app if job["kind"] == "restore" else backup_app
    return invoke(app.handler, created(bucket, f"jobs/{job['kind']}/{job['id']}.json"))


def rewrite(job: Json, **changed: object) -> None:
    """Change a job's record, as if time had passed."""
    key = f"jobs/{job['id']}.json"
    signed_object.put(verbs.store(), key, signed_object.get(verbs.store(), key).content | changed)


def ago(**given: float) -> str:
    return (datetime.now(UTC) - timedelta(**given)).isoformat()


def test_a_request_that_may_wait_gets_the_result_and_one_that_may_not_gets_the_place(
    loaded: Database, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = queued("/backups", {"tables": ["jobs"]})
    assert get("/backups").json["backups"] == []
    deliver(job, bucket)
    made = get(f"/backups/{job['id']}").json
    assert (made["state"], made["rows"]) == ("done", 7)
    monkeypatch.setenv("JOBS", "inline")
    assert post("/backups", {}, prefer="respond-async, wait=5").status == 201


def test_backup_verification_and_restore_are_done_when_their_events_come(loaded: Database, bucket: str) -> None:
    made = queued("/backups")
    deliver(made, bucket)
    verification = queued(f"/backups/{made['id']}/verify")
    deliver(verification, bucket)
    assert get(f"/verifications/{verification['id']}").json["ok"]
    before = table(loaded, "hired_employees")
    run(loaded, "DELETE FROM hired_employees")
    restored = queued("/restores", {"tables": ["hired_employees"]})
    assert table(loaded, "hired_employees") != before
    deliver(restored, bucket)
    assert table(loaded, "hired_employees") == before
    assert get(f"/restores/{restored['id']}").json["state"] == "done"
    assert post(f"/restores/{restored['id']}/accept").status == 200


def test_an_event_that_comes_twice_does_the_work_once(loaded: Database, bucket: str) -> None:
    job = queued("/backups", {"tables": ["jobs"]})
    deliver(job, bucket)
    made = get(f"/backups/{job['id']}").json
    run(loaded, "DELETE FROM jobs WHERE id = 99", "UPDATE jobs SET job = 'later'")
    deliver(job, bucket)
    assert get(f"/backups/{job['id']}").json == made
    restored = queued("/restores", {"tables": ["jobs"]})
    deliver(restored, bucket)
    run(loaded, "UPDATE jobs SET job = 'written since'")
    deliver(restored, bucket)
    assert set(verbs.numbers(loaded, "jobs", "job")) == {"written since"}


def test_a_job_whose_event_goes_to_a_function_of_other_jobs_waits_for_its_own(
    loaded: Database, bucket: str, capsys: pytest.CaptureFixture[str]
) -> None:
    made = queued("/backups", {"tables": ["jobs"]})
    assert invoke(restore_app.handler, created(bucket, f"jobs/backup/{made['id']}.json")) == [None]
    assert '"objects_refused":[1.0]' in capsys.readouterr().out
    assert get(f"/backups/{made['id']}").json["state"] == "queued"
    deliver(made, bucket)
    assert get(f"/backups/{made['id']}").json["state"] == "done"
    restored = queued("/restores", {"tables": ["jobs"]})
    assert invoke(backup_app.handler, created(bucket, f"jobs/restore/{restored['id']}.json")) == [None]
    assert get(f"/restores/{restored['id']}").json["state"] == "queued"
    deliver(restored, bucket)
    assert get(f"/restores/{restored['id']}").json["state"] == "done"


def test_a_job_that_somebody_does_is_not_begun_again(loaded: Database, bucket: str) -> None:
    job = queued("/backups", {"tables": ["jobs"]})
    rewrite(job, state="running", lease=ago(seconds=-20))
    deliver(job, bucket)
    assert get(f"/backups/{job['id']}").json["state"] == "running"
    assert get("/backups").json["backups"] == []


def test_a_job_whose_function_died_is_seen_to_be_dead_and_done_by_the_next_event(loaded: Database, bucket: str) -> None:
    job = queued("/backups", {"tables": ["jobs"]})
    rewrite(job, state="running", lease=ago(seconds=1), progress={"done": 1, "of": 3, "rows": 7})
    found = get(f"/backups/{job['id']}").json
    assert found["state"] == "dead"
    assert found["progress"] == {
        "done": 1, "of": 3, "rows": 7, "unit": "chunks", "percent": None, "seconds_left": None,
    }  # fmt: skip
    deliver(job, bucket)
    assert get(f"/backups/{job['id']}").json["state"] == "done"
    told = signed_object.get(verbs.store(), f"jobs/{job['id']}.json").content["progress"]
    assert (told["done"], told["of"], told["rows"]) == (1, 1, 7)  # those of the try that died do not count


def test_a_job_that_was_dead_before_anybody_began_it_stays_dead(
    loaded: Database, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A restore whose event comes hours late would undo what was written since."""
    monkeypatch.setenv("JOBS", "inline")
    backup()
    monkeypatch.setenv("JOBS", "event")
    job = queued("/restores", {"tables": ["jobs"]})
    run(loaded, "INSERT INTO jobs VALUES (999, 'since')")
    before = table(loaded, "jobs")
    rewrite(job, created=ago(minutes=11))
    deliver(job, bucket)
    assert table(loaded, "jobs") == before
    assert get(f"/restores/{job['id']}").json["state"] == "dead"


def test_a_job_that_nobody_takes_is_dead_in_the_end(loaded: Database) -> None:
    job = queued("/restores")
    rewrite(job, created=ago(minutes=9))
    assert get(f"/restores/{job['id']}").json["state"] == "queued"
    rewrite(job, created=ago(minutes=11))
    assert get(f"/restores/{job['id']}").json["state"] == "dead"


def test_a_restore_that_died_after_its_swap_is_not_done_again_by_the_next_event(
    loaded: Database, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOBS", "inline")
    backup("jobs")
    monkeypatch.setenv("JOBS", "event")
    run(loaded, "UPDATE jobs SET job = 'lost'")
    lost = table(loaded, "jobs")
    job = queued("/restores")
    before = signed_object.get(verbs.store(), f"jobs/{job['id']}.json").content
    deliver(job, bucket)
    rewrite(job, **(before | {"state": "running", "lease": ago(seconds=1), "result": None, "finished": None}))
    run(loaded, "UPDATE jobs SET job = 'written since'")
    deliver(job, bucket)
    assert set(verbs.numbers(loaded, "jobs", "job")) == {"written since"}
    assert get(f"/restores/{job['id']}").json["state"] == "done"
    assert post(f"/restores/{job['id']}/undo").status == 200
    assert table(loaded, "jobs") == lost


def test_a_restore_that_died_while_it_was_building_is_done_by_the_next_event(
    loaded: Database, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOBS", "inline")
    backup("jobs")
    monkeypatch.setenv("JOBS", "event")
    run(loaded, "UPDATE jobs SET job = 'lost'")
    job = queued("/restores")
    with monkeypatch.context() as patched:
        patched.setattr(restore_module, "abandon", lambda *given: given[-1])  # a process that is gone tidies nothing up
        patched.setattr("tableferry.restore.exchange.swap_in", _dies)
        with contextlib.suppress(SystemExit):
            deliver(job, bucket)
    rewrite(job, lease=ago(seconds=1))
    assert get(f"/restores/{job['id']}").json["state"] == "dead"
    assert record.find(verbs.store(), job["id"]).state == "running"
    deliver(job, bucket)
    assert verbs.numbers(loaded, "jobs", "job")[0] == "Job 1"
    assert get(f"/restores/{job['id']}").json["state"] == "done"


def _dies(*_: object) -> None:
    raise SystemExit


def test_a_job_that_failed_carries_its_problem(loaded: Database, bucket: str) -> None:
    for path, body, status, kind in (
        ("/backups", {"tables": ["nope"]}, 404, "table-not-found"),
        ("/restores", {"backup": "latest"}, 404, "backup-not-found"),
        ("/restores", {"backup": "20200101T000000Z-00000000"}, 404, "backup-not-found"),
    ):
        job = queued(path, body)
        deliver(job, bucket)
        found = get(f"{path}/{job['id']}").json
        assert found["state"] == "failed"
        assert found["finished"]
        assert (found["problem"]["status"], found["problem"]["type"].rsplit(":", 1)[1]) == (status, kind)


def test_an_error_that_nobody_foresaw_fails_the_job_without_telling_secrets(
    loaded: Database, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*_: object, **__: object) -> None:
        raise RuntimeError("SELECT secret")

    monkeypatch.setattr(backup_app, "backup", breaks)
    job = queued("/backups")
    deliver(job, bucket)
    answer = get(f"/backups/{job['id']}")
    assert (answer.json["state"], answer.json["problem"]["status"]) == ("failed", 500)
    assert "secret" not in answer.text


def test_a_direct_invocation_does_the_work_itself(loaded: Database) -> None:
    made = invoke(backup_app.handler, {"action": "backup", "tables": ["jobs"], "format": "csv"})
    assert (made["state"], made["rows"], made["format"]) == ("done", 7, "csv")
    assert get(f"/backups/{made['id']}").json["state"] == "done"
    assert invoke(backup_app.handler, {"action": "verify", "backup": made["id"]})["ok"]
    done = invoke(restore_app.handler, {"action": "restore"})
    assert (done["state"], done["backup"]) == ("done", made["id"])
    assert get(f"/restores/{done['id']}").json == done
    for event in ({}, {"action": "drop"}, {"action": "backup", "tabels": []}, {"action": "restore", "backup": 1}):
        app: Any = restore_app if event.get("action") == "restore" else backup_app
        with pytest.raises(Exception, match=r"action|tabels|backup"):
            invoke(app.handler, event)


def test_ids_that_are_none_are_not_found(loaded: Database, bucket: str) -> None:
    job = queued("/backups")
    unknown = new_id(datetime.now(UTC))
    paths = [f"/{kind}/{unknown}" for kind in ("backups", "restores", "verifications")]
    paths += [f"/{kind}/{job['id']}" for kind in ("restores", "verifications")]  # of another kind
    paths += [
        f"/backups/{name}" for name in ("..", "../..", "a/b", "%2e%2e", "a%2fb", "..%2f..%2fjobs", "x" * 200, "é", " ")
    ]
    paths += [f"/restores/{name}" for name in ("..", "..%2fjobs%2f" + job["id"], "%00", job["id"] + "%2f")]
    for path in paths:
        get(path).problem(404)
    for path in (
        f"/restores/{unknown}/undo",
        f"/restores/{unknown}/accept",
        "/restores/../undo",
        "/restores/%2e%2e/accept",
    ):
        post(path).problem(404)


def test_a_lease_that_somebody_else_took_over_is_not_written_over(loaded: Database, bucket: str) -> None:
    job = queued("/backups", {"tables": ["jobs"]})

    def taken_over(job_id: str, _: Json, __: jobs.Tell) -> Json:
        rewrite({"id": job_id}, state="done", lease=None, result={"id": job_id, "by": "somebody else"})
        return {"id": job_id, "by": "us"}

    with pytest.raises(Exception, match="somebody else"):
        jobs.run(verbs.store(), jobs.Kind.BACKUP, job["id"], {}, taken_over, lambda _: {})
    assert verbs.content(f"jobs/{job['id']}.json")["result"]["by"] == "somebody else"


def test_a_backup_under_way_or_that_came_to_nothing_is_in_the_list_of_backups(loaded: Database, bucket: str) -> None:
    job = queued("/backups", {"tables": ["jobs"]})
    assert (get("/backups").json["backups"], get("/backups").json["jobs"]) == ([], [job])
    rewrite(job, state="running", lease=ago(seconds=-20))
    (shown,) = get("/backups").json["jobs"]
    assert (shown["id"], shown["state"]) == (job["id"], "running")
    rewrite(job, state="queued", lease=None)
    deliver(job, bucket)
    found = get("/backups").json
    assert ([one["id"] for one in found["backups"]], found["jobs"]) == ([job["id"]], [])
    failed = queued("/backups", {"tables": ["nowhere"]})
    deliver(failed, bucket)
    queued("/restores")
    (shown,) = get("/backups").json["jobs"]
    assert (shown["id"], shown["state"], shown["problem"]["type"]) == (
        failed["id"], "failed", "urn:tableferry:problem:table-not-found",
    )  # fmt: skip


def test_what_a_schedule_asks_for_is_a_job_too(loaded: Database, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Json] = []
    module: Any = backup_app
    real = module.backup

    def look(*args: Any, **options: Any) -> Any:
        seen.extend(get("/backups").json["jobs"])
        return real(*args, **options)

    monkeypatch.setattr(module, "backup", look)
    made = invoke(backup_app.handler, {"action": "backup"})
    assert [(one["id"], one["state"]) for one in seen] == [(made["id"], "running")]
    assert get(f"/backups/{made['id']}").json["rows"] == made["rows"]
    with pytest.raises(TableNotFound):
        invoke(backup_app.handler, {"action": "backup", "tables": ["nowhere"]})
    assert [one["state"] for one in get("/backups").json["jobs"]] == ["failed"]


def test_the_latest_backup_can_be_looked_at_by_that_name(database: Database, bucket: str) -> None:
    load_sample(database)
    get("/backups/latest").problem(404)
    backup("jobs")
    second = backup()
    assert get("/backups/latest").json == get(f"/backups/{second['id']}").json
    assert post("/backups/latest/verify").json["backup"] == second["id"]
    answer = request(backup_app.handler, "GET", "/backups", query={"limit": "1"})
    assert [one["id"] for one in answer.json["backups"]] == [second["id"]]
