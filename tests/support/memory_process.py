"""A backup, or a restore of it, in a process of its own, which says how much memory it took.

As a program: ``backup`` or ``restore``, the backup's id, its format, the table, and how often; the environment is that of
a function. It prints the peak resident set before the work and after it, in bytes, as JSON.
"""

import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tableferry.backup.backup import backup
from tableferry.columnar.formats import Format
from tableferry.config.settings import Settings
from tableferry.manifest import manifest
from tableferry.mysql.database import Database
from tableferry.restore import restore
from tableferry.storage.bucket import open_store

_RESTORE = "20260101T000000Z-00000001"


@dataclass(frozen=True)
class Peak:
    """Bytes of resident memory at most: of what was loaded before the work, and of all of it."""

    idle: int
    all: int

    @property
    def work(self) -> int:
        return self.all - self.idle


def run(what: str, backup_id: str, form: str = "parquet", table: str = "t", times: int = 1) -> Peak:
    """Do it in a process of its own, so many times one after the other."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.memory_process", what, backup_id, form, table, str(times)],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return Peak(**json.loads(done.stdout))


def _peak() -> int:
    [kibibytes] = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="utf-8"))
    return int(kibibytes) * 1024


def _main(what: str, backup_id: str, form: str, table: str, times: str) -> None:
    settings = Settings.from_env()
    database, store = Database(settings.database), open_store(settings.bucket, settings.signing_keys)
    list(store.list("nothing/"))  # the client and its TLS are there before anything is counted
    idle = _peak()
    if what == "backup":
        for number in range(int(times)):
            backup(
                database,
                store,
                f"{backup_id[:-8]}{number:08x}",
                [table],
                Format(form),
                workers=settings.workers,
                chunk_bytes=settings.chunk_bytes,
            )
    else:
        source = manifest.read(store, backup_id, settings.signing_keys)
        items = restore.plan(source, None, {table: "restored"})
        restore.restore(
            database, store, _RESTORE, source, items, workers=settings.workers, chunk_bytes=settings.chunk_bytes
        )
    print(json.dumps({"idle": idle, "all": _peak()}))


if __name__ == "__main__":
    _main(*sys.argv[1:])
