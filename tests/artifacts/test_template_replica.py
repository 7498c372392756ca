"""A second region, by what CloudFormation gets: what goes there, by whose rights, and what is said of what cannot be."""

import re
from pathlib import Path
from typing import Any

import pytest

from deployment.stack import in_sam
from local.runtime.state import ROOT
from tests.artifacts.test_template import DEPLOYMENTS
from tests.effort import in_ci
from tests.support.stack import Json, Stack, values

REPLICA = {"BucketName": "first", "ReplicaRegion": "eu-west-1", "ReplicaBucketName": "second"}
KEYS = {"KmsKeyArn": "arn:key", "ReplicaKmsKeyArn": "arn:second-key"}


def made(synthesised: Json, **parameters: object) -> Stack:
    return Stack(synthesised, **DEPLOYMENTS["least"] | parameters)


def rights(stack: Stack) -> list[Json]:
    [policy] = stack.resources["ReplicationRole"]["Properties"]["Policies"]
    found: list[Json] = policy["PolicyDocument"]["Statement"]
    return found


def test_nothing_is_replicated_unless_it_is_asked_for(synthesised: Json) -> None:
    stack = made(synthesised)
    assert "ReplicationConfiguration" not in stack.resources["Bucket"]["Properties"]
    assert "ReplicaRegions" not in stack.resources["SigningKey"]["Properties"]
    assert not {"ReplicationRole", "ReplicationAlarm"} & set(stack.resources)


def test_the_signing_key_goes_first_so_that_the_second_stack_can_be_made(synthesised: Json) -> None:
    stack = made(synthesised, ReplicaRegion="eu-west-1")
    assert stack.refusals() == set()
    assert stack.resources["SigningKey"]["Properties"]["ReplicaRegions"] == [{"Region": "eu-west-1"}]
    assert "ReplicationConfiguration" not in stack.resources["Bucket"]["Properties"]
    assert "ReplicaRegions" not in stack.resources["LoadSigningKey"]["Properties"]
    assert synthesised["Outputs"]["ReplicaSigningKeyArn"]["Condition"] == "ReplicatesSigningKey"
    others = made(synthesised, ReplicaRegion="eu-west-1", SigningKeyArn="arn:other")
    assert not others.condition("ReplicatesSigningKey"), "who made the key replicates it"


@pytest.mark.parametrize("keys", [{}, KEYS])
def test_backups_alone_are_replicated_and_nothing_is_deleted_there(synthesised: Json, keys: Json) -> None:
    stack = made(synthesised, **REPLICA, **keys)
    assert stack.refusals() == set()
    found = stack.resources["Bucket"]["Properties"]["ReplicationConfiguration"]
    assert found["Role"] == {"Fn::GetAtt": ["ReplicationRole", "Arn"]}
    [rule] = found["Rules"]
    assert (rule["Filter"], rule["DeleteMarkerReplication"]) == ({"Prefix": "backups/"}, {"Status": "Disabled"})
    assert rule["Destination"]["Metrics"] == {"Status": "Enabled"}
    encrypted = {"SseKmsEncryptedObjects": {"Status": "Enabled"}} if keys else None
    assert rule.get("SourceSelectionCriteria") == encrypted
    assert rule["Destination"].get("EncryptionConfiguration") == (
        {"ReplicaKmsKeyID": "arn:second-key"} if keys else None
    )
    [replica] = stack.resources["SigningKey"]["Properties"]["ReplicaRegions"]
    assert replica.get("KmsKeyId") == ("arn:second-key" if keys else None)


@pytest.mark.parametrize("keys", [{}, KEYS])
def test_s3_may_read_backups_here_and_add_to_them_there(synthesised: Json, keys: Json) -> None:
    allowed: dict[str, set[str]] = {}
    for statement in rights(made(synthesised, **REPLICA, **keys)):
        assert statement["Effect"] == "Allow"
        actions, resource = statement["Action"], statement["Resource"]
        place = resource["Fn::Sub"].partition(":s3:::")[2] if isinstance(resource, dict) else resource
        allowed.setdefault(place, set()).update([actions] if isinstance(actions, str) else actions)
    reads = {"s3:GetObjectVersionForReplication", "s3:GetObjectVersionAcl", "s3:GetObjectVersionTagging"}
    locks = {"s3:GetObjectRetention", "s3:GetObjectLegalHold"}
    expected = {
        "${BucketName}": {"s3:GetReplicationConfiguration", "s3:ListBucket"},
        "${BucketName}/backups/*": reads | locks,
        "${ReplicaBucketName}/backups/*": {"s3:ReplicateObject", "s3:ReplicateTags"},
    }
    assert allowed == expected | ({"arn:key": {"kms:Decrypt"}, "arn:second-key": {"kms:Encrypt"}} if keys else {})


