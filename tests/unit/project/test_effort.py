"""Which tests a run takes: none is left out of every run."""

import ast
import itertools
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.effort import SECOND_TURNS, THOROUGH, TURNS, by_turns, chosen, either_server, in_ci, points, sample, thorough

EITHER = {
    "integration": [
        "admission",
        "first_lines",
        "forged_orders",
        "header_names",
        "jobs",
        "large_verify",
        "latest",
        "load_lists",
        "load_queue",
        "load_retry",
        "object_lock",
        "own_hand",
        "query_parameters",
        "real_files",
        "refused_requests",
        "rejects_again",
        "rejects_spooled",
        "relay",
        "retention",
        "rights",
        "second_region",
        "served",
        "tampered",
        "uploads",
        "verdict",
        "verify",
    ],
    "local": ["browser", "gateway", "queues", "triggers"],
}
"""The modules of which a second server runs a quarter. None is about what a table or a row is, or how it is put back."""


def item(name: str, *marks: Any) -> Any:
    """What a run asks of a test."""
    named = {mark.name: mark for mark in marks}
    return SimpleNamespace(nodeid=f"tests/test_it.py::{name}", get_closest_marker=named.get)


ITEMS = [item("plain"), item("minutes", thorough), item("seconds", by_turns)]
ITEMS += [item(f"cases[{case}]", sample(3)) for case in range(10)]
ALWAYS = {"plain", "cases[0]", "cases[4]", "cases[7]"}


def names(items: list[pytest.Item]) -> list[str]:
    return [item.nodeid.partition("::")[2] for item in items]


def test_a_run_without_a_turn_takes_a_sample_from_all_over_the_list() -> None:
    assert names(chosen(ITEMS, None)) == ["plain", "cases[0]", "cases[4]", "cases[7]"]


def test_every_test_has_its_turn_and_those_of_every_run_are_in_each() -> None:
    turns = Counter(name for turn in range(TURNS) for name in names(chosen(ITEMS, turn + 100)))
    assert turns == {name: TURNS if name in ALWAYS else 1 for name in turns}
    assert len(turns) == 12  # all but the thorough one


def test_what_each_run_of_ci_has_is_left_out_where_there_is_no_turn_alone() -> None:
    long = [item("long", in_ci), *[item(f"of_many[{case}]", in_ci, sample(2)) for case in range(10)]]
    assert names(chosen([*long, *ITEMS], None)) == names(chosen(ITEMS, None))
    for turn in range(TURNS):
        assert {"long", "of_many[0]", "of_many[5]"} <= set(names(chosen(long, turn)))


def test_all_points_have_their_turn_and_each_turn_begins_with_another() -> None:
    if THOROUGH:
        assert list(itertools.islice(points(13), 3)) == [1, 2, 3]
        return
    assert list(itertools.islice(points(13, None), 3)) == [1, 14, 27]
    taken = Counter(point for turn in range(13) for point in itertools.islice(points(13, 700 + turn), 5))
    assert taken == Counter(range(1, 66))


def test_more_of_a_sample_than_there_are_cases_is_all() -> None:
    few = [item(f"few[{case}]", sample(9)) for case in range(4)]
    assert chosen(few, None) == few


def test_of_a_test_with_cases_some_are_in_every_run() -> None:
    texts = [file.read_text(encoding="utf-8") for file in Path(__file__).parents[2].rglob("test_*.py")]
    assert len(texts) > 100
    functions = [node for text in texts if "@by_turns" in text for node in ast.parse(text).body]
    marks = [
        [ast.unparse(mark) for mark in node.decorator_list] for node in functions if isinstance(node, ast.FunctionDef)
    ]
    assert sum("by_turns" in found for found in marks) > 40
    assert not [found for found in marks if "by_turns" in found and any("parametrize" in mark for mark in found)]


def test_a_second_server_gets_a_quarter_of_what_is_the_same_on_both_and_in_four_turns_all() -> None:
    same = [item(f"same_{number}", either_server) for number in range(100)]
    other = [item("plain"), item("minutes", thorough)]
    taken = [names(chosen([*same, *other], turn, second=True)) for turn in range(SECOND_TURNS)]
    assert Counter(name for one in taken for name in one) == Counter([*names(same), *["plain"] * SECOND_TURNS])
    assert all(15 <= len(one) <= 35 for one in taken)
    assert names(chosen([*same, *other], None, second=True)) == taken[0]
    assert names(chosen([*same, *other], 3, second=False)) == [*names(same), "plain"]


def test_what_comes_by_turns_has_its_turn_on_a_second_server_too() -> None:
    both = [item(f"both_{number}", either_server, by_turns) for number in range(50)]
    turns = Counter(name for turn in range(TURNS) for name in names(chosen(both, turn, second=True)))
    assert turns == Counter(names(both))


def test_no_file_is_left_out_where_there_is_no_turn() -> None:
    files = [file for file in Path(__file__).parents[2].rglob("test_*.py") if "@in_ci" in file.read_text("utf-8")]
    assert len(files) > 20
    for file in files:
        if file.name in {"test_fuzz.py", "test_deployed_stack.py", "test_manifest_memory.py", Path(__file__).name}:
            # Answers are held to the document by test_openapi too, the deletion of a stack by the template's own tests, and
            # that few leaves of a manifest are in memory at once by test_leaves.
            continue
        functions = [node for node in ast.walk(ast.parse(file.read_text("utf-8"))) if isinstance(node, ast.FunctionDef)]
        tests = [[ast.unparse(mark) for mark in node.decorator_list] for node in functions if node.name[:5] == "test_"]
        assert [marks for marks in tests if not {"in_ci", "by_turns", "thorough"} & set(marks)], file


def test_the_modules_that_a_second_server_runs_in_part_are_these_and_no_others() -> None:
    tests = Path(__file__).parents[2]
    files = [file.relative_to(tests) for file in tests.rglob("test_*.py") if _is_either(file)]
    marked = {f"{file.parts[0]}/{file.name}" for file in files}
    assert len(marked) == len(files)
    assert marked == {f"{kind}/test_{name}.py" for kind, them in EITHER.items() for name in them}
    never = ("lossless", "restore", "types", "crossing", "consistency", "grants", "ledger", "memory", "on_duplicate")
    assert not [name for name in marked if any(word in name for word in never)]


def _is_either(file: Path) -> bool:
    text = file.read_text(encoding="utf-8")
    return "either_server" in text and file != Path(__file__)
