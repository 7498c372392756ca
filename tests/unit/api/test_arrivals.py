"""Which objects an event tells of, by whatever way it came, and what is refused."""

import json
from typing import Any

import pytest

from tableferry.api.arrivals import created_objects
from tableferry.errors import InvalidRequest
from tests.support.lambdas import Json, created, queued

TEST = {
    "Service": "Amazon S3",
    "Event": "s3:TestEvent",
    "Time": "2026-11-22T07:15:00.000Z",
    "Bucket": "b",
    "RequestId": "5582815E1AEA5ADF",
    "HostId": "8cLeGAmw098X5cv4Zkwcmo8vvZa3eH3eKxsPzbB9wrR",
}


def test_s3_and_the_queue_tell_the_same() -> None:
    event = created("b", "uploads/a b/ü+.csv", version="v1")
    assert created_objects(event) == created_objects(queued(event)) == [("uploads/a b/ü+.csv", "v1")]


def test_without_a_version_it_is_empty() -> None:
    assert created_objects(queued(created("b", "uploads/t/a.csv"))) == [("uploads/t/a.csv", "")]


def test_several_messages_and_several_records_are_told_in_their_order() -> None:
    one, two, three = (created("b", f"uploads/t/{name}") for name in "123")
    both = {"Records": [*one["Records"], *two["Records"]]}
    event = {"Records": [*queued(both)["Records"], *queued(three)["Records"]]}
    assert created_objects(event) == [(f"uploads/t/{name}", "") for name in "123"]


def test_what_s3_sends_to_try_the_queue_is_no_upload() -> None:
    assert created_objects(queued(TEST)) == []


@pytest.mark.parametrize(
    "body",
    [
        "Hello from SQS!",
        "",
        "[" * 100_000,
        "null",
        "[]",
        '"uploads/t/a.csv"',
        "{}",
        '{"Event": "s3:Other"}',
        '{"Records": {}}',
        '{"Records": [null]}',
        '{"Records": [{"s3": {}}]}',
        '{"Records": [{"s3": {"object": {"key": 1}}}]}',
        json.dumps({"detail-type": "Object Created", "detail": {"object": {"key": "uploads/t/a.csv"}}}),
        json.dumps({"Type": "Notification", "Message": json.dumps(created("b", "uploads/t/a.csv"))}),
    ],
)
def test_a_message_that_is_no_event_of_s3_is_refused_by_its_id(body: str) -> None:
    event = queued(body)
    with pytest.raises(InvalidRequest, match="no event of S3's") as refused:
        created_objects(event)
    assert event["Records"][0]["messageId"] in str(refused.value)


@pytest.mark.parametrize("record", [None, {}, {"Sns": {"Message": "{}"}}, {"s3": None}, {"body": None}])
def test_an_event_that_is_of_neither_is_refused(record: Any) -> None:
    event: Json = {"Records": [record]}
    with pytest.raises(InvalidRequest, match="no event of S3's"):
        created_objects(event)


@pytest.mark.parametrize("records", [None, 5, "ab", {}])
def test_an_event_whose_records_are_no_list_is_refused(records: Any) -> None:
    with pytest.raises(InvalidRequest, match="The event is no event of S3's"):
        created_objects({"Records": records})
