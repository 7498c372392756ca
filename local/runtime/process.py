"""Programs that run beside us: started with a log, waited for until they answer, stopped for certain."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

# Neither the person's files nor the machine's service shall give a client here keys or an address of AWS.
NO_ACCOUNT = {
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}


_SHOWN = 80  # of a line that only shows that something goes on


class StartError(Exception):
    """A part of the runtime did not start; the message holds the end of its log."""


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on at this moment."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def accepts(port: int) -> bool:
    """Whether something on 127.0.0.1 takes connections at this port."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def tail(log: Path, lines: int = 15) -> str:
    """The last lines of a log, indented."""
    try:
        text = log.read_text(errors="replace")
    except FileNotFoundError:
        return ""
    return "\n".join(f"    {line}" for line in text.splitlines()[-lines:])


def said_since(log: Path, start: int) -> str:
    """All that was written to a log from this byte on, indented."""
    with log.open("rb") as file:
        file.seek(start)
        return "\n".join(f"    {line}" for line in file.read().decode(errors="replace").splitlines())


def logged(command: Sequence[str], log: Path, environment: Mapping[str, str], folder: Path, seconds: float) -> None:
    """Run a command without input, and have what it prints written to a log.

    Raises StartError, with all that it printed, if it fails or takes too long.
    """
    with log.open("ab") as output:
        start = output.tell()
        try:
            done = subprocess.run(
                command, cwd=folder, env=dict(environment), stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                timeout=seconds, check=False,
            )  # fmt: skip
            failed = f"ended with exit status {done.returncode}" if done.returncode else ""
        except subprocess.TimeoutExpired:
            failed = f"did not end in {seconds:.0f} seconds"
        except OSError as error:
            failed = f"did not start: {error}"
    if failed:
        message = f"`{' '.join(command)}` {failed}\n{said_since(log, start)}"
        raise StartError(message)


def last_line(log: Path, start: int = 0, begins: str = "") -> str:
    """The last line of a log that says something, of those that begin so, from this byte on; empty if there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(start, file.seek(0, os.SEEK_END) - 16_384))
            lines = [line.strip() for line in file.read().decode(errors="replace").splitlines()]
    except OSError:
        return ""
    return next((line[:_SHOWN] for line in reversed(lines) if line and line.startswith(begins)), "")


class Child:
    """One program with its log.

    ``inherit`` is a file descriptor that it keeps open: the runtime's lock. ``group`` is the group of processes that it
    joins, if not one of its own.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        log: Path,
        environment: Mapping[str, str],
        inherit: int | None = None,
        group: int = 0,
        folder: Path | None = None,
    ) -> None:
        self.name, self.log = name, log
        with log.open("ab") as output:
            try:
                self.process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    env=dict(environment),
                    pass_fds=() if inherit is None else (inherit,),
                    process_group=group,
                    cwd=folder,
                )
            except OSError as error:
                message = f"{name} did not start: {error}"
                raise StartError(message) from error

    def wait_until(self, ready: Callable[[], bool], seconds: float) -> None:
        """Return when ``ready()`` is true; raise StartError, with the end of the log, if it ends or takes too long."""
        deadline = time.monotonic() + seconds
        while not ready():
            if (status := self.process.poll()) is not None:
                message = f"{self.name} did not start: it ended with exit status {status}\n{tail(self.log)}"
                raise StartError(message)
            if time.monotonic() > deadline:
                self.stop(seconds=2)
                message = f"{self.name} did not start in {seconds:.0f} seconds\n{tail(self.log)}"
                raise StartError(message)
            time.sleep(0.02)

    def stop(self, seconds: float = 20) -> None:
        """Ask it to end; after so many seconds, make it."""
        self.process.terminate()
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def kill_group(group: int, how: signal.Signals) -> None:
    """Send a signal to a group of processes, if any of it is left."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, how)


def plain_environment(**more: str) -> dict[str, str]:
    """Our environment without what speaks of AWS, so that no real account is ever reached from here."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTHON"))}
    return {**kept, **NO_ACCOUNT, **more}
