"""Presigned POSTs: one key, ten minutes, one type, a size; and no file's name that leads out of its table's folder.

The emulator holds a POST to its policy (key, type, size, time), and takes any signature: that nobody can write a policy
of his own is S3's to see to.
"""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from functions.load.app import handler as loads
from tableferry.config.load_options import chosen
from tableferry.errors import InvalidRequest
from tableferry.storage.bucket import open_store
from tests.effort import effort, either_server
from tests.integration.conftest import KEYS
from tests.support.lambdas import Json, counts, invoke, request
from tests.support.parts import Database
from tests.support.uploads import TEXTS, Uploads

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

pytestmark = either_server

FIVE_GB = 5 * 1024**3
LINES = b"4,Robots\n"


def asked(filename: str = "a.csv", table: str = "departments", **more: Any) -> Json:
    answer = request(loads, "POST", "/uploads", body={"table": table, "filename": filename, **more})
    assert answer.status == 201, answer.text
    return dict(answer.json)


def policy_of(target: Json) -> Json:
    return dict(json.loads(base64.b64decode(target["fields"]["policy"])))


def sent(target: Json, body: bytes = LINES, **fields: str) -> httpx.Response:
    """What S3 says to the form, with fields of one's own in place of its."""
    return httpx.post(target["url"], data={**target["fields"], **fields}, files={"file": ("a.csv", body)}, timeout=30)


def keys(client: "S3Client", bucket: str) -> list[str]:
    return [found["Key"] for found in client.list_objects_v2(Bucket=bucket).get("Contents", ())]


@pytest.mark.usefixtures("sample")
def test_the_policy_binds_bucket_key_type_size_and_ten_minutes(bucket: str, s3_client: "S3Client") -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    target = asked(content_type="text/x-csv")
    policy = policy_of(target)
    conditions: list[Any] = policy["conditions"]
    for bound in (
        {"bucket": bucket},
        {"key": "uploads/departments/a.csv"},
        {"Content-Type": "text/x-csv"},
        ["content-length-range", 1, FIVE_GB],
    ):
        assert bound in conditions
    assert not [one for one in conditions if isinstance(one, list) and one[0] != "content-length-range"]  # no prefixes
    ends = datetime.fromisoformat(policy["expiration"])
    assert timedelta(seconds=599) <= ends - before <= timedelta(seconds=615)
    assert target["expires_in"] == 600
    assert sent(target).status_code in (200, 201, 204)
    assert keys(s3_client, bucket) == ["uploads/departments/a.csv"]


@pytest.mark.usefixtures("sample")
@pytest.mark.parametrize(
    "fields",
    [
        {"key": "uploads/jobs/a.csv"},
        {"key": "uploads/departments/b.csv"},
        {"key": "backups/x/manifest.json"},
        {"key": "uploads/departments/b${filename}"},
        {"Content-Type": "text/html"},
    ],
)
def test_another_key_or_type_is_refused(bucket: str, s3_client: "S3Client", fields: dict[str, str]) -> None:
    answer = sent(asked(), LINES, **fields)
    assert answer.status_code in (400, 403), answer.text
    assert keys(s3_client, bucket) == []


OPTIONS: dict[str, Any] = {
    "on_duplicate": "update", "null": "\\N", "binary": "base64", "max_rejects": "5%", "delimiter": "\t",
}  # fmt: skip
METADATA = {"on-duplicate": "update", "null": "\\N", "binary": "base64", "max-rejects": "5%", "delimiter": "tab"}


@pytest.mark.usefixtures("sample")
def test_what_the_request_says_of_the_load_becomes_the_objects_metadata(bucket: str, s3_client: "S3Client") -> None:
    target = asked(**OPTIONS)
    conditions = policy_of(target)["conditions"]
    for name, text in METADATA.items():
        assert target["fields"][f"x-amz-meta-{name}"] == text
        assert {f"x-amz-meta-{name}": text} in conditions
    assert sent(target).status_code in (200, 201, 204)
    head = s3_client.head_object(Bucket=bucket, Key=target["key"])
    assert head["Metadata"] == METADATA
    assert chosen(metadata=head["Metadata"]) == chosen(given=OPTIONS)


@pytest.mark.usefixtures("sample")
@pytest.mark.parametrize(
    ("said", "left_out", "more"),
    [
        (OPTIONS, "x-amz-meta-max-rejects", {}),
        (OPTIONS, "x-amz-meta-on-duplicate", {"x-amz-meta-on-duplicate": "ignore"}),
        ({"max_rejects": 0}, None, {"x-amz-meta-max-rejects": "100%"}),
        ({}, None, {"x-amz-meta-on-duplicate": "update"}),
    ],
)
def test_whoever_uploads_can_neither_leave_out_nor_alter_what_was_said(
    bucket: str, s3_client: "S3Client", said: dict[str, Any], left_out: str | None, more: dict[str, str]
) -> None:
    target = asked(**said)
    if left_out:
        del target["fields"][left_out]
    answer = sent(target, LINES, **more)
    assert answer.status_code in (400, 403), answer.text
    assert keys(s3_client, bucket) == []


