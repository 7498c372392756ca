"""The whole way over HTTP, by `sam local start-api`: rows, a file, a backup, damage, restore, undo, accept."""

import base64
import hashlib
import secrets
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from local.demo import sample
from local.demo.client import read_lines
from local.demo.expect import digests
from local.demo.sample import COLUMNS, SOURCES, Connection, Sample
from local.sam import engine
from local.sam.cli import FunctionFailed, Sam
from local.sam.stack import Stack
from tests.e2e.api import Api, Json, is_problem

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

EMPLOYEES = SOURCES / "hired_employees.csv"
READ, GOOD = 1999, 1929
COUNTS = ("read", "inserted", "updated", "rejected", "duplicates")


@pytest.fixture
def parents(api: Api, mysql: Connection) -> None:
    """All departments go in as JSON, all jobs as CSV."""
    departments = [dict(zip(COLUMNS["departments"], row, strict=True)) for row in Sample.read().rows["departments"]]
    answer = api.send("insert-json", body=departments)
    assert (answer.status_code, answer.json()["inserted"]) == (201, 12)
    csv = {"Content-Type": "text/csv"}  # as curl writes it, and as SAM passes it on
    answer = api.http.post("/tables/jobs/rows", content=(SOURCES / "jobs.csv").read_bytes(), headers=csv)
    assert answer.status_code == 201, answer.text
    assert tuple(answer.json()[name] for name in COUNTS) == (183, 183, 0, 0, 0)


def put_and_load(sam: Sam, store: "S3Client", env: Mapping[str, str]) -> Json:
    """Upload the sample's employees under a new name and be S3's event for it; the load status."""
    key = f"uploads/hired_employees/{secrets.token_hex(4)} ü+.csv"
    store.put_object(Bucket=env["BUCKET"], Key=key, Body=EMPLOYEES.read_bytes())
    (status,) = sam.invoke("LoadFunction", sam.s3_put(env["BUCKET"], key))
    assert status["key"] == key
    return dict(status)


def test_rows_go_in_and_each_other_one_is_named(api: Api, mysql: Connection, parents: None) -> None:
    mixed = [{"id": 13, "department": "Robotics"}, {"id": 14}, [1, "Sales"]]
    answer = api.send("insert-json", body=mixed)
    assert answer.status_code == 207
    assert tuple(answer.json()[name] for name in COUNTS) == (3, 1, 0, 2, 0)
    assert [(error["row"], error["column"], error["code"]) for error in answer.json()["errors"]] == [
        (2, "department", "missing"),
        (3, "id", "duplicate_key"),
    ]
    answer = api.send("insert-csv")
    assert (answer.status_code, [error["column"] for error in answer.json()["errors"]]) == (207, ["name"])
    assert sample.rows_and_damaged(mysql) == (2, 0)
    answer = api.send("insert-json", body=mixed[1:])
    assert (answer.status_code, answer.json()["rejected"]) == (422, 2)
    is_problem(api.send("insert-json", headers={"content-type": "application/xml"}), 415)
    with mysql.cursor() as cursor:
        cursor.execute("SELECT COUNT(*), MAX(department) FROM departments WHERE id > 12")
        assert cursor.fetchone() == (1, "Robotics")


@pytest.mark.usefixtures("parents")
def test_a_file_is_loaded_by_the_event_that_sam_generates_and_once_only(
    api: Api, sam: Sam, store: "S3Client", env: Mapping[str, str], mysql: Connection
) -> None:
    status = put_and_load(sam, store, env)
    assert tuple(status[name] for name in COUNTS) == (READ, GOOD, 0, READ - GOOD, 0)
    rejects = read_lines(store, env["BUCKET"], status["rejects"])
    assert Counter(error["column"] for reject in rejects for error in reject["errors"]) == {
        "name": 18, "datetime": 18, "department_id": 17, "job_id": 17,
    }  # fmt: skip
    assert api.send("loads", query={"key": status["key"]}).json()["loads"] == [status]
    again = sam.invoke("LoadFunction", sam.s3_put(env["BUCKET"], status["key"]))
    assert again == [status]
    assert sample.rows_and_damaged(mysql) == (GOOD, 0)


@pytest.mark.usefixtures("parents")
def test_a_presigned_post_is_taken_by_s3_in_its_container(api: Api, store: "S3Client", env: Mapping[str, str]) -> None:
    grant = api.send("upload", body={"table": "hired_employees", "filename": f"{secrets.token_hex(4)}.csv"}).json()
    assert grant["url"] == f"http://s3:4566/{env['BUCKET']}", "the name by which containers know it"
    url = grant["url"].replace("http://s3:4566", env["S3_URL"])
    sent = httpx.post(url, data=grant["fields"], files={"file": ("x.csv", b"1,2\n")})
    assert sent.is_success, sent.text
    assert store.get_object(Bucket=env["BUCKET"], Key=grant["key"])["Body"].read() == b"1,2\n"
    forged = {**grant["fields"], "key": "uploads/jobs/x.csv"}
    assert httpx.post(url, data=forged, files={"file": ("x.csv", b"1,2\n")}).status_code == 403


