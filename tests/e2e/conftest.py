"""What the end-to-end tests share: the API, the bucket and the database of one running runtime."""

from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from local.demo import sample
from local.demo.client import s3_client
from local.demo.sample import SOURCES, Connection
from tests.e2e.api import Api
from tests.e2e.tables import recreate

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@pytest.fixture
def env(runtime: Any) -> Mapping[str, str]:
    """What `make up` would write to .local/env."""
    values: Mapping[str, str] = runtime.env
    return values


@pytest.fixture
def api(env: Mapping[str, str]) -> Iterator[Api]:
    api = Api(env["API_URL"])
    with api.http:
        yield api


@pytest.fixture
def store(env: Mapping[str, str]) -> "S3Client":
    return s3_client(env)


@pytest.fixture
def mysql(env: Mapping[str, str], api: Api) -> Iterator[Connection]:
    """A connection of the user's, beside the API, with the sample's three tables there and empty, and nothing kept."""
    with closing(sample.connect(env["DATABASE_URL"])) as connection:
        with connection.cursor() as cursor:
            if cursor.execute("SHOW DATABASES LIKE 'tableferry\\_%'"):
                accept_all(api)
        recreate(connection)
        yield connection


def accept_all(api: Api) -> None:
    """Let go of what the restores of earlier tests have kept."""
    for restore in api.send("restores").json()["restores"]:
        if restore["kept"]:
            assert api.send("accept", path={"id": restore["id"]}).status_code == 200


@pytest.fixture
def parents(api: Api, mysql: Connection) -> None:
    """All departments and jobs are in."""
    headers = {"content-type": "text/csv"}
    for table in ("departments", "jobs"):
        body = (SOURCES / f"{table}.csv").read_bytes()
        answer = api.send("insert-json", path={"table": table}, headers=headers, body=body)
        assert answer.status_code == 201, answer.text
