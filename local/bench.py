"""`make bench`: how fast the four verbs are, and how much memory they take, on this machine.

Starts a runtime of its own, with a database of its own, and takes it away afterwards. Each case runs in turns with a plain
way to do the same, so that the ratio holds whatever else the machine does. The table goes to `.local/bench.md`.
"""

import argparse
import os
import platform
import shlex
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from local.bench_cases import Bench, Case
from local.state import ROOT, State

_PACKAGES = ("polars", "PyMySQL", "boto3", "awslambdaric")


def main(arguments: Sequence[str] = ()) -> int:
    """Measure, print the table and write it to the state's folder; 0 when every answer was as it should be."""
    parser = argparse.ArgumentParser(prog="bench", description="Measures POST, load, backup and restore.")
    parser.add_argument("--employees", type=int, default=200_000, metavar="N", help="rows of the file (200,000)")
    parser.add_argument(
        "--repeats", type=int, default=5, metavar="N", help="times for each of load, backup, restore (5)"
    )
    parser.add_argument("--posts", type=int, default=200, metavar="N", help="requests with 1,000 rows each (200)")
    options = parser.parse_args(arguments)
    state = State.from_env()
    with runtime(State(state.folder / "bench")) as (folder, env):
        text = measure(env, folder, options.employees, options.repeats, options.posts)
    state.make()
    (state.folder / "bench.md").write_text(text, encoding="utf-8")
    print(text)
    return 0


def measure(env: Mapping[str, str], folder: Path, employees: int, repeats: int, posts: int) -> str:
    """Run all cases on the runtime that `env` names and in whose database all tables are the benchmark's; the table."""
    bench = Bench(env, folder, employees, lambda text: print(text, file=sys.stderr, flush=True))
    cases = [bench.post(posts), bench.load("clean", repeats), bench.load("wanting", repeats)]
    cases += bench.backup_and_restore(repeats)
    return render(cases, machine(bench.server()))


@contextmanager
def runtime(state: State) -> Iterator[tuple[Path, Mapping[str, str]]]:
    """A runtime with its state in a folder that is gone afterwards: a folder for files, and the addresses."""
    outside = {name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "API_PORT"}}
    environment = {**outside, "TABLEFERRY_STATE": str(state.folder)}
    files = state.folder / "files"
    try:
        subprocess.run([sys.executable, "-m", "local", "up"], env=environment, cwd=ROOT, check=True)
        files.mkdir()
        yield files, read_env(state.env)
    finally:
        subprocess.run([sys.executable, "-m", "local", "down"], env=environment, cwd=ROOT, check=False)
        shutil.rmtree(state.folder, ignore_errors=True)


def read_env(file: Path) -> dict[str, str]:
    """The variables of a file of `export NAME=value` lines."""
    words = shlex.split(file.read_text(encoding="utf-8"))
    return dict(word.split("=", 1) for word in words if "=" in word)


def render(cases: Sequence[Case], facts: Mapping[str, str]) -> str:
    """The Markdown."""
    heads = ("case", "rows", "median", "min to max", "p99", "rows/s", "peak memory", "plain way", "rows/s", "ratio")
    lines = ["# Benchmark", "", *(f"- {name}: {value}" for name, value in facts.items()), ""]
    lines += ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    lines += ["| " + " | ".join(_cells(case)) + " |" for case in cases]
    lines += ["", "Times are what a client sees, over HTTP. Peak memory is that of the function's process (VmHWM)."]
    lines += ["Ratio: the plain way's median by ours; above 1, Tableferry is faster.", ""]
    return "\n".join(lines)


def _cells(case: Case) -> Sequence[str]:
    median, plain = statistics.median(case.seconds), statistics.median(case.plain_seconds)
    few = len(case.seconds) < 100
    return (
        f"{case.name} ({len(case.seconds)} times)",
        f"{case.rows:,}",
        _time(median),
        f"{_time(min(case.seconds))} to {_time(max(case.seconds))}",
        "-" if few else _time(statistics.quantiles(case.seconds, n=100)[98]),
        f"{case.rows / median:,.0f}",
        "-" if case.peak is None else f"{case.peak / 2**20:,.0f} MiB",
        case.plain,
        f"{case.rows / plain:,.0f}",
        f"{plain / median:.2f}",
    )


def _time(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"


def machine(server: str) -> dict[str, str]:
    """What the figures depend on."""
    return {
        "when": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "machine": f"{_processor()}, {os.cpu_count()} cores, {_memory()}, {platform.platform()}",
        "server": server,
        "software": ", ".join(
            [f"Python {platform.python_version()}", *(f"{name} {version(name)}" for name in _PACKAGES)]
        ),
    }


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


def _memory() -> str:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return f"{total / 2**30:.0f} GiB"
