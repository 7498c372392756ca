"""The parts that tests run against: a real database server, an S3 emulator and, for whole journeys, the local runtime."""

import gc
import os
import shutil
import signal
import sys
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from types import FrameType
from typing import TYPE_CHECKING, Any

import boto3
import hypothesis
import pytest
from xdist.scheduler import LoadFileScheduling

from local.runtime import s3 as emulator
from local.runtime.state import State
from tests.effort import THOROUGH, chosen
from tests.support import stack
from tests.support.parts import Database, Runtime, Server, any_server, clean_environment, running
from tools.matrix_results import NOT_APPLICABLE
from tools.workers import workers

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

GIVEN = clean_environment()
ONE_RUNTIME = ("tests/e2e", "tests/local")
"""Folders whose tests share a runtime that takes seconds to start: each goes to one worker."""

# Else each worker, and each Python that a test starts, compiles all modules anew: a quarter of a minute for each worker.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False


# On a machine that does much besides, an example of a millisecond takes one that is longer than any limit.
hypothesis.settings.register_profile("shared machine", deadline=None)
hypothesis.settings.load_profile("shared machine")


def _terminate(_signal: int, _frame: FrameType | None) -> None:
    pytest.exit("terminated", returncode=143)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "thorough: takes long; run by `make test-all`, which sets THOROUGH=1")
    config.addinivalue_line("markers", "by_turns: takes seconds; a run with TURN=number takes one in twenty")
    config.addinivalue_line("markers", "in_ci: takes two seconds or more; each run with TURN=number has it, as CI's is")
    config.addinivalue_line("markers", "sample(cases): so many cases are in each run, the others come by turns")
    config.addinivalue_line(
        "markers", "either_server: a module that a second server (SECOND_SERVER=1) runs a quarter of"
    )
    config.addinivalue_line("markers", "database: uses the server that DATABASE_URL names; put to them by itself")
    GIVEN.update(getattr(config, "workerinput", {}).get("given", {}))
    servers, workers = len(GIVEN.get("DATABASE_URL", "").split()), config.getoption("numprocesses", None) or 1
    if 0 < servers < workers:
        message = (
            f"{workers} workers would see each other's schemas on {servers} server(s): give -n {servers}, or more URLs"
        )
        raise pytest.UsageError(message)
    # Else SIGTERM would end us without stopping what the fixtures started.
    signal.signal(signal.SIGTERM, _terminate)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int | None:
    """What ``-n auto`` means, unless xdist's own variable says a number."""
    return None if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ else workers()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of xdist's what was given, which it cannot find in an environment that we have cleaned.

    DATABASE_URL may name several servers, with spaces between them: one for each worker.
    """
    node.workerinput["given"] = given = dict(GIVEN)
    if urls := given.get("DATABASE_URL", "").split():
        given["DATABASE_URL"] = urls[int(node.gateway.id.removeprefix("gw")) % len(urls)]


class _ByFileOrRuntime(LoadFileScheduling):  # type: ignore[misc]  # xdist has no types
    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        return next((folder for folder in ONE_RUNTIME if file.startswith(f"{folder}/")), file)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling | None:
    """A worker gets a file at a time, or all that share a runtime."""
    return _ByFileOrRuntime(config, log) if config.getoption("dist") == "loadfile" else None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what takes long, unless it is asked for, and mark what the matrix of servers is to run.

    Each fixture here is a way to the server that DATABASE_URL names.
    """
    if not THOROUGH:
        taken = set(wanted := chosen(items))
        if left_out := [item for item in items if item not in taken]:
            config.hook.pytest_deselected(items=left_out)
        items[:] = wanted
    for item in items:
        if {"server", "runtime", "stubs"} & set(getattr(item, "fixturenames", ())):
            item.add_marker("database")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Look for no garbage among modules and tests, of which nothing goes before the end: each look would take longer."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def _not_applicable(report: pytest.TestReport | pytest.CollectReport) -> str | None:
    """The reason for which a test is not applicable to its server, if that is what it said."""
    if not report.skipped or not isinstance(report.longrepr, tuple):
        return None
    _, marked, reason = report.longrepr[2].partition(f"Skipped: {NOT_APPLICABLE}")
    return reason if marked else None


