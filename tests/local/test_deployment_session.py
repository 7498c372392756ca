"""The commands of a deployment, called wrongly: each says what is lacking and what to do, before anything is built."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import boto3
import pytest

from deployment.stack import SAM_PYTHON
from local.runtime import s3 as emulator
from local.runtime.state import ROOT, State
from tests.effort import in_ci, sample

COMMANDS = ("session", "preflight", "smoke", "protect")
REGION = "eu-central-1"
KEYS = {"AWS_ACCESS_KEY_ID": "300000000001", "AWS_SECRET_ACCESS_KEY": "none"}
BOTH = {"AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION}


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[emulator.S3]:
    started = emulator.start(State(tmp_path_factory.mktemp("aws")), services="cloudformation,s3,sns,sts")
    yield started
    started.stop()


def run(command: str, environment: str, home: Path, **variables: str) -> "subprocess.CompletedProcess[str]":
    """As the Makefile runs it, for somebody of whom AWS's tools know nothing but these variables."""
    python = str(SAM_PYTHON) if command == "protect" else sys.executable
    own = {"PATH": os.environ["PATH"], "HOME": str(home), "AWS_EC2_METADATA_DISABLED": "true", **variables}
    return subprocess.run(
        [python, "-m", f"deployment.{command}", *environment.split()],
        cwd=ROOT, env=own, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("environment", "variables", "told"),
    [
        ("nowhere", KEYS | BOTH, "no deployment [nowhere.deploy.parameters]"),
        ("dev", KEYS, "export AWS_REGION and AWS_DEFAULT_REGION"),
        ("dev", KEYS | {"AWS_REGION": REGION}, "export AWS_REGION and AWS_DEFAULT_REGION"),
        ("dev", KEYS | {"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": REGION}, "told eu-west-1 (AWS_REGION)"),
        ("dev", BOTH, "aws sts get-caller-identity"),
        ("dev", BOTH | {"AWS_PROFILE": "none"}, "profile (none) could not be found"),
        ("", KEYS | BOTH, "environment"),
    ],
)
@sample(3)
def test_what_is_lacking_is_told_with_what_to_do(
    command: str, environment: str, variables: Mapping[str, str], told: str, tmp_path: Path
) -> None:
    done = run(command, environment, tmp_path, **variables)
    assert done.returncode != 0
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_make_deploy_asks_where_it_goes_before_it_builds(aws: emulator.S3, tmp_path: Path) -> None:
    dry = subprocess.run(["make", "-n", "deploy", "ENV=prod"], cwd=ROOT, capture_output=True, text=True, check=True)
    steps = [line for line in dry.stdout.splitlines() if "tools.setup" not in line]
    built = next(number for number, line in enumerate(steps) if " build " in line)
    assert steps[built - 1].endswith("-m deployment.session prod")
    done = run("session", "prod", tmp_path, **KEYS, **BOTH, AWS_ENDPOINT_URL=aws.url)
    assert (done.returncode, done.stdout) == (0, f"Stack tableferry-prod, account 300000000001, {REGION}.\n"), (
        done.stderr
    )


@in_ci
def test_a_stack_that_is_not_there_or_has_failed_is_told_by_smoke(aws: emulator.S3, tmp_path: Path) -> None:
    missing = run("smoke", "dev", tmp_path, **KEYS, **BOTH, AWS_ENDPOINT_URL=aws.url)
    assert missing.returncode == 1
    assert "there is no stack tableferry-dev" in missing.stderr
    assert "make deploy" in missing.stderr
    session = boto3.Session(KEYS["AWS_ACCESS_KEY_ID"], KEYS["AWS_SECRET_ACCESS_KEY"], region_name=REGION)
    topic = {"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}
    session.client("cloudformation", endpoint_url=aws.url).create_stack(
        StackName="tableferry-dev", TemplateBody=json.dumps(topic)
    )
    without = run("smoke", "dev", tmp_path, **KEYS, **BOTH, AWS_ENDPOINT_URL=aws.url)
    assert without.returncode == 1
    assert "no output ApiUrl, RestoreFunctionName" in without.stderr
    assert "Traceback" not in without.stderr


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[dev.global.parameters]\nparameter_overrides = [\n"BucketName=a"\n"LogLevel=INFO",\n]\n', "line 4"),
        ('[dev.global.parameters]\nparameter_overrides = [\n"BucketName=a,\n]\n', "line 3"),
        ("[dev.global.parameters\n", "line 1"),
        ("", "it has none"),
    ],
)
@sample(2)
def test_a_samconfig_that_cannot_be_read_is_told_with_the_line(text: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "samconfig.toml").write_text(text)
    done = run("session", f"dev --folder {tmp_path}", tmp_path, **KEYS, **BOTH)
    assert done.returncode == 1
    assert told in done.stderr
    assert "Traceback" not in done.stderr
