"""The body of a request: what it may be, and its bytes."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEventV2

from tableferry.errors import InvalidRequest, UnsupportedMediaType

MEDIA_TYPES = ("application/json", "text/csv")


def refuse_unreadable(event: Mapping[str, Any]) -> None:
    """Look at a request's body before the router, which would fail on it.

    Raises:
        UnsupportedMediaType: it is of another type than its route takes.
        InvalidRequest: it has to be JSON and is not, or nests deeper or counts higher than can be read.
    """
    if not event.get("body"):
        return
    # A form (what curl sends unless told) would pass for one field.
    headers = APIGatewayProxyEventV2(dict(event)).headers  # found in any case: SAM leaves their names as they were sent
    media_type = str(headers.get("content-type", "")).partition(";")[0].strip().lower()
    rows = str(event.get("rawPath", "")).endswith("/rows")
    taken = MEDIA_TYPES if rows else MEDIA_TYPES[:1]
    if media_type not in taken:
        other = f", not as {media_type}." if media_type else "."
        raise UnsupportedMediaType(f"Send the body as {' or '.join(taken)}, in UTF-8{other}")
    try:
        given = base64.b64decode(event["body"]) if event.get("isBase64Encoded") else event["body"].encode()
        if not rows:
            json.loads(given.decode())  # the router foresees broken JSON, not JSON too deep or with numbers too long
    except (ValueError, RecursionError) as error:
        raise InvalidRequest("The body is not JSON in UTF-8.") from error


def raw(app: APIGatewayHttpResolver) -> tuple[bytes, str]:
    """Body and media type of the request.

    Raises:
        UnsupportedMediaType: it has no type, is compressed, or is not in UTF-8.
    """
    event = app.current_event
    given = str(event.headers.get("content-type", ""))
    media_type, *parameters = given.lower().split(";")
    charsets = [
        value.strip(' "')
        for name, _, value in (part.partition("=") for part in parameters)
        if name.strip() == "charset"
    ]
    if not set(charsets) <= {"utf-8", "utf8", "us-ascii"}:
        raise UnsupportedMediaType(f"Send the body in UTF-8, not as {given!r}.")
    if event.headers.get("content-encoding", "identity") != "identity":
        raise UnsupportedMediaType("Send the body uncompressed; a large file goes by POST /uploads.")
    text = event.body or ""
    data = base64.b64decode(text) if event.is_base64_encoded else text.encode()
    return data, media_type.strip()
