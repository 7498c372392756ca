"""The load function in processes of its own, as Lambda's environments are, which a test may kill.

As a program, with the path of a socket to listen on: it has all modules loaded but has run nothing yet, and forks for
each connection. That says ``{"environment": …, "events": […]}``, is told the process's number, says ``go``, and is told
what came of each event. Events given together are worked at in threads of the one process.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import boto3

from functions.load import app
from tableferry.api import arrivals, metrics
from tableferry.ingest import load
from tableferry.ingest.files import blocks
from tests.support.lambdas import Json, invoke
from tests.support.parts import until

LINES = 10


@dataclass(frozen=True)
class Outcome:
    """What came of an event: the load status, or the name of the error."""

    status: Json | None
    error: str | None


class Run:
    """A process that has been made and waits to be let go."""

    def __init__(self, path: Path, environment: dict[str, str], events: Sequence[Json]) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(path))
        self._file = self._socket.makefile("rw")
        self._say({"environment": environment, "events": list(events)})
        self._pid: int = json.loads(self._file.readline())

    def go(self) -> Self:
        self._say("go")
        return self

    def kill(self) -> None:
        """As Lambda ends an environment: at once, and without a word. Only before the outcomes are asked for."""
        os.kill(self._pid, signal.SIGKILL)

    def outcomes(self) -> list[Outcome] | None:
        """What came of the events, None if the process was killed before all were done."""
        with self._socket, self._file:
            said = [json.loads(line) for line in self._file]
        return [Outcome(**one) for one in said[0]] if said else None

    def _say(self, what: object) -> None:
        self._file.write(json.dumps(what) + "\n")
        self._file.flush()


class Functions:
    """The program, for as long as the block lasts, started in the environment of now and what is given besides."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory()
        self._path = Path(self._folder.name) / "socket"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.load_process", str(self._path)],
            stdout=subprocess.DEVNULL,
            env={**os.environ, **self._environment},
        )
        assert until(lambda: self._path.exists() or self._process.poll() is not None)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait(30)
        self._folder.cleanup()

    def prepared(self, *events: Json, **environment: str) -> Run:
        """A process for these events, in the environment of now and what is given besides."""
        return Run(self._path, {**os.environ, **environment}, events)


def small_blocks() -> None:
    """Let there be many blocks, as the fixture of this name does."""
    assert hasattr(blocks, "_BLOCK_LINES")
    blocks._BLOCK_LINES = LINES


def _outcome(event: Json, alone: bool) -> Json:
    try:
        if alone:
            (status,) = invoke(app.handler, event)
        else:  # the handler's log and metrics are for one at a time
            ((key, version),) = arrivals.created_objects(event)
            status = app.load_object(key, version)
    except Exception as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return {"status": None, "error": type(error).__name__}
    return {"status": status, "error": None}


def _work(environment: dict[str, str], events: list[Json]) -> list[Json]:
    os.environ.clear()
    os.environ.update(environment)
    if len(events) == 1:
        return [_outcome(events[0], alone=True)]
    with ThreadPoolExecutor(len(events)) as pool:
        return list(pool.map(lambda event: _outcome(event, alone=False), events))


def _serve(connection: socket.socket) -> None:
    file: Any = connection.makefile("rw")
    order = json.loads(file.readline())
    file.write(f"{os.getpid()}\n")
    file.flush()
    file.readline()
    file.write(json.dumps(_work(**order)) + "\n")
    file.flush()


def main(path: str) -> None:
    assert load  # which the function imports when it is needed, and takes a while
    small_blocks()
    metrics.metrics.provider.namespace = "Tableferry"
    boto3.client("s3")  # reads what describes the service
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{path}.new")
        listener.listen(64)
        Path(f"{path}.new").rename(path)  # who sees it may connect
        while True:
            connection, _ = listener.accept()
            if not os.fork():
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                listener.close()
                try:
                    _serve(connection)
                finally:
                    os._exit(0)
            connection.close()


if __name__ == "__main__":
    main(sys.argv[1])
