"""Pauses grow, are never the same, and end in time."""

import pytest

from tableferry import deadline, pauses
from tableferry.deadline import Deadline


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long was slept; no time passes but by that."""
    found: list[float] = []
    monkeypatch.setattr(pauses, "sleep", found.append)
    monkeypatch.setattr(pauses, "clock", lambda: sum(found))
    return found


def test_pauses_grow_up_to_the_longest_and_end_in_time(slept: list[float]) -> None:
    list(pauses.growing(60, first=0.1, longest=4))
    for pause, most in zip(slept, (0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 4, 4, 4), strict=False):
        assert most / 2 <= pause <= most
    assert 50 < sum(slept) <= 60
    assert len({round(pause, 6) for pause in slept}) == len(slept)


def test_no_pause_outlasts_the_invocation(slept: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    ends = Deadline(lambda: 10 - sum(slept))
    monkeypatch.setattr(deadline, "current", lambda: ends)
    list(pauses.growing(600))
    assert 3 < sum(slept) <= 8
