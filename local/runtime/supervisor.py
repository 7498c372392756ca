"""The supervisor: starts the parts one after the other, watches them, and stops them in reverse.

A part that does not start, or ends by itself, ends all: half a runtime would only puzzle whoever calls it.
"""

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from local.gateway.pool import CONCURRENCY
from local.runtime import database, given, s3
from local.runtime.ports import lasting_port
from local.runtime.process import NO_ACCOUNT, Child, StartError, kill_group, plain_environment
from local.runtime.state import ROOT, State, acquire, write_private

GATEWAY = ROOT / ".venvs" / "sam" / "bin" / "python"
BUCKET = "tableferry-local"
SCALE = "on"  # the engine is in the emulator anyway: 4 MB more, and 0.1 s at the start
MOST_WORKERS = CONCURRENCY - 2  # with who holds their moment, and a request
UNDECLARED = ("WORKERS",)  # what functions read and the template leaves at its default


class Supervisor:
    """All parts of one runtime. ``lock`` is the descriptor of the state's lock, which each of them inherits."""

    def __init__(self, state: State, lock: int, template: Path) -> None:
        self.state, self.lock, self.template = state, lock, template
        self.children: list[Child] = []
        self.group = 0
        self.settings = given.said(os.environ)
        if database.is_embedded(state, self.settings.get("DATABASE_URL", "")):  # as `.local/env` says, to this shell
            del self.settings["DATABASE_URL"]
        self.bucket = self.settings.get("BUCKET") or BUCKET
        self.notes: list[str] = []
        self.stopping = threading.Event()
        self.starting = ""

    def start(self) -> dict[str, str]:
        """Start everything; return what a client needs to know, as environment variables. Raises StartError."""
        self.port = self._port()
        self._check_scale()
        gateway = self._begin_gateway()  # it takes longest to load, and needs the others only then
        self._starts("S3")
        storage = s3.start(self.state, self.lock, self.group, say=self.notes.append)
        self._started(storage.child)
        self._starts("the database")
        database_url = self._database()
        self._starts("the gateway")
        port = self._finish_gateway(gateway, storage, database_url)
        return {
            "API_URL": f"http://127.0.0.1:{port}",
            "S3_URL": storage.url,
            "BUCKET": self.bucket,
            "DATABASE_URL": database_url,
            **storage.environment,
            **({"AWS_ENDPOINT_URL_SFN": storage.url} if self._scale == "on" else {}),
        }

    def watch(self) -> str | None:
        """Wait for a signal to stop; or return the name of a part that ended by itself."""
        while not self.stopping.wait(0.5):
            for child in self.children:
                if child.process.poll() is not None:
                    return child.name
        return None

    def stop(self) -> None:
        for child in reversed(self.children):
            child.stop(seconds=30)
        if self.group:
            kill_group(self.group, signal.SIGKILL)  # functions whose gateway was killed

    def _started(self, child: Child) -> None:
        self.group = self.group or child.process.pid
        self.children.append(child)
        self._say()

    def _starts(self, part: str) -> None:
        """Say which part is started now, to whoever waits for all of them."""
        self.starting = part
        self._say()

    def _say(self) -> None:
        self.state.write_runtime({"pid": os.getpid(), "group": self.group, "starting": self.starting})

    def _port(self) -> int:
        wanted = self.settings.get("API_PORT")
        if wanted is None:
            return lasting_port(self.state, "the API", self.notes.append)
        if not wanted.isdecimal():
            message = f"API_PORT={wanted}: a port is a number"
            raise StartError(message)
        return int(wanted)

    @property
    def _scale(self) -> str:
        return self.settings.get("SCALE", SCALE)

    def _check_scale(self) -> None:
        if self._scale not in {"on", "off"}:
            message = f"SCALE={self._scale}: it is on or off"
            raise StartError(message)
        workers = self.settings.get("SCALE_WORKERS", "")
        if workers.isdecimal() and int(workers) > MOST_WORKERS:
            message = (
                f"SCALE_WORKERS={workers}: {MOST_WORKERS} at most, as of a function there are so many processes at once"
            )
            raise StartError(message)

    def _database(self) -> str:
        if url := self.settings.get("DATABASE_URL"):
            database.check(url, self._ca_file)
            return url
        server = database.start(self.state, self.lock, self.group, say=self.notes.append)
        self._started(server.child)
        schema = ROOT / "sources" / "schema.sql"
        database.create_database(server, database.DATABASE, schema.read_text(encoding="utf-8"))
        return server.url_of(database.DATABASE)

    @property
    def _ca_file(self) -> str:
        """What the server that DATABASE_URL names has to prove itself to; the embedded one need not."""
        return self.settings.get("DATABASE_CA_FILE", "") if "DATABASE_URL" in self.settings else ""

    @property
    def _config(self) -> Path:
        return self.state.folder / "gateway.json"

    @property
    def _ready(self) -> Path:
        return self.state.folder / "gateway.ready"

    def _begin_gateway(self) -> Child:
        if not GATEWAY.exists():
            message = "SAM CLI is not installed: run `make setup`"
            raise StartError(message)
        self._config.unlink(missing_ok=True)
        self._ready.unlink(missing_ok=True)
        environment = plain_environment(
            TABLEFERRY_LOCK=str(self.lock),
            SAM_CLI_TELEMETRY="0",
            __SAM_CLI_APP_DIR=str(self.state.folder / "sam"),
        )
        command = [str(GATEWAY), "-m", "local.gateway", str(self._config)]
        log = self.state.logs / "gateway.log"
        child = Child("the gateway", command, log, environment, self.lock, self.group, ROOT)
        self._started(child)
        return child

    def _finish_gateway(self, gateway: Child, storage: s3.S3, database_url: str) -> int:
        config: dict[str, Any] = {
            "template": str(self.template),
            "parameters": {"BucketName": self.bucket, "Scale": self._scale},
            "variables": {
                "BUCKET": self.bucket,
                "DATABASE_URL": database_url,
                "DATABASE_CA_FILE": self._ca_file,
                "SIGNING_KEY": self.state.secret("signing.key"),
                "TABLES": self.settings.get("TABLES", ""),
                "TABLE_SETTINGS": self.settings.get("TABLE_SETTINGS", ""),
                "LEDGER_DAYS": self.settings.get("LEDGER_DAYS", ""),
                "SCALE": self._scale,
                **{
                    name: self.settings.get(name, "") for name in ("SCALE_WORKERS", "SCALE_CONNECTIONS", "LOCK_SECONDS")
                },
            },
            "aws": {**NO_ACCOUNT, **storage.environment},
            "functions": {name: self.settings[name] for name in UNDECLARED if name in self.settings},
            "s3_url": storage.url,
            "python": sys.executable,
            "logs": str(self.state.logs),
            "port": self.port,
            "ready": str(self._ready),
        }
        write_private(self._config, json.dumps(config, indent=2))
        gateway.wait_until(self._ready.exists, seconds=60)
        port: int = json.loads(self._ready.read_text())["port"]
        return port


