"""A few of the fuzzer's cases for every route, and that the fuzzer can fail; `make fuzz` sends thousands."""

import io
from collections.abc import Iterator

import pytest
from rich.console import Console

from local.runtime.state import State
from tests.conftest import GIVEN
from tests.effort import effort, in_ci
from tests.fuzz import answers, run
from tests.fuzz.run import Outcome
from tests.fuzz.world import World, seeded
from tests.support.parts import Server, running

CASES = effort(12, 25)
pytestmark = pytest.mark.database  # which its own fixture does not show


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[World]:
    """A runtime of its own, for what is sent leaves tables behind."""
    state = State(tmp_path_factory.mktemp("fuzz"))
    if "DATABASE_URL" not in GIVEN:
        with running(state) as runtime:
            yield seeded(runtime)
        return
    server: Server = request.getfixturevalue("server")
    with server.database() as database, running(state, settings={"DATABASE_URL": database.url}) as runtime:
        yield seeded(runtime)


@in_ci
def test_no_request_gets_an_answer_that_the_document_does_not_know(world: World) -> None:
    outcomes = run.run(world, CASES, seed_=1, processes=2)
    shown = io.StringIO()
    assert run.report(outcomes, CASES, Console(file=shown, width=170)), shown.getvalue()
    assert len(outcomes) >= 16
    reached = {outcome.route: set(outcome.statuses) for outcome in outcomes}
    for route in ("GET /backups/{id}", "GET /restores/{id}", "GET /loads/{id}", "GET /tables/{table}"):
        assert 200 in reached[route], route
    for route in ("POST /backups", "POST /restores", "POST /uploads"):
        assert 201 in reached[route], route


def test_the_document_and_its_page_are_served(world: World) -> None:
    import httpx

    page = httpx.get(f"{world.env['API_URL']}/docs", timeout=60)
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert not answers.leaks(page.text, page.text, world.secrets, problem=False)
    assert len(run.routes(world)) >= 16


def test_too_few_cases_faults_and_no_routes_at_all_are_failures() -> None:
    console = Console(file=io.StringIO())
    assert run.report([Outcome("GET /x", cases=2)], 2, console)
    assert not run.report([Outcome("GET /x", cases=1)], 2, console)
    assert not run.report([Outcome("GET /x", cases=2, faults=["a leak"])], 2, console)
    assert not run.report([], 0, console)


def test_a_leak_is_seen_unless_the_request_brought_it() -> None:
    secrets = ("pa55-w0rd",)
    for text in ("Traceback (most recent call last)", "SELECT a FROM t", "pymysql.err", "it is pa55-w0rd"):
        assert answers.leaks(text, "GET /tables", secrets, problem=True), text
    assert not answers.leaks("There is no table 'SELECT 1'", "GET /tables?table=select 1", secrets, problem=True)
    assert answers.leaks("pa55-w0rd", "pa55-w0rd", secrets, problem=False)
    assert not answers.leaks("CREATE TABLE", "", secrets, problem=False)
