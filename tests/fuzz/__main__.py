"""`make fuzz`: a runtime of its own, all routes, CASES of each; SEED repeats a run, and in CI is always the same."""

import os
import shutil
import sys
import time

from rich.console import Console

from local.runtime.state import ROOT, State
from tests.fuzz import run
from tests.fuzz.world import runtime_settings, seeded
from tests.support.parts import clean_environment, running

IN_CI = 20261125
FOLDER = ROOT / ".local" / "fuzz"  # its logs stay until the next run


def main() -> int:
    wanted = int(os.environ.get("CASES") or 2000)
    seed = int(os.environ.get("SEED") or (IN_CI if os.environ.get("CI") else run.any_seed()))
    console = Console(width=170)
    console.print(f"{wanted:,} cases a route; to repeat: make fuzz CASES={wanted} SEED={seed}")
    begun = time.monotonic()
    settings = runtime_settings()
    clean_environment()
    shutil.rmtree(FOLDER, ignore_errors=True)
    with running(State(FOLDER), settings=settings) as runtime:
        good = run.report(run.run(seeded(runtime), wanted, seed, console), wanted, console)
    console.print(f"{time.monotonic() - begun:.0f} s in all. {'Well.' if good else 'NOT well.'}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
