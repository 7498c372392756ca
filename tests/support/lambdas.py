"""Calls the functions' handlers in this process, as Lambda would: with an HTTP API's request or with an S3 event."""

import base64
import hashlib
import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import quote, quote_plus, urlencode

from aws_lambda_powertools.utilities.typing import LambdaContext

Handler = Callable[[dict[str, Any], LambdaContext], Any]
Json = dict[str, Any]
PROBLEM = "application/problem+json"


@dataclass(frozen=True)
class Answer:
    """What a client would see of an answer; the names of headers in small letters."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    def problem(self, status: int) -> Json:
        """The problem (RFC 9457) that this answer has to be, with this status."""
        assert self.status == status, f"{self.status}: {self.text}"
        assert self.headers["content-type"] == PROBLEM
        found = cast("Json", self.json)
        assert found["status"] == status
        assert found["type"].startswith("urn:tableferry:problem:")
        assert found["title"]
        assert found["detail"]
        return found


@dataclass
class Context:
    """The parts of Lambda's context that are read."""

    function_name: str = "function"
    memory_limit_in_mb: int = 1769
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:123456789012:function:function"
    aws_request_id: str = field(default_factory=lambda: str(uuid.uuid4()))

    def get_remaining_time_in_millis(self) -> int:
        return 900_000


def invoke(handler: Handler, event: Json) -> Any:
    """What a handler returns for an event; raises what it raises."""
    return handler(event, cast("LambdaContext", Context()))


def request(
    handler: Handler,
    method: str,
    path: str,
    *,
    body: object = None,
    query: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """The answer to an HTTP request (payload format 2.0). ``path`` is sent as it is; see :func:`segment`.

    ``body`` is sent as it is if it is text or bytes (those in base64, as API Gateway does), else as JSON.
    """
    given: dict[str, str] = {} if body is None else {"content-type": "application/json"}
    given |= {name.lower(): value for name, value in (headers or {}).items()}
    event: Json = {
        "version": "2.0",
        "routeKey": f"{method} {path}",
        "rawPath": path,
        "rawQueryString": urlencode(query or {}),
        "headers": given,
        "requestContext": {
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1"},
            "requestId": uuid.uuid4().hex,
            "routeKey": f"{method} {path}",
            "stage": "$default",
        },
        "isBase64Encoded": isinstance(body, bytes),
    }
    if query:
        event["queryStringParameters"] = dict(query)
    if body is not None:
        event["body"] = (
            base64.b64encode(body).decode()
            if isinstance(body, bytes)
            else body
            if isinstance(body, str)
            else json.dumps(body)
        )
    answer = invoke(handler, event)
    return Answer(
        status=answer["statusCode"],
        headers={name.lower(): str(value) for name, value in answer.get("headers", {}).items()},
        text=answer.get("body") or "",
    )


def segment(name: str) -> str:
    """A name as one segment of a path."""
    return quote(name, safe="")


def created(bucket: str, key: str, *, version: str | None = None, size: int = 1) -> Json:
    """The event of an object that was created, as S3 sends it."""
    found: Json = {"key": quote_plus(key, safe="/"), "size": size, "eTag": "0" * 32, "sequencer": "0055AED6DCD90281E5"}
    if version:
        found["versionId"] = version
    record = {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": "us-east-1",
        "eventTime": "2026-11-22T07:15:00.000Z",
        "eventName": "ObjectCreated:Put",
        "s3": {"s3SchemaVersion": "1.0", "bucket": {"name": bucket, "arn": f"arn:aws:s3:::{bucket}"}, "object": found},
    }
    return {"Records": [record]}


def queued(body: Json | str, received: int = 1) -> Json:
    """The event of a message that a queue had, as Lambda takes it from there; S3's own event, or any text, is its body."""
    text = body if isinstance(body, str) else json.dumps(body)
    record = {
        "messageId": str(uuid.uuid4()),
        "receiptHandle": "MessageReceiptHandle",
        "body": text,
        "attributes": {
            "ApproximateReceiveCount": str(received),
            "SentTimestamp": "1795331700000",
            "SenderId": "123456789012",
            "ApproximateFirstReceiveTimestamp": "1795331700001",
        },
        "messageAttributes": {},
        "md5OfBody": hashlib.md5(text.encode(), usedforsecurity=False).hexdigest(),
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:Uploads",
        "awsRegion": "us-east-1",
    }
    return {"Records": [record]}


def counts(result: Mapping[str, Any]) -> tuple[int, int, int, int, int]:
    """Read, inserted, updated, rejected, duplicates, of which the first has to be the sum of the others."""
    found = tuple(int(result[name]) for name in ("read", "inserted", "updated", "rejected", "duplicates"))
    read, inserted, updated, rejected, duplicates = found
    assert read == inserted + updated + rejected + duplicates
    return read, inserted, updated, rejected, duplicates


def problems(result: Mapping[str, Any]) -> list[tuple[int, str, str]]:
    """Row, column and code of each error, each of which has to say something."""
    assert all(error["message"] for error in result["errors"])
    return [(error["row"], error["column"], error["code"]) for error in result["errors"]]
