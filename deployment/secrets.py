"""Secrets and keys: whether they are there, and are what they are taken for. No secret is shown."""

import json
from collections.abc import Iterator

from botocore.exceptions import ClientError

from deployment.account import Account, Order, Problem
from deployment.stack import Json

_MISSING = {"ResourceNotFoundException", "NotFoundException", "InvalidArnException"}


def _secret(order: Order, account: Account, parameter: str) -> Json | Problem:
    """A secret as Secrets Manager describes it."""
    try:
        found: Json = account.client("secretsmanager").describe_secret(SecretId=order.values[parameter])
    except ClientError as error:
        if error.response["Error"]["Code"] not in _MISSING:
            raise
        return Problem(
            parameter,
            f"there is no such secret in {account.region}.",
            "aws secretsmanager list-secrets --query 'SecretList[].ARN' shows those that are there.",
        )
    if found.get("DeletedDate"):
        return Problem(
            parameter,
            "the secret is marked for deletion.",
            f"aws secretsmanager restore-secret --secret-id {order.values[parameter]}",
        )
    return found


def database_secret(order: Order, account: Account) -> Iterator[Problem]:
    """The database's secret."""
    name = order.values["DatabaseSecretArn"]
    if not name or order.stack.condition("MakesDatabase"):
        return
    if _elsewhere(name, account):
        if order.values["VpcId"]:
            return
        account = account.at(name.split(":")[3])
    found = _secret(order, account, "DatabaseSecretArn")
    if isinstance(found, Problem):
        yield found
        return
    key = found.get("KmsKeyId", "")
    if key and "alias/aws/" not in key and not order.values["DatabaseSecretKeyArn"]:
        yield Problem(
            "DatabaseSecretKeyArn",
            f"it is empty, and the secret is under a key of yours ({key}), which the functions may not use then.",
            "Give the ARN of that key.",
        )
    text = account.client("secretsmanager").get_secret_value(SecretId=name).get("SecretString", "")
    if not _logs_in(text):
        yield Problem(
            "DatabaseSecretArn",
            "the secret is not JSON with a password.",
            'It has to be {"username": "…", "password": "…"}, as RDS and its rotation write it.',
        )


def _logs_in(text: str) -> bool:
    try:
        said = json.loads(text)
    except ValueError:
        return False
    # Without a user name, DatabaseUser is taken.
    return (
        isinstance(said, dict) and isinstance(said.get("password"), str) and isinstance(said.get("username", ""), str)
    )


def _elsewhere(name: str, account: Account) -> bool:
    """Whether an ARN is of another region, of which `places.region` tells."""
    return name.startswith("arn:") and name.split(":")[3] != account.region


def signing_key(order: Order, account: Account) -> Iterator[Problem]:
    """The signing key of another deployment."""
    if order.values["SigningKeyArn"] and not _elsewhere(order.values["SigningKeyArn"], account):
        found = _secret(order, account, "SigningKeyArn")
        if isinstance(found, Problem):
            yield found


def keys(order: Order, account: Account) -> Iterator[Problem]:
    """The KMS keys."""
    for parameter in ("KmsKeyArn", "DatabaseSecretKeyArn"):
        if (name := order.values[parameter]) and not _elsewhere(name, account):
            yield from usable_key(parameter, name, account, account.region)


def usable_key(parameter: str, name: str, account: Account, region: str) -> Iterator[Problem]:
    """Whether a key of a region is there, and can be used."""
    try:
        found = account.client("kms", region).describe_key(KeyId=name)["KeyMetadata"]
    except ClientError as error:
        if error.response["Error"]["Code"] not in _MISSING:
            raise
        yield Problem(parameter, f"there is no such key in {region}.", "aws kms list-keys shows them.")
        return
    if found["KeyState"] != "Enabled":
        deleted = found["KeyState"] == "PendingDeletion"
        remedy = (
            f"aws kms {'cancel-key-deletion' if deleted else 'enable-key'} --key-id {found['KeyId']} --region {region}"
        )
        yield Problem(parameter, f"the key is {found['KeyState']}.", remedy)
    elif found.get("KeySpec", "SYMMETRIC_DEFAULT") != "SYMMETRIC_DEFAULT":
        yield Problem(
            parameter,
            f"the key is {found['KeySpec']}; S3, Secrets Manager and Lambda take none but symmetric ones.",
            "aws kms create-key",
        )


CHECKS = (database_secret, signing_key, keys)
