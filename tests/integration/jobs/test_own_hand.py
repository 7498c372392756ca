"""A conditional put whose answer is lost is sent again by boto3, and may meet the object that it has written itself."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from tableferry.errors import PreconditionFailed
from tableferry.jobs import admission, jobs
from tableferry.jobs.jobs import Kind
from tableferry.storage import signed_object
from tableferry.storage.bucket import Store, open_store
from tests.effort import either_server
from tests.integration.conftest import KEYS
from tests.support.counted_s3 import PASSES, UNANSWERED, Counted, Fate, Request, before, passes
from tests.support.parts import Database
from tests.support.verbs import backup, load_sample, post

pytestmark = either_server

CONFLICT = Fate(passed=False, status=409)


@pytest.fixture
def proxy(s3: Any, bucket: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Counted]:
    """All goes through it, to a bucket with versions."""
    with before(s3.url) as counted:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", counted.url)
        yield counted


@pytest.fixture
def store(proxy: Counted, bucket: str) -> Store:
    return open_store(bucket, KEYS)


def the_first_put(what: str, fate: Fate = UNANSWERED, times: int = 1) -> Callable[[Request], Fate]:
    """The first puts of a key that holds this text; S3 does them, and nobody hears of it, unless another fate is given."""
    met: list[Request] = []

    def choose(request: Request) -> Fate:
        if request.method == "PUT" and what in request.path and len(met) < times:
            met.append(request)
            return fate
        return PASSES

    return choose


def versions(client: Any, bucket: str, key: str) -> int:
    return len(client.list_object_versions(Bucket=bucket, Prefix=key).get("Versions", ()))


def test_an_object_that_must_not_be_there_is_known_as_ones_own(
    store: Store, proxy: Counted, bucket: str, s3_client: Any
) -> None:
    proxy.watch(the_first_put("a.json"))
    etag = store.put_new("a.json", b"{}")
    assert [request.method for request in proxy.seen] == ["PUT", "PUT", "HEAD"]
    assert versions(s3_client, bucket, "a.json") == 1
    proxy.watch(passes)
    assert store.get("a.json") == (b"{}", etag)
    with pytest.raises(PreconditionFailed):
        store.put_new("a.json", b"{}")  # the same bytes, by another hand


def test_an_object_that_is_replaced_is_known_as_ones_own(
    store: Store, proxy: Counted, bucket: str, s3_client: Any
) -> None:
    first = store.put_new("a.json", b"1")
    proxy.watch(the_first_put("a.json"))
    second = store.replace("a.json", b"2", first)
    assert versions(s3_client, bucket, "a.json") == 2
    proxy.watch(passes)
    assert store.replace("a.json", b"3", second) != second
    with pytest.raises(PreconditionFailed):
        store.replace("a.json", b"3", second)


def test_what_somebody_else_wrote_meanwhile_is_not_taken_for_ones_own(
    store: Store, proxy: Counted, s3_client: Any
) -> None:
    answers = iter([UNANSWERED])

    def choose(request: Request) -> Fate:
        fate = next(answers, PASSES) if request.method == "PUT" else PASSES
        if request.method == "PUT" and fate is PASSES:
            s3_client.put_object(Bucket=store.bucket, Key="a.json", Body=b"{}")
        return fate

    proxy.watch(choose)
    with pytest.raises(PreconditionFailed):
        store.put_new("a.json", b"{}")


def test_a_put_that_meets_another_in_the_middle_is_made_again(store: Store, proxy: Counted) -> None:
    """S3 answers 409 while a put of the same key is under way, which may be the one whose answer was lost."""
    proxy.watch(the_first_put("a.json", CONFLICT, times=2))
    etag = store.put_new("a.json", b"{}")
    assert store.get("a.json") == (b"{}", etag)


def test_an_order_to_begin_a_job_a_slot_and_a_key_are_ones_own(store: Store, proxy: Counted) -> None:
    for what in ("jobs/2", "jobs/slots/", "jobs/keys/", "jobs/backup/"):
        proxy.watch(the_first_put(what))
        job, new = admission.admitted(store, Kind.BACKUP, {}, f"key of {what}", trigger=True)
        assert new, what
        assert jobs.find(store, job.id, Kind.BACKUP).state == "queued"
        assert admission.admitted(store, Kind.BACKUP, {}, f"key of {what}", trigger=True) == (job, False)


@pytest.mark.parametrize("what", ["manifest.json", "jobs/2"])
def test_a_backup_whose_answers_are_lost_is_done(
    database: Database, proxy: Counted, bucket: str, s3_client: Any, what: str
) -> None:
    load_sample(database)
    proxy.watch(the_first_put(what))
    made = backup("jobs")
    assert post(f"/backups/{made['id']}/verify").status == 201
    assert versions(s3_client, bucket, f"backups/{made['id']}/manifest.json") == 1


def test_a_job_goes_on_when_no_try_to_renew_its_lease_had_an_answer(
    store: Store, proxy: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of the tries reached S3, so the record is another one than the lease knows of: by its own hand."""
    monkeypatch.setattr(jobs, "_RENEWED_EVERY_SECONDS", 0.05)
    job = jobs.create(store, Kind.BACKUP, {}, trigger=False)
    lost: list[Request] = []

    def choose(request: Request) -> Fate:
        if request.method == "PUT" and len(lost) < 3:
            lost.append(request)
            return UNANSWERED
        return PASSES

    def work(*_: Any) -> dict[str, Any]:
        proxy.watch(choose)
        until = time.monotonic() + 30
        while len([one for one in proxy.seen if one.method == "PUT"]) < 5 and time.monotonic() < until:
            time.sleep(0.05)
        return {"all": "well"}

    assert jobs.run(store, Kind.BACKUP, job.id, {}, work, lambda error: {"detail": str(error)}) is None
    assert len(lost) == 3
    found = jobs.find(store, job.id, Kind.BACKUP)
    assert (found.state, found.result) == ("done", {"all": "well"})


def test_a_job_that_was_taken_over_is_not_ones_own(store: Store, proxy: Counted) -> None:
    job = jobs.create(store, Kind.BACKUP, {}, trigger=False)

    def work(*_: Any) -> dict[str, Any]:
        key = f"jobs/{job.id}.json"
        old = signed_object.get(store, key)
        taken = old.content | {"holder": "another", "lease": datetime.now(UTC).isoformat()}
        signed_object.replace(store, key, taken, old.etag)
        return {}

    with pytest.raises(PreconditionFailed):
        jobs.run(store, Kind.BACKUP, job.id, {}, work, lambda error: {"detail": str(error)})
