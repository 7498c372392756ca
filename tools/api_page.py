"""docs/api.md: the OpenAPI document as a page for people, with the codes of errors. ``make openapi`` writes it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

from tableferry.api.problems import STATUS
from tools.openapi_texts import OPERATIONS

TARGET = Path(__file__).parent.parent / "docs" / "api.md"
_NOTE = (
    "<!-- Made by `make openapi` from the handlers' types: change those, or tools/openapi_texts.py, not this page. -->"
)
_OWN_CODES = {
    ("internal", HTTPStatus.INTERNAL_SERVER_ERROR): "A fault of ours. The log has the details, the answer has none.",
    ("no-such-route", HTTPStatus.NOT_FOUND): "There is nothing at this path.",
}


def text(document: dict[str, Any]) -> str:
    """The page, in Markdown that GitHub and mkdocs render alike."""
    return "\n".join(_Page(document).lines()) + "\n"


def codes() -> list[tuple[str, HTTPStatus, str]]:
    """Every code that a problem's ``type`` can end with: its status, and what it means, as its class says."""
    found = [
        (kind.__new__(kind).name, status, " ".join((kind.__doc__ or "").split("\n\n")[0].split()))
        for kind, status in STATUS.items()
    ]
    own = [(code, status, said) for (code, status), said in _OWN_CODES.items()]
    return sorted([*found, *own], key=lambda one: (one[1], one[0]))


