"""A second region: whether the bucket there takes what is replicated to it. S3 would find that out object by object."""

from collections.abc import Iterator

from botocore.exceptions import ClientError

from deployment.account import Account, Order, Problem
from deployment.secrets import usable_key

_HOW = "docs/second-region.md"


def region(order: Order, account: Account) -> Iterator[Problem]:
    """The region of the replicas."""
    if (wanted := order.values["ReplicaRegion"]) == account.region:
        yield Problem("ReplicaRegion", f"the stack itself is in {wanted}.", "Name another region.")


def bucket(order: Order, account: Account) -> Iterator[Problem]:
    """The bucket of the replicas."""
    name, wanted = order.values["ReplicaBucketName"], order.values["ReplicaRegion"]
    if not name:
        return
    s3 = account.client("s3")
    try:
        there = s3.head_bucket(Bucket=name).get("BucketRegion", wanted)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] not in {403, 404}:
            raise
        yield Problem(
            "ReplicaBucketName",
            f"there is no {name}, or it is another account's.",
            f"Deploy the second stack first, which makes it, and name it here then ({_HOW}).",
        )
        return
    if there != wanted:
        yield Problem(
            "ReplicaBucketName", f"{name} is in {there}.", f"Set ReplicaRegion={there}, or name the bucket in {wanted}."
        )
    if s3.get_bucket_versioning(Bucket=name).get("Status") != "Enabled":
        yield Problem(
            "ReplicaBucketName",
            f"{name} keeps no versions, and S3 replicates to none that does not.",
            f"Name the bucket of a second stack ({_HOW}).",
        )
    if order.stack.condition("HasObjectLock") and not _locks(account, name):
        yield Problem(
            "ReplicaBucketName",
            f"{name} has no Object Lock, and this stack's bucket has: S3 replicates no lock to it.",
            f"Give the second stack ObjectLockDays, too, before it makes its bucket ({_HOW}).",
        )


def _locks(account: Account, name: str) -> bool:
    try:
        found = account.client("s3").get_object_lock_configuration(Bucket=name)["ObjectLockConfiguration"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "ObjectLockConfigurationNotFoundError":
            raise
        return False
    return bool(found.get("ObjectLockEnabled") == "Enabled")


def key(order: Order, account: Account) -> Iterator[Problem]:
    """The KMS key in the second region."""
    name, region = order.values["ReplicaKmsKeyArn"], order.values["ReplicaRegion"]
    if not name or not region:
        return
    if name.split(":")[3] != region:
        yield Problem(
            "ReplicaKmsKeyArn", f"it is in {name.split(':')[3]}, not in {region}.", "Name the second stack's."
        )
        return
    yield from usable_key("ReplicaKmsKeyArn", name, account, region)


CHECKS = (region, bucket, key)