@pytest.mark.usefixtures("parents")
def test_what_was_damaged_comes_back_and_the_restore_can_be_undone_and_accepted(
    api: Api, sam: Sam, store: "S3Client", env: Mapping[str, str], mysql: Connection
) -> None:
    assert put_and_load(sam, store, env)["inserted"] == GOOD
    backup = api.end(api.send("backup"))
    assert (backup["state"], backup["consistency"], backup["rows"]) == ("done", "snapshot", 12 + 183 + GOOD)
    verification = api.end(api.send("verify", path={"id": backup["id"]}))
    assert (verification["ok"], digests(verification)) == (True, digests(backup))

    sample.damage(mysql)
    damaged = sample.rows_and_damaged(mysql)
    assert damaged != (GOOD, 0)
    digests_then = digests(api.end(api.send("backup")))
    assert digests_then != digests(backup)
    restore = api.end(api.send("restore", body={"backup": backup["id"]}))
    assert {table["name"]: table["verified"] for table in restore["tables"]} == dict.fromkeys(COLUMNS, True)
    assert sample.rows_and_damaged(mysql) == (GOOD, 0)
    assert digests(restore) == digests(api.end(api.send("backup"))) == digests(backup)

    assert api.send("undo", path={"id": restore["id"]}).json()["state"] == "undone"
    assert sample.rows_and_damaged(mysql) == damaged
    assert digests(api.end(api.send("backup"))) == digests_then
    second = api.end(api.send("restore", body={"backup": backup["id"]}))
    for one, state in ((second, "accepted"), (restore, "undone")):
        ended = api.send("accept", path={"id": one["id"]}).json()
        assert (ended["state"], ended["kept"]) == (state, None)
    assert digests(api.end(api.send("backup"))) == digests(backup)
    is_problem(api.send("undo", path={"id": second["id"]}), 409)
    with mysql.cursor() as cursor:
        assert cursor.execute("SHOW DATABASES LIKE 'tableferry\\_%'") == 0, "nothing is kept any more"


def test_a_backup_altered_in_the_s3_container_is_refused_and_changes_nothing(
    api: Api, store: "S3Client", env: Mapping[str, str], mysql: Connection, parents: None
) -> None:
    backup = api.end(api.send("backup", body={"tables": ["departments", "jobs"]}))
    (key, *_) = [
        item["Key"]
        for item in store.list_objects_v2(Bucket=env["BUCKET"], Prefix=f"backups/{backup['id']}/jobs/")["Contents"]
    ]
    content = bytearray(store.get_object(Bucket=env["BUCKET"], Key=key)["Body"].read())
    content[len(content) // 2] ^= 1
    store.put_object(Bucket=env["BUCKET"], Key=key, Body=bytes(content))
    is_problem(api.send("verify", path={"id": backup["id"]}), 409)
    is_problem(api.send("restore", body={"backup": backup["id"]}), 409)
    with mysql.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM jobs")
        assert cursor.fetchone() == (183,)


def test_s3_in_its_container_keeps_versions_and_refuses_to_overwrite_and_what_has_another_checksum(
    store: "S3Client", env: Mapping[str, str]
) -> None:
    place: dict[str, Any] = {"Bucket": env["BUCKET"], "Key": f"tests/{secrets.token_hex(4)}"}
    checksum = base64.b64encode(hashlib.sha256(b"one").digest()).decode()
    first = store.put_object(**place, Body=b"one", IfNoneMatch="*", ChecksumSHA256=checksum)
    with pytest.raises(store.exceptions.ClientError, match="PreconditionFailed"):
        store.put_object(**place, Body=b"two", IfNoneMatch="*")
    with pytest.raises(store.exceptions.ClientError, match="BadDigest"):
        store.put_object(**place, Body=b"two", ChecksumSHA256=checksum)
    assert store.get_object(**place)["Body"].read() == b"one"
    store.put_object(**place, Body=b"two")
    assert store.get_object(**place)["Body"].read() == b"two"
    assert store.get_object(**place, VersionId=first["VersionId"])["Body"].read() == b"one"


def test_a_function_that_fails_is_told_apart_from_one_that_answers(sam: Sam) -> None:
    with pytest.raises(FunctionFailed, match=r"ObjectNotFound: The bucket has no object 'uploads/jobs/none\.csv'"):
        sam.invoke("LoadFunction", {"action": "load", "key": "uploads/jobs/none.csv"})


def test_a_second_up_finds_it_running(stack: Stack, env: Mapping[str, str]) -> None:
    before = engine.left_of(stack.project)
    assert stack.up() == env
    assert engine.left_of(stack.project) == before
