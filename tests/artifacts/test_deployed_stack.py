"""What is said of a whole stack: whose it is, by tags, and that nobody loses it by one command."""

import json
import os
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from local.runtime import s3 as emulator
from local.runtime.process import NO_ACCOUNT
from local.runtime.state import ROOT, State
from tests.effort import in_ci
from tests.support.stack import SAM_PYTHON, Json

_TAGS = """
import json, sys
from samcli.cli.types import CfnTags
print(json.dumps(CfnTags().convert(json.load(sys.stdin), None, None)))
"""
TEMPLATE = {"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}
STACK = "tableferry-test"


def in_sam(code: str, given: Any) -> Any:
    done = subprocess.run(
        [str(SAM_PYTHON), "-c", code], input=json.dumps(given), capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


@pytest.mark.parametrize("environment", ["dev", "prod"])
def test_a_deployment_says_by_tags_what_it_is_and_of_which_environment(environment: str) -> None:
    config = tomllib.loads((ROOT / "samconfig.toml").read_text(encoding="utf-8"))
    tags = in_sam(_TAGS, config[environment]["deploy"]["parameters"]["tags"])
    assert tags == {"application": "tableferry", "environment": environment}


def test_nothing_in_the_template_has_a_tag_of_its_own_in_the_place_of_the_stacks(synthesised: Json) -> None:
    """CloudFormation gives a stack's tags to every resource that takes any; one that says the same key keeps its own."""
    for name, resource in synthesised["Resources"].items():
        tags = resource.get("Properties", {}).get("Tags", {})
        own = {tag["Key"] for tag in tags} if isinstance(tags, list) else set(tags)
        assert not own & {"application", "environment"}, name


@pytest.fixture(scope="module")
def cloudformation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, dict[str, str]]]:
    """An emulator's CloudFormation, and how another process is told of it."""
    started = emulator.start(State(tmp_path_factory.mktemp("cloudformation")), services="cloudformation,sns,s3")
    environment = started.environment | {"AWS_ENDPOINT_URL_CLOUDFORMATION": started.url, **NO_ACCOUNT}
    session = boto3.session.Session(started.key, started.secret, region_name=environment["AWS_DEFAULT_REGION"])
    client: Any = session.client("cloudformation", endpoint_url=started.url)
    try:
        yield client, environment
    finally:
        started.stop()


def protect(folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """What `make deploy` runs last, with a samconfig.toml that names the stack."""
    (folder / "samconfig.toml").write_text(f'version = 0.1\n[dev.deploy.parameters]\nstack_name = "{STACK}"\n')
    return subprocess.run(
        [str(SAM_PYTHON), "-m", "deployment.protect", "dev", str(folder)],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@in_ci
def test_a_stack_that_was_deployed_is_deleted_by_no_command_and_keeps_what_holds_data(
    cloudformation: tuple[Any, dict[str, str]], tmp_path: Path
) -> None:
    client, environment = cloudformation
    missing = protect(tmp_path, environment)
    assert missing.returncode == 1
    assert "not protected" in missing.stderr
    assert "Traceback" not in missing.stderr
    client.create_stack(StackName=STACK, TemplateBody=json.dumps(TEMPLATE))
    client.get_waiter("stack_create_complete").wait(StackName=STACK, WaiterConfig={"Delay": 1})
    for _ in range(2):  # each deployment does it again
        done = protect(tmp_path, environment)
        assert done.returncode == 0, done.stderr
        assert STACK in done.stdout
    with pytest.raises(ClientError, match="TerminationProtection"):
        client.delete_stack(StackName=STACK)
    policy = json.loads(client.get_stack_policy(StackName=STACK)["StackPolicyBody"])
    allowed, denied = policy["Statement"]
    assert (allowed["Effect"], allowed["Action"], allowed["Resource"]) == ("Allow", "Update:*", "*")
    assert (denied["Effect"], denied["Action"]) == ("Deny", ["Update:Replace", "Update:Delete"])
    kept = denied["Condition"]["StringEquals"]["ResourceType"]
    assert kept == ["AWS::RDS::DBInstance", "AWS::S3::Bucket", "AWS::SecretsManager::Secret"]


def test_make_deploy_ends_with_it() -> None:
    # Not as a part of the `make test` that we may be in: it would say so.
    alone = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    command = ["make", "-n", "deploy", "ENV=prod"]
    dry = subprocess.run(command, cwd=ROOT, env=alone, capture_output=True, text=True, check=True)
    steps = [line for line in dry.stdout.splitlines() if "tools.setup" not in line]
    assert [" build " in steps[-3], " deploy " in steps[-2]] == [True, True]
    assert steps[-1].endswith("-m deployment.protect prod")
