"""The whole flow, and what a backup and a restore answer when something is in the way."""

import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING

import pytest

from local.demo import sample as demo_sample
from local.demo.expect import digests
from local.demo.sample import SOURCES, Connection
from tests.e2e.api import Api, Json, is_problem
from tests.e2e.test_load import upload
from tests.effort import in_ci, sample

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

EMPLOYEES = 1929


@pytest.fixture
def loaded(api: Api, parents: None) -> None:
    """The whole sample is in."""
    key = upload(api, (SOURCES / "hired_employees.csv").read_bytes(), f"{secrets.token_hex(4)}.csv")
    (status,) = api.load_of(key)
    assert status["inserted"] == EMPLOYEES


def state(mysql: Connection) -> tuple[int, int]:
    return demo_sample.rows_and_damaged(mysql)


@pytest.mark.usefixtures("loaded")
def test_from_the_first_row_to_the_accepted_restore(api: Api, mysql: Connection) -> None:
    before = leftovers(mysql)
    backup = api.end(api.send("backup"))
    assert (backup["state"], backup["format"], backup["rows"]) == ("done", "parquet", 12 + 183 + EMPLOYEES)
    assert api.send("backups").json()["backups"][0]["id"] == backup["id"]
    assert digests(api.send("describe-backup", path={"id": backup["id"]}).json()) == digests(backup)
    verification = api.end(api.send("verify", path={"id": backup["id"]}))
    assert verification["ok"]
    assert api.send("verification", path={"id": verification["id"]}).json()["ok"]

    demo_sample.damage(mysql)
    damaged = state(mysql)
    restore = api.end(api.send("restore"))
    assert (restore["backup"], restore["state"]) == (backup["id"], "done")
    assert [(table["name"], table["verified"], table["replaced"]) for table in restore["tables"]] == [
        ("hired_employees", True, True)
    ]
    assert state(mysql) == (EMPLOYEES, 0)
    assert digests(api.end(api.send("backup"))) == digests(backup)

    undone = api.send("undo", path={"id": restore["id"]})
    assert (undone.status_code, undone.json()["state"]) == (200, "undone")
    assert state(mysql) == damaged
    once_more = api.end(api.send("restore", body={"backup": backup["id"], "tables": ["hired_employees"]}))
    assert state(mysql) == (EMPLOYEES, 0)
    accepted = api.send("accept", path={"id": once_more["id"]})
    assert (accepted.status_code, accepted.json()["state"]) == (200, "accepted")
    assert state(mysql) == (EMPLOYEES, 0)
    kept = [name for _, name in leftovers(mysql) - before]
    assert kept == ["hired_employees"], "what the undone restore had brought is kept, too"
    assert api.send("accept", path={"id": restore["id"]}).json()["state"] == "undone"
    assert leftovers(mysql) == before

    states = {item["id"]: item["state"] for item in api.send("restores").json()["restores"]}
    assert (states[restore["id"]], states[once_more["id"]]) == ("undone", "accepted")
    assert api.send("describe-restore", path={"id": once_more["id"]}).json()["state"] == "accepted"
    for verb in ("undo", "accept"):
        is_problem(api.send(verb, path={"id": once_more["id"]}), 409)
    assert state(mysql) == (EMPLOYEES, 0)


def leftovers(mysql: Connection) -> set[tuple[str, str]]:
    """Schema and name of every table that a restore has kept; on a server that DATABASE_URL names others may have some."""
    with mysql.cursor() as cursor:
        cursor.execute(
            "SELECT table_schema, table_name FROM information_schema.tables WHERE table_schema LIKE 'tableferry\\_%'"
        )
        return set(cursor.fetchall())


@pytest.mark.usefixtures("loaded")
def test_who_does_not_wait_is_told_where_to_look(api: Api, mysql: Connection) -> None:
    asked = api.send("backup", headers={"prefer": "wait=0"})
    assert asked.status_code == 202, asked.text
    assert asked.headers["location"] == f"/backups/{asked.json()['id']}"
    assert asked.json()["state"] in {"queued", "running", "done"}
    backup = api.until_ended(asked.headers["location"])
    assert (backup["state"], backup["rows"]) == ("done", 12 + 183 + EMPLOYEES)

    verified = api.send("verify", path={"id": backup["id"]}, headers={"prefer": "wait=0"})
    assert verified.status_code == 202
    assert verified.headers["location"].startswith("/verifications/")
    assert api.until_ended(verified.headers["location"])["ok"]

    restored = api.send("restore", headers={"prefer": "wait=0"})
    assert restored.status_code == 202
    assert restored.headers["location"].startswith("/restores/")
    restore = api.until_ended(restored.headers["location"])
    assert restore["state"] == "done"
    assert api.send("accept", path={"id": restore["id"]}).status_code == 200
    assert state(mysql) == (EMPLOYEES, 0)


