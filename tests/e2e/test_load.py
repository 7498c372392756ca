"""Files: a presigned POST, the trigger, the load, its status and its rejects."""

import gzip
import secrets
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

import httpx
import pytest

from local.demo.client import read_lines
from local.demo.sample import SOURCES, Connection
from tests.e2e.api import Api, is_problem

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

EMPLOYEES = SOURCES / "hired_employees.csv"


def upload(api: Api, content: bytes, filename: str) -> str:
    """Send a file as a browser would; its key."""
    answer = api.send("upload", body={"table": "hired_employees", "filename": filename})
    assert answer.status_code == 201, answer.text
    grant = answer.json()
    assert grant["expires_in"] > 0
    sent = httpx.post(grant["url"], data=grant["fields"], files={"file": (filename, content)})
    assert sent.is_success, sent.text
    return str(grant["key"])


@pytest.mark.usefixtures("parents")
def test_an_uploaded_file_is_loaded_and_every_row_is_accounted_for(
    api: Api, env: Mapping[str, str], store: "S3Client", mysql: Connection
) -> None:
    key = upload(api, EMPLOYEES.read_bytes(), f"{secrets.token_hex(4)}.csv")
    assert key.startswith("uploads/hired_employees/")
    (status,) = api.load_of(key)
    counts = {
        name: status[name] for name in ("state", "table", "read", "inserted", "updated", "rejected", "duplicates")
    }
    assert counts == {
        "state": "done", "table": "hired_employees", "read": 1999, "inserted": 1929, "updated": 0, "rejected": 70,
        "duplicates": 0,
    }  # fmt: skip
    assert api.send("load", path={"id": status["id"]}).json() == status
    with mysql.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM hired_employees")
        assert cursor.fetchone() == (1929,)
    lines = EMPLOYEES.read_text(encoding="utf-8").splitlines()
    found = read_lines(store, env["BUCKET"], status["rejects"])
    assert all(reject["text"].rstrip("\r\n") == lines[reject["line"] - 1] for reject in found)
    assert Counter((error["column"], error["code"]) for reject in found for error in reject["errors"]) == {
        ("name", "missing"): 18, ("datetime", "missing"): 18, ("department_id", "missing"): 17, ("job_id", "missing"): 17,
    }  # fmt: skip


@pytest.mark.usefixtures("parents")
def test_a_compressed_file_with_a_header_is_loaded_too_and_sent_again_it_adds_nothing(
    api: Api, env: Mapping[str, str], store: "S3Client", mysql: Connection
) -> None:
    header = b"id,name,datetime,department_id,job_id\n"
    content = gzip.compress(header + b"".join(EMPLOYEES.read_bytes().splitlines(keepends=True)[:100]))
    key = f"uploads/hired_employees/{secrets.token_hex(4)}.csv.gz"
    store.put_object(Bucket=env["BUCKET"], Key=key, Body=content)
    (status,) = api.load_of(key)
    assert status["read"] == 100
    store.put_object(Bucket=env["BUCKET"], Key=key, Body=content)
    again = api.load_of(key, count=2)[0]
    assert (again["read"], again["inserted"], again["rejected"] + again["duplicates"]) == (100, 0, 100)
    with mysql.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM hired_employees")
        assert cursor.fetchone() == (status["inserted"],)


def test_a_file_for_no_table_gets_a_status_that_failed_and_says_why(
    api: Api, env: Mapping[str, str], store: "S3Client"
) -> None:
    key = f"uploads/nowhere/{secrets.token_hex(4)}.csv"
    store.put_object(Bucket=env["BUCKET"], Key=key, Body=b"1,2\n")
    status = api.load_of(key)[0]
    assert status["state"] == "failed"
    assert "nowhere" in status["error"]["detail"]


@pytest.mark.usefixtures("mysql")
def test_an_upload_for_an_unknown_table_and_an_unknown_load_are_not_found(api: Api) -> None:
    is_problem(api.send("upload", body={"table": "nowhere", "filename": "x.csv"}), 404)
    is_problem(api.send("load"), 404)
