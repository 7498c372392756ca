"""When documents are worth a condition; that it is right is asked of a server, in ``test_json_look``."""

import json

import pytest

from tableferry.backup import json_paths


def condition(*documents: object) -> str | None:
    return json_paths.condition(
        [json.dumps(document) for document in documents], "j", lambda value: f"WHEN 'STRING' THEN {value}"
    )


def test_a_scalar_at_a_place_is_looked_at_by_its_path() -> None:
    assert condition({"a": ["x"]}) == (
        """COALESCE(JSON_LENGTH(j, '$') = COALESCE(JSON_LENGTH(j, '$."a"') = CASE JSON_TYPE(JSON_EXTRACT(j, '$."a"[0]'))"""
        """ WHEN 'STRING' THEN JSON_EXTRACT(j, '$."a"[0]') ELSE 0 END, 0), 0)"""
    )


def deep(levels: int) -> object:
    return {"a": deep(levels - 1), "b": 1, "c": 2} if levels else 1


@pytest.mark.parametrize(
    "documents",
    [
        [],
        [{}],
        [{f"user {number}": 1} for number in range(100)],
        [{f"column {number}": 1 for number in range(100)}],
        [deep(9)],
        [{"": 1}],
        [{"it's": 1}],
        [{'"': 1}],
        [{"\\": 1}],
        [{"\n": 1}],
    ],
    ids=[
        "none",
        "empty",
        "keys of their own",
        "too many",
        "too deep",
        "no name",
        "quote",
        "quotes",
        "backslash",
        "control",
    ],
)
def test_documents_that_have_too_little_in_common_are_worth_none(documents: list[object]) -> None:
    assert condition(*documents) is None


def test_eight_levels_are_worth_one() -> None:
    assert condition(deep(8)) is not None


def test_what_one_document_of_many_has_is_left_out() -> None:
    found = condition(*[{"a": 1, "b": "x"}] * 50, {"a": 1, "c": 1})
    assert found is not None
    assert ('"b"' in found, '"c"' in found) == (True, False)
