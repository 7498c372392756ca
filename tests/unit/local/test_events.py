"""The files in events/: one for each route and each trigger of the template, in the form in which AWS sends it."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
EVENTS = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in (ROOT / "events").glob("*.json")}
TEMPLATE = (ROOT / "template.yaml").read_text(encoding="utf-8")
REQUESTS = {name: event for name, event in EVENTS.items() if "routeKey" in event}


def test_every_route_of_the_template_has_a_request_and_every_request_a_route() -> None:
    found = re.findall(r'Type: HttpApi, .*Method: (\w+), Path: "?([^" ]+)"? ', TEMPLATE)
    assert len(found) == TEMPLATE.count("Type: HttpApi")
    assert {event["routeKey"] for event in REQUESTS.values()} == {f"{method} {path}" for method, path in found}


def test_every_prefix_that_starts_a_function_has_an_s3_event_and_the_other_way_round() -> None:
    prefixes = re.findall(r"Name: prefix, Value: ([^ ]+) ", TEMPLATE)
    queued = TEMPLATE.count("- Event: s3:ObjectCreated:*")
    assert len(prefixes) == TEMPLATE.count("Type: S3\n") + queued
    records = [event["Records"][0] for event in EVENTS.values() if "Records" in event]
    keys = [record["s3"]["object"]["key"] for record in records if "s3" in record]
    assert len(keys) == len(prefixes)
    assert all(any(key.startswith(prefix) for key in keys) for prefix in prefixes)


def test_every_queue_that_starts_a_function_has_a_message_with_an_event_of_s3() -> None:
    records = [event["Records"][0] for event in EVENTS.values() if "Records" in event]
    messages = [record for record in records if record.get("eventSource") == "aws:sqs"]
    assert len(messages) == TEMPLATE.count("Type: SQS\n")
    for message in messages:
        assert json.loads(message["body"]) == EVENTS["load-s3"]


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_says_the_same_in_each_place_that_names_it(name: str) -> None:
    event = REQUESTS[name]
    http = event["requestContext"]["http"]
    path = event["routeKey"].split()[1]
    for parameter, value in event.get("pathParameters", {}).items():
        path = path.replace(f"{{{parameter}}}", value)
    assert event["version"] == "2.0"
    assert event["routeKey"].split()[0] == http["method"]
    assert event["rawPath"] == http["path"] == path
    assert event["headers"] == {key.lower(): value for key, value in event["headers"].items()}
    if "json" in event["headers"].get("content-type", ""):
        json.loads(event["body"])


def test_the_readme_names_every_event() -> None:
    text = (ROOT / "events" / "README.md").read_text(encoding="utf-8")
    assert not [name for name in EVENTS if f"`{name}`" not in text]
