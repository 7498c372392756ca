"""State machines of the local runtime: an object starts one, and its steps are calls of functions as any others."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from local.runtime import control
from local.runtime.process import StartError
from local.runtime.state import ROOT, State
from tests.effort import in_ci
from tests.local.conftest import TEMPLATE
from tests.support.parts import Runtime, processes, running, until
from tests.support.stack import SAM_PYTHON
from tests.support.workflow import states

IDS = (f"20261128T1930{number:02d}Z-0a1b2c3d" for number in range(60))
PLAN = {"try": "aaaaaa", "workers": 2, "source": "live", "state": "begun"}


class Steps:
    """The state machine of a runtime, and the script of what its function does."""

    def __init__(self, runtime: Runtime) -> None:
        env = runtime.env
        session: Any = boto3.session.Session(
            env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"], region_name=env["AWS_DEFAULT_REGION"]
        )
        self.bucket = env["BUCKET"]
        self.s3 = session.client("s3", endpoint_url=env["S3_URL"])
        self.engine = session.client("stepfunctions", endpoint_url=env["AWS_ENDPOINT_URL_SFN"])

    def put(self, key: str, content: object) -> None:
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=json.dumps(content).encode())

    def start(self, script: dict[str, object]) -> str:
        """Ask for a backup whose steps do as the script says, by an object; its id."""
        job = next(IDS)
        self.put(f"script/{job}.json", {"plan": {"id": job, **PLAN}, "failed": {"state": "failed"}, **script})
        self.put(f"work/{job}/aaaaaa/workers.json", [0, 1])
        self.put(f"jobs/large-backup/{job}.json", {})
        return job

    def execution(self, job: str) -> Any:
        """What there is to know of the execution of a job; None if there is none."""
        [machine] = self.engine.list_state_machines()["stateMachines"]
        for each in self.engine.list_executions(stateMachineArn=machine["stateMachineArn"])["executions"]:
            found = self.engine.describe_execution(executionArn=each["executionArn"])
            if json.loads(found["input"]) == {"key": f"jobs/large-backup/{job}.json"}:
                return found
        return None

    def end(self, job: str) -> Any:
        assert until(lambda: (found := self.execution(job)) and found["status"] != "RUNNING", seconds=120)
        return self.execution(job)

    def why(self, job: str) -> list[Any]:
        """What its steps say of their failures, and its workers."""
        execution = self.execution(job)["executionArn"]
        runs = [one["mapRunArn"] for one in self.engine.list_map_runs(executionArn=execution)["mapRuns"]]
        workers = [one for run in runs for one in self.engine.list_executions(mapRunArn=run)["executions"]]
        children = [self.engine.describe_execution(executionArn=one["executionArn"]) for one in workers]
        return [*(one.get("error", {}) for one in self.calls(job)), *(one.get("cause") for one in children)]

    def calls(self, job: str) -> list[dict[str, Any]]:
        pages = self.s3.list_objects_v2(Bucket=self.bucket, Prefix=f"called/{job}/").get("Contents", [])
        return [
            json.loads(self.s3.get_object(Bucket=self.bucket, Key=one["Key"])["Body"].read())
            for one in sorted(pages, key=lambda one: one["LastModified"])
        ]


@pytest.fixture
def steps(stubs: Runtime) -> Steps:
    return Steps(stubs)


def test_an_object_starts_the_state_machine_whose_steps_are_calls_of_the_functions(
    steps: Steps, stubs: Runtime
) -> None:
    job = steps.start({"finish": {"state": "done"}})
    assert steps.end(job)["status"] == "SUCCEEDED", steps.why(job)
    called = steps.calls(job)
    assert sorted(call["action"].removeprefix("large-backup-") for call in called) == [
        "finish",
        "hold",
        "plan",
        "work",
        "work",
    ]
    assert {call["greeting"] for call in called} == {"hello world"}  # by the layer, of a variable
    lines = stubs.log("StepsFunction").splitlines()
    reports = [json.loads(line) for line in lines if "platform.report" in line]
    assert {call["request_id"] for call in called} <= {report["requestId"] for report in reports}


@pytest.mark.parametrize(
    ("does", "told"),
    [
        ("raise", "ValueError"),
        ("exit", "Runtime.ExitError"),
        pytest.param("sleep", "Sandbox.Timedout", marks=in_ci),
    ],
)
def test_what_a_function_ends_with_is_what_the_state_machine_hears(steps: Steps, does: str, told: str) -> None:
    job = steps.start({"hold": does})
    assert (steps.end(job)["status"], steps.execution(job)["error"]) == ("FAILED", "LargeBackupFailed")
    [failed] = [call for call in steps.calls(job) if call["action"] == "large-backup-failed"]
    assert failed["error"]["Error"] == told


def test_other_objects_start_nothing(steps: Steps) -> None:
    for key in ("jobs/backup/x.json", "work/x.json", "uploads-not/x"):
        steps.put(key, {})
    job = steps.start({"plan": {"state": "gone"}})
    assert steps.end(job)["status"] == "SUCCEEDED"
    assert [call["action"] for call in steps.calls(job)] == ["large-backup-plan"]


@pytest.fixture
def own(tmp_path: Path, settings: dict[str, str]) -> Iterator[Runtime]:
    with running(State(tmp_path / "own"), TEMPLATE, settings) as runtime:
        yield runtime


def test_an_end_in_the_middle_of_an_execution_is_an_end_of_all_processes(own: Runtime) -> None:
    steps = Steps(own)
    job = steps.start({"hold": "sleep", "work": "sleep"})
    assert until(lambda: len(steps.calls(job)) == 4, seconds=60)
    functions = {call["process"] for call in steps.calls(job)}
    assert all(Path(f"/proc/{pid}").exists() for pid in functions)
    assert functions <= set(processes(own.state))
    assert control.down(own.state)
    assert not processes(own.state)
    assert not [pid for pid in functions if Path(f"/proc/{pid}").exists()]


@pytest.mark.parametrize(
    ("settings", "told"), [({"SCALE": "yes"}, "on or off"), ({"SCALE_WORKERS": "15"}, "14 at most")]
)
def test_what_cannot_be_played_here_is_no_start(tmp_path: Path, settings: dict[str, str], told: str) -> None:
    with pytest.raises(StartError, match=told):
        control.up(State(tmp_path / "state"), TEMPLATE, settings)


_READ = """
import json, sys
from pathlib import Path
from local.gateway.template import read
for scale in ("on", "off"):
    project = read(Path("template.yaml").resolve(), {"BucketName": "b", "Scale": scale}, {"SCALE": scale})
    print(json.dumps({
        "machines": [machine.name for machine in project.machines],
        "functions": [machine.functions for machine in project.machines],
        "definition": [machine.definition for machine in project.machines],
        "rules": [[rule.name, rule.machine] for rule in project.rules],
        "tells": [bucket.tells_all for bucket in project.buckets],
        "said": project.functions["BackupFunction"].environment["SCALE"],
    }))
"""


def test_of_our_template_it_makes_what_scale_says() -> None:
    environment = {**os.environ, "SAM_CLI_TELEMETRY": "0"}
    done = subprocess.run(
        [str(SAM_PYTHON), "-c", _READ], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    on, off = (json.loads(line) for line in done.stdout.splitlines())
    assert {"LargeBackup", "LargeVerify", "LargeRestore"} == set(on["machines"])
    assert sorted(on["rules"]) == sorted([f"{name}Rule", name] for name in on["machines"])
    assert (on["tells"], on["said"]) == ([True], "on")
    for definition, functions in zip(on["definition"], on["functions"], strict=True):
        assert "${" not in definition
        tasks = [state for _, state, _ in states(json.loads(definition)) if state["Type"] == "Task"]
        called = {state["Parameters"]["FunctionName"].rpartition(":")[2] for state in tasks}
        assert called == set(functions)
    assert (off["machines"], off["rules"], off["tells"], off["said"]) == ([], [], [False], "off")
