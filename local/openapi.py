"""The OpenAPI document of the whole API, made from the types of all four functions' handlers.

Run as ``python -m local.openapi`` (``make openapi``); a test holds the file to what this makes.
"""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

from tableferry import __version__

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
                    {"type": "object", "required": ["rows"], "properties": {"rows": {"type": "array"}}},
                ]
            }
        },
        "text/csv": {"schema": {"type": "string"}},
    },
}
_PROBLEM = {
    "description": "RFC 9457 problem details: the detail says what to do.",
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemDetails"}}},
}


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
    for operations in whole["paths"].values():
        for operation in operations.values():
            operation["responses"].pop("422", None) if "x-body" not in operation else None
            operation["responses"]["default"] = _PROBLEM
            if operation.pop("x-body", None) == "rows":
                operation["requestBody"] = _ROWS
    return whole


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
            title="Tableferry",
            version=__version__,
            description="Loads data into MySQL, backs tables up to S3 and restores them.",
        )
    )
    return made


def _problem_schemas() -> dict[str, Any]:
    from tableferry.models import ProblemDetails

    schema = ProblemDetails.model_json_schema(ref_template="#/components/schemas/{model}")
    inner: dict[str, Any] = schema.pop("$defs", {})
    return {**inner, "ProblemDetails": schema}


if __name__ == "__main__":
    TARGET.write_text(text(), encoding="utf-8")
