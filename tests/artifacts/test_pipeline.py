"""The pipeline of docs/examples: whom AWS believes, what each role may do, and that its steps are ones there are."""

import ast
import json
import re
import subprocess
import tomllib
from typing import Any

import botocore.session
import pytest
from botocore import xform_name

from local.runtime.state import ROOT
from tests.support.stack import SAM_PYTHON, Json, values

EXAMPLES = ROOT / "docs" / "examples"
_READ = (
    "import json, sys; from samcli.yamlhelper import yaml_parse; json.dump(yaml_parse(sys.stdin.read()), sys.stdout)"
)


def read(name: str) -> Json:
    """A file of YAML, with CloudFormation's short functions as their long ones."""
    text = (EXAMPLES / name).read_text(encoding="utf-8")
    done = subprocess.run([str(SAM_PYTHON), "-c", _READ], input=text, capture_output=True, text=True, check=True)
    found: Json = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def template() -> Json:
    return read("github-oidc.yaml")


@pytest.fixture(scope="module")
def workflow() -> Json:
    return read("github-actions-deploy.yml")


def statements(template: Json, role: str) -> list[Json]:
    policies = template["Resources"][role]["Properties"]["Policies"]
    return [found for policy in policies for found in policy["PolicyDocument"]["Statement"]]


def test_a_token_is_believed_of_one_repository_and_one_environment(template: Json) -> None:
    [trust] = template["Resources"]["PipelineRole"]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Action"] == "sts:AssumeRoleWithWebIdentity"
    assert trust["Condition"] == {
        "StringEquals": {
            "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
            "token.actions.githubusercontent.com:sub": {"Fn::Sub": "repo:${Repository}:environment:${Environment}"},
        }
    }
    repository, environment = (template["Parameters"][name]["AllowedPattern"] for name in ("Repository", "Environment"))
    for good in (
        "acme/tableferry",
        "acme@123456/table.ferry_1@456789",
    ):  # which of both depends on the repository's age
        assert re.fullmatch(repository, good)
    for bad in ("acme/*", "*/tableferry", "acme/tableferry:ref", "acme", "acme/a/b"):
        assert not re.fullmatch(repository, bad)
        assert not re.fullmatch(environment, bad + "*")


def test_nobody_but_cloudformation_takes_the_role_that_makes_things(template: Json) -> None:
    [trust] = template["Resources"]["CloudFormationRole"]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "cloudformation.amazonaws.com"}
    [passed] = [found for found in statements(template, "PipelineRole") if found["Action"] == "iam:PassRole"]
    assert passed["Resource"] == {"Fn::GetAtt": ["CloudFormationRole", "Arn"]}
    assert passed["Condition"] == {"StringEquals": {"iam:PassedToService": "cloudformation.amazonaws.com"}}


def test_the_pipeline_itself_makes_and_deletes_nothing(template: Json) -> None:
    for found in statements(template, "PipelineRole"):
        for action in [found["Action"]] if isinstance(found["Action"], str) else found["Action"]:
            service, name = action.split(":")
            reads = name.startswith(("Describe", "Get", "List", "GET"))
            assert reads or service in ("cloudformation", "iam", "s3", "execute-api", "lambda"), action
            assert "*" not in action
            assert action not in ("cloudformation:DeleteStack", "secretsmanager:GetSecretValue", "rds-db:connect")


def test_roles_are_made_and_changed_only_of_the_environments_stack(template: Json) -> None:
    for found in statements(template, "CloudFormationRole"):
        for resource in found["Resource"]:
            assert resource["Fn::Sub"].endswith("/tableferry-${Environment}-*")


def test_jobs_without_an_environment_get_no_token_and_the_others_wait_for_each_other(workflow: Json) -> None:
    jobs: dict[str, Json] = workflow["jobs"]
    assert workflow["permissions"] == {"contents": "read"}
    for name, job in jobs.items():
        assert ("environment" in job) is ("id-token" in job.get("permissions", {}))
        assert job.get("environment", name) == name
    assert (jobs["dev"]["needs"], jobs["prod"]["needs"]) == ("check", "dev")
    text = json.dumps(workflow)
    assert "secrets." not in text
    assert "AWS_ACCESS_KEY" not in text
    for run in runs(workflow):
        assert "${{" not in run  # what comes from outside is a variable of the shell, never its text


