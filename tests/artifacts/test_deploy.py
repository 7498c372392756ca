"""The genuine `sam deploy` against an emulator of AWS: a create that fails, create, update, delete.

It knows nothing of metric math and of security groups' rules by themselves, so the alarms that need the one are left out,
and it deploys outside a VPC. Nothing of the functions runs there: that is tested elsewhere.
"""

import http.client
import itertools
import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from deployment import preflight, smoke
from deployment.account import Account, Problem
from local.runtime import s3
from local.runtime.ports import lasting_port
from local.runtime.process import Child, plain_environment
from local.runtime.state import ROOT, State
from tests.effort import thorough
from tests.support.stack import SAM_PYTHON, Json
from tests.support.workflow import MACHINES, function_of, states

SAM = SAM_PYTHON.with_name("sam")
STACK = "tableferry-dev"
SERVICES = "apigateway,cloudformation,ec2,events,iam,kms,lambda,logs,monitoring,rds,s3,scheduler,secretsmanager,sns,sqs,ssm,states,sts"
GIVEN = {
    "DatabaseHost": "db.example",
    "DatabaseName": "shop",
    "DatabaseResourceId": "db-ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    # Its schedules run, and would start functions that have no database.
    "RetryHours": "0",
    "RecoverSchedule": "",
}
ACCOUNTS = itertools.count(200000000001)


@pytest.fixture(scope="module")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("templates")
    script = ROOT / "tests" / "artifacts" / "plain_template.py"
    subprocess.run([SAM_PYTHON, script, ROOT, folder / "whole.json"], check=True)
    return folder


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An emulator whose CloudFormation transforms SAM's templates, as AWS's does."""
    state = State(tmp_path_factory.mktemp("aws"))
    port = lasting_port(state, "AWS")
    [packages] = SAM_PYTHON.parents[1].glob("lib/python3*/site-packages")
    environment = plain_environment() | s3.environment_of(port, SERVICES) | {"TMPDIR": str(state.folder)}
    command = [str(s3.PYTHON), str(ROOT / "tests" / "artifacts" / "cloudformation.py"), str(packages)]
    child = Child("the emulator", command, state.folder / "log", environment, folder=state.folder)

    def answers() -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/_ministack/health")
            return connection.getresponse().status == 200
        except OSError:
            return False

    child.wait_until(answers, seconds=60)
    yield f"http://127.0.0.1:{port}"
    child.stop(seconds=5)


@dataclass
class Deployment:
    """A stack in an account of its own, and what it is given."""

    url: str
    number: str
    templates: Path
    synthesised: Json

    @property
    def session(self) -> boto3.Session:
        return boto3.Session(self.number, "none", region_name=s3.REGION)

    @property
    def given(self) -> dict[str, str]:
        return {"BucketName": f"acme-{self.number}", **GIVEN}

    def client(self, service: str) -> Any:
        return self.session.client(service, endpoint_url=self.url)  # type: ignore[call-overload]

    @property
    def environment(self) -> dict[str, str]:
        return {
            "AWS_ACCESS_KEY_ID": self.number,
            "AWS_SECRET_ACCESS_KEY": "none",
            "AWS_REGION": s3.REGION,
            "AWS_DEFAULT_REGION": s3.REGION,
            "AWS_ENDPOINT_URL": self.url,
        }

    def sam(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        environment = plain_environment(**self.environment, SAM_CLI_TELEMETRY="0", SAM_CLI_POLL_DELAY="0.2")
        return subprocess.run(
            [str(SAM), *arguments], cwd=self.templates, env=environment, capture_output=True, text=True, check=False
        )

    def deploy(self, template: str, **changed: str) -> "subprocess.CompletedProcess[str]":
        """As `make deploy ENV=dev` does it."""
        given = [f"{name}='{value}'" for name, value in {**self.given, **changed}.items()]
        config = ("--config-file", str(ROOT / "samconfig.toml"), "--config-env", "dev")
        return self.sam("deploy", *config, "-t", f"{template}.json", "--parameter-overrides", *given)

    def status(self) -> str:
        return str(self.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"][0]["StackStatus"])

    def names(self) -> dict[str, str]:
        """What the stack has made, by the template's names."""
        pages = self.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=STACK)
        found = [each for page in pages for each in page["StackResourceSummaries"]]
        return {each["LogicalResourceId"]: each["PhysicalResourceId"] for each in found}

    def buckets(self) -> set[str]:
        """Those of ours; SAM CLI has one of its own for code."""
        found = {each["Name"] for each in self.client("s3").list_buckets()["Buckets"]}
        return {name for name in found if not name.startswith("aws-sam-cli-managed")}

    def secrets(self) -> set[str]:
        return {each["Name"] for each in self.client("secretsmanager").list_secrets()["SecretList"]}

    def problems(self, monkeypatch: pytest.MonkeyPatch) -> list[Problem]:
        """What `make preflight` would say now."""
        with monkeypatch.context() as environment:
            environment.setenv("AWS_ENDPOINT_URL", self.url)
            options = {"stack_name": STACK, "capabilities": "CAPABILITY_NAMED_IAM", "resolve_s3": True}
            account = Account(self.session, STACK)
            said = {"options": options, "parameters": self.given}
            return preflight.problems(preflight.order("dev", said, self.synthesised, account.standing), account)


