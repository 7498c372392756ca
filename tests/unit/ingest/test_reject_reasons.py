"""Why the rows of a file were rejected, in one sentence."""

from tableferry.errors import Problem
from tableferry.ingest.files.reject_reasons import counted, sentence


def missing(line: int, column: str = "name") -> Problem:
    return Problem(line, column, "missing", "a value is required")


def test_the_commonest_reason_is_named_with_its_first_line() -> None:
    first = counted([missing(2), Problem(3, "", "fields", "expected 2 fields, got 3")])
    reasons = counted([Problem(9, "", "fields", "expected 2 fields, got 4"), missing(10), missing(11)], first)
    assert sentence(5, reasons) == (
        "All 5 rows were rejected, 3 of them for 'missing' in column 'name'; as in line 2: a value is required."
    )


def test_one_reason_for_all_rows_is_said_so() -> None:
    reasons = counted(Problem(line, "", "fields", "expected 2 fields, got 3") for line in range(1, 4))
    assert sentence(3, reasons) == (
        "All 3 rows were rejected, all for 'fields'; as in line 1: expected 2 fields, got 3."
    )


def test_kinds_are_bounded_and_those_that_are_known_are_still_counted() -> None:
    reasons = counted(missing(line, f"c{line % 60}") for line in range(6000))
    assert len(reasons) == 50
    assert {rows for rows, _, _ in reasons.values()} == {100}


def test_without_any_reason_the_file_of_rejects_is_named() -> None:
    assert "file of rejects" in sentence(3, {})
