"""Work over several functions, by what CloudFormation gets: what is made if it is asked for, and what each part may do."""

import json
from typing import Any

import pytest

from local.runtime.state import ROOT
from tableferry.storage import object_keys
from tests.artifacts.test_template import DEPLOYMENTS, as_list, statements
from tests.support.stack import Json, Stack, values
from tests.support.workflow import MACHINES, function_of

ON = {"Scale": "on"}


@pytest.fixture(params=DEPLOYMENTS)
def stack(request: pytest.FixtureRequest, synthesised: Json) -> Stack:
    return Stack(synthesised, **DEPLOYMENTS[request.param] | ON)


@pytest.fixture(params=MACHINES)
def machine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def allowed(stack: Stack, role: str) -> dict[str, Any]:
    """What a role of the state machine or its rule may do: resources by action. Nothing is denied to them."""
    policies = [one["PolicyDocument"] for one in stack.resources[role]["Properties"]["Policies"]]
    policies += [
        one["PolicyDocument"] for one in stack.of("AWS::IAM::Policy").values() if {"Ref": role} in one["Roles"]
    ]
    found: dict[str, Any] = {}
    for statement in (one for policy in policies for one in policy["Statement"]):
        assert statement["Effect"] == "Allow"
        for action in as_list(statement["Action"]):
            assert action not in found
            found[action] = statement["Resource"]
    return found


def test_nothing_of_it_is_there_unless_it_is_asked_for(synthesised: Json) -> None:
    for deployment in DEPLOYMENTS.values():
        off = Stack(synthesised, **deployment | {"Scale": "off"})
        on = Stack(synthesised, **deployment | ON)
        made = {each: [name for name in on.resources if name.startswith(each)] for each in MACHINES}
        assert on.resources.keys() - off.resources.keys() == {name for names in made.values() for name in names}
        for names in made.values():
            assert {on.resources[name]["Type"] for name in names} == {
                "AWS::StepFunctions::StateMachine",
                "AWS::Events::Rule",
                "AWS::IAM::Role",
                "AWS::IAM::Policy",
                "AWS::Logs::LogGroup",
                "AWS::CloudWatch::Alarm",
            }
        text = json.dumps(off.resources)
        assert not [word for word in (*MACHINES, "large-", "work/", "EventBridge") if word in text]
    assert Stack(synthesised, **DEPLOYMENTS["least"]).parameters["Scale"] == "off"


def test_the_functions_hear_what_is_asked_for(synthesised: Json) -> None:
    given = {"Scale": "on", "ScaleWorkers": 20, "ScaleConnections": 4, "LockSeconds": 1}
    stack = Stack(synthesised, **DEPLOYMENTS["least"], **given)
    variables = stack.resources["BackupFunction"]["Properties"]["Environment"]["Variables"]
    names = ("SCALE", "SCALE_WORKERS", "SCALE_CONNECTIONS", "LOCK_SECONDS")
    assert [variables[name] for name in names] == ["on", 20, 4, 1]
    variables = stack.resources["RestoreFunction"]["Properties"]["Environment"]["Variables"]
    assert [variables[name] for name in names[:3]] == ["on", 20, 4]


def test_the_state_machine_is_standard_logged_traced_and_of_the_definition_in_the_repository(
    stack: Stack, machine: str
) -> None:
    made = stack.resources[machine]["Properties"]
    assert made["StateMachineType"] == "STANDARD"  # of the other kind none may have a distributed Map, nor 15 minutes
    assert made["DefinitionS3Location"]["Key"].endswith(f"workflows/{MACHINES[machine]}.asl.json")
    assert (ROOT / made["DefinitionS3Location"]["Key"]).exists()
    assert made["DefinitionSubstitutions"] == {
        "Partition": {"Ref": "AWS::Partition"},
        "Bucket": stack.parameters["BucketName"],
        function_of(machine): {"Fn::GetAtt": [function_of(machine), "Arn"]},
    }
    assert made["TracingConfiguration"] == {"Enabled": True}
    logging = made["LoggingConfiguration"]
    [destination] = logging["Destinations"]
    assert destination == {"CloudWatchLogsLogGroup": {"LogGroupArn": {"Fn::GetAtt": [f"{machine}Logs", "Arn"]}}}
    assert logging["Level"] == "ERROR"


def test_each_step_may_do_its_own_and_no_more(stack: Stack, machine: str) -> None:
    found = allowed(stack, f"{machine}Role")
    named = {action: resource for action, resource in found.items() if resource != "*"}
    execution = "arn:${AWS::Partition}:states:${AWS::Region}:${AWS::AccountId}:execution:"
    execution += f"${{{machine}.Name}}"
    children = [{"Fn::Sub": f"{execution}:*"}, {"Fn::Sub": f"{execution}/*"}]
    assert named == {
        "lambda:InvokeFunction": {"Fn::GetAtt": [function_of(machine), "Arn"]},
        "s3:GetObject": {"Fn::Sub": "arn:${AWS::Partition}:s3:::${BucketName}/work/*"},
        "states:StartExecution": {"Ref": machine},
        "states:DescribeExecution": children,
        "states:StopExecution": children,
    } | ({"kms:Decrypt": "arn:key"} if stack.condition("HasKmsKey") else {})
    assert {action.partition(":")[0] for action, resource in found.items() if resource == "*"} == {"logs", "xray"}
    assert object_keys.WORK == "work/"


