"""The main job, end to end, as a user would do it: over HTTP and S3 alone, with every answer checked.

Rows go in, a file is loaded, the tables are backed up; then an accident, a restore, its undo, the restore again, and the
proof that what came back is what was there.
"""

import argparse
import secrets
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pymysql
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.markup import escape

from local.demo import sample
from local.demo.client import Client, read_lines, s3_client
from local.demo.expect import Json, Unexpected, check, digests
from local.demo.sample import COLUMNS, SOURCES, Connection, Sample
from local.demo.steps import Steps
from local.runtime import control
from local.runtime.state import State

_BATCH = 100


def main(arguments: Sequence[str] = ()) -> int:
    """Play the demo against the runtime that is up."""
    argparse.ArgumentParser(prog="demo", description=__doc__).parse_args(arguments)
    env = control.running(State.from_env())
    if env is None:
        print("Tableferry does not run: make up", file=sys.stderr)
        return 1
    return run(env)


def run(env: Mapping[str, str]) -> int:
    """Play the demo against the API, bucket and database that `env` names (as `.local/env` does); 0 if all is well.

    `env` holds API_URL, S3_URL, DATABASE_URL, BUCKET and the AWS_* keys. The demo works on the sample's three tables and
    refuses to start where they hold anything else.
    """
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 120  # a log has no width; 80 would break lines that a reader wants whole
    begin = time.perf_counter()
    try:
        with closing(sample.connect(env["DATABASE_URL"])) as connection, Client(env["API_URL"]) as client:
            Demo(env, client, connection, Steps(console)).play()
    except (Unexpected, httpx.HTTPError, pymysql.err.MySQLError, BotoCoreError, ClientError) as error:
        reason = str(error) if isinstance(error, Unexpected) else f"{type(error).__name__}: {error}"
        console.print(f"\n[bold red]Not as it should be.[/] {escape(reason)}")
        return 1
    console.print(f"\n[bold green]Everything is as it should be.[/] {time.perf_counter() - begin:.1f} s in all.")
    return 0


