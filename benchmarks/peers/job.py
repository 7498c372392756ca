"""`python -m benchmarks.peers.job`: one task of the benchmark in a process of its own, as a function would do it.

In: one argument, JSON of `do`, of `meter` (process ids), of `since` (when it was started) and of what the task takes;
the database and S3 by the environment, as for a function. Out: JSON of what it took and what the task says.
"""

import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from benchmarks.peers.measure import Meter, Taken, metered

# By name: what one task imports is not to be in the memory of another.
TASKS = {
    "backup": ("benchmarks.peers.ours", "back_up"),
    "restore": ("benchmarks.peers.ours", "bring_back"),
    "drain": ("benchmarks.peers.drain", "drain"),
    "write": ("benchmarks.peers.plain", "write"),
    "load": ("benchmarks.peers.plain", "load"),
}


def main(given: dict[str, Any]) -> dict[str, Any]:
    """Do the task. What comes before and behind the part that is measured, such as logging in, is not in the figures."""
    (module, name), meter, since = TASKS[given.pop("do")], Meter(*given.pop("meter")), given.pop("since")
    do: Callable[..., dict[str, Any]] = getattr(importlib.import_module(module), name)
    measured: list[tuple[float, Taken]] = []

    def measure(action: Callable[[], Any]) -> Any:
        start = time.monotonic() - since
        with metered(meter) as taken:
            result = action()
        measured.append((start, taken))
        return result

    said = do(os.environ["DATABASE_URL"], measure, **given)
    [(start, taken)] = measured
    return {**said, "start": start, "taken": asdict(taken)}


if __name__ == "__main__":
    json.dump(main(json.loads(sys.argv[1])), sys.stdout)
