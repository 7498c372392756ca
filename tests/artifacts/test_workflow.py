"""What no emulator can prove of the state machines, read from their definitions."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from local.runtime.state import ROOT
from tests.artifacts.test_template import DEPLOYMENTS
from tests.support.stack import Json, Stack
from tests.support.workflow import MACHINES, definition, function_of, states

DEFINITIONS = {machine: definition(machine) for machine in MACHINES}
BACKUP = DEFINITIONS["LargeBackup"]
EACH = [
    (f"{machine}.{name}", state, around)
    for machine, found in DEFINITIONS.items()
    for name, state, around in states(found)
]
TASKS = [(name, state, around) for name, state, around in EACH if state["Type"] == "Task"]
MAPS = [(name, state, around) for name, state, around in EACH if state["Type"] == "Map"]
FUNCTION_SECONDS = 900
# What the emulator, or the other one, leaves aside in silence or does otherwise, so that what was tried here would be
# something else in an account.
IGNORED = {
    "ItemBatcher",
    "ResultWriter",
    "MaxConcurrencyPath",
    "ToleratedFailurePercentagePath",
    "ToleratedFailureCount",
    "ToleratedFailureCountPath",
    "TimeoutSecondsPath",
    "HeartbeatSeconds",
    "QueryLanguage",
    "Arguments",
    "Assign",
    "Output",
    "ItemsPath",
    "JitterStrategy",
    "MaxDelaySeconds",
}


def keys(value: object) -> set[str]:
    """Every name in it, however deep."""
    if isinstance(value, dict):
        return set(value) | {name for inner in value.values() for name in keys(inner)}
    return {name for inner in value for name in keys(inner)} if isinstance(value, list) else set()


def texts(value: object) -> list[str]:
    if isinstance(value, dict):
        return [text for inner in value.values() for text in texts(inner)]
    if isinstance(value, list):
        return [text for inner in value for text in texts(inner)]
    return [value] if isinstance(value, str) else []


def is_caught(state: Json, around: tuple[Json, ...]) -> bool:
    """Whether any error of it has somewhere to go: its own Catch, or that of what is around it."""
    return any(["States.ALL"] in [one["ErrorEquals"] for one in held.get("Catch", ())] for held in (state, *around))


def test_every_state_has_a_name_of_its_own() -> None:
    names = [name for name, _, _ in EACH]
    assert sorted(names) == sorted(set(names))


def test_every_state_is_reached_and_leads_to_one_that_is_there() -> None:
    inner = [
        inner for _, state, _ in EACH for inner in (*state.get("Branches", ()), state.get("ItemProcessor")) if inner
    ]
    for machine in (*DEFINITIONS.values(), *inner):
        reached, next_ones = set(), [machine["StartAt"]]
        while next_ones:
            name = next_ones.pop()
            if name in reached:
                continue
            reached.add(name)
            state = machine["States"][name]
            told = [state.get("Next"), state.get("Default")]
            told += [one["Next"] for one in (*state.get("Choices", ()), *state.get("Catch", ()))]
            next_ones += [one for one in told if one]
            ends = state.get("End") is True or state["Type"] in {"Succeed", "Fail"}
            assert ends != bool([one for one in told if one])
        assert reached == machine["States"].keys()


@pytest.mark.parametrize(("name", "state", "around"), TASKS, ids=[name for name, _, _ in TASKS])
def test_each_task_has_longer_than_its_function_and_an_end(name: str, state: Json, around: tuple[Json, ...]) -> None:
    """Longer, or Step Functions would take for dead what still works; an end, for a function that never answered."""
    assert FUNCTION_SECONDS + 30 <= state["TimeoutSeconds"] <= FUNCTION_SECONDS + 120
    assert is_caught(state, around), f"an error of {name} would leave the job's record as it is"
    assert state["Resource"] == "arn:${Partition}:states:::lambda:invoke"
    assert state["Parameters"]["FunctionName"] == f"${{{function_of(name.partition('.')[0])}}}"
    assert state["OutputPath"] == "$.Payload"  # what else Lambda says of a call is 2 kB for each worker


def test_the_whole_has_an_end_that_three_tries_do_not_reach(synthesised: Json) -> None:
    stack = Stack(synthesised, **DEPLOYMENTS["least"])
    assert stack.resources["BackupFunction"]["Properties"]["Timeout"] == FUNCTION_SECONDS
    longest = sum(
        state["TimeoutSeconds"] for name, state, _ in states(BACKUP) if name != "WorkStatic" and "Resource" in state
    )
    assert 3 * longest < BACKUP["TimeoutSeconds"] <= 86_400


def test_a_worker_of_a_verification_may_be_called_for_a_day() -> None:
    """However large the backup is: one whose time is over says that there is more."""
    found = DEFINITIONS["LargeVerify"]
    [workers] = [state for _, state, _ in states(found) if state["Type"] == "Map"]
    inside = workers["ItemProcessor"]["States"]
    assert inside["Work"]["Next"] == "More"
    assert inside["More"]["Choices"] == [{"Variable": "$.state", "StringEquals": "more", "Next": "Work"}]
    assert found["TimeoutSeconds"] == 86_400


@pytest.mark.parametrize(("name", "state", "around"), MAPS, ids=[name for name, _, _ in MAPS])
def test_one_item_that_fails_fails_the_map_however_many_do_not(
    name: str, state: Json, around: tuple[Json, ...]
) -> None:
    """An emulator's distributed Map of failures succeeds, so that it proves nothing."""
    assert state["ToleratedFailurePercentage"] == 0
    assert not [field for field in state if field.startswith("Tolerated") and field != "ToleratedFailurePercentage"]
    assert is_caught(state, around), name
    inside = states(state["ItemProcessor"])
    assert not [name for name, inner, _ in inside if "Catch" in inner], "what is caught in an item is no failure of it"


