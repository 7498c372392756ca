"""Ids sort by time and cannot lead anywhere else in the bucket."""

from datetime import UTC, datetime, timedelta

import pytest

from tableferry.ids import is_id, new_id


def test_ids_sort_by_the_millisecond() -> None:
    first = datetime(2026, 11, 22, 7, 15, 0, 999000, tzinfo=UTC)
    made = [new_id(first + timedelta(milliseconds=step)) for step in range(-3, 3)]
    assert made == sorted(made)
    assert all(is_id(one) for one in made)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "latest",
        "../x",
        "20261122T071500Z-1A2B3C4D",
        "20261122T071500Z-1a2b3c4d/..",
        "20261122T071500Z-1a2b3c4d\n",
        "\u0662\u0660261122T071500Z-1a2b3c4d",
    ],
)
def test_anything_else_is_no_id(text: str) -> None:
    assert not is_id(text)
