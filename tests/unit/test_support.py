"""What the tests say of themselves."""

import subprocess
import sys
from pathlib import Path

import pytest

TESTS = """
import pytest
from tests.support import not_applicable

@pytest.mark.parametrize("number", range(3))
def test_a(number):
    not_applicable("no type UUID")

def test_b():
    not_applicable("no type VECTOR")

def test_c():
    pytest.skip("another time")

def test_d():
    pass
"""


@pytest.mark.parametrize("workers", ["0", "2"])
def test_what_is_not_applicable_is_neither_passed_nor_skipped_and_counted_by_reason(
    tmp_path: Path, workers: str
) -> None:
    (tmp_path / "test_it.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]")
    command = [sys.executable, "-m", "pytest", "-q", "-n", workers, "-p", "tests.conftest", "-p", "no:schemathesis"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[-1].startswith("1 passed, 1 skipped, 4 not applicable in ")
    assert [line.split(maxsplit=1) for line in lines[-3:-1]] == [["3", "no type UUID"], ["1", "no type VECTOR"]]
