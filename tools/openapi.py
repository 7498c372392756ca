"""The OpenAPI document of the whole API, made from the types of all four functions' handlers.

Run as ``python -m tools.openapi`` (``make openapi``); a test holds the file to what this makes.
"""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

from tableferry import DESCRIPTION, TITLE, __version__

ROOT = Path(__file__).parent.parent
FUNCTIONS = ("insert", "load", "backup", "restore")
TARGET = ROOT / "functions" / "insert" / "openapi.json"

_ROWS = {
    "description": "1 to 1000 rows; text in UTF-8. In CSV an empty field is NULL; a header line is recognised.",
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                "oneOf": [
                    {"type": "array", "items": {"type": "object"}, "minItems": 1, "maxItems": 1000},
                    {"type": "array", "items": {"type": "array"}, "minItems": 1, "maxItems": 1000},
                    {
                        "type": "object",
                        "required": ["rows"],
                        "properties": {"rows": {"type": "array"}},
                        "additionalProperties": False,
                    },
                ]
            }
        },
        "text/csv": {"schema": {"type": "string"}},
    },
}
_PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemDetails"}}}
_MESSAGE = {"application/json": {"schema": {"$ref": "#/components/schemas/GatewayMessage"}}}
_REFUSALS = {
    400: "The request cannot be read; the detail says what is wrong with it.",
    403: "The table is not served, the database user lacks a privilege, or (by API Gateway) the request is not signed by whoever may call.",
    404: "There is nothing of this name or id, or (by API Gateway) nothing at this path.",
    409: "The database, the backup or the file is not in the state that this needs; nothing was changed.",
    413: "Too many rows (1000), or (by API Gateway) too many bytes: 6 MB as an event, in which quotes count twice.",
    415: "The body is of a type or in an encoding that is not taken.",
    422: "No row went in, or the Idempotency-Key was used for another request.",
    429: "Too many requests at once (by API Gateway), or as many jobs as can be done; nothing was made.",
    500: "A fault of ours; the log has the details, the answer has none.",
    503: "The database or S3 cannot be used now, or (by API Gateway) the function took too long.",
}
_BY_GATEWAY = {403, 404, 413, 429, 500, 503}  # what it answers before or in place of a function
_NEEDED_STATE = {  # operations that may find the database, the backup or the file in another state than they need
    ("post", "/tables/{table}/rows"),
    ("get", "/loads/{id}/rejects"),
    ("post", "/loads/{id}/retry"),
    ("post", "/loads/retry"),
    ("post", "/loads/{id}/cancel"),
    ("post", "/backups"),
    ("get", "/backups/{id}"),
    ("post", "/backups/{id}/verify"),
    ("post", "/restores"),
    ("post", "/restores/{id}/undo"),
    ("post", "/restores/{id}/accept"),
}
_LISTS = {"/loads", "/backups", "/restores"}
_PREFER = {
    "name": "Prefer",
    "in": "header",
    "description": "`wait=N`: answer within so many seconds (20 unless it says, 25 at most), with 202 if the job goes on.",
    "schema": {"type": "string"},
    "example": "wait=5",
}
_LOCATION = {"description": "Where to look how it goes.", "schema": {"type": "string"}}


def document() -> dict[str, Any]:
    """The document, as JSON's values."""
    whole: dict[str, Any] = {}
    for name in FUNCTIONS:
        found = _of(name)
        if not whole:
            whole = found
            continue
        whole["paths"] |= found["paths"]
        whole["components"]["schemas"] |= found["components"]["schemas"]
    whole["components"]["schemas"] |= _problem_schemas()
    whole["components"]["responses"] = {
        f"Refused{status}": {
            "description": description,
            "content": {**_PROBLEM, **(_MESSAGE if status in _BY_GATEWAY else {})},
        }
        for status, description in _REFUSALS.items()
    }
    for path, operations in whole["paths"].items():
        for method, operation in operations.items():
            _complete(method, path, operation)
    return whole


def _complete(method: str, path: str, operation: dict[str, Any]) -> None:
    """What the types do not say: how a body of rows looks, headers, and every status there is with what comes of it."""
    responses = operation["responses"]
    rows = operation.pop("x-body", None) == "rows"
    if rows:
        operation["requestBody"] = _ROWS
    else:
        responses.pop("422", None)  # what the framework would answer to what is 400 here
    if "202" in responses:
        if "201" in responses:  # a job, which the request may wait for
            operation["parameters"] = [*operation.get("parameters", ()), _PREFER]
        responses["202"]["headers"] = {"Location": _LOCATION}
    for status in sorted(_refusals(method, path, operation)):
        if known := responses.get(str(status)):  # 422, with the rows' own account
            known["content"] |= _PROBLEM
        else:
            responses[str(status)] = {"$ref": f"#/components/responses/Refused{status}"}


def _refusals(method: str, path: str, operation: dict[str, Any]) -> set[int]:
    found = {400, 403, 429, 500, 503}  # 400: a parameter that there is not
    if (operation.get("parameters") or "requestBody" in operation) and path not in _LISTS:
        found.add(404)
    if method == "post":  # a body is looked at wherever one is sent
        found |= {413, 415}
    if (method, path) in _NEEDED_STATE:
        found.add(409)
    key = any(str(one.get("name")).lower() == "idempotency-key" for one in operation.get("parameters", ()))
    return found | ({422} if key else set())


def text() -> str:
    """The document as it is kept in the repository."""
    return json.dumps(document(), indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def _of(name: str) -> dict[str, Any]:
    path = ROOT / "functions" / name / "app.py"
    spec = importlib.util.spec_from_file_location(f"handler_{name}", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no module of Python")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    made: dict[str, Any] = json.loads(
        module.app.get_openapi_json_schema(
            title=TITLE,
            version=__version__,
            description=DESCRIPTION,
        )
    )
    return made


def _problem_schemas() -> dict[str, Any]:
    from tableferry.api.models import ProblemDetails

    schema = ProblemDetails.model_json_schema(ref_template="#/components/schemas/{model}")
    inner: dict[str, Any] = schema.pop("$defs", {})
    message = {
        "description": "What API Gateway answers by itself.",
        "type": "object",
        "required": ["message"],
        "properties": {"message": {"type": "string"}},
    }
    return {**inner, "ProblemDetails": schema, "GatewayMessage": message}


if __name__ == "__main__":
    TARGET.write_text(text(), encoding="utf-8")
