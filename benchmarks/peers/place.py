"""Where the benchmark beside others takes place: a server, the S3 beside it, a folder for files, and who is measured."""

import contextlib
import os
import secrets
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3

from benchmarks.common import server as bench_server
from benchmarks.peers.measure import Meter
from local.demo import sample
from local.runtime import database, s3
from local.runtime.process import StartError
from local.runtime.state import State
from local.sam import engine

_QUIET, _LOOK, _PATIENCE = 0.05, 0.15, 60.0
_DIRTY, _FEW = "SHOW GLOBAL STATUS LIKE 'Innodb_buffer_pool_pages_dirty'", 100
_CONTAINERS = "{{.State.Pid}} {{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}"


@dataclass(frozen=True)
class Place:
    """A server with a database of the benchmark's own. ``url`` is of the user who has what `sources/grants.sql` says.

    ``administrator`` is what the programs of others log in as: they ask for more.
    """

    url: str
    administrator: str
    described: str
    encrypted: bool
    """Whether the server offers TLS: then everybody's connection is encrypted."""

    meter: Meter
    s3: dict[str, str]
    bucket: str
    folder: Path
    threads: int
    started: bool
    """Whether the server is one that we have started, and not somebody's."""

    @property
    def database(self) -> str:
        return urlsplit(self.url).path.lstrip("/")

    @property
    def back(self) -> str:
        """The database beside, which the programs of others bring tables back into."""
        return f"{self.database}_back"

    @property
    def environment(self) -> dict[str, str]:
        """What our own processes are told."""
        return {**self.s3, "DATABASE_URL": self.url}

    def as_administrator(self, name: str) -> str:
        """The administrator's URL of a database."""
        return urlsplit(self.administrator)._replace(path=f"/{name}").geturl()

    def run(self, *statements: str) -> list[tuple[Any, ...]]:
        """Statements as the server's administrator; the rows of the last."""
        with (
            contextlib.closing(bench_server.connected(self.administrator)) as connection,
            connection.cursor() as cursor,
        ):
            for statement in statements:
                cursor.execute(statement)
            return list(cursor.fetchall())

    def empty_back(self) -> None:
        """Make the database beside anew, and free what restores have left on the disk."""
        self.run(f"DROP DATABASE IF EXISTS `{self.back}`", f"CREATE DATABASE `{self.back}` CHARACTER SET utf8mb4")
        self.trim()

    def trim(self) -> None:
        """Remove the binary logs: each restore writes its rows there once more. Those of somebody's server stay."""
        if not self.started:
            return
        self.run("FLUSH BINARY LOGS")
        deadline = time.monotonic() + _PATIENCE
        # MariaDB lets go of a log a moment after the next one has begun.
        while self.run("PURGE BINARY LOGS BEFORE NOW() + INTERVAL 1 DAY", "SHOW BINARY LOGS")[1:]:
            if time.monotonic() > deadline:
                return
            time.sleep(_LOOK)

    def write_out(self) -> None:
        """Have a server that we have started write what it holds in memory only, which it would do while others read."""
        if not self.started:
            return
        [(limit,)] = self.run("SELECT @@GLOBAL.innodb_max_dirty_pages_pct")
        self.run("SET GLOBAL innodb_max_dirty_pages_pct = 0")
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline and int(self.run(_DIRTY)[0][1]) > _FEW:
            time.sleep(_LOOK)
        self.run(f"SET GLOBAL innodb_max_dirty_pages_pct = {limit}")

    def forget(self, prefix: str) -> None:
        """Take objects out of the bucket: they take room on the disk."""
        client = _client(self.s3)
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix):
            for found in page.get("Contents", ()):
                client.delete_object(Bucket=self.bucket, Key=found["Key"])

    def settle(self) -> None:
        """Wait until the server has written and purged what the last turn left, which the next would pay for."""
        deadline, before = time.monotonic() + _PATIENCE, self.meter.read()[0]
        while time.monotonic() < deadline:
            time.sleep(_LOOK)
            after = self.meter.read()[0]
            if before is None or after is None or after - before < _QUIET * _LOOK:
                return
            before = after


@contextmanager
def place_on(kind: str, folder: Path, threads: int) -> Iterator[Place]:
    """A place on a server of this kind, whose state is in this folder; all of it is gone afterwards. Raises StartError."""
    state = State(folder)
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        if (administrator := stack.enter_context(bench_server.administrator_on(kind))) is None:
            server = database.start(state)
            stack.callback(server.stop)
            bench_server.tune(kind, administrator := server.url)
        url = stack.enter_context(bench_server.fresh(administrator))
        store = s3.start(state)
        stack.callback(store.stop)
        bucket = f"peers-{secrets.token_hex(4)}"
        _client(store.environment).create_bucket(Bucket=bucket)
        with contextlib.closing(sample.connect(url)) as connection:
            described, encrypted = bench_server.described(connection), bool(getattr(connection, "_secure", False))
        files = folder / "files"
        files.mkdir()
        place = Place(
            url, administrator, described, encrypted, Meter(_process(administrator), store.child.process.pid),
            store.environment, bucket, files, threads, started=bench_server.named(kind) is None,
        )  # fmt: skip
        stack.callback(bench_server.run, administrator, f"DROP DATABASE IF EXISTS `{place.back}`")
        yield place


def _client(environment: dict[str, str]) -> Any:
    return boto3.session.Session(
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        region_name=environment["AWS_DEFAULT_REGION"],
    ).client("s3", endpoint_url=environment["AWS_ENDPOINT_URL_S3"])


def _process(administrator: str) -> int | None:
    """The server's process on this machine, in a container or not; None where there is none to be seen."""
    with contextlib.closing(bench_server.connected(administrator)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT @@hostname, @@datadir, @@pid_file")
        [(host, folder, file)] = cursor.fetchall()
    if host == socket.gethostname():
        with contextlib.suppress(OSError, ValueError):
            return int((Path(folder) / file).read_text(encoding="utf-8"))
    with contextlib.suppress(StartError):
        for container in engine.listed("ps", "--quiet"):
            pid, *addresses = engine.listed("inspect", "--format", _CONTAINERS, container)
            if urlsplit(administrator).hostname in addresses and os.access(f"/proc/{pid}/stat", os.R_OK):
                return int(pid)
    return None
