"""What is shown of a backup, however large it is."""

import json

import pytest

from tableferry.api import views
from tableferry.manifest.manifest import Manifest
from tableferry.signing import Keys
from tests.support.memory_store import MemoryStore
from tests.unit.manifest.test_leaves import chunk, entry, root, table


def shown(made: Manifest) -> str:
    return json.dumps(views.backup_detail(made).model_dump(mode="json")["manifest"])


def in_place(chunks: int) -> Manifest:
    held = [chunk("jobs", number, chunks) for number in range(chunks)]
    return root(entry("jobs", held, chunks=tuple(held)), version=2)


def test_a_backup_is_shown_with_its_objects_unless_they_are_too_many() -> None:
    assert json.loads(shown(in_place(4_000)))["tables"][0]["chunks"][0]["objects"]
    too_many = json.loads(shown(in_place(4_001)))["tables"][0]
    assert too_many.keys().isdisjoint({"chunks", "parts"})
    assert views.backup(in_place(4_001)).tables[0].objects == 8_002


@pytest.mark.parametrize("objects_a_leaf", [256, 2])
def test_what_is_shown_fits_into_a_functions_answer(objects_a_leaf: int) -> None:
    store = MemoryStore(Keys((b"key",)))
    held = [chunk("jobs", number, 8_001) for number in range(8_001)]
    made = root(table(store, "jobs", held, at_once=objects_a_leaf // 2))
    assert len(shown(made)) < 4 * 1024 * 1024
    assert views.backup(made).tables[0].objects == 16_002
