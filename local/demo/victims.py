"""Which process of the local runtime does which step of a backup over several functions, by its function's log."""

import contextlib
import json
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class StepProcess:
    """A step that a process has begun: ``plan``, ``hold``, ``work``, ``finish``; of a worker, its number."""

    step: str
    worker: int
    process: int

    def kill(self) -> None:
        """SIGKILL, as an operating system does it that is out of memory."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process, signal.SIGKILL)


def begun(log: Path, job: str, attempt: str) -> list[StepProcess]:
    """The steps of a try that were begun so far, whether or not they have ended."""
    processes, found = {}, []
    for line in _lines(log):
        if line.get("type") == "platform.start":
            processes[line["requestId"]] = line["process"]
        elif line.get("message") == "step begins" and (line.get("job"), line.get("attempt")) == (job, attempt):
            found.append((line["step"], line["worker"], line["function_request_id"]))
    return [StepProcess(step, worker, processes[request]) for step, worker, request in found if request in processes]


def _lines(log: Path) -> Iterator[dict[str, Any]]:
    for text in log.read_text(errors="replace").splitlines():
        with contextlib.suppress(ValueError):
            line = json.loads(text)
            if isinstance(line, dict):
                yield line
