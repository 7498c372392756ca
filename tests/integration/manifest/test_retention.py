"""Which backups may expire: what newer proven ones replace, and tries that died; never the newest that is proven."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from functions.backup.app import handler as backup_handler
from tableferry.errors import StoreUnavailable
from tableferry.ids import new_id
from tableferry.manifest import attestation, manifest, retention
from tableferry.manifest.attestation import Proof
from tableferry.manifest.retention import TAG, Retention, retire
from tableferry.storage import object_keys
from tableferry.storage.bucket import Store
from tests.effort import either_server, in_ci
from tests.integration.conftest import KEYS
from tests.support import verbs
from tests.support.counted_s3 import PASSES, Counted, Fate, Request, before, passes
from tests.support.lambdas import Json, invoke
from tests.support.parts import Database, Server
from tests.support.verbs import load_sample, old_backup, post, run

pytestmark = either_server


@pytest.fixture
def loaded(database: Database, bucket: str) -> Database:
    load_sample(database)
    return database


@pytest.fixture
def again(loaded: Database, bucket: str) -> Any:
    """The check's call: 35 days, at this moment or so many days later."""

    def call(days: int = 35, later: float = 0) -> Retention:
        return retire(verbs.store(), KEYS, loaded.name, days, datetime.now(UTC) + timedelta(days=later))

    return call


def prove(backup_id: str) -> str:
    assert post(f"/backups/{backup_id}/verify").status == 201
    return backup_id


def tagged(backup_id: str) -> set[bool]:
    """Whether the objects of a backup are those that the lifecycle of this bucket expires."""
    store = verbs.store()
    return {store.tags(found.key).get(TAG) == store.bucket for found in store.list(f"backups/{backup_id}/")}


def test_nothing_expires_that_is_not_proven_by_something_newer(again: Any) -> None:
    first, second = old_backup(50), old_backup(40)
    newest = old_backup(1)
    found = again()
    assert (found.expiring, found.kept, found.to_verify) == ((), (first, second), newest)
    assert tagged(first) == tagged(second) == {False}
    prove(first)
    assert again().expiring == ()


def test_what_a_newer_proven_backup_replaces_expires_whole_and_the_newest_proven_one_never(again: Any) -> None:
    first, second, proven, newest = old_backup(60), old_backup(50), old_backup(40), old_backup(38)
    prove(proven)
    verbs.store().put(f"backups/{first}/jobs/abcdef-00000-00000.parquet", b"of a try that died")
    found = again()
    assert (found.expiring, found.kept, found.unfinished) == ((first, second), (proven, newest), ())
    assert found.to_verify == newest, "if it came back, the one that is proven could go"
    assert tagged(first) == tagged(second) == {True}
    assert tagged(proven) == tagged(newest) == {False}
    assert again().expiring == (), "they are done"
    assert again(later=1000).kept == (proven, newest), "however old they become"


def test_a_backup_that_is_found_damaged_is_proven_no_more_and_what_was_superseded_by_it_stays(again: Any) -> None:
    """Until the lifecycle has come to it, a day or so after it was marked."""
    first, second, newest = old_backup(60), prove(old_backup(50)), prove(old_backup(1))
    assert again().expiring == (first, second)
    store = verbs.store()
    [file] = [found.key for found in store.list(f"backups/{newest}/jobs/")]
    whole = store.get(file)[0]
    verbs.remove(file)
    assert post(f"/backups/{newest}/verify").status == 409
    found = again()
    assert (found.expiring, found.kept, found.to_verify) == ((), (second,), newest)
    assert tagged(first) == {True}, "the second is proven, and newer"
    assert tagged(second) == {False}
    store.put(file, whole)
    prove(newest)
    assert again().expiring == (second,)
    assert tagged(second) == {True}


@pytest.mark.usefixtures("loaded")
def test_what_was_marked_in_part_is_wanted_again(again: Any) -> None:
    """A check that died in the midst of it, and a proof that did not hold."""
    first = prove(old_backup(60))
    store = verbs.store()
    some = next(found.key for found in store.list(f"backups/{first}/"))
    store.tag(some, "scanned", "clean")
    store.tag(some, TAG, store.bucket)
    assert tagged(first) == {True, False}
    assert again().kept == (first,)
    assert tagged(first) == {False}
    assert store.tags(some) == {"scanned": "clean"}


