#!/usr/bin/env bash
# MiniStack 1.5.33, seen on 28 November 2026 with boto3 1.44.5 and Python 3.11.
#
# A GET for bytes 2 to 4 of an object is answered with these bytes and 206. The same GET for a version of the object,
# which S3 answers alike, gets the whole object and 200. So a reader that goes on at an offset of a version, as a load
# that was cut off does, gets bytes that it has read already, unless it looks at Content-Range.
#
#   without a version: 206 bytes 2-4/10 b'234'
#   with its version: 200 None b'0123456789'
#
# What S3 says: https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html (Range and versionId are independent).
set -euo pipefail
folder=$(mktemp -d)
trap 'kill "${server:-}" 2>/dev/null || true; rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q ministack==1.5.33
python3 -m venv "$folder/client"
"$folder/client/bin/pip" install -q boto3==1.44.5
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
BIND_HOST=127.0.0.1 GATEWAY_PORT=$port SERVICES=s3 SFTP_ENABLED=0 IOT_MTLS_ENABLED=0 \
    "$folder/venv/bin/python" -m ministack >"$folder/log" 2>&1 &
server=$!
seen=$("$folder/client/bin/python" - "$port" <<'PYTHON'
import sys
import time

import boto3
from botocore.exceptions import EndpointConnectionError

s3 = boto3.client("s3", endpoint_url=f"http://127.0.0.1:{sys.argv[1]}", aws_access_key_id="a",
                  aws_secret_access_key="b", region_name="us-east-1")
for _ in range(300):
    try:
        s3.list_buckets()
        break
    except EndpointConnectionError:
        time.sleep(0.1)
s3.create_bucket(Bucket="bucket")
s3.put_bucket_versioning(Bucket="bucket", VersioningConfiguration={"Status": "Enabled"})
version = s3.put_object(Bucket="bucket", Key="key", Body=b"0123456789")["VersionId"]
for said, which in (("without a version", {}), ("with its version", {"VersionId": version})):
    answer = s3.get_object(Bucket="bucket", Key="key", Range="bytes=2-4", **which)
    print(f"{said}: {answer['ResponseMetadata']['HTTPStatusCode']} {answer.get('ContentRange')} {answer['Body'].read()}")
PYTHON
)
echo "$seen"
[ "$seen" = "without a version: 206 bytes 2-4/10 b'234'
with its version: 200 None b'0123456789'" ] || { echo "this has changed" >&2; exit 1; }
