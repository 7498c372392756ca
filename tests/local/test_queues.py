"""An object that is created reaches its function by the template's queue.

So many do at once, again after a failure, and at last among the dead letters.
"""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from local.gateway.dead_letters import queue_name
from tests.effort import either_server
from tests.support.parts import Runtime, until

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

pytestmark = either_server


def of_aws(service: str, stubs: Runtime) -> Any:
    return boto3.client(  # type: ignore[call-overload]
        service,
        endpoint_url=stubs.env["S3_URL"],
        aws_access_key_id=stubs.env["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=stubs.env["AWS_SECRET_ACCESS_KEY"],
        region_name=stubs.env["AWS_DEFAULT_REGION"],
    )


@pytest.fixture
def client(stubs: Runtime) -> "S3Client":
    found: S3Client = of_aws("s3", stubs)
    return found


class Letters:
    """The queues of the template."""

    def __init__(self, sqs: Any) -> None:
        self.sqs = sqs

    def url(self, name: str) -> str:
        return str(self.sqs.get_queue_url(QueueName=queue_name(name))["QueueUrl"])

    def take(self, name: str) -> list[str]:
        """The bodies of what lies in a queue, taken away."""
        found = self.sqs.receive_message(QueueUrl=self.url(name), MaxNumberOfMessages=10).get("Messages", [])
        for message in found:
            self.sqs.delete_message(QueueUrl=self.url(name), ReceiptHandle=message["ReceiptHandle"])
        return [message["Body"] for message in found]

    def wait_for(self, name: str, seconds: float = 30) -> list[str]:
        """The bodies of what comes to lie in a queue, taken away."""
        found: list[str] = []

        def came() -> bool:
            found.extend(self.take(name))
            return bool(found)

        assert until(came, seconds)
        return found


@pytest.fixture
def letters(stubs: Runtime) -> Letters:
    return Letters(of_aws("sqs", stubs))


@pytest.fixture
def seen(client: "S3Client", stubs: Runtime) -> Callable[[str], list[Any]]:
    """The events with which the function was invoked for a key, in whatever order."""

    def look(key: str) -> list[Any]:
        found = client.list_objects_v2(Bucket=stubs.env["BUCKET"], Prefix=f"seen/{key}").get("Contents", [])
        return [
            json.loads(client.get_object(Bucket=stubs.env["BUCKET"], Key=one["Key"])["Body"].read()) for one in found
        ]

    return look


def test_an_object_reaches_its_function_once_in_a_message_as_lambda_tells_it(
    client: "S3Client", stubs: Runtime, seen: Callable[[str], list[Any]], letters: Letters
) -> None:
    bucket, key = stubs.env["BUCKET"], "queued/a b/ü+.csv"
    version = client.put_object(Bucket=bucket, Key=key, Body=b"12345")["VersionId"]
    assert until(lambda: bool(seen(key)))
    (event,) = seen(key)
    (record,) = event["Records"]
    assert set(record) == {
        "messageId",
        "receiptHandle",
        "body",
        "attributes",
        "messageAttributes",
        "md5OfBody",
        "eventSource",
        "eventSourceARN",
        "awsRegion",
    }
    assert (record["eventSource"], record["attributes"]["ApproximateReceiveCount"]) == ("aws:sqs", "1")
    (told,) = json.loads(record["body"])["Records"]
    assert (told["eventSource"], told["eventName"], told["s3"]["bucket"]["name"]) == (
        "aws:s3",
        "ObjectCreated:Put",
        bucket,
    )
    found = told["s3"]["object"]
    assert (found["key"], found["size"], found["versionId"]) == ("queued/a+b/%C3%BC%2B.csv", 5, version)
    assert until(lambda: in_the_queue(letters, "Waiting") == 0)


def in_the_queue(letters: Letters, name: str) -> int:
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    found = letters.sqs.get_queue_attributes(QueueUrl=letters.url(name), AttributeNames=names)["Attributes"]
    return sum(map(int, found.values()))


def test_s3_tries_the_queue_and_the_function_hears_of_it(seen: Callable[[str], list[Any]]) -> None:
    assert until(lambda: bool(seen("tested/")))
    assert json.loads(seen("tested/")[0]["Records"][0]["body"])["Event"] == "s3:TestEvent"


def test_a_message_that_fails_comes_again_and_at_last_is_a_dead_letter_that_can_be_sent_back(
    client: "S3Client", stubs: Runtime, seen: Callable[[str], list[Any]], letters: Letters
) -> None:
    client.put_object(Bucket=stubs.env["BUCKET"], Key="queued/fails", Body=b"1")
    (letter,) = letters.wait_for("Dead")
    tries = seen("queued/fails/")
    assert sorted(event["Records"][0]["attributes"]["ApproximateReceiveCount"] for event in tries) == ["1", "2", "3"]
    assert len({event["Records"][0]["messageId"] for event in tries}) == 1
    assert all(event["Records"][0]["body"] == letter for event in tries)
    begun = sorted(event["time"][0] for event in tries)
    assert begun[1] - begun[0] >= 0.9
    assert begun[2] - begun[1] >= 1.8
    assert in_the_queue(letters, "Waiting") == 0

    letters.sqs.send_message(QueueUrl=letters.url("Waiting"), MessageBody=letter)
    assert until(lambda: len(seen("queued/fails/")) == 4)
    assert letters.wait_for("Dead") == [letter]


def test_a_message_that_is_no_event_of_s3_is_a_dead_letter_and_not_lost(letters: Letters) -> None:
    letters.sqs.send_message(QueueUrl=letters.url("Waiting"), MessageBody='{"hello": "queue"}')
    assert letters.wait_for("Dead") == ['{"hello": "queue"}']


def test_no_more_are_at_it_at_once_than_the_template_says_and_all_are_done(
    client: "S3Client", stubs: Runtime, seen: Callable[[str], list[Any]]
) -> None:
    for number in range(6):
        client.put_object(Bucket=stubs.env["BUCKET"], Key=f"queued/slow-{number}", Body=b"1")
    assert until(lambda: len(seen("queued/slow-")) == 6, 30)
    found = seen("queued/slow-")
    assert {event["Records"][0]["attributes"]["ApproximateReceiveCount"] for event in found} == {"1"}
    times = [event["time"] for event in found]
    most = max(sum(begun <= moment < ended for begun, ended in times) for moment, _ in times)
    assert most == 2
