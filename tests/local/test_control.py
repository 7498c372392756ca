"""Up and down: harmless twice, side by side, after any death, and never leaving a process behind."""

import io
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import httpx
import pytest

from local.runtime import control
from local.runtime.find_server import find_server
from local.runtime.process import StartError, free_port
from local.runtime.state import ROOT, State, is_locked
from local.runtime.steps import steps
from tests.effort import by_turns, in_ci, sample, thorough
from tests.local.conftest import TEMPLATE
from tests.support.parts import Runtime, Server, connect, processes, running, until

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

own_server = pytest.mark.skipif(find_server() is None, reason="no mysqld or mariadbd on this machine")


@pytest.fixture
def elsewhere(server: Server) -> Iterator[dict[str, str]]:
    """Settings by which a runtime needs no database of its own to start."""
    with server.database() as database:
        yield {"DATABASE_URL": database.url}


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State(tmp_path / "state")


@own_server
@by_turns
def test_the_parts_of_a_runtime_that_starts_are_shown(state: State) -> None:
    out = io.StringIO()
    try:
        with steps("up", out) as shown:
            control.up(state, TEMPLATE, shown=shown)
        ends = [line for line in out.getvalue().splitlines() if re.search(r" s$", line)]
        parts = (
            r"up: S3: \d+ kB, [\d.]+ s|up: the database: \d+ MB, [\d.]+ s|up: the gateway: [\d.]+ s|up: [\d.]+ s in all"
        )
        assert len([line for line in out.getvalue().splitlines() if re.fullmatch(parts, line)]) == len(ends) + 1 == 4
        before = out.getvalue()
        with steps("up", out) as shown:
            control.up(state, TEMPLATE, shown=shown)
        assert out.getvalue() == before  # it runs
    finally:
        control.down(state)


@by_turns
def test_a_part_that_does_not_start_is_shown_to_have_failed(state: State) -> None:
    out = io.StringIO()
    nowhere = {"DATABASE_URL": f"mysql://me:hush@127.0.0.1:{free_port()}/mine"}
    with steps("up", out) as shown, pytest.raises(StartError, match="does not let us in"):
        control.up(state, TEMPLATE, nowhere, shown)
    assert re.search(r"^up: the database: failed after [\d.]+ s$", out.getvalue(), re.MULTILINE)


@own_server
@by_turns
def test_up_twice_is_harmless_and_down_leaves_nothing(state: State) -> None:
    first = control.up(state, TEMPLATE)
    try:
        assert httpx.get(first["API_URL"] + "/echo/a").status_code == 200
        alive = processes(state)
        assert len(alive) >= 5  # supervisor, database, S3, gateway, a function
        assert control.up(state, TEMPLATE) == first
        assert processes(state) == alive
    finally:
        assert control.down(state)
    assert processes(state) == []
    assert not any(Path(f"/proc/{process}").exists() for process in alive)
    assert not state.env.exists()
    assert not control.down(state)


@by_turns
def test_the_allow_list_of_tables_reaches_the_functions(state: State, elsewhere: dict[str, str]) -> None:
    with closing(connect(elsewhere["DATABASE_URL"])) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE jobs (id INT PRIMARY KEY)")
        cursor.execute("CREATE TABLE secrets (id INT PRIMARY KEY)")
    with running(state, settings=elsewhere | {"TABLES": "j*"}) as runtime:
        shown = httpx.get(runtime.env["API_URL"] + "/tables").json()["tables"]
        assert [table["name"] for table in shown] == ["jobs"]
        assert httpx.get(runtime.env["API_URL"] + "/tables/secrets").status_code == 403


@own_server
@by_turns
def test_two_run_side_by_side(state: State, tmp_path: Path) -> None:
    other = State(tmp_path / "other")
    with running(state, TEMPLATE) as one, running(other, TEMPLATE) as two:
        assert not set(processes(state)) & set(processes(other))
        for name in ("API_URL", "S3_URL", "DATABASE_URL", "AWS_SECRET_ACCESS_KEY"):
            assert one.env[name] != two.env[name]
        assert control.down(state)
        assert httpx.get(two.env["API_URL"] + "/echo/a").status_code == 200


@in_ci
@own_server
def test_up_after_all_were_killed_starts_and_the_data_is_there(state: State) -> None:
    env = control.up(state, TEMPLATE)
    try:
        with connect(env["DATABASE_URL"]) as connection, connection.cursor() as cursor:
            cursor.execute("CREATE TABLE kept (id INT PRIMARY KEY)")
        for process in processes(state):
            os.kill(process, signal.SIGKILL)
        assert until(lambda: not is_locked(state.lock))
        again = control.up(state, TEMPLATE)
        with connect(again["DATABASE_URL"]) as connection, connection.cursor() as cursor:
            cursor.execute("SHOW TABLES LIKE 'kept'")
            assert cursor.fetchall() == (("kept",),)
    finally:
        control.down(state)
    assert processes(state) == []


