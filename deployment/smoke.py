"""`make smoke ENV=dev`: one upload, backup, verification, restore, undo, rollback and drill against a deployment.

Run as ``python -m deployment.smoke dev``; `local` is the runtime of `make up`. It works on one table, which is there
for nothing else (`sources/smoke.sql`), through the API, S3 and Lambda alone. Each step ends in a line: what, its seconds,
and what came of it. Exit status 0: all is as it should be.
"""

import argparse
import json
import os
import secrets
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import httpx
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.markup import escape

from deployment import session
from deployment.signed import Bearer, Signed
from local.demo.client import Client
from local.demo.expect import Json, Unexpected, check, digests
from local.demo.steps import Steps
from local.runtime import control
from local.runtime.process import StartError
from local.runtime.state import State

COLUMNS = ["run", "number", "text"]
ROWS, LATER_ROWS = 100, 50
_LAMBDA_SECONDS = 900


@dataclass(frozen=True)
class Place:
    """A deployment: its API, who asks it, and the function that drills, with a client to invoke it."""

    name: str
    url: str
    auth: httpx.Auth
    lambdas: Any
    restore_function: str


def deployed(environment: str) -> Place:
    """The stack of an environment of samconfig.toml, by its outputs; raises StartError where there is none."""
    said = session.said(environment)["options"]
    caller = session.opened(said)
    found = outputs(caller.client("cloudformation"), said["stack_name"])
    if lacking := {"ApiUrl", "RestoreFunctionName"} - found.keys():
        message = (
            f"{said['stack_name']} has no output {', '.join(sorted(lacking))}: its deployment failed. make preflight"
        )
        raise StartError(message)
    return _place(said["stack_name"], caller, found["ApiUrl"], found["RestoreFunctionName"])


def outputs(cloudformation: Any, stack_name: str) -> dict[str, str]:
    """What a stack says of itself, by name; raises StartError where there is none."""
    try:
        [stack] = cloudformation.describe_stacks(StackName=stack_name)["Stacks"]
    except ClientError as error:
        if "does not exist" not in str(error):
            raise
        message = f"there is no stack {stack_name} in {cloudformation.meta.region_name}: deploy it first (make deploy)"
        raise StartError(message) from None
    return {each["OutputKey"]: each["OutputValue"] for each in stack.get("Outputs", ())}


