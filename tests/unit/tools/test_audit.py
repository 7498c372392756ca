"""An audit never says more than was asked and answered."""

from typing import Any

import pytest

from tools import audit
from tools.lock import LOCKS

# As pip-audit 2.10 writes it.
CLEAN: dict[str, Any] = {"dependencies": [{"name": "polars", "version": "2.1.0", "vulns": []}], "fixes": []}
KNOWN: dict[str, Any] = {
    "dependencies": [
        {
            "name": "pymysql",
            "version": "1.1.0",
            "vulns": [{"id": "GHSA-v9hf-5j83-6xpp", "fix_versions": ["1.1.1"], "aliases": [], "description": "..."}],
        }
    ],
    "fixes": [],
}
SKIPPED: dict[str, Any] = {
    "dependencies": [{"name": "boto3", "skip_reason": "Dependency not found on PyPI and could not be audited: boto3"}],
    "fixes": [],
}
OFFLINE = "requests.exceptions.ConnectionError: failed to resolve"
Answers = list[dict[str, Any] | str]


def run(answers: Answers, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Audit with these answers, one a lock; clean for the other locks."""
    given = dict(zip((lock.path for lock in LOCKS), answers, strict=False))
    monkeypatch.setattr(audit, "ask", lambda lock: given.get(lock, CLEAN))
    return audit.main(arguments)


def test_all_looked_up_and_nothing_known_passes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([], monkeypatch) == 0
    shown = capsys.readouterr().out
    assert f"No known vulnerability in {len(LOCKS)} packages" in shown
    assert "NOT AUDITED" not in shown


@pytest.mark.parametrize("answer", [SKIPPED, OFFLINE, {"dependencies": []}])
def test_what_could_not_be_asked_is_never_called_clean(
    answer: dict[str, Any] | str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers: Answers = [answer] * len(LOCKS)
    assert run(answers, monkeypatch) == audit.UNKNOWN
    assert run(answers, monkeypatch, "--unreachable-passes") == 0
    shown = capsys.readouterr().out
    assert shown.count("NOT AUDITED") == 2
    assert "No known" not in shown


@pytest.mark.parametrize("answer", [SKIPPED, OFFLINE, {"dependencies": []}])
def test_one_package_that_could_not_be_asked_is_enough(
    answer: dict[str, Any] | str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([answer], monkeypatch) == audit.UNKNOWN
    assert f"NOT AUDITED: 1 look-ups failed, {len(LOCKS) - 1} were answered." in capsys.readouterr().out


@pytest.mark.parametrize("rest", [CLEAN, SKIPPED, OFFLINE])
def test_a_known_vulnerability_fails_whatever_else_was_answered(
    rest: dict[str, Any] | str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([KNOWN, rest], monkeypatch, "--unreachable-passes") == audit.VULNERABLE
    assert "pymysql 1.1.0: GHSA-v9hf-5j83-6xpp, fixed by 1.1.1" in capsys.readouterr().out


def test_pip_audit_that_does_not_answer_is_a_reason_and_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "PIP_AUDIT", "false")
    assert audit.ask("some.lock") == "pip-audit ended with exit status 1"
