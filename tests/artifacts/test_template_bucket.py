"""What the bucket lets happen: to pages of the origins that may call the API, and to backups."""

import re

import pytest

from local.runtime.state import ROOT
from tests.artifacts.test_template import DEPLOYMENTS
from tests.support.stack import Json, Stack


@pytest.mark.parametrize("deployment", DEPLOYMENTS)
def test_nobody_deletes_a_backup_by_a_request(deployment: str, synthesised: Json) -> None:
    """Neither the object, which leaves a version, nor its versions; S3's own lifecycle is not a principal."""
    policy = Stack(synthesised, **DEPLOYMENTS[deployment]).resources["BucketPolicy"]["Properties"]["PolicyDocument"]
    [denied] = [found for found in policy["Statement"] if found["Sid"] == "BackupsStay"]
    assert (denied["Effect"], denied["Principal"]) == ("Deny", "*")
    assert denied["Action"] == ["s3:DeleteObject", "s3:DeleteObjectVersion"]
    assert denied["Resource"] == {"Fn::Sub": "${Bucket.Arn}/backups/*"}
    assert "Condition" not in denied


def test_a_page_that_may_call_the_api_may_send_its_file_to_the_bucket_and_do_nothing_else_there(
    synthesised: Json,
) -> None:
    origins = ["https://app.example", "http://localhost:3000"]
    stack = Stack(synthesised, **DEPLOYMENTS["least"], CorsOrigins=",".join(origins))
    [rule] = stack.resources["Bucket"]["Properties"]["CorsConfiguration"]["CorsRules"]
    [api] = stack.of("AWS::ApiGatewayV2::Api").values()
    assert rule["AllowedOrigins"] == api["Body"]["x-amazon-apigateway-cors"]["allowOrigins"] == origins
    assert rule["AllowedMethods"] == ["POST"]
    # Of a POST with an XMLHttpRequest that tells how far it is, which browsers ask about beforehand.
    assert rule["AllowedHeaders"] == ["*"]


def test_a_page_may_read_each_header_that_an_answer_of_the_api_has(synthesised: Json) -> None:
    """Where the rejects go on, when to ask again: a browser shows a page no header of its own accord but the type."""
    package = ROOT / "layers" / "tableferry" / "tableferry"
    sources = [
        *(ROOT / "functions").glob("*/app.py"),
        package / "api" / "handler.py",
        package / "api" / "job_routes.py",
    ]
    text = "".join(file.read_text(encoding="utf-8") for file in sources)
    answered = {name.lower() for name in re.findall(r'"([A-Z][a-z]+(?:-[A-Z][a-z]+)*)": ', text)} - {"content-type"}
    assert answered >= {"link", "location", "retry-after"}
    [api] = (
        Stack(synthesised, **DEPLOYMENTS["least"], CorsOrigins="https://app.example")
        .of("AWS::ApiGatewayV2::Api")
        .values()
    )
    assert set(api["Body"]["x-amazon-apigateway-cors"]["exposeHeaders"]) == answered


def test_without_origins_no_page_may(synthesised: Json) -> None:
    bucket = Stack(synthesised, **DEPLOYMENTS["least"]).resources["Bucket"]["Properties"]
    assert "CorsConfiguration" not in bucket
