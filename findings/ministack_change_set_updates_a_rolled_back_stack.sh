#!/usr/bin/env bash
# MiniStack 1.5.33, seen on 28 November 2026 with boto3 1.44.5 and Python 3.11.
#
# A stack whose create failed is ROLLBACK_COMPLETE, and can only be deleted. UpdateStack says so. A change set for the same
# stack, which is what `sam deploy` makes, is taken and executed: UPDATE_COMPLETE. So a pipeline that is tried here goes on
# after a failed first deployment, and stops in an account until somebody deletes the stack.
#
#   create: ROLLBACK_COMPLETE
#   update: Stack [one] is in ROLLBACK_COMPLETE state and cannot be updated
#   change set: UPDATE_COMPLETE
#
# What AWS says: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/view-stack-events.html (ROLLBACK_COMPLETE:
# only a delete operation can be performed).
set -euo pipefail
folder=$(mktemp -d)
trap 'kill "${server:-}" 2>/dev/null || true; rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q ministack==1.5.33
python3 -m venv "$folder/client"
"$folder/client/bin/pip" install -q boto3==1.44.5
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
BIND_HOST=127.0.0.1 GATEWAY_PORT=$port SFTP_ENABLED=0 IOT_MTLS_ENABLED=0 \
    "$folder/venv/bin/python" -m ministack >"$folder/log" 2>&1 &
server=$!
seen=$("$folder/client/bin/python" - "$port" <<'PYTHON'
import json
import sys
import time

import boto3
from botocore.exceptions import ClientError, EndpointConnectionError

stacks = boto3.client("cloudformation", endpoint_url=f"http://127.0.0.1:{sys.argv[1]}", aws_access_key_id="a",
                      aws_secret_access_key="b", region_name="us-east-1")


def ended() -> str:
    for _ in range(300):
        status = stacks.describe_stacks(StackName="one")["Stacks"][0]["StackStatus"]
        if not status.endswith("IN_PROGRESS"):
            break
        time.sleep(0.1)
    return status


for _ in range(300):
    try:
        stacks.list_stacks()
        break
    except EndpointConnectionError:
        time.sleep(0.1)
queue = {"Type": "AWS::SQS::Queue"}
mapping = {"Type": "AWS::Lambda::EventSourceMapping",  # of a function that is not there
           "Properties": {"FunctionName": "none", "EventSourceArn": {"Fn::GetAtt": ["Queue", "None"]}}}
failing = json.dumps({"Resources": {"Queue": queue, "Mapping": mapping}})
right = json.dumps({"Resources": {"Queue": queue}})
stacks.create_stack(StackName="one", TemplateBody=failing)
print("create:", ended())
try:
    stacks.update_stack(StackName="one", TemplateBody=right)
    print("update:", ended())
except ClientError as error:
    print("update:", error.response["Error"]["Message"])
stacks.create_change_set(StackName="one", ChangeSetName="it", ChangeSetType="UPDATE", TemplateBody=right)
stacks.get_waiter("change_set_create_complete").wait(StackName="one", ChangeSetName="it")
stacks.execute_change_set(StackName="one", ChangeSetName="it")
print("change set:", ended())
PYTHON
)
echo "$seen"
[ "$seen" = "create: ROLLBACK_COMPLETE
update: Stack [one] is in ROLLBACK_COMPLETE state and cannot be updated
change set: UPDATE_COMPLETE" ] || { echo "this has changed" >&2; exit 1; }
