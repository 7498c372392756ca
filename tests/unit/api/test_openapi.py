"""The OpenAPI document in the repository is the one that the handlers' types make, and the template's routes are in it."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from tableferry.api.problems import STATUS
from tools import api_page, openapi, openapi_examples, openapi_texts

ROOT = Path(__file__).parents[3]
DOCUMENT = json.loads(openapi.TARGET.read_text(encoding="utf-8"))
OPERATIONS = {
    operation["operationId"]: operation for found in DOCUMENT["paths"].values() for operation in found.values()
}


def answers(operation: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each answer of an operation, by status, those that all share too."""
    for status, answer in operation["responses"].items():
        name = answer.get("$ref", "").rpartition("/")[2]
        yield status, DOCUMENT["components"]["responses"][name] if name else answer


def examples(operation: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any], Any]]:
    """Where an example stands, the schema that it has to fit, and the example; None where one is lacking."""
    for one in operation.get("parameters", ()):
        yield f"{one['in']} {one['name']}", one["schema"], one.get("example")
    contents = [("request", operation.get("requestBody", {"content": {}})), *list(answers(operation))]
    for where, holder in contents:
        for media_type, content in holder["content"].items():
            found = [one["value"] for one in content.get("examples", {}).values()] or [content.get("example")]
            yield from ((f"{where} {media_type}", content["schema"], one) for one in found)


def test_the_document_is_current() -> None:
    assert openapi.TARGET.read_text(encoding="utf-8") == openapi.text(), "run `make openapi`"


def test_the_page_is_current() -> None:
    assert api_page.TARGET.read_text(encoding="utf-8") == api_page.text(openapi.document()), "run `make openapi`"


def test_the_page_has_every_operation_field_and_code() -> None:
    page = api_page.TARGET.read_text(encoding="utf-8")
    headings = re.findall(r"^### (\w+)$", page, re.MULTILINE)
    assert sorted(headings) == sorted([*OPERATIONS, *DOCUMENT["components"]["schemas"]])
    assert len({one.lower() for one in headings}) == len(headings)  # as anchors
    told = dict(re.findall(r"^\| `([a-z-]+)` \| (\d{3}) \| .{20,} \|$", page, re.MULTILINE))
    known = {kind.__new__(kind).name: str(status.value) for kind, status in STATUS.items()}
    assert told == known | {"internal": "500", "no-such-route": "404"}


def test_every_route_of_the_template_is_in_it() -> None:
    text = (ROOT / "template.yaml").read_text()
    routes = set(re.findall(r'Method: (\w+), Path: "?([^"\s]+?)"? \}', text))
    document = json.loads(openapi.TARGET.read_text(encoding="utf-8"))
    described = {(method.upper(), path) for path, found in document["paths"].items() for method in found}
    assert routes - {("GET", "/openapi.json"), ("GET", "/docs")} == described


def test_every_operation_has_a_name_for_a_client_to_call_it_by() -> None:
    verbs = ["get", "list", "create", "insert", "retry", "cancel", "verify", "undo", "accept"]
    names = [operation["operationId"] for found in openapi.document()["paths"].values() for operation in found.values()]
    assert len(names) > 20
    assert len(set(names)) == len(names)
    assert not [name for name in names if not re.fullmatch(rf"({'|'.join(verbs)})([A-Z][a-z]+)+", name)]
    assert "createBackup" in names


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_has_examples_that_fit_its_schemas(name: str) -> None:
    found = list(examples(OPERATIONS[name]))
    assert len(found) > 5
    for where, schema, example in found:
        assert example is not None, f"{where} has no example"
        whole = {**schema, "components": DOCUMENT["components"]}
        bad = list(jsonschema_rs.Draft202012Validator(whole, validate_formats=True).iter_errors(example))
        assert not bad, f"{where}: {bad[0].message}"


def test_an_example_that_does_not_fit_would_be_seen() -> None:
    [(_, schema, example)] = [one for one in examples(OPERATIONS["getLoad"]) if one[0] == "200 application/json"]
    wrong = example | {"state": "over"}
    validator = jsonschema_rs.Draft202012Validator({**schema, "components": DOCUMENT["components"]})
    assert validator.is_valid(example)
    assert not validator.is_valid(wrong)


def test_an_answer_is_shown_with_all_its_fields() -> None:
    for (name, status), example in openapi_examples.ANSWERS.items():
        schema = OPERATIONS[name]["responses"][status]["content"].get("application/json", {}).get("schema", {})
        for reference in [schema["$ref"]] if "$ref" in schema else []:
            fields = DOCUMENT["components"]["schemas"][reference.rpartition("/")[2]]["properties"]
            assert fields.keys() - example.keys() <= {"more_errors"}, (name, status)


def test_every_operation_parameter_and_field_is_described() -> None:
    assert OPERATIONS.keys() == openapi_texts.OPERATIONS.keys()
    for name, operation in OPERATIONS.items():
        assert len(operation["description"]) > 15, name
        assert operation["tags"][0] in openapi_texts.TAGS
        assert len(operation["summary"]) < 60
        assert all(one["description"] for one in operation.get("parameters", ())), name
        assert all(answer["description"] != "Successful Response" for _, answer in answers(operation)), name
    for name, schema in DOCUMENT["components"]["schemas"].items():
        for field, shape in schema.get("properties", {}).items():
            assert len(shape.get("description", "")) > 4, f"{name}.{field}"


def test_no_text_is_of_something_that_is_gone() -> None:
    fields = {
        f"{name}.{field}"
        for name, one in DOCUMENT["components"]["schemas"].items()
        for field in one.get("properties", {})
    }
    assert {one for one in openapi_texts.FIELDS if "." in one} <= fields
    told = [one for one in openapi_texts.ANSWERS if isinstance(one, tuple)]
    for name, status in [*told, *openapi_examples.ANSWERS, *openapi_examples.MORE_ANSWERS]:
        assert status in OPERATIONS[name]["responses"], (name, status)
    assert {
        name for one in openapi_texts.OPERATIONS.values() for name in re.findall(r"\(#(\w+)\)", one)
    } <= OPERATIONS.keys()


def test_every_operation_says_by_what_scope_it_may_be_called_and_that_it_may_be_signed() -> None:
    schemes = DOCUMENT["components"]["securitySchemes"]
    assert schemes["Signature"]["x-amazon-apigateway-authtype"] == "awsSigv4"
    assert (schemes["Token"]["type"], schemes["Token"]["scheme"]) == ("http", "bearer")
    scopes = {}
    for name, operation in OPERATIONS.items():
        signature, token = operation["security"]
        assert signature == {"Signature": []}
        [scopes[name]] = token["Token"]
    assert set(scopes.values()) == {"read", "write", "restore"}
    assert (scopes["getBackup"], scopes["insertRows"], scopes["undoRestore"]) == ("read", "write", "restore")


def test_nothing_of_the_framework_s_own_is_in_it() -> None:
    text = json.dumps(DOCUMENT)
    assert not [word for word in ("ValidationError", "Successful Response", "pydantic", "``") if word in text]


def test_every_reference_leads_somewhere() -> None:
    document = openapi.document()
    for kind in ("schemas", "responses"):
        wanted = set(re.findall(rf"#/components/{kind}/(\w+)", json.dumps(document)))
        assert wanted
        assert wanted <= set(document["components"][kind])


def test_every_status_is_described_by_itself() -> None:
    for path, operations in openapi.document()["paths"].items():
        for method, operation in operations.items():
            assert "default" not in operation["responses"], (method, path)  # it would make any answer a right one
            assert {"403", "500", "503"} < set(operation["responses"]), (method, path)
