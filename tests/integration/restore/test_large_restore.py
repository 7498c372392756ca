"""A restore over many functions, by the steps of its state machine: what they bring, repeat, and come to when one fails."""

import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from functions.restore import app
from tableferry import deadline
from tableferry.api.steps import restore as restore_steps
from tableferry.backup import plan
from tableferry.config.settings import Settings
from tableferry.deadline import Deadline
from tableferry.errors import Conflict, DigestMismatch
from tableferry.jobs import jobs
from tableferry.jobs.jobs import Job, Kind
from tableferry.restore import large_restore
from tableferry.restore.build import shadow, tasks
from tableferry.restore.build.chunk_ledger import ChunkLedger
from tableferry.restore.build.target import Place
from tableferry.storage import object_keys, signed_object
from tests.effort import effort, in_ci, points, sample
from tests.support import verbs
from tests.support.killed import Killer
from tests.support.lambdas import Json, invoke
from tests.support.parts import Database, connect
from tests.support.verbs import backup, get, load_sample, picture, post, restore, run

pytestmark = pytest.mark.timeout(effort(300, 3600))

WORKERS = 3
EXECUTION = "an execution"
TABLES = ["departments", "keyless", "many", "children"]


@pytest.fixture
def damaged(database: Database, bucket: str, monkeypatch: pytest.MonkeyPatch) -> Database:
    """A backup of tables of many chunks, one without a key, with indexes, triggers and foreign keys; they differ since."""
    monkeypatch.setenv("SCALE", "on")
    monkeypatch.setenv("CHUNK_BYTES", "4096")
    monkeypatch.setattr(plan, "_RANGE_BYTES", 16 * 1024)
    monkeypatch.setattr(shadow, "_FEW_ROWS", 1)
    load_sample(database)
    run(
        database,
        "CREATE TABLE many (id INT PRIMARY KEY, text VARCHAR(60), v INT, KEY of_v (v), UNIQUE KEY of_text (text))",
        "CREATE TABLE keyless (a INT, b VARCHAR(60), KEY of_a (a))",
        "CREATE TABLE children (id INT PRIMARY KEY, many INT, job INT, KEY (many), KEY (job),"
        " CONSTRAINT of_many FOREIGN KEY (many) REFERENCES many (id),"
        " CONSTRAINT of_job FOREIGN KEY (job) REFERENCES jobs (id))",
        "CREATE TRIGGER was BEFORE INSERT ON many FOR EACH ROW SET NEW.v = NEW.v + 1",
    )
    verbs.fill(database, "many", [(number, f"{number:x>50}", number % 9) for number in range(2000)])
    verbs.fill(database, "keyless", [(number % 3, "y" * 50) for number in range(1000)])
    verbs.fill(database, "children", [(number, number, number % 7 + 1) for number in range(100)])
    verbs.rows(database, "ANALYZE TABLE many")
    backup(*TABLES, "jobs")
    run(
        database,
        "DELETE FROM children",
        "UPDATE many SET v = 77",
        "DELETE FROM keyless LIMIT 500",
        "DROP TRIGGER was",
        "CREATE TRIGGER now BEFORE UPDATE ON many FOR EACH ROW SET @a = 1",
    )
    return database


@pytest.fixture
def small_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several tasks for each worker, whose functions have no time for more than one."""
    monkeypatch.setattr(tasks, "share_out", lambda tables, workers: _share_out(tables, workers, 4096))
    monkeypatch.setattr(deadline, "current", lambda: Deadline(lambda: 1.0))


_share_out = tasks.share_out


def handed_over(workers: int = WORKERS, **wanted: object) -> Job:
    """A job as the restore function hands it over."""
    request = {"backup": "latest", "tables": TABLES, "workers": workers, **wanted}
    job = jobs.create(verbs.store(), Kind.RESTORE, request, trigger=False)
    app.verbs._run(Settings.from_env(), verbs.store(), job.id, Kind.RESTORE, request)
    return found(job.id)


def found(job_id: str) -> Job:
    return jobs.find(verbs.store(), job_id, Kind.RESTORE)


def step(name: str, **event: object) -> Json:
    made: Json = restore_steps.ACTIONS[f"large-restore-{name}"](event)
    return made


def begun(job: Job, execution: str = EXECUTION) -> Json:
    return step("begin", id=job.id, execution=execution)


def workers(name: str, now: Json) -> None:
    """All workers at once, as the machine's Map has them; raises the first error."""
    which = {"id": now["id"], "try": now["try"]}
    with ThreadPoolExecutor(now["workers"]) as pool:
        for one in [pool.submit(step, name, **which, worker=number) for number in range(now["workers"])]:
            one.result()


