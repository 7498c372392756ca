"""Times cold starts: a function in a fresh process under the genuine runtime, as a call that finds none warm gets it.

Run as ``python -m local.gateway.cold CONFIG``, with the gateway's own file of JSON. Takes lines of JSON on its input (the
function's name, an event, more environment) and answers each with a line: seconds until the runtime asks for its first
event, and from then until it has answered that one.
"""

import json
import sys
import time
import uuid
from collections.abc import Mapping
from pathlib import Path

from local.gateway.function import Function, Result
from local.gateway.runtime_api import Invocation
from local.gateway.template import read
from local.gateway.worker import INIT_SECONDS, Worker


class NotAnswered(Exception):
    """The function gave something else than an answer."""


def cold_start(
    function: Function, python: Path, environment: Mapping[str, str], log: Path, event: bytes
) -> tuple[float, float]:
    """Start a process and let it answer one event; raises NotAnswered."""
    began = time.perf_counter()
    worker = Worker(function, python, environment, log)
    try:
        # It is there before the runtime asks for it, so that the moment in which it is taken is that of the asking.
        worker.api.invocations.put(Invocation(event, function.timeout, function.arn, str(uuid.uuid4())))
        kind, body = worker.api.reports.get(timeout=INIT_SECONDS)
        asked = time.perf_counter()
        if kind == "taken":
            kind, body = worker.api.reports.get(timeout=function.timeout)
        answered = time.perf_counter()
    finally:
        worker.close()
    result = Result(body, failed=kind != "response")
    status = 0 if result.failed else json.loads(result.payload).get("statusCode", 200)
    if not 200 <= status < 300:
        raise NotAnswered(f"{function.name}: {kind}: {result.payload.decode(errors='replace')[:2000]}")
    return asked - began, answered - asked


def main(config_file: Path) -> int:
    """Time the starts that are asked for, one a line, until there are no more; return the exit status."""
    config = json.loads(config_file.read_text())
    project = read(Path(config["template"]), config["parameters"], config["variables"])
    environment = {**config["aws"], **config["functions"]}
    for line in sys.stdin:
        name, event, more = json.loads(line)
        log = Path(config["logs"]) / f"{name}.cold.log"
        took = cold_start(
            project.functions[name],
            Path(config["python"]),
            {**environment, **more},
            log,
            json.dumps(event).encode(),
        )
        print(json.dumps(took), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
