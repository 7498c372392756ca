"""Bounds of a barrier that can be kept, and what follows from them."""

import pytest

from tableferry.backup.barrier import Bounds


@pytest.mark.parametrize(
    "wrong", [{"gathering": 0}, {"lock_wait": 0}, {"lock_held": 0}, {"lock_held": 5.0}, {"wait_timeout": 3}]
)
def test_bounds_that_cannot_be_kept_are_refused(wrong: dict[str, float]) -> None:
    """A coordinator that only waits must not be taken for one that is frozen."""
    with pytest.raises(ValueError, match="cannot be kept"):
        Bounds(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(("seconds", "wait_timeout"), [(1, 3), (3, 5), (2.5, 5), (10, 12)])
def test_the_server_waits_for_longer_than_the_lock_is_held(seconds: float, wait_timeout: int) -> None:
    assert Bounds.holding(seconds) == Bounds(lock_held=seconds, wait_timeout=wait_timeout)


def test_workers_wait_for_longer_than_the_coordinator_may_take() -> None:
    bounds = Bounds()
    assert (bounds.gathering, bounds.lock_wait, bounds.lock_held, bounds.wait_timeout) == (120, 3, 3, 5)
    assert bounds.until_locked > bounds.gathering + bounds.lock_wait
    assert bounds.until_moment > bounds.lock_held + bounds.wait_timeout
