"""The newest ids, out of listings that begin with the oldest."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from tableferry.ids import new_id
from tableferry.storage.newest_first import newest

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


@given(st.lists(st.integers(0, 3000), unique=True, max_size=60))
def test_every_id_comes_once_the_newest_first(days: list[int]) -> None:
    ids = sorted(new_id(NOW - timedelta(days=age)) for age in days)
    assert list(newest(lambda after: (one for one in ids if one > after), NOW)) == ids[::-1]


def test_whoever_wants_few_does_not_wait_for_years_of_ids() -> None:
    ids = sorted(new_id(NOW - timedelta(hours=age)) for age in range(20_000))
    looked_at = []

    def listed(after: str) -> Iterator[str]:
        for one in ids:
            if one > after:
                looked_at.append(one)
                yield one

    assert list(islice(newest(listed, NOW), 100)) == ids[:-101:-1]
    assert len(looked_at) < 300


def test_ids_of_the_future_are_neither_given_nor_listed() -> None:
    ids = [new_id(NOW - timedelta(hours=1)), new_id(NOW + timedelta(minutes=2)), new_id(NOW + timedelta(minutes=9))]
    looked_at = []

    def listed(after: str) -> Iterator[str]:
        for one in [*ids, *(f"9999{number:04}T000000Z-00000000" for number in range(1000))]:
            if one > after:
                looked_at.append(one)
                yield one

    assert list(newest(listed, NOW)) == ids[1::-1]
    assert len([one for one in looked_at if one.startswith("9999")]) == 0
