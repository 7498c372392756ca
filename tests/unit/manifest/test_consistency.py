"""Ranges of a manifest that cannot be right are refused, as far as can be known without a server."""

from itertools import pairwise

import pytest

from tableferry.manifest.consistency import disagreements
from tableferry.manifest.manifest import ChunkEntry, ColumnEntry, TableEntry, version_of
from tableferry.schema.codec import Codec, Kind
from tableferry.schema.key_range import Bound

ID = "20261122T071500Z-1a2b3c4d"
COLUMNS = {
    "n": ColumnEntry(type="int", codec=Codec("n", Kind.INT, bits=32)),
    "t": ColumnEntry(type="varchar(9)", codec=Codec("t", Kind.TEXT, charset="utf8mb4")),
}


def table(key: tuple[str, ...], *edges: Bound | None) -> TableEntry:
    """A table of no rows in the ranges between these edges, as it is after its JSON was read."""
    made = TableEntry(
        name="t", definition="", fingerprint="", columns=tuple(COLUMNS.values()), primary_key=key, foreign_keys=(),
        triggers=(), rows=0, bytes=0, digest="0" * 32,
        chunks=tuple(
            ChunkEntry(lower=lower, upper=upper, rows=0, digest="0" * 32, objects=()) for lower, upper in pairwise(edges)
        ),
    )  # fmt: skip
    again = TableEntry.model_validate_json(made.model_dump_json())
    assert again == made
    return again


def wrong(key: tuple[str, ...], *edges: Bound | None, tree: bool = True) -> list[str]:
    return disagreements(ID, [table(key, *edges)], summed=True, tree=tree)


@pytest.mark.parametrize(
    ("key", "edges"),
    [
        (("n",), (-5, 0, 2**63)),
        (("n", "t"), (3, (3, "61"), (3, "62"), 4)),
        (("t",), (("62",), ("61",), ("",), ("41",))),  # in whatever order the server has them
        (("t", "n"), (("61",), ("61", 5), ("61", 6), ("42",))),
    ],
)
def test_bounds_of_every_kind_of_key_are_read_as_they_were_written(
    key: tuple[str, ...], edges: tuple[Bound, ...]
) -> None:
    assert wrong(key, None, *edges, None) == []


@pytest.mark.parametrize(
    ("key", "edges", "message"),
    [
        (("n",), (5, 5), "chunk 1 ends before it begins"),
        (("n",), (5, (5,)), "2 of its chunks end at the same key"),
        (("n",), (6, 5), "chunk 1 ends before it begins"),
        (("n", "t"), ((5, "61"), 5), "chunk 1 ends before it begins"),
        (("t", "n"), (("61", 6), ("61", 5)), "chunk 1 ends before it begins"),
        (("t",), (("61",), ("62",), ("61",)), "2 of its chunks end at the same key"),
        (("t",), (("6",),), "chunk 0 has a bound that is no key of it"),
        (("t",), (("61' OR 1 --",),), "chunk 0 has a bound that is no key of it"),
        (("t",), (("61", 1),), "chunk 0 has a bound that is no key of it"),
        (("t",), ((),), "chunk 0 has a bound that is no key of it"),
        (("n",), (("61",),), "chunk 0 has a bound that is no key of it"),
        ((), (5,), "chunk 0 has a bound that is no key of it"),
    ],
)
def test_bounds_that_cannot_be_right_are_refused(key: tuple[str, ...], edges: tuple[Bound, ...], message: str) -> None:
    assert any(message in text for text in wrong(key, None, *edges, None))


def test_earlier_versions_have_whole_numbers_only() -> None:
    assert wrong(("n",), None, 5, None, tree=False) == []
    assert version_of(ID, [table(("n",), None, 5, None)]) == 2
    [message] = wrong(("t",), None, ("61",), None, tree=False)
    assert "keys that this version has not" in message
    assert version_of(ID, [table(("t",), None, ("61",), None)]) == 3
