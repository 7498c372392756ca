"""An object that is created reaches its function: once, asynchronously, and again when the function fails."""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from tests.effort import by_turns, either_server
from tests.support.parts import Runtime, until

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

pytestmark = either_server


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
def letters(stubs: Runtime) -> Callable[[], list[Any]]:
    """Takes what is in the queue of the template's that is for events given up."""
    sqs = boto3.client(
        "sqs",
        endpoint_url=stubs.env["S3_URL"],
        aws_access_key_id=stubs.env["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=stubs.env["AWS_SECRET_ACCESS_KEY"],
        region_name=stubs.env["AWS_DEFAULT_REGION"],
    )
    url = sqs.get_queue_url(QueueName="tableferry-GivenUp")["QueueUrl"]

    def take() -> list[Any]:
        found = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        for message in found:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return [json.loads(message["Body"]) for message in found]

    return take


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


def test_a_failed_function_is_tried_twice_more_and_then_given_up_to_the_queue_of_the_template(
    client: "S3Client", stubs: Runtime, seen: Callable[[str], list[str]], letters: Callable[[], list[Any]]
) -> None:
    bucket = stubs.env["BUCKET"]
    client.put_object(Bucket=bucket, Key="uploads/fails", Body=b"1")
    log = stubs.state.logs / "gateway.log"
    assert until(lambda: "EventsFunction: given up for uploads/fails" in log.read_text())
    tries = seen("uploads/fails")
    assert len(tries) == 3
    (letter,) = letters()
    assert letter["version"] == "1.0"
    assert datetime.now(UTC) - datetime.fromisoformat(letter["timestamp"]) < timedelta(minutes=1)
    context = letter["requestContext"]
    assert (context["condition"], context["approximateInvokeCount"]) == ("RetriesExhausted", 3)
    assert context["functionArn"].endswith(":function:EventsFunction:$LATEST")
    assert {key.split("/")[3] for key in tries} == {context["requestId"]}
    event = json.loads(client.get_object(Bucket=bucket, Key=tries[0])["Body"].read())
    del event["time"]
    assert letter["requestPayload"] == event
    assert letter["responseContext"] == {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"}
    payload = letter["responsePayload"]
    assert (payload["errorType"], payload["errorMessage"]) == ("RuntimeError", "uploads/fails")
    assert payload["stackTrace"]


def test_a_function_is_tried_as_often_as_the_template_says_and_without_a_destination_nothing_is_kept(
    client: "S3Client", stubs: Runtime, seen: Callable[[str], list[str]], letters: Callable[[], list[Any]]
) -> None:
    client.put_object(Bucket=stubs.env["BUCKET"], Key="once-more/fails", Body=b"1")
    log = stubs.state.logs / "gateway.log"
    assert until(lambda: "OnceMoreFunction: given up for once-more/fails" in log.read_text())
    assert len(seen("once-more/fails")) == 2
    assert not letters()


@by_turns
def test_a_schedule_of_retries_comes_at_its_rate_and_no_other(seen: Callable[[str], list[str]]) -> None:
    assert until(lambda: len(seen("scheduled")) >= 2)
    assert seen("scheduled-otherwise") == []
