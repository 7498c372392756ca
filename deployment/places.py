"""The stack, its region and its bucket: whether there is room for them."""

import os
from collections.abc import Iterator

from botocore.exceptions import ClientError

from deployment.account import Account, Order, Problem

# ARNs that have to be of the stack's own region: what uses them looks nowhere else.
_HERE = ("KmsKeyArn", "SigningKeyArn", "CertificateArn", "AlarmTopicArn")
# And in a VPC, whose endpoint for Secrets Manager leads to no other; elsewhere the database's secret is asked for where it is.
_HERE_IN_A_VPC = ("DatabaseSecretArn", "DatabaseSecretKeyArn")


def region(order: Order, account: Account) -> Iterator[Problem]:
    """The region."""
    said = {name: os.environ[name] for name in ("AWS_REGION", "AWS_DEFAULT_REGION") if os.environ.get(name)}
    if said and set(said.values()) != {account.region}:
        words = ", ".join(f"{name} is {value}" for name, value in said.items())
        yield Problem(
            "the region",
            f"{words}, and the stack goes to {account.region}.",
            f"export AWS_REGION={account.region} AWS_DEFAULT_REGION={account.region}: the AWS CLI reads the one,"
            " SAM CLI the other.",
        )
    for name in _HERE + _HERE_IN_A_VPC if order.values["VpcId"] else _HERE:
        parts = order.values[name].split(":")
        if parts[0] == "arn" and len(parts) > 5 and parts[3] != account.region:
            yield Problem(
                name, f"it is in {parts[3]}, and the stack in {account.region}.", "Name one of the stack's region."
            )


def stack(order: Order, account: Account) -> Iterator[Problem]:
    """The stack."""
    status = account.standing["StackStatus"] if account.standing else ""
    command = f"aws cloudformation {{}} --stack-name {order.stack_name}"
    if status in {"ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED"}:
        yield Problem(
            f"stack {order.stack_name}",
            f"it is left from a create or delete that failed ({status}), and cannot be updated.",
            f"Delete it, then look here again: {command.format('delete-stack')}",
        )
    elif status == "UPDATE_ROLLBACK_FAILED":
        yield Problem(
            f"stack {order.stack_name}",
            f"an update of it could not be taken back ({status}).",
            f"See its events, mend what they name, then: {command.format('continue-update-rollback')}",
        )
    elif status.endswith("_IN_PROGRESS"):
        yield Problem(
            f"stack {order.stack_name}",
            f"it is being changed ({status}).",
            f"Wait for its end: {command.format('describe-stacks')}",
        )


def bucket(order: Order, account: Account) -> Iterator[Problem]:
    """The bucket."""
    for logical, made in order.stack.of("AWS::S3::Bucket").items():
        name, has = made.get("BucketName"), account.ours.get(logical)
        if not isinstance(name, str) or not name or has == name:
            continue
        if has:
            yield Problem(
                "BucketName",
                f"the stack's bucket is {has}: an update would begin anew in {name}, without uploads and backups.",
                f"Give {has} again, or deploy another stack.",
            )
        elif (found := _found(account, name)) is not None:
            yield found


def _found(account: Account, name: str) -> Problem | None:
    """What stands where the bucket is to be made."""
    s3 = account.client("s3")
    try:
        s3.head_bucket(Bucket=name)
    except ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        if status == 404:
            return None
        if status in {301, 403}:
            return Problem(
                "BucketName",
                f"{name} is another account's, or you may not see it: names of buckets are one for the world.",
                "Choose a name that nobody has, such as one with your domain in it.",
            )
        if status == 400:
            return Problem("BucketName", f"S3 takes no such name as {name}.", "3 to 63 of a-z, 0-9 and hyphens.")
        raise
    if s3.list_object_versions(Bucket=name, MaxKeys=1).keys() & {"Versions", "DeleteMarkers"}:
        return Problem(
            "BucketName",
            f"{name} is yours already, and holds objects; a stack that was deleted leaves its bucket.",
            "Choose another name, and copy what is under backups/ if it is to be restored (docs/deploy.md, Afterwards).",
        )
    return Problem(
        "BucketName",
        f"{name} is yours already, and empty, as a create that failed leaves it.",
        f"aws s3api delete-bucket --bucket {name}, or choose another name.",
    )


CHECKS = (region, stack, bucket)