@thorough
def test_up_after_the_supervisor_was_killed_clears_the_rest_away(state: State, elsewhere: dict[str, str]) -> None:
    env = control.up(state, TEMPLATE, elsewhere)
    try:
        httpx.get(env["API_URL"] + "/echo/a")
        before = processes(state)
        os.kill(state.read_runtime()["pid"], signal.SIGKILL)
        assert until(lambda: not is_locked(state.supervisor))
        assert is_locked(state.lock)
        again = control.up(state, TEMPLATE, elsewhere)
        assert httpx.get(again["API_URL"] + "/echo/a").status_code == 200
        assert not set(before) & set(processes(state))
    finally:
        control.down(state)
    assert processes(state) == []


@by_turns
def test_no_function_outlives_a_gateway_that_was_killed(state: State, elsewhere: dict[str, str]) -> None:
    env = control.up(state, TEMPLATE, elsewhere)
    with ThreadPoolExecutor(1) as threads:
        threads.submit(httpx.post, env["API_URL"] + "/faults/slow", timeout=60)
        assert until(lambda: "FaultsFunction.log" in {log.name for log in state.logs.iterdir()})
        os.kill(state.read_runtime()["group"], signal.SIGKILL)
        assert until(lambda: not is_locked(state.lock))
    assert processes(state) == []
    assert "the gateway ended by itself" in state.read_runtime()["error"]


@by_turns
def test_a_part_that_ends_ends_all(state: State, elsewhere: dict[str, str]) -> None:
    env = control.up(state, TEMPLATE, elsewhere)
    port = int(env["S3_URL"].rpartition(":")[2])
    found = subprocess.run(
        ["pgrep", "-f", "local.runtime.s3_emulator"], capture_output=True, text=True, check=False
    ).stdout.split()
    (emulator,) = set(map(int, found)) & set(processes(state))
    os.kill(emulator, signal.SIGKILL)
    assert until(lambda: not is_locked(state.lock))
    assert processes(state) == []
    assert "the S3 emulator ended by itself" in state.read_runtime()["error"]
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port), 1)


@by_turns
def test_a_port_that_is_taken_is_said_and_nothing_is_left(state: State, elsewhere: dict[str, str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(StartError, match=r"(?s)the gateway did not start.*in use"):
            control.up(state, TEMPLATE, {**elsewhere, "API_PORT": str(taken.getsockname()[1])})
    assert processes(state) == []


@by_turns
def test_the_api_has_the_port_that_was_asked_for(state: State, elsewhere: dict[str, str]) -> None:
    port = free_port()
    with running(state, TEMPLATE, {**elsewhere, "API_PORT": str(port), "BUCKET": "a-bucket-of-mine"}) as runtime:
        assert runtime.env["API_URL"] == f"http://127.0.0.1:{port}"
        assert runtime.env["BUCKET"] == "a-bucket-of-mine"


@by_turns
def test_a_broken_template_is_said_and_nothing_is_left(state: State, tmp_path: Path, elsewhere: dict[str, str]) -> None:
    broken = tmp_path / "template.yaml"
    broken.write_text("Resources: [")
    with pytest.raises(StartError, match="the gateway did not start"):
        control.up(state, broken, elsewhere)
    assert processes(state) == []


@by_turns
def test_a_database_that_does_not_answer_is_said_without_its_password(state: State) -> None:
    with pytest.raises(StartError, match="DATABASE_URL") as caught:
        control.up(state, TEMPLATE, {"DATABASE_URL": f"mysql://me:hush-hush@127.0.0.1:{free_port()}/mine"})
    assert "hush-hush" not in str(caught.value)
    assert "hush-hush" not in "".join(log.read_text() for log in state.logs.iterdir())
    assert processes(state) == []


@thorough
def test_addresses_and_keys_are_the_same_at_the_next_start_and_a_port_that_was_taken_is_said(
    state: State, elsewhere: dict[str, str]
) -> None:
    with running(state, TEMPLATE, elsewhere) as runtime:
        first = dict(runtime.env)
        signing = (state.folder / "signing.key").read_text()
    with running(state, TEMPLATE, elsewhere) as runtime:
        assert runtime.env == first
        assert state.read_runtime()["notes"] == []
    assert (state.folder / "signing.key").read_text() == signing
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", int(first["S3_URL"].rpartition(":")[2])))
        taken.listen()
        with running(state, TEMPLATE, elsewhere) as runtime:
            changed = {"S3_URL": runtime.env["S3_URL"], "AWS_ENDPOINT_URL_S3": runtime.env["S3_URL"]}
            assert runtime.env == first | changed != first
            (note,) = state.read_runtime()["notes"]
    assert first["S3_URL"].rpartition(":")[2] in note
    assert changed["S3_URL"].rpartition(":")[2] in note


@own_server
@thorough
def test_a_shell_that_knows_the_addresses_can_start_it_again(state: State) -> None:
    with running(state, TEMPLATE) as runtime:
        known = {name: runtime.env[name] for name in ("API_URL", "BUCKET", "DATABASE_URL")}  # as `. .local/env` sets
        assert control.up(state, settings=known) == runtime.env
    with running(state, TEMPLATE, known) as runtime:
        assert {name: runtime.env[name] for name in known} == known
        assert len(processes(state)) >= 4  # with its own database


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("DATABASE_URL", "mysql://me:hush-hush@db.example:3306/mine", "db.example:3306/mine"),
        ("BUCKET", "another-bucket", "another-bucket"),
        ("API_PORT", "1234", "1234"),
        ("TABLES", "orders", "orders"),
        ("TABLE_SETTINGS", '{"a": {"null": "NULL"}}', '{"a": {"null": "NULL"}}'),
        ("LEDGER_DAYS", "3", "3"),
        ("WORKERS", "4", "4"),
    ],
)
@sample(2)
def test_up_with_other_settings_than_it_runs_with_is_refused_and_changes_nothing(
    stubs: Runtime, settings: dict[str, str], name: str, value: str, shown: str
) -> None:
    alive = processes(stubs.state)
    with pytest.raises(StartError, match="make down") as caught:
        control.up(stubs.state, TEMPLATE, settings | {name: value})
    assert name in str(caught.value)
    assert shown in str(caught.value)
    assert "hush-hush" not in str(caught.value)
    assert stubs.env["DATABASE_URL"].split(":")[2].partition("@")[0] not in str(caught.value)
    assert set(alive) <= set(processes(stubs.state))
    assert control.up(stubs.state, TEMPLATE, settings) == stubs.env
    assert control.up(stubs.state, settings=settings) == stubs.env