class Demo:
    """The story, one method for each chapter; what a chapter finds out is checked before the next begins."""

    def __init__(self, env: Mapping[str, str], client: Client, connection: Connection, steps: Steps) -> None:
        self._env, self._client, self._connection, self._steps = env, client, connection, steps
        self._sample = Sample.read()

    def play(self) -> None:
        """All of it."""
        with self._steps("Tables ready") as step:
            gone = sample.prepare(self._connection, self._sample)
            step.says(f"{', '.join(COLUMNS)}" + (f" ({gone:,} rows of an earlier run removed)" if gone else ""))
        self._insert()
        self._load()
        backup = self._back_up("Back up")
        damaged = self._damage()
        first = self._restore("Restore the latest backup", "latest", backup)
        self._same("Back up again and compare", backup)
        self._undo(first, damaged)
        second = self._restore("Restore once more", backup["id"], backup)
        self._accept(second, first)
        self._same("Compare once more", backup)
        self._verify(backup)

    def _insert(self) -> None:
        with self._steps("Insert departments") as step:
            rows = [dict(zip(COLUMNS["departments"], row, strict=True)) for row in self._sample.rows["departments"]]
            answer = self._client.post("/tables/departments/rows", rows, expect={201})
            check("departments inserted", answer["inserted"], len(rows))
            step.says(f"{answer['inserted']:,} rows, as JSON")
        with self._steps("Insert jobs") as step:
            lines = (SOURCES / "jobs.csv").read_bytes().decode().splitlines(keepends=True)
            batches = [lines[start : start + _BATCH] for start in range(0, len(lines), _BATCH)]
            inserted = 0
            for batch in batches:
                inserted += self._client.post_csv("/tables/jobs/rows", "".join(batch))["inserted"]
                step.progress(inserted, len(lines))
            check("jobs inserted", inserted, len(lines))
            step.says(f"{inserted:,} rows, as CSV in {len(batches)} batches")

    def _load(self) -> None:
        with self._steps("Upload the employees' file") as step, tempfile.TemporaryDirectory() as folder:
            # A name of its own: the load of this very file is the one to wait for.
            file = Path(folder) / f"demo-{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}.csv"
            shutil.copyfile(SOURCES / "hired_employees.csv", file)
            key = self._client.upload("hired_employees", file, step.progress)
            step.says(f"{file.stat().st_size:,} bytes to {key}")
        with self._steps("Load, on its own") as step:
            status = self._client.load(key, step.progress)
            rows, good = len(self._sample.rows["hired_employees"]), len(self._sample.complete("hired_employees"))
            counts = {name: status[name] for name in ("read", "inserted", "updated", "rejected", "duplicates")}
            check(
                "the load's counts",
                counts,
                {"read": rows, "inserted": good, "updated": 0, "rejected": rows - good, "duplicates": 0},
            )
            step.says(f"{rows:,} read = {good:,} inserted + {rows - good} rejected")
        rejects = read_lines(s3_client(self._env), self._env["BUCKET"], status["rejects"])
        reasons = Counter((error["column"], error["code"]) for reject in rejects for error in reject["errors"])
        wanted = {(column, "missing"): rows for column, rows in self._sample.missing("hired_employees").items()}
        check("the reasons for the rejects", dict(reasons), wanted)
        examples = {error["column"]: reject for reject in reversed(rejects) for error in reject["errors"]}
        self._steps.table(
            ("column", "why", "rows", "line", "for example"),
            [
                (column, code, str(rows), str(examples[column]["line"]), examples[column]["text"].rstrip("\r\n"))
                for (column, code), rows in sorted(reasons.items())
            ],
        )

    def _back_up(self, title: str) -> Json:
        with self._steps(title) as step:
            backup = self._client.job("/backups", {"tables": list(COLUMNS)}, step.progress)
            rows = {table["name"]: table["rows"] for table in backup["tables"]}
            check("the backup's rows", rows, {table: len(self._sample.complete(table)) for table in COLUMNS})
            step.says(f"{backup['rows']:,} rows, {backup['bytes']:,} bytes of {backup['format']}: {backup['id']}")
        return backup

    def _damage(self) -> tuple[int, int]:
        with self._steps("The accident (SQL)") as step:
            deleted, updated = sample.damage(self._connection)
            step.says(f"{deleted} employees deleted, {updated} overwritten")
        return len(self._sample.complete("hired_employees")) - deleted, updated

    def _restore(self, title: str, which: str, backup: Json) -> Json:
        with self._steps(title) as step:
            restore = self._client.job("/restores", {"backup": which, "tables": list(COLUMNS)}, step.progress)
            check("the backup that was restored", restore["backup"], backup["id"])
            check(
                "restored and verified",
                {table["name"]: table["verified"] for table in restore["tables"]},
                dict.fromkeys(COLUMNS, True),
            )
            check("digests of what was restored", digests(restore), digests(backup))
            check("employees, and overwritten ones", sample.rows_and_damaged(self._connection), (self._good(), 0))
            step.says(
                f"{sum(table['rows'] for table in restore['tables']):,} rows verified and swapped in: {restore['id']}"
            )
        return restore

    def _good(self) -> int:
        return len(self._sample.complete("hired_employees"))

    def _same(self, title: str, backup: Json) -> None:
        with self._steps(title) as step:
            fresh = self._client.job("/backups", {"tables": list(COLUMNS)}, step.progress)
            check("rows and digests of a fresh backup", digests(fresh), digests(backup))
            employees = next(table for table in fresh["tables"] if table["name"] == "hired_employees")
            step.says(
                f"the same rows and digests: hired_employees {employees['rows']:,} rows, {employees['digest'][:12]}…"
            )

    def _undo(self, restore: Json, damaged: tuple[int, int]) -> None:
        with self._steps("Undo the restore") as step:
            answer = self._client.post(f"/restores/{restore['id']}/undo", expect={200})
            check("the restore's state", answer["state"], "undone")
            check("employees, and overwritten ones", sample.rows_and_damaged(self._connection), damaged)
            step.says(f"the damage is back: {damaged[0]:,} employees, {damaged[1]} of them overwritten")

    def _accept(self, *restores: Json) -> None:
        with self._steps("Accept, both times") as step:
            for restore, state in zip(restores, ("accepted", "undone"), strict=True):
                answer = self._client.post(f"/restores/{restore['id']}/accept", expect={200})
                check("the restore's state, and what is kept", (answer["state"], answer["kept"]), (state, None))
            step.says("the damaged tables and those of the undone restore are dropped")

    def _verify(self, backup: Json) -> None:
        with self._steps("Verify the backup") as step:
            answer = self._client.job(f"/backups/{backup['id']}/verify", None, step.progress)
            check(
                "verified",
                (answer["ok"], {table["name"]: table["ok"] for table in answer["tables"]}),
                (True, dict.fromkeys(COLUMNS, True)),
            )
            step.says(f"{sum(table['objects'] for table in answer['tables'])} objects read again, all as written")
