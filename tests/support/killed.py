"""Restores, their undoing (``{"undo": id}``) and accepting (``{"accept": id}``) that are killed, as SIGKILL kills a process, before their n-th change.

As a program: reads lines ``[n, since, event]`` and answers each with whether it was killed. Every one gets a process of its
own, forked from this one, which has all modules loaded but has run nothing yet.
"""

import itertools
import json
import os
import signal
import subprocess
import sys
from types import TracebackType
from typing import Any, Self

import pymysql.connections

from functions.restore import app
from tableferry.config.settings import Settings
from tableferry.mysql import local_infile
from tableferry.mysql.database import Database
from tableferry.restore import restore
from tableferry.restore.build import shadow
from tableferry.storage import bucket
from tests.support.lambdas import Json, invoke

LOOKS_ONLY = ("SELECT", "SHOW", "SET")


class Killer:
    """The program, running for as long as the block lasts, in the environment of now."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.killed"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(30)
        assert self._process.stdout
        self._process.stdout.close()

    def killed(self, before: int, event: Json, since: str = "") -> bool:
        """Whether the invocation was killed; False if it was done before it came to so many changes.

        They are counted from the first statement on that begins with ``since``, which is the first of them.
        """
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps([before, since, event]) + "\n")
        self._process.stdin.flush()
        return bool(json.loads(self._process.stdout.readline()))


def _die_before(change: int, since: str) -> None:
    """Count what changes the database or the bucket, and end this process before the one of this number."""
    changes = itertools.count(1)
    counted = not since

    def another(statement: str = "") -> None:
        nonlocal counted
        counted = counted or statement.startswith(since)
        if counted and next(changes) == change:
            os.kill(os.getpid(), signal.SIGKILL)

    query, load, put = pymysql.connections.Connection.query, local_infile.load, bucket.Store.put

    def counted_query(self: Any, sql: Any, unbuffered: bool = False) -> int:
        if not str(sql).startswith(LOOKS_ONLY):
            another(str(sql))
        return query(self, sql, unbuffered)

    def counted_put(self: bucket.Store, *given: Any, **options: Any) -> str:
        another()
        return put(self, *given, **options)

    def counted_load(*given: Any, **more: Any) -> local_infile.Outcome:
        another()
        return load(*given, **more)

    local_infile.load = counted_load
    pymysql.connections.Connection.query = counted_query  # type: ignore[method-assign]
    bucket.Store.put = counted_put  # type: ignore[method-assign]


def _run(before: int, since: str, event: Json) -> None:
    shadow._FEW_ROWS = 1  # so that indexes are taken off and put on
    _die_before(before, since)
    verb = next((verb for verb in (restore.undo, restore.accept) if verb.__name__ in event), None)
    if verb is None:
        invoke(app.handler, event)
    else:
        settings = Settings.from_env()
        verb(
            Database(settings.database), bucket.open_store(settings.bucket, settings.signing_keys), event[verb.__name__]
        )


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the functions log is no answer
    for line in sys.stdin:
        child = os.fork()
        if not child:
            failed = 1
            try:
                _run(*json.loads(line))
                failed = 0
            finally:
                os._exit(failed)
        _, status = os.waitpid(child, 0)
        print(json.dumps(os.WIFSIGNALED(status)), file=answers, flush=True)


if __name__ == "__main__":
    main()
