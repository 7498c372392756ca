"""What the stack makes in a VPC that others use too: nothing of theirs goes another way, and nothing more gets out."""

from typing import Any

import pytest

from tests.artifacts.test_template import DEPLOYMENTS
from tests.support.stack import Json, Stack

OWN_NAME = {
    "Fn::Sub": [
        "https://${Name}",
        {
            "Name": {
                "Fn::Select": [
                    1,
                    {"Fn::Split": [":", {"Fn::Select": [0, {"Fn::GetAtt": ["SecretsEndpoint", "DnsEntries"]}]}]},
                ]
            }
        },
    ]
}
SECRETS = {
    "secret": "arn:secret",
    "new": {"Fn::GetAtt": ["Database", "MasterUserSecret.SecretArn"]},
}


def asked_for_secrets(stack: Stack) -> list[Any]:
    """Where each function looks for Secrets Manager; empty is the service's own name."""
    functions = stack.of("AWS::Lambda::Function").values()
    return [found["Environment"]["Variables"]["AWS_ENDPOINT_URL_SECRETS_MANAGER"] for found in functions]


@pytest.mark.parametrize("deployment", SECRETS)
def test_secrets_manager_stays_where_it_was_for_everybody_else_in_the_vpc(deployment: str, synthesised: Json) -> None:
    """With private DNS its name would lead each workload of the VPC to an endpoint that lets only the functions in."""
    stack = Stack(synthesised, **DEPLOYMENTS[deployment])
    endpoint = stack.resources["SecretsEndpoint"]["Properties"]
    assert endpoint["PrivateDnsEnabled"] is False
    asked = asked_for_secrets(stack)
    assert len(asked) >= 5
    assert all(found == OWN_NAME for found in asked)


@pytest.mark.parametrize("deployment", sorted(set(DEPLOYMENTS) - set(SECRETS)))
def test_without_an_endpoint_of_the_stack_the_service_has_its_usual_name(deployment: str, synthesised: Json) -> None:
    stack = Stack(synthesised, **DEPLOYMENTS[deployment])
    assert "SecretsEndpoint" not in stack.resources
    assert set(asked_for_secrets(stack)) == {""}


def test_a_login_by_token_gets_no_endpoint_for_secrets(synthesised: Json) -> None:
    """It would cost by the hour, and its policy would have no secret to name."""
    stack = Stack(synthesised, **DEPLOYMENTS["existing"], CreateSecretsEndpoint="true")
    assert not stack.refusals()
    assert not {"SecretsEndpoint", "SecretsEndpointSecurityGroup", "ToSecretsEndpoint"} & set(stack.resources)


@pytest.mark.parametrize("deployment", SECRETS)
def test_the_endpoint_for_secrets_gives_this_account_the_login_and_nothing_else(
    deployment: str, synthesised: Json
) -> None:
    policy = Stack(synthesised, **DEPLOYMENTS[deployment]).resources["SecretsEndpoint"]["Properties"]["PolicyDocument"]
    [statement] = policy["Statement"]
    assert (statement["Effect"], statement["Action"]) == ("Allow", "secretsmanager:GetSecretValue")
    assert statement["Resource"] == SECRETS[deployment]
    assert statement["Condition"] == {"StringEquals": {"aws:PrincipalAccount": {"Ref": "AWS::AccountId"}}}


def test_whatever_else_is_in_the_vpc_reaches_s3_as_before(synthesised: Json) -> None:
    """All route tables that are named lead here: packages, images and buckets of others come through this endpoint."""
    policy = Stack(synthesised, **DEPLOYMENTS["secret"]).resources["S3Endpoint"]["Properties"]["PolicyDocument"]
    allowed = [found for found in policy["Statement"] if found["Effect"] == "Allow"]
    assert [(found["Principal"], found["Action"], found["Resource"]) for found in allowed] == [("*", "*", "*")]
    for found in policy["Statement"]:
        assert found["Effect"] == "Allow" or found["Condition"], "a denial without a condition holds for everybody"


def test_a_function_takes_nothing_to_another_bucket_by_the_endpoint(synthesised: Json) -> None:
    """Whoever takes one over has its role, and S3 as the one way out of its network."""
    stack = Stack(synthesised, **DEPLOYMENTS["secret"])
    policy = stack.resources["S3Endpoint"]["Properties"]["PolicyDocument"]
    [denied] = [found for found in policy["Statement"] if found["Effect"] == "Deny"]
    assert (denied["Principal"], denied["Action"]) == ("*", "*")
    bucket = "arn:${AWS::Partition}:s3:::${BucketName}"
    assert denied["NotResource"] == [{"Fn::Sub": bucket}, {"Fn::Sub": f"{bucket}/*"}]
    roles = [found["Role"] for found in stack.of("AWS::Lambda::Function").values()]
    assert roles
    named = denied["Condition"]["ArnEquals"]["aws:PrincipalArn"]
    assert all(role in named for role in roles)
    assert all(role in roles for role in named)