class _Page:
    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self.schemas: dict[str, Any] = document["components"]["schemas"]
        self.operations = [
            (method.upper(), path, operation)
            for path, found in document["paths"].items()
            for method, operation in found.items()
        ]
        self.names = {operation["operationId"] for _, _, operation in self.operations}
        order = list(OPERATIONS)
        self.operations.sort(key=lambda one: order.index(one[2]["operationId"]))

    def lines(self) -> Iterator[str]:
        yield from ("# API", "", _NOTE, "", self._prose(self.document["info"]["description"].rstrip()), "")
        yield from ("The same for programs is served at `/openapi.json`, and to try it in a browser at `/docs`.", "")
        yield from ("| operation | request | what |", "|---|---|---|")
        for tag in self.document["tags"]:
            for method, path, operation in self._of(tag["name"]):
                yield f"| {self._link(operation['operationId'])} | `{method} {path}` | {operation['summary']} |"
        yield ""
        for tag in self.document["tags"]:
            yield from (f"## {tag['name'].capitalize()}", "", tag["description"], "")
            for method, path, operation in self._of(tag["name"]):
                yield from self._operation(method, path, operation)
        yield from self._who()
        yield from self._errors()
        yield from self._fields()

    def _of(self, tag: str) -> list[tuple[str, str, dict[str, Any]]]:
        return [one for one in self.operations if one[2]["tags"] == [tag]]

    def _operation(self, method: str, path: str, operation: dict[str, Any]) -> Iterator[str]:
        [scope] = operation["security"][1]["Token"]
        yield from (
            f"### {operation['operationId']}",
            "",
            f"`{method} {path}`, scope `{scope}`: {operation['summary']}.",
            "",
        )
        yield from (self._prose(operation["description"]), "")
        if parameters := operation.get("parameters"):
            yield from ("| parameter | in | type | what |", "|---|---|---|---|")
            for one in parameters:
                needed = ", needed" if one.get("required") else ""
                kind = self._type(one["schema"]).removesuffix(" or null")
                yield f"| `{one['name']}` | {one['in']}{needed} | {kind} | {_cell(one['description'])} |"
            yield ""
        if "requestBody" in operation:
            yield from self._body(operation["requestBody"])
        for status, answer in sorted(operation["responses"].items()):
            if "$ref" not in answer:
                yield from self._answer(status, answer)
        refused = sorted(status for status, answer in operation["responses"].items() if "$ref" in answer)
        yield from (f"Errors: {', '.join(f'[`{status}`](#errors)' for status in refused)}.", "")

    def _body(self, body: dict[str, Any]) -> Iterator[str]:
        schema = body["content"]["application/json"]["schema"]
        named = self._type(schema).removesuffix(" or null")
        needed = "" if body.get("required") else " It may be left out."
        said = body.get("description") or f"The body is an object: {named}."
        yield from (f"{said}{needed}", "")
        for content in body["content"].values():
            for one in content["examples"].values():
                yield from (f"{one['summary']}:", "", *_block(one["value"]))

    def _answer(self, status: str, answer: dict[str, Any]) -> Iterator[str]:
        content = next(iter(answer["content"].values()))
        kind = self._type(content["schema"])
        yield from (f"**{status}** {answer['description']} ({kind})", "")
        if headers := answer.get("headers"):
            yield " ".join(f"Header `{name}`: {_small(one['description'])}" for name, one in headers.items())
            yield ""
        if "example" in content:
            yield from _block(content["example"])
        for one in content.get("examples", {}).values():
            yield from ((f"{one['summary']}:", "") if one["summary"] else ())
            yield from _block(one["value"])

    def _who(self) -> Iterator[str]:
        yield from ("## Who may call", "")
        for name, scheme in self.document["components"]["securitySchemes"].items():
            yield from (f"**{name}.** {self._prose(scheme['description'])}", "")
        yield from ("[Who may call what](callers.md) lists the operations of each class.", "")

    def _errors(self) -> Iterator[str]:
        yield from ("## Errors", "")
        shared = self.document["components"]["responses"]
        example = shared["Refused400"]["content"]["application/problem+json"]["example"]
        yield from ("An error is answered as `application/problem+json`:", "", *_block(example))
        yield from ("| status | when |", "|---|---|")
        yield from (f"| `{name[-3:]}` | {_cell(one['description'])} |" for name, one in shared.items())
        yield from (
            "",
            "`type` is `urn:tableferry:problem:` and one of these codes; a job that failed has it in its `problem`.",
            "",
        )
        yield from ("| code | status | what it means |", "|---|---|---|")
        yield from (f"| `{code}` | {status.value} | {_cell(said)} |" for code, status, said in codes())
        yield from (
            "",
            "What API Gateway answers by itself is `application/json` with a `message`, and has no code.",
            "",
        )

    def _fields(self) -> Iterator[str]:
        yield from ("## Fields", "", "What the objects in requests and answers hold.", "")
        for name, schema in sorted(self.schemas.items()):
            yield from (f"### {name}", "")
            if "enum" in schema:
                yield from (f"{schema.get('description', '')} {_listed(schema['enum'])}.".strip(), "")
                continue
            yield from ("| field | type | what |", "|---|---|---|")
            needed = schema.get("required", ())
            for field, shape in schema["properties"].items():
                default = shape.get("default")
                unless = f" Unless given: `{json.dumps(default)}`." if default not in (None, [], {}, "") else ""
                mark = " (needed)" if field in needed and name.endswith("Request") else ""
                yield f"| `{field}`{mark} | {self._type(shape)} | {_cell(self._prose(shape['description']))}{unless} |"
            yield ""

    def _type(self, schema: dict[str, Any]) -> str:
        """A schema in words, with links to the fields of others."""
        if "$ref" in schema:
            name = schema["$ref"].rpartition("/")[2]
            return f"[{name}](#{name.lower()})"
        if choices := schema.get("anyOf") or schema.get("oneOf"):
            return " or ".join(dict.fromkeys(map(self._type, choices)))
        if "enum" in schema or "const" in schema:
            return _listed(schema.get("enum", [schema.get("const")]))
        if schema.get("type") == "array":
            return f"list of {self._type(schema['items'])}" if schema.get("items") else "list"
        if schema.get("type") == "object" and isinstance(schema.get("additionalProperties"), dict):
            return f"object of {self._type(schema['additionalProperties'])}"
        if schema.get("format") == "date-time":
            return "time"
        limits = [f"{word} {schema[key]}" for word, key in (("from", "minimum"), ("to", "maximum")) if key in schema]
        return " ".join([str(schema.get("type", "anything")), *limits])

    def _prose(self, said: str) -> str:
        """A text in which the operations that it names are links."""
        return re.sub(r"`(\w+)`", lambda found: self._link(found[1]) if found[1] in self.names else found[0], said)

    def _link(self, operation: str) -> str:
        return f"[`{operation}`](#{operation.lower()})"


def _block(value: Any) -> list[str]:
    """An example as a block of code: JSON in as few lines as can be read, text as it is."""
    if isinstance(value, str):
        return ["```text", *value.rstrip("\n").split("\n"), "```", ""]
    return ["```json", *_json(value).split("\n"), "```", ""]


def _json(value: Any, indent: int = 0) -> str:
    """JSON with what fits into a line in one line."""
    flat = json.dumps(value, ensure_ascii=False)
    if len(flat) + indent <= 140 or not isinstance(value, dict | list) or not value:
        return flat
    inner = " " * (indent + 2)
    if isinstance(value, dict):
        parts = [f"{inner}{json.dumps(key)}: {_json(one, indent + 2)}" for key, one in value.items()]
        return "{\n" + ",\n".join(parts) + "\n" + " " * indent + "}"
    return "[\n" + ",\n".join(inner + _json(one, indent + 2) for one in value) + "\n" + " " * indent + "]"


def _cell(said: str) -> str:
    return " ".join(said.split()).replace("|", "\\|")


def _listed(values: list[Any]) -> str:
    return ", ".join(f"`{json.dumps(one)}`" for one in values)


def _small(said: str) -> str:
    return said[0].lower() + said[1:]
