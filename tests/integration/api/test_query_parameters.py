"""What a query may say: a parameter that a route has not is refused, on every route, and those that it has are named."""

import json
from pathlib import Path
from typing import Any

import pytest

from functions.backup.app import handler as backups
from functions.insert.app import handler as tables
from functions.load.app import handler as loads
from functions.restore.app import handler as restores
from tests.effort import either_server
from tests.support.lambdas import request

pytestmark = either_server

DOCUMENT = json.loads((Path(__file__).parents[3] / "functions" / "insert" / "openapi.json").read_text(encoding="utf-8"))
HANDLERS = {
    "": tables, "tables": tables, "uploads": loads, "loads": loads, "backups": backups, "verifications": backups, "restores": restores
}  # fmt: skip
OPERATIONS = sorted(
    (method.upper(), path, operation)
    for path, found in DOCUMENT["paths"].items()
    for method, operation in found.items()
)


def sent(method: str, path: str, query: dict[str, str]) -> Any:
    place = path.replace("{id}", "20261122T071500Z-1a2b3c4d").replace("{table}", "departments")
    bodies: dict[str, Any] = {
        "/tables/{table}/rows": [[1, "Sales"]], "/uploads": {"table": "departments", "filename": "a.csv"}
    }  # fmt: skip
    body = bodies.get(path, {} if method == "POST" else None)
    return request(HANDLERS[path.split("/")[1]], method, place, query=query, body=body)


@pytest.mark.parametrize(("method", "path", "operation"), OPERATIONS, ids=[f"{m} {p}" for m, p, _ in OPERATIONS])
@pytest.mark.usefixtures("unchanged", "bucket")
def test_a_parameter_that_a_route_has_not_is_refused_and_those_it_has_are_named(
    method: str, path: str, operation: dict[str, Any]
) -> None:
    known = [one["name"] for one in operation.get("parameters", ()) if one["in"] == "query"]
    detail = sent(method, path, {"tabel": "departments"}).problem(400)["detail"]
    assert "'tabel'" in detail
    assert ("this route has none" in detail) == (not known)
    assert all(name in detail for name in known)


@pytest.mark.usefixtures("unchanged", "bucket")
def test_a_parameter_in_other_letters_is_another_parameter() -> None:
    assert "'Limit'" in sent("GET", "/loads", {"Limit": "1"}).problem(400)["detail"]
    assert sent("GET", "/loads", {"limit": "1"}).json["loads"] == []
