"""A table over many functions, at one moment, while money moves; and again, with functions that are killed in the middle.

Each backup that comes of it is restored beside the live tables and held against what its transactions say. One that none
comes of says why; the writers go on either way.
"""

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path

import httpx
import pymysql
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.markup import escape

from local.demo import money, victims
from local.demo.client import Client, s3_client
from local.demo.expect import Json, Unexpected, check
from local.demo.money import Writers
from local.demo.sample import Connection, connect
from local.demo.steps import Step, Steps
from local.demo.victims import StepProcess
from local.runtime import control
from local.runtime.state import State

_ROUNDS = 3  # of each fault: a kill may come after what it was meant to hit
_POLL_SECONDS = 0.01


def main(arguments: Sequence[str] = ()) -> int:
    """Play the demo against the runtime that is up."""
    parser = argparse.ArgumentParser(prog="demo-scale", description=__doc__)
    parser.add_argument("--workers", type=int, default=8, help="functions that a backup goes over (8)")
    parser.add_argument("--accounts", type=int, default=64_000, help="rows of the table (64,000: 16 MB)")
    options = parser.parse_args(arguments)
    state = State.from_env()
    env = control.running(state)
    if env is None:
        print("Tableferry does not run: make up", file=sys.stderr)
        return 1
    if "AWS_ENDPOINT_URL_SFN" not in env:
        print("Tableferry runs with SCALE=off: make down, make up", file=sys.stderr)
        return 1
    return run(env, state.logs, options.workers, options.accounts)


