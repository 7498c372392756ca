"""What the benchmark measures: each case beside a plain way to do the same, in turns, on the same server."""

import csv
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from pymysql.cursors import SSCursor

from local import demo_sample
from local.bench_memory import Memory
from local.demo_client import Client, s3_client
from local.demo_expect import check
from local.demo_sample import SOURCES
from sources.generate import employees, generate

TABLE = "hired_employees"
BATCH = 1_000
_WARM_UP = 5


@dataclass(slots=True)
class Case:
    """One thing that was timed, so many rows each time, and the same rows in a plain way."""

    name: str
    rows: int
    plain: str
    seconds: list[float] = field(default_factory=list)
    plain_seconds: list[float] = field(default_factory=list)
    peak: int | None = None

    def without_first(self) -> "Case":
        """The same without the first turn, in which the function was started and caches were cold."""
        del self.seconds[0], self.plain_seconds[0]
        return self

    def saw(self, peak: int | None) -> None:
        """Another figure for the memory: the highest stays."""
        self.peak = max((value for value in (self.peak, peak) if value is not None), default=None)


class Bench:
    """Runs the cases against the runtime that `env` names; its database has to be the benchmark's own."""

    def __init__(self, env: Mapping[str, str], folder: Path, count: int, told: Callable[[str], None]) -> None:
        self._env, self._folder, self._count, self._told = env, folder, count, told
        self._memory = Memory(env["DATABASE_URL"])
        self._connection = demo_sample.connect(env["DATABASE_URL"], local_infile=True)
        self._s3 = s3_client(env)
        for kind, incomplete in (("clean", 0.0), ("wanting", 0.035)):
            generate(folder / kind, count, incomplete)

    def post(self, requests: int) -> Case:
        """POST of 1,000 rows, over and over; the plain way is `executemany` in one transaction."""
        case = Case(f"POST of {BATCH:,} rows", BATCH, "PyMySQL executemany")
        self._empty(parents=True)
        rows = employees(2 * BATCH * (requests + _WARM_UP), incomplete=0)
        with httpx.Client(base_url=self._env["API_URL"], timeout=60) as http:
            for number in range(-_WARM_UP, requests):
                batch, other = ([list(next(rows)) for _ in range(BATCH)] for _ in range(2))
                if number == 0:
                    self._memory.forget()
                with timed(case.seconds if number >= 0 else []):
                    answer = http.post(f"/tables/{TABLE}/rows", json=batch)
                check("a POST's status", answer.status_code, 201)
                with timed(case.plain_seconds if number >= 0 else []):
                    self._insert(other)
        case.saw(self._memory.peak("InsertFunction"))
        return case

    def load(self, kind: str, repeats: int) -> Case:
        """A file, from the end of its upload to the end of its load; the plain way is `LOAD DATA LOCAL`."""
        case = Case(f"load of a file ({kind})", self._count, "LOAD DATA LOCAL of the clean file")
        file = self._folder / kind / f"{TABLE}.csv"
        with Client(self._env["API_URL"], poll=0.02) as client:
            for number in range(repeats + 1):
                self._told(f"{case.name}: {number} of {repeats}")
                self._empty()
                self._memory.forget()
                key = f"uploads/{TABLE}/bench-{secrets.token_hex(4)}.csv"
                self._s3.upload_file(str(file), self._env["BUCKET"], key)
                with timed(case.seconds):
                    account = client.load(key, lambda *_: None)
                case.saw(self._memory.peak("LoadFunction"))
                check("rows read", account["read"], self._count)
                self._empty()
                with timed(case.plain_seconds):
                    self._load_plainly(self._folder / "clean" / f"{TABLE}.csv")
        return case.without_first()

    def backup_and_restore(self, repeats: int) -> Iterator[Case]:
        """A backup of the clean rows and its restore; the plain ways are a SELECT into a CSV file and LOAD DATA."""
        backups = Case("backup", self._count, "PyMySQL SSCursor to a CSV file")
        restores = Case("restore", self._count, "LOAD DATA LOCAL of that file")
        self._empty()
        self._load_plainly(self._folder / "clean" / f"{TABLE}.csv")
        with Client(self._env["API_URL"], poll=0.02) as client:
            for number in range(repeats + 1):
                self._told(f"backup and restore: {number} of {repeats}")
                self._memory.forget()
                with timed(backups.seconds):
                    backup = client.job("/backups", {"tables": [TABLE]}, lambda *_: None)
                backups.saw(self._memory.peak("BackupFunction"))
                check("rows in the backup", backup["rows"], self._count)
                copy = self._folder / "copy.csv"
                with timed(backups.plain_seconds):
                    self._write_plainly(copy)
                self._memory.forget()
                with timed(restores.seconds):
                    restore = client.job("/restores", {"backup": backup["id"], "tables": [TABLE]}, lambda *_: None)
                restores.saw(self._memory.peak("RestoreFunction"))
                client.post(f"/restores/{restore['id']}/accept")
                self._empty()
                with timed(restores.plain_seconds):
                    self._load_plainly(copy)
        yield backups.without_first()
        yield restores.without_first()

    def server(self) -> str:
        """The server's name and version."""
        with self._connection.cursor() as cursor:
            cursor.execute("SELECT @@version, @@version_comment")
            version, comment = cursor.fetchone() or ("?", "")
        return f"{comment} {version}".strip()

    def _empty(self, parents: bool = False) -> None:
        with self._connection.cursor() as cursor:
            cursor.execute(f"TRUNCATE TABLE {TABLE}")
            if parents:
                for table in ("departments", "jobs"):
                    cursor.execute(f"DELETE FROM {table}")
                    with (SOURCES / f"{table}.csv").open(encoding="utf-8", newline="") as file:
                        cursor.executemany(f"INSERT INTO {table} VALUES (%s, %s)", list(csv.reader(file)))

    def _insert(self, rows: Sequence[Sequence[str]]) -> None:
        values = [(*row[:2], row[2].replace("T", " ").rstrip("Z"), *row[3:]) for row in rows]
        self._connection.begin()
        with self._connection.cursor() as cursor:
            cursor.executemany(f"INSERT INTO {TABLE} VALUES (%s, %s, %s, %s, %s)", values)
        self._connection.commit()

    def _load_plainly(self, file: Path) -> None:
        with self._connection.cursor() as cursor:
            cursor.execute(
                f"LOAD DATA LOCAL INFILE %s INTO TABLE {TABLE} CHARACTER SET utf8mb4 FIELDS TERMINATED BY ','"
                " OPTIONALLY ENCLOSED BY '\"' ESCAPED BY '' LINES TERMINATED BY '\\n'"
                " (id, name, @hired, department_id, job_id) SET `datetime` = REPLACE(REPLACE(@hired, 'T', ' '), 'Z', '')",
                (str(file),),
            )
            check("rows of LOAD DATA", cursor.rowcount, self._count)

    def _write_plainly(self, file: Path) -> None:
        with file.open("w", encoding="utf-8", newline="") as out, self._connection.cursor(SSCursor) as cursor:
            cursor.execute(f"SELECT * FROM {TABLE}")
            csv.writer(out, lineterminator="\n").writerows(cursor)


@contextmanager
def timed(seconds: list[float]) -> Iterator[None]:
    """Add how long the block took."""
    begin = time.perf_counter()
    yield
    seconds.append(time.perf_counter() - begin)
