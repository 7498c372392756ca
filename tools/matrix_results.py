"""What a run of the tests came to, from the JUnit file that pytest writes."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

NOT_APPLICABLE = "not applicable: "
"""What the reason of a skipped test begins with where its server has no such type or feature."""


@dataclass(frozen=True)
class Outcome:
    """Counts of tests; ``wrong`` says why they do not count: pytest ended early, or they ran on another server."""

    passed: int = 0
    failed: int = 0
    not_applicable: int = 0
    skipped: int = 0
    wrong: str = ""

    @property
    def good(self) -> bool:
        """Whether nothing failed, and something passed."""
        return not self.wrong and not self.failed and self.passed > 0


def known_as(version: str) -> str:
    """A server's name and number, of what it says of itself: `MariaDB 10.11.14` of `10.11.14-MariaDB-log`."""
    return f"{'MariaDB' if 'MariaDB' in version else 'MySQL'} {version.partition('-')[0]}"


def outcome(file: Path, status: int, server: str) -> Outcome:
    """Of the file that pytest wrote, its exit status, and the server that was to be tested, as it is known."""
    try:
        # It is pytest's, which we have just run.
        cases = list(ElementTree.parse(file).iter("testcase"))  # noqa: S314
    except (OSError, ElementTree.ParseError):
        return Outcome(wrong="ended early")
    counts = Counter(_kind(case) for case in cases)
    properties = (one for case in cases for one in case.iter("property"))
    used = {known_as(one.get("value", "")) for one in properties if one.get("name") == "server"}
    if status not in (0, 1) or (status == 1 and not counts["failed"]):
        wrong = "ended early"
    elif others := used - {server}:
        wrong = f"ran on {', '.join(sorted(others))}"
    else:
        wrong = "" if used else "no server was used"
    return Outcome(counts["passed"], counts["failed"], counts["not applicable"], counts["skipped"], wrong)


def _kind(case: ElementTree.Element) -> str:
    if case.find("failure") is not None or case.find("error") is not None:
        return "failed"
    skipped = case.find("skipped")
    if skipped is None:
        return "passed"
    return "not applicable" if skipped.get("message", "").startswith(NOT_APPLICABLE) else "skipped"
