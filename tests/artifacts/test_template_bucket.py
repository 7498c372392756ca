"""What the bucket lets happen: to pages of the origins that may call the API, and to backups."""

import pytest

from tests.artifacts.test_template import DEPLOYMENTS
from tests.stack import Json, Stack


@pytest.mark.parametrize("deployment", DEPLOYMENTS)
def test_nobody_deletes_a_backup_by_a_request(deployment: str, synthesised: Json) -> None:
    """Neither the object, which leaves a version, nor its versions; S3's own lifecycle is not a principal."""
    policy = Stack(synthesised, **DEPLOYMENTS[deployment]).resources["BucketPolicy"]["Properties"]["PolicyDocument"]
    [denied] = [found for found in policy["Statement"] if found["Sid"] == "BackupsStay"]
    assert (denied["Effect"], denied["Principal"]) == ("Deny", "*")
    assert denied["Action"] == ["s3:DeleteObject", "s3:DeleteObjectVersion"]
    assert denied["Resource"] == {"Fn::Sub": "${Bucket.Arn}/backups/*"}
    assert "Condition" not in denied
