"""Whoever can only write to the bucket gives no orders: what a function acts on is signed, for its own place and kind.

The forger has a client of S3's, all that there is to be read, and no key. Some of what he writes somebody did sign once.
"""

import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest

from functions.backup.app import handler as backups
from functions.load.app import handler as loads
from functions.restore.app import handler as restores
from tableferry.errors import NotSigned, RecordNotFound, StoreUnavailable
from tableferry.ids import new_id
from tableferry.ingest.loads import load_marks
from tableferry.ingest.loads import retry_later as later
from tableferry.ingest.loads.load_status import LoadStatus
from tableferry.jobs import jobs
from tableferry.restore import record
from tableferry.restore.build.target import Place
from tableferry.signing import Keys
from tableferry.storage import object_keys, signed_object
from tableferry.storage.bucket import Store
from tests.effort import by_turns, either_server, in_ci, sample
from tests.integration.conftest import KEYS, SIGNING_KEY
from tests.support import verbs
from tests.support.lambdas import Json, created, invoke, request
from tests.support.parts import Database
from tests.support.uploads import TEXTS, Uploads, lines, names
from tests.support.verbs import backup, get, load_sample, post, restore, run, table

pytestmark = either_server


class Forger:
    """Writes to the bucket what he likes, and has S3 tell the functions of it."""

    def __init__(self, bucket: str) -> None:
        self.bucket = bucket
        self.s3: Any = boto3.client("s3")

    def read(self, key: str) -> Json:
        found: Json = json.loads(self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read())
        return found

    def write(self, key: str, content: Any) -> None:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=body)

    def copy(self, source: str, key: str) -> None:
        self.s3.copy_object(Bucket=self.bucket, CopySource={"Bucket": self.bucket, "Key": source}, Key=key)

    def tells(self, handler: Any, key: str) -> Any:
        return invoke(handler, created(self.bucket, key))


@pytest.fixture
def forger(bucket: str) -> Forger:
    return Forger(bucket)


@pytest.fixture
def loaded(database: Database, bucket: str) -> Database:
    load_sample(database)
    return database


@pytest.fixture
def evil(loaded: Database, forger: Forger) -> str:
    """The id of a backup that the forger made of a good one: other rows' worth of jobs, and no signature."""
    made = backup("jobs")
    run(loaded, "UPDATE jobs SET job = 'of today'")
    signed_manifest = forger.read(object_keys.manifest(made["id"]))
    forger.write(object_keys.manifest(made["id"]), {"manifest": signed_manifest["manifest"]})
    return str(made["id"])


def forged_job(job_id: str) -> Json:
    now = datetime.now(UTC).isoformat()
    return {"id": job_id, "kind": "restore", "state": "queued", "created": now, "lease": None}


def by_another_key(forger: Forger, key: str, content: Json) -> Json:
    """The content as a deployment with another key would sign it."""
    return {**content, **Keys.parse("another key").sign(content, f"{forger.bucket}/{key}")}


def without_place(_: Forger, __: str, content: Json) -> Json:
    """The content, signed as a manifest is: what anybody gets who can have a backup made of tables he names."""
    return {**content, **KEYS.sign(content)}


def without_signature(_: Forger, __: str, content: Json) -> Json:
    return content


def with_a_made_up_one(_: Forger, __: str, content: Json) -> Json:
    key = hmac.new(b"", json.dumps(content).encode(), hashlib.sha256).hexdigest()
    return {**content, "signature": f"hmac-sha256:{key}", "key_id": KEYS.ids[0]}


def for_another_bucket(_: Forger, key: str, content: Json) -> Json:
    """As another deployment would sign it that has the same key, because it restores our backups."""
    return {**content, **KEYS.sign(content, f"another-bucket/{key}")}


