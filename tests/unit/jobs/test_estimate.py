"""How far work is, and how long it goes on: never over 100, 100 only at the end, and no estimate that is none."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from math import floor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tableferry.api import views
from tableferry.ingest.loads.load_status import LoadStatus
from tableferry.ingest.loads.load_status import State as LoadState
from tableferry.jobs.estimate import ProgressView, percent, seconds_left
from tableferry.jobs.jobs import LEASE, Job, Kind, Progress
from tests.effort import effort

NOW = datetime(2026, 11, 28, tzinfo=UTC)
ENDS = ("done", "failed", "dead")
LOAD_STATES: tuple[LoadState, ...] = (
    "running", "done", "rejected", "failed", "stalled", "replaced", "cancelled", "waiting",
)  # fmt: skip


@dataclass(frozen=True)
class Step:
    """So many parts more, after so many milliseconds."""

    parts: int
    milliseconds: int


STEPS = st.lists(st.builds(Step, st.integers(0, 9), st.integers(0, 10**7)), max_size=12)


def job(kind: Kind = Kind.BACKUP, **given: object) -> Job:
    return Job.model_validate({"id": "x", "kind": kind, "created": NOW, **given})


def load(**given: object) -> LoadStatus:
    return LoadStatus.model_validate({"id": "x", "table": "t", "key": "k", "started": NOW, **given})


def within_bounds(shown: ProgressView, *, done: bool) -> None:
    """What holds of all progress at all times."""
    assert shown.percent is None or 0 <= shown.percent <= 100
    assert (shown.percent == 100) == done
    assert shown.seconds_left is None or shown.seconds_left >= 0


@settings(max_examples=effort(200, 5000))
@given(STEPS, st.integers(0, 5), st.sampled_from(ENDS), st.sampled_from(Kind))
def test_a_job_is_never_over_100_nor_under_0_nor_goes_back_and_100_only_when_done(
    steps: list[Step], more: int, end: str, kind: Kind
) -> None:
    """The model: parts done of all of them, by fractions, and the time that they took."""
    of = sum(step.parts for step in steps) + more
    known, done, milliseconds, before = Progress(), 0, 0, 0.0
    assert views.progress(job(kind)).percent is None
    for step in steps:
        done += step.parts
        milliseconds += step.milliseconds
        known = known.advanced(done, of, step.parts, None, milliseconds / 1000)
        shown = views.progress(job(kind, state="running", progress=known))
        within_bounds(shown, done=False)
        assert (shown.done, shown.of, shown.rows) == (done, of, done)
        if not of:
            assert (shown.percent, shown.seconds_left) == (None, None)
            continue
        assert shown.percent is not None
        assert shown.percent == pytest.approx(min(floor(Fraction(1000 * done, of)) / 10, 99.9), abs=0.1001)
        assert shown.percent >= before
        before = shown.percent
        if 0 < done < of:
            left = Fraction(milliseconds * (of - done), done * 1000)
            assert shown.seconds_left == pytest.approx(float(left), abs=0.06)
        else:
            assert shown.seconds_left is None
    shown = views.progress(job(kind, state=end, progress=known))
    within_bounds(shown, done=end == "done")
    assert shown.seconds_left == (0 if end == "done" else None)


@given(st.lists(st.floats(0, 2), max_size=9))
def test_a_share_that_is_told_does_not_fall_nor_pass_the_whole(shares: list[float]) -> None:
    known, before = Progress(), 0.0
    for share in shares:
        known = known.advanced(1, 1, 0, share, 1)
        assert known.share == min(max(before, share), 1)
        before = known.share or 0.0


@settings(max_examples=effort(200, 5000))
@given(
    st.sampled_from(LOAD_STATES), st.integers(0, 5 * 2**30), st.integers(0, 5 * 2**30), st.integers(0, 2**40),
    st.none() | st.floats(0, 1e9),
)  # fmt: skip
def test_a_load_is_never_over_100_nor_under_0_and_100_only_when_done(
    state: LoadState, size: int, so_far: int, read: int, rate: float | None
) -> None:
    status = load(state=state, size=size, bytes=min(so_far, size), read=read, rows_per_second=rate)
    shown = status.progress
    within_bounds(shown, done=state == "done")
    assert (shown.done, shown.of, shown.rows, shown.unit) == (status.bytes, size, read, "bytes")
    if state not in ("running", "done"):
        assert shown.seconds_left is None


@pytest.mark.parametrize(
    ("done", "of", "seconds", "shown", "left"),
    [
        (1, 4, 30, 25.0, 90.0),
        (3, 4, 30, 75.0, 10.0),
        (2, 3, 10, 66.6, 5.0),
        (999_999, 1_000_000, 10, 99.9, 0.0),
        (0, 4, 30, 0.0, None),
        (4, 4, 30, 99.9, None),
        (0, 0, 30, None, None),
    ],
)
def test_the_estimate_is_the_rate_since_the_work_began(
    done: int, of: int, seconds: float, shown: float | None, left: float | None
) -> None:
    known = views.progress(job(state="running", progress=Progress().advanced(done, of, 0, None, seconds)))
    assert (known.percent, known.seconds_left) == (shown, left)


def test_a_load_goes_on_at_the_rate_of_the_invocation_that_is_at_it() -> None:
    """A million rows are a quarter of the file, and 50,000 of them come a second: 3 million more take a minute."""
    shown = load(size=400, bytes=100, read=1_000_000, rows_per_second=50_000.0).progress
    assert (shown.percent, shown.seconds_left) == (25.0, 60.0)


def test_what_waits_or_has_stopped_has_no_estimate() -> None:
    known = Progress().advanced(1, 4, 7, None, 30)
    assert views.progress(job()).model_dump() == {
        "done": 0, "of": 0, "rows": 0, "unit": "chunks", "percent": None, "seconds_left": None,
    }  # fmt: skip
    dead = job(state="running", progress=known, lease=NOW).as_of(NOW + LEASE + timedelta(seconds=1))
    shown = views.progress(dead)
    assert (dead.state, shown.percent, shown.seconds_left) == ("dead", 25.0, None)
    for state in set(LOAD_STATES) - {"running", "done"}:
        shown = load(state=state, size=4, bytes=1, read=5, rows_per_second=1.0).progress
        assert (shown.percent, shown.seconds_left) == (25.0, None)


@given(st.floats(0, 1), st.floats(0, 1e300))
def test_an_estimate_that_no_number_holds_is_none(share: float, seconds: float) -> None:
    left = seconds_left(share, seconds, running=True, done=False)
    assert left is None or 0 <= left < float("inf")
    assert 0 <= (percent(share, done=False) or 0) < 100


def test_a_record_of_a_load_holds_no_progress() -> None:
    """It is made of the rest when it is shown."""
    assert "progress" not in load().written()
    assert load().model_dump()["progress"]["unit"] == "bytes"
