"""MySQL and S3 in containers with `sam local start-api` before them: started in the background, and stopped for certain."""

import os
import signal
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from io import StringIO
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from local.runtime.given import differences
from local.runtime.ports import lasting_port
from local.runtime.process import Child, StartError, accepts, last_line, logged, said_since
from local.runtime.s3 import REGION
from local.runtime.state import ROOT, State, acquire, is_locked
from local.runtime.steps import Steps, megabytes, size_of, steps
from local.sam import engine
from local.sam.cli import Sam, environment

BUCKET = "tableferry-local"
PORTS = ("MYSQL_PORT", "S3_PORT", "API_PORT")
_PULL_SECONDS = 900
_API_SECONDS = 180
_STOP_SECONDS = 30


@dataclass(frozen=True)
class Stack:
    """One API with its containers. Several can run side by side, each with a state, a project and a build of its own.

    The state's lock is held by SAM, for as long as it lives; only then is the process id in ``runtime`` its own.
    """

    state: State
    project: str
    build_folder: Path
    ports: Mapping[str, int] = field(default_factory=dict)
    """Which to publish on 127.0.0.1, of MYSQL_PORT, S3_PORT and API_PORT; the others are any that are free."""

    @classmethod
    def usual(cls) -> "Stack":
        """What `make sam-up` starts; raises StartError if the environment names a port that is none."""
        given = {name: os.environ[name] for name in PORTS if os.environ.get(name)}
        if wrong := [f"{name}={value}" for name, value in given.items() if not value.isdecimal()]:
            message = f"{', '.join(wrong)}: a port is a number"
            raise StartError(message)
        ports = {name: int(value) for name, value in given.items()}
        return cls(State(State.from_env().folder / "sam"), "tableferry", ROOT / ".aws-sam" / "build", ports)

    @classmethod
    def started(cls, state: State) -> "Stack":
        """The one that was started with this state; raises StartError if there is none."""
        runtime = state.read_runtime()
        if "env" not in runtime or not is_locked(state.lock):
            message = "it does not run: make sam-up"
            raise StartError(message)
        return cls(state, runtime["project"], Path(runtime["build"]))

    @property
    def sam(self) -> Sam:
        return Sam(self.build_folder, self.project)

    def running(self) -> dict[str, str] | None:
        """What a client needs to know, as environment variables; None if it does not run."""
        env = self.state.read_runtime().get("env")
        return env if isinstance(env, dict) and is_locked(self.state.lock) else None

    def up(self, shown: Steps | None = None) -> dict[str, str]:
        """Start all of it unless it runs; return `running()`. Raises StartError, and then nothing of it runs.

        ``shown`` shows its steps: the images, the containers and, beside them, the build, then the first answer.
        One that runs at other ports than are asked for goes on, and that is an error too.
        """
        if env := self.running():
            addresses = {"MYSQL_PORT": "DATABASE_URL", "S3_PORT": "S3_URL", "API_PORT": "API_URL"}
            runs = {name: str(urlsplit(env[address]).port) for name, address in addresses.items()}
            if different := differences(runs, {name: str(port) for name, port in self.ports.items()}):
                message = f"it runs already: {'; '.join(different)}. To change that: make sam-down, then make sam-up"
                raise StartError(message)
            return env
        engine.require()
        self.down()  # what one that died left
        try:
            lock = acquire(self.state.lock)
        except BlockingIOError:
            message = f"somebody else starts it at this moment; see who holds {self.state.lock}"
            raise StartError(message) from None
        try:
            with nullcontext(shown) if shown else steps("sam-up", StringIO()) as told:
                return self._start(lock, told)
        except BaseException:
            os.close(lock)
            lock = -1
            self.down()
            raise
        finally:
            if lock >= 0:
                os.close(lock)

    def down(self, data: bool = False) -> bool:
        """Stop and remove all that `up` started, with the database's files if ``data``; return whether there was any.

        Raises StartError: something is still there.
        """
        runtime = self.state.read_runtime()
        if is_locked(self.state.lock) and "pid" in runtime:
            self._end(runtime["pid"])
        if "project" not in runtime and not (data and engine.left_of(self.project)):
            return False
        engine.remove_functions(self.project)
        self._compose({}, "down", "--timeout", "20", *(["--volumes"] if data else []), seconds=120)
        self.state.env.unlink(missing_ok=True)
        self.state.write_runtime({})
        return True

    def _start(self, lock: int, shown: Steps) -> dict[str, str]:
        self.state.make()
        ports = {name: self.ports.get(name) or lasting_port(self.state, name) for name in PORTS}
        if accepts(ports["API_PORT"]):  # else the answers of whoever listens there would be taken for ours
            message = f"something listens on port {ports['API_PORT']} already; give the API another with API_PORT"
            raise StartError(message)
        runtime: dict[str, object] = {"project": self.project, "build": str(self.build_folder)}
        self.state.write_runtime(runtime)
        with ThreadPoolExecutor(2) as pool:  # they do not need each other
            both = [pool.submit(self._containers, ports, shown), pool.submit(self._build, shown)]
        if failed := [error for one in both if (error := one.exception()) is not None]:
            if all(isinstance(error, StartError) for error in failed):
                raise StartError("\n".join(map(str, failed)))
            raise failed[0]
        start = _size(self._log("api"))
        api = Child(
            "the API", self.sam.start_api(ports["API_PORT"]), self._log("api"), environment(), lock, folder=ROOT
        )
        runtime["pid"] = api.process.pid
        self.state.write_runtime(runtime)
        env = _addresses(ports)
        log = self._log("api")
        with shown.step("the API's first answer") as step:
            step.so_far = partial(last_line, log, start)
            try:
                api.wait_until(partial(_answers, env["API_URL"]), _API_SECONDS)
            except StartError as error:
                message = f"{str(error).splitlines()[0]}\n{said_since(log, start)}"
                raise StartError(message) from error
        self.state.write_runtime({**runtime, "env": env})
        self.state.write_env(env)
        return env

    def _containers(self, ports: dict[str, int], shown: Steps) -> None:
        """Get the images that are not here, and start the containers."""
        command, env = engine.compose(self.project, ports, "config", "--images")
        images = sorted(set(engine.output(command, env).split()))
        with shown.step("images") as step:
            for number, image in enumerate(images, 1):
                if engine.image_bytes(image) is None:
                    log = self._log("images")
                    step.so_far = partial(_pulling, f"{image}, {number} of {len(images)}", log, _size(log))
                    logged(["docker", "pull", image], log, env, ROOT, _PULL_SECONDS)
            sizes = [engine.image_bytes(image) or 0 for image in images]
            step.size = f"{len(images)} images, {megabytes(sum(sizes))}"
        with shown.step("containers") as step:
            step.size = f"{len(images)} containers"
            step.so_far = lambda: "until MySQL and S3 are healthy"
            self._compose(ports, "up", "--detach", "--wait", seconds=_PULL_SECONDS)

    def _build(self, shown: Steps) -> None:
        log = self._log("build")
        with shown.step("sam build") as step:
            step.so_far = partial(last_line, log, _size(log), "Building ")
            self.sam.build(log)
            step.size = megabytes(size_of(self.build_folder))

    def _compose(self, ports: dict[str, int], *arguments: str, seconds: float) -> None:
        command, env = engine.compose(self.project, ports, *arguments)
        logged(command, self._log("compose"), env, ROOT, seconds)

    def _end(self, pid: int) -> None:
        """Stop SAM, whose lock says that it lives."""
        for how, seconds in ((signal.SIGTERM, _STOP_SECONDS), (signal.SIGKILL, 10)):
            os.kill(pid, how)
            deadline = time.monotonic() + seconds
            while time.monotonic() < deadline:
                if not is_locked(self.state.lock):
                    return
                time.sleep(0.05)
        message = f"something still runs; see who holds {self.state.lock}"
        raise StartError(message)

    def _log(self, name: str) -> Path:
        self.state.make()
        return self.state.logs / f"{name}.log"


def _addresses(ports: dict[str, int]) -> dict[str, str]:
    return {
        "API_URL": f"http://127.0.0.1:{ports['API_PORT']}",
        "S3_URL": f"http://127.0.0.1:{ports['S3_PORT']}",
        "BUCKET": BUCKET,
        "DATABASE_URL": f"mysql://tableferry:tableferry@127.0.0.1:{ports['MYSQL_PORT']}/tableferry",
        # Any keys open this S3; those are the ones that SAM gives to the functions.
        "AWS_ACCESS_KEY_ID": "defaultkey",
        "AWS_SECRET_ACCESS_KEY": "defaultsecret",
        "AWS_DEFAULT_REGION": REGION,
    }


def _pulling(image: str, log: Path, start: int) -> str:
    """How far a pull is: the engine says of each layer what has become of it."""
    return f"{image}: {last_line(log, start)}".removesuffix(": ")


def _size(log: Path) -> int:
    return log.stat().st_size if log.exists() else 0


def _answers(url: str) -> bool:
    """Whether a function behind the API has reached the database: its container's first start is in this too."""
    try:
        return httpx.get(f"{url}/tables", timeout=60).status_code == 200
    except httpx.HTTPError:
        return False
