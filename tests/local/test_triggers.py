"""An object that is created reaches its function: once, asynchronously, and again when the function fails."""

import json
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import boto3
import pytest

from tests.support import Runtime, until

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@pytest.fixture
def client(stubs: Runtime) -> "S3Client":
    return boto3.client(
        "s3",
        endpoint_url=stubs.env["S3_URL"],
        aws_access_key_id=stubs.env["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=stubs.env["AWS_SECRET_ACCESS_KEY"],
        region_name=stubs.env["AWS_DEFAULT_REGION"],
    )


@pytest.fixture
def seen(client: "S3Client", stubs: Runtime) -> Callable[[str], list[str]]:
    """The records of the function's invocations for a key."""

    def look(key: str) -> list[str]:
        found = client.list_objects_v2(Bucket=stubs.env["BUCKET"], Prefix=f"seen/{key}/")
        return [one["Key"] for one in found.get("Contents", [])]

    return look


def test_an_object_reaches_its_function_once_and_as_aws_says_it(
    client: "S3Client", stubs: Runtime, seen: Callable[[str], list[str]]
) -> None:
    bucket, key = stubs.env["BUCKET"], "uploads/a b/ü+.csv"
    version = client.put_object(Bucket=bucket, Key=key, Body=b"12345")["VersionId"]
    assert until(lambda: bool(seen(key)))
    time.sleep(1.5)
    (record,) = seen(key)
    event = json.loads(client.get_object(Bucket=bucket, Key=record)["Body"].read())["Records"][0]
    assert (event["eventSource"], event["eventName"]) == ("aws:s3", "ObjectCreated:Put")
    assert event["s3"]["bucket"]["name"] == bucket
    found = event["s3"]["object"]
    assert (found["key"], found["size"], found["versionId"]) == ("uploads/a+b/%C3%BC%2B.csv", 5, version)


def test_an_object_elsewhere_reaches_nobody(
    client: "S3Client", stubs: Runtime, seen: Callable[[str], list[str]]
) -> None:
    client.put_object(Bucket=stubs.env["BUCKET"], Key="elsewhere/a", Body=b"1")
    client.put_object(Bucket=stubs.env["BUCKET"], Key="uploads/after", Body=b"1")
    assert until(lambda: bool(seen("uploads/after")))
    assert seen("elsewhere/a") == []


def test_a_multipart_upload_is_one_event(client: "S3Client", stubs: Runtime, seen: Callable[[str], list[str]]) -> None:
    bucket, key = stubs.env["BUCKET"], "uploads/large"
    upload = client.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
    parts = []
    for number, body in enumerate([b"a" * 5 * 1024 * 1024, b"b"], start=1):
        tag = client.upload_part(Bucket=bucket, Key=key, UploadId=upload, PartNumber=number, Body=body)["ETag"]
        parts.append({"PartNumber": number, "ETag": tag})
    client.complete_multipart_upload(
        Bucket=bucket,
        Key=key,
        UploadId=upload,
        MultipartUpload={"Parts": parts},  # type: ignore[typeddict-item]
    )
    assert until(lambda: bool(seen(key)))
    time.sleep(1)
    assert len(seen(key)) == 1


def test_a_failed_function_is_tried_twice_more_and_then_given_up(
    client: "S3Client", stubs: Runtime, seen: Callable[[str], list[str]]
) -> None:
    client.put_object(Bucket=stubs.env["BUCKET"], Key="uploads/fails", Body=b"1")
    log = stubs.state.logs / "gateway.log"
    assert until(lambda: "given up for uploads/fails" in log.read_text())
    assert len(seen("uploads/fails")) == 3
