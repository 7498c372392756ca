"""Sends the files of events/ as what they are: HTTP requests to the local runtime."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

import httpx

Json = dict[str, Any]

EVENTS = Path(__file__).parents[2] / "events"
ENDED = {"done", "rejected", "failed", "dead", "undone", "accepted", "planned"}


def event(name: str) -> Json:
    """One of the files, as it is."""
    return cast("Json", json.loads((EVENTS / f"{name}.json").read_text(encoding="utf-8")))


class Api:
    """The API of a runtime, called with the requests that events/ describes."""

    def __init__(self, url: str) -> None:
        self.http = httpx.Client(base_url=url, timeout=60)

    def send(
        self,
        name: str,
        *,
        path: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: object = None,
    ) -> httpx.Response:
        """The answer to the event `name`, with path parameters, query, headers or body of one's own in place of its."""
        sent = event(name)
        method, route = sent["routeKey"].split()
        for parameter, value in {**sent.get("pathParameters", {}), **(path or {})}.items():
            route = route.replace(f"{{{parameter}}}", quote(value, safe=""))
        own = {key: value for key, value in sent["headers"].items() if key != "host"}
        content = sent.get("body") if body is None else body if isinstance(body, str | bytes) else json.dumps(body)
        return self.http.request(
            method,
            route,
            params=query if query is not None else sent.get("queryStringParameters"),
            headers={**own, **(headers or {})},
            content=content.encode() if isinstance(content, str) else content,
        )

    def end(self, response: httpx.Response, seconds: float = 60) -> Json:
        """What a job came to, whether it was answered with 201 at once or with 202 and a Location."""
        if response.status_code == 201:
            return cast("Json", response.json())
        assert response.status_code == 202, response.text
        return self.until_ended(response.headers["location"], seconds)

    def until_ended(self, location: str, seconds: float = 60) -> Json:
        """Ask for a job's state until it has ended."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            answer = self.http.get(location)
            assert answer.status_code == 200, answer.text
            if answer.json()["state"] in ENDED:
                return cast("Json", answer.json())
            time.sleep(0.05)
        raise AssertionError(f"{location} did not end within {seconds} seconds: {answer.text}")

    def load_of(self, key: str, seconds: float = 60, count: int = 1) -> list[Json]:
        """The load statuses of an uploaded file, newest first, once `count` of its loads have ended."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            loads = [
                load for load in self.send("loads", query={"key": key}).json()["loads"] if load["state"] != "running"
            ]
            if len(loads) >= count:
                return loads
            time.sleep(0.05)
        raise AssertionError(f"{key} was not loaded within {seconds} seconds")


def is_problem(response: httpx.Response, status: int) -> Json:
    """The body of an answer that has to be a problem (RFC 9457) with this status."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"].split(";")[0] == "application/problem+json"
    problem = cast("Json", response.json())
    assert problem["status"] == status
    assert problem["title"]
    assert problem["detail"]
    return problem
