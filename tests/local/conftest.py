"""A runtime of small functions that answer, fail and take events as they are told."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from local.runtime.state import State
from tests.support.parts import Runtime, running

TEMPLATE = Path(__file__).parent / "fixtures" / "template.yaml"


@pytest.fixture(scope="session")
def stubs(tmp_path_factory: pytest.TempPathFactory, settings: dict[str, str]) -> Iterator[Runtime]:
    """The local runtime with tests/local/fixtures/template.yaml."""
    with running(State(tmp_path_factory.mktemp("stubs")), TEMPLATE, settings) as runtime:
        yield runtime


@pytest.fixture
def http(stubs: Runtime) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=stubs.env["API_URL"], timeout=60) as client:
        yield client
