"""Starts the runtime in the background, says what is where, and stops it."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from local.runtime import given
from local.runtime.process import StartError, kill_group, plain_environment
from local.runtime.state import ROOT, State, acquire, is_locked
from local.runtime.steps import Step, Steps, megabytes, size_of

START_SECONDS = 180.0
STOP_SECONDS = 60.0
TEMPLATE = ROOT / "template.yaml"


def running(state: State) -> dict[str, str] | None:
    """What a client needs to know of the runtime, as environment variables; None if it does not run."""
    if not is_locked(state.supervisor):
        return None
    environment = state.read_runtime().get("env")
    return environment if isinstance(environment, dict) else None


def up(
    state: State,
    template: Path | None = None,
    settings: Mapping[str, str] | None = None,
    shown: Steps | None = None,
) -> dict[str, str]:
    """Start the runtime unless it runs, and wait for it; return its environment variables. Raises StartError.

    ``shown`` shows each part while it is started.

    ``settings`` stand in for variables of our own environment: those of `local.runtime.given`. One that runs with others than
    are said now, or with another template, is not what was asked for: that is an error, and it goes on as it is.
    """
    if is_locked(state.lock) and not is_locked(state.supervisor):
        down(state)  # what a killed supervisor left
    try:
        lock = acquire(state.lock)
    except BlockingIOError:
        environment = _wait(state, None)
        _refuse_others(state, environment, template, {**os.environ, **(settings or {})})
        return environment
    template = template or TEMPLATE
    state.make()
    state.write_runtime({})
    command = [sys.executable, "-m", "local", "--state", str(state.folder), "serve", "--template", str(template)]
    with (state.logs / "runtime.log").open("ab") as log:
        process = subprocess.Popen(
            [*command, "--lock", str(lock)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=ROOT,
            pass_fds=(lock,),
            env=plain_environment(**(settings or {})),
            start_new_session=True,
        )
    os.close(lock)
    threading.Thread(target=process.wait, daemon=True).start()  # so that it is no zombie if we live longer than it
    try:
        return _wait(state, process, shown)
    except BaseException:
        down(state)
        raise


def down(state: State) -> bool:
    """Stop whatever of the runtime is alive; return whether anything was."""
    if not is_locked(state.lock):
        return False
    runtime = state.read_runtime()
    if is_locked(state.supervisor) and "pid" in runtime:
        os.kill(runtime["pid"], signal.SIGTERM)
        if _free(state, STOP_SECONDS):
            return True
        os.kill(runtime["pid"], signal.SIGKILL)
    if "group" in runtime:
        kill_group(runtime["group"], signal.SIGTERM)
        if not _free(state, 10.0):
            kill_group(runtime["group"], signal.SIGKILL)
    if not _free(state, 10.0):
        message = f"something still runs; see who holds {state.lock}"
        raise StartError(message)
    state.env.unlink(missing_ok=True)
    state.write_runtime({})
    return True


def _refuse_others(state: State, env: Mapping[str, str], template: Path | None, wanted: Mapping[str, str]) -> None:
    """Raise StartError if what runs is not what is wanted."""
    runtime = state.read_runtime()
    different = given.differences(given.in_force(runtime.get("settings", {}), env), given.said(wanted))
    if template and str(template.resolve()) != runtime.get("template"):
        different.append(f"the template is {runtime.get('template')}, and {template.resolve()} is asked for")
    if different:
        message = f"it runs already: {'; '.join(different)}. To change that: make down, then make up"
        raise StartError(message)


def _free(state: State, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while is_locked(state.lock):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _wait(state: State, process: "subprocess.Popen[bytes] | None", shown: Steps | None = None) -> dict[str, str]:
    """Wait until the runtime is up, whether we started it (``process``) or somebody else did."""
    deadline = time.monotonic() + START_SECONDS
    with ExitStack() as stack:
        parts = _Parts(stack, state, shown)
        while time.monotonic() < deadline:
            if environment := running(state):
                parts.end()
                return environment
            if (process.poll() is not None) if process else not is_locked(state.lock):
                message = state.read_runtime().get("error") or f"the runtime did not start; see {state.logs}"
                raise StartError(message)
            parts.look()
            time.sleep(0.05)
    message = f"the runtime did not start in {START_SECONDS:.0f} seconds; see {state.logs}"
    raise StartError(message)


class _Parts:
    """The parts of a runtime that starts, shown one after the other, as its supervisor says that it is at them.

    What ends ``stack`` ends the one that is under way.
    """

    def __init__(self, stack: ExitStack, state: State, shown: Steps | None) -> None:
        self._stack, self._state, self._shown = stack, state, shown
        self._part = ""
        self._step: Step | None = None

    def look(self) -> None:
        """See which part is started now; the one before it has ended."""
        part = self._state.read_runtime().get("starting", "")
        if self._shown is not None and part and part != self._part:  # none is said at the end, whether good or bad
            self.end()
            self._part, self._step = part, self._stack.enter_context(self._shown.step(part))

    def end(self) -> None:
        """End the part that is under way, with the size of its data."""
        data = {"the database": self._state.database, "S3": self._state.objects}.get(self._part)
        if self._step is not None and data is not None and data.exists():
            self._step.size = megabytes(size_of(data))
        self._stack.close()
