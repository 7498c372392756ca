"""What `sam local` is told and what is read from its answers, as far as that needs no Docker."""

import hashlib
import io
import json
import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.runtime.process import StartError
from local.runtime.state import ROOT, State, is_locked
from local.runtime.steps import steps
from local.sam import __main__ as sam
from local.sam import cli, engine, events
from local.sam.cli import FunctionFailed, answer_of
from local.sam.stack import BUCKET, PORTS, Stack, _addresses
from tests.sam.statements import STATEMENTS

REAL = "20300102T030405Z-0badcafe"
LOG = "START RequestId: 1\nTask timed out after 900.00 seconds\n"


def test_every_event_has_a_statement_and_every_statement_an_event() -> None:
    assert sorted(STATEMENTS) == events.names(), "tests/sam/statements.py says what is right for each of events/"


def test_an_event_is_sent_after_those_whose_ids_it_names() -> None:
    left: set[str | None] = {None}
    for name, statement in STATEMENTS.items():
        assert statement.named in left, name
        left.add(statement.leaves)


def records(event: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """S3's records in an event, which may be in the bodies of messages."""
    for record in event.get("Records", []):
        if "body" in record:
            assert record["md5OfBody"] == hashlib.md5(record["body"].encode(), usedforsecurity=False).hexdigest()
            yield from records(json.loads(record["body"]))
        else:
            yield record


@pytest.mark.parametrize("name", events.names())
def test_the_real_id_and_bucket_stand_wherever_the_examples_did(name: str) -> None:
    event = events.load(name)
    example = events.example_id(event)
    assert (example is not None) == bool(STATEMENTS[name].named or STATEMENTS[name].queued)
    filled = events.filled(event, "the-bucket", REAL if example else None)
    text = json.dumps(filled)
    if example:
        assert example not in text
        assert text.count(REAL) == json.dumps(event).count(example) >= 1
        assert text.replace(REAL, example) == json.dumps(events.filled(event, "the-bucket", example))
    for record in records(filled):
        assert record["s3"]["bucket"]["name"] == "the-bucket"
        assert record["s3"]["bucket"]["arn"] == "arn:aws:s3:::the-bucket"
    if "Records" not in event and not example:
        assert filled == event
    assert event == events.load(name), "the event given is left as it was"


@pytest.mark.parametrize(("name", "identity"), [("undo", None), ("backups", REAL), ("load-s3", REAL)])
def test_an_id_too_many_or_too_few_is_an_error(name: str, identity: str | None) -> None:
    with pytest.raises(ValueError, match="the event names"):
        events.filled(events.load(name), "the-bucket", identity)


@pytest.mark.parametrize(
    ("output", "answer"),
    [
        ('{"statusCode": 200, "body": "[]"}', {"statusCode": 200, "body": "[]"}),
        ('a line that a function printed\n["20300102T030405Z-0badcafe"]\n', [REAL]),
        ('{"body": "a\u2028b\x85c"}', {"body": "a\u2028b\x85c"}),
        ("null", None),
    ],
)
def test_an_answer_is_the_last_line_that_sam_prints(output: str, answer: Any) -> None:
    assert answer_of(output, LOG) == answer


@pytest.mark.parametrize(
    ("output", "why"),
    [
        ('{"errorMessage": "No file.", "errorType": "ObjectNotFound", "requestId": "1"}', "ObjectNotFound: No file."),
        ("", "timed out after 900"),
        ("Error: no such function\n", "no such function"),
    ],
)
def test_an_error_and_no_answer_are_failures_that_say_why(output: str, why: str) -> None:
    with pytest.raises(FunctionFailed, match=why):
        answer_of(output, LOG)


def test_sam_gets_no_key_of_anybody(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "somebody's")
    monkeypatch.setenv("MAKEFLAGS", "--jobs")
    given = cli.environment()
    assert {name for name in given if name.startswith("AWS_")} == {
        "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_EC2_METADATA_DISABLED", "AWS_DEFAULT_REGION",
    }  # fmt: skip
    assert "MAKEFLAGS" not in given


WITHOUT_COMPOSE = 'case "$1" in version) echo 28.0 ;; compose) exit 1 ;; esac'


def program(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


@pytest.mark.parametrize(
    ("docker", "standalone", "found"),
    [
        ("echo 2.26.1-4", None, ["docker", "compose"]),
        ("echo v5.0.1", None, ["docker", "compose"]),
        ("exit 1", "echo 2.26.1", ["docker-compose"]),
    ],
)
def test_compose_is_the_plugin_or_the_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, docker: str, standalone: str | None, found: list[str]
) -> None:
    program(tmp_path, "docker", f'if [ "$1" = version ]; then echo 28.0; else {docker}; fi')
    if standalone:
        program(tmp_path, "docker-compose", standalone)
    monkeypatch.setenv("PATH", f"{tmp_path}")
    assert engine.require() == found


@pytest.mark.parametrize(
    ("docker", "standalone", "says"),
    [
        (None, None, "apt-get install docker.io"),
        ("exit 1", None, "no Docker engine answers"),
        (WITHOUT_COMPOSE, None, "Docker Compose 2 is missing"),
        (WITHOUT_COMPOSE, "echo 1.29.2", "Docker Compose 2 is missing"),
    ],
)
def test_where_docker_is_missing_it_is_said_what_to_install(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    docker: str | None,
    standalone: str | None,
    says: str,
) -> None:
    for name, script in (("docker", docker), ("docker-compose", standalone)):
        if script:
            program(tmp_path, name, script)
    monkeypatch.setenv("PATH", f"{tmp_path}")
    monkeypatch.setenv("TABLEFERRY_STATE", f"{tmp_path / 'state'}")
    with pytest.raises(StartError, match=says):
        engine.require()
    assert sam.main(["up"]) == 1
    assert says in capsys.readouterr().err
    assert sam.main(["down"]) == sam.main(["down", "--data"]) == 0, "nothing was started, so nothing needs Docker"
    assert sam.main(["load", "uploads/jobs/x.csv"]) == 1
    assert "make sam-up" in capsys.readouterr().err


def test_compose_is_told_project_and_ports_and_nothing_of_the_person(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path, "docker", "echo 2.26.1")
    monkeypatch.setenv("PATH", f"{tmp_path}")
    monkeypatch.setenv("COMPOSE_FILE", "another.yaml")
    monkeypatch.setenv("DOCKER_HOST", "unix:///run/another.sock")
    command, environment = engine.compose("mine", {"S3_PORT": 4567}, "up")
    assert command == ["docker", "compose", "--file", str(ROOT / "compose.yaml"), "up"]
    ours = {"COMPOSE_PROJECT_NAME": "mine", "S3_PORT": "4567"}
    assert environment == {name: value for name, value in os.environ.items() if name != "COMPOSE_FILE"} | ours


def test_what_compose_and_the_functions_are_told_of_each_other_agrees() -> None:
    told = json.loads((ROOT / "local" / "sam" / "env.json").read_text(encoding="utf-8"))["Parameters"]
    compose = (ROOT / "compose.yaml").read_text(encoding="utf-8")
    assert told["BUCKET"] == BUCKET
    assert f"/bucket.py, {BUCKET}]" in compose
    assert all(f"${{{name}:-" in compose for name in PORTS if name != "API_PORT")
    for service, port in (("mysql", 3306), ("s3", 4566)):
        assert f"\n  {service}:" in compose
        assert f":{port}" in compose
    env = _addresses(dict.fromkeys(PORTS, 1))
    assert env["DATABASE_URL"] == told["DATABASE_URL"].replace("@mysql:3306", "@127.0.0.1:1")
    assert told["AWS_ENDPOINT_URL_S3"] == "http://s3:4566"


def test_the_emulator_in_its_container_is_of_the_release_that_runs_without_one() -> None:
    pinned = (ROOT / "tools" / "requirements" / "s3.txt").read_text(encoding="utf-8")
    (release,) = re.findall(r"^ministack==(\S+)$", pinned, re.MULTILINE)
    assert f"image: ministackorg/ministack:{release}\n" in (ROOT / "compose.yaml").read_text(encoding="utf-8")


def test_a_stack_that_does_not_run_is_not_taken_for_one_that_does(tmp_path: Path) -> None:
    state = State(tmp_path)
    state.make()
    stack = Stack(state, "tableferry-none", tmp_path / "build")
    state.write_runtime({"project": "tableferry-none", "build": "x", "env": {"API_URL": "http://127.0.0.1:1"}})
    assert stack.running() is None, "nobody holds its lock"


def test_a_port_that_is_taken_or_none_is_named_before_anything_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    program(tmp_path, "docker", f'echo "$@" >> {tmp_path}/asked; echo 2.26.1')
    monkeypatch.setenv("PATH", f"{tmp_path}")
    monkeypatch.setenv("TABLEFERRY_STATE", f"{tmp_path / 'state'}")
    monkeypatch.setenv("API_PORT", "eighty")
    assert sam.main(["up"]) == 1
    assert "API_PORT=eighty: a port is a number" in capsys.readouterr().err
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
        monkeypatch.setenv("API_PORT", port)
        assert sam.main(["up"]) == 1
    assert f"something listens on port {port} already" in capsys.readouterr().err
    asked = (tmp_path / "asked").read_text().split()
    assert "version" in asked
    assert "up" not in asked
    assert not is_locked(State(tmp_path / "state" / "sam").lock)


def test_what_runs_at_other_ports_than_are_asked_for_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    env = _addresses({"MYSQL_PORT": 1001, "S3_PORT": 1002, "API_PORT": 1003})
    monkeypatch.setattr(Stack, "running", lambda _: env)

    def stack(**ports: int) -> Stack:
        return Stack(State(tmp_path), "tableferry-none", tmp_path / "build", ports)

    assert stack().up() == env
    assert stack(S3_PORT=1002, API_PORT=1003).up() == env
    with pytest.raises(StartError, match=r"API_PORT is 1003, and 2003 is asked for.*make sam-down"):
        stack(MYSQL_PORT=1001, API_PORT=2003).up()


DOCKER = """
case "$*" in
    *"config --images") printf 'mysql:9.7\\nministack:1\\n' ;;
    "image inspect"*mysql*) echo 400000000 ;;
    "image inspect"*) [ -e {folder}/pulled ] && echo 157000000 || exit 1 ;;
    pull*) {pull} ;;
    *"up --detach --wait") echo mysql is healthy; {up} ;;
    *version*) echo 2.26.1 ;;
esac
"""


def stack_of(
    folder: Path, monkeypatch: pytest.MonkeyPatch, up: str = "true", pull: str = "touch {folder}/pulled"
) -> Stack:
    """A stack whose engine and SAM only say what those would."""
    program(folder, "docker", DOCKER.replace("{up}", up).replace("{pull}", pull).replace("{folder}", str(folder)))
    program(
        folder, "sam", 'case "$1" in build) echo "Building layer"; exit $(cat "$0.status");; *) exec sleep 60;; esac'
    )
    (folder / "sam.status").write_text("0")
    (folder / "build").mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setattr("local.sam.cli.SAM", folder / "sam")
    monkeypatch.setattr("local.sam.stack._answers", lambda _: True)
    return Stack(State(folder / "state"), "tableferry-none", folder / "build")


def test_what_sam_up_does_is_shown_step_by_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stack, out = stack_of(tmp_path, monkeypatch), io.StringIO()
    try:
        with steps("sam-up", out) as shown:
            stack.up(shown)
    finally:
        stack.down()
    ends = {
        re.sub(r"[\d.]+ s( in all)?$", r"N s\1", line) for line in out.getvalue().splitlines() if ": 0:" not in line
    }
    assert {
        "sam-up: images: 2 images, 557 MB, N s",
        "sam-up: containers: 2 containers, N s",
        "sam-up: sam build: 0 kB, N s",
        "sam-up: the API's first answer: N s",
        "sam-up: N s in all",
    } <= ends
    assert (tmp_path / "pulled").exists()


def test_a_step_of_sam_up_that_fails_shows_all_that_it_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    many = "i=0; while [ $i -lt 300 ]; do echo line $i; i=$((i+1)); done; exit 3"
    stack, out = stack_of(tmp_path, monkeypatch, up=many), io.StringIO()
    (tmp_path / "sam.status").write_text("4")
    with steps("sam-up", out) as shown, pytest.raises(StartError) as failed:
        stack.up(shown)
    said = str(failed.value)
    assert [line.strip() for line in said.splitlines() if line.startswith("    line ")] == [
        f"line {n}" for n in range(300)
    ]
    assert "ended with exit status 3" in said
    assert "ended with exit status 4" in said  # beside it, and no less of it
    assert "    Building layer" in said
    assert len(re.findall(r": failed after [\d.]+ s$", out.getvalue(), re.MULTILINE)) == 2
    assert stack.running() is None


def test_an_image_that_cannot_be_pulled_is_said_with_the_engines_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack = stack_of(tmp_path, monkeypatch, pull="echo no such host; exit 1")
    with pytest.raises(StartError, match=r"docker pull ministack:1.*\n +no such host"):
        stack.up()
