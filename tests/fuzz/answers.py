"""What an answer has to be: no fault of the server's, as the document says, and without what nobody may read."""

from collections.abc import Sequence
from typing import Any

import requests
from schemathesis import Case
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
_INSIDES = ("Traceback", 'File "/', "pymysql", "botocore", "site-packages", '.py"', "pydantic", "errors.pydantic.dev")
_SQL = (
    "SELECT ",
    "INSERT INTO",
    "UPDATE `",
    "CREATE TABLE",
    "RENAME TABLE",
    "information_schema",
    "INFORMATION_SCHEMA",
)


def faults(case: Case[Any], answer: "requests.Response", text: str, sent: str, secrets: Sequence[str]) -> list[str]:
    """What is wrong with an answer, one line each; nothing for a good one. ``sent`` is all of the request's text."""
    found = [f"a leak: {leak}" for leak in leaks(text, sent, secrets, problem=answer.status_code >= 400)]
    try:
        case.validate_response(answer, checks=CHECKS)
    except FailureGroup as group:
        found += [f"{type(one).__name__}: {one}" for one in group.exceptions]
    except Failure as failure:
        found.append(f"{type(failure).__name__}: {failure}")
    return found


def leaks(text: str, sent: str, secrets: Sequence[str], *, problem: bool) -> list[str]:
    """What an answer's text holds that it must not: secrets never, SQL and our insides unless the request had them.

    SQL is looked for in problems only: a backup's manifest holds the definitions of its tables.
    """
    words = (*_INSIDES, *(_SQL if problem else ()))
    return ["a secret"] * any(secret in text for secret in secrets) + [
        word for word in words if word in text and word.lower() not in sent.lower()
    ]
