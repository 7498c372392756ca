"""The allow-list of tables."""

import pytest

from tableferry.config.table_filter import EVERY_TABLE, TableFilter


@pytest.mark.parametrize(
    ("patterns", "served", "left_out"),
    [
        ("", ["jobs", "audit_log"], []),
        (" , ", ["jobs"], []),
        ("jobs", ["jobs"], ["Jobs", "jobs2", "xjobs", ""]),
        ("jobs, depart*", ["jobs", "departments"], ["hired_employees"]),
        ("job?", ["jobs"], ["job", "jobses"]),
        ("*,!audit_*", ["jobs", "audit"], ["audit_log"]),
        ("!audit_*, !secrets", ["jobs"], ["audit_log", "secrets"]),
        ("jobs,!jobs", [], ["jobs"]),
        ("a[b]*", ["a[b]", "a[b]c"], ["ab", "abc"]),
        ("a b", ["a b"], ["a", "b"]),
    ],
)
def test_a_name_is_served_if_a_pattern_takes_it_in_and_none_excludes_it(
    patterns: str, served: list[str], left_out: list[str]
) -> None:
    found = TableFilter.parse(patterns)
    assert [name for name in [*served, *left_out] if name in found] == served


def test_without_patterns_all_are() -> None:
    assert TableFilter.parse("") == EVERY_TABLE
