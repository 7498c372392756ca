"""Backups in another bucket, as S3 replicates them or a tool copies them: restorable with the same key, and only those."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from functions.backup.app import handler as backup_handler
from functions.insert.app import handler as insert_handler
from tableferry.ledger import facts, ledger
from tableferry.manifest import retention
from tests.effort import either_server, sample
from tests.support import verbs
from tests.support.lambdas import Json, invoke, request
from tests.support.parts import Database
from tests.support.stack import Stack
from tests.support.verbs import SAMPLE, backup, get, load_sample, numbers, old_backup, post, restore, run, table

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

pytestmark = either_server

Arrive = Callable[[], None]
"""Has all that was backed up until now arrive in the second bucket."""


@pytest.fixture
def second(s3_client: "S3Client", bucket: str) -> str:
    """Another bucket, as the stack of the second region makes it."""
    name = f"{bucket}-second"
    s3_client.create_bucket(Bucket=name)
    s3_client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return name


@pytest.fixture(params=["replicated", "copied"])
def arrive(
    request: pytest.FixtureRequest, s3_client: "S3Client", bucket: str, second: str, synthesised: Json
) -> Arrive:
    """By the template's own rule of replication, or object by object, tags and all."""

    def listed(name: str) -> set[str]:
        return {one["Key"] for one in s3_client.list_objects_v2(Bucket=name).get("Contents", ())}

    def wanted() -> set[str]:
        return {key for key in listed(bucket) if key.startswith("backups/")}

    def copied() -> None:
        for key in wanted():
            s3_client.copy_object(Bucket=second, Key=key, CopySource={"Bucket": bucket, "Key": key})

    def replicated() -> None:
        until = time.monotonic() + 20
        while listed(second) != wanted() and time.monotonic() < until:
            time.sleep(0.1)
        assert listed(second) == wanted(), "backups, and nothing else"

    if request.param == "copied":
        return copied
    given = {"DatabaseHost": "h", "DatabaseName": "d", "DatabaseResourceId": "db-1"}
    stack = Stack(synthesised, **given, BucketName=bucket, ReplicaRegion="eu-west-1", ReplicaBucketName=second)
    [rule] = stack.resources["Bucket"]["Properties"]["ReplicationConfiguration"]["Rules"]
    rule = {"ID": rule.pop("Id"), **rule, "Destination": {"Bucket": f"arn:aws:s3:::{second}"}}
    configuration: Any = {"Role": "arn:aws:iam::000000000000:role/replication", "Rules": [rule]}
    s3_client.put_bucket_replication(Bucket=bucket, ReplicationConfiguration=configuration)
    return replicated


@pytest.fixture
def move(second: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """To the second region: its bucket, and a database there that is empty and named as the first."""

    def moved(database: Database) -> None:
        monkeypatch.setenv("BUCKET", second)
        for name in ("hired_employees", "jobs", "departments"):
            run(database, f"DROP TABLE {name}")
        run(database, *(f"DROP TABLE IF EXISTS {name}" for name in (ledger.TABLE, facts.TABLE)))

    return moved


@sample(1)
def test_a_backup_is_restored_from_the_second_bucket_with_all_that_it_knows(
    database: Database, arrive: Arrive, move: Any
) -> None:
    load_sample(database)
    run(database, "CREATE TRIGGER careful BEFORE INSERT ON jobs FOR EACH ROW SET NEW.job = UPPER(NEW.job)")
    made = backup()
    before = {name: table(database, name) for name in SAMPLE}
    arrive()
    move(database)
    assert get("/backups").json["backups"][0]["id"] == get("/backups/latest").json["id"] == made["id"]
    assert post(f"/backups/{made['id']}/verify").status == 201
    done = restore()
    assert (done["backup"], done["state"]) == (made["id"], "done")
    assert {name: table(database, name) for name in SAMPLE} == before
    assert post(f"/restores/{done['id']}/accept").status == 200


def test_an_object_that_did_not_arrive_is_named_before_anything_is_touched(
    database: Database, s3_client: "S3Client", second: str, arrive: Arrive, move: Any
) -> None:
    load_sample(database)
    first, made = backup("departments"), backup()
    arrive()
    move(database)
    lost = verbs.objects(made, "jobs")[0]["key"]
    s3_client.delete_object(Bucket=second, Key=lost)
    assert lost in post("/restores", {"backup": made["id"]}).problem(409)["detail"]
    s3_client.delete_object(Bucket=second, Key=f"backups/{made['id']}/manifest.json")
    assert get("/backups/latest").json["id"] == first["id"], "the newest that arrived whole"


def test_another_key_than_that_of_the_first_region_restores_nothing(
    database: Database, arrive: Arrive, move: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_sample(database)
    made = backup()
    arrive()
    move(database)
    monkeypatch.setenv("SIGNING_KEY", "the key that the second stack made, since it was given none")
    assert "does not have" in post("/restores", {"backup": made["id"]}).problem(409)["detail"]


def test_what_expires_in_the_first_bucket_does_not_expire_in_the_second_before_it_is_replaced_there(
    database: Database, s3_client: "S3Client", bucket: str, second: str, arrive: Arrive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second may not have the newer backup, and nobody has proven that it comes back from there."""
    monkeypatch.setenv("BACKUP_RETENTION_DAYS", "35")
    load_sample(database)
    old, newest = old_backup(60), old_backup(1)
    arrive()
    assert post(f"/backups/{newest}/verify").status == 201
    assert check()["expiring"] == [old]
    arrive()
    monkeypatch.setenv("BUCKET", second)
    tags = [verbs.store().tags(found.key) for found in verbs.store().list(f"backups/{old}/")]
    assert second not in [found.get(retention.TAG) for found in tags]
    for found in verbs.store().list(f"backups/{newest}/"):
        s3_client.delete_object(Bucket=second, Key=found.key)
    for one in s3_client.list_objects_v2(Bucket=bucket, Prefix="verifications/")["Contents"]:
        s3_client.copy_object(Bucket=second, Key=one["Key"], CopySource={"Bucket": bucket, "Key": one["Key"]})
    assert (check()["kept"], check()["expiring"]) == ([old], [])


def test_the_second_bucket_proves_and_expires_by_itself(
    database: Database, second: str, arrive: Arrive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Verification needs no database, so the second stack need not have one."""
    monkeypatch.setenv("BACKUP_RETENTION_DAYS", "35")
    load_sample(database)
    old, newest = old_backup(60), old_backup(1)
    arrive()
    monkeypatch.setenv("BUCKET", second)
    monkeypatch.setenv("DATABASE_URL", f"mysql://nobody:nothing@127.0.0.1:1/{database.name}")
    assert check()["to_verify"] == newest
    assert check()["expiring"] == [old]


def check() -> Json:
    found: Json = invoke(backup_handler, {"action": "check"})["retention"]
    return found


def test_a_request_that_was_answered_before_the_backup_changes_nothing_in_the_second_region(
    database: Database, arrive: Arrive, move: Any
) -> None:
    """The ledger's entries of the tables lie in the backup, and come back with them."""

    def send() -> Any:
        headers = {"Idempotency-Key": "one"}
        return request(insert_handler, "POST", "/tables/jobs/rows", body=[[100, "Baker"]], headers=headers)

    load_sample(database)
    first = send()
    assert first.status == 201
    backup()
    arrive()
    move(database)
    restore()
    again = send()
    assert (again.status, again.json) == (201, first.json)
    assert numbers(database, "jobs") == [*range(1, 8), 100]
