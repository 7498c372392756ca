"""What is wrong with a request is said in our words, for each type of error that the models of requests can produce."""

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from functions.backup.app import app as backups
from functions.insert.app import app as tables
from functions.load.app import app as loads
from functions.restore.app import app as restores
from tableferry.api.handler import parsed
from tableferry.api.models import BackupRequest, DrillRequest, LoadRequest, RestoreRequest, UploadRequest
from tableferry.api.request_errors import WORDS, worded
from tableferry.errors import InvalidRequest

UPLOAD = {"table": "jobs", "filename": "jobs.csv"}
REJECTS = "a number of rows, such as 100, or a share of them, such as 5%, or both, as 100+5%"
CASES: list[tuple[str, Any, Any, str]] = [
    ("missing", UploadRequest, {"table": "jobs"}, '"filename" is missing.'),
    ("extra_forbidden", BackupRequest, {"table": ["jobs"]}, '"table": unknown field; did you mean "tables"?'),
    ("extra_forbidden", BackupRequest, {"Format": "csv"}, '"Format": unknown field; did you mean "format"?'),
    ("extra_forbidden", BackupRequest, {"colour": 1}, '"colour": unknown field; there are "tables", "format", "workers", "dry_run".'),
    ("string_type", BackupRequest, {"tables": ["jobs", 5]}, '"tables[1]" must be a string, not a number.'),
    ("string_type", RestoreRequest, {"backup": None}, '"backup" must be a string, not null.'),
    ("string_type", RestoreRequest, {"into": {"jobs": True}}, '"into.jobs" must be a string, not a boolean.'),
    (
        "string_unicode",
        UploadRequest,
        UPLOAD | {"filename": "\ud800.csv"},
        '"filename" must be text in UTF-8, without halves of a character (\\ud800 to \\udfff).',
    ),
    ("string_too_short", BackupRequest, {"tables": [""]}, '"tables[0]" must not be empty.'),
    ("string_too_short", RestoreRequest, {"into": {"": "a"}}, 'The name "" in "into" must not be empty.'),
    ("string_too_long", BackupRequest, {"tables": ["x" * 65]}, '"tables[0]" must have at most 64 characters, not 65.'),
    (
        "string_pattern_mismatch",
        UploadRequest,
        UPLOAD | {"filename": "a/b.csv"},
        ('"filename" must be a name that ends in .csv or .ndjson, perhaps with .gz or .zst behind it, and has no slash, '
        'not "a/b.csv".'),
    ),
    ("string_pattern_mismatch", UploadRequest, UPLOAD | {"max_rejects": "x"}, f'"max_rejects" must be {REJECTS}, not "x".'),
    ("int_type", UploadRequest, UPLOAD | {"max_rejects": 1.5}, f'"max_rejects" must be {REJECTS}, not 1.5.'),
    ("int_type", UploadRequest, UPLOAD | {"max_ratio": []}, '"max_ratio" must be a whole number, not a list.'),
    ("int_parsing", UploadRequest, UPLOAD | {"max_ratio": "many"}, '"max_ratio" must be a whole number, not "many".'),
    (
        "int_parsing_size",
        UploadRequest,
        UPLOAD | {"max_ratio": "9" * 5000},
        f'"max_ratio" must be a whole number of fewer digits, not "{"9" * 60}…".',
    ),
    ("int_from_float", UploadRequest, UPLOAD | {"max_ratio": 1.5}, '"max_ratio" must be a whole number, not 1.5.'),
    ("finite_number", UploadRequest, UPLOAD | {"max_ratio": 1e999}, '"max_ratio" must be a whole number, not Infinity.'),
    ("greater_than_equal", UploadRequest, UPLOAD | {"max_ratio": 0}, '"max_ratio" must be 1 or more, not 0.'),
    (
        "less_than_equal",
        UploadRequest,
        UPLOAD | {"max_ratio": 10**70},
        '"max_ratio" must be 999999 or less, not a number of more than 60 digits.',
    ),
    ("bool_type", RestoreRequest, {"replace": {}}, '"replace" must be true or false, not an object.'),
    ("bool_parsing", RestoreRequest, {"replace": "perhaps"}, '"replace" must be true or false, not "perhaps".'),
    ("list_type", BackupRequest, {"tables": "jobs"}, '"tables" must be a list, not a string.'),
    ("dict_type", RestoreRequest, {"into": "jobs"}, '"into" must be an object, not a string.'),
    ("model_type", BackupRequest, "jobs", "The body must be an object, not a string."),
    (
        "literal_error",
        BackupRequest,
        {"format": "parket"},
        '"format" must be one of "parquet", "avro" or "csv", not "parket".',
    ),
    (
        "literal_error",
        UploadRequest,
        UPLOAD | {"delimiter": ":"},
        r'"delimiter" must be one of ",", ";", "\t", "|" or "tab", not ":".',
    ),
    ("enum", UploadRequest, UPLOAD | {"binary": "hexa"}, '"binary" must be one of "hex" or "base64", not "hexa".'),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "model", "value", "said"), CASES, ids=[f"{k}-{n}" for n, (k, *_) in enumerate(CASES)])
