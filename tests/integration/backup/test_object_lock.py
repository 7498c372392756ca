"""Backups that nobody can delete (S3 Object Lock), against the emulator, which enforces it."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError

from tests.effort import either_server
from tests.support.parts import Database
from tests.support.verbs import backup, load_sample, post

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

pytestmark = either_server


@pytest.fixture
def locking(s3_client: "S3Client", monkeypatch: pytest.MonkeyPatch) -> str:
    """A bucket as the template makes it when backups are to be locked, for five days."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    s3_client.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    monkeypatch.setenv("BUCKET", name)
    monkeypatch.setenv("OBJECT_LOCK_DAYS", "5")
    return name


def test_no_object_of_a_backup_can_be_deleted_before_its_time(
    database: Database, s3_client: "S3Client", locking: str
) -> None:
    load_sample(database)
    made = backup()
    found = s3_client.list_object_versions(Bucket=locking, Prefix=f"backups/{made['id']}/")["Versions"]
    assert len(found) == 4
    for version in found:
        which = {"Bucket": locking, "Key": version["Key"], "VersionId": version["VersionId"]}
        retention = s3_client.get_object_retention(**which)["Retention"]  # type: ignore[arg-type]
        assert retention["Mode"] == "COMPLIANCE"
        days = (retention["RetainUntilDate"] - datetime.now(UTC)) / timedelta(days=1)
        assert 4.9 < days <= 5
        for options in ({}, {"BypassGovernanceRetention": True}):
            with pytest.raises(ClientError, match="AccessDenied"):
                s3_client.delete_object(**which, **options)  # type: ignore[arg-type]
    assert post(f"/backups/{made['id']}/verify").status == 201


def test_the_records_of_jobs_are_not_locked(database: Database, s3_client: "S3Client", locking: str) -> None:
    load_sample(database)
    backup("jobs")
    for version in s3_client.list_object_versions(Bucket=locking, Prefix="jobs/")["Versions"]:
        s3_client.delete_object(Bucket=locking, Key=version["Key"], VersionId=version["VersionId"])
