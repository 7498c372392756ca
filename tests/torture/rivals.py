"""What others make of the same tables: mysqldump and mydumper, where they are installed, as their manuals advise."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.peers import rivals
from tests.support.parts import Database, connect
from tests.torture import carry
from tests.torture.cases import Case

_SECONDS = 120
_COPY = "_copy"


@dataclass(frozen=True)
class Rival:
    """A tool that dumps and one that loads; ``dump`` and ``load`` are given after the login."""

    name: str
    programs: tuple[str, str]
    dump: tuple[str, ...]
    load: tuple[str, ...]
    piped: bool

    @property
    def installed(self) -> bool:
        return not rivals.missing(self.programs)

    @property
    def version(self) -> str:
        return rivals.version(self.name)

    def there_and_back(self, database: Database, case: Case, folder: Path) -> str:
        """Dump the table, load it into a database beside, and say what differs; empty if nothing does."""
        copy = f"{database.name}{_COPY}"
        _admin(database, f"CREATE DATABASE `{copy}` CHARACTER SET utf8mb4")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        try:
            for program, options in zip(self.programs, (self.dump, self.load), strict=True):
                words = [word.format(database=database.name, copy=copy, folder=folder) for word in options]
                if failed := self._run(program, database.admin_url, words, folder / "dump.sql"):
                    return failed
            return _difference(database, copy, case)
        finally:
            _admin(database, f"DROP DATABASE `{copy}`")

    def _run(self, program: str, url: str, words: Sequence[str], file: Path) -> str:
        command = rivals.command(program, url, *words)
        dumps = program == self.programs[0]
        with file.open("wb" if dumps else "ab+") as stream:
            stream.seek(0)
            ends = {} if not self.piped else {"stdout": stream} if dumps else {"stdin": stream}
            ended = subprocess.run(
                command,
                **{"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, **ends},
                timeout=_SECONDS,
                check=False,
            )  # type: ignore[call-overload]
        return f"{program} fails" if ended.returncode else ""


RIVALS = (
    Rival(
        "mysqldump",
        ("mysqldump", "mysql"),
        (*rivals.MYSQLDUMP, "{database}", "t"),
        ("{copy}",),
        piped=True,
    ),
    Rival(
        "mydumper",
        ("mydumper", "myloader"),
        tuple(rivals.mydumper("{database}", "t", "{folder}/dump", threads=2)),
        tuple(rivals.myloader("{copy}", "{folder}/dump", threads=2)),
        piped=False,
    ),
)


def _admin(database: Database, statement: str) -> None:
    with closing(connect(database.admin_url)) as connection, connection.cursor() as cursor:
        cursor.execute(statement)


def _difference(database: Database, copy: str, case: Case) -> str:
    there = replace(database, name=copy, url=urlsplit(database.admin_url)._replace(path=f"/{copy}").geturl())
    try:
        found = carry.state(there, case)
    except Exception:
        return "no table"
    return ", ".join(carry.different(carry.state(database, case), found))
