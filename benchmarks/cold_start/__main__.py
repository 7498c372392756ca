"""`make bench-cold`: how long a call waits that finds no process of its function warm.

Each function of the template is started anew, turn by turn, under the genuine runtime and answers one request. It runs
from compiled modules as a layer with them has them, and without: Lambda's layers cannot be written to, so that one without
them is compiled at every cold start. The standard library, which Lambda brings, is compiled either way.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.common.place import runtime
from benchmarks.common.report import duration, markdown_row
from local.runtime.state import ROOT, State
from local.runtime.supervisor import GATEWAY

FUNCTIONS = {  # each with an event that it answers without much work, and the seconds in which it should be there
    "InsertFunction": ("insert-json", 0.4),
    "UploadsFunction": ("loads", 0.9),
    "BackupFunction": ("backups", 0.9),
    "RestoreFunction": ("restores", 0.9),
}
_HEADS = (
    "function",
    "modules of the layer",
    "starts",
    "start",
    "min to max",
    "wanted",
    "its first answer",
    "min to max",
)
_OF_LAMBDA = {"awslambdaric"}


@dataclass
class ColdStarts:
    """One function's: seconds until its runtime asks for the first event, and from then until that is answered."""

    function: str
    compiled: bool
    starts: list[float] = field(default_factory=list)
    answers: list[float] = field(default_factory=list)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(prog="bench_cold", description="Times the cold start of each function.")
    parser.add_argument("--turns", type=int, default=10, metavar="N", help="cold starts of each (10)")
    turns = parser.parse_args(arguments).turns
    if turns < 1:
        parser.error("--turns must be more than 0")
    state = State(State.from_env().folder / "bench-cold")
    with runtime(state) as (folder, _):
        print(table(measure(state, folder, turns)))
    return 0


def measure(
    state: State, folder: Path, turns: int, functions: Sequence[str] = tuple(FUNCTIONS)
) -> Sequence[ColdStarts]:
    """Start functions so many times, in turns, in the state of a runtime that runs; modules are compiled into `folder`.

    Raises:
        subprocess.CalledProcessError: one did not answer; what it said stands on standard error.
    """
    compiled, bare = folder / "compiled", folder / "bare"
    _cold_starts(state, [(name, compiled, True) for name in functions])
    shutil.copytree(compiled, bare, ignore=_of_layer)
    found = [ColdStarts(name, of_layer) for of_layer in (True, False) for name in functions]
    asked = [(one.function, compiled if one.compiled else bare, False) for one in found]
    for one, (start, answer) in zip(found * turns, _cold_starts(state, asked * turns), strict=True):
        one.starts.append(start)
        one.answers.append(answer)
    return found


def table(found: Sequence[ColdStarts]) -> str:
    """Markdown: medians, with the least and the most."""
    lines = [markdown_row(_HEADS), "|" + "---|" * len(_HEADS)]
    for one in found:
        spread = [
            (duration(statistics.median(times)), f"{duration(min(times))} to {duration(max(times))}")
            for times in (one.starts, one.answers)
        ]
        wanted = f"under {FUNCTIONS[one.function][1] * 1000:.0f} ms"
        kind = "compiled" if one.compiled else "not compiled"
        lines.append(markdown_row((one.function, kind, str(len(one.starts)), *spread[0], wanted, *spread[1])))
    return "\n".join([*lines, ""])


def _cold_starts(state: State, asked: Sequence[tuple[str, Path, bool]]) -> Sequence[tuple[float, float]]:
    """Start functions one after the other, each with a folder of compiled modules, which may be written to."""
    lines = [json.dumps([name, _event(name), _environment(folder, writes)]) + "\n" for name, folder, writes in asked]
    done = subprocess.run(
        [
            str(GATEWAY),
            "-m",
            "local.gateway.cold",
            str(state.folder / "gateway.json"),
        ],  # there is the parser of templates
        cwd=ROOT,
        input="".join(lines),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return [(begun, answered) for begun, answered in map(json.loads, done.stdout.splitlines())]


def _event(function: str) -> dict[str, Any]:
    event: dict[str, Any] = json.loads((ROOT / "events" / f"{FUNCTIONS[function][0]}.json").read_text(encoding="utf-8"))
    # The same rows each time, and so the same way through the code.
    return event | {"queryStringParameters": {"on_duplicate": "ignore"}} if function == "InsertFunction" else event


def _environment(compiled: Path, writes: bool) -> Mapping[str, str]:
    return {"PYTHONPYCACHEPREFIX": str(compiled), "PYTHONDONTWRITEBYTECODE": "" if writes else "1"}


def _of_layer(folder: str, names: Sequence[str]) -> Sequence[str]:
    """Which of a folder's compiled modules are the layer's, or the functions'."""
    if folder.endswith(sysconfig.get_path("purelib")):
        return [name for name in names if name.removesuffix(".pyc").split(".")[0] not in _OF_LAMBDA]
    return [name for name in names if folder.endswith(str(ROOT)) and name in {"functions", "layers"}]


if __name__ == "__main__":
    sys.exit(main())
