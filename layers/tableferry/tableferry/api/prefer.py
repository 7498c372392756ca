"""How long a request may wait for its job: the header Prefer, and what the gateway has left of its time."""

from __future__ import annotations

import re
import time

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver

from tableferry.errors import TooManyJobs

_WAIT = re.compile(r"(?:^|[,;\s])wait=([0-9]+)")
_DEFAULT_WAIT_SECONDS, _LONGEST_WAIT_SECONDS = 20, 25
_REPLAYED_SECONDS = 900  # a request that is older was kept in a file, and is sent to a function by hand


def wait_seconds(app: APIGatewayHttpResolver) -> float:
    """How long the request may wait for its job: ``Prefer: wait=N`` (RFC 7240), 20 unless it says, 25 at most.

    What it has waited for a free function is taken off; raises TooManyJobs where nothing is left, for the gateway has
    given the caller up by then.
    """
    asked, waited = _asked_seconds(app), time.time() - _begun(app)
    if not 0 < waited < _REPLAYED_SECONDS:
        return asked
    if waited > _LONGEST_WAIT_SECONDS:
        raise TooManyJobs("The request waited too long for a free function. Nothing was made: ask again.", 20)
    return min(asked, _LONGEST_WAIT_SECONDS - waited)


def _begun(app: APIGatewayHttpResolver) -> float:
    """When the gateway had the request, in seconds since 1970; 0 where it does not say."""
    context = app.current_event.get("requestContext") or {}
    return int(context.get("timeEpoch") or 0) / 1000


def _asked_seconds(app: APIGatewayHttpResolver) -> int:
    found = _WAIT.search(str(app.current_event.headers.get("prefer", "")))
    if found is None:
        return _DEFAULT_WAIT_SECONDS
    digits = found[1].lstrip("0") or "0"
    return _LONGEST_WAIT_SECONDS if len(digits) > 2 else min(int(digits), _LONGEST_WAIT_SECONDS)
