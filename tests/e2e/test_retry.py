"""A file that comes while the database is away: what is told, where, and how it comes in when it is back."""

import json
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from local.demo.sample import SOURCES, Connection
from local.gateway.dead_letters import queue_name
from tableferry.config.settings import parse_database_url
from tests.e2e.api import Api, Json, is_problem
from tests.support.parts import until

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

EMPLOYEES = SOURCES / "hired_employees.csv"


@contextmanager
def locked_out(mysql: Connection, url: str) -> Iterator[None]:
    """Nobody logs in as the functions' user, whose password has been changed by this connection of its own."""
    password = parse_database_url(url).password or ""
    _set_password(mysql, secrets.token_hex(16))
    try:
        yield
    finally:
        _set_password(mysql, password)


def _set_password(mysql: Connection, password: str) -> None:
    with mysql.cursor() as cursor:
        cursor.execute("SELECT VERSION()")
        [(version,)] = cursor.fetchall()
        cursor.execute(f"SET PASSWORD = {'PASSWORD(%s)' if 'MariaDB' in str(version) else '%s'}", (password,))


def dead_letters(env: Mapping[str, str], key: str) -> list[Json]:
    """The events given up that are about an object, taken out of the queue."""
    sqs: Any = boto3.client(
        "sqs",
        endpoint_url=env["S3_URL"],
        aws_access_key_id=env["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"],
        region_name=env["AWS_DEFAULT_REGION"],
    )
    url = sqs.get_queue_url(QueueName=queue_name("DeadUploads"))["QueueUrl"]
    found = []
    for message in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        found.append(json.loads(message["Body"]))
    return [letter for letter in found if letter["Records"][0]["s3"]["object"]["key"] == key]


def count(mysql: Connection) -> int:
    with mysql.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM hired_employees")
        [(found,)] = cursor.fetchall()
    return int(found)


def times_told(env: Mapping[str, str], store: "S3Client", load_id: str) -> int:
    """How often the status of a load has been written."""
    return len(store.list_object_versions(Bucket=env["BUCKET"], Prefix=f"loads/{load_id}.json")["Versions"])


@pytest.mark.usefixtures("parents")
def test_a_load_that_the_database_stopped_waits_without_a_dead_letter_and_a_retry_brings_it_in_once(
    api: Api, env: Mapping[str, str], store: "S3Client", mysql: Connection
) -> None:
    key = f"uploads/hired_employees/{secrets.token_hex(4)}.csv"
    with locked_out(mysql, env["DATABASE_URL"]):
        store.put_object(Bucket=env["BUCKET"], Key=key, Body=EMPLOYEES.read_bytes())
        (status,) = api.load_of(key)
    assert (status["state"], status["error"]["type"]) == ("waiting", "database-unavailable")
    assert status["next_try"] > status["saved"]
    assert count(mysql) == 0

    answer = api.send("retry-load", path={"id": status["id"]})
    assert answer.status_code == 202, answer.text
    loaded = api.until_ended(answer.headers["location"])
    assert (loaded["id"], loaded["state"], loaded["error"]) == (status["id"], "done", None)
    assert (loaded["read"], loaded["inserted"], loaded["rejected"]) == (1999, 1929, 70)
    assert count(mysql) == 1929

    again = api.send("retry-load", path={"id": status["id"]})
    assert (again.status_code, again.json()) == (200, loaded)
    told = times_told(env, store, status["id"])
    key_of_order = f"resume/{status['id']}.json"
    order = store.get_object(Bucket=env["BUCKET"], Key=key_of_order)["Body"].read()
    store.put_object(Bucket=env["BUCKET"], Key=key_of_order, Body=order)  # signed, and its event comes again
    assert until(lambda: times_told(env, store, status["id"]) > told), "the function was not started"
    assert api.send("load", path={"id": status["id"]}).json() == loaded
    assert count(mysql) == 1929
    assert not dead_letters(env, key)


@pytest.mark.usefixtures("mysql")
def test_a_load_that_nobody_knows_cannot_be_retried(api: Api) -> None:
    is_problem(api.send("retry-load"), 404)
