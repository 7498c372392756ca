"""Functions in processes: what an invocation gives when all is well, and when it is not."""

import contextlib
import json
import os
import queue
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.gateway.function import Function, Result
from local.gateway.pool import Pool
from local.gateway.runtime_api import Invocation, RuntimeApi

HANDLER = """
import json, os, sys, time
LOADED = time.time()
if os.environ.get("BREAK"):
    raise ImportError("broken on purpose")
def handler(event, context):
    do = event.get("do")
    if do == "raise": raise KeyError("x")
    if do == "exit": sys.exit(4)
    if do == "die": os._exit(5)
    if do == "late": os.kill(os.getpid(), 0); __import__("threading").Timer(0.05, lambda: os._exit(6)).start()
    if do == "sleep": time.sleep(event["seconds"])
    print("did", do)
    return {"pid": os.getpid(), "remaining": context.get_remaining_time_in_millis(), "arn": context.invoked_function_arn,
            "path": sys.path[:3], "extra": EXTRA}
EXTRA = "first"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "app.py").write_text(HANDLER)
    return tmp_path


@pytest.fixture
def pool(folder: Path) -> Iterator[Pool]:
    pool = Pool(Path(sys.executable), {}, folder, concurrency=2)
    yield pool
    pool.close()


def function(folder: Path, **environment: str) -> Function:
    settings = {"AWS_LAMBDA_FUNCTION_NAME": "Sample", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128"}
    return Function("Sample", "app.handler", folder / "code", (), 2, 128, {**settings, **environment})


def call(pool: Pool, one: Function, **event: Any) -> Result:
    return pool.invoke(one, json.dumps(event).encode())


def error(result: Result) -> tuple[str, str]:
    assert result.failed
    found = json.loads(result.payload)
    return found["errorType"], found["errorMessage"]


def test_a_process_is_kept_and_the_time_left_starts_with_the_call(pool: Pool, folder: Path) -> None:
    first = json.loads(call(pool, function(folder)).payload)
    time.sleep(0.5)
    begin = time.monotonic()
    second = json.loads(call(pool, function(folder)).payload)
    took = time.monotonic() - begin
    assert first["pid"] == second["pid"]
    assert 2000 - 1000 * took - 50 < second["remaining"] <= 2000
    assert second["arn"].endswith(":function:Sample")
    assert str(folder / "code") in second["path"]


def test_an_exception_is_reported_and_the_process_stays(pool: Pool, folder: Path) -> None:
    before = json.loads(call(pool, function(folder)).payload)["pid"]
    assert error(call(pool, function(folder), do="raise")) == ("KeyError", "'x'")
    assert json.loads(call(pool, function(folder)).payload)["pid"] == before


@pytest.mark.parametrize(
    ("do", "kind", "text"), [("exit", "Runtime.ExitError", "4"), ("die", "Runtime.ExitError", "5")]
)
def test_a_process_that_ends_is_an_error_and_the_next_call_has_a_fresh_one(
    pool: Pool, folder: Path, do: str, kind: str, text: str
) -> None:
    found, message = error(call(pool, function(folder), do=do))
    assert found == kind
    assert f"exit status {text}" in message
    assert not call(pool, function(folder)).failed


def test_a_process_that_ended_while_idle_is_no_error(pool: Pool, folder: Path) -> None:
    before = json.loads(call(pool, function(folder), do="late").payload)["pid"]
    with contextlib.suppress(ChildProcessError):  # the pool has seen it
        os.waitid(os.P_PID, before, os.WEXITED | os.WNOWAIT)
    assert json.loads(call(pool, function(folder)).payload)["pid"] != before


def test_an_event_is_not_taken_by_a_process_that_died_while_it_waited_for_one() -> None:
    """Its death and the next event may come at once; so it is looked for when the event is there."""
    api = RuntimeApi()
    asked = b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    dead, alive = (socket.create_connection(("127.0.0.1", api.server_port)) for _ in range(2))
    with dead, alive:
        dead.sendall(asked)
        time.sleep(0.2)  # until it waits
        dead.close()
        time.sleep(0.2)
        api.invocations.put(Invocation(b"{}", 1, "arn", "an-id"))
        with pytest.raises(queue.Empty):
            api.reports.get(timeout=0.3)
        alive.sendall(asked)
        assert api.reports.get(timeout=5) == ("taken", b"")
        assert b"an-id" in alive.recv(65536)
    api.close()


def test_a_call_beyond_its_time_is_ended(pool: Pool, folder: Path) -> None:
    begin = time.monotonic()
    kind, message = error(call(pool, function(folder), do="sleep", seconds=30))
    assert kind == "Sandbox.Timedout"
    assert message.endswith("Task timed out after 2.00 seconds")
    assert time.monotonic() - begin < 10
    assert not call(pool, function(folder)).failed


def test_modules_that_do_not_load_are_reported(pool: Pool, folder: Path) -> None:
    kind, message = error(call(pool, function(folder, BREAK="1")))
    assert kind == "Runtime.ImportModuleError"
    assert "broken on purpose" in message


def test_changed_source_is_run_by_the_next_call(pool: Pool, folder: Path) -> None:
    assert json.loads(call(pool, function(folder)).payload)["extra"] == "first"
    (folder / "code" / "app.py").write_text(HANDLER.replace('"first"', '"second"'))
    time.sleep(0.6)
    assert json.loads(call(pool, function(folder)).payload)["extra"] == "second"


def test_no_more_processes_run_than_allowed(pool: Pool, folder: Path) -> None:
    calls = [pool.start(function(folder), b'{"do": "sleep", "seconds": 0.3}') for _ in range(5)]
    assert len({json.loads(one.result(30).payload)["pid"] for one in calls}) == 2


def test_what_a_function_prints_is_in_its_log_with_a_report(pool: Pool, folder: Path) -> None:
    call(pool, function(folder), do="print")
    log = (folder / "Sample.log").read_text()
    assert "did print" in log
    report = json.loads(log.splitlines()[-1])
    assert report["status"] == "success"
    assert report["durationMs"] < 2000
