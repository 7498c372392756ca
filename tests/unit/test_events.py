"""The files in events/: one for each route and each trigger of the template, in the form in which AWS sends it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cfnlint.decode.cfn_yaml import load  # type: ignore[import-untyped]

ROOT = Path(__file__).parents[2]
EVENTS = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in (ROOT / "events").glob("*.json")}
REQUESTS = {name: event for name, event in EVENTS.items() if "routeKey" in event}


def triggers(kind: str) -> Iterator[dict[str, Any]]:
    for resource in load(str(ROOT / "template.yaml"))["Resources"].values():
        for event in resource["Properties"].get("Events", {}).values():
            if event["Type"] == kind:
                yield event["Properties"]


def test_every_route_of_the_template_has_a_request_and_every_request_a_route() -> None:
    routes = {f"{route['Method']} {route['Path']}" for route in triggers("HttpApi")}
    assert {event["routeKey"] for event in REQUESTS.values()} == routes


def test_every_prefix_that_starts_a_function_has_an_s3_event_and_the_other_way_round() -> None:
    prefixes = {rule["Value"] for trigger in triggers("S3") for rule in trigger["Filter"]["S3Key"]["Rules"]}
    keys = [event["Records"][0]["s3"]["object"]["key"] for event in EVENTS.values() if "Records" in event]
    assert len(keys) == len(prefixes)
    assert all(any(key.startswith(prefix) for key in keys) for prefix in prefixes)


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
