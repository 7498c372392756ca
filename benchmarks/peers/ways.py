"""The ways that take turns: ours and those of others, to back a table up and to bring it back."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from benchmarks.peers import rivals
from benchmarks.peers.measure import Cost, Programs, job
from benchmarks.peers.place import Place
from benchmarks.peers.tables import Made
from local.demo.expect import check

# mydumper splits a table for its threads by this only; chunks of a sixteenth were the fastest of what was tried.
_CHUNKS = 16
_BACK = "_back"
Run = Callable[[Made, Path], Cost]


@dataclass(frozen=True)
class Way:
    """One way. ``run`` is given a table and an empty folder for what it writes; it takes all the rest away itself.

    A way back needs what ``prepare`` puts into a folder, which ``run`` is given in place of an empty one.
    """

    key: str
    name: str
    verb: Literal["backup", "restore"]
    run: Run
    prepare: Callable[[Made, Path], None] = lambda *_: None
    programs: tuple[str, ...] = ()
    ours: bool = False

    @property
    def missing(self) -> str:
        """What has to be installed first; empty if nothing."""
        return ", ".join(sorted({rivals.PACKAGES[name] for name in rivals.missing(self.programs)}))


KEYS = (
    "parquet", "csv", "parquet-s3", "mydumper", "mydumper-zipped", "mysqldump", "drain",
    "restore", "myloader", "mysql", "load-data",
)  # fmt: skip


def ways(place: Place) -> Mapping[str, Way]:
    """All of them on a place, by their keys, in the order in which they are shown."""
    ours, theirs, threads = _Ours(place), _Theirs(place), place.threads
    dumps, pipe = ("mydumper",), ("mysqldump", "zstd")
    null, wrote = "to a null store", f"mydumper, {threads} threads"
    found = (
        Way("parquet", f"Tableferry, Parquet zstd, {null}", "backup", ours.backup("parquet"), ours=True),
        Way("csv", f"Tableferry, CSV zstd, {null}", "backup", ours.backup("csv"), ours=True),
        Way("parquet-s3", "Tableferry, Parquet zstd, to the S3 emulator", "backup", ours.backup_to_s3, ours=True),
        Way("mydumper", wrote, "backup", theirs.mydumper(), programs=dumps),
        Way("mydumper-zipped", f"{wrote}, compressed", "backup", theirs.mydumper("--compress"), programs=dumps),
        Way("mysqldump", "mysqldump | zstd -1", "backup", theirs.mysqldump, programs=pipe),
        Way("drain", f"SELECT, drained undecoded, {threads} connections", "backup", ours.drain),
        Way(
            "restore", "Tableferry, verified, from the S3 emulator", "restore", ours.restore, ours.prepare_restore,
            ours=True,
        ),
        Way(
            "myloader", f"myloader, {threads} threads", "restore", theirs.myloader, theirs.prepare_myloader,
            (*dumps, "myloader"),
        ),
        Way("mysql", "mysql < dump", "restore", theirs.mysql, theirs.prepare_mysql, ("mysqldump", "mysql")),
        Way("load-data", "LOAD DATA LOCAL, one connection", "restore", ours.load, ours.prepare_load),
    )  # fmt: skip
    return {way.key: way for way in found}


class _Ours:
    """What runs in processes of this project's, under the user that the documentation asks for."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def _job(self, do: str, /, **task: Any) -> tuple[Cost, dict[str, Any]]:
        place = self._place
        return job({"do": do, **task}, place.meter, place.folder / "job.log", place.environment)

    def backup(self, form: str) -> Run:
        def run(table: Made, _: Path) -> Cost:
            return self._backup(table, form)[0]

        return run

    def _backup(self, table: Made, form: str, bucket: str = "") -> tuple[Cost, str]:
        cost, said = self._job("backup", table=table.name, form=form, workers=self._place.threads, bucket=bucket)
        check(f"rows in the backup of {table.name}", said["rows"], table.rows)
        return cost, str(said["id"])

    def backup_to_s3(self, table: Made, _: Path) -> Cost:
        cost, backup_id = self._backup(table, "parquet", self._place.bucket)
        self._place.forget(f"backups/{backup_id}/")
        return cost

    def prepare_restore(self, table: Made, folder: Path) -> None:
        (folder / "id").write_text(self._backup(table, "parquet", self._place.bucket)[1], encoding="ascii")

    def restore(self, table: Made, folder: Path) -> Cost:
        place, backup_id = self._place, (folder / "id").read_text(encoding="ascii")
        cost, said = self._job(
            "restore", backup_id=backup_id, into=f"{table.name}{_BACK}", workers=place.threads, bucket=place.bucket
        )
        place.trim()
        check(f"rows of {table.name} restored", said["rows"], table.rows)
        return cost

    def drain(self, table: Made, _: Path) -> Cost:
        return self._job("drain", table=table.name, ranges=table.ranges(self._place.threads))[0]

    def prepare_load(self, table: Made, folder: Path) -> None:
        _, said = self._job("write", table=table.name, file=str(folder / "plain.tsv"))
        check(f"rows of {table.name} written", said["rows"], table.rows)

    def load(self, table: Made, folder: Path) -> Cost:
        place, back = self._place, f"{table.name}{_BACK}"
        place.run(f"CREATE TABLE `{place.database}`.`{back}` LIKE `{place.database}`.`{table.name}`")
        cost, said = self._job("load", table=back, file=str(folder / "plain.tsv"), texts=table.texts)
        place.run(f"DROP TABLE `{place.database}`.`{back}`")
        place.trim()
        check(f"rows of {table.name} by LOAD DATA", said["rows"], table.rows)
        return cost


