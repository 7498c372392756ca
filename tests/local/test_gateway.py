"""What a function gets and a caller sees through the local API Gateway: the contract with the modules it is made of."""

import base64
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.effort import either_server
from tests.support.parts import Runtime, until

pytestmark = either_server


def echo(http: httpx.Client, **request: Any) -> dict[str, Any]:
    response = http.post("/echo", **request)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def test_a_request_becomes_an_event_of_version_2(http: httpx.Client) -> None:
    event = http.get("/echo/a%20b", params={"x": ["1", "2"], "y": "é"}, headers={"X-Some": "Thing"}).json()["event"]
    assert event["version"] == "2.0"
    assert event["routeKey"] == "GET /echo/{name}"
    assert event["pathParameters"] == {"name": "a b"}
    assert event["queryStringParameters"] == {"x": "1,2", "y": "é"}
    assert event["headers"]["x-some"] == "Thing"
    assert event["requestContext"]["http"]["method"] == "GET"


def test_each_request_has_an_id_and_a_time_of_its_own(http: httpx.Client) -> None:
    first, second = (echo(http)["event"]["requestContext"] for _ in range(2))
    assert first["requestId"] != second["requestId"]
    assert abs(first["timeEpoch"] / 1000 - time.time()) < 10


@pytest.mark.parametrize("kind", ["application/json", "text/csv; charset=utf-8", "application/problem+json"])
def test_text_reaches_the_function_as_it_is(http: httpx.Client, kind: str) -> None:
    event = echo(http, content='["é"]'.encode(), headers={"Content-Type": kind})["event"]
    assert (event["body"], event["isBase64Encoded"]) == ('["é"]', False)


@pytest.mark.parametrize(
    ("content", "headers"),
    [
        (b"\x1f\x8b\x08", {"Content-Type": "application/gzip"}),
        (b"\x1f\x8b\x08", {"Content-Type": "text/csv", "Content-Encoding": "gzip"}),
        (b"caf\xe9\n", {"Content-Type": "text/csv"}),
    ],
)
def test_bytes_reach_the_function_as_base64(http: httpx.Client, content: bytes, headers: dict[str, str]) -> None:
    event = echo(http, content=content, headers=headers)["event"]
    assert event["isBase64Encoded"] is True
    assert base64.b64decode(event["body"]) == content


def test_bytes_come_back_as_bytes(http: httpx.Client) -> None:
    response = http.post("/echo", params={"binary": "1"})
    assert response.headers["content-type"] == "application/octet-stream"
    assert response.content == bytes(range(256))


def test_variables_are_the_template_s_with_our_values(http: httpx.Client, stubs: Runtime) -> None:
    answer = echo(http)
    assert answer["greeting"] == "hello world"  # a parameter's default, through !Sub, by a package of the layer
    assert answer["environment"]["BUCKET"] == stubs.env["BUCKET"]
    assert answer["environment"]["AWS_ENDPOINT_URL_S3"] == stubs.env["S3_URL"]
    assert len(answer["environment"]["SIGNING_KEY"]) > 30
    assert "resolve" not in answer["environment"]["SIGNING_KEY"]


def test_an_unknown_route_is_answered_404(http: httpx.Client) -> None:
    for response in (http.get("/nowhere"), http.delete("/echo")):
        assert (response.status_code, response.json()) == (404, {"message": "Not Found"})


@pytest.mark.parametrize("size", [6 * 1024 * 1024, 11 * 1024 * 1024])
def test_a_body_beyond_the_limits_is_answered_413_and_the_connection_lives(http: httpx.Client, size: int) -> None:
    response = http.post("/echo", content=b"a" * size, headers={"Content-Type": "text/csv"})
    assert (response.status_code, response.json()) == (413, {"message": "Request Entity Too Large"})
    echo(http)


@pytest.mark.parametrize("kind", ["raise", "exit", "slow", "big"])
def test_a_failed_function_is_answered_500_and_says_nothing(http: httpx.Client, kind: str) -> None:
    response = http.post(f"/faults/{kind}")
    assert (response.status_code, response.json()) == (500, {"message": "Internal Server Error"})
    assert http.post("/faults/none").status_code == 200


def test_calls_run_beside_each_other(http: httpx.Client, stubs: Runtime) -> None:
    def nap(_: int) -> str:
        return httpx.post(f"{stubs.env['API_URL']}/faults/nap", timeout=30).text

    with ThreadPoolExecutor(4) as threads:
        # One after the other, they would be calls of the same process. On a busy machine, the first may be over too soon.
        assert until(lambda: len(set(threads.map(nap, range(4)))) == 4)


def test_a_warm_request_adds_little(http: httpx.Client) -> None:
    def once() -> float:
        begin = time.perf_counter()
        http.get("/echo/a")
        return time.perf_counter() - begin

    times = [once() for _ in range(60)]
    assert min(times) < 0.05  # 4 ms on an idle machine; what a busy one does besides only adds to it


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "TRACE", "PUT"])
def test_a_method_that_no_route_has_is_not_found(http: httpx.Client, method: str) -> None:
    assert http.request(method, "/echo/a").status_code == 404
