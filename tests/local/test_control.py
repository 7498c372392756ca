"""Up and down: harmless twice, side by side, after any death, and never leaving a process behind."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from local import control
from local.process import StartError, free_port
from local.setup import find_server
from local.state import ROOT, State, is_locked
from tests.local.conftest import TEMPLATE
from tests.support import Server, connect, processes, running, until

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


def test_the_allow_list_of_tables_reaches_the_functions(state: State, elsewhere: dict[str, str]) -> None:
    with closing(connect(elsewhere["DATABASE_URL"])) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE jobs (id INT PRIMARY KEY)")
        cursor.execute("CREATE TABLE secrets (id INT PRIMARY KEY)")
    with running(state, settings=elsewhere | {"TABLES": "j*"}) as runtime:
        shown = httpx.get(runtime.env["API_URL"] + "/tables").json()["tables"]
        assert [table["name"] for table in shown] == ["jobs"]
        assert httpx.get(runtime.env["API_URL"] + "/tables/secrets").status_code == 403


@own_server
def test_two_run_side_by_side(state: State, tmp_path: Path) -> None:
    other = State(tmp_path / "other")
    with running(state, TEMPLATE) as one, running(other, TEMPLATE) as two:
        assert not set(processes(state)) & set(processes(other))
        for name in ("API_URL", "S3_URL", "DATABASE_URL", "AWS_SECRET_ACCESS_KEY"):
            assert one.env[name] != two.env[name]
        assert control.down(state)
        assert httpx.get(two.env["API_URL"] + "/echo/a").status_code == 200


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


def test_no_function_outlives_a_gateway_that_was_killed(state: State, elsewhere: dict[str, str]) -> None:
    env = control.up(state, TEMPLATE, elsewhere)
    with ThreadPoolExecutor(1) as threads:
        threads.submit(httpx.post, env["API_URL"] + "/faults/slow", timeout=60)
        assert until(lambda: "FaultsFunction.log" in {log.name for log in state.logs.iterdir()})
        os.kill(state.read_runtime()["group"], signal.SIGKILL)
        assert until(lambda: not is_locked(state.lock))
    assert processes(state) == []
    assert "the gateway ended by itself" in state.read_runtime()["error"]


def test_a_part_that_ends_ends_all(state: State, elsewhere: dict[str, str]) -> None:
    env = control.up(state, TEMPLATE, elsewhere)
    port = int(env["S3_URL"].rpartition(":")[2])
    found = subprocess.run(["pgrep", "-f", "ministack"], capture_output=True, text=True, check=False).stdout.split()
    (emulator,) = set(map(int, found)) & set(processes(state))
    os.kill(emulator, signal.SIGKILL)
    assert until(lambda: not is_locked(state.lock))
    assert processes(state) == []
    assert "the S3 emulator ended by itself" in state.read_runtime()["error"]
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port), 1)


def test_a_port_that_is_taken_is_said_and_nothing_is_left(state: State, elsewhere: dict[str, str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(StartError, match=r"(?s)the gateway did not start.*in use"):
            control.up(state, TEMPLATE, {**elsewhere, "API_PORT": str(taken.getsockname()[1])})
    assert processes(state) == []


def test_the_api_has_the_port_that_was_asked_for(state: State, elsewhere: dict[str, str]) -> None:
    port = free_port()
    with running(state, TEMPLATE, {**elsewhere, "API_PORT": str(port), "BUCKET": "a-bucket-of-mine"}) as runtime:
        assert runtime.env["API_URL"] == f"http://127.0.0.1:{port}"
        assert runtime.env["BUCKET"] == "a-bucket-of-mine"


def test_a_broken_template_is_said_and_nothing_is_left(state: State, tmp_path: Path, elsewhere: dict[str, str]) -> None:
    broken = tmp_path / "template.yaml"
    broken.write_text("Resources: [")
    with pytest.raises(StartError, match="the gateway did not start"):
        control.up(state, broken, elsewhere)
    assert processes(state) == []


def test_a_database_that_does_not_answer_is_said_without_its_password(state: State) -> None:
    with pytest.raises(StartError, match="DATABASE_URL") as caught:
        control.up(state, TEMPLATE, {"DATABASE_URL": f"mysql://me:hush-hush@127.0.0.1:{free_port()}/mine"})
    assert "hush-hush" not in str(caught.value)
    assert "hush-hush" not in "".join(log.read_text() for log in state.logs.iterdir())
    assert processes(state) == []


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
