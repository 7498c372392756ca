"""Uploads go from S3 by a queue to the load function, read from what CloudFormation gets: none is lost, none floods."""

import pytest

from tests.artifacts.test_template import DEPLOYMENTS, as_list, statements
from tests.support.stack import Json, Stack, values

UPLOADS, DEAD = {"Fn::GetAtt": ["Uploads", "Arn"]}, {"Fn::GetAtt": ["DeadUploads", "Arn"]}
RETENTION = 14 * 86400


@pytest.fixture(params=DEPLOYMENTS)
def stack(request: pytest.FixtureRequest, synthesised: Json) -> Stack:
    return Stack(synthesised, **DEPLOYMENTS[request.param])


def prefix(configuration: Json) -> str:
    [rule] = configuration["Filter"]["S3Key"]["Rules"]
    assert rule["Name"] == "prefix"
    return str(rule["Value"])


def test_uploads_and_hand_overs_go_to_the_queue_and_jobs_to_their_functions(stack: Stack) -> None:
    told = dict(stack.resources["Bucket"]["Properties"]["NotificationConfiguration"])
    assert ("EventBridgeConfiguration" in told) is stack.condition("Scales")
    told.pop("EventBridgeConfiguration", None)
    assert {prefix(one): one["Queue"] for one in told["QueueConfigurations"]} == {
        "uploads/": UPLOADS,
        "resume/": UPLOADS,
    }
    assert {prefix(one): one["Function"]["Fn::GetAtt"][0] for one in told["LambdaConfigurations"]} == {
        "jobs/backup/": "BackupFunction",
        "jobs/verify/": "BackupFunction",
        "jobs/restore/": "RestoreFunction",
    }
    prefixes = [prefix(one) for kind in told.values() for one in kind]
    assert not [(a, b) for a in prefixes for b in prefixes if a != b and a.startswith(b)], "S3 refuses overlaps"
    assert {one["Event"] for kind in told.values() for one in kind} == {"s3:ObjectCreated:*"}


