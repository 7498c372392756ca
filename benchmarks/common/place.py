"""One running runtime, as the benchmark's cases use it."""

import os
import secrets
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from benchmarks.common.memory import Memory
from benchmarks.common.plain_ways import TABLE
from benchmarks.common.series import Series, timed
from local.demo.client import Client, s3_client
from local.demo.expect import Json, Unexpected, check
from local.runtime.state import ROOT, State

_PATIENCE = 3_600.0
_FIRST_LOOKS, _LATER_LOOKS = 0.02, 0.03
# What would make a runtime another than the one that is measured.
_NOT_OURS = {"DATABASE_URL", "DATABASE_CA_FILE", "API_PORT", "BUCKET", "TABLES", "WORKERS"}


class Place:
    """The addresses of a runtime, the memory of its functions, and how a file gets loaded there."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self.env = env
        self.memory = Memory(env["S3_URL"])
        self._s3 = s3_client(env)

    def client(self) -> Client:
        """Of the API, looking often enough for what is timed."""
        return Client(self.env["API_URL"], patience=_PATIENCE, poll=_FIRST_LOOKS)

    def load(self, file: Path, series: Series) -> Json:
        """Upload a file, time its load from then on, and see its memory; the load status. Nothing stays in the bucket.

        Raises:
            Unexpected: it did not end well, or not within an hour.
        """
        key = f"uploads/{TABLE}/bench-{secrets.token_hex(4)}-{file.name}"
        self.memory.forget()
        self._s3.upload_file(str(file), self.env["BUCKET"], key)
        with self.client() as client, timed(series.seconds):
            status = _wait(client, key)
        series.saw(self.memory.peak("LoadFunction"))
        check(f"the state of the load of {file.name}", status["state"], "done")
        self._forget(key)
        self._forget(f"loads/{status['id']}.json")
        return status

    def _forget(self, key: str) -> None:
        """Take an object's versions away: they take room on the disk, and a list of loads reads each of them."""
        bucket = self.env["BUCKET"]
        for version in self._s3.list_object_versions(Bucket=bucket, Prefix=key).get("Versions", []):
            self._s3.delete_object(Bucket=bucket, Key=key, VersionId=version["VersionId"])


def _wait(client: Client, key: str) -> Json:
    """The status of a load that has ended; looked for more and more rarely, as each look takes the processor's time."""
    path, began = "", time.monotonic()
    while (passed := time.monotonic() - began) < _PATIENCE:
        if path:
            status = client.get(path)
            if status["state"] != "running":
                return status
        elif found := client.get("/loads", key=key)["loads"]:
            path = f"/loads/{found[0]['id']}"
            continue
        time.sleep(max(_FIRST_LOOKS, passed * _LATER_LOOKS))  # so that what is timed is at most so much too long
    raise Unexpected(f"the load of {key}: expected an end within {_PATIENCE:.0f} seconds, but there is none")


@contextmanager
def runtime(state: State, **settings: str) -> Iterator[tuple[Path, Mapping[str, str]]]:
    """A runtime with its state in a folder that is gone afterwards: a folder for files, and the addresses.

    `settings` are variables for it, such as DATABASE_URL and WORKERS; those of our environment do not reach it.
    """
    outside = {name: value for name, value in os.environ.items() if name not in _NOT_OURS}
    environment = {**outside, **settings, "TABLEFERRY_STATE": str(state.folder)}
    files = state.folder / "files"
    try:
        subprocess.run([sys.executable, "-m", "local", "up"], env=environment, cwd=ROOT, check=True)
        files.mkdir()
        yield files, read_env(state.env)
    finally:
        subprocess.run([sys.executable, "-m", "local", "down"], env=environment, cwd=ROOT, check=False)
        shutil.rmtree(state.folder, ignore_errors=True)


def read_env(file: Path) -> dict[str, str]:
    """The variables of a file of `export NAME=value` lines."""
    words = shlex.split(file.read_text(encoding="utf-8"))
    return dict(word.split("=", 1) for word in words if "=" in word)
