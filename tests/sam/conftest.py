"""One API by `sam local`, with MySQL and S3 in containers, for all tests here; nothing of it is left when they end."""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from local.demo import sample
from local.demo.client import s3_client
from local.demo.sample import Connection
from local.runtime.process import StartError
from local.runtime.state import ROOT, State
from local.sam import engine
from local.sam.cli import Sam
from local.sam.stack import Stack
from tests.e2e.api import Api
from tests.e2e.tables import recreate

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """The stack, in a project of this checkout's own, so that a `make sam-up` beside it is left alone."""
    folder = ROOT / ".local" / "sam-test"
    project = f"tableferry-test-{hashlib.sha256(str(ROOT).encode()).hexdigest()[:8]}"
    stack = Stack(State(folder), project, folder / "build")
    try:
        engine.require()
    except StartError as error:
        pytest.exit(str(error), returncode=1)
    stack.down(data=True)  # what a run that was killed left
    try:
        stack.up()
        yield stack
    finally:
        stack.down(data=True)
        assert not engine.left_of(project)


@pytest.fixture(scope="session")
def env(stack: Stack) -> Mapping[str, str]:
    """What `make sam-up` writes for a shell."""
    found = stack.running()
    assert found is not None
    return found


@pytest.fixture(scope="session")
def sam(stack: Stack) -> Sam:
    return stack.sam


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
    """A connection of the user's, beside the API, with the sample's tables there and empty, and nothing kept."""
    with closing(sample.connect(env["DATABASE_URL"])) as connection:
        accept_all(api)
        recreate(connection)
        yield connection


def accept_all(api: Api) -> None:
    """Let go of what earlier restores have kept."""
    for restore in api.send("restores").json()["restores"]:
        if restore["state"] == "done" or restore["kept"]:
            assert api.send("accept", path={"id": restore["id"]}).status_code == 200
