"""Where an event goes that was given up: to the queue that the template names, as the record that Lambda makes of it.

Source: https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
"""

import json
import logging
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from local.gateway.function import Function, Result

log = logging.getLogger(__name__)


class DeadLetters:
    """The template's queues for what was given up, by their names in the template, made in the emulator."""

    def __init__(self, sqs: Any, names: Iterable[str]) -> None:
        self._sqs = sqs
        self._queues = {name: sqs.create_queue(QueueName=queue_name(name))["QueueUrl"] for name in names}

    def put(self, name: str, letter: Mapping[str, Any]) -> None:
        """Send a record; where that fails the log says so, as Lambda's metric would."""
        try:
            self._sqs.send_message(QueueUrl=self._queues[name], MessageBody=json.dumps(letter))
        except Exception as error:  # noqa: BLE001 - whatever it is, the next event must still be heard
            log.error("nothing sent to %s: %s", name, error)


def queue_name(name: str) -> str:
    """A queue's name in the emulator, of its name in the template. CloudFormation makes names of both kinds up too."""
    return f"tableferry-{name}"


def record(function: Function, request_id: str, event: Mapping[str, Any], result: Result, tries: int) -> dict[str, Any]:
    """What Lambda says of an event whose last try ended in this result."""
    return {
        "version": "1.0",
        "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "requestContext": {
            "requestId": request_id,
            "functionArn": f"{function.arn}:$LATEST",
            "condition": "RetriesExhausted",
            "approximateInvokeCount": tries,
        },
        "requestPayload": event,
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
        "responsePayload": json.loads(result.payload),
    }