def test_the_rule_may_start_the_state_machine_and_nothing_else(stack: Stack, machine: str) -> None:
    assert allowed(stack, f"{machine}RuleRole") == {"states:StartExecution": {"Ref": machine}}
    for role, service in ((f"{machine}Role", "states"), (f"{machine}RuleRole", "events")):
        [trust] = stack.resources[role]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
        assert trust["Principal"] == {"Service": f"{service}.amazonaws.com"}
        assert trust["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}


def test_no_function_may_start_a_state_machine(stack: Stack) -> None:
    """The functions call the database and S3, and nothing else has an endpoint in their subnets."""
    for function in ("Insert", "Load", "Backup", "Restore"):
        actions = [action for one in statements(stack, f"{function}Role") for action in as_list(one["Action"])]
        assert not [action for action in actions if action.startswith(("states:", "lambda:", "events:"))]


def test_an_object_that_asks_for_it_starts_it_with_its_key_and_nothing_else(stack: Stack, machine: str) -> None:
    rule = stack.resources[f"{machine}Rule"]["Properties"]
    assert rule["EventPattern"] == {
        "source": ["aws.s3"],
        "detail-type": ["Object Created"],
        "detail": {
            "bucket": {"name": [stack.parameters["BucketName"]]},
            "object": {"key": [{"prefix": f"jobs/large-{MACHINES[machine]}/"}]},
        },
    }
    assert stack.resources["Bucket"]["Properties"]["NotificationConfiguration"]["EventBridgeConfiguration"] == {
        "EventBridgeEnabled": True
    }
    [target] = rule["Targets"]
    assert (target["Arn"], target["RoleArn"]) == ({"Ref": machine}, {"Fn::GetAtt": [f"{machine}RuleRole", "Arn"]})
    # Without quotes around <key>: EventBridge sets them, and escapes what is in the key.
    assert target["InputTransformer"] == {
        "InputPathsMap": {"key": "$.detail.object.key"},
        "InputTemplate": '{"key": <key>}',
    }
    assert target["RetryPolicy"]["MaximumEventAgeInSeconds"] == 600  # as of the other jobs


def test_what_the_rules_cannot_start_is_kept_and_nobody_elses_events_get_there(stack: Stack) -> None:
    letters = {"Fn::GetAtt": ["DeadLetters", "Arn"]}
    for machine in MACHINES:
        [target] = stack.resources[f"{machine}Rule"]["Properties"]["Targets"]
        assert target["DeadLetterConfig"] == {"Arn": letters}
    said = stack.resources["DeadLettersPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    [allows] = [one for one in said if one["Effect"] == "Allow"]
    assert (allows["Principal"], allows["Action"], allows["Resource"]) == (
        {"Service": "events.amazonaws.com"},
        "sqs:SendMessage",
        letters,
    )
    rules = [{"Fn::GetAtt": [f"{machine}Rule", "Arn"]} for machine in MACHINES]
    assert allows["Condition"] == {"ArnEquals": {"aws:SourceArn": rules}}


def test_whoever_looks_hears_of_an_execution_that_failed_took_too_long_was_throttled_or_never_began(
    stack: Stack, machine: str
) -> None:
    alarm = stack.resources[f"{machine}Alarm"]["Properties"]
    metrics = [one["MetricStat"]["Metric"] for one in alarm["Metrics"][1:]]
    arn = str({"Ref": machine})
    assert {(one["Namespace"], one["MetricName"], str(one["Dimensions"][0]["Value"])) for one in metrics} == {
        ("AWS/States", "ExecutionsFailed", arn),
        ("AWS/States", "ExecutionsTimedOut", arn),
        ("AWS/States", "ExecutionThrottled", arn),
        ("AWS/Events", "FailedInvocations", str({"Ref": f"{machine}Rule"})),
        ("AWS/Events", "InvocationsFailedToBeSentToDlq", str({"Ref": f"{machine}Rule"})),
    }


def test_what_the_functions_told_each_other_goes_after_a_week(stack: Stack) -> None:
    rules = stack.resources["Bucket"]["Properties"]["LifecycleConfiguration"]["Rules"]
    [work] = [rule for rule in rules if rule.get("Prefix") == object_keys.WORK]
    assert (work["Status"], work["ExpirationInDays"]) == ("Enabled", 7)


def test_no_endpoint_is_made_for_it(synthesised: Json) -> None:
    for deployment in DEPLOYMENTS.values():
        off = Stack(synthesised, **deployment | {"Scale": "off"}).of("AWS::EC2::VPCEndpoint")
        assert Stack(synthesised, **deployment | ON).of("AWS::EC2::VPCEndpoint") == off


def test_nothing_of_it_goes_round_in_a_circle(stack: Stack) -> None:
    """CloudFormation makes one after the other: the machine needs its role, and what the role may do needs the machine."""

    def needs(name: str) -> set[str]:
        found = set()
        for value in values(stack.resources[name]):
            if isinstance(value, dict) and len(value) == 1:
                [(function, argument)] = value.items()
                if function == "Ref":
                    found.add(argument)
                elif function == "Fn::GetAtt":
                    found.add(argument[0])
                elif function == "Fn::Sub":
                    found |= {machine for machine in MACHINES if f"${{{machine}." in str(argument)}
        return found & stack.resources.keys()

    def reached(name: str, way: tuple[str, ...]) -> None:
        assert name not in way, f"{' → '.join((*way, name))}"
        for one in needs(name):
            reached(one, (*way, name))

    for name in stack.resources:
        if name.startswith(tuple(MACHINES)):
            reached(name, ())