@pytest.fixture
def deployment(url: str, templates: Path, synthesised: Json) -> Deployment:
    return Deployment(url, str(next(ACCOUNTS)), templates, synthesised)


@thorough
def test_a_deployment_that_failed_is_made_again_changed_and_deleted(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert deployment.problems(monkeypatch) == []

    # Parameters that break a rule are refused, in its words, before anything is made.
    refused = deployment.deploy("whole", DatabaseName="")
    assert refused.returncode != 0
    assert "DatabaseName is needed" in refused.stdout + refused.stderr
    assert deployment.buckets() == set()

    # A create that fails at its end leaves nothing that would be in the way of another: no bucket, no secret.
    failed = deployment.deploy("late")
    assert failed.returncode != 0
    assert "Late" in failed.stdout + failed.stderr, failed.stderr
    assert deployment.status() == "ROLLBACK_COMPLETE"
    assert (deployment.buckets(), deployment.secrets()) == (set(), set())
    [problem] = deployment.problems(monkeypatch)
    assert "ROLLBACK_COMPLETE" in problem.wrong
    assert f"delete-stack --stack-name {STACK}" in problem.remedy
    deployment.client("cloudformation").delete_stack(StackName=STACK)

    # Made again under the same name.
    made = deployment.deploy("whole")
    assert made.returncode == 0, made.stdout[-3000:] + made.stderr
    assert deployment.status() == "CREATE_COMPLETE"
    assert deployment.problems(monkeypatch) == []
    names, bucket = deployment.names(), deployment.given["BucketName"]
    assert deployment.buckets() == {bucket}
    assert names["Bucket"] == bucket
    storage = deployment.client("s3")
    assert storage.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    assert all(storage.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"].values())
    assert "Deny" in storage.get_bucket_policy(Bucket=bucket)["Policy"]
    told = storage.get_bucket_notification_configuration(Bucket=bucket)
    prefixes = {
        rule["Value"]
        for kind in ("LambdaFunctionConfigurations", "QueueConfigurations")
        for each in told.get(kind, ())
        for rule in each["Filter"]["Key"]["FilterRules"]
    }
    assert {"uploads/", "jobs/backup/", "jobs/verify/", "jobs/restore/"} <= prefixes
    function = deployment.client("lambda").get_function_configuration(FunctionName=names["InsertFunction"])
    variables = function["Environment"]["Variables"]
    assert (variables["BUCKET"], variables["DATABASE_HOST"], variables["DATABASE_NAME"]) == (
        bucket,
        "db.example",
        "shop",
    )

    # What `make smoke` asks the stack for.
    with monkeypatch.context() as environment:
        for name, value in deployment.environment.items():
            environment.setenv(name, value)
        place = smoke.deployed("dev")
    assert (place.name, place.restore_function) == (STACK, names["RestoreFunction"])
    assert names["Api"] in place.url

    # Changed in one parameter; what was made stays.
    changed = deployment.deploy("whole", LogRetentionDays="14")
    assert changed.returncode == 0, changed.stdout[-3000:] + changed.stderr
    assert deployment.status() == "UPDATE_COMPLETE"
    after = deployment.names()
    assert {name: after.get(name) for name in ("Bucket", "SigningKey", "InsertFunction", "Api")} == {
        name: names[name] for name in ("Bucket", "SigningKey", "InsertFunction", "Api")
    }
    logs = deployment.client("logs").describe_log_groups()["logGroups"]
    assert {each["retentionInDays"] for each in logs if each["logGroupName"] == names["InsertLogs"]} == {14}

    # Deleted; the bucket and the signing key stay, and preflight says so to whoever deploys it again.
    storage.put_object(Bucket=bucket, Key="backups/kept", Body=b"kept")
    deleted = deployment.sam("delete", "--stack-name", STACK, "--no-prompts", "--region", s3.REGION)
    assert deleted.returncode == 0, deleted.stdout + deleted.stderr
    with pytest.raises(ClientError, match="does not exist"):
        deployment.status()
    assert deployment.buckets() == {bucket}
    assert storage.get_object(Bucket=bucket, Key="backups/kept")["Body"].read() == b"kept"
    assert deployment.secrets() == {names["SigningKey"]}
    [problem] = deployment.problems(monkeypatch)
    assert "holds objects" in problem.wrong


@thorough
def test_with_scale_the_definitions_of_the_state_machines_come_along(deployment: Deployment) -> None:
    """They are files beside the template, which `sam deploy` sends, and CloudFormation fills in."""
    done = deployment.deploy("whole", Scale="on")
    assert done.returncode == 0, done.stdout + done.stderr
    engine = deployment.client("stepfunctions")
    names = deployment.names()
    made = {one["stateMachineArn"] for one in engine.list_state_machines()["stateMachines"]}
    assert made == {names[machine] for machine in MACHINES}
    for machine in MACHINES:
        definition = engine.describe_state_machine(stateMachineArn=names[machine])["definition"]
        assert "${" not in definition
        called = {
            state["Parameters"]["FunctionName"]
            for _, state, _ in states(json.loads(definition))
            if state["Type"] == "Task"
        }
        assert [one.rpartition(":")[2] for one in called] == [names[function_of(machine)]]
