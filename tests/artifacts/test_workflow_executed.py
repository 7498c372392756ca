"""Every path of the state machines, executed by an emulator's Step Functions, with functions that do as they are told.

The rest is the real thing: the definition as it is deployed (only that its tasks have seconds in place of minutes, where a
time-out is tried), the list of workers in S3, the rule on the bucket. What the emulator does not prove is in `test_workflow`.
"""

import itertools
import json
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import boto3
import pytest

from local.runtime import s3 as emulator
from local.runtime.state import State
from tableferry.ids import is_id
from tests.artifacts.test_template import DEPLOYMENTS
from tests.support.parts import until
from tests.support.scripted_lambda import Answer, ScriptedLambda, after, in_turn, raises, scripted_lambda
from tests.support.stack import Json, Stack
from tests.support.workflow import definition, function_of, states, ways

ID = "20261128T193000Z-0a1b2c3d"
BUCKET = "tableferry-workflow"
TRIES = ("aaaaaa", "bbbbbb", "cccccc")
WORKERS = 3
NO_CODE = b"PK\x05\x06" + bytes(18)  # an archive without files
NUMBERS = itertools.count()


@dataclass
class Engine:
    """An emulator, and one state machine of ours in it for each test."""

    s3: Any
    states: Any
    events: Any
    functions: Any
    scripted: ScriptedLambda

    def machine(self, seconds: int | None = None, machine: str = "LargeBackup") -> str:
        """The state machine with a function of its own, whose tasks have so many seconds; its ARN."""
        name = f"large-backup-{next(NUMBERS)}"
        function = self.functions.create_function(
            FunctionName=name,
            Runtime="provided.al2023",
            Handler="none",
            Role="arn:aws:iam::000000000000:role/none",
            Code={"ZipFile": NO_CODE},
            Timeout=900,
            Environment={"Variables": {"FUNCTION_URL": self.scripted.url}},
        )
        found = definition(machine, Partition="aws", Bucket=BUCKET, **{function_of(machine): function["FunctionArn"]})
        if seconds is not None:
            for _, state, _ in states(found):
                if state["Type"] == "Task":
                    state["TimeoutSeconds"] = seconds
        role = "arn:aws:iam::000000000000:role/none"
        made: str = self.states.create_state_machine(name=name, definition=json.dumps(found), roleArn=role)[
            "stateMachineArn"
        ]
        return made

    def run(self, machine: str, key: str = f"jobs/large-backup/{ID}.json") -> Json:
        """Execute it to its end: what there is to know of that."""
        started = self.states.start_execution(stateMachineArn=machine, input=json.dumps({"key": key}))
        return self.end(started["executionArn"])

    def end(self, execution: str) -> Json:
        def ended() -> bool:
            return bool(self.states.describe_execution(executionArn=execution)["status"] != "RUNNING")

        assert until(ended, seconds=180)
        found: Json = self.states.describe_execution(executionArn=execution)
        return found

    def way(self, execution: str) -> list[str]:
        """The outermost states that it has entered."""
        events = self.states.get_execution_history(executionArn=execution)["events"]
        return [event["stateEnteredEventDetails"]["name"] for event in events if "stateEnteredEventDetails" in event]


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """Of an emulator that has the lists of workers."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("SFN_WAIT_SCALE", "0.001")  # of the pauses before a step is tried again
        made = emulator.start(State(tmp_path_factory.mktemp("engine")))
    session: Any = boto3.session.Session(made.key, made.secret, region_name=emulator.REGION)
    names = {"s3": "s3", "states": "stepfunctions", "events": "events", "functions": "lambda"}
    found = {name: session.client(service, endpoint_url=made.url) for name, service in names.items()}
    found["s3"].create_bucket(Bucket=BUCKET)
    for each in TRIES:
        body = json.dumps(list(range(WORKERS))).encode()
        found["s3"].put_object(Bucket=BUCKET, Key=f"work/{ID}/{each}/workers.json", Body=body)
    yield found
    made.stop()


@pytest.fixture
def engine(clients: dict[str, Any]) -> Iterator[Engine]:
    with scripted_lambda() as scripted:
        yield Engine(**clients, scripted=scripted)


def planned(number: int = 0, source: str = "live", state: str = "planned") -> Answer:
    """What `Plan` says of a try, and `Failed` of the next one."""
    said = {"id": ID, "try": TRIES[number], "workers": WORKERS, "source": source, "state": state}
    return lambda _: said


def again(number: int, source: str = "live") -> Answer:
    return planned(number, source, "again")


def nothing(_event: Json) -> Json:
    return {}


def done(_event: Json) -> Json:
    return {"state": "done"}


def failed(_event: Json) -> Json:
    return {"state": "failed"}


GOOD: dict[str, Answer] = {"plan": planned(), "hold": nothing, "work": nothing, "finish": done, "failed": failed}
STATIC = GOOD | {"plan": planned(source="static")}


@dataclass(frozen=True)
class Case:
    """What the functions do, and what is to come of it. ``tries`` are those of the calls of `Failed`, with its error."""

    answers: dict[str, Answer]
    way: Sequence[str]
    ends: str = "SUCCEEDED"
    told: Sequence[tuple[str, str]] = ()
    error: str | None = None
    seconds: int | None = None


START = ("Job", "Plan", "Which")
THRESHOLD = "States.ExceedToleratedFailureThreshold"
FAILURE: Json = {"ends": "FAILED", "error": "LargeBackupFailed"}
LATE = after(3, nothing)

CASES = {
    "all is well": Case(GOOD, (*START, "Live", "Finish", "Done")),
    "of a source that stands still": Case(STATIC, (*START, "Static", "Finish", "Done")),
    "another has the job": Case(GOOD | {"plan": lambda _: {"state": "gone"}}, (*START, "Gone")),
    "the plan is throttled, and then is not": Case(
        GOOD | {"plan": in_turn(raises("Lambda.TooManyRequestsException"), planned())},
        (*START, "Live", "Finish", "Done"),
    ),
    "no plan": Case(
        GOOD | {"plan": raises("DatabaseUnavailable")},
        ("Job", "Plan", "Failed", "Which", "Failure"),
        told=[("", "DatabaseUnavailable")],
        **FAILURE,
    ),
    "no plan at first": Case(
        GOOD | {"plan": raises("Runtime.ExitError"), "failed": again(1)},
        ("Job", "Plan", "Failed", "Which", "Live", "Finish", "Done"),
        told=[("", "Runtime.ExitError")],
    ),
    "the plan never answers": Case(
        GOOD | {"plan": LATE},
        ("Job", "Plan", "Failed", "Which", "Failure"),
        told=[("", "States.Timeout")],
        seconds=1,
        **FAILURE,
    ),
    "a plan of no known source": Case(GOOD | {"plan": planned(source="snapshot")}, (*START, "Failure"), **FAILURE),
    "no moment": Case(
        GOOD | {"hold": raises("DatabaseUnavailable")},
        (*START, "Live", "Failed", "Which", "Failure"),
        told=[(TRIES[0], "DatabaseUnavailable")],
        **FAILURE,
    ),
    "who holds the moment dies": Case(
        GOOD | {"hold": in_turn(raises("Runtime.ExitError"), nothing), "failed": again(1)},
        (*START, "Live", "Failed", "Which", "Live", "Finish", "Done"),
        told=[(TRIES[0], "Runtime.ExitError")],
    ),
    "who holds the moment never answers": Case(
        GOOD | {"hold": in_turn(LATE, nothing), "failed": again(1)},
        (*START, "Live", "Failed", "Which", "Live", "Finish", "Done"),
        told=[(TRIES[0], "States.Timeout")],
        seconds=1,
    ),
    "a worker fails": Case(
        GOOD | {"work": in_turn(nothing, raises("StoreUnavailable"), nothing), "failed": again(1)},
        (*START, "Live", "Failed", "Which", "Live", "Finish", "Done"),
        told=[(TRIES[0], THRESHOLD)],
    ),
    "a worker is throttled": Case(
        GOOD | {"work": in_turn(raises("Lambda.TooManyRequestsException"), nothing), "failed": again(1)},
        (*START, "Live", "Failed", "Which", "Live", "Finish", "Done"),
        told=[(TRIES[0], THRESHOLD)],
    ),
    "a worker dies": Case(
        GOOD | {"work": in_turn(raises("Runtime.ExitError"), nothing), "failed": again(1)},
        (*START, "Live", "Failed", "Which", "Live", "Finish", "Done"),
        told=[(TRIES[0], THRESHOLD)],
    ),
    "a worker never answers": Case(
        GOOD | {"work": in_turn(LATE, nothing), "failed": again(1)},
        (*START, "Live", "Failed", "Which", "Live", "Finish", "Done"),
        told=[(TRIES[0], THRESHOLD)],
        seconds=1,
    ),
    "nobody wrote who the workers are": Case(
        GOOD | {"plan": lambda _: {"id": ID, "try": "dddddd", "workers": 3, "source": "live", "state": "planned"}},
        (*START, "Live", "Failed", "Which", "Failure"),
        told=[("dddddd", "States.ItemReaderFailed")],
        **FAILURE,
    ),
    "three tries fail": Case(
        GOOD | {"hold": raises("DatabaseUnavailable"), "failed": in_turn(again(1), again(2), failed)},
        (*START, *("Live", "Failed", "Which") * 3, "Failure"),
        told=[(each, "DatabaseUnavailable") for each in TRIES],
        **FAILURE,
    ),
    "the third try is well": Case(
        GOOD | {"hold": in_turn(*[raises("Conflict")] * 2, nothing), "failed": in_turn(again(1), again(2))},
        (*START, *("Live", "Failed", "Which") * 2, "Live", "Finish", "Done"),
        told=[(each, "Conflict") for each in TRIES[:2]],
    ),
    "the end is tried again": Case(
        GOOD | {"finish": in_turn(raises("Lambda.ServiceException"), raises("StoreUnavailable"), done)},
        (*START, "Live", "Finish", "Done"),
    ),
    "who writes the manifest dies, once": Case(
        GOOD | {"finish": in_turn(raises("Runtime.ExitError"), done)}, (*START, "Live", "Finish", "Done")
    ),
    "who writes the manifest is late, once": Case(
        GOOD | {"finish": in_turn(LATE, done)}, (*START, "Live", "Finish", "Done"), seconds=1
    ),
    "a table was changed meanwhile": Case(
        GOOD | {"finish": in_turn(raises("ChangedMeanwhile"), done), "failed": again(1)},
        (*START, "Live", "Finish", "Failed", "Which", "Live", "Finish", "Done"),
        told=[(TRIES[0], "ChangedMeanwhile")],
    ),
    "the end never comes": Case(
        GOOD | {"finish": raises("StoreUnavailable")},
        (*START, "Live", "Finish", "Failed", "Which", "Failure"),
        told=[(TRIES[0], "StoreUnavailable")],
        **FAILURE,
    ),
    "a worker of a source that stands still is tried again": Case(
        STATIC | {"work": in_turn(raises("Runtime.ExitError"), raises("StoreUnavailable"), nothing)},
        (*START, "Static", "Finish", "Done"),
    ),
    "a worker of a source that stands still is late, once": Case(
        STATIC | {"work": in_turn(LATE, nothing)}, (*START, "Static", "Finish", "Done"), seconds=1
    ),
    "a source that stands still lacks a table": Case(
        STATIC | {"work": raises("TableNotFound")},
        (*START, "Static", "Failed", "Which", "Failure"),
        told=[(TRIES[0], THRESHOLD)],
        **FAILURE,
    ),
    "a source that stands still has a second try": Case(
        STATIC | {"work": in_turn(raises("TableNotFound"), nothing), "failed": again(1, "static")},
        (*START, "Static", "Failed", "Which", "Static", "Finish", "Done"),
        told=[(TRIES[0], THRESHOLD)],
    ),
    "the failure is recorded at last": Case(
        GOOD | {"hold": raises("Conflict"), "failed": in_turn(*[raises("StoreUnavailable")] * 5, failed)},
        (*START, "Live", "Failed", "Which", "Failure"),
        told=[(TRIES[0], "Conflict")] * 6,
        **FAILURE,
    ),
    "the failure is recorded nowhere": Case(
        GOOD | {"hold": raises("Conflict"), "failed": raises("StoreUnavailable")},
        (*START, "Live", "Failed", "Unrecorded"),
        told=[(TRIES[0], "Conflict")] * 6,
        ends="FAILED",
        error="LargeBackupUnrecorded",
    ),
    "another has got the job meanwhile": Case(
        GOOD | {"hold": raises("Conflict"), "failed": lambda _: {"state": "gone"}},
        (*START, "Live", "Failed", "Which", "Gone"),
        told=[(TRIES[0], "Conflict")],
    ),
}


def said_by_worker(state: str) -> Answer:
    return lambda event: {"id": event["id"], "try": event["try"], "worker": event["worker"], "state": state}


WORKED, MORE = said_by_worker("worked"), said_by_worker("more")
VERIFY: dict[str, Answer] = {"plan": planned(state="begun"), "work": WORKED, "finish": done, "failed": failed}
ALL_WELL = (*START, "Workers", "Finish", "Done")
NOT_VERIFIED: Json = {"ends": "FAILED", "error": "LargeVerificationFailed"}

VERIFY_CASES = {
    "all is well": Case(VERIFY, ALL_WELL),
    "the backup is damaged": Case(VERIFY | {"finish": lambda _: {"state": "damaged"}}, ALL_WELL),
    "another has the job": Case(VERIFY | {"plan": lambda _: {"state": "gone"}}, (*START, "Gone")),
    "who plans dies, is throttled, and cannot reach S3": Case(
        VERIFY
        | {
            "plan": in_turn(
                raises("Runtime.ExitError"),
                raises("Lambda.TooManyRequestsException"),
                raises("StoreUnavailable"),
                planned(state="begun"),
            )
        },
        ALL_WELL,
    ),
    "no backup": Case(
        VERIFY | {"plan": raises("BackupNotFound")},
        ("Job", "Plan", "Failed", "Which", "Failure"),
        told=[("", "BackupNotFound")],
        **NOT_VERIFIED,
    ),
    "workers are called until there is no more": Case(VERIFY | {"work": in_turn(*[MORE] * 7, WORKED)}, ALL_WELL),
    "workers die, and go on": Case(
        VERIFY | {"work": in_turn(raises("Runtime.ExitError"), MORE, raises("Sandbox.Timedout"), WORKED)}, ALL_WELL
    ),
    "a worker is late, once": Case(VERIFY | {"work": in_turn(after(3, WORKED), WORKED)}, ALL_WELL, seconds=1),
    "a worker dies each time": Case(
        VERIFY | {"work": raises("Runtime.ExitError")},
        (*START, "Workers", "Failed", "Which", "Failure"),
        told=[(TRIES[0], THRESHOLD)],
        **NOT_VERIFIED,
    ),
    "a worker meets what nobody foresaw": Case(
        VERIFY | {"work": in_turn(WORKED, raises("KeyError"), WORKED)},
        (*START, "Workers", "Failed", "Which", "Failure"),
        told=[(TRIES[0], THRESHOLD)],
        **NOT_VERIFIED,
    ),
    "the end is tried again": Case(
        VERIFY | {"finish": in_turn(raises("Runtime.ExitError"), raises("StoreUnavailable"), done)}, ALL_WELL
    ),
    "a part is lacking": Case(
        VERIFY | {"finish": raises("Conflict")},
        (*START, "Workers", "Finish", "Failed", "Which", "Failure"),
        told=[(TRIES[0], "Conflict")],
        **NOT_VERIFIED,
    ),
    "the end was late, and came": Case(
        VERIFY | {"finish": after(3, done), "failed": done},
        (*START, "Workers", "Finish", "Failed", "Which", "Done"),
        told=[(TRIES[0], "States.Timeout")],
        seconds=1,
    ),
    "the failure is recorded nowhere": Case(
        VERIFY | {"finish": raises("Conflict"), "failed": raises("StoreUnavailable")},
        (*START, "Workers", "Finish", "Failed", "Unrecorded"),
        told=[(TRIES[0], "Conflict")] * 6,
        ends="FAILED",
        error="LargeVerificationUnrecorded",
    ),
}


@pytest.mark.parametrize("case", VERIFY_CASES.values(), ids=VERIFY_CASES.keys())
def test_the_one_of_verifications_tries_each_step_again_and_tells_what_stopped_it(engine: Engine, case: Case) -> None:
    engine.scripted.answers = {f"large-verify-{name}": answer for name, answer in case.answers.items()}
    ended = engine.run(engine.machine(case.seconds, "LargeVerify"), f"jobs/large-verify/{ID}.json")
    assert engine.way(ended["executionArn"]) == list(case.way)
    assert (ended["status"], ended.get("error")) == (case.ends, case.error)
    told = engine.scripted.called("large-verify-failed")
    assert [(one["try"], one["error"]["Error"]) for one in told] == list(case.told)
    assert {one["id"] for one in engine.scripted.calls} == {ID}
    works = [(one["try"], one["worker"]) for one in engine.scripted.called("large-verify-work")]
    assert set(works) <= {(TRIES[0], number) for number in range(WORKERS)}
    if "Finish" in case.way:
        assert len(set(works)) == WORKERS
    for name in ("plan", "failed"):
        assert {one["execution"] for one in engine.scripted.called(f"large-verify-{name}")} <= {ended["name"]}


def test_the_cases_go_every_way_of_a_verification() -> None:
    gone = {pair for case in VERIFY_CASES.values() for pair in itertools.pairwise(case.way)}
    assert gone == ways(definition("LargeVerify"))


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_the_state_machine_goes_its_way_and_tells_what_stopped_it(engine: Engine, case: Case) -> None:
    engine.scripted.answers = {f"large-backup-{name}": answer for name, answer in case.answers.items()}
    ended = engine.run(engine.machine(case.seconds))
    assert engine.way(ended["executionArn"]) == list(case.way)
    assert (ended["status"], ended.get("error")) == (case.ends, case.error)
    told = engine.scripted.called("large-backup-failed")
    assert [(one["try"], one["error"]["Error"]) for one in told] == list(case.told)
    assert {one["id"] for one in engine.scripted.calls} == {ID}
    if case.way[-1] == "Done":
        assert json.loads(ended["output"]) == {"state": "done"}
    if "Static" not in case.way:
        works = [(one["try"], one["worker"]) for one in engine.scripted.called("large-backup-work")]
        holds = [one["try"] for one in engine.scripted.called("large-backup-hold")]
        assert len(works) == len(set(works)), "a worker had a second life in one try"
        assert len(holds) == len(set(holds))


def test_the_cases_go_every_way_that_there_is() -> None:
    """Each Next, Choice, Default and Catch of the definition."""
    gone = {pair for case in CASES.values() for pair in itertools.pairwise(case.way)}
    assert gone == ways(definition())


def test_what_each_step_is_told(engine: Engine) -> None:
    engine.scripted.answers = {f"large-backup-{name}": answer for name, answer in GOOD.items()}
    ended = engine.run(engine.machine())
    execution = ended["name"]
    calls = engine.scripted.called
    assert calls("large-backup-plan") == [{"id": ID, "execution": execution}]
    assert calls("large-backup-hold") == calls("large-backup-finish") == [{"id": ID, "try": TRIES[0]}]
    works = sorted(calls("large-backup-work"), key=lambda one: one["worker"])
    assert works == [{"id": ID, "try": TRIES[0], "worker": number} for number in range(WORKERS)]
    assert is_id(ID)


def test_what_stopped_a_try_is_told_with_its_words(engine: Engine) -> None:
    engine.scripted.answers = {f"large-backup-{name}": answer for name, answer in GOOD.items()}
    engine.scripted.answers["large-backup-hold"] = raises("TooManyConnections")
    ended = engine.run(engine.machine())
    [told] = engine.scripted.called("large-backup-failed")
    assert told["execution"] == ended["name"]
    assert json.loads(told["error"]["Cause"]) == {
        "errorType": "TooManyConnections",
        "errorMessage": "as it was told to",
    }


def test_all_workers_and_who_holds_the_moment_are_there_at_once(engine: Engine) -> None:
    """As many as there may be: each waits for all of them, as it does for the moment."""
    workers = 100
    body = json.dumps(list(range(workers))).encode()
    engine.s3.put_object(Bucket=BUCKET, Key=f"work/{ID}/many/workers.json", Body=body)
    gathering = threading.Barrier(workers + 1)

    def gathers(_event: Json) -> Json:
        gathering.wait(timeout=120)
        return {}

    plan = {"id": ID, "try": "many", "workers": workers, "source": "live", "state": "planned"}
    said = GOOD | {"plan": lambda _: plan, "hold": gathers, "work": gathers}
    engine.scripted.answers = {f"large-backup-{name}": answer for name, answer in said.items()}
    assert engine.run(engine.machine())["status"] == "SUCCEEDED"
    assert sorted(one["worker"] for one in engine.scripted.called("large-backup-work")) == list(range(workers))


def test_a_worker_that_is_late_goes_on_as_a_ghost_beside_the_next_try(engine: Engine) -> None:
    """A step whose time is over is not ended by that: so whatever it writes has its try in the key."""
    ghost = in_turn(after(4, nothing), nothing)
    said = GOOD | {"work": ghost, "failed": again(1)}
    engine.scripted.answers = {f"large-backup-{name}": answer for name, answer in said.items()}
    began = time.monotonic()
    assert engine.run(engine.machine(seconds=1))["status"] == "SUCCEEDED"
    assert time.monotonic() - began < 4
    assert until(lambda: len(engine.scripted.ended) == len(engine.scripted.calls), seconds=10)
    first, *_ = [one["try"] for one in engine.scripted.ended[::-1] if one["action"] == "large-backup-work"]
    assert first == TRIES[0]


@pytest.mark.parametrize("name", [f"{ID}.json", "a+b %2B ü.json", '"quoted" \\ <key>.json'])
def test_an_object_that_asks_for_a_large_backup_starts_it_with_its_key_as_it_is(
    engine: Engine, synthesised: Json, name: str
) -> None:
    engine.scripted.answers = {"large-backup-plan": lambda _: {"state": "gone"}}
    machine = engine.machine()
    rule = Stack(synthesised, **DEPLOYMENTS["least"], Scale="on", BucketName=BUCKET).resources["LargeBackupRule"]
    said = rule["Properties"]
    [target] = said["Targets"]
    engine.events.put_rule(Name=f"rule-{next(NUMBERS)}", EventPattern=json.dumps(said["EventPattern"]))
    engine.events.put_targets(
        Rule=f"rule-{next(NUMBERS) - 1}",
        Targets=[
            {
                "Id": "machine",
                "Arn": machine,
                "RoleArn": "arn:aws:iam::000000000000:role/none",
                "InputTransformer": target["InputTransformer"],
            }
        ],
    )
    engine.s3.put_bucket_notification_configuration(
        Bucket=BUCKET, NotificationConfiguration={"EventBridgeConfiguration": {}}
    )
    for other in ("jobs/backup/x.json", "work/x.json", "jobs/large-restore/x.json", f"x/jobs/large-backup/{name}"):
        engine.s3.put_object(Bucket=BUCKET, Key=other, Body=b"{}")
    key = f"jobs/large-backup/{name}"
    engine.s3.put_object(Bucket=BUCKET, Key=key, Body=b"{}")

    def executions() -> Any:
        return engine.states.list_executions(stateMachineArn=machine)["executions"]

    assert until(lambda: bool(executions()), seconds=10)
    time.sleep(0.5)
    [execution] = executions()
    found = engine.end(execution["executionArn"])
    assert json.loads(found["input"]) == {"key": key}
    [plan] = engine.scripted.called("large-backup-plan")
    assert plan["id"] == name.partition(".")[0]


def test_no_code_that_somebody_gives_the_emulator_is_run(engine: Engine) -> None:
    """Whoever is on this machine can reach it, whatever his key."""
    for number, variables in enumerate(({}, {"FUNCTION_URL": "http://example.org/"}, {"FUNCTION_URL": "file:///etc"})):
        name = f"theirs-{number}-{next(NUMBERS)}"
        engine.functions.create_function(
            FunctionName=name,
            Runtime="python3.13",
            Handler="app.handler",
            Role="arn:aws:iam::000000000000:role/none",
            Code={"ZipFile": NO_CODE},
            Environment={"Variables": variables},
        )
        answer = engine.functions.invoke(FunctionName=name, Payload=b"{}")
        assert "FunctionError" in answer
        assert json.loads(answer["Payload"].read())["errorType"] == "Runtime.InvalidEntrypoint"
