"""The end of `make deploy`: what `sam deploy` has no option for. Needs SAM CLI's environment.

Run as ``python -m deployment.protect dev``: the stack that samconfig.toml names is protected against deletion, and by a stack
policy against deployments that would replace or delete its database, its bucket or its secrets. docs/deploy.md says how
both are taken back.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from deployment import session
from local.runtime.process import StartError
from local.runtime.state import ROOT

# By type, so that it holds for whatever the template has of them. Of a replaced resource the old one would be kept
# (UpdateReplacePolicy), but functions and people would be at a new and empty one.
KEPT = ("AWS::RDS::DBInstance", "AWS::S3::Bucket", "AWS::SecretsManager::Secret")
POLICY = {
    "Statement": [
        {"Effect": "Allow", "Principal": "*", "Action": "Update:*", "Resource": "*"},
        {
            "Effect": "Deny",
            "Principal": "*",
            "Action": ["Update:Replace", "Update:Delete"],
            "Resource": "*",
            "Condition": {"StringEquals": {"ResourceType": list(KEPT)}},
        },
    ]
}


def protect(cloudformation: Any, stack: str) -> None:
    """Protect a stack that is there, as often as one likes; raises as boto3 does."""
    cloudformation.update_termination_protection(StackName=stack, EnableTerminationProtection=True)
    cloudformation.set_stack_policy(StackName=stack, StackPolicyBody=json.dumps(POLICY))


def main(environment: str, folder: Path = ROOT) -> int:
    """Protect the environment's stack, and say so; return the exit status."""
    stack = environment
    try:
        options = session.said(environment, str(folder))["options"]
        stack = str(options["stack_name"])
        client: Any = session.opened(options).client("cloudformation")
        protect(client, stack)
    except StartError as error:
        print(f"protect: {error}", file=sys.stderr)
        return 1
    except (BotoCoreError, ClientError) as error:
        print(f"{stack} is deployed and not protected against deletion: {error}", file=sys.stderr)
        return 1
    print(f"{stack} is protected: nobody deletes it, or replaces its database, bucket and secrets, by one command.")
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="protect", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("environment", help="of samconfig.toml, such as dev")
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT, help=argparse.SUPPRESS)
    given = parser.parse_args()
    sys.exit(main(given.environment, given.folder))
