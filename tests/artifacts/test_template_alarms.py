"""What goes wrong is heard by somebody: what alarms listen to, when they sound, whom they tell, and what they cost."""

import json
import re
from typing import Any

import pytest

from local.runtime.state import ROOT
from tests.artifacts.test_template import DEPLOYMENTS
from tests.support.stack import Json, Stack

LEAST = DEPLOYMENTS["least"]
BOTH = LEAST | {"BackupSchedule": "cron(0 3 * * ? *)", "DrillSchedule": "rate(7 days)"}
NEW = DEPLOYMENTS["new"]


def alarms(stack: Stack) -> dict[str, Json]:
    return stack.of("AWS::CloudWatch::Alarm")


def metrics(alarm: Json) -> dict[str, Json]:
    """What an alarm listens to, by the ids that its expression knows them by."""
    several = {found["Id"]: found["MetricStat"] for found in alarm.get("Metrics", []) if "MetricStat" in found}
    own = {name: alarm[name] for name in ("Namespace", "MetricName", "Dimensions") if name in alarm}
    alone = {"alone": {"Metric": own, "Stat": alarm.get("Statistic"), "Period": alarm.get("Period")}}
    return several or alone


def names(alarm: Json) -> set[tuple[str, str]]:
    """The metrics with whom or what they are of."""
    return {
        (found["Metric"]["MetricName"], _of(found["Metric"]["Dimensions"][0]["Value"]))
        for found in metrics(alarm).values()
    }


def _of(value: Any) -> str:
    return str(value) if not isinstance(value, dict) else str(next(iter(value.values())))


# ---- Whom they tell ----


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, []),
        ({"AlarmTopicArn": "arn:topic"}, ["arn:topic"]),
        ({"AlarmEmail": "ops@example.com"}, [{"Ref": "AlarmTopic"}]),
        ({"AlarmTopicArn": "arn:topic", "AlarmEmail": "ops@example.com"}, ["arn:topic"]),
    ],
)
def test_alarms_tell_a_topic_that_there_is_or_one_for_an_address(
    synthesised: Json, given: Json, told: list[Any]
) -> None:
    stack = Stack(synthesised, **NEW, **given)
    for alarm in alarms(stack).values():
        assert alarm["AlarmActions"] == alarm["OKActions"] == told
    mails: list[Any] = [
        (found["Protocol"], found["Endpoint"], [found["TopicArn"]])
        for found in stack.of("AWS::SNS::Subscription").values()
    ]
    assert mails == ([("email", "ops@example.com", told)] if "AlarmEmail" in given else [])
    assert ("AlarmTopic" in stack.resources) is ({"Ref": "AlarmTopic"} in told)


