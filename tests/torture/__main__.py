"""`make torture`: every torture table, on each server there is, in each format, and by the tools that others use."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

import boto3
from rich.console import Console
from rich.progress import track

from local.docker import mysql_container
from local.runtime import s3 as emulator
from local.runtime.state import State
from tableferry.api import metrics
from tableferry.columnar.formats import Format
from tests.support.parts import Database, Server, any_server, clean_environment
from tests.torture import carry
from tests.torture.cases import MARIADB, MYSQL, Case
from tests.torture.report import Row, Sheet
from tests.torture.rivals import RIVALS
from tests.torture.shapes import CASES

BUCKET = "torture"


def main() -> int:
    known = {"mariadb": MARIADB, "mysql": MYSQL}
    given = clean_environment() | {
        name: os.environ[name] for name in ("MYSQL_URL", "MARIADB_URL") if name in os.environ
    }
    wanted = [known[name] for name in os.environ.get("SERVERS", "mariadb mysql").split()]
    console = Console(width=200, file=sys.stdout)
    with (
        TemporaryDirectory(prefix="tableferry-torture-") as folder,
        _bucket(Path(folder)),
        redirect_stdout(StringIO()),  # the functions' metrics
        _servers(wanted, given, Path(folder)) as servers,
    ):
        sheets = [_tortured(server, Path(folder), console) for server in servers]
    for sheet in sheets:
        console.print(sheet.shown())
    if out := os.environ.get("OUT"):
        Path(out).write_text("\n".join(sheet.markdown() for sheet in sheets), encoding="utf-8")
    return 0 if all(sheet.lossless for sheet in sheets) else 1


@contextmanager
def _servers(wanted: Sequence[str], given: Mapping[str, str], folder: Path) -> Iterator[list[Server]]:
    """The servers that the matrix of tests has: those that MARIADB_URL and MYSQL_URL name, the embedded one, a container."""
    with ExitStack() as stack:
        found = []
        if MARIADB in wanted:
            found.append(stack.enter_context(any_server(State(folder / "server"), given.get("MARIADB_URL"))))
        if MYSQL in wanted:
            url = given.get("MYSQL_URL") or stack.enter_context(mysql_container.running(1))[0]
            found.append(stack.enter_context(any_server(State(folder / "mysql"), url)))
        yield found


@contextmanager
def _bucket(folder: Path) -> Iterator[None]:
    s3 = emulator.start(State(folder / "s3"))
    os.environ |= s3.environment | {
        "BUCKET": BUCKET, "JOBS": "inline", "SIGNING_KEY": "signs torture only",
        "POWERTOOLS_LOG_LEVEL": "CRITICAL", "POWERTOOLS_METRICS_DISABLED": "true",
    }  # fmt: skip
    metrics.metrics.provider.namespace = "Tableferry"  # which Lambda sets before the import
    boto3.session.Session().client("s3").create_bucket(Bucket=BUCKET)
    try:
        yield
    finally:
        s3.stop()


def _tortured(server: Server, folder: Path, console: Console) -> Sheet:
    rivals = [rival for rival in RIVALS if rival.installed]
    with server.database() as database:
        [(version,)] = database.rows("SELECT VERSION()")
        name = carry.server_of(database)
        sheet = Sheet(
            f"{name} {str(version).split('-')[0]}", tuple(Format), tuple((one.name, one.version) for one in rivals)
        )
        os.environ["DATABASE_URL"] = database.url
        for case in track(CASES, sheet.server, console=Console(stderr=True)):
            if name not in case.servers:
                sheet.rows.append(Row(case.name, None, None))
                continue
            carry.make(database, case)
            theirs = [rival.there_and_back(database, case, folder / "dumped") for rival in rivals]
            sheet.rows.append(Row(case.name, [_ours(database, case, form) for form in Format], theirs))
    return sheet


def _ours(database: Database, case: Case, form: str) -> str:
    try:
        return ", ".join(carry.there_and_back(database, case, form))
    except AssertionError as error:
        return str(error)[:60]


if __name__ == "__main__":
    sys.exit(main())