def test_what_is_not_old_enough_does_not_expire(again: Any) -> None:
    young = old_backup(34.9)
    prove(old_backup(1))
    assert again() == Retention(days=35)
    assert again(later=0.2).expiring == (young,)


def test_all_tables_have_to_be_in_one_newer_proven_backup_since_they_are_of_one_moment(again: Any) -> None:
    whole, jobs = old_backup(60), old_backup(50, "jobs")
    prove(old_backup(40, "jobs"))
    prove(old_backup(39, "departments", "hired_employees"))
    assert again().expiring == (jobs,)
    prove(old_backup(38))
    assert whole in again().expiring


def test_a_table_that_was_dropped_keeps_the_newest_backup_that_has_it(loaded: Database, again: Any) -> None:
    first, second = old_backup(60), old_backup(50)
    prove(second)
    run(loaded, "DROP TABLE hired_employees")
    without = old_backup(45)
    prove(old_backup(40))
    found = again()
    assert (found.expiring, found.kept[0], found.to_verify) == ((first, without), second, None)


@pytest.mark.usefixtures("loaded")
def test_a_mark_or_a_manifest_that_nobody_signed_replaces_nothing(again: Any, s3_client: Any, bucket: str) -> None:
    first, forged = old_backup(60), old_backup(2)
    store = verbs.store()
    attestation.save(store, Proof(backup=first, by="drill", at=datetime.now(UTC), rows=52))
    copied = store.get(f"verifications/{first}.json")[0].decode().replace(first, forged)
    store.put(f"verifications/{forged}.json", copied.encode())
    assert again().expiring == ()
    attestation.save(store, Proof(backup=forged, by="drill", at=datetime.now(UTC), rows=52))
    signed = json.loads(store.get(object_keys.manifest(forged))[0])
    signed["manifest"]["server"] = "another"
    store.put(object_keys.manifest(forged), json.dumps(signed).encode())
    assert again().expiring == ()
    found = again(later=100)
    assert (found.expiring, found.kept, found.damaged) == ((), (first,), (forged,))