class _Theirs:
    """What others have made, logged in as the administrator; back into a database beside."""

    def __init__(self, place: Place) -> None:
        self._place, self._log = place, place.folder / "programs.log"
        self._encrypted = ("--ssl",) if place.encrypted else ()

    def _command(self, program: str, *words: str) -> list[str]:
        return rivals.command(program, self._place.administrator, *self._encrypted, *words)

    def mydumper(self, *more: str) -> Run:
        def run(table: Made, folder: Path) -> Cost:
            rows = -(-table.rows // _CHUNKS)
            words = rivals.mydumper(
                self._place.database, table.name, str(folder), self._place.threads, f"--rows={rows}", *more
            )
            cost = Programs([self._command("mydumper", *words)], self._log).run(self._place.meter)
            return _sized(cost, folder)

        return run

    def mysqldump(self, table: Made, folder: Path) -> Cost:
        pipe = [self._dump(table), ["zstd", "-1", "--quiet", "--stdout"]]
        cost = Programs(pipe, self._log, stdout=folder / "dump.sql.zst").run(self._place.meter)
        return _sized(cost, folder)

    def _dump(self, table: Made) -> list[str]:
        return self._command("mysqldump", *rivals.MYSQLDUMP, self._place.database, table.name)

    def prepare_mysql(self, table: Made, folder: Path) -> None:
        Programs([self._dump(table)], self._log, stdout=folder / "dump.sql").run(self._place.meter)

    def mysql(self, table: Made, folder: Path) -> Cost:
        return self._back(table, Programs([self._command("mysql", self._place.back)], self._log, folder / "dump.sql"))

    def prepare_myloader(self, table: Made, folder: Path) -> None:
        self.mydumper()(table, folder)

    def myloader(self, table: Made, folder: Path) -> Cost:
        # By default it would leave the binary log out, which RDS lets nobody do.
        words = rivals.myloader(self._place.back, str(folder), self._place.threads, "--enable-binlog")
        return self._back(table, Programs([self._command("myloader", *words)], self._log))

    def _back(self, table: Made, programs: Programs) -> Cost:
        self._place.empty_back()
        cost = programs.run(self._place.meter)
        [(rows,)] = self._place.run(f"SELECT COUNT(*) FROM `{self._place.back}`.`{table.name}`")
        self._place.empty_back()
        check(f"rows of {table.name} brought back by {programs.pipe[0][0]}", rows, table.rows)
        return cost


def _sized(cost: Cost, folder: Path) -> Cost:
    return replace(cost, size=sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()))