def carried_out(job: Job, until: str = "done") -> Json:
    """What the state machine does after its first step, up to a state, if all goes well; raises the first error."""
    now = begun(job)
    while now["state"] != until:
        which = {"id": job.id, "try": now["try"], "round": now["round"]}
        match now["state"]:
            case "begun" | "filling":
                workers("fill", now)
                now = step("index", **which)
            case "indexing":
                now = step("index", **which)
            case "indexed" | "reading":
                workers("readback", now)
                now = step("finish", **{**which, "round": now["round"]})
            case other:
                pytest.fail(f"{other}: {found(job.id).problem}")
    return now


def failed(job: Job, now: Json, execution: str = EXECUTION) -> Json:
    return step("failed", id=job.id, execution=execution, error={"Error": "States.TaskFailed"}, **{"try": now["try"]})


@pytest.fixture
def whole(damaged: Database) -> Callable[[], Any]:
    """The tables as one function restores them."""
    before = picture(damaged)
    made = restore(tables=TABLES, workers=1)
    right = picture(damaged).tables
    assert post(f"/restores/{made['id']}/undo").status == 200
    assert post(f"/restores/{made['id']}/accept").status == 200
    assert picture(damaged) == before
    return lambda: right


def test_many_functions_restore_what_one_restores(damaged: Database, whole: Callable[[], Any]) -> None:
    old = picture(damaged)
    job = handed_over()
    assert (job.state, job.holder) == ("running", jobs.HANDED_OVER)
    assert carried_out(job)["state"] == "done"
    assert picture(damaged).tables == whole()
    shown = get(f"/restores/{job.id}").json
    assert (shown["state"], shown["notes"]) == ("done", [])
    assert all(one["verified"] and one["replaced"] for one in shown["tables"])
    job = found(job.id)
    assert (job.state, job.progress.done) == ("done", job.progress.of)
    assert job.progress.of > 20
    assert post(f"/restores/{job.id}/undo").status == 200
    assert picture(damaged).tables == old.tables
    assert post(f"/restores/{job.id}/accept").status == 200
    assert picture(damaged) == old


def test_functions_that_have_no_time_for_all_their_tasks_are_asked_again(
    damaged: Database, whole: Callable[[], Any], small_tasks: None
) -> None:
    job = handed_over()
    carried_out(job)
    tried = large_restore.read(verbs.store(), job.id, _try(job))
    assert len(tried.tasks) > 2 * WORKERS, tried.tasks
    assert picture(damaged).tables == whole()


def test_every_step_can_be_repeated_and_is_harmless_as_a_ghost(damaged: Database, whole: Callable[[], Any]) -> None:
    job = handed_over()
    lost = begun(job)
    assert begun(job, "another") == {"id": job.id, "try": "", "workers": 0, "round": 0, "state": "gone"}
    now = begun(job)  # the answer to the first was lost
    ghost = {"id": job.id, "try": lost["try"]}
    which = {"id": job.id, "try": now["try"]}
    with pytest.raises(Conflict, match="over"):
        step("fill", **ghost, worker=0)
    for _ in range(2):
        workers("fill", now)
    for _ in range(2):
        assert step("index", **which)["state"] == "indexed"
    for _ in range(2):
        workers("readback", now)
    first = step("finish", **which)
    assert first == step("finish", **which)
    right = whole_and_ended(damaged, job)
    for name in ("fill", "index"):
        with pytest.raises(Conflict):
            step(name, **which, worker=1)
    with pytest.raises(Conflict):
        begun_again(job)
    assert failed(job, now)["state"] == "failed"  # of which nothing comes: the job is over
    assert found(job.id).state == "done"
    assert picture(damaged).tables == right == whole()


def begun_again(job: Job) -> None:
    if begun(job)["state"] == "gone":
        raise Conflict("The job is over.")


def whole_and_ended(database: Database, job: Job) -> Any:
    assert found(job.id).state == "done"
    return picture(database).tables