def here(state: State) -> Place:
    """The local runtime; raises StartError where it does not run."""
    if (env := control.running(state)) is None:
        message = "the local runtime does not run: make up"
        raise StartError(message)
    caller = boto3.Session(env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"], None, env["AWS_DEFAULT_REGION"])
    return _place("the local runtime", caller, env["API_URL"], "RestoreFunction", env["API_URL"])


def _place(name: str, caller: boto3.Session, url: str, function: str, lambda_url: str | None = None) -> Place:
    auth: httpx.Auth
    if token := os.environ.get("TOKEN"):
        auth = Bearer(token)
    else:
        auth = Signed(caller.get_credentials(), str(caller.region_name))
    # Tried once: a drill that is begun twice finds itself in its own way.
    config = Config(read_timeout=_LAMBDA_SECONDS + 30, retries={"total_max_attempts": 1})
    return Place(name, url, auth, caller.client("lambda", config=config, endpoint_url=lambda_url), function)


class Smoke:
    """The steps. What one finds out is checked before the next begins."""

    def __init__(self, place: Place, client: Client, table: str, steps: Steps) -> None:
        self._place, self._client, self._table, self._steps = place, client, table, steps
        self._run = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"

    def play(self) -> None:
        """All of them."""
        self._ready()
        self._upload("Upload a file, and its load", 0, ROWS)
        first = self._back_up("Back up")
        self._verify(first)
        self._roll_back()
        self._upload("Upload another file", ROWS, LATER_ROWS)
        second = self._back_up("Back up again")
        check("rows after a load that was rolled back, and one that was not", _rows(second), _rows(first) + LATER_ROWS)
        restore = self._restore(first)
        self._undo(restore, second)
        self._too_late(restore)
        self._drill()

    def _ready(self) -> None:
        with self._steps("The API answers") as step:
            try:
                found = self._client.get(f"/tables/{self._table}")
            except Unexpected as error:
                raise Unexpected(f"{error}. If the table is not there, sources/smoke.sql makes it") from None
            names = [column["name"] for column in found["columns"]]
            if names != COLUMNS:
                raise Unexpected(
                    f"{self._table}: expected the columns {', '.join(COLUMNS)}, but it has {', '.join(names)}; it has to be"
                    " a table for this alone: sources/smoke.sql makes it"
                )
            step.says(f"{self._table} is there")

    def _file(self, folder: str, name: str, lines: Sequence[str]) -> Path:
        file = Path(folder) / f"smoke-{self._run}-{name}.csv"
        file.write_text("".join(f"{line}\n" for line in [",".join(COLUMNS), *lines]), encoding="utf-8")
        return file

    def _lines(self, start: int, count: int) -> list[str]:
        return [f"{self._run},{number},smoke test: ä 漢 🙂" for number in range(start, start + count)]

    def _upload(self, title: str, start: int, count: int) -> None:
        with self._steps(title) as step, tempfile.TemporaryDirectory() as folder:
            file = self._file(folder, str(start), self._lines(start, count))
            account = self._client.load(self._client.upload(self._table, file, step.progress), step.progress)
            check("the load's counts", _counts(account), {"read": count, "inserted": count, "rejected": 0})
            step.says(f"{count} read = {count} inserted")

    def _roll_back(self) -> None:
        """A file whose last row is bad, and of which none may be: what it had put in goes."""
        with self._steps("A load that is rolled back") as step, tempfile.TemporaryDirectory() as folder:
            good = self._lines(ROWS + LATER_ROWS, ROWS)
            file = self._file(folder, "bad", [*good, f"{self._run},not a number,bad"])
            key = self._client.upload(self._table, file, step.progress, max_rejects=0)
            account = self._client.load(key, step.progress, state="failed")
            check("rows of it in the table", account["inserted"], 0)
            step.says(f"{ROWS} good rows and a bad one: refused, none is in")

    def _back_up(self, title: str) -> Json:
        with self._steps(title) as step:
            backup = self._client.job("/backups", {"tables": [self._table]}, step.progress)
            step.says(f"{backup['rows']:,} rows, {backup['bytes']:,} bytes: {backup['id']}")
        return backup

    def _verify(self, backup: Json) -> None:
        with self._steps("Verify the backup") as step:
            answer = self._client.job(f"/backups/{backup['id']}/verify", None, step.progress)
            check("the backup that was verified", answer["backup"], backup["id"])
            step.says("every object read again, its rows and digest those of the manifest")

    def _restore(self, backup: Json) -> Json:
        with self._steps("Restore the first backup") as step:
            wanted = {"backup": backup["id"], "tables": [self._table]}
            restore = self._client.job("/restores", wanted, step.progress)
            check("rows and digest of what was restored", digests(restore), digests(backup))
            check("verified", [table["verified"] for table in restore["tables"]], [True])
            step.says(f"{_rows(backup):,} rows verified and swapped in: {restore['id']}")
        return restore

    def _undo(self, restore: Json, before: Json) -> None:
        with self._steps("Undo it") as step:
            answer = self._client.post(f"/restores/{restore['id']}/undo", expect={200})
            check("the restore's state", answer["state"], "undone")
            again = self._client.job("/backups", {"tables": [self._table]}, step.progress)
            check("rows and digest, as before the restore", digests(again), digests(before))
            step.says(f"{_rows(again):,} rows, the same digest as before")

    def _too_late(self, restore: Json) -> None:
        with self._steps("An undo that comes too late") as step:
            answer = self._client.post(f"/restores/{restore['id']}/accept", expect={200})
            check("what is kept", answer["kept"], None)
            self._client.post(f"/restores/{restore['id']}/undo", expect={409})
            step.says("refused (409), the table as it is; what the restore had put in is dropped")

    def _drill(self) -> None:
        with self._steps("Drill the latest backup") as step:
            answer = self._place.lambdas.invoke(
                FunctionName=self._place.restore_function, Payload=b'{"action": "drill", "backup": "latest"}'
            )
            said = json.loads(answer["Payload"].read())
            if "FunctionError" in answer:
                raise Unexpected(f"drill: expected a proof, but the function failed: {said.get('errorMessage', said)}")
            check("what proves it", said["by"], "drill")
            step.says(f"{said['rows']:,} rows built beside, verified, dropped: {said['backup']}")


def _counts(account: Json) -> Json:
    return {name: account[name] for name in ("read", "inserted", "rejected")}


def _rows(backup: Json) -> int:
    return int(backup["rows"])


def run(place: Place, table: str, console: Console, poll: float = 1.0) -> int:
    """Play the steps against a deployment; 0 if all is as it should be."""
    begin = time.perf_counter()
    console.print(f"Smoke test of {escape(place.name)}: {escape(place.url)}")
    try:
        with Client(place.url, poll=poll, auth=place.auth) as client:
            Smoke(place, client, table, Steps(console)).play()
    except (Unexpected, httpx.HTTPError, BotoCoreError, ClientError) as error:
        reason = str(error) if isinstance(error, Unexpected) else f"{type(error).__name__}: {error}"
        console.print(f"\n[bold red]Not as it should be.[/] {escape(reason)}")
        return 1
    console.print(f"\n[bold green]Everything is as it should be.[/] {time.perf_counter() - begin:.1f} s in all.")
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Play it against the environment that is named; return the exit status."""
    parser = argparse.ArgumentParser(prog="smoke", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("environment", help="of samconfig.toml, such as dev; or local")
    parser.add_argument("--table", default="smoke_test", help="a table for this alone (sources/smoke.sql)")
    options = parser.parse_args(arguments)
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 120
    try:
        local = options.environment == "local"
        place = here(State.from_env()) if local else deployed(options.environment)
    except (StartError, BotoCoreError, ClientError) as error:
        print(f"smoke: {error}", file=sys.stderr)
        return 1
    return run(place, options.table, console, poll=0.1 if local else 1.0)


if __name__ == "__main__":
    sys.exit(main())
