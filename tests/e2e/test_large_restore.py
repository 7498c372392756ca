"""A restore over several functions, by the state machine of the template and the functions themselves."""

from collections.abc import Mapping

import boto3
import pytest

from local.demo.sample import Connection
from tests.e2e.api import Api

pytestmark = pytest.mark.usefixtures("parents")


def departments(mysql: Connection) -> list[str]:
    with mysql.cursor() as cursor:
        cursor.execute("SELECT department FROM departments ORDER BY id")
        return [str(name) for (name,) in cursor.fetchall()]


def test_several_functions_restore_tables_and_it_can_be_undone(
    api: Api, mysql: Connection, env: Mapping[str, str]
) -> None:
    made = api.end(api.send("backup", body={}))
    before = departments(mysql)
    with mysql.cursor() as cursor:
        cursor.execute("UPDATE departments SET department = 'spoilt'")
    spoilt = departments(mysql)
    wanted = {"backup": made["id"], "tables": ["departments", "jobs"], "workers": 3}
    done = api.end(api.send("restore", body=wanted), seconds=120)
    assert (done["state"], [table["verified"] for table in done["tables"]]) == ("done", [True, True])
    assert departments(mysql) == before
    restore_id = done["id"]
    session = boto3.session.Session(env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"], region_name="us-east-1")
    s3 = session.client("s3", endpoint_url=env["AWS_ENDPOINT_URL_S3"])
    left = s3.list_objects_v2(Bucket=env["BUCKET"], Prefix=f"work/{restore_id}/")["Contents"]
    assert "workers.json" in {found["Key"].rpartition("/")[2] for found in left}
    assert api.send("undo", path={"id": restore_id}).json()["state"] == "undone"
    assert departments(mysql) == spoilt
    assert api.send("accept", path={"id": restore_id}).json()["kept"] is None