def test_the_bucket_and_nobody_else_may_send_and_may_before_it_is_made(stack: Stack) -> None:
    policy = stack.resources["UploadsPolicy"]["Properties"]
    assert policy["Queues"] == [{"Ref": "Uploads"}]
    allowed, denied = policy["PolicyDocument"]["Statement"]
    assert (allowed["Effect"], allowed["Principal"]) == ("Allow", {"Service": "s3.amazonaws.com"})
    assert (allowed["Action"], allowed["Resource"]) == ("sqs:SendMessage", UPLOADS)
    assert allowed["Condition"] == {
        "ArnEquals": {"aws:SourceArn": {"Fn::Sub": "arn:${AWS::Partition}:s3:::${BucketName}"}},
        "StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}},
    }
    assert (denied["Effect"], denied["Principal"], denied["Action"]) == ("Deny", "*", "sqs:*")
    assert denied["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert "UploadsPolicy" in stack.resources["Bucket"]["DependsOn"]
    for name in ("Uploads", "UploadsPolicy", "DeadUploads", "DeadUploadsPolicy"):
        assert {"Ref": "Bucket"} not in list(values(stack.resources[name])), "a circle"
        assert ["Bucket", "Arn"] not in list(values(stack.resources[name])), "a circle"


@pytest.mark.parametrize("name", ["Uploads", "DeadUploads", "DeadLetters"])
def test_every_queue_is_encrypted_speaks_tls_only_and_keeps_for_as_long_as_sqs_can(stack: Stack, name: str) -> None:
    queue = stack.resources[name]["Properties"]
    assert queue["SqsManagedSseEnabled"] is True
    assert queue["MessageRetentionPeriod"] == RETENTION
    said = stack.resources[f"{name}Policy"]["Properties"]["PolicyDocument"]["Statement"]
    assert [one["Condition"] for one in said if one["Effect"] == "Deny"] == [{"Bool": {"aws:SecureTransport": "false"}}]


def test_a_message_is_hidden_for_six_times_the_functions_time_and_tried_for_half_of_its_life(stack: Stack) -> None:
    """SQS counts a letter's age from its first moment, and drops what is older than 14 days without a word."""
    queue = stack.resources["Uploads"]["Properties"]
    function = stack.resources["LoadFunction"]["Properties"]
    assert queue["VisibilityTimeout"] == 6 * function["Timeout"] == 5400
    redrive = queue["RedrivePolicy"]
    assert redrive["deadLetterTargetArn"] == DEAD
    assert redrive["maxReceiveCount"] * queue["VisibilityTimeout"] == RETENTION / 2
    assert redrive["maxReceiveCount"] >= 5  # which Lambda asks for


def test_only_messages_of_the_queue_lie_among_its_dead_letters(stack: Stack) -> None:
    """So that they can be sent back by one command: it takes nothing that came otherwise."""
    sources = [name for name, found in stack.of("AWS::SQS::Queue").items() if DEAD in list(values(found))]
    assert sources == ["Uploads"]
    for name, found in stack.resources.items():
        assert name == "Uploads" or not found["Type"].startswith("AWS::Lambda") or DEAD not in list(values(found)), name


def test_one_message_at_a_time_and_no_more_files_at_once_than_is_said(synthesised: Json) -> None:
    for given, limit in (({}, "10"), ({"LoadConcurrency": "4"}, "4"), ({"LoadConcurrency": "0"}, None)):
        stack = Stack(synthesised, **DEPLOYMENTS["least"], **given)
        [source] = stack.of("AWS::Lambda::EventSourceMapping").values()
        assert (source["FunctionName"], source["EventSourceArn"]) == ({"Ref": "LoadFunction"}, UPLOADS)
        assert source["BatchSize"] == 1
        assert source.get("ScalingConfig") == ({"MaximumConcurrency": limit} if limit else None)
        assert "FunctionResponseTypes" not in source  # its answers are statuses; an error is the whole batch's, of one


@pytest.mark.parametrize(("given", "refused"), [(0, False), (1, True), (2, False), (1000, False)])
def test_a_limit_that_lambda_does_not_know_is_refused(synthesised: Json, given: int, refused: bool) -> None:
    said = Stack(synthesised, **DEPLOYMENTS["least"], LoadConcurrency=given).refusals()
    assert [message.split()[0] for message in said] == (["LoadConcurrency"] if refused else [])
    assert synthesised["Parameters"]["LoadConcurrency"]["MinValue"] == 0
    assert synthesised["Parameters"]["LoadConcurrency"]["MaxValue"] == 1000


def test_the_role_may_what_lambda_needs_to_take_from_the_queue_and_no_more(stack: Stack) -> None:
    of_queues = {
        (action, str(found["Resource"]))
        for found in statements(stack, "LoadRole")
        for action in as_list(found["Action"])
        if found["Effect"] == "Allow" and action.startswith("sqs:")
    }
    taking = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")
    letters = {"Fn::GetAtt": ["DeadLetters", "Arn"]}
    assert of_queues == {*((action, str(UPLOADS)) for action in taking), ("sqs:SendMessage", str(letters))}
    for role in ("InsertRole", "BackupRole", "RestoreRole"):
        assert UPLOADS not in [found["Resource"] for found in statements(stack, role)]


def test_what_lambda_does_with_queues_in_a_functions_name_its_code_may_not(stack: Stack) -> None:
    """Lambda names the function in calls of its code, and in none of its own for mappings and destinations."""
    for function in ("Insert", "Load", "Backup", "Restore"):
        [denied] = [one for one in statements(stack, f"{function}Role") if one["Effect"] == "Deny"]
        assert "sqs:*" in denied["Action"]
        assert denied["Resource"] == "*"
        assert denied["Condition"] == {
            "ArnLike": {
                "lambda:SourceFunctionArn": {"Fn::Sub": "arn:${AWS::Partition}:lambda:*:${AWS::AccountId}:function:*"}
            }
        }


def test_no_function_reserves_anything_of_the_accounts(stack: Stack) -> None:
    for name, function in stack.of("AWS::Lambda::Function").items():
        assert "ReservedConcurrentExecutions" not in function, name


def test_a_load_that_hands_itself_over_is_not_stopped_as_a_loop(stack: Stack) -> None:
    assert stack.resources["LoadFunction"]["Properties"]["RecursiveLoop"] == "Allow"


def test_what_waits_for_long_and_what_was_given_up_is_heard_for_as_long_as_it_lies_there(stack: Stack) -> None:
    """A queue that nobody touches sends no metrics after six hours; the alarm must neither end by that nor come too late."""
    alarms = stack.of("AWS::CloudWatch::Alarm")
    age = alarms["UploadsAgeAlarm"]
    assert (age["Namespace"], age["MetricName"]) == ("AWS/SQS", "ApproximateAgeOfOldestMessage")
    assert age["Dimensions"] == [{"Name": "QueueName", "Value": {"Fn::GetAtt": ["Uploads", "QueueName"]}}]
    visibility = stack.resources["Uploads"]["Properties"]["VisibilityTimeout"]
    assert 2 * visibility <= age["Threshold"] < 6 * 3600
    metrics = [one["MetricStat"] for one in alarms["DeadLettersAlarm"]["Metrics"] if "MetricStat" in one]
    assert [one["Metric"]["Dimensions"][0]["Value"]["Fn::GetAtt"][0] for one in metrics] == [
        "DeadLetters",
        "DeadUploads",
    ]
    for name in ("UploadsAgeAlarm", "DeadLettersAlarm"):
        assert alarms[name]["TreatMissingData"] == "ignore"


def test_a_throttled_load_is_heard_since_the_limit_throttles_none(stack: Stack) -> None:
    metrics = [one for one in stack.of("AWS::CloudWatch::Alarm")["ThrottlesAlarm"]["Metrics"] if "MetricStat" in one]
    functions = {one["MetricStat"]["Metric"]["Dimensions"][0]["Value"]["Ref"] for one in metrics}
    assert functions == set(stack.of("AWS::Lambda::Function"))


def test_whoever_looks_finds_the_letters_and_what_to_send_back(synthesised: Json) -> None:
    outputs = synthesised["Outputs"]
    assert outputs["DeadLettersUrl"]["Value"] == {"Ref": "DeadLetters"}
    assert outputs["DeadUploadsUrl"]["Value"] == {"Ref": "DeadUploads"}
    assert outputs["DeadUploadsArn"]["Value"] == DEAD
