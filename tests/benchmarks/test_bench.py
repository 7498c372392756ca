"""The benchmark runs and says what it saw; how fast things are is not tested here."""

import os
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from local import bench, demo_sample
from local.bench_cases import Case
from local.bench_memory import Memory
from tests.e2e.tables import recreate


def test_every_case_is_measured_beside_its_plain_way(runtime: Any, tmp_path: Path) -> None:
    with closing(demo_sample.connect(runtime.env["DATABASE_URL"])) as connection:
        recreate(connection)
        text = bench.measure(runtime.env, tmp_path, employees=1_000, repeats=1, posts=3)
        recreate(connection)
    for name in (
        "POST of 1,000 rows (3 times)",
        "load of a file (clean)",
        "load of a file (wanting)",
        "backup",
        "restore",
    ):
        assert f"| {name}" in text
    if Path("/proc/self/clear_refs").exists():
        assert text.count("MiB |") == 5, text


def test_the_table_has_medians_rates_and_ratios() -> None:
    case = Case("load", 1_000, "LOAD DATA", [0.2, 0.1, 0.3], [0.1, 0.1, 0.1], 50 * 2**20)
    text = bench.render([case], {"server": "MariaDB"})
    assert "- server: MariaDB" in text
    assert (
        "| load (3 times) | 1,000 | 200.0 ms | 100.0 ms to 300.0 ms | - | 5,000 | 50 MiB | LOAD DATA | 10,000 | 0.50 |"
        in text
    )


def test_memory_is_that_of_the_processes_that_serve_this_database(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for number, (url, name) in enumerate((("mysql://a", "Load"), ("mysql://b", "Load"), ("mysql://a", "Other"))):
        process = tmp_path / str(100 + number)
        process.mkdir()
        environment = f"PATH=/bin\0DATABASE_URL={url}\0AWS_LAMBDA_FUNCTION_NAME={name}\0"
        (process / "environ").write_bytes(os.fsencode(environment))
        (process / "status").write_text(f"Name:\tx\nVmHWM:\t    {number + 1} kB\n")
    monkeypatch.setattr("local.bench_memory.PROC", tmp_path)
    memory = Memory("mysql://a")
    assert memory.peak("Load") == 1024
    assert memory.peak("Nothing") is None
    memory.forget()
    assert {path.parent.name for path in tmp_path.glob("*/clear_refs")} == {"100", "102"}