def run(state: State, lock: int, template: Path, say: Callable[[dict[str, str]], None] | None = None) -> int:
    """Start all, stay until a signal or a failure, stop all; return the exit status. ``say`` hears the addresses."""
    acquire(state.supervisor)  # until we end
    state.write_runtime({"pid": os.getpid()})
    state.env.unlink(missing_ok=True)
    supervisor = Supervisor(state, lock, template)

    def stop(number: int, _frame: object) -> None:
        supervisor.stopping.set()
        if not supervisor_ready.is_set():
            message = f"stopped by {signal.Signals(number).name} while starting"
            raise StartError(message)

    supervisor_ready = threading.Event()
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    error: str | None = None
    try:
        environment = supervisor.start()
        supervisor_ready.set()
        state.write_env(environment)
        state.write_runtime(
            {
                "pid": os.getpid(),
                "group": supervisor.group,
                "env": environment,
                "settings": supervisor.settings,
                "template": str(template),
                "notes": supervisor.notes,
                "started": time.time(),
            }
        )
        if say:
            say(environment)
        if ended := supervisor.watch():
            error = f"{ended} ended by itself; see {state.logs}"
    except StartError as problem:
        error = str(problem)
    finally:
        supervisor_ready.set()
        supervisor.stop()
        state.env.unlink(missing_ok=True)
        state.write_runtime({"error": error} if error else {})
    return 1 if error else 0
