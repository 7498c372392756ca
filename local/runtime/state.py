"""Where the runtime keeps what it must remember: one folder, `.local/` or what TABLEFERRY_STATE names."""

import fcntl
import json
import os
import secrets
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


class State:
    """The files of one runtime. Several can run side by side, each with a folder of its own.

    ``lock`` says whether anything runs: each process holds it, by inheritance, as long as it lives, so that a runtime
    killed in any way is never taken for a running one, nor a stranger's process for one of ours. ``supervisor`` is held
    by the supervisor alone: only while it is, the process id in ``runtime`` may be sent a signal.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()

    @classmethod
    def from_env(cls) -> "State":
        return cls(Path(os.environ.get("TABLEFERRY_STATE") or ROOT / ".local"))

    @property
    def lock(self) -> Path:
        return self.folder / "lock"

    @property
    def supervisor(self) -> Path:
        return self.folder / "supervisor.lock"

    @property
    def runtime(self) -> Path:
        """What runs: the supervisor's process id and, once all is up, the addresses (JSON)."""
        return self.folder / "runtime.json"

    @property
    def env(self) -> Path:
        """The addresses and keys as `export NAME=value` lines for a shell."""
        return self.folder / "env"

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    @property
    def database(self) -> Path:
        return self.folder / "database"

    @property
    def objects(self) -> Path:
        """What is in S3: `s3_files` says how."""
        return self.folder / "s3"

    def make(self) -> None:
        """Make the folders. They hold keys and data, so they are their owner's alone."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.logs.mkdir(exist_ok=True)

    def read_runtime(self) -> dict[str, Any]:
        try:
            found = json.loads(self.runtime.read_text())
        except (FileNotFoundError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def write_runtime(self, content: Mapping[str, Any]) -> None:
        write_private(self.runtime, json.dumps(content, indent=2))

    def write_env(self, variables: Mapping[str, str]) -> None:
        lines = (f"export {name}={shlex.quote(value)}\n" for name, value in variables.items())
        write_private(self.env, "".join(lines))

    def secret(self, name: str, make: Callable[[], str] = lambda: secrets.token_urlsafe(32)) -> str:
        """A secret that is made once and then stays the same, in a file of this name."""
        path = self.folder / name
        if not path.exists():
            self.make()
            write_private(path, make())
        return path.read_text()


def acquire(lock: Path) -> int:
    """Take a lock and return its file descriptor, held until it is closed; raise BlockingIOError if another has it."""
    lock.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def is_locked(lock: Path) -> bool:
    """Whether somebody holds a lock."""
    if not lock.exists():
        return False
    try:
        os.close(acquire(lock))
    except BlockingIOError:
        return True
    return False


def write_private(path: Path, text: str) -> None:
    """Replace a file as a whole; only its owner can read it."""
    beside = path.with_name(f"{path.name}.{os.getpid()}.new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    beside.replace(path)