@in_ci  # tests/integration/columnar has them, without HTTP
@pytest.mark.usefixtures("loaded")
@pytest.mark.parametrize("kind", ["avro", "csv"])
def test_the_other_formats_come_back_the_same(api: Api, mysql: Connection, kind: str) -> None:
    backup = api.end(api.send("backup", body={"tables": ["hired_employees"], "format": kind}))
    assert backup["format"] == kind
    demo_sample.damage(mysql)
    restore = api.end(api.send("restore"))
    assert digests(restore) == digests(backup)
    assert state(mysql) == (EMPLOYEES, 0)
    assert api.send("accept", path={"id": restore["id"]}).status_code == 200


@pytest.mark.usefixtures("loaded")
def test_a_plan_changes_nothing_and_a_restore_beside_leaves_the_live_table_alone(api: Api, mysql: Connection) -> None:
    backup = api.end(api.send("backup"))
    demo_sample.damage(mysql)
    damaged = state(mysql)
    plan = api.end(api.send("restore-plan"))
    assert (plan["state"], plan["backup"]) == ("planned", backup["id"])
    assert {table["name"] for table in plan["tables"]} == {"departments", "jobs", "hired_employees"}
    copy = api.end(api.send("restore-into"))
    assert [(table["into"], table["rows"]) for table in copy["tables"]] == [("hired_employees_copy", EMPLOYEES)]
    assert state(mysql) == damaged
    with mysql.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM hired_employees_copy")
        assert cursor.fetchone() == (EMPLOYEES,)
    assert api.send("undo", path={"id": copy["id"]}).status_code == 200
    with mysql.cursor() as cursor:
        assert not cursor.execute("SHOW TABLES LIKE 'hired\\_employees\\_copy'")


@pytest.mark.usefixtures("loaded")
@pytest.mark.parametrize("harm", ["altered", "shortened", "missing"])
@sample(1)
def test_a_harmed_backup_is_refused_and_nothing_changes(
    api: Api, env: Mapping[str, str], store: "S3Client", mysql: Connection, harm: str
) -> None:
    backup = api.end(api.send("backup", body={"tables": ["hired_employees"]}))
    key = an_object_of(backup, store, env["BUCKET"])
    content = store.get_object(Bucket=env["BUCKET"], Key=key)["Body"].read()
    if harm == "missing":
        store.delete_object(Bucket=env["BUCKET"], Key=key)
    else:
        middle = len(content) // 2
        flipped = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
        store.put_object(Bucket=env["BUCKET"], Key=key, Body=flipped if harm == "altered" else content[:-1])
    demo_sample.damage(mysql)
    damaged, before = state(mysql), leftovers(mysql)
    assert "hired_employees" in is_problem(api.send("verify", path={"id": backup["id"]}), 409)["detail"]
    assert "hired_employees" in is_problem(api.send("restore"), 409)["detail"]
    assert state(mysql) == damaged
    assert leftovers(mysql) == before
    store.delete_object(Bucket=env["BUCKET"], Key=f"backups/{backup['id']}/manifest.json")


def an_object_of(backup: Json, store: "S3Client", bucket: str) -> str:
    listing = store.list_objects_v2(Bucket=bucket, Prefix=f"backups/{backup['id']}/hired_employees/")
    return listing["Contents"][0]["Key"]


@pytest.mark.usefixtures("loaded")
def test_what_is_not_there_is_not_found(api: Api) -> None:
    assert "departments" in is_problem(api.send("backup", body={"tables": ["nowhere"]}), 404)["detail"]
    for name in ("describe-backup", "verify", "verification", "describe-restore", "undo", "accept"):
        is_problem(api.send(name), 404)
    is_problem(api.send("restore", body={"backup": "20200101T000000Z-00000000"}), 404)
    backup = api.end(api.send("backup", body={"tables": ["jobs"]}))
    answer = api.send("restore", body={"backup": backup["id"], "tables": ["departments"]})
    assert "departments" in is_problem(answer, answer.status_code)["detail"]
    assert answer.status_code in {404, 409}
    is_problem(api.send("backup", body={"format": "xlsx"}), 400)
