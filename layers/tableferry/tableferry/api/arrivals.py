"""Which objects an event tells of: S3's own event, or messages of a queue, each with an event of S3's in its body.

Sources: https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html,
https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote_plus

from tableferry.errors import InvalidRequest

_TEST = "s3:TestEvent"
"""What S3 sends to a queue when it is told of it, to see whether it may."""


def created_objects(event: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Keys, which come encoded like a form, and versions; without versions in the bucket they are empty.

    Raises InvalidRequest: something in the event is none of S3's. A queue brings it again then, and does not lose it.
    """
    records = event["Records"]
    if not isinstance(records, list):
        raise _foreign("The event")
    return [found for record in records for found in _of_record(record)]


def _of_record(record: Any) -> Iterator[tuple[str, str]]:
    if not isinstance(record, dict) or "body" not in record:
        yield _object(record, "The event")
        return
    where = f"Message {record.get('messageId')!r} of the queue"
    try:
        said = json.loads(record["body"])
    except (ValueError, TypeError, RecursionError) as error:
        raise _foreign(where) from error
    if isinstance(said, dict) and said.get("Event") == _TEST:
        return
    records = said.get("Records") if isinstance(said, dict) else None
    if not isinstance(records, list):
        raise _foreign(where)
    for item in records:
        yield _object(item, where)


def _object(record: Any, where: str) -> tuple[str, str]:
    try:
        found = record["s3"]["object"]
        return unquote_plus(found["key"]), str(found.get("versionId") or "")
    except (KeyError, TypeError, AttributeError) as error:
        raise _foreign(where) from error


def _foreign(where: str) -> InvalidRequest:
    return InvalidRequest(
        f"{where} is no event of S3's, and nothing was loaded. Whoever sent it has to send S3's own: "
        '{"Records": [{"s3": {"object": {"key": "uploads/…"}}}]}.'
    )
