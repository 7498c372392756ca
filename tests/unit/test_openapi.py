"""The OpenAPI document in the repository is the one that the handlers' types make, and the template's routes are in it."""

import json
import re
from pathlib import Path

from tools import openapi

ROOT = Path(__file__).parents[2]


def test_the_document_is_current() -> None:
    assert openapi.TARGET.read_text(encoding="utf-8") == openapi.text(), "run `make openapi`"


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
