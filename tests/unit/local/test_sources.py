"""The sample: the files that are committed are what the generator makes, and what its text says they are."""

import csv
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import pytest

from local.runtime.database import grants, split_statements
from local.runtime.state import ROOT
from sources import generate

SOURCES = Path(generate.__file__).parent
FILES = ("departments.csv", "jobs.csv", "hired_employees.csv")


def rows(name: str, folder: Path = SOURCES) -> list[list[str]]:
    with (folder / name).open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def complete(employees: Sequence[Sequence[str]]) -> list[Sequence[str]]:
    return [row for row in employees if all(row)]


@pytest.mark.parametrize("name", FILES)
def test_the_committed_file_is_what_the_generator_makes(name: str, tmp_path: Path) -> None:
    generate.main(["--out", str(tmp_path)])
    assert (tmp_path / name).read_bytes() == (SOURCES / name).read_bytes()


def test_departments_and_jobs_are_distinct_and_numbered_from_one() -> None:
    for name, count in (("departments.csv", 12), ("jobs.csv", 183)):
        table = rows(name)
        assert [row[0] for row in table] == [str(number) for number in range(1, count + 1)]
        assert len({row[1].casefold() for row in table}) == count


def test_seventy_of_1999_employees_lack_one_field_and_every_field_has_its_turn() -> None:
    employees = rows("hired_employees.csv")
    assert len(employees) == 1_999
    assert {len(row) for row in employees} == {5}
    missing = Counter(row.index("") for row in employees if "" in row)
    assert missing == {1: 18, 2: 18, 3: 17, 4: 17}
    assert all(row.count("") <= 1 for row in employees)


def test_employees_were_hired_in_2021_and_2022_into_departments_and_jobs_that_exist() -> None:
    departments, jobs = ({row[0] for row in rows(name)} for name in FILES[:2])
    for _, _, hired, department, job in complete(rows("hired_employees.csv")):
        assert datetime.strptime(hired, "%Y-%m-%dT%H:%M:%SZ").year in {2021, 2022}
        assert department in departments
        assert job in jobs


def test_the_names_are_of_the_kinds_that_break_loaders() -> None:
    names = [row[1] for row in rows("hired_employees.csv")]
    assert any("'" in name for name in names)
    assert any(", Jr., " in name for name in names)
    assert any('"' in name for name in names)
    assert any("é" in name for name in names)
    assert any(ord(letter) > 0x2E80 for name in names for letter in name), "no letter of another script"
    assert any(ord(letter) > 0xFFFF for name in names for letter in name), "no letter of four bytes"


def test_only_jobs_has_crlf_line_ends() -> None:
    ends = {name: (SOURCES / name).read_bytes().count(b"\r\n") for name in FILES}
    assert ends == {"departments.csv": 0, "jobs.csv": 183, "hired_employees.csv": 0}


def test_any_size_and_any_share_of_incomplete_rows(tmp_path: Path) -> None:
    generate.main(["--employees", "5000", "--incomplete", "0.1", "--seed", "7", "--out", str(tmp_path)])
    employees = rows("hired_employees.csv", tmp_path)
    assert len(employees) == 5_000
    assert len(complete(employees)) == 4_500
    assert not list(generate.employees(0))
    assert all(all(row) for row in generate.employees(100, incomplete=0))
    assert not complete(list(generate.employees(100, incomplete=1)))


def test_the_containers_user_has_the_privileges_of_the_documentation() -> None:
    given = split_statements((ROOT / "local" / "docker" / "rights.sql").read_text(encoding="utf-8"))
    assert given[0] == "REVOKE ALL PRIVILEGES ON `tableferry`.* FROM 'tableferry'@'%'"
    assert given[1:] == grants("tableferry", "'tableferry'@'%'")
