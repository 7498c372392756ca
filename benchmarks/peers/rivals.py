"""The programs that others use: mysqldump and mysql, mydumper and myloader, and zstd; as the distribution has them."""

import shutil
import subprocess
from collections.abc import Sequence
from urllib.parse import unquote, urlsplit

# What their manuals advise for a backup that is to come back.
MYSQLDUMP = ("--single-transaction", "--hex-blob", "--triggers")
MYDUMPER = ("--triggers",)
PACKAGES = {
    "mysqldump": "mariadb-client", "mysql": "mariadb-client", "mydumper": "mydumper", "myloader": "mydumper",
    "zstd": "zstd",
}  # fmt: skip


def missing(programs: Sequence[str]) -> list[str]:
    """Those that are not installed."""
    return [program for program in programs if shutil.which(program) is None]


def version(program: str) -> str:
    """What a program says of its version, without its own name; empty where it is not installed."""
    try:
        said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
    except OSError:
        return ""
    return said.split("\n")[0].removeprefix(program).split(",")[0].strip(" *")


def command(program: str, url: str, *words: str) -> list[str]:
    """The program with the login of a URL, and then these words."""
    place = urlsplit(url)
    return [
        program, f"--host={place.hostname}", f"--port={place.port or 3306}", f"--user={unquote(place.username or '')}",
        f"--password={unquote(place.password or '')}", *words,
    ]  # fmt: skip


def mydumper(database: str, table: str, folder: str, threads: int, *more: str) -> list[str]:
    """What to say to mydumper for one table of a database."""
    return [
        f"--database={database}", f"--regex=^{database}[.]{table}$", f"--outputdir={folder}", f"--threads={threads}",
        *MYDUMPER, *more,
    ]  # fmt: skip


def myloader(database: str, folder: str, threads: int, *more: str) -> list[str]:
    """What to say to myloader to bring a dump into a database."""
    return [
        f"--directory={folder}", f"--database={database}", "--overwrite-tables", f"--threads={threads}", *more
    ]  # fmt: skip
