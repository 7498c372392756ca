"""A database in another region than the stack: the right to log in is of the database, wherever that is."""

import pytest

from tests.support.stack import Json, Stack


@pytest.mark.parametrize("region", ["eu-central-1", "us-east-1"])
@pytest.mark.parametrize("resource", ["db-ABCDEFGHIJKLMNOPQRSTUVWXYZ", "cluster-ABCDEFGHIJKLMNOPQRSTUVWXYZ"])
def test_a_token_is_good_for_one_user_of_one_database_in_its_own_region(
    synthesised: Json, region: str, resource: str
) -> None:
    stack = Stack(
        synthesised,
        DatabaseHost=f"shop.abc123.{region}.rds.amazonaws.com",
        DatabaseName="shop",
        DatabaseResourceId=resource,
        DatabaseUser="loader",
    )
    for role in ("InsertRole", "LoadRole", "BackupRole", "RestoreRole"):
        own = stack.resources[role]["Properties"]["Policies"]
        found = [one for policy in own for one in policy["PolicyDocument"]["Statement"]]
        [rights] = [one for one in found if one["Action"] == "rds-db:connect"]
        assert rights["Effect"] == "Allow"
        assert rights["Resource"] == {
            "Fn::Sub": "arn:${AWS::Partition}:rds-db:*:${AWS::AccountId}:dbuser:${DatabaseResourceId}/${DatabaseUser}"
        }


def test_the_secrets_own_key_is_used_by_secrets_manager_alone_in_whatever_region_both_are(synthesised: Json) -> None:
    of = "arn:aws:{}:us-east-1:123456789012:{}"
    key = of.format("kms", "key/0f0e0d0c-0b0a-0908-0706-050403020100")
    stack = Stack(
        synthesised,
        DatabaseHost="shop.abc123.us-east-1.rds.amazonaws.com",
        DatabaseName="shop",
        DatabaseSecretArn=of.format("secretsmanager", "secret:shop-AbCdEf"),
        DatabaseSecretKeyArn=key,
    )
    rights = stack.resources["RuntimePolicy"]["Properties"]["PolicyDocument"]["Statement"]
    [right] = [one for one in rights if one["Sid"] == "ReadTheSecret"]
    assert right["Condition"] == {"StringLike": {"kms:ViaService": "secretsmanager.*.amazonaws.com"}}
    assert (right["Action"], right["Resource"]) == ("kms:Decrypt", key)