def test_every_type_of_error_is_said_in_words(kind: str, model: Any, value: Any, said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(model | None).validate_python(value)
    found = [{**one, "loc": ("body", *one["loc"])} for one in caught.value.errors()]
    assert kind in {one["type"] for one in found}
    assert worded(found, model | None) == said


def test_all_that_the_models_and_the_routes_can_produce_has_words_and_a_case() -> None:
    types = {LoadRequest, DrillRequest}
    for app in (tables, loads, backups, restores):
        for route in [*app._static_routes, *app._dynamic_routes]:
            takes = route.dependant
            for field in (*takes.body_params, *takes.query_params, *takes.path_params, *takes.header_params):
                types.add(field._type_adapter)  # type: ignore[arg-type]
    assert len(types) > 30
    possible = {kind for one in types for kind in produced(one if isinstance(one, TypeAdapter) else TypeAdapter(one))}
    assert possible == WORDS.keys()
    assert possible - {"model_attributes_type"} == {kind for kind, *_ in CASES}  # which a test by HTTP has


def produced(adapter: TypeAdapter[Any]) -> set[str]:
    return set(_produced(adapter.core_schema))


def _produced(schema: Any) -> Iterator[str]:
    """The types of errors of a schema, by pydantic's own description of each kind of value."""
    kind = schema["type"]
    if kind == "str":
        yield from ("string_type", "string_unicode")
        yield from ["string_too_long"] * ("max_length" in schema) + ["string_pattern_mismatch"] * ("pattern" in schema)
        if "min_length" in schema:
            assert schema["min_length"] == 1, "another minimum than 1 needs other words"
            yield "string_too_short"
    elif kind == "int":
        yield "int_type"
        if not schema.get("strict"):
            yield from ("int_parsing", "int_parsing_size", "int_from_float", "finite_number")
        yield from ["greater_than_equal"] * ("ge" in schema) + ["less_than_equal"] * ("le" in schema)
        assert not {"gt", "lt", "multiple_of"} & schema.keys()
    elif kind == "model":
        yield from ("model_type", "model_attributes_type")
        yield from _produced(schema["schema"])
    elif kind == "model-fields":
        assert schema.get("extra_behavior", "forbid") == "forbid"
        yield "extra_forbidden"
        for field in schema["fields"].values():
            if field["schema"]["type"] != "default":
                yield "missing"
            yield from _produced(field["schema"])
    elif kind == "dict":
        yield "dict_type"
        yield from (*_produced(schema["keys_schema"]), *_produced(schema["values_schema"]))
    elif kind == "union":
        for choice in schema["choices"]:
            yield from _produced(choice)
    elif kind in ("bool", "list", "literal", "enum"):
        yield from {"bool": ("bool_type", "bool_parsing"), "list": ("list_type",), "literal": ("literal_error",)}.get(
            kind, (kind,)
        )
        if kind == "list":
            assert not {"min_length", "max_length"} & schema.keys()
            yield from _produced(schema["items_schema"])
    elif kind == "definitions":
        for one in (schema["schema"], *schema["definitions"]):
            yield from _produced(one)
    else:
        assert kind in ("nullable", "default", "function-after", "definition-ref"), kind
        if kind != "definition-ref":
            yield from _produced(schema["schema"])


def test_no_word_of_the_library_is_in_ours() -> None:
    for said in WORDS.values():
        assert not [word for word in ("Input", "valid", "parse", "dictionary", "instance") if word in said], said


def test_an_event_is_answered_in_words_too() -> None:
    with pytest.raises(InvalidRequest, match=r'^"backups": unknown field; did you mean "backup"\?$'):
        parsed(DrillRequest, {"backups": "latest"})
    with pytest.raises(InvalidRequest, match=r'^"key" is missing\. "path": unknown field; there are "on_duplicate", '):
        parsed(LoadRequest, {"path": "x"})
