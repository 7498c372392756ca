"""The state machine of large restores: every path of it executed, as `test_workflow_executed` does those of backups.

What no emulator proves is in `test_workflow`.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from tests.artifacts import test_workflow_executed
from tests.artifacts.test_workflow_executed import ID, TRIES, WORKERS, Engine, done, failed, nothing
from tests.support.scripted_lambda import Answer, after, in_turn, raises
from tests.support.stack import Json
from tests.support.workflow import definition, ways

MACHINE_NAME = "LargeRestore"
MACHINE = definition(MACHINE_NAME)
KEY = f"jobs/large-restore/{ID}.json"

clients, engine = test_workflow_executed.clients, test_workflow_executed.engine


def says(state: str, rounds: int = 0) -> Answer:
    """What a step says that has others go on."""
    return lambda _: {"id": ID, "try": TRIES[0], "workers": WORKERS, "round": rounds, "state": state}


GOOD: dict[str, Answer] = {
    "begin": says("begun"),
    "fill": nothing,
    "index": says("indexed"),
    "readback": nothing,
    "finish": done,
    "failed": failed,
}


@dataclass(frozen=True)
class Case:
    """What the functions do, and what is to come of it; ``told`` is the error that `Failed` hears of."""

    answers: dict[str, Answer]
    way: Sequence[str]
    ends: str = "SUCCEEDED"
    told: Sequence[str] = ()
    error: str | None = None
    seconds: int | None = None


START = ("Job", "Begin", "Which")
READ = ("ReadBack", "Finish", "Which")
THRESHOLD = "States.ExceedToleratedFailureThreshold"
FAILURE: Json = {"ends": "FAILED", "error": "LargeRestoreFailed"}
LATE = after(3, nothing)

CASES = {
    "all is well": Case(GOOD, (*START, "Fill", "Indexes", "Which", *READ, "Done")),
    "another has the job": Case(GOOD | {"begin": says("gone")}, (*START, "Gone")),
    "the begin fails": Case(
        GOOD | {"begin": raises("Conflict")},
        ("Job", "Begin", "Failed", "Which", "Failure"),
        told=["Conflict"],
        **FAILURE,
    ),
    "what the begin says is not known": Case(GOOD | {"begin": says("hm")}, (*START, "Failure"), **FAILURE),
    "workers have no time for all": Case(
        GOOD | {"index": in_turn(says("filling", 1), says("filling", 2), says("indexed", 2))},
        (*START, *("Fill", "Indexes", "Which") * 3, *READ, "Done"),
    ),
    "the server still makes indexes": Case(
        GOOD | {"index": in_turn(says("indexing"), says("indexing"), says("indexed"))},
        (*START, "Fill", "Indexes", "Which", *("Pause", "Indexes", "Which") * 2, *READ, "Done"),
    ),
    "not all is read back": Case(
        GOOD | {"finish": in_turn(says("reading", 1), done)},
        (*START, "Fill", "Indexes", "Which", *READ * 2, "Done"),
    ),
    "a worker dies, once": Case(
        GOOD | {"fill": in_turn(raises("Runtime.ExitError"), raises("StoreUnavailable"), nothing)},
        (*START, "Fill", "Indexes", "Which", *READ, "Done"),
    ),
    "a worker is late, once": Case(
        GOOD | {"fill": in_turn(LATE, nothing)},
        (*START, "Fill", "Indexes", "Which", *READ, "Done"),
        seconds=1,
    ),
    "a worker finds the backup damaged": Case(
        GOOD | {"fill": raises("BackupDamaged")},
        (*START, "Fill", "Failed", "Which", "Failure"),
        told=[THRESHOLD],
        **FAILURE,
    ),
    "indexes cannot be made": Case(
        GOOD | {"index": raises("DigestMismatch")},
        (*START, "Fill", "Indexes", "Failed", "Which", "Failure"),
        told=["DigestMismatch"],
        **FAILURE,
    ),
    "a worker cannot read back": Case(
        GOOD | {"readback": raises("Conflict")},
        (*START, "Fill", "Indexes", "Which", "ReadBack", "Failed", "Which", "Failure"),
        told=[THRESHOLD],
        **FAILURE,
    ),
    "what was read back is not what was backed up": Case(
        GOOD | {"finish": raises("DigestMismatch")},
        (*START, "Fill", "Indexes", "Which", "ReadBack", "Finish", "Failed", "Which", "Failure"),
        told=["DigestMismatch"],
        **FAILURE,
    ),
    "others look who has the turn": Case(
        GOOD | {"finish": in_turn(raises("RestoreUnderWay"), raises("InUse"), done)},
        (*START, "Fill", "Indexes", "Which", *READ, "Done"),
    ),
    "the tables were swapped in all the same": Case(
        GOOD | {"finish": raises("Runtime.Unforeseen"), "failed": done},
        (*START, "Fill", "Indexes", "Which", "ReadBack", "Finish", "Failed", "Which", "Done"),
        told=["Runtime.Unforeseen"],
    ),
    "the failure is recorded nowhere": Case(
        GOOD | {"begin": raises("Conflict"), "failed": raises("StoreUnavailable")},
        ("Job", "Begin", "Failed", "Unrecorded"),
        told=["Conflict"] * 6,
        ends="FAILED",
        error="LargeRestoreUnrecorded",
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_the_state_machine_goes_its_way_and_tells_what_stopped_it(engine: Engine, case: Case) -> None:
    engine.scripted.answers = {f"large-restore-{name}": answer for name, answer in case.answers.items()}
    ended = engine.run(engine.machine(case.seconds, MACHINE_NAME), KEY)
    assert engine.way(ended["executionArn"]) == list(case.way)
    assert (ended["status"], ended.get("error")) == (case.ends, case.error)
    told = engine.scripted.called("large-restore-failed")
    assert [one["error"]["Error"] for one in told] == list(case.told)
    assert {one["id"] for one in engine.scripted.calls} == {ID}


def test_the_cases_go_every_way_that_there_is() -> None:
    """Each Next, Choice, Default and Catch of the definition."""
    gone = {pair for case in CASES.values() for pair in itertools.pairwise(case.way)}
    assert gone == ways(MACHINE)


def test_what_each_step_is_told(engine: Engine) -> None:
    answers = GOOD | {
        "index": in_turn(says("filling", 1), says("indexed", 1)),
        "finish": in_turn(says("reading", 2), done),
    }
    engine.scripted.answers = {f"large-restore-{name}": answer for name, answer in answers.items()}
    ended = engine.run(engine.machine(machine=MACHINE_NAME), KEY)
    calls = engine.scripted.called
    which = {"id": ID, "try": TRIES[0]}
    assert calls("large-restore-begin") == [{"id": ID, "execution": ended["name"]}]
    assert calls("large-restore-index") == [{**which, "round": 0}, {**which, "round": 1}]
    assert calls("large-restore-finish") == [{**which, "round": 1}, {**which, "round": 2}]
    for name in ("fill", "readback"):
        told = sorted(calls(f"large-restore-{name}"), key=lambda one: one["worker"])
        assert told == [{**which, "worker": number} for number in range(WORKERS) for _ in range(2)]


def test_a_day_of_waiting_for_indexes_is_no_longer_than_a_history_may_be() -> None:
    """25,000 events; a pause, a look and the choice after it are ten."""
    assert 10 * MACHINE["TimeoutSeconds"] / MACHINE["States"]["Pause"]["Seconds"] < 20_000
    assert MACHINE["TimeoutSeconds"] <= 86_400
