"""What the tests say of themselves."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.effort import by_turns, in_ci, sample

APPLICABLE = """
import pytest
from tests.support.parts import not_applicable

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

GIVEN = """
import os
from tests.conftest import GIVEN

def test_it():
    assert GIVEN == {"DATABASE_URL": "mysql://root@example.org/", "TABLES": "none"}
    assert not {*GIVEN} & {*os.environ}
"""

EACH = """
import time
from pathlib import Path
import pytest
from tests.conftest import GIVEN

@pytest.mark.parametrize("number", range(2))
def test_it(number, worker_id):
    Path(__file__).with_name(worker_id).write_text(GIVEN["DATABASE_URL"])
    time.sleep(1)
"""


def pytest_in(folder: Path, workers: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    (folder / "pytest.ini").write_text("[pytest]")
    command = [sys.executable, "-m", "pytest", "-q", "-n", workers, "-p", "tests.conftest", "-p", "no:schemathesis"]
    given = {**os.environ, **environment}
    return subprocess.run(command, cwd=folder, env=given, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("workers", ["0", "2"])
@sample(1)
def test_what_is_not_applicable_is_neither_passed_nor_skipped_and_counted_by_reason(
    tmp_path: Path, workers: str
) -> None:
    (tmp_path / "test_it.py").write_text(APPLICABLE)
    done = pytest_in(tmp_path, workers)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[-1].startswith("1 passed, 1 skipped, 4 not applicable in ")
    assert [line.split(maxsplit=1) for line in lines[-3:-1]] == [["3", "no type UUID"], ["1", "no type VECTOR"]]


@in_ci
@pytest.mark.parametrize("workers", ["0", "1"])
@sample(1)
def test_the_server_that_was_named_is_the_one_that_every_worker_uses(tmp_path: Path, workers: str) -> None:
    (tmp_path / "test_it.py").write_text(GIVEN)
    done = pytest_in(tmp_path, workers, DATABASE_URL="mysql://root@example.org/", TABLES="none")
    assert done.returncode == 0, done.stdout + done.stderr


@by_turns
def test_each_worker_has_a_server_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(EACH)
    done = pytest_in(tmp_path, "2", DATABASE_URL="mysql://one/ mysql://two/")
    assert done.returncode == 0, done.stdout + done.stderr
    assert [(tmp_path / worker).read_text() for worker in ("gw0", "gw1")] == ["mysql://one/", "mysql://two/"]


@by_turns
def test_more_workers_than_servers_are_refused(tmp_path: Path) -> None:
    done = pytest_in(tmp_path, "2", DATABASE_URL="mysql://one/")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "give -n 1, or more URLs" in done.stderr
