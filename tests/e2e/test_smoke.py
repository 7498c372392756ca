"""The smoke test of a deployment, played against the local runtime: unchanged but for where that is."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from io import StringIO
from typing import Any

import boto3
import httpx
import pytest
from botocore.exceptions import ClientError
from rich.console import Console

from deployment import smoke
from local.demo.sample import SOURCES, Connection
from tests.effort import in_ci
from tests.support.parts import Runtime


@pytest.fixture
def table(mysql: Connection) -> Iterator[str]:
    """The table that the documentation has one make."""
    with mysql.cursor() as cursor:
        cursor.execute((SOURCES / "smoke.sql").read_text(encoding="utf-8"))
        yield "smoke_test"
        cursor.execute("DROP TABLE smoke_test")


@pytest.fixture
def place(runtime: Runtime) -> smoke.Place:
    return smoke.here(runtime.state)


def played(place: smoke.Place, table: str) -> tuple[int, str]:
    shown = StringIO()
    return smoke.run(place, table, Console(file=shown, width=160, highlight=False), poll=0.1), shown.getvalue()


STEPS = (
    "The API answers",
    "Upload a file, and its load",
    "Back up",
    "Verify the backup",
    "A load that is rolled back",
    "Upload another file",
    "Back up again",
    "Restore the first backup",
    "Undo it",
    "An undo that comes too late",
    "Drill the latest backup",
)


def schemas(mysql: Connection) -> set[str]:
    """What restores have made, or kept: those of other tests, too."""
    with mysql.cursor() as cursor:
        cursor.execute("SHOW DATABASES LIKE 'tableferry\\_%'")
        return {str(name) for (name,) in cursor.fetchall()}


@in_ci
def test_every_step_is_shown_with_its_seconds_and_the_table_has_what_was_loaded(
    place: smoke.Place, table: str, mysql: Connection
) -> None:
    others = schemas(mysql)
    for runs in (1, 2):
        code, shown = played(place, table)
        assert code == 0, shown
        lines = [line for line in shown.splitlines() if line.startswith("✔")]
        assert len(lines) == len(STEPS)
        for step, line in zip(STEPS, lines, strict=True):
            assert step in line
            assert line.endswith(" s")
        with mysql.cursor() as cursor:
            assert cursor.execute(f"SELECT * FROM {table}") == runs * (smoke.ROWS + smoke.LATER_ROWS)
        assert schemas(mysql) == others  # nothing of the restore is left


def test_a_table_that_is_not_for_this_is_not_touched(place: smoke.Place, table: str, mysql: Connection) -> None:
    code, shown = played(place, "departments")
    assert code == 1
    assert "sources/smoke.sql" in shown
    with mysql.cursor() as cursor:
        assert not cursor.execute("SELECT * FROM departments")


def test_a_table_that_is_not_there_is_told(place: smoke.Place, mysql: Connection) -> None:
    code, shown = played(place, "smoke_test")
    assert code == 1
    assert "404" in shown
    assert "sources/smoke.sql" in shown


def test_a_step_that_fails_fails_it(place: smoke.Place, table: str) -> None:
    code, shown = played(replace(place, restore_function="NoSuchFunction"), table)
    assert code == 1
    assert "ResourceNotFoundException" in shown
    assert len([line for line in shown.splitlines() if line.startswith("✘")]) == 1


def test_a_function_of_the_runtime_is_invoked_as_lambdas_are(env: Mapping[str, str]) -> None:
    lambdas: Any = boto3.client("lambda", endpoint_url=env["API_URL"], region_name="us-east-1",
                                aws_access_key_id="x", aws_secret_access_key="x")  # fmt: skip
    answer = lambdas.invoke(FunctionName="BackupFunction", Payload=json.dumps({"action": "check"}))
    assert "FunctionError" not in answer
    assert isinstance(json.loads(answer["Payload"].read()), dict)
    answer = lambdas.invoke(FunctionName="RestoreFunction", Payload=json.dumps({"action": "drill", "backup": "none"}))
    assert answer["FunctionError"] == "Unhandled"
    assert "errorMessage" in json.loads(answer["Payload"].read())
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        lambdas.invoke(FunctionName="NoFunction", Payload="{}")


def test_a_signed_request_says_who_asks_and_hides_nothing_from_the_signature(place: smoke.Place) -> None:
    request = httpx.Request("POST", "https://api.example/tables/a%20b?limit=1", json={"a": 1})
    [signed] = place.auth.auth_flow(request)
    words = signed.headers["Authorization"]
    assert words.startswith("AWS4-HMAC-SHA256 Credential=")
    assert "/execute-api/aws4_request" in words
    assert "SignedHeaders=content-type;host;x-amz-date" in words
    assert signed.url == request.url
    assert json.loads(signed.content) == {"a": 1}


def test_a_token_goes_before_a_signature(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "abc")
    [request] = smoke.here(runtime.state).auth.auth_flow(httpx.Request("GET", "https://api.example/tables"))
    assert request.headers["Authorization"] == "Bearer abc"
