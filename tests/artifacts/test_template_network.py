"""What the stack makes in a VPC that others use too: nothing of theirs goes another way, and nothing more gets out."""

from typing import Any

import pytest

from tests.artifacts.test_template import DEPLOYMENTS
from tests.stack import Json, Stack

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