FORGERIES = [without_signature, with_a_made_up_one, by_another_key, without_place, for_another_bucket]


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forged_job_starts_no_restore(
    loaded: Database,
    evil: str,
    forger: Forger,
    forgery: Callable[[Forger, str, Json], Json],
    capsys: pytest.CaptureFixture[str],
) -> None:
    job_id = new_id(datetime.now(UTC))
    order, state = f"jobs/restore/{job_id}.json", f"jobs/{job_id}.json"
    forger.write(state, forgery(forger, state, forged_job(job_id)))
    forger.write(order, forgery(forger, order, {"backup": evil, "trust": True}))
    with verbs.unchanged(loaded):
        assert forger.tells(restores, order) == [None]  # and Lambda does not try again
    assert '"objects_refused":[1.0]' in capsys.readouterr().out
    get(f"/restores/{job_id}").problem(404)
    assert forger.read(state)["state"] == "queued"


def test_a_signed_job_starts_no_other(
    loaded: Database, evil: str, forger: Forger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a caller asked for is no order under another id, nor for another function."""
    monkeypatch.setenv("JOBS", "event")
    real = post("/restores", {"backup": evil, "trust": True, "dry_run": True}, prefer="wait=0").json["id"]
    saved = post("/backups", {"tables": ["jobs"]}, prefer="wait=0").json["id"]
    other = new_id(datetime.now(UTC))
    for order, state in [
        (f"jobs/restore/{other}.json", f"jobs/{other}.json"),
        (f"jobs/backup/{real}.json", f"jobs/{real}.json"),
        (f"jobs/restore/{saved}.json", f"jobs/{saved}.json"),
    ]:
        before = forger.read(f"jobs/{real if other in state else state[5:-5]}.json")
        forger.copy(f"jobs/restore/{real}.json", order)
        if other in state:
            forger.copy(f"jobs/{real}.json", state)
        handler = backups if "backup" in order else restores
        with verbs.unchanged(loaded):
            assert forger.tells(handler, order) == [None]
        assert forger.read(state) == before
    # The order is good, and its state is another job's.
    forger.copy(f"jobs/{saved}.json", f"jobs/{real}.json")
    with verbs.unchanged(loaded):
        assert forger.tells(restores, f"jobs/restore/{real}.json") == [None]


def test_a_caller_can_still_restore_on_trust(loaded: Database, evil: str) -> None:
    assert restore(evil, trust=True)["state"] == "done"
    assert verbs.numbers(loaded, "jobs", "job")[0] == "Job 1"


def test_an_id_that_would_name_another_restores_schema_is_none(loaded: Database, evil: str, forger: Forger) -> None:
    """``OLD-…`` became the name of the schema in which another restore keeps what it replaced, and that was dropped."""
    done = restore(evil, trust=True)
    job_id = f"OLD-{done['id']}"
    assert Place.of("d", done["id"]).old == f"tableferry_{job_id.lower().replace('-', '_')}"
    order, state = f"jobs/restore/{job_id}.json", f"jobs/{job_id}.json"
    store = verbs.store()
    signed_object.put(store, state, forged_job(job_id))  # signed, as if the key were stolen
    signed_object.put(store, order, {"backup": evil, "trust": True})
    with verbs.unchanged(loaded):
        assert forger.tells(restores, order) == [None]
    with pytest.raises(ValueError, match="is no id"):
        Place.of("d", job_id)
    for key in (
        "jobs/restore/",
        "jobs/restore/x",
        f"jobs/restore/a/{done['id']}.json",
        f"jobs/other/{done['id']}.json",
    ):
        with pytest.raises(NotSigned):
            jobs.requested(store, key)
    assert post(f"/restores/{done['id']}/undo").status == 200
    assert set(verbs.numbers(loaded, "jobs", "job")) == {"of today"}


@pytest.mark.parametrize("state", ["failed", "accepted", "running", "swapping", "undoing", "undone"])
@sample(2)
def test_a_forged_record_drops_and_moves_nothing(loaded: Database, forger: Forger, state: str) -> None:
    backup("jobs")
    run(loaded, "UPDATE jobs SET job = 'of today'")
    done = restore()
    key = f"restores/{done['id']}.json"
    good = forger.read(key)
    forger.write(key, good | {"state": state})
    with verbs.unchanged(loaded):
        found = invoke(restores, {"action": "recover"})
        assert (found["finished"], found["expired"]) == ([], [])
        for verb in ("undo", "accept"):
            problem = post(f"/restores/{done['id']}/{verb}").problem(409)
            assert problem["type"] == "urn:tableferry:problem:not-signed"
            assert "was altered" in problem["detail"]
        shown = get(f"/restores/{done['id']}").json
        assert (shown["state"], shown["signed"]) == (state, False)
    [listed] = get("/restores").json["restores"]
    assert (listed["id"], listed["signed"]) == (done["id"], False)
    backup("departments")
    other = restore(tables=["departments"])  # another restore finishes what it finds, and lets this one be
    assert done["kept"] in verbs.schemas(loaded)
    assert {one["id"]: one["signed"] for one in get("/restores").json["restores"]} == {
        done["id"]: False,
        other["id"]: True,
    }
    forger.write(key, good)
    assert post(f"/restores/{done['id']}/undo").status == 200
    assert set(verbs.numbers(loaded, "jobs", "job")) == {"of today"}


def test_a_record_of_another_restore_is_none_of_this_one(loaded: Database, forger: Forger) -> None:
    backup("jobs")
    first, second = restore(), restore()
    post(f"/restores/{first['id']}/accept")
    forger.copy(f"restores/{first['id']}.json", f"restores/{second['id']}.json")
    with verbs.unchanged(loaded):
        invoke(restores, {"action": "recover"})
        post(f"/restores/{second['id']}/accept").problem(409)


def test_records_that_nobody_can_read_stop_nothing(loaded: Database, forger: Forger) -> None:
    """Nor do so many that the good ones are not among the newest."""
    backup("jobs")
    done = restore()
    for number, body in enumerate((b"", b"{", b"[]", b"null", b"{}", b"[" * 100_000, b'{"id": 5}', b"\xff")):
        forger.write(f"restores/99991231T000000Z-{number:08x}.json", body)
    forger.write("restores/", b"")
    forger.write("restores/zzz.json", b"{}")
    assert [one["id"] for one in get("/restores").json["restores"]] == [done["id"]]
    assert get("/restores/99991231T000000Z-00000000").problem(409)["type"] == "urn:tableferry:problem:not-signed"
    assert invoke(restores, {"action": "recover"})["busy"] is False
    assert post(f"/restores/{done['id']}/accept").status == 200


def test_a_record_of_an_earlier_version_is_shown_and_acted_on_when_somebody_has_vouched_for_it(
    loaded: Database, forger: Forger
) -> None:
    backup("jobs")
    run(loaded, "UPDATE jobs SET job = 'of today'")
    done = restore()
    key = f"restores/{done['id']}.json"
    forger.write(key, {name: said for name, said in forger.read(key).items() if name not in ("signature", "key_id")})
    shown = get(f"/restores/{done['id']}").json
    assert shown == done | {"signed": False}
    assert "is not signed." in post(f"/restores/{done['id']}/undo").problem(409)["detail"]
    assert invoke(restores, {"action": "sign", "restore": done["id"]}) == done
    with pytest.raises(RecordNotFound):
        invoke(restores, {"action": "sign", "restore": new_id(datetime.now(UTC))})
    assert post(f"/restores/{done['id']}/undo").status == 200
    assert set(verbs.numbers(loaded, "jobs", "job")) == {"of today"}


@pytest.mark.parametrize("state", ["running", "failed"])
def test_an_earlier_record_put_back_does_not_have_the_old_tables_dropped(
    loaded: Database, forger: Forger, state: str
) -> None:
    """It verifies, as somebody of ours signed it once; the schemas say that it is not true any more."""
    backup("jobs")
    run(loaded, "UPDATE jobs SET job = 'of today'")
    done = restore()
    before = record.find(verbs.store(), done["id"]).model_copy(update={"state": state, "kept": None, "finished": None})
    record.save(verbs.store(), before)  # as it was while the tables were built, or after a first try
    restored = table(loaded, "jobs")
    found = invoke(restores, {"action": "recover"})
    assert [(one["id"], one["state"]) for one in found["finished"]] == [(done["id"], "done")]
    assert table(loaded, "jobs") == restored
    assert done["kept"] in verbs.schemas(loaded)
    shown = get(f"/restores/{done['id']}").json
    assert any("an earlier record" in note for note in shown["notes"])
    assert post(f"/restores/{done['id']}/undo").json["state"] == "undone"
    assert set(verbs.numbers(loaded, "jobs", "job")) == {"of today"}


@pytest.mark.parametrize("state", ["running", "failed"])
def test_an_earlier_record_put_back_does_not_have_what_undo_put_aside_dropped(loaded: Database, state: str) -> None:
    """The ledger's epochs say that the tables which stand where they were built have been live since."""
    backup("jobs")
    done = restore()
    run(loaded, "UPDATE jobs SET job = 'written since'")
    early = record.find(verbs.store(), done["id"]).model_copy(update={"state": state, "kept": None, "finished": None})
    kept = post(f"/restores/{done['id']}/undo").json["kept"]
    record.save(verbs.store(), early)
    found = invoke(restores, {"action": "recover"})
    assert [(one["id"], one["state"]) for one in found["finished"]] == [(done["id"], "undone")]
    assert get(f"/restores/{done['id']}").json["kept"] == kept
    assert {job for (job,) in verbs.rows(loaded, f"SELECT job FROM `{kept}`.jobs")} == {"written since"}
    assert post(f"/restores/{done['id']}/accept").status == 200
    assert verbs.schemas(loaded) == frozenset()


def test_an_earlier_job_and_record_put_back_do_not_restore_again_what_was_accepted(
    loaded: Database, forger: Forger, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup("jobs")
    monkeypatch.setenv("JOBS", "event")
    job = post("/restores", {}, prefer="wait=0").json
    key, order = f"jobs/{job['id']}.json", f"jobs/restore/{job['id']}.json"
    queued = forger.read(key)
    forger.tells(restores, order)
    early = record.find(verbs.store(), job["id"]).model_copy(
        update={"state": "running", "kept": None, "finished": None}
    )
    assert post(f"/restores/{job['id']}/accept").status == 200
    run(loaded, "UPDATE jobs SET job = 'since'")
    record.save(verbs.store(), early)
    forger.write(key, queued)
    with verbs.unchanged(loaded):
        forger.tells(restores, order)
    assert "has been done before" in get(f"/restores/{job['id']}").json["problem"]["detail"]


def test_an_earlier_state_of_a_job_put_back_after_an_hour_starts_nothing(
    loaded: Database, forger: Forger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within the hour it is that of a function that died, whose work the next event does."""
    backup("jobs")
    monkeypatch.setenv("JOBS", "event")
    job = post("/restores", {}, prefer="wait=0").json
    key = f"jobs/{job['id']}.json"
    queued = signed_object.get(verbs.store(), key).content
    now = datetime.now(UTC)
    died = queued | {"state": "running", "lease": (now - timedelta(minutes=40)).isoformat()}
    signed_object.put(verbs.store(), key, died | {"created": (now - timedelta(minutes=61)).isoformat()})
    run(loaded, "UPDATE jobs SET job = 'since'")
    with verbs.unchanged(loaded):
        forger.tells(restores, f"jobs/restore/{job['id']}.json")
    signed_object.put(verbs.store(), key, died | {"created": (now - timedelta(minutes=50)).isoformat()})
    forger.tells(restores, f"jobs/restore/{job['id']}.json")
    assert verbs.numbers(loaded, "jobs", "job")[0] == "Job 1"


# Loads


def forged_status(load_id: str, state: str, **said: Any) -> Json:
    now = datetime.now(UTC).isoformat()
    return {"id": load_id, "table": "t", "key": "uploads/t/a.csv", "state": state, "started": now, "saved": now, **said}


def test_a_forged_status_neither_stops_a_load_nor_is_loaded_from(
    database: Database, uploads: Uploads, forger: Forger
) -> None:
    database.run(TEXTS, "CREATE TABLE other (id INT PRIMARY KEY, name VARCHAR(40))")
    event = uploads.put(lines(3))
    known = uploads.deliver(event)
    database.run("DELETE FROM t", "DELETE FROM tableferry_ledger")
    key = f"loads/{known['id']}.json"
    good = forger.read(key)
    forger.write(key, good | {"read": 3000})  # a load is not done because somebody says so
    assert uploads.deliver(event)["inserted"] == 3
    database.run("DELETE FROM t", "DELETE FROM tableferry_ledger")
    forger.write(key, forged_status(known["id"], "failed", table="other", version=known["version"]))
    assert "altered" not in (problem := request(loads, "POST", f"/loads/{known['id']}/retry").problem(409))["detail"]
    assert problem["type"] == "urn:tableferry:problem:not-signed"
    assert request(loads, "GET", f"/loads/{known['id']}").json["signed"] is False
    [listed] = request(loads, "GET", "/loads").json["loads"]
    assert (listed["id"], listed["state"], listed["signed"]) == (known["id"], "failed", False)
    assert (names(database), database.rows("SELECT * FROM other")) == ([], [])
    assert uploads.deliver(event)["signed"] is True  # its own event loads it, into the table that its key names
    assert len(names(database)) == 3


def test_a_forged_object_does_not_have_a_load_go_on(
    database: Database,
    uploads: Uploads,
    forger: Forger,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("JOBS", "event")
    database.run("CREATE TABLE t (id INT PRIMARY KEY, name VARCHAR(5) NOT NULL)")
    failed = uploads.load(lines(3), Metadata={"max-rejects": "0"})
    other = uploads.load(lines(4), name="b.csv", Metadata={"max-rejects": "0"})
    assert (failed["state"], other["state"]) == ("failed", "failed")
    assert request(loads, "POST", f"/loads/{other['id']}/retry").status == 202
    database.run("ALTER TABLE t MODIFY name VARCHAR(40)")
    key = f"resume/{failed['id']}.json"
    forger.write(key, {"retry": True})
    assert forger.tells(loads, key) == [None]
    forger.copy(f"resume/{other['id']}.json", key)
    assert forger.tells(loads, key) == [None]
    assert capsys.readouterr().out.count('"objects_refused":[1.0]') == 2
    for odd in ("resume/", "resume/x.json", f"resume/{failed['id']}"):
        forger.write(odd, {"retry": True})
        assert forger.tells(loads, odd) == [None]
    assert names(database) == []
    forger.write(f"loads/{other['id']}.json", forged_status(other["id"], "failed", table="t"))
    assert forger.tells(loads, f"resume/{other['id']}.json") == [None]  # the order is good, the load status is not
    assert names(database) == []


# Marks


def test_a_forged_mark_makes_no_backup_count_as_proven(loaded: Database, forger: Forger) -> None:
    first, second = backup("jobs"), backup("jobs")
    post(f"/backups/{first['id']}/verify")
    mark = forger.read(f"verifications/{first['id']}.json")
    assert invoke(backups, {"action": "check"})["verified"] == first["id"]
    for content in (mark, mark | {"backup": second["id"]}, {}):
        forger.write(f"verifications/{second['id']}.json", content)
        assert invoke(backups, {"action": "check"})["verified"] == first["id"]
    for number in range(120):  # nor so many that the good one is not among the first looked at
        forger.write(f"verifications/99991231T000000Z-{number:08x}.json", mark)
    assert invoke(backups, {"action": "check"})["verified"] == first["id"]


def test_what_is_signed_can_be_read_without_the_key_and_says_which_one_signed_it(
    loaded: Database, forger: Forger
) -> None:
    """Open formats: the fields are the record's, and two beside them."""
    made = backup("jobs")
    done = restore()
    for key in (object_keys.manifest(made["id"]), f"restores/{done['id']}.json", f"jobs/{done['id']}.json"):
        found = forger.read(key)
        assert (found["signature"][:12], found["key_id"]) == ("hmac-sha256:", KEYS.ids[0])
    assert forger.read(f"restores/{done['id']}.json")["state"] == "done"
    place = f"{forger.bucket}/restores/{done['id']}.json"
    content = {k: v for k, v in forger.read(f"restores/{done['id']}.json").items() if k not in ("signature", "key_id")}
    derived = hmac.digest(KEYS.secrets[0], b"tableferry: objects of the bucket, by their place", "sha256")
    canonical = json.dumps([place, content], sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    assert (
        forger.read(f"restores/{done['id']}.json")["signature"]
        == "hmac-sha256:" + hmac.new(derived, canonical, hashlib.sha256).hexdigest()
    )


def test_a_function_without_a_key_acts_on_nothing(
    loaded: Database, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup("jobs")
    done = restore()
    monkeypatch.setenv("SIGNING_KEY", "")
    with verbs.unchanged(loaded), pytest.raises(Exception, match="SIGNING_KEY"):
        invoke(restores, {"action": "recover"})
    with pytest.raises(Exception, match="SIGNING_KEY"):
        signed_object.look(Store(boto3.client("s3"), bucket, Keys()), f"restores/{done['id']}.json")


# Keys that change


def test_a_new_key_signs_and_what_an_old_one_signed_is_restored_and_undone_until_it_is_taken_away(
    loaded: Database, forger: Forger, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = backup("jobs")
    run(loaded, "UPDATE jobs SET job = 'of today'")
    done = restore(made["id"])
    old, both, new = (Keys.parse(text) for text in (SIGNING_KEY, f'["new", "{SIGNING_KEY}"]', "new"))

    monkeypatch.setenv("SIGNING_KEY", f'["new", "{SIGNING_KEY}"]')
    assert post(f"/backups/{made['id']}/verify").status == 201
    assert post(f"/restores/{done['id']}/undo").json["state"] == "undone"
    assert forger.read(f"restores/{done['id']}.json")["key_id"] == both.ids[0] == new.ids[0]
    assert restore(made["id"])["state"] == "done"
    later = backup("jobs")
    assert forger.read(object_keys.manifest(later["id"]))["key_id"] == new.ids[0]

    monkeypatch.setenv("SIGNING_KEY", "new")
    with verbs.unchanged(loaded):
        detail = post("/restores", {"backup": made["id"]}).problem(409)["detail"]
    assert f"signed with the key {old.ids[0]}, which this deployment does not have (it has {new.ids[0]})" in detail
    assert made["id"] in get("/backups").json["damaged"]
    assert restore()["backup"] == later["id"]
    assert post(f"/restores/{done['id']}/accept").status == 200  # signed anew when it was undone

    monkeypatch.setenv("SIGNING_KEY", SIGNING_KEY)
    assert f"signed with the key {new.ids[0]}" in post("/restores", {"backup": later["id"]}).problem(409)["detail"]
    assert restore(made["id"])["state"] == "done"


def test_a_load_whose_status_an_old_key_signed_goes_on_and_one_whose_key_is_gone_is_begun_by_its_event(
    database: Database, uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOBS", "event")
    database.run("CREATE TABLE t (id INT PRIMARY KEY, name VARCHAR(3) NOT NULL)")
    event = uploads.put(lines(3), Metadata={"max-rejects": "0"})
    failed = uploads.deliver(event)
    database.run("ALTER TABLE t MODIFY name VARCHAR(40)")
    monkeypatch.setenv("SIGNING_KEY", "new")
    assert "signed with the key" in request(loads, "POST", f"/loads/{failed['id']}/retry").problem(409)["detail"]
    monkeypatch.setenv("SIGNING_KEY", f'["new", "{SIGNING_KEY}"]')
    assert request(loads, "POST", f"/loads/{failed['id']}/retry").status == 202
    monkeypatch.setenv("SIGNING_KEY", "new")
    (done,) = invoke(loads, created(uploads.bucket, f"resume/{failed['id']}.json"))
    assert (done["state"], done["inserted"]) == ("done", 3)


# Lists, memory, and time


@pytest.mark.parametrize(
    "said",
    [
        {"saved": "2020-01-01T00:00:00"},
        {"state": "waiting", "next_try": "2020-01-01T00:00:00"},
        {"state": "waiting", "next_try": "9999-12-31T23:59:59Z"},
        {"state": "waiting", "next_try": "9999-12-31T23:59:59-23:00"},
    ],
)
def test_a_forged_status_with_times_that_nobody_can_reckon_with_breaks_no_list(
    database: Database, uploads: Uploads, forger: Forger, said: Json
) -> None:
    database.run(TEXTS)
    known = uploads.load(lines(3))
    load_id = "f" * 32
    forger.write(f"loads/{load_id}.json", {**forged_status(load_id, "running"), **said})
    forger.write(f"loads/by-time/{load_marks.mark(load_id, datetime.now(UTC))}", b"")
    listed = request(loads, "GET", "/loads")
    assert (listed.status, known["id"] in [one["id"] for one in listed.json["loads"]]) == (200, True)
    assert request(loads, "GET", f"/loads/{load_id}").status in (200, 409)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b"null", b"[" * 100_000])
def test_what_nobody_can_read_in_the_place_of_an_idempotency_key_is_as_if_it_were_not_there(
    loaded: Database, forger: Forger, body: bytes
) -> None:
    forger.write(f"jobs/keys/backup-{hashlib.sha256(b'nightly').hexdigest()[:32]}.json", body)
    first, second = (post("/backups", {"tables": ["jobs"]}, **{"idempotency-key": "nightly"}) for _ in range(2))
    assert (first.status, second.status) == (201, 201)
    assert first.json["id"] == second.json["id"]


def test_forged_marks_keep_no_waiting_load_from_its_next_try(
    database: Database, uploads: Uploads, forger: Forger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many they are at one moment: each call goes on behind those that it has looked at."""
    monkeypatch.setattr(later, "_MOST_AT_A_TIME", 5)
    store, now = verbs.store(), datetime.now(UTC)
    begun = LoadStatus(id="a" * 32, table="t", key="uploads/t/a.csv", started=now - timedelta(hours=1))
    begun = later.put_off(store, begun, StoreUnavailable("away"), 12, now - timedelta(minutes=1)) or begun
    due = f"{now - timedelta(minutes=1):%Y%m%dT%H%M%SZ}"
    for number in range(12):
        forger.write(f"loads/waiting/{due}-{number:032x}", b"")
    later_version = forger.read(f"loads/{begun.id}.json") | {"state": "of a later version"}
    signed_object.put(
        store, f"loads/{1:032x}.json", {k: v for k, v in later_version.items() if k not in signed_object._FIELDS}
    )
    assert [later.go_on(store, now + timedelta(seconds=5)) for _ in range(3)] == [[], [], [begun.id]]
    second = begun.model_copy(update={"id": "b" * 32, "tries": 0})
    later.put_off(store, second, StoreUnavailable("away"), 12, now - timedelta(seconds=58))
    assert second.id in [one for _ in range(4) for one in later.go_on(store, now + timedelta(seconds=5))]


@by_turns
def test_an_object_too_large_to_be_one_of_ours_is_not_read_to_its_end(
    loaded: Database, forger: Forger, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = backup("jobs")
    large = b'{"a": "' + b"x" * 70 * 1024 * 1024 + b'"}'
    for key in ("jobs/slots/backup-0.json", "loads/waited.json", f"restores/{made['id']}.json"):
        forger.write(key, large)
    found, _ = verbs.store().get("loads/waited.json")
    assert len(found) == 64 * 1024 * 1024 + 1
    assert post("/backups", {"tables": ["jobs"]}).status == 201
    assert get("/restores").json["restores"] == []
    assert get(f"/restores/{made['id']}").status == 409
    assert len(verbs.store().get(f"restores/{made['id']}.json", 10)[0]) == 11


@in_ci
def test_forged_jobs_hide_no_job_and_forged_folders_no_backup(
    loaded: Database, forger: Forger, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = backup("jobs")
    monkeypatch.setenv("JOBS", "event")
    queued = post("/backups", {"tables": ["jobs"]}, prefer="wait=0").json
    now = datetime.now(UTC)
    for number in range(210):
        forger.write(f"jobs/{now:%Y%m%dT%H%M%SZ}-{0xFFFFFFFF - number:08x}.json", b"{}")
        forger.write(f"jobs/29991231T000000Z-{number:08x}.json", b"{}")
    for number in range(20):
        forger.write(f"backups/{now:%Y%m%dT%H%M%SZ}-{0xFFFFFFFF - number:08x}/x", b"")
        forger.write(f"backups/{now:%Y%m%dT%H%M%SZ}-{0xFFFFFF00 - number:08x}/manifest.json", b"{}")
    found = request(backups, "GET", "/backups", query={"limit": "2"}).json
    assert [one["id"] for one in found["jobs"]] == [queued["id"]]
    assert [one["id"] for one in found["backups"]] == [made["id"]]
    assert len(found["damaged"]) == 2
