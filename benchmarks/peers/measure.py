"""What a way to back up or restore takes: time, processor time of client, server and store apart, memory, size."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from local.demo.expect import Unexpected
from local.runtime.process import plain_environment, tail
from local.runtime.state import ROOT

_CHILD = ROOT / "benchmarks" / "peers" / "child.py"
_STAT = Path("/proc/stat")
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Cost:
    """One turn. Seconds, of the clock and of processors; bytes. None where it cannot be known, as of a remote server.

    ``start`` is how long a process took to get ready, which is not in ``seconds``. ``machine`` is what all processors
    together were busy for meanwhile, whatever with.
    """

    seconds: float
    client: float
    server: float | None
    peak: int
    size: int | None = None
    store: float | None = None
    machine: float | None = None
    start: float = 0.0

    @property
    def others(self) -> float | None:
        """The share of the machine's processor time that went to what is not measured here, which a quiet one has little of."""
        if self.machine is None or self.server is None:
            return None
        ours = self.client + self.server + (self.store or 0.0)
        return max(0.0, self.machine - ours) / (self.seconds * (os.cpu_count() or 1))


@dataclass(frozen=True)
class Meter:
    """The processes beside the client whose processor time counts, by their ids: the server's and the store's."""

    server: int | None = None
    store: int | None = None

    def read(self) -> tuple[float | None, float | None, float | None]:
        """The seconds that they have used since they began, and that all processors were busy since the machine did."""
        return _used(self.server), _used(self.store), _busy()


@dataclass
class Taken:
    """What a block took, once it has been left."""

    seconds: float = 0.0
    client: float = 0.0
    server: float | None = None
    store: float | None = None
    machine: float | None = None


@contextmanager
def metered(meter: Meter) -> Iterator[Taken]:
    """Fill in what the block takes of the clock, of this process (all its threads), and of the meter's."""
    taken, before, own, began = Taken(), meter.read(), time.process_time(), time.perf_counter()
    yield taken
    taken.seconds = time.perf_counter() - began
    taken.client = time.process_time() - own
    taken.server, taken.store, taken.machine = map(_difference, before, meter.read())


@dataclass(frozen=True)
class Programs:
    """Programs to run, each reading from the one before it; a file for the first to read and one for the last to write."""

    pipe: Sequence[Sequence[str]]
    log: Path
    stdin: Path = Path(os.devnull)
    stdout: Path = Path(os.devnull)
    environment: Mapping[str, str] = field(default_factory=dict)

    def run(self, meter: Meter) -> Cost:
        """Run them to their end; peak memory is the sum of their peaks. Raises Unexpected if one fails."""
        task = {"pipe": self.pipe, "stdin": str(self.stdin), "stdout": str(self.stdout), "stderr": str(self.log)}
        before = meter.read()
        done = subprocess.run(
            [sys.executable, "-I", "-S", str(_CHILD), json.dumps(task)],
            env=plain_environment(**self.environment),
            cwd=ROOT,
            stdout=subprocess.PIPE,
            check=True,
        )
        server, store, machine = map(_difference, before, meter.read())
        found = json.loads(done.stdout)
        if any(found["status"]):
            names = " | ".join(words[0] for words in self.pipe)
            raise Unexpected(f"{names}: exit status {found['status']}\n{tail(self.log)}")
        return Cost(found["seconds"], sum(found["cpu"]), server, sum(found["peak"]), store=store, machine=machine)


def job(
    task: Mapping[str, Any], meter: Meter, log: Path, environment: Mapping[str, str]
) -> tuple[Cost, dict[str, Any]]:
    """Do a task of `job` in a process of its own: what it took by its own clock, and what else it says."""
    out = log.with_suffix(".json")
    given = {**task, "meter": [meter.server, meter.store], "since": time.monotonic()}
    words = [sys.executable, "-m", "benchmarks.peers.job", json.dumps(given)]
    whole = Programs([words], log, stdout=out, environment=environment).run(meter)
    said = json.loads(out.read_text(encoding="utf-8"))
    cost = replace(whole, start=said.pop("start"), size=said.get("size"), **said.pop("taken"))
    return cost, said


def _used(pid: int | None) -> float | None:
    """User and system time of a process and all its threads, in seconds, to a hundredth."""
    if pid is None:
        return None
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _busy() -> float | None:
    """Seconds of all processors with anything but waiting; what a virtual machine was kept from using is among them."""
    if not _STAT.exists():
        return None
    user, nice, system, _idle, _wait, *rest = map(int, _STAT.read_text(encoding="utf-8").split("\n")[0].split()[1:])
    return (user + nice + system + sum(rest[:3])) / _TICKS  # the others are of guests, and in user's already


def _difference(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else after - before
