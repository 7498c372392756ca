"""Where a deployment goes, and as whom: the first step of `make deploy`, whose build takes minutes.

Run as ``python -m deployment.session dev``: says the stack, the account and the region. Exit status 1: samconfig.toml
has no such deployment, or there are no region or credentials; the message says what to do.
"""

import argparse
import os
import sys
from collections.abc import Sequence

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from deployment.account import Account
from deployment.stack import Json, in_sam
from local.runtime.process import StartError


def said(environment: str, folder: str | None = None) -> Json:
    """What samconfig.toml says of an environment's deployment; raises StartError where it says none."""
    found = in_sam("deployment.samconfig", environment, *([folder] if folder else []))
    if environment not in found["environments"] or "stack_name" not in found["options"]:
        message = (
            f"samconfig.toml has no deployment [{environment}.deploy.parameters] with a stack_name;"
            f" it has {', '.join(found['environments']) or 'none'}. Write one, or name another: ENV=dev"
        )
        raise StartError(message)
    return found


def opened(options: Json) -> boto3.Session:
    """A session in the region and with the credentials that `sam deploy` takes; raises StartError where one is lacking."""
    session = boto3.Session(profile_name=options.get("profile"), region_name=options.get("region"))
    if not session.region_name:
        message = "no region: export AWS_REGION and AWS_DEFAULT_REGION, or set region in samconfig.toml"
        raise StartError(message)
    # The CLI of version 2 reads AWS_REGION, SAM and boto3 do not: half of what is done would be done elsewhere.
    elsewhere = os.environ.get("AWS_REGION") or session.region_name
    if "region" not in options and elsewhere != session.region_name:
        message = (
            f"two regions: the AWS CLI is told {elsewhere} (AWS_REGION), and SAM {session.region_name}"
            " (AWS_DEFAULT_REGION, or the profile). Export both variables, the same"
        )
        raise StartError(message)
    if session.get_credentials() is None:
        message = (
            "no credentials for AWS: log in by `aws configure` or `aws sso login`, or export AWS_PROFILE;"
            " `aws sts get-caller-identity` shows whose they are"
        )
        raise StartError(message)
    return session


def main(arguments: Sequence[str] | None = None) -> int:
    """Say where; return the exit status."""
    parser = argparse.ArgumentParser(prog="deploy", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("environment", help="of samconfig.toml, such as dev")
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    try:
        options = said(given.environment, given.folder)["options"]
        account = Account(opened(options), str(options["stack_name"]))
        print(f"Stack {options['stack_name']}, account {account.number}, {account.region}.", flush=True)
    except (StartError, BotoCoreError, ClientError) as error:
        print(f"deploy: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
