"""How long backups are kept, by what CloudFormation gets: what expires, who marks it, and what is left to itself."""

import json
from typing import Any

import pytest

from tableferry.manifest import retention
from tests.artifacts.test_template import DEPLOYMENTS, objects
from tests.support.stack import Json, Stack


def rules(stack: Stack) -> dict[str, Any]:
    found = stack.resources["Bucket"]["Properties"]["LifecycleConfiguration"]["Rules"]
    return {rule["Id"]: rule for rule in found}


def test_a_backup_expires_only_if_it_is_marked_as_superseded_in_this_bucket(synthesised: Json) -> None:
    stack = Stack(synthesised, **DEPLOYMENTS["least"], BucketName="acme", BackupRetentionDays=20)
    assert rules(stack)["Backups"] == {
        "Id": "Backups",
        "Status": "Enabled",
        "Prefix": "backups/",
        "TagFilters": [{"Key": retention.TAG, "Value": "acme"}],
        "ExpirationInDays": 20,
    }


def test_no_rule_expires_backups_by_age_alone(synthesised: Json) -> None:
    for deployment in DEPLOYMENTS.values():
        for rule in rules(Stack(synthesised, **deployment)).values():
            of_backups = "backups/".startswith(rule.get("Prefix", ""))
            assert not of_backups or "TagFilters" in rule or not {"ExpirationInDays", "ExpirationDate"} & set(rule)


def test_markers_of_expired_backups_go_by_a_rule_without_tags(synthesised: Json) -> None:
    """S3 takes ExpiredObjectDeleteMarker neither with tags nor with days."""
    stack = Stack(synthesised, **DEPLOYMENTS["least"])
    expected = {"Id": "BackupMarkers", "Status": "Enabled", "Prefix": "backups/", "ExpiredObjectDeleteMarker": True}
    assert rules(stack)["BackupMarkers"] == expected


@pytest.mark.parametrize("days", [0, 35])
def test_the_check_runs_wherever_backups_expire_with_the_rights_and_days_for_it(synthesised: Json, days: int) -> None:
    stack = Stack(synthesised, **DEPLOYMENTS["least"], BackupRetentionDays=days)
    assert ("ScheduledCheck" in stack.resources) is bool(days)
    assert (
        {"Backups", "BackupMarkers"} <= set(rules(stack))
        if days
        else not {"Backups", "BackupMarkers"} & set(rules(stack))
    )
    variables = stack.resources["BackupFunction"]["Properties"]["Environment"]["Variables"]
    assert variables["BACKUP_RETENTION_DAYS"] == days
    for action in ("s3:GetObjectTagging", "s3:PutObjectTagging"):
        assert objects(stack, "Backup", action) == ({"backups/*"} if days else set())
        for function in ("Insert", "Load", "Restore"):
            assert objects(stack, function, action) == set()
    if days:
        schedule = stack.resources["ScheduledCheck"]["Properties"]
        assert json.loads(schedule["Target"]["Input"]) == {"action": "check"}
        assert schedule["Target"]["Arn"] == {"Fn::GetAtt": ["BackupFunction", "Arn"]}
