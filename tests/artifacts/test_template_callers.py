"""Who may call what: each route has one class, as a scope of a JWT and as a policy to attach."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from local.runtime.state import ROOT
from tests.artifacts.test_template import DEPLOYMENTS
from tests.support.stack import Json, Stack

READ = {
    "GET /",
    "GET /tables",
    "GET /tables/{table}",
    "GET /openapi.json",
    "GET /docs",
    "GET /loads",
    "GET /loads/{id}",
    "GET /backups",
    "GET /backups/{id}",
    "GET /verifications/{id}",
    "GET /restores",
    "GET /restores/{id}",
}
WRITE = {
    "POST /tables/{table}/rows",
    "POST /uploads",
    "GET /loads/{id}/rejects",  # the only one to show rows: those of who writes them
    "POST /loads/retry",
    "POST /loads/{id}/retry",
    "POST /loads/{id}/cancel",
    "POST /backups",
    "POST /backups/{id}/verify",
}
RESTORE = {"POST /restores", "POST /restores/{id}/undo", "POST /restores/{id}/accept"}
CLASSES = {"read": READ, "write": WRITE, "restore": RESTORE}

JWT = DEPLOYMENTS["least"] | {"JwtIssuer": "https://issuer.example", "JwtAudience": "tableferry"}
ID = {"loads": "0123456789abcdef" * 2, "tables": "a table"}


def routes(stack: Stack) -> dict[str, Any]:
    """What each route says of its callers."""
    [api] = stack.of("AWS::ApiGatewayV2::Api").values()
    return {
        f"{method.upper()} {path}": found["security"]
        for path, methods in api["Body"]["paths"].items()
        for method, found in methods.items()
    }


def allowed(stack: Stack, policy: str) -> Iterator[str]:
    """The patterns of routes that a policy lets its holder call, behind the API and the stage."""
    [statement] = stack.resources[policy]["Properties"]["PolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Action"]) == ("Allow", "execute-api:Invoke")
    for resource in statement["Resource"]:
        before, pattern = resource["Fn::Sub"].split("/$default/")
        assert before == "arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:${Api}"
        yield pattern


def matches(pattern: str, text: str) -> bool:
    """As IAM holds an ARN against a pattern: ``*`` is any number of characters, also of ``/``, and ``?`` is one."""
    parts = [{"*": ".*", "?": "."}.get(one, re.escape(one)) for one in pattern]
    return re.fullmatch("".join(parts), text) is not None


def called(route: str, name: str | None = None) -> str:
    """A request to a route, as execute-api names it to IAM."""
    method, path = route.split()
    kind = path.split("/")[1]
    return method + re.sub(r"\{\w+\}", name or ID.get(kind, "20261128T120000Z-0a1b2c3d"), path)


def test_each_route_has_one_class(synthesised: Json) -> None:
    stack = Stack(synthesised, **JWT)
    assert sum(len(found) for found in CLASSES.values()) == len(READ | WRITE | RESTORE)
    assert routes(stack).keys() == READ | WRITE | RESTORE


@pytest.mark.parametrize("kind", CLASSES)
def test_a_token_needs_the_scope_of_the_routes_class(synthesised: Json, kind: str) -> None:
    found = routes(Stack(synthesised, **JWT))
    scope = {"Fn::Sub": "${JwtScopePrefix}" + kind}
    assert {route for route, security in found.items() if security == [{"Caller": [scope]}]} == CLASSES[kind]


def test_scopes_have_a_prefix_that_an_issuer_may_want_otherwise(synthesised: Json) -> None:
    assert Stack(synthesised, **JWT).parameters["JwtScopePrefix"] == "tableferry/"


def test_a_signed_request_has_no_scopes(synthesised: Json) -> None:
    for security in routes(Stack(synthesised, **DEPLOYMENTS["least"])).values():
        assert security == [{"Caller": []}]


@pytest.mark.parametrize("kind", CLASSES)
def test_a_policy_lets_its_holder_call_the_routes_of_its_class_and_no_other(synthesised: Json, kind: str) -> None:
    stack = Stack(synthesised, **DEPLOYMENTS["least"])
    patterns = list(allowed(stack, f"{kind.capitalize()}Callers"))
    # Whether IAM is told the path of the request or that of the route, AWS's documentation does not say of HTTP APIs.
    for asked in (called, lambda route: route.replace(" ", "")):
        let_in = {route for route in routes(stack) if any(matches(one, asked(route)) for one in patterns)}
        assert let_in == CLASSES[kind]
    for pattern in patterns:
        told = [told for route in CLASSES[kind] for told in (called(route), route.replace(" ", ""))]
        assert any(matches(pattern, one) for one in told), f"{pattern} is of no use"


@pytest.mark.parametrize("name", ["latest", "-", "0123456789abcdef01234567", "a/b"])
def test_no_name_in_a_path_takes_a_reader_further(synthesised: Json, name: str) -> None:
    """Not the rejects of a load: where the pattern fits, the name is of no load, and nothing is there."""
    stack = Stack(synthesised, **DEPLOYMENTS["least"])
    patterns = list(allowed(stack, "ReadCallers"))
    for route in (WRITE | RESTORE) - READ:
        if any(matches(one, called(route, name)) for one in patterns):
            assert route == "GET /loads/{id}/rejects"
            assert not re.fullmatch("[0-9a-f]{32}", name)


def test_policies_are_there_for_those_who_sign_and_their_names_are_told(synthesised: Json) -> None:
    names = {"ReadCallers", "WriteCallers", "RestoreCallers"}
    assert names <= Stack(synthesised, **DEPLOYMENTS["least"]).resources.keys()
    assert not names & Stack(synthesised, **JWT).resources.keys()
    for name in names:
        output = synthesised["Outputs"][f"{name}PolicyArn"]
        assert (output["Value"], output["Condition"]) == ({"Ref": name}, synthesised["Resources"][name]["Condition"])


def test_the_page_of_callers_names_each_route_once_under_its_class() -> None:
    page = (ROOT / "docs" / "callers.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (read|write|restore) \| (.+?) \|", page, re.MULTILINE)
    told = {kind: set(re.findall(r"`((?:GET|POST) [^`]+)`", routes)) for kind, routes in rows}
    assert told == CLASSES
