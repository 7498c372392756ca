"""A step of a large verification that is killed, as SIGKILL kills a process, at a call of the bucket.

As a program: ``METHOD WHEN NUMBER EVENT`` invokes the backup function with the event, and kills it before or after the
call of this number of ``Store.METHOD``.
"""

import itertools
import json
import os
import signal
import subprocess
import sys
from typing import Any

from tableferry.storage.bucket import Store
from tests.support.lambdas import Json, invoke


def killed(event: Json, method: str, when: str, number: int) -> bool:
    """Whether the invocation was killed, in the environment of now; False if it was done before it came to the call."""
    command = [sys.executable, "-m", "tests.support.killed_verify", method, when, str(number), json.dumps(event)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode != 0


def main(method: str, when: str, number: str, event: str) -> None:
    os.environ.setdefault("POWERTOOLS_METRICS_NAMESPACE", "Tableferry")
    from functions.backup import app  # in the environment of the invocation

    calls, real = itertools.count(), getattr(Store, method)

    def call(*given: Any, **named: Any) -> Any:
        mine = next(calls) == int(number)
        if mine and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        answer = real(*given, **named)
        if mine:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer

    setattr(Store, method, call)
    invoke(app.handler, json.loads(event))


if __name__ == "__main__":
    main(*sys.argv[1:])