@pytest.mark.parametrize(("name", "state"), [(name, state) for name, state, _ in MAPS])
def test_as_many_items_go_at_once_as_there_may_be_workers(name: str, state: Json, synthesised: Json) -> None:
    """0 is 64 in an emulator and 10,000 in AWS. Fewer than there are workers, and those wait for ever that have begun."""
    assert state["MaxConcurrency"] >= synthesised["Parameters"]["ScaleWorkers"]["MaxValue"]
    assert state["ItemProcessor"]["ProcessorConfig"] == {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}
    assert state["ItemReader"]["ReaderConfig"] == {"InputType": "JSON"}
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,40}", state["Label"]), name


def test_of_one_moment_nothing_is_tried_again_by_itself() -> None:
    """A second life of a worker, or of who holds the moment, would find it over."""
    live = BACKUP["States"]["Live"]
    assert "Retry" not in live
    inside = [state for branch in live["Branches"] for _, state, _ in states(branch)]
    assert {state["Type"] for state in inside} == {"Task", "Map"}
    assert not [state for state in inside if "Retry" in state]


def test_what_is_tried_again_is_what_may_be_done_twice_and_not_what_was_refused() -> None:
    retried = {name: state["Retry"] for name, state, _ in EACH if "Retry" in state}
    twice = {
        "LargeBackup.WorkStatic",
        "LargeBackup.Finish",
        *(f"LargeVerify.{name}" for name in ("Plan", "Work", "Finish")),
        *(f"LargeRestore.{name}" for name in ("FillTables", "Indexes", "ReadTables", "Finish")),
    }
    once = {"LargeBackup.Plan", "LargeRestore.Begin"}
    assert retried.keys() == twice | once | {f"{machine}.Failed" for machine in MACHINES}
    for name in once:
        [first] = retried[name]
        assert first["ErrorEquals"] == ["Lambda.TooManyRequestsException"]  # it has not begun
    for name in twice:
        [retry] = retried[name]
        assert "States.ALL" not in retry["ErrorEquals"]
        assert "States.TaskFailed" not in retry["ErrorEquals"]  # a table that is not there is not there the next time
        assert {"States.Timeout", "Lambda.ServiceException", "Lambda.Unknown"} <= set(retry["ErrorEquals"])
    for retries in retried.values():
        assert all(1 <= one["MaxAttempts"] <= 5 and one["BackoffRate"] == 2 for one in retries)


def test_only_what_emulators_and_aws_do_alike_is_used() -> None:
    said = [text for found in DEFINITIONS.values() for text in texts(found)]
    assert not keys([*DEFINITIONS.values()]) & IGNORED
    assert not [text for text in said if "{%" in text]
    paths = [text for text in said if text.startswith("$")]
    # One emulator's filters and negative indexes are null, and it goes on.
    assert not [path for path in paths if not re.fullmatch(r"\$\$?(\.\w+)*|\$\{\w+\}", path)]


def test_every_substitution_is_given_and_every_one_that_is_given_is_made(synthesised: Json) -> None:
    stack = Stack(synthesised, **DEPLOYMENTS["least"] | {"Scale": "on"})
    for machine, found in DEFINITIONS.items():
        given = stack.resources[machine]["Properties"]["DefinitionSubstitutions"]
        assert set(re.findall(r"\$\{(\w+)\}", json.dumps(found))) == given.keys()


@pytest.mark.parametrize("machine", MACHINES)
def test_cfn_lint_finds_nothing_wrong_with_it(tmp_path: Path, machine: str) -> None:
    """In a file of its own it is not looked at: so it is put into a template here."""
    role = "arn:aws:iam::123456789012:role/none"
    function = "arn:aws:lambda:eu-west-1:123456789012:function:f"
    made = definition(machine, Partition="aws", Bucket="acme", **{function_of(machine): function})
    for found, wrong in ((made, False), ({**made, "StartAt": "Nowhere"}, True)):
        resource = {"Type": "AWS::StepFunctions::StateMachine", "Properties": {"RoleArn": role, "Definition": found}}
        file = tmp_path / "template.json"
        file.write_text(json.dumps({"Resources": {"Machine": resource}}))
        command = [str(ROOT / ".venvs" / "sam" / "bin" / "cfn-lint"), str(file)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (done.returncode != 0) is wrong, done.stdout
