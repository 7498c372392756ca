"""How many workers the tests get."""

import pytest

from tools.workers import MOST, workers


@pytest.mark.parametrize(("processors", "wanted"), [(1, 2), (2, 3), (3, 5), (4, 6), (64, 96)])
def test_three_workers_for_two_processors_and_no_more_than_memory_has_room_for(processors: int, wanted: int) -> None:
    assert workers(processors) == min(wanted, MOST)


def test_a_machine_that_is_not_named_is_this_one() -> None:
    assert 2 <= workers() <= MOST
