"""Makes the lock files: every package that is installed anywhere here, at one version and with the hashes of its files.

Run by ``make lock`` with whatever Python 3 the machine has; uv, which resolves, is in `.venvs/tools`. What a lock has
already stays as it is while the source list allows it; ``make lock UPGRADE=1`` takes the newest of everything.
"""

import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
UV = ROOT / ".venvs" / "tools" / "bin" / "uv"

# Lambda's Python and Linux. No markers come of it, so that the Python that builds the layer has no say in what is in.
LAMBDA = ("--python-version", "3.13", "--python-platform", "x86_64-manylinux_2_28")
# Every Python from the oldest on, and every system.
ANYWHERE = ("--python-version", "3.11", "--universal")


@dataclass(frozen=True)
class Lock:
    """A lock file, the list it is made from, and for which machines; paths from the root."""

    path: str
    source: str
    machines: tuple[str, ...]
    constraints: tuple[str, ...] = ()

    def requirements(self) -> list[str]:
        """The requirements of the source list, as it has them; pyproject's are joined by those of the layer."""
        source = ROOT / self.source
        if source.suffix != ".toml":
            return _lines(source)
        project = tomllib.loads(source.read_text(encoding="utf-8"))
        # What builds the project is installed before it, so that a build downloads nothing.
        wanted = [*project["project"]["optional-dependencies"]["dev"], *project["build-system"]["requires"]]
        return [*_lines(ROOT / LAYER.source), *wanted]

    def make(self, *options: str) -> None:
        """Write the lock; raises CalledProcessError, the lock untouched, when the list cannot be met."""
        constraints = [part for path in self.constraints for part in ("--constraints", path)]
        command = [str(UV), "pip", "compile", "--generate-hashes", "--no-annotate", "--no-python-downloads", "--quiet"]
        command += ["--custom-compile-command", "make lock", *self.machines, *constraints, *options]
        # The list goes in by standard input: uv would have to build the project to learn what it needs.
        wanted = "\n".join(self.requirements())
        subprocess.run([*command, "-o", self.path, "-"], cwd=ROOT, input=wanted, text=True, check=True)


LAYER = Lock("layers/tableferry/requirements.lock", "layers/tableferry/requirements.txt", LAMBDA)
BUILD = Lock("layers/tableferry/build.lock", "layers/tableferry/build.txt", ANYWHERE)
LOCKS = (
    LAYER,
    BUILD,
    # Tests run with what is deployed.
    Lock("tools/requirements/dev.lock", "pyproject.toml", ANYWHERE, (LAYER.path,)),
    Lock("tools/requirements/sam.lock", "tools/requirements/sam.txt", ANYWHERE),
    Lock("tools/requirements/s3.lock", "tools/requirements/s3.txt", ANYWHERE),
    Lock("tools/requirements/tools.lock", "tools/requirements/tools.txt", ANYWHERE),
    Lock("tools/requirements/docs.lock", "tools/requirements/docs.txt", ANYWHERE),
)


def _lines(path: Path) -> list[str]:
    """The requirements of a list, without its comments."""
    lines = (line.split("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line]


def main(options: list[str]) -> int:
    """Make every lock, with uv's options if any are given; return the exit status."""
    for lock in LOCKS:
        print(f"lock: {lock.path}", flush=True)
        try:
            lock.make(*options)
        except subprocess.CalledProcessError as error:
            print(f"lock: uv ended with exit status {error.returncode}; {lock.path} is as it was.", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