def test_the_alarms_of_this_account_and_nobody_else_speak_at_the_topic_which_no_key_keeps_from_them(
    synthesised: Json,
) -> None:
    """CloudWatch may not use a key whose policy does not name it, and an alarm that cannot publish is silent."""
    stack = Stack(synthesised, **LEAST, AlarmEmail="ops@example.com", KmsKeyArn="arn:key")
    assert "KmsMasterKeyId" not in stack.resources["AlarmTopic"].get("Properties", {})
    policy = stack.resources["AlarmTopicPolicy"]["Properties"]
    assert policy["Topics"] == [{"Ref": "AlarmTopic"}]
    [allowed] = [one for one in policy["PolicyDocument"]["Statement"] if one["Effect"] == "Allow"]
    assert (allowed["Principal"], allowed["Action"]) == ({"Service": "cloudwatch.amazonaws.com"}, "sns:Publish")
    assert allowed["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}
    [denied] = [one for one in policy["PolicyDocument"]["Statement"] if one["Effect"] == "Deny"]
    assert denied["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


@pytest.mark.parametrize("address", ["", "ops@example.com", "a.b+c@mail.example"])
def test_an_address_is_one(synthesised: Json, address: str) -> None:
    assert re.fullmatch(synthesised["Parameters"]["AlarmEmail"]["AllowedPattern"], address)


@pytest.mark.parametrize("address", ["ops", "ops@", "a@b, c@d", "ops@exam ple.com"])
def test_what_is_no_address_is_refused(synthesised: Json, address: str) -> None:
    assert not re.fullmatch(synthesised["Parameters"]["AlarmEmail"]["AllowedPattern"], address)


@pytest.mark.parametrize("deployment", ["least", "new", "all"])
def test_the_dashboard_shows_every_alarm_that_there_is(synthesised: Json, deployment: str) -> None:
    stack = Stack(synthesised, **DEPLOYMENTS[deployment])
    [dashboard] = stack.of("AWS::CloudWatch::Dashboard").values()
    text, given = dashboard["DashboardBody"]["Fn::Sub"]
    separator, arns = given["Alarms"]["Fn::Join"]
    shown = [arn["Fn::GetAtt"] for arn in arns]
    assert sorted(shown) == sorted([name, "Arn"] for name in alarms(stack))
    filled = text.replace("${Alarms}", separator.join(f"arn:{name}" for name, _ in shown))
    [widget] = [one for one in json.loads(filled)["widgets"] if one["type"] == "alarm"]
    assert widget["properties"]["alarms"] == [f"arn:{name}" for name, _ in shown]
    assert len(shown) <= 100


# ---- What they listen to ----


def test_a_restore_that_cannot_be_finished_sounds_until_it_is(synthesised: Json) -> None:
    stack = Stack(synthesised, **LEAST)
    alarm = alarms(stack)["StuckAlarm"]
    assert names(alarm) == {("restores_stuck", "restore")}
    assert alarm["TreatMissingData"] == "ignore"  # between two looks, whatever the schedule is, it is as it was
    assert "StuckAlarm" not in alarms(Stack(synthesised, **LEAST, RecoverSchedule=""))


def test_events_that_nobody_got_are_heard_of(synthesised: Json) -> None:
    stack = Stack(synthesised, **LEAST)
    told = names(alarms(stack)["LostEventsAlarm"])
    invoked = {found["FunctionName"]["Ref"] for found in stack.of("AWS::Lambda::EventInvokeConfig").values()}
    assert {of for name, of in told if name == "AsyncEventsDropped"} == invoked
    assert {of for name, of in told if name == "DestinationDeliveryFailures"} == invoked
    assert {(name, of) for name, of in told if of not in invoked} == {
        ("InvocationDroppedCount", "ScheduleGroup"),
        ("InvocationsFailedToBeSentToDeadLetterCount", "ScheduleGroup"),
    }
    # There would be errors of dead letters (`DeadLetterErrors`) only of functions with a queue of that name.
    assert not [found for found in stack.of("AWS::Lambda::Function").values() if "DeadLetterConfig" in found]


def test_the_schedules_are_a_group_of_their_own_by_which_their_metrics_are_known(synthesised: Json) -> None:
    stack = Stack(synthesised, **BOTH)
    for schedule in stack.of("AWS::Scheduler::Schedule").values():
        assert schedule["GroupName"] == {"Ref": "ScheduleGroup"}
    without = Stack(synthesised, **LEAST, RecoverSchedule="", RetryHours=0, BackupRetentionDays=0)
    assert "ScheduleGroup" not in without.resources
    assert not {of for _, of in names(alarms(without)["LostEventsAlarm"])} & {"ScheduleGroup"}


def test_a_function_that_needs_nearly_all_its_time_is_heard_of(synthesised: Json) -> None:
    """Each function's longest call as a share of what it has; 90 of 100 is near."""
    stack = Stack(synthesised, **LEAST)
    alarm = alarms(stack)["DurationAlarm"]
    [expression] = [found["Expression"] for found in alarm["Metrics"] if "Expression" in found]
    limits = {name: int(limit) / 1000 for name, limit in re.findall(r"(\w+) / (\d+)", expression)}
    assert re.fullmatch(r"100 \* MAX\(\[\w+ / \d+(, \w+ / \d+)*\]\)", expression)
    assert (alarm["Threshold"], alarm["ComparisonOperator"]) == (90, "GreaterThanOrEqualToThreshold")
    functions = stack.of("AWS::Lambda::Function")
    times = {found["Metric"]["Dimensions"][0]["Value"]["Ref"]: name for name, found in metrics(alarm).items()}
    assert times.keys() == functions.keys()
    for function, found in functions.items():
        assert metrics(alarm)[times[function]]["Stat"] == "Maximum"
        timeout = found["Timeout"]
        if function == "UploadsFunction":  # answers requests, and API Gateway waits 30 seconds
            timeout = min(timeout, 30)
        if function == "LoadFunction":  # ends by itself 30 seconds before: half of them gone is too near
            assert abs(0.9 * limits["load"] - (timeout - 15)) < 1
        else:
            assert limits[times[function]] == timeout


def test_a_new_database_that_runs_short_of_something_is_heard_of(synthesised: Json) -> None:
    stack = Stack(synthesised, **NEW, DatabaseStorageGiB=50, ConnectionsThreshold=60)
    found = alarms(stack)
    of = {"DatabaseStorageAlarm": "FreeStorageSpace", "DatabaseConnectionsAlarm": "DatabaseConnections"}
    of["DatabaseProcessorAlarm"] = "CPUUtilization"
    for name, metric in of.items():
        [(told, whose)] = names(found[name])
        assert (told, whose) == (metric, "Database")
        assert metrics(found[name]).popitem()[1]["Metric"]["Namespace"] == "AWS/RDS"
    [expression] = [one["Expression"] for one in found["DatabaseStorageAlarm"]["Metrics"] if "Expression" in one]
    assert expression == {"Fn::Sub": "100 * free / 1073741824 / ${DatabaseStorageGiB}"}
    assert found["DatabaseStorageAlarm"]["ComparisonOperator"].startswith("LessThan")
    assert found["DatabaseConnectionsAlarm"]["Threshold"] == 60
    assert not of.keys() & alarms(Stack(synthesised, **LEAST)).keys()


def test_a_new_database_has_room_to_grow_for_a_restore_keeps_the_old_tables_too(synthesised: Json) -> None:
    for given, most in (
        ({}, "200"),
        ({"DatabaseMaxStorageGiB": "1000"}, "1000"),
        ({"DatabaseMaxStorageGiB": "0"}, None),
    ):
        [database] = Stack(synthesised, **NEW, **given).of("AWS::RDS::DBInstance").values()
        assert database.get("MaxAllocatedStorage") == most
    assert Stack(synthesised, **NEW).parameters["DatabaseStorageGiB"] == 20  # RDS wants a tenth more than this at least


@pytest.mark.parametrize("deployment", [LEAST, BOTH, NEW, DEPLOYMENTS["all"]])
def test_no_alarm_listens_to_more_metrics_than_an_alarm_may(synthesised: Json, deployment: Json) -> None:
    for alarm in alarms(Stack(synthesised, **deployment)).values():
        assert len(alarm.get("Metrics", [])) <= 10
        assert ("Metrics" in alarm) != ("MetricName" in alarm)


def test_the_documentation_says_for_how_many_metrics_alarms_are_paid(synthesised: Json) -> None:
    def count(deployment: Json) -> int:
        return sum(len(metrics(alarm)) for alarm in alarms(Stack(synthesised, **deployment)).values())

    deploy = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
    least, both, new = count(LEAST), count(BOTH), count(NEW) - count(LEAST)
    row = f"| alarms: {least} metrics, {both} with both schedules, and {new} of a new database | "
    assert f"{row}${least / 10:.2f} to ${(both + new) / 10:.2f} |" in deploy


def rows_of_operations() -> dict[str, str]:
    """What the page says of each alarm, by its name: the row of the table, in which one row may be of several."""
    operations = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    section = operations.partition("## What an alarm says")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`\w+`[^|]*) \|(.*)$", section, re.MULTILINE)
    return {name: said for named, said in rows for name in re.findall(r"\w+", named)}


def test_the_page_of_operations_says_what_to_do_about_each_alarm(synthesised: Json) -> None:
    every: tuple[Json, ...] = (
        {},
        BOTH,
        NEW,
        {"ReplicaBucketName": "second", "ReplicaRegion": "eu-west-1"},
        {"Scale": "on"},
    )
    known = {name for given in every for name in alarms(Stack(synthesised, **{**LEAST, **given}))}
    assert rows_of_operations().keys() == known


def test_the_page_of_operations_names_each_queue_that_an_alarm_is_about(synthesised: Json) -> None:
    said = rows_of_operations()
    for name, alarm in alarms(Stack(synthesised, **LEAST)).items():
        told = [found["Metric"] for found in metrics(alarm).values()]
        queues = {one["Dimensions"][0]["Value"]["Fn::GetAtt"][0] for one in told if one["Namespace"] == "AWS/SQS"}
        assert not {queue for queue in queues if f"`{queue}`" not in said[name]}
