"""Headers whose names are not in small letters, as `sam local start-api` passes them on; API Gateway itself lowers them."""

import json

from functions.backup.app import handler as backups
from functions.insert.app import handler as rows
from tests.effort import either_server
from tests.support.lambdas import Json, invoke, request
from tests.support.parts import Database

pytestmark = either_server


def with_names_as_sent(method: str, path: str, media_type: str, body: str) -> Json:
    return {
        "version": "2.0",
        "routeKey": f"{method} {path}",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"Content-Type": media_type, "Prefer": "wait=1"},
        "requestContext": {"http": {"method": method, "path": path}, "requestId": "1", "stage": "$default"},
        "body": body,
        "isBase64Encoded": False,
    }


def test_a_body_is_read_however_the_name_of_its_content_type_is_written(sample: Database) -> None:
    sent = with_names_as_sent("POST", "/tables/jobs/rows", "text/csv", "4,Cooper\n")
    answer = invoke(rows, sent)
    assert answer["statusCode"] == 201, answer["body"]
    assert sample.rows("SELECT job FROM jobs WHERE id = 4") == [("Cooper",)]


def test_a_form_is_refused_however_the_name_of_its_content_type_is_written() -> None:
    sent = with_names_as_sent("POST", "/backups", "application/x-www-form-urlencoded", "tables=jobs")
    answer = invoke(backups, sent)
    assert answer["statusCode"] == 415
    assert "not as application/x-www-form-urlencoded" in json.loads(answer["body"])["detail"]
    same = request(backups, "POST", "/backups", body="tables=jobs", headers=sent["headers"])
    assert same.problem(415) == json.loads(answer["body"])