def test_while_many_functions_restore_nobody_else_gets_a_turn(damaged: Database, whole: Callable[[], Any]) -> None:
    earlier = restore(tables=["jobs"])["id"]
    job = handed_over()
    now = begun(job)
    workers("fill", now)
    schema = Place.of(damaged.name, job.id).shadow
    assert invoke(app.handler, {"action": "recover"})["busy"]
    for path, body in (
        ("/restores", {"tables": ["jobs"]}),
        (f"/restores/{earlier}/undo", None),
        (f"/restores/{earlier}/accept", None),
        (f"/restores/{job.id}/undo", None),
        (f"/restores/{job.id}/accept", None),
    ):
        assert "restore-under-way" in post(path, body).problem(409)["type"]
    planned = post("/restores", {"tables": ["jobs"], "dry_run": True}).json["plan"]
    assert [one["code"] for one in planned["problems"]] == ["restore-under-way"]
    assert schema in verbs.schemas(damaged)
    which = {"id": job.id, "try": now["try"]}
    assert step("index", **which)["state"] == "indexed"
    workers("readback", now)
    assert step("finish", **which)["state"] == "done"
    assert picture(damaged).tables == whole()
    assert post(f"/restores/{earlier}/undo").status == 200


@pytest.mark.parametrize("after", ["begin", "fill", "index", "readback"])
def test_a_restore_whose_lease_has_run_out_is_taken_back_and_its_ghosts_change_nothing(
    damaged: Database, after: str
) -> None:
    old = picture(damaged)
    job = handed_over()
    now = begun(job)
    which = {"id": job.id, "try": now["try"]}
    if after != "begin":
        workers("fill", now)
    if after in ("index", "readback"):
        step("index", **which)
    if after == "readback":
        workers("readback", now)
    run_out(job)
    done = invoke(app.handler, {"action": "recover"})
    assert [(one["id"], one["state"]) for one in done["finished"]] == [(job.id, "failed")]
    assert picture(damaged) == old
    for name in ("fill", "index", "readback", "finish"):
        if name == "readback" and after == "readback":
            continue  # it has nothing left to do
        with pytest.raises(Conflict):
            step(name, **which, worker=0)
    assert picture(damaged) == old
    assert failed(job, now)["state"] == "failed"
    assert found(job.id).state == "failed"
    assert restore(tables=["jobs"])["state"] == "done"


def run_out(job: Job) -> None:
    """As if no function had renewed the job's lease for long."""
    store, key = verbs.store(), object_keys.job(job.id)
    there = signed_object.get(store, key)
    ago = (datetime.now(UTC) - timedelta(seconds=1)).isoformat()
    signed_object.replace(store, key, {**there.content, "lease": ago}, there.etag)


def test_a_step_that_fails_ends_the_restore_with_what_it_said(damaged: Database, s3_client: Any, bucket: str) -> None:
    old = picture(damaged)
    job = handed_over()
    now = begun(job)
    latest = get("/backups/latest").json
    lost = verbs.objects(latest, "many")[3]["key"]
    s3_client.delete_object(Bucket=bucket, Key=lost)
    with pytest.raises(Exception, match="lacks the object"):
        workers("fill", now)
    assert failed(job, now, "another")["state"] == "failed"  # whose it is not
    assert found(job.id).state == "running"
    assert failed(job, now)["state"] == "failed"
    assert picture(damaged) == old
    problem = get(f"/restores/{job.id}").json["problem"]
    assert problem["status"] == 409
    assert lost in problem["detail"]


def test_a_begin_that_fails_ends_the_job(damaged: Database) -> None:
    run(damaged, "DROP TABLE hired_employees, children", "ALTER TABLE jobs DROP PRIMARY KEY")
    with verbs.unchanged(damaged):
        job = handed_over()
        with pytest.raises(Conflict):
            begun(job)
        assert failed(job, {"try": ""})["state"] == "failed"
    assert get(f"/restores/{job.id}").json["problem"]["status"] == 409


def test_functions_that_were_ended_from_outside_are_named_as_such(damaged: Database) -> None:
    with verbs.unchanged(damaged):
        job = handed_over()
        assert failed(job, begun(job))["state"] == "failed"
    assert "States.TaskFailed" in get(f"/restores/{job.id}").json["problem"]["detail"]


def test_rows_that_are_not_those_of_the_backup_are_never_swapped_in(damaged: Database) -> None:
    old = picture(damaged)
    job = handed_over()
    now = carried_out(job, until="indexed")
    with contextlib.closing(connect(damaged.admin_url)) as admin, admin.cursor() as opened:
        opened.execute(f"UPDATE `{Place.of(damaged.name, job.id).shadow}`.many SET v = 1 WHERE id = 1234")
    workers("readback", now)
    with pytest.raises(DigestMismatch, match="column 'v'"):
        step("finish", id=job.id, **{"try": now["try"]})
    assert picture(damaged) == old
    assert failed(job, now)["state"] == "failed"
    assert "column 'v'" in get(f"/restores/{job.id}").json["problem"]["detail"]