@pytest.mark.usefixtures("sample", "bucket")
@pytest.mark.parametrize(
    ("name", "value"),
    [("on_duplicate", "merge"), ("null", "a,b"), ("binary", "octal"), ("max_rejects", "-1"), ("max_rejects", "101%"),
     ("max_rejects", True), ("delimiter", ":"), ("delimeter", ",")],
)  # fmt: skip
def test_an_option_that_is_none_is_refused_by_name(name: str, value: object) -> None:
    answer = request(loads, "POST", "/uploads", body={"table": "departments", "filename": "a.csv", name: value})
    assert name in answer.problem(400)["detail"]


@pytest.mark.usefixtures("sample")
def test_a_file_without_a_byte_or_beyond_the_bound_is_refused(bucket: str, s3_client: "S3Client") -> None:
    assert sent(asked(), b"").status_code in (400, 403)
    # What a POST is bound to, with a bound that a test can pass.
    small = {**open_store(bucket, KEYS).presigned_post("uploads/departments/a.csv", "text/csv", len(LINES), 600)}
    assert sent(small, LINES + b"x").status_code in (400, 403)
    assert keys(s3_client, bucket) == []
    assert sent(small).status_code in (200, 201, 204)


def test_after_its_time_it_is_refused(bucket: str, s3_client: "S3Client") -> None:
    late = open_store(bucket, KEYS).presigned_post("uploads/departments/a.csv", "text/csv", 100, -1)
    answer = sent(late)
    assert answer.status_code in (400, 403), answer.text
    assert keys(s3_client, bucket) == []


signs = [
    "..",
    ".",
    "/",
    "\\",
    "%2e",
    "%2F",
    "%00",
    "\0",
    "\n",
    "\x7f",
    "\x85",
    "é",
    "😀",
    "a",
    " ",
    "?",
    "#",
    "${filename}",
]
odd = st.lists(st.sampled_from(signs), max_size=6).map("".join)


@pytest.mark.usefixtures("sample")
@settings(max_examples=effort(20, 60), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=odd)
def test_no_files_name_leads_out_of_its_tables_folder(bucket: str, name: str) -> None:
    answer = request(loads, "POST", "/uploads", body={"table": "departments", "filename": f"{name}.csv"})
    assert answer.status in (201, 400), answer.text
    if answer.status == 201:
        key = answer.json["key"]
        folder, _, filename = key.rpartition("/")
        assert folder == "uploads/departments"
        assert filename == f"{name}.csv"
        assert not set(filename) & {"/", "\0", "\n", "\x7f", "\x85"}
        assert {"key": key} in policy_of(answer.json)["conditions"]


@pytest.mark.parametrize("name", ["a/b", "..", "%2e%2e", "../jobs", "x\\..\\y", "é"])
def test_a_tables_name_is_one_segment_of_the_key(database: Database, bucket: str, name: str) -> None:
    database.run(f"CREATE TABLE `{name}` (id INT)")
    key = asked(table=name)["key"]
    assert key.count("/") == 2
    assert key.startswith("uploads/")
    assert ".." not in key.split("/")


def test_a_load_does_as_the_invocation_says_or_else_the_object_or_else_the_tables_setting(
    database: Database, uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.run(TEXTS, "INSERT INTO t VALUES (1, 'a')")
    monkeypatch.setenv("TABLE_SETTINGS", '{"t": {"on_duplicate": "update"}, "*": {"on_duplicate": "ignore"}}')
    assert counts(uploads.load(b"1,b\n", name="1.csv")) == (1, 0, 1, 0, 0)
    assert counts(uploads.load(b"1,c\n", name="2.csv", Metadata={"on-duplicate": "reject"})) == (1, 0, 0, 1, 0)
    uploads.put(b"1,d\n", name="3.csv", Metadata={"on-duplicate": "reject"})
    asked_for = {"action": "load", "key": "uploads/t/3.csv", "on_duplicate": "ignore"}
    assert counts(invoke(loads, asked_for)) == (1, 0, 0, 0, 1)
    assert database.rows("SELECT name FROM t") == [("b",)]
    with pytest.raises(InvalidRequest, match="delimiter"):
        invoke(loads, {"action": "load", "key": "uploads/t/3.csv", "delimiter": ":"})