def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, str] | None:
    """A test that is not applicable to its server is a kind of its own: neither passed nor merely skipped."""
    return ("not applicable", "n", "NOT APPLICABLE") if _not_applicable(report) else None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How many were not applicable, by reason."""
    reasons = Counter(_not_applicable(report) for report in terminalreporter.getreports("not applicable"))
    if reasons:
        terminalreporter.section("not applicable to this server")
        for reason, count in sorted(reasons.items(), key=str):
            terminalreporter.line(f"{count:5}  {reason}")


@pytest.fixture(scope="session")
def session_state(tmp_path_factory: pytest.TempPathFactory) -> State:
    """A folder of this session's own for the parts that it starts."""
    return State(tmp_path_factory.mktemp("state"))


@pytest.fixture(scope="session")
def server(session_state: State) -> Iterator[Server]:
    """The database server: one per session, or the one that DATABASE_URL names, which DATABASE_ALONE says is ours."""
    with any_server(session_state, GIVEN.get("DATABASE_URL"), "DATABASE_ALONE" in GIVEN) as found:
        yield found


@pytest.fixture
def database(
    server: Server, monkeypatch: pytest.MonkeyPatch, record_property: Callable[[str, object], None]
) -> Iterator[Database]:
    """A fresh, empty database, with DATABASE_URL set to it. The report names the server, for the matrix to see."""
    record_property("server", server.version)
    with server.database() as made:
        monkeypatch.setenv("DATABASE_URL", made.url)
        yield made


@pytest.fixture
def database_url(database: Database) -> str:
    """The URL of this test's fresh, empty database."""
    return database.url


@pytest.fixture(scope="session")
def s3(session_state: State) -> Iterator[emulator.S3]:
    """The S3 emulator, one per session; ``environment`` tells boto3 of it."""
    started = emulator.start(session_state)
    try:
        yield started
    finally:
        started.stop()
        shutil.rmtree(session_state.objects)  # pytest keeps the folders of three sessions


@pytest.fixture(scope="session")
def one_s3_client(s3: emulator.S3) -> "S3Client":
    """A client of the emulator. One for all tests: to make one takes as long as a short test."""
    with pytest.MonkeyPatch.context() as environment:
        for name, value in s3.environment.items():
            environment.setenv(name, value)
        return boto3.session.Session().client("s3")


@pytest.fixture
def s3_client(s3: emulator.S3, one_s3_client: "S3Client", monkeypatch: pytest.MonkeyPatch) -> "S3Client":
    """A client of the emulator, with the environment set for others."""
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    return one_s3_client


@pytest.fixture
def bucket(s3_client: "S3Client", monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a fresh bucket with versions, with BUCKET and boto3's environment set to it. No events come of it."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    s3_client.create_bucket(Bucket=name)
    s3_client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    monkeypatch.setenv("BUCKET", name)
    return name


@pytest.fixture(scope="session")
def settings(request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """What a runtime of this session is started with: a database of the tests' own where DATABASE_URL names a server."""
    if "DATABASE_URL" not in GIVEN:
        yield {}
        return
    server: Server = request.getfixturevalue("server")
    with server.database() as database:
        yield {"DATABASE_URL": database.url}


@pytest.fixture(scope="session")
def runtime(tmp_path_factory: pytest.TempPathFactory, settings: dict[str, str]) -> Iterator[Runtime]:
    """The whole local runtime, as `make up` starts it, with a state of its own; ``env`` says where its parts are."""
    with running(State(tmp_path_factory.mktemp("runtime")), settings=settings) as started:
        yield started


@pytest.fixture(scope="session")
def synthesised() -> stack.Json:
    """The template as CloudFormation gets it."""
    return stack.synthesised()