def test_a_backup_of_another_database_replaces_nothing(
    again: Any, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = old_backup(60)
    with server.database() as other, monkeypatch.context() as patched:
        patched.setenv("DATABASE_URL", other.url)
        load_sample(other)
        others = old_backup(50), prove(old_backup(40))
    found = again()
    assert (found.expiring, found.kept, found.to_verify) == ((others[0],), (first, others[1]), None)


@pytest.mark.usefixtures("loaded")
def test_a_try_that_died_expires_and_one_that_may_still_come_does_not(again: Any) -> None:
    store = verbs.store()
    dead, copied = new_id(datetime.now(UTC)), new_id(datetime.now(UTC) - timedelta(days=400))
    for backup_id in (dead, copied):
        for number in range(3):
            store.put(f"backups/{backup_id}/jobs/abcdef-00000-0000{number}.parquet", b"1")
    assert again().expiring == (), "what is copied here has an old id, and its manifest comes last"
    assert again(days=1, later=1.9).expiring == ()
    found = again(later=36)
    assert set(found.expiring) == set(found.unfinished) == {dead, copied}
    assert tagged(dead) == tagged(copied) == {True}
    assert again(later=36).unfinished == ()


@pytest.mark.usefixtures("loaded")
def test_of_a_backup_that_is_replicated_here_the_manifest_may_come_last(
    again: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Objects that S3 replicates are as old as in the bucket where they come from."""
    verbs.store().put(f"backups/{new_id(datetime.now(UTC))}/jobs/abcdef-00000-00000.parquet", b"1")
    monkeypatch.setattr(Store, "is_replica", lambda *_: True)
    assert again(later=400).expiring == ()


@pytest.fixture
def proxy(s3: Any, bucket: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Counted]:
    with before(s3.url) as counted:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", counted.url)
        yield counted


def tags_set(proxy: Counted) -> list[str]:
    return [request.path.partition("?")[0] for request in proxy.seen if request.method == "PUT"]


@pytest.mark.usefixtures("loaded")
def test_a_call_that_died_is_gone_on_with_and_the_manifest_is_tagged_last(
    proxy: Counted, again: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = old_backup(60)
    prove(old_backup(40))

    def refused(request: Request) -> Fate:
        at_last = request.method == "PUT" and "manifest.json" in request.path
        return Fate(passed=False, status=403) if at_last else PASSES

    monkeypatch.setattr(retention, "_AT_ONCE", 1)
    proxy.watch(refused)
    with pytest.raises(StoreUnavailable, match=r"manifest\.json"):
        again()
    assert tagged(first) == {True, False}
    proxy.watch(passes)
    assert again().expiring == (first,)
    assert [key.rpartition("/")[2] for key in tags_set(proxy)] == ["manifest.json"], "the others have it"
    assert tagged(first) == {True}


@pytest.mark.usefixtures("loaded")
def test_an_object_that_the_lifecycle_has_just_taken_stops_nothing(proxy: Counted, again: Any) -> None:
    """It may be at those that an earlier call tagged."""
    first, second = old_backup(60), old_backup(50)
    prove(old_backup(40))
    gone = (f"{first}/manifest.json?tagging", f"{second}/jobs/")

    def taken(request: Request) -> Fate:
        is_tagging = request.path.endswith("?tagging") and any(name in request.path for name in gone)
        return Fate(passed=False, status=404) if is_tagging else PASSES

    proxy.watch(taken)
    assert again().expiring == (second,)


def test_a_call_ends_in_time_and_says_that_there_is_more(again: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    first = old_backup(60)
    prove(old_backup(40))
    with monkeypatch.context() as patched:
        patched.setattr(retention, "_SECONDS", -1.0)
        found = again()
    assert (found.expiring, found.more) == ((), True)
    assert tagged(first) == {False}
    assert (again().expiring, again().more) == ((first,), False)


@in_ci
def test_of_thousands_of_old_backups_each_call_looks_at_some_in_turn(
    proxy: Counted, again: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "_LOOKED_AT", 2)
    old = [old_backup(60 - number) for number in range(5)]
    prove(old_backup(40))
    met = []
    for hour in range(3):
        proxy.watch(passes)
        found = again(later=hour / 24)
        met += found.expiring
        assert found.more
        read = {request.path.partition("?")[0] for request in proxy.seen if "manifest.json" in request.path}
        assert len(read) <= 2 + 1, "those in turn, and the newest that is proven"
    assert sorted(met) == old


def borrower(lender: str, days: float) -> str:
    """A signed backup of so many days ago that names the objects of another one."""
    store = verbs.store()
    found = manifest.read(store, lender, KEYS)
    when = datetime.now(UTC) - timedelta(days=days)
    made = found.model_copy(
        update={"id": new_id(when), "version": 3, "ledger": None, "started": when, "finished": when}
    )
    manifest.write(store, made, KEYS)
    return made.id


def test_a_backup_stays_as_long_as_a_later_one_that_is_there_names_its_objects(again: Any) -> None:
    first, second = old_backup(60), old_backup(50)
    later = borrower(first, 45)
    prove(old_backup(40))
    found = again()
    assert (found.expiring, first in found.kept) == ((second, later), True)
    assert tagged(first) == {False}
    verbs.remove(object_keys.manifest(later))
    assert again().expiring == (), "its manifest may be yet to come"
    assert again(later=3).expiring == (first,)
    assert tagged(first) == {True}


def test_a_backup_that_was_to_expire_and_whose_objects_are_named_since_is_kept_again(again: Any) -> None:
    first = old_backup(60)
    prove(old_backup(40))
    assert again().expiring == (first,)
    later = borrower(first, 1)
    assert first in again().kept
    assert tagged(first) == {False}
    verbs.store().put(object_keys.manifest(later), b"{}")
    assert first in again().kept, "what cannot be read may name it"


def test_a_mark_of_a_backup_that_names_nothing_of_it_keeps_none(again: Any) -> None:
    first, second = old_backup(60), old_backup(50)
    prove(old_backup(40))
    for other in (second, "mine", new_id(datetime.now(UTC) - timedelta(days=70))):
        verbs.store().put(object_keys.named_in(first) + other, b"")
    assert again().expiring == (first, second)


def test_an_object_keeps_its_other_tags(again: Any, s3_client: Any, bucket: str) -> None:
    first = old_backup(60, "jobs")
    prove(old_backup(40, "jobs"))
    [file] = [found.key for found in verbs.store().list(f"backups/{first}/jobs/")]
    tags = [{"Key": "scanned", "Value": "clean"}, {"Key": TAG, "Value": "another bucket, where it was copied from"}]
    s3_client.put_object_tagging(Bucket=bucket, Key=file, Tagging={"TagSet": tags})
    assert tagged(first) == {False}
    assert again().expiring == (first,)
    assert verbs.store().tags(file) == {"scanned": "clean", TAG: bucket}
    many = [{"Key": f"tag {number}", "Value": ""} for number in range(10)]
    s3_client.put_object_tagging(Bucket=bucket, Key=file, Tagging={"TagSet": many})
    verbs.store().tag(file, TAG, bucket)
    assert len(verbs.store().tags(file)) == 10


def test_backups_that_are_locked_are_tagged_too(
    database: Database, s3_client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They expire by a mark that they are deleted; their versions stay until the lock ends."""
    name = f"locking-{database.name[5:]}"
    s3_client.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    monkeypatch.setenv("BUCKET", name)
    monkeypatch.setenv("OBJECT_LOCK_DAYS", "5")
    load_sample(database)
    first = old_backup(60)
    prove(old_backup(40))
    assert retire(verbs.store(), KEYS, database.name, 35, datetime.now(UTC)).expiring == (first,)
    assert tagged(first) == {True}


def check() -> Json:
    found: Json = invoke(backup_handler, {"action": "check"})
    return found


@pytest.mark.usefixtures("loaded")
def test_the_check_proves_the_newest_backup_where_only_that_is_lacking_and_then_lets_the_old_ones_go(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, newest = old_backup(60), old_backup(1)
    assert check()["retention"] is None, "BACKUP_RETENTION_DAYS is not set"
    monkeypatch.setenv("BACKUP_RETENTION_DAYS", "35")
    found = check()
    assert (found["verified"], found["retention"]["kept"], found["retention"]["to_verify"]) == (None, [first], newest)
    assert tagged(first) == {False}
    found = check()
    assert (found["verified"], found["retention"]["expiring"]) == (newest, [first])
    assert tagged(first) == {True}
    assert tagged(newest) == {False}


@pytest.mark.usefixtures("loaded")
def test_a_newest_backup_that_is_damaged_is_verified_once_a_day_and_nothing_expires(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, newest = old_backup(60), old_backup(1)
    verbs.remove(next(found.key for found in verbs.store().list(f"backups/{newest}/jobs/")))
    monkeypatch.setenv("BACKUP_RETENTION_DAYS", "35")
    for _ in range(2):
        found = check()
        assert (found["verified"], found["retention"]["kept"], found["retention"]["expiring"]) == (None, [first], [])
        records = [one.key for one in verbs.store().list("jobs/2")]
        assert len(records) == 1


@pytest.mark.usefixtures("loaded")
def test_the_newest_backup_is_proven_by_a_job_of_its_own(monkeypatch: pytest.MonkeyPatch, bucket: str) -> None:
    old_backup(60)
    newest = old_backup(1)
    monkeypatch.setenv("BACKUP_RETENTION_DAYS", "35")
    monkeypatch.setenv("JOBS", "event")
    check()
    [order] = [found.key for found in verbs.store().list("jobs/verify/")]
    invoke(backup_handler, {"Records": [{"s3": {"object": {"key": order}}}]})
    assert check()["verified"] == newest
