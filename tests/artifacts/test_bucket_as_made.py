"""The bucket as the template makes it, in an emulator that holds everybody to policies: an administrator, and a page."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3
import httpx
import pytest
from botocore.exceptions import ClientError

from local.runtime import s3 as emulator
from local.runtime.process import Child, free_port, plain_environment
from tests.artifacts.test_template import DEPLOYMENTS
from tests.support.parts import until
from tests.support.stack import Json, Stack

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BUCKET = "tableferry-as-made"
ORIGIN = "https://app.example"


@dataclass(frozen=True)
class Made:
    """The bucket, an administrator's client, and the statements of its policy as the template has them."""

    url: str
    s3: "S3Client"
    statements: list[Json]

    def put_policy(self, *sids: str) -> None:
        chosen = [found for found in self.statements if found["Sid"] in sids]
        assert len(chosen) == len(sids)
        policy = {"Version": "2012-10-17", "Statement": chosen}
        self.s3.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps(policy))


@pytest.fixture(scope="module")
def made(synthesised: Json, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    folder, port = tmp_path_factory.mktemp("made"), free_port()
    environment = (
        plain_environment() | emulator.environment_of(port, "s3,iam,sts") | {"AUTH": "true", "TMPDIR": str(folder)}
    )
    child = Child("the emulator", [str(emulator.PYTHON), "-m", "ministack"], folder / "log", environment)
    try:
        assert until(lambda: emulator._answers(port), seconds=60)
        url = f"http://127.0.0.1:{port}"
        client = administrator(url)
        client.create_bucket(Bucket=BUCKET)
        bucket = Stack(synthesised, **DEPLOYMENTS["least"], BucketName=BUCKET, CorsOrigins=ORIGIN).resources
        client.put_bucket_versioning(
            Bucket=BUCKET, VersioningConfiguration=bucket["Bucket"]["Properties"]["VersioningConfiguration"]
        )
        [rule] = bucket["Bucket"]["Properties"]["CorsConfiguration"]["CorsRules"]
        client.put_bucket_cors(Bucket=BUCKET, CORSConfiguration={"CORSRules": [as_api(rule)]})
        yield Made(url, client, named(bucket["BucketPolicy"]["Properties"]["PolicyDocument"]["Statement"]))
    finally:
        child.stop(seconds=5)


def administrator(url: str) -> "S3Client":
    """A client of a user who may do everything."""
    iam: Any = boto3.session.Session("000000000000", "root", region_name="us-east-1").client("iam", endpoint_url=url)
    iam.create_user(UserName="admin")
    iam.attach_user_policy(UserName="admin", PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
    key = iam.create_access_key(UserName="admin")["AccessKey"]
    session = boto3.session.Session(key["AccessKeyId"], key["SecretAccessKey"], region_name="us-east-1")
    return session.client("s3", endpoint_url=url)


def as_api(rule: Json) -> Any:
    """CloudFormation's words for a rule of CORS, as S3's API has them."""
    words = {"ExposedHeaders": "ExposeHeaders", "MaxAge": "MaxAgeSeconds"}
    return {words.get(name, name): value for name, value in rule.items()}


def named(value: Any) -> Any:
    """A policy with the bucket's ARN in its places."""
    if isinstance(value, list):
        return [named(item) for item in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {"Fn::GetAtt"}:
        assert value["Fn::GetAtt"] == ["Bucket", "Arn"]
        return f"arn:aws:s3:::{BUCKET}"
    if set(value) == {"Fn::Sub"}:
        return value["Fn::Sub"].replace("${Bucket.Arn}", f"arn:aws:s3:::{BUCKET}")
    return {name: named(item) for name, item in value.items()}


def test_an_administrator_deletes_no_backup_until_he_takes_that_out_of_the_policy(made: Made) -> None:
    made.put_policy("BackupsStay")
    versions = {
        key: made.s3.put_object(Bucket=BUCKET, Key=key, Body=b"x")["VersionId"]
        for key in ("backups/1/manifest.json", "uploads/t/a.csv")
    }
    backup, upload = versions
    for attempt in (
        lambda: made.s3.delete_object(Bucket=BUCKET, Key=backup),
        lambda: made.s3.delete_object(Bucket=BUCKET, Key=backup, VersionId=versions[backup]),
        lambda: made.s3.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": backup}]}),
    ):
        with pytest.raises(ClientError, match=r"AccessDenied.*explicit deny"):
            attempt()
    assert made.s3.get_object(Bucket=BUCKET, Key=backup)["Body"].read() == b"x"
    made.s3.delete_object(Bucket=BUCKET, Key=upload)
    made.s3.delete_object(Bucket=BUCKET, Key=upload, VersionId=versions[upload])
    made.put_policy("NoOldTls")  # as docs/operations.md says, by jq
    made.s3.delete_object(Bucket=BUCKET, Key=backup)
    assert not [found for found in made.s3.list_objects_v2(Bucket=BUCKET).get("Contents", []) if found["Key"] == backup]


def test_a_page_asks_and_sends_its_file_and_a_page_of_others_does_not(made: Made) -> None:
    def asked(origin: str, method: str) -> tuple[int, str | None]:
        headers = {
            "Origin": origin,
            "Access-Control-Request-Method": method,
            "Access-Control-Request-Headers": "x-of-page",
        }
        answer = httpx.options(f"{made.url}/{BUCKET}", headers=headers)
        return answer.status_code, answer.headers.get("access-control-allow-origin")

    assert asked(ORIGIN, "POST") == (200, ORIGIN)
    assert asked("https://evil.example", "POST") == (403, None)
    for method in ("GET", "PUT", "DELETE"):
        assert asked(ORIGIN, method) == (403, None)
    made.put_policy("BackupsStay")
    post = made.s3.generate_presigned_post(BUCKET, "uploads/t/b.csv")
    for origin, allowed in ((ORIGIN, ORIGIN), ("https://evil.example", None)):
        answer = httpx.post(post["url"], data=post["fields"], files={"file": b"1"}, headers={"Origin": origin})
        assert answer.status_code == 204, answer.text
        assert answer.headers.get("access-control-allow-origin") == allowed


def test_without_tls_nobody_gets_anything(made: Made) -> None:
    made.s3.put_object(Bucket=BUCKET, Key="uploads/t/c.csv", Body=b"x")
    made.put_policy("TlsOnly")
    try:
        with pytest.raises(ClientError, match="AccessDenied"):
            made.s3.get_object(Bucket=BUCKET, Key="uploads/t/c.csv")
    finally:
        root = boto3.session.Session("000000000000", "root", region_name="us-east-1").client(
            "s3", endpoint_url=made.url
        )
        root.delete_bucket_policy(Bucket=BUCKET)
