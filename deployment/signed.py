"""Requests as the deployed API wants them: signed (SigV4, `execute-api`), or with a JWT."""

from collections.abc import Iterator
from typing import Any

import httpx
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest


class Signed(httpx.Auth):
    """Signs each request with the caller's credentials, which may change while it goes on (an assumed role's do)."""

    requires_request_body = True

    def __init__(self, credentials: Any, region: str) -> None:
        self._credentials, self._region = credentials, region

    def auth_flow(self, request: httpx.Request) -> Iterator[httpx.Request]:  # type: ignore[override]
        # Of the headers only the type: what is signed has to arrive as it was, and others are for each hop to change.
        wanted = {name: request.headers[name] for name in ("content-type",) if name in request.headers}
        ours = AWSRequest(request.method, str(request.url), data=request.content, headers=wanted)
        SigV4Auth(self._credentials.get_frozen_credentials(), "execute-api", self._region).add_auth(ours)
        for name, value in ours.headers.items():
            request.headers[name] = value
        yield request


class Bearer(httpx.Auth):
    """Shows a JWT with each request."""

    def __init__(self, token: str) -> None:
        self._token = token

    def auth_flow(self, request: httpx.Request) -> Iterator[httpx.Request]:  # type: ignore[override]
        request.headers["Authorization"] = f"Bearer {self._token}"
        yield request
