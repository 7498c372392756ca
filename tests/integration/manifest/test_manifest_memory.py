"""What a backup's list of objects takes in memory: the same however many there are."""

from pathlib import Path

import pytest

from tests.effort import in_ci, thorough
from tests.support import manifest_process

MIB = 1024 * 1024
STEPS = ["write", "read the root", "verify in shape", "look whether all is there", "restore"]


def test_twice_the_objects_take_the_same_memory(tmp_path: Path) -> None:
    few, many = (manifest_process.run(objects, tmp_path / str(objects)) for objects in (2_048, 4_096))
    for step in STEPS:
        assert many[step]["peak"] < few[step]["peak"] + 5 * MIB, step


@in_ci
def test_four_times_the_objects_take_the_same_memory(tmp_path: Path) -> None:
    few, many = (manifest_process.run(objects, tmp_path / str(objects)) for objects in (2_500, 10_000))
    for step in STEPS:
        assert many[step]["peak"] < few[step]["peak"] + 5 * MIB, step


@thorough
@pytest.mark.timeout(3600)
def test_a_quarter_of_a_million_objects_are_written_read_and_restored_in_the_memory_of_a_tenth(tmp_path: Path) -> None:
    few, many = (manifest_process.run(objects, tmp_path / str(objects)) for objects in (25_000, 250_000))
    for step in STEPS:
        assert many[step]["peak"] < 600 * MIB, step
        assert many[step]["peak"] < few[step]["peak"] + 25 * MIB, step
