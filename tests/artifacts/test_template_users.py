"""As whom each function logs in to the database, by IAM token: all as one user, or each as its own."""

from typing import Any

import pytest

from tests.artifacts.test_template import DEPLOYMENTS, as_list
from tests.support.stack import Json, Stack

EACH = DEPLOYMENTS["existing"] | {"DatabaseUserPerFunction": "true", "DatabaseUser": "ferry"}
USERS = {"Insert": "insert", "Load": "load", "Uploads": "load", "Backup": "backup", "Restore": "restore"}


def may_be(stack: Stack, role: str) -> str:
    """The users as whom a role may log in: the only one, which its own policy names."""
    shared = stack.resources["RuntimePolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert not [found for found in shared if "rds-db:connect" in as_list(found["Action"])]
    own = stack.resources[role]["Properties"]["Policies"]
    statements = [found for policy in own for found in policy["PolicyDocument"]["Statement"]]
    [statement] = [found for found in statements if "rds-db:connect" in as_list(found["Action"])]
    # In the database's own region, which need not be this one; its resource id is of no other database.
    before = "arn:${AWS::Partition}:rds-db:*:${AWS::AccountId}:dbuser:${DatabaseResourceId}/"
    found: str = statement["Resource"]["Fn::Sub"]
    assert found.startswith(before)
    return found.removeprefix(before)


def filled(value: Any, stack: Stack) -> str:
    """A user's name, with the parameter in its place."""
    return str(value["Fn::Sub"] if isinstance(value, dict) else value).replace(
        "${DatabaseUser}", str(stack.parameters["DatabaseUser"])
    )


@pytest.mark.parametrize("function", USERS)
def test_a_function_logs_in_as_the_user_that_its_role_may_be_and_as_no_other(synthesised: Json, function: str) -> None:
    for given, user in (
        (DEPLOYMENTS["existing"], "tableferry"),
        (EACH, "ferry_" + USERS[function]),
    ):
        stack = Stack(synthesised, **given)
        found = stack.resources[f"{function}Function"]["Properties"]
        assert filled(found["Environment"]["Variables"]["DATABASE_USER"], stack) == user
        role = found["Role"]["Fn::GetAtt"][0]
        assert filled({"Fn::Sub": may_be(stack, role)}, stack) == user


def test_by_secret_there_is_one_user_and_no_token(synthesised: Json) -> None:
    for deployment in ("secret", "new", "all"):
        stack = Stack(synthesised, **DEPLOYMENTS[deployment])
        for role in ("InsertRole", "LoadRole", "BackupRole", "RestoreRole"):
            policies = stack.resources[role]["Properties"]["Policies"]
            actions = [found["Action"] for policy in policies for found in policy["PolicyDocument"]["Statement"]]
            assert not [found for found in actions if "rds-db:connect" in as_list(found)]


@pytest.mark.parametrize("deployment", ["secret", "new"])
def test_a_user_for_each_function_is_refused_where_they_log_in_by_a_secret_that_they_share(
    synthesised: Json, deployment: str
) -> None:
    [told] = Stack(synthesised, **DEPLOYMENTS[deployment], DatabaseUserPerFunction="true").refusals()
    assert "DatabaseUserPerFunction" in told
    assert not Stack(synthesised, **EACH).refusals()
