"""The benchmark runs and says what it saw; how fast things are is not tested here."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.common import report
from benchmarks.common.memory import PROC, Memory
from benchmarks.common.place import runtime
from benchmarks.common.series import Series
from benchmarks.verbs import __main__ as bench
from local.runtime.state import State
from tests.effort import thorough
from tests.support.parts import Database


@thorough
def test_every_case_is_measured_beside_its_plain_way(database: Database, tmp_path: Path) -> None:
    sizes = replace(bench.QUICK, rows=3_000, seconds=0.5, huge=300_000)
    with (
        runtime(State(tmp_path / "two"), DATABASE_URL=database.url, WORKERS="2") as (folder, env),
        runtime(State(tmp_path / "one"), DATABASE_URL=database.url, WORKERS="1") as (_, env_of_one),
    ):
        text = bench.measure(env, env_of_one, folder, sizes)
        if PROC.exists():
            assert workers(env["S3_URL"]) == {"2"}
            assert workers(env_of_one["S3_URL"]) == {"1"}
    for name in (
        "POST of 1,000 rows | 3 | 1,000 |",
        "LOAD DATA LOCAL of the clean file, one connection | 1 | 3,000 |",
        "executemany, 1,000 rows a commit, of the first 1,000 rows | 1 | 1,000 |",
        "load, 3 % bad rows, WORKERS=2 | 1 | 3,000 |",
        "load, 3 % bad rows, WORKERS=1 | 1 | 3,000 |",
        "load, clean file, WORKERS=2 | 1 | 3,000 |",
        "load, 3 % bad rows, .gz, WORKERS=2 | 1 | 3,000 |",
        "load, 3 % bad rows, .zst, WORKERS=2 | 1 | 3,000 |",
        "backup | 1 | 1,000 |",
        "restore | 1 | 1,000 |",
        "backup, key of UUIDs as text, WORKERS=2 | 1 | 1,000 |",
        "backup, key of UUIDs as text, WORKERS=1 | 1 | 1,000 |",
        "20 a second, due in an even beat | 10 |",
        "load of 300,000 bytes of CSV, plain, 3 % bad rows, WORKERS=2 | 1 |",
        "load of 300,000 bytes of CSV, .gz of ",
    ):
        assert f"| {name}" in text, text
    if Path("/proc/self/clear_refs").exists():
        assert text.count("MiB |") == 11, text


def workers(s3_url: str) -> set[str]:
    """What the functions of a runtime were told of WORKERS."""
    found = set()
    for process in PROC.glob("[0-9]*/environ"):
        try:
            variables = dict(one.split("=", 1) for one in os.fsdecode(process.read_bytes()).split("\0") if "=" in one)
        except OSError:
            continue
        if variables.get("AWS_ENDPOINT_URL_S3") == s3_url and "AWS_LAMBDA_FUNCTION_NAME" in variables:
            found.add(variables.get("WORKERS", ""))
    return found


def test_the_table_has_medians_rates_and_ratios_of_rows_a_second() -> None:
    plain = Series("LOAD DATA LOCAL", 500, seconds=[0.1, 0.1, 0.1], short="LOAD DATA")
    case = Series("load", 1_000, (plain,), seconds=[0.2, 0.1, 0.4], peak=50 * 2**20)
    text = report.report({"server": "MariaDB"}, [report.table([case, Series("b", 1, (plain,), "", [1.0])])])
    assert "- server: MariaDB" in text
    ours = (
        "| load | 3 | 1,000 | 200.0 ms | 100.0 ms to 400.0 ms | - | 5,000 | 50 MiB | 1.00 (0.50 to 2.00) of LOAD DATA |"
    )
    assert ours in text
    theirs = "| LOAD DATA LOCAL | 3 | 500 | 100.0 ms | 100.0 ms to 100.0 ms | - | 5,000 | - | - |"
    assert text.count(theirs) == 1


def test_the_sizes_are_options_and_quick_is_little_of_everything(capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.options([]) == (bench.Sizes(), ["mariadb"])
    assert bench.options(["--server", "mariadb", "mysql"])[1] == ["mariadb", "mysql"]
    assert bench.options(["--quick", "--rows", "7"])[0] == replace(bench.QUICK, rows=7)
    assert bench.options(["--huge", "1.5"])[0].huge == 1_500_000_000
    with pytest.raises(SystemExit):
        bench.options(["--repeats", "0"])
    assert "--repeats" in capsys.readouterr().err


def test_memory_is_that_of_the_processes_of_this_runtime(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for number, (url, name) in enumerate((("http://a", "Load"), ("http://b", "Load"), ("http://a", "Other"))):
        process = tmp_path / str(100 + number)
        process.mkdir()
        environment = f"PATH=/bin\0AWS_ENDPOINT_URL_S3={url}\0AWS_LAMBDA_FUNCTION_NAME={name}\0"
        (process / "environ").write_bytes(os.fsencode(environment))
        (process / "status").write_text(f"Name:\tx\nVmHWM:\t    {number + 1} kB\n")
    monkeypatch.setattr("benchmarks.common.memory.PROC", tmp_path)
    memory = Memory("http://a")
    assert memory.peak("Load") == 1024
    assert memory.peak("Nothing") is None
    assert memory.processes("Load") == 1
    memory.forget()
    assert {path.parent.name for path in tmp_path.glob("*/clear_refs")} == {"100", "102"}