def test_whoever_hears_alarms_hears_of_objects_that_failed(synthesised: Json) -> None:
    stack = made(synthesised, **REPLICA, AlarmTopicArn="arn:topic")
    alarm = stack.resources["ReplicationAlarm"]["Properties"]
    assert (alarm["Namespace"], alarm["MetricName"]) == ("AWS/S3", "OperationsFailedReplication")
    [rule] = stack.resources["Bucket"]["Properties"]["ReplicationConfiguration"]["Rules"]
    named = {dimension["Name"]: dimension["Value"] for dimension in alarm["Dimensions"]}
    assert named == {"SourceBucket": "first", "DestinationBucket": "second", "RuleId": rule["Id"]}
    assert alarm["AlarmActions"] == ["arn:topic"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"ReplicaBucketName": "second"}, "ReplicaRegion is needed"),
        (REPLICA | {"ReplicaBucketName": "first"}, "another stack"),
        (REPLICA | {"KmsKeyArn": "arn:key"}, "ReplicaKmsKeyArn is needed"),
        (REPLICA | {"ReplicaKmsKeyArn": "arn:key"}, "and only then"),
    ],
)
def test_what_s3_would_find_out_later_is_refused_before(synthesised: Json, given: Json, said: str) -> None:
    [refused] = made(synthesised, **given).refusals()
    assert said in refused


def written(block: str, folder: Path) -> dict[str, str]:
    """The parameters of a part of samconfig.toml, as SAM reads them."""
    whole = block if block.startswith("[") else f"[second.global.parameters]\nparameter_overrides = [\n{block}]\n"
    (folder / "samconfig.toml").write_text("version = 0.1\n" + whole.replace("SigningKey-…", "SigningKey-AbCdEf"))
    found: dict[str, str] = in_sam("deployment.samconfig", "second", str(folder))["parameters"]
    return found


@in_ci
def test_what_the_page_has_you_write_is_read_whole_and_refused_by_nothing(synthesised: Json, tmp_path: Path) -> None:
    page = (ROOT / "docs" / "second-region.md").read_text(encoding="utf-8")
    key, second, bucket, restoring = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    first = {"BucketName": "acme-tableferry-prod", **DEPLOYMENTS["least"]}
    [choice] = re.findall(r"# or, in the place of these three: (.*)\n", restoring)
    its_own = restoring.replace("    # one of your own:\n", "")
    made_there = re.sub(
        r"# one of your own:.*# or, in the place of these three: ([^\n]*)", r"\1,", restoring, flags=re.DOTALL
    )
    assert choice in made_there
    waiting = written(second, tmp_path)
    for given in (
        first | written(key, tmp_path),
        first | written(key, tmp_path) | written(bucket, tmp_path),
        waiting,
        waiting | written(its_own, tmp_path),
        waiting | written(made_there, tmp_path),
    ):
        stack = Stack(synthesised, **given)
        assert (stack.malformed(), stack.refusals()) == ({}, set()), given
    assert waiting["RecoverSchedule"] == ""
    assert written(bucket, tmp_path)["ReplicaBucketName"] == waiting["BucketName"]
    without = Stack(synthesised, **waiting)
    schedules = without.of("AWS::Scheduler::Schedule")
    assert set(schedules) == {"ScheduledCheck"}, "nothing that needs a database happens by itself"
    assert "VpcConfig" not in without.resources["BackupFunction"]["Properties"]


def test_the_bucket_and_its_role_do_not_wait_for_each_other(synthesised: Json) -> None:
    """The role names the bucket by its parameter: a reference would be a circle."""
    role = made(synthesised, **REPLICA, **KEYS).resources["ReplicationRole"]
    references: list[Any] = [found for found in values(role) if isinstance(found, dict)]
    assert {"Ref": "Bucket"} not in references
    assert not [found for found in references if "Fn::GetAtt" in found]
