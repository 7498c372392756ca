"""What the matrix of servers makes of a run, and what it says where a server is missing."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from local.sam import engine
from tools import matrix
from tools.matrix_results import NOT_APPLICABLE, Outcome, known_as, outcome

MYSQL = "MySQL 9.7.4"


def report(folder: Path, *results: str, version: str = "9.7.4") -> Path:
    """A file as pytest writes it, with a test for each result."""
    server = f'<properties><property name="server" value="{version}"/></properties>' if version else ""
    file = folder / "report.xml"
    cases = "".join(f'<testcase name="t">{server}{result}</testcase>' for result in results)
    file.write_text(f"<testsuites><testsuite>{cases}</testsuite></testsuites>")
    return file


@pytest.mark.parametrize(
    ("version", "name"),
    [("9.7.4", MYSQL), ("8.0.40-log", "MySQL 8.0.40"), ("10.11.19-MariaDB-0+deb12u1-log", "MariaDB 10.11.19")],
)
def test_a_server_is_known_by_its_name_and_number(version: str, name: str) -> None:
    assert known_as(version) == name


def test_each_kind_of_result_is_counted_as_what_it_is(tmp_path: Path) -> None:
    skipped = '<skipped type="pytest.skip" message="{}"/>'
    reasons = [skipped.format(f"{NOT_APPLICABLE}no type UUID"), skipped.format("another time")]
    found = outcome(report(tmp_path, "", "", "", "<failure/>", "<error/>", *reasons), 1, MYSQL)
    assert found == Outcome(passed=3, failed=2, not_applicable=1, skipped=1)
    assert not found.good
    assert outcome(report(tmp_path, "", *reasons), 0, MYSQL).good


@pytest.mark.parametrize(
    ("results", "version", "status", "wrong"),
    [
        ([""], "9.7.4", 2, "ended early"),
        ([""], "9.7.4", 1, "ended early"),  # an error beside the tests
        ([""], "10.11.19-MariaDB", 0, "ran on MariaDB 10.11.19"),
        ([""], "", 0, "no server was used"),
        ([], "", 5, "ended early"),
        (["<skipped/>"], "9.7.4", 0, ""),  # nothing passed
    ],
)
def test_a_run_that_proves_nothing_is_not_good(
    tmp_path: Path, results: list[str], version: str, status: int, wrong: str
) -> None:
    found = outcome(report(tmp_path, *results, version=version), status, MYSQL)
    assert (found.wrong, found.good) == (wrong, False)


def test_a_run_that_left_no_report_is_not_good(tmp_path: Path) -> None:
    assert outcome(tmp_path / "none.xml", 0, MYSQL) == Outcome(wrong="ended early")
    (tmp_path / "half.xml").write_text("<testsuites><testsu")
    assert not outcome(tmp_path / "half.xml", 0, MYSQL).good


def test_the_table_has_a_line_for_each_server() -> None:
    text = io.StringIO()
    rows = [(MYSQL, Outcome(500, 0, 7, 1), 61.2), ("MariaDB 10.11.19", Outcome(1, 2, 3, 4, "ended early"), 5.0)]
    matrix.report(rows, Console(file=text, width=120))
    lines = [[cell.strip() for cell in line.split("│")[1:-1]] for line in text.getvalue().splitlines() if "│" in line]
    assert lines == [[MYSQL, "500", "0", "7", "1", "61"], ["MariaDB 10.11.19: ended early", "1", "2", "3", "4", "5"]]


def test_without_docker_and_without_a_url_it_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("MYSQL_URL", raising=False)
    monkeypatch.setattr(engine, "answers", lambda: False)
    assert matrix.main(["mysql"]) == 1
    assert "MYSQL_URL=mysql://" in capsys.readouterr().err


def test_a_server_that_does_not_answer_is_said_without_its_password(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MYSQL_URL", "mysql://root:hush@127.0.0.1:9/")
    assert matrix.main(["mysql"]) == 1
    said = capsys.readouterr().err
    assert "MYSQL_URL" in said
    assert "hush" not in said


def test_a_server_that_is_none_of_the_two_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert matrix.main(["postgres"]) == 2
    assert "mariadb and mysql, not postgres" in capsys.readouterr().err


def test_the_second_server_gets_a_part_of_what_is_the_same_on_both_unless_tests_are_named() -> None:
    mariadb = matrix.Server("MariaDB 10.11.19", "embedded", ())
    mysql = matrix.Server(MYSQL, "mysql:9.7", ("mysql://a", "mysql://b"), alone=True)
    assert matrix.environment(mysql, [])["SECOND_SERVER"] == "1"
    assert "SECOND_SERVER" not in matrix.environment(mariadb, [])
    named = matrix.environment(mysql, ["tests/integration/jobs/test_jobs.py"])
    assert (named["DATABASE_URL"], named["DATABASE_ALONE"]) == ("mysql://a mysql://b", "yes")
    assert "SECOND_SERVER" not in named