def test_up_with_another_template_than_it_runs_with_is_refused(stubs: Runtime) -> None:
    with pytest.raises(StartError, match="template"):
        control.up(stubs.state, control.TEMPLATE)


@thorough
def test_an_event_that_was_under_way_when_all_was_killed_is_delivered_at_the_next_start(
    state: State, elsewhere: dict[str, str]
) -> None:
    def client(env: Mapping[str, str]) -> "S3Client":
        with pytest.MonkeyPatch.context() as environment:
            for name, value in env.items():
                environment.setenv(name, value)
            return boto3.session.Session().client("s3")

    env = control.up(state, TEMPLATE, elsewhere)
    try:
        s3 = client(env)
        s3.put_object(Bucket=env["BUCKET"], Key="uploads/first", Body=b"1")  # so that its function is there
        for process in sorted(processes(state), key=lambda pid: pid != state.read_runtime()["pid"]):
            os.kill(process, signal.SIGSTOP)
        emulator = next(pid for pid in processes(state) if b"s3_emulator" in Path(f"/proc/{pid}/cmdline").read_bytes())
        os.kill(emulator, signal.SIGCONT)
        s3.put_object(Bucket=env["BUCKET"], Key="uploads/second", Body=b"2")  # nobody can have heard of it
        for process in processes(state):
            os.kill(process, signal.SIGKILL)
        assert until(lambda: not is_locked(state.lock))
        again = control.up(state, TEMPLATE, elsewhere)
        assert again == env
        s3 = client(again)
        for key in ("first", "second"):
            prefix = f"seen/uploads/{key}/"
            assert until(lambda: "Contents" in s3.list_objects_v2(Bucket=env["BUCKET"], Prefix=prefix))  # noqa: B023
    finally:
        control.down(state)


@by_turns
def test_the_command_line_says_what_is_where(state: State, elsewhere: dict[str, str]) -> None:
    def local(*arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "local", "--state", str(state.folder), *arguments]
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            cwd=ROOT,
            check=False,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **elsewhere},
        )

    assert local("status").returncode == 1
    try:
        up = local("up", "--template", str(TEMPLATE))
        assert up.returncode == 0, up.stderr
        assert control.up(state)["API_URL"] in up.stdout
        assert local("status").stdout == up.stdout
    finally:
        down = local("down")
    assert (down.returncode, down.stdout) == (0, "Stopped.\n")
