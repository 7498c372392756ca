"""A database in another region than the stack: the right to log in is of the database, wherever that is."""

import pytest

from tests.stack import Json, Stack


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
