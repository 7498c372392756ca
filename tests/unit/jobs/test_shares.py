"""Work that is shared out: each piece once, tasks of about the wanted size, and no worker with much more than others."""

from hypothesis import given
from hypothesis import strategies as st

from tableferry.jobs.shares import cut, workers_of

SIZES = st.lists(st.lists(st.integers(0, 100), max_size=12), max_size=8)


@given(SIZES, st.integers(1, 300))
def test_every_piece_is_in_exactly_one_task_in_order_and_no_task_is_much_too_large(
    tables: list[list[int]], at_most: int
) -> None:
    tasks = list(cut(tables, at_most))
    pieces = [(share.table, one) for shares, _ in tasks for share in shares for one in range(share.first, share.end)]
    assert pieces == [(table, one) for table, sizes in enumerate(tables) for one in range(len(sizes))]
    largest = max((size for sizes in tables for size in sizes), default=0)
    for shares, size in tasks:
        assert size == sum(sum(tables[share.table][share.first : share.end]) for share in shares)
        assert size < at_most + largest or size == at_most
    assert all(size >= at_most for _, size in tasks[:-1])


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=40), st.integers(1, 9))
def test_no_worker_has_more_than_another_by_more_than_its_last_task(sizes: list[int], workers: int) -> None:
    given_to = workers_of(sizes, workers)
    loads = [
        sum(size + 1 for size, one in zip(sizes, given_to, strict=True) if one == worker) for worker in range(workers)
    ]
    assert sum(loads) == sum(sizes) + len(sizes)
    assert max(loads) - min(loads) <= max(sizes) + 1
    assert len(set(given_to)) == min(workers, len(sizes))
