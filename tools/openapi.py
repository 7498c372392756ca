"""The OpenAPI document of the whole API, made from the types of all four functions' handlers.

Run as ``python -m tools.openapi`` (``make openapi``), it writes docs/api.md and docs/configuration.md too;
tests hold all three to what this makes.
"""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from http import HTTPStatus
from pathlib import Path
from typing import Any

from tableferry import DESCRIPTION, TITLE, __version__
from tableferry.api.problems import made
from tools import api_page, capacity_page, configuration_page
from tools import openapi_examples as examples
from tools import openapi_texts as texts

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
_SAID = {  # what API Gateway answers before or in place of a function, and its words
    403: "Forbidden",
    404: "Not Found",
    413: "Request Entity Too Large",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
}
_INHERITS = {"BackupDetail": "BackupView"}
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
_PREFER = {"name": "Prefer", "in": "header", "schema": {"type": "string"}}
_REPLAYED = {
    "description": "`true` where the same request was answered before, and nothing was done again.",
    "schema": {"type": "string", "enum": ["true"]},
}
_LINK = {"description": 'Where the rejects go on, if there are more: `rel="next"`.', "schema": {"type": "string"}}
_RETRY_AFTER = {"description": "Seconds after which it is worth another try.", "schema": {"type": "string"}}
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
    whole["components"]["responses"] = {f"Refused{status}": _refused(status) for status in _REFUSALS}
    whole["components"]["securitySchemes"] = {
        "Signature": {
            "type": "apiKey",
            "in": "header",
            "name": "Authorization",
            "description": texts.SIGNATURE,
            "x-amazon-apigateway-authtype": "awsSigv4",
        },
        "Token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": texts.BEARER},
    }
    scopes = _scopes()
    for path, operations in whole["paths"].items():
        for method, operation in operations.items():
            _complete(method, path, operation)
            _explain(path, operation)
            operation["security"] = [{"Signature": []}, {"Token": [scopes[method, path]]}]
    _explain_schemas(whole)
    whole["info"]["description"] = texts.ABOUT
    whole["tags"] = [{"name": name, "description": said} for name, said in texts.TAGS.items()]
    return whole


def _scopes() -> dict[tuple[str, str], str]:
    """The scope of each route, as the template's API has them."""
    text = (ROOT / "template.yaml").read_text(encoding="utf-8")
    return {
        (method, path): scope
        for path, methods in re.findall(r"^ {10}(/\S*):\n((?: {12}(?:get|post): .*\n)+)", text, re.MULTILINE)
        for method, scope in re.findall(r"^ {12}(get|post): .*JwtScopePrefix\}(\w+)\"", methods, re.MULTILINE)
    }


def _refused(status: int) -> dict[str, Any]:
    said = examples.PROBLEMS[status]
    example = made(HTTPStatus(status), said["code"], said["detail"])
    content = {"application/problem+json": {**_PROBLEM["application/problem+json"], "example": example}}
    if status in _SAID:
        content["application/json"] = {**_MESSAGE["application/json"], "example": {"message": _SAID[status]}}
    found = {"description": _REFUSALS[status], "content": content}
    return found | ({"headers": {"Retry-After": _RETRY_AFTER}} if status in (429, 503) else {})


def _explain(path: str, operation: dict[str, Any]) -> None:
    """What an operation does, in prose, and examples of what it takes and gives."""
    name, place = operation["operationId"], f"/{path.split('/')[1]}"
    operation["description"] = texts.OPERATIONS[name]
    in_path = {one["name"] for one in operation.get("parameters", ()) if one["in"] == "path"}
    for one in operation.get("parameters", ()):
        if one["in"] == "header":
            one["name"] = one["name"].title()
        shown = f"?{one['name']}" if one["in"] == "query" and one["name"] in in_path else one["name"]
        one["description"] = _found(texts.PARAMETERS, f"{name} {shown}", shown)
        one["example"] = _found(examples.PARAMETERS, f"{name} {one['name']}", f"{place} {one['name']}", one["name"])
        _without_titles(one)
    for example, (media_type, value, said) in examples.requests(name).items():
        content = operation["requestBody"]["content"][media_type]
        content.setdefault("examples", {})[example] = {"summary": said, "value": value}
    for status, answer in operation["responses"].items():
        if "$ref" in answer:
            continue
        answer["description"] = _found(texts.ANSWERS, (name, status), status)
        content = next(iter(answer["content"].values()))
        found = examples.answers(name, status)
        if len(found) == 1:
            content["example"] = found["answer"][0]
        else:
            content["examples"] = {key: {"summary": said, "value": value} for key, (value, said) in found.items()}
        _without_titles(content.get("schema", {}))


def _found(known: Mapping[Any, Any], *names: Any) -> Any:
    for name in names:
        if name in known:
            return known[name]
    raise KeyError(f"nothing is said of {names[0]}")


def _explain_schemas(whole: dict[str, Any]) -> None:
    """What each field means; schemas that nothing leads to go: the framework's own, for answers that are others here."""
    schemas = whole["components"]["schemas"]
    while unused := schemas.keys() - {one.rpartition("/")[2] for one in _references(whole)}:
        for name in unused:
            del schemas[name]
    for name, schema in schemas.items():
        _without_titles(schema)
        if "description" in schema:
            schema["description"] = " ".join(schema["description"].replace("``", "`").split())
        for field, shape in schema.get("properties", {}).items():
            if "description" not in shape:
                of = [f"{one}.{field}" for one in (name, _INHERITS.get(name, ""))]
                shape["description"] = _found(texts.FIELDS, *of, field)


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from (one for key, one in value.items() if key == "$ref")
    for one in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _references(one)


def _without_titles(schema: Any) -> None:
    """Take away the titles that the framework makes of names: ``Rows Estimate``, of ``rows_estimate``."""
    if isinstance(schema, dict):
        if isinstance(schema.get("title"), str):
            del schema["title"]
        for name, inner in schema.items():
            for one in inner.values() if name == "properties" else inner if isinstance(inner, list) else [inner]:
                if name not in ("example", "examples", "default", "enum", "required"):
                    _without_titles(one)


def _complete(method: str, path: str, operation: dict[str, Any]) -> None:
    """What the types do not say: how a body of rows looks, headers, and every status there is with what comes of it."""
    responses = operation["responses"]
    rows = operation.pop("x-body", None) == "rows"
    if rows:
        operation["requestBody"] = deepcopy(_ROWS)
    else:
        responses.pop("422", None)  # what the framework would answer to what is 400 here
    if "202" in responses:
        if "201" in responses:  # a job, which the request may wait for
            operation["parameters"] = [*operation.get("parameters", ()), dict(_PREFER)]
        responses["202"]["headers"] = {"Location": _LOCATION}
    if any(one["name"].lower() == "idempotency-key" for one in operation.get("parameters", ())):
        for status in responses.keys() & {"201", "202", "207", "422"}:
            responses[status]["headers"] = responses[status].get("headers", {}) | {"Idempotent-Replayed": _REPLAYED}
    if path.endswith("/rejects"):
        responses["200"]["headers"] = {"Link": _LINK}
    for status in sorted(_refusals(method, path, operation)):
        if known := responses.get(str(status)):  # 422, with the rows' own account
            known["content"] |= deepcopy(_refused(status)["content"])
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
    api_page.TARGET.write_text(api_page.text(document()), encoding="utf-8")
    configuration_page.TARGET.write_text(configuration_page.text(), encoding="utf-8")
    capacity_page.TARGET.write_text(
        capacity_page.text(capacity_page.TARGET.read_text(encoding="utf-8")), encoding="utf-8"
    )
