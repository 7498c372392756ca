"""Has the emulator's Step Functions and Lambda work as parts of the local runtime.

A function that Step Functions calls runs where all of them run, in the gateway's processes: what is made here under its
name has no code, only the address of its Invoke API, and its errors come through as they are
(https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html). **So no code that is given to the emulator is ever run**,
whoever on this machine gives it. And a list that a Map reads is read from where `local.runtime.s3_kept` has it.

Runs in MiniStack's own environment and reaches into its modules, as `s3_kept` does, which looks at the version.
"""

import http.client
import json
import os
import sys
from typing import Any
from urllib.parse import urlsplit

from ministack.services import lambda_svc, s3, stepfunctions

Json = dict[str, Any]

_ADDRESS = "FUNCTION_URL"  # of a function: its variable that says where it is invoked
_MORE_SECONDS = 90  # than the function has: its process takes time to begin, and the gateway says when it was too long


def graft() -> None:
    """Put it in place."""
    lambda_svc._execute_function_dispatch = _invoke
    stepfunctions._s3_object_text = _text


def end_at_once(status: int) -> None:
    """End the process, whatever executions it is in the middle of: Python would wait for the calls that they wait for."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _invoke(_function: Json, config: Json, event: Any, request_id: str, _started: float) -> Json:
    """What the emulator takes for the result of an invocation: its ``body``, and whether that is an ``error``."""
    address = config.get("Environment", {}).get("Variables", {}).get(_ADDRESS, "")
    target = urlsplit(address)
    if target.hostname != "127.0.0.1" or target.scheme != "http":
        return _failed("Runtime.InvalidEntrypoint", "No code is run here; functions are those of the template.")
    seconds = int(config.get("Timeout") or 3) + _MORE_SECONDS
    connection = http.client.HTTPConnection(target.hostname, target.port, timeout=seconds)
    try:
        headers = {"Content-Type": "application/json", "X-Amzn-RequestId": request_id}
        connection.request("POST", target.path, json.dumps(event).encode(), headers)
        answer = connection.getresponse()
        body = answer.read()
    except TimeoutError:
        return _failed("Sandbox.Timedout", f"The function has not answered in {seconds} seconds.")
    except (OSError, http.client.HTTPException) as error:
        return _failed("Lambda.ServiceException", f"The gateway does not answer: {error}")
    finally:
        connection.close()
    if answer.status != 200:
        return _failed(f"Lambda.{answer.headers.get('X-Amzn-ErrorType', 'ServiceException')}", body.decode())
    said = json.loads(body or b"null")
    return {"body": said, "error": True} if answer.headers.get("X-Amz-Function-Error") else {"body": said}


def _failed(kind: str, message: str) -> Json:
    return {"body": {"errorType": kind, "errorMessage": message}, "error": True}


def _text(bucket: str, key: str) -> str:
    """An object that a Map reads."""
    status, _, body = s3._get_object(bucket, key, {}, {})
    if status != 200:
        message = f"The specified key does not exist. (Bucket: {bucket}, Key: {key})"
        raise stepfunctions._ExecutionError("States.ItemReaderFailed", message)
    return bytes(body).decode()