def test_the_steps_are_targets_that_there_are_in_the_order_that_finds_problems_first(workflow: Json) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    environments = tomllib.loads((ROOT / "samconfig.toml").read_text(encoding="utf-8"))
    for run in runs(workflow):
        assert re.findall(r"^make ([a-z-]+)", run)[0] in targets
    for name in ("dev", "prod"):
        steps = [step["run"] for step in workflow["jobs"][name]["steps"] if "run" in step]
        assert [step.split()[1:3] for step in steps] == [
            [target, f"ENV={name}"] for target in ("preflight", "deploy", "smoke")
        ]
        assert name in environments
        assert environments[name]["deploy"]["parameters"]["stack_name"] == f"tableferry-{name}"  # as the roles have it


def test_make_deploy_hands_its_options_on(workflow: Json) -> None:
    steps = [run for run in runs(workflow) if "deploy" in run]
    asked = subprocess.run(
        ["make", "-n", "deploy", "ENV=dev", "DEPLOY=--no-confirm-changeset --role-arn arn:role"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "deploy --config-env dev --no-confirm-changeset --role-arn arn:role\n" in asked.stdout
    assert all('DEPLOY="--no-confirm-changeset --role-arn $ROLE"' in step for step in steps)


def runs(workflow: Json) -> list[str]:
    steps: list[Any] = [found for found in values(workflow) if isinstance(found, dict) and "run" in found]
    return [step["run"] for step in steps]


# What IAM calls otherwise than the API does; the secret's value only who logs in by secret has to be given.
OTHERWISE = {
    "apigatewayv2:GetDomainName": "apigateway:GET",
    "s3:GetObjectLockConfiguration": "s3:GetBucketObjectLockConfiguration",
    "s3:HeadBucket": "s3:ListBucket",
    "s3:ListObjectVersions": "s3:ListBucketVersions",
}
NOT_GIVEN = {"secretsmanager:GetSecretValue", "sts:GetCallerIdentity"}  # the latter needs no right


def calls(*but: str) -> set[str]:
    """Every call to AWS that preflight makes, as IAM calls it."""
    session = botocore.session.get_session()
    services = ("acm", "apigatewayv2", "cloudformation", "ec2", "kms", "lambda", "rds", "route53", "s3")
    known = {
        xform_name(operation): f"{service}:{operation}"
        for service in (*services, "secretsmanager", "sts")
        for operation in session.get_service_model(service).operation_names
    }
    found = set()
    for path in (ROOT / "deployment").glob("*.py"):
        if path.stem in but:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            name = (
                node.attr if isinstance(node, ast.Attribute) else node.value if isinstance(node, ast.Constant) else None
            )
            if isinstance(name, str) and name in known:
                found.add(OTHERWISE.get(known[name], known[name]))
    return found


def test_the_pipeline_may_make_the_calls_of_preflight_and_of_make_deploy_and_reads_no_more(template: Json) -> None:
    allowed: dict[str, set[str]] = {}
    for policy in template["Resources"]["PipelineRole"]["Properties"]["Policies"]:
        for found in policy["PolicyDocument"]["Statement"]:
            actions = [found["Action"]] if isinstance(found["Action"], str) else found["Action"]
            allowed.setdefault(policy["PolicyName"], set()).update(actions)
    looked = calls("smoke", "protect") - NOT_GIVEN
    assert len(looked) > 20
    assert allowed["Preflight"] == {found for found in looked if not found.startswith("cloudformation:")}
    protects = {"cloudformation:UpdateTerminationProtection", "cloudformation:SetStackPolicy"}
    assert protects <= calls("smoke")
    assert protects | {found for found in looked if found.startswith("cloudformation:")} <= allowed["Deploy"]
