"""The cases with files: loads, a backup and its restore, in turns with the plain ways on the same server."""

import gzip
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from backports import zstd

from benchmarks.common.place import Place
from benchmarks.common.plain_ways import BATCH, TABLE, Plain
from benchmarks.common.series import Series, timed
from local.demo.expect import check
from sources.generate import generate

BAD = 0.03
_FEW = 2
Told = Callable[[str], None]


@dataclass(frozen=True)
class Files:
    """The same employees without a bad row, and with 3 % of them lacking a field, which also compressed; and a part."""

    rows: int
    part_rows: int
    clean: Path
    bad: Path
    gz: Path
    zst: Path
    part: Path
    halves: tuple[Path, Path]

    @classmethod
    def make(cls, folder: Path, rows: int, part_rows: int) -> "Files":
        """Write them into a folder: about 55 bytes a row, four times. The part is the clean file's first rows."""
        part_rows = min(rows, part_rows)
        for kind, share in (("clean", 0.0), ("bad", BAD)):
            generate(folder / kind, rows, share)
        clean, bad = (folder / kind / f"{TABLE}.csv" for kind in ("clean", "bad"))
        gz, zst, part = folder / "bad.csv.gz", folder / "bad.csv.zst", folder / "part.csv"
        with bad.open("rb") as source, gzip.open(gz, "wb", compresslevel=6) as out:
            shutil.copyfileobj(source, out)
        with bad.open("rb") as source, zstd.open(zst, "wb") as out:
            shutil.copyfileobj(source, out)
        with clean.open("rb") as source, part.open("wb") as out:
            out.writelines(islice(source, part_rows))
        halves = (folder / "half-1.csv", folder / "half-2.csv")
        with clean.open("rb") as source, halves[0].open("wb") as first, halves[1].open("wb") as second:
            first.writelines(islice(source, rows // 2))
            second.writelines(source)
        return cls(rows, part_rows, clean, bad, gz, zst, part, halves)


def loads(two: Place, one: Place, plain: Plain, files: Files, repeats: int, told: Told) -> Sequence[Series]:
    """A file's load, on `two` connections and on `one` (two runtimes on the same server), clean, bad and compressed.

    Beside them `LOAD DATA LOCAL` of the clean file, and `executemany` of a part of it.
    """
    load_data = Series("LOAD DATA LOCAL of the clean file, one connection", files.rows, short="LOAD DATA")
    in_two = Series("LOAD DATA LOCAL of its halves, two connections", files.rows, short="LOAD DATA in two")
    part = f"the first {files.part_rows:,} rows"
    insert = Series(f"executemany, {BATCH:,} rows a commit, of {part}", files.part_rows, short="executemany")
    beside, bad, few = (load_data, in_two, insert), f"{BAD * 100:.0f} % bad rows", min(_FEW, repeats)
    cases = [
        _Load(Series(f"load, {bad}, WORKERS=2", files.rows, beside), two, files.bad, BAD, repeats),
        _Load(Series(f"load, {bad}, WORKERS=1", files.rows, beside), one, files.bad, BAD, repeats),
        _Load(Series("load, clean file, WORKERS=2", files.rows, beside), two, files.clean, 0.0, repeats),
        _Load(Series(f"load, {bad}, .gz, WORKERS=2", files.rows, beside), two, files.gz, BAD, few),
        _Load(Series(f"load, {bad}, .zst, WORKERS=2", files.rows, beside), two, files.zst, BAD, few),
    ]
    for place in (two, one):
        plain.empty()
        place.load(files.part, Series("warm-up", files.part_rows))
    for turn in range(repeats):
        steps: list[tuple[Series, Callable[[], None]]] = [
            (load_data, lambda: _timed(load_data, lambda: plain.load(files.clean, files.rows))),
            (in_two, lambda: _timed(in_two, lambda: plain.load_at_once(files.halves, files.rows))),
            (insert, lambda: _timed(insert, lambda: plain.insert_file(files.part))),
            *((case.series, case) for case in cases if turn < case.repeats),
        ]
        for series, step in steps if turn % 2 == 0 else reversed(steps):  # so that none always follows the same one
            told(f"{series.name}: {turn + 1}")
            plain.empty()
            step()
    return [case.series for case in cases]


@dataclass(frozen=True)
class _Load:
    """One load each time it is called, whose status has to be right."""

    series: Series
    place: Place
    file: Path
    bad: float
    repeats: int

    def __call__(self) -> None:
        status = self.place.load(self.file, self.series)
        rows, rejected = self.series.rows, round(self.series.rows * self.bad)
        found = tuple(status[name] for name in ("read", "inserted", "rejected"))
        check("rows read, inserted and rejected", found, (rows, rows - rejected, rejected))


def backup_and_restore(
    place: Place, plain: Plain, folder: Path, rows: int, repeats: int, told: Told
) -> Sequence[Series]:
    """A backup of so many rows and its restore; the plain ways are a SELECT into a CSV file and LOAD DATA."""
    selected = Series("PyMySQL SSCursor to a CSV file", rows, short="SSCursor")
    loaded = Series("LOAD DATA LOCAL of that file", rows, short="LOAD DATA")
    backups, restores = Series("backup", rows, (selected,)), Series("restore", rows, (loaded,))
    generate(folder, rows, incomplete=0)
    copy = folder / "copy.csv"
    plain.empty()
    plain.load(folder / f"{TABLE}.csv", rows)
    with place.client() as client:
        for number in range(repeats + 1):
            told(f"backup and restore: {number} of {repeats}")
            place.memory.forget()
            with timed(backups.seconds):
                backup = client.job("/backups", {"tables": [TABLE]}, lambda *_: None)
            backups.saw(place.memory.peak("BackupFunction"))
            check("rows in the backup", backup["rows"], rows)
            _timed(selected, lambda: plain.write(copy))
            place.memory.forget()
            with timed(restores.seconds):
                restore = client.job("/restores", {"backup": backup["id"], "tables": [TABLE]}, lambda *_: None)
            restores.saw(place.memory.peak("RestoreFunction"))
            client.post(f"/restores/{restore['id']}/accept")
            plain.empty()
            _timed(loaded, lambda: plain.load(copy, rows))
    for series in (backups, restores, selected, loaded):
        series.without_first()
    return backups, restores


def _timed(series: Series, action: Callable[[], None]) -> None:
    with timed(series.seconds):
        action()