def run(env: Mapping[str, str], logs: Path, workers: int, accounts: int) -> int:
    """Play it against what ``env`` names, whose functions log to ``logs`` and are processes here; 0 if all is well."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 120
    begin = time.perf_counter()
    try:
        with closing(connect(env["DATABASE_URL"])) as connection, Client(env["API_URL"], poll=0.5) as client:
            Demo(env, logs, client, connection, Steps(console), workers, accounts).play()
    except (Unexpected, httpx.HTTPError, pymysql.err.MySQLError, BotoCoreError, ClientError) as error:
        reason = str(error) if isinstance(error, Unexpected) else f"{type(error).__name__}: {error}"
        console.print(f"\n[bold red]Not as it should be.[/] {escape(reason)}")
        return 1
    console.print(f"\n[bold green]Everything is as it should be.[/] {time.perf_counter() - begin:.1f} s in all.")
    return 0


class Demo:
    """The story, one method for each chapter."""

    def __init__(
        self,
        env: Mapping[str, str],
        logs: Path,
        client: Client,
        connection: Connection,
        steps: Steps,
        workers: int,
        accounts: int,
    ) -> None:
        self._url, self._bucket = env["DATABASE_URL"], env["BUCKET"]
        self._s3 = s3_client(env)
        self._log = logs / "BackupFunction.log"
        self._client, self._connection, self._steps = client, connection, steps
        self._workers, self._accounts = workers, accounts

    def play(self) -> None:
        """All of it."""
        with self._steps("Tables ready") as step:
            money.prepare(self._connection, self._accounts)
            step.says(f"{self._accounts:,} accounts with {money.BALANCE:,} each, and nothing moved")
        with money.writing(self._url, self._accounts) as writers:
            self._prove(self._back_up("Back up, while money moves", writers, None))
            self._fault("a worker", writers, lambda found: found.step == "work")
            self._fault("who holds the moment", writers, lambda found: found.step == "hold")
        with self._steps("The writers") as step:
            check("transactions that failed", writers.errors, [])
            live = money.look(self._connection, "")
            check(
                "transactions, and what is wrong with them", (live.transactions, live.wrong), (writers.transactions, [])
            )
            step.says(f"{live.transactions:,} transactions, none of which failed, and all of them are there")
        with self._steps("All gone again") as step:
            money.drop(self._connection)
            step.says("the demo's tables; its backups stay, as any do")

    def _fault(self, who: str, writers: Writers, is_victim: Callable[[StepProcess], bool]) -> None:
        """Back up and kill somebody, until it was in time to be of harm."""
        for _ in range(_ROUNDS):
            backup = self._back_up(f"Back up, and kill {who}", writers, is_victim)
            if backup is not None:
                self._prove(backup)
            if backup is None or len(self._tries(backup["id"])) > 1:
                return
        raise Unexpected(f"{who} was killed {_ROUNDS} times, and each time the backup did not need a second try")

    def _back_up(self, title: str, writers: Writers, is_victim: Callable[[StepProcess], bool] | None) -> Json | None:
        """A backup over many functions; None if none came of it, for a reason that is said."""
        writers.longest()
        with self._steps(title) as step:
            location = self._client.start("/backups", {"tables": list(money.TABLES), "workers": self._workers})
            job = location.rpartition("/")[2]
            killed = self._kill(job, is_victim) if is_victim else None
            backup = self._client.follow(location, step.progress)
            longest, tries = writers.longest(), self._tries(job)
            if backup["state"] == "failed":
                self._refused(step, backup, tries)
                return None
            check("functions that the backup was made by", backup["workers"], self._workers)
            fate = f"process {killed.process} killed, " if killed else ""
            step.says(
                f"{fate}{self._workers} functions, try {len(tries)}: {backup['rows']:,} rows,"
                f" {backup['bytes']:,} bytes; a writer waited {longest:.2f} s at most: {backup['id']}"
            )
        return backup

    def _refused(self, step: Step, job: Json, tries: list[str]) -> None:
        """A backup that did not come to be says why, and is not there."""
        detail = (job.get("problem") or {}).get("detail")
        if not detail:
            raise Unexpected(f"the backup {job['id']} failed and does not say why")
        ids = [one["id"] for one in self._client.get("/backups")["backups"]]
        check("a backup that failed is among those that there are", job["id"] in ids, False)
        step.says(f"no backup after {len(tries)} tries: {detail}")

    def _kill(self, job: str, is_victim: Callable[[StepProcess], bool]) -> StepProcess:
        """Kill somebody as soon as the tables are locked."""
        end = time.monotonic() + 180
        while time.monotonic() < end:
            for attempt in self._tries(job):
                if self._is_there(f"work/{job}/{attempt}/locked.json"):
                    chosen = [one for one in victims.begun(self._log, job, attempt) if is_victim(one)]
                    if not chosen:
                        raise Unexpected(f"{self._log} does not say who does what of the backup {job}")
                    chosen[-1].kill()
                    return chosen[-1]
            time.sleep(_POLL_SECONDS)
        raise Unexpected(f"the backup {job}: expected its tables to be locked, but they were not")

    def _tries(self, job: str) -> list[str]:
        found = self._s3.list_objects_v2(Bucket=self._bucket, Prefix=f"work/{job}/", Delimiter="/")
        names = [one["Prefix"].split("/")[2] for one in found.get("CommonPrefixes", [])]
        return [name for name in names if self._is_there(f"work/{job}/{name}/plan.json")]

    def _is_there(self, key: str) -> bool:
        return bool(self._s3.list_objects_v2(Bucket=self._bucket, Prefix=key, MaxKeys=1).get("Contents"))

    def _prove(self, backup: Json | None) -> None:
        """Restore a backup beside the live tables, and hold balances against transactions."""
        if backup is None:
            raise Unexpected("there is no backup, though nobody was killed")
        with self._steps("Prove that it is one moment") as step:
            money.drop(self._connection, of_backup=True)
            into = {table: money.beside(table) for table in money.TABLES}
            wanted = {"backup": backup["id"], "tables": list(money.TABLES), "into": into}
            restore = self._client.job("/restores", wanted, step.progress)
            verified = {table["name"]: table["verified"] for table in restore["tables"]}
            check("restored and verified", verified, dict.fromkeys(money.TABLES, True))
            found = money.look(self._connection)
            check("what is wrong with the moment", found.wrong, [])
            self._client.post(f"/restores/{restore['id']}/accept", expect={200})  # nothing is kept for an undo
            step.says(f"{found.transactions:,} transactions, no gap; every balance is what they say")
            money.drop(self._connection, of_backup=True)
