"""One execution environment: a process with the genuine Lambda runtime client, used for one invocation at a time."""

import contextlib
import json
import os
import queue
import re
import subprocess
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from local.gateway.function import PAYLOAD_LIMIT, Function, Result
from local.gateway.runtime_api import Invocation, RuntimeApi

INIT_SECONDS = 60.0  # Lambda gives 10 to load a function's modules; a laptop with a cold disk may need more
KEPT = ("PATH", "HOME", "LANG", "LD_LIBRARY_PATH", "TMPDIR", "SSL_CERT_FILE")


class WorkerGone(Exception):
    """The process had ended before it took the event, so another may be given it."""


class Worker:
    """The process, its Runtime API and its log. Not for several threads at once."""

    def __init__(self, function: Function, python: Path, aws: Mapping[str, str], log: Path) -> None:
        self.function, self.log = function, log
        self.api = RuntimeApi()
        environment = {name: os.environ[name] for name in KEPT if name in os.environ}
        environment |= {**function.environment, **aws}
        environment |= {
            "AWS_LAMBDA_RUNTIME_API": self.api.address,
            "LAMBDA_TASK_ROOT": str(function.code),
            "_HANDLER": function.handler,
            "PYTHONPATH": os.pathsep.join(map(str, function.path)),
            "TZ": ":UTC",
        }
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [str(python), "-m", "awslambdaric", function.handler],
                cwd=function.code,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=_lock(),
            )
        threading.Thread(target=self._watch, daemon=True).start()

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def invoke(self, event: bytes, request_id: str) -> Result:
        """Run the function on an event (JSON) and wait for what it gives. A worker that failed to answer is dead after.

        Raises WorkerGone if the process ended before it took the event.
        """
        invocation = Invocation(event, self.function.timeout, self.function.arn, request_id)
        self.api.invocations.put(invocation)
        started, taken = time.monotonic(), False
        while True:
            try:
                kind, body = self.api.reports.get(timeout=self.function.timeout if taken else INIT_SECONDS)
            except queue.Empty:
                self.close()
                seconds = self.function.timeout if taken else INIT_SECONDS
                message = f"RequestId: {invocation.id} Error: Task timed out after {seconds:.2f} seconds"
                result = Result.error("Sandbox.Timedout", message)
                break
            if kind == "taken":
                started, taken = time.monotonic(), True
                self._write({"type": "platform.start", "requestId": invocation.id, "process": self.process.pid})
            elif kind == "exit":
                if not taken:
                    raise WorkerGone(self.function.name)
                message = f"RequestId: {invocation.id} Error: Runtime exited with error: {_status(int(body))}"
                result = Result.error("Runtime.ExitError", message)
                break
            elif kind == "response" and len(body) > PAYLOAD_LIMIT:
                message = f"Response payload size exceeded maximum allowed payload size ({PAYLOAD_LIMIT} bytes)."
                result = Result.error("Function.ResponseSizeTooLarge", message)
                break
            else:
                result = Result(body, failed=kind != "response")
                if kind == "init":
                    self.close()  # it is about to end by itself
                break
        self._report(invocation, time.monotonic() - started, result)
        return result

    def close(self) -> None:
        """End the process at once; Lambda gives a function no time to say goodbye either."""
        self.process.kill()
        self.process.wait()

    def peak_memory(self) -> int:
        """The most memory that the process has held, in MB; 0 where the system does not say."""
        with contextlib.suppress(OSError):
            found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{self.process.pid}/status").read_text())
            return int(found[1]) // 1024 if found else 0
        return 0

    def _report(self, invocation: Invocation, seconds: float, result: Result) -> None:
        """The line that Lambda writes after each invocation, with an error where the runtime had no chance to log it."""
        line = {
            "type": "platform.report",
            "requestId": invocation.id,
            "durationMs": round(seconds * 1000, 2),
            "memorySizeMB": self.function.memory,
            "maxMemoryUsedMB": self.peak_memory(),
            "status": "failure" if result.failed else "success",
        }
        if result.failed:
            with contextlib.suppress(ValueError, AttributeError):
                line["errorType"] = json.loads(result.payload).get("errorType")
        self._write(line)

    def _write(self, line: Mapping[str, object]) -> None:
        with self.log.open("a") as log:
            log.write(json.dumps(line) + "\n")

    def _watch(self) -> None:
        status = self.process.wait()
        self.api.reports.put(("exit", str(status).encode()))
        self.api.close()


def _status(code: int) -> str:
    return f"signal: {-code}" if code < 0 else f"exit status {code}"


def _lock() -> tuple[int, ...]:
    """The runtime's lock, which every process of it holds (see local.runtime.state)."""
    descriptor = os.environ.get("TABLEFERRY_LOCK")
    return (int(descriptor),) if descriptor else ()