def test_who_can_only_write_to_the_bucket_orders_no_restore(damaged: Database, s3_client: Any, bucket: str) -> None:
    job = handed_over()
    key = object_keys.job_request(large_restore.REQUEST, job.id)
    order = s3_client.get_object(Bucket=bucket, Key=key)["Body"].read()
    s3_client.put_object(Bucket=bucket, Key=key, Body=order.replace(b'"trust": false', b'"trust": true'))
    with pytest.raises(Exception, match="signed"):
        begun(job)


def test_a_large_restore_is_asked_for_by_its_workers_or_by_its_size(
    damaged: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert handed_over().holder == jobs.HANDED_OVER
    monkeypatch.setenv("SCALE_WORKERS", "2")
    job = handed_over()
    order = signed_object.get(verbs.store(), object_keys.job_request(large_restore.REQUEST, job.id)).content
    assert order["scale"] == {"workers": 2, "connections": 2}
    request = {"tables": ["jobs"], "workers": 3, "dry_run": True}
    assert post("/restores", request).json["state"] == "planned"
    monkeypatch.setenv("SCALE", "off")
    assert post("/restores", {"tables": ["keyless"], "workers": 3}).json["state"] == "done"


@in_ci
def test_steps_killed_before_any_of_their_changes_are_done_by_their_next_life(
    damaged: Database, whole: Callable[[], Any]
) -> None:
    """Each of the machine's steps but the first, which is not tried again.

    A swap that died before its rename is taken back, as one function's is: then nothing has changed, and the job says so.
    """
    old = picture(damaged)
    with Killer() as killer:
        for change in points(9):
            job = handed_over()
            now = begun(job)
            which = {"id": job.id, "try": now["try"], "round": 0}
            killed = 0
            for name, worker in [
                *(("fill", one) for one in range(WORKERS)),
                ("index", 0),
                *(("readback", one) for one in range(WORKERS)),
                ("finish", 0),
            ]:
                event = {"action": f"large-restore-{name}", "worker": worker, **which}
                killed += killer.killed(change, event)
                try:
                    came = invoke(app.handler, event)
                except Conflict:
                    assert name == "finish"
                    came = failed(job, now)
            if came["state"] == "failed":
                assert picture(damaged) == old
                continue
            assert picture(damaged).tables == whole()
            assert post(f"/restores/{job.id}/undo").status == 200
            assert post(f"/restores/{job.id}/accept").status == 200
            if not killed:
                assert change > 20
                break
            if change > effort(20, 1000):
                break


@sample(1)
@pytest.mark.parametrize("seed", range(effort(2, 20)))
def test_workers_of_which_some_are_killed_and_some_come_twice_bring_each_object_once(
    damaged: Database, whole: Callable[[], Any], seed: int
) -> None:
    """Real processes, all at once: three that are killed somewhere, beside three that have the same to do."""
    job = handed_over()
    now = begun(job)
    which = {"id": job.id, "try": now["try"]}
    with ExitStack() as stack, ThreadPoolExecutor(2 * WORKERS) as pool:
        killers = [stack.enter_context(Killer()) for _ in range(2 * WORKERS)]
        events = [{"action": "large-restore-fill", "worker": one, **which} for one in range(WORKERS)] * 2
        where = [2 + (7 * one + 5 * seed) % 23 for one in range(WORKERS)] + [100_000] * WORKERS
        list(pool.map(lambda killer, at, event: killer.killed(at, event), killers, where, events))
    workers("fill", now)
    assert step("index", **which)["state"] == "indexed"
    workers("readback", now)
    assert step("finish", **which)["state"] == "done"
    assert picture(damaged).tables == whole()


def test_a_begin_that_was_killed_is_taken_back_and_the_job_ended(damaged: Database) -> None:
    old = picture(damaged)
    with Killer() as killer:
        for change in points(7):
            job = handed_over()
            killed = killer.killed(change, {"action": "large-restore-begin", "id": job.id, "execution": EXECUTION})
            if not killed:
                assert change > 10
                break
            failed(job, {"try": ""})
            assert picture(damaged) == old
            if change > effort(15, 1000):
                break


def _try(job: Job) -> str:
    [plan_] = [one.key for one in verbs.store().list(f"{object_keys.WORK}{job.id}/") if one.key.endswith("plan.json")]
    return plan_.split("/")[2]


def test_a_ledger_is_none_of_the_tables_that_are_kept(damaged: Database) -> None:
    job = handed_over()
    carried_out(job)
    place = Place.of(damaged.name, job.id)
    ledger = ChunkLedger(place.shadow, _try(job))
    assert verbs.rows(damaged, f"SHOW TABLES FROM `{place.shadow}`") == []
    assert ledger.sql.startswith(f"`{place.shadow}`.")
