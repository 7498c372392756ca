"""How much memory the functions took: the peak resident set (VmHWM) of their processes, as Linux counts it."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

PROC = Path("/proc")


class Memory:
    """The processes of one runtime's functions, known by the S3 in their environment: runtimes may share a database."""

    def __init__(self, s3_url: str) -> None:
        self._mark = f"AWS_ENDPOINT_URL_S3={s3_url}".encode()

    def forget(self) -> None:
        """Begin anew: the peak of every process is what it holds now."""
        for process in self._processes():
            with contextlib.suppress(OSError):
                (process / "clear_refs").write_text("5")

    def peak(self, function: str) -> int | None:
        """Bytes: the highest peak among the function's processes; None where nothing is known (not Linux)."""
        peaks = [peak for process in self._processes(function) if (peak := _peak(process)) is not None]
        return max(peaks, default=None)

    def processes(self, function: str) -> int:
        """How many there are: a function has one for each invocation that ran at the same time."""
        return sum(1 for _ in self._processes(function))

    def _processes(self, function: str = "") -> Iterator[Path]:
        wanted = f"AWS_LAMBDA_FUNCTION_NAME={function}".encode()
        for process in PROC.glob("[0-9]*"):
            try:
                environment = (process / "environ").read_bytes().split(b"\0")
            except OSError:  # another user's, or gone
                continue
            if self._mark in environment and any(
                entry == wanted or (not function and entry.startswith(wanted)) for entry in environment
            ):
                yield process


def _peak(process: Path) -> int | None:
    with contextlib.suppress(OSError):
        for line in (process / "status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return None
