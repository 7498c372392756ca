"""The fixtures that every other test stands on."""

import os

import pymysql
import pytest

from tests.support.parts import Database, Server


def test_a_database_is_fresh_empty_and_named_by_the_environment(database: Database, server: Server) -> None:
    assert os.environ["DATABASE_URL"] == database.url
    assert database.rows("SHOW TABLES") == []
    assert database.rows("SELECT @@local_infile, @@character_set_database") == [(1, "utf8mb4")]
    if server.own:
        assert database.rows("SELECT @@session.time_zone") == [("+00:00",)]


def test_the_plain_user_may_make_shadow_schemas_and_no_others(database: Database) -> None:
    shadow = f"tableferry_{database.name}"
    database.run(f"CREATE DATABASE {shadow}", f"DROP DATABASE {shadow}")
    with pytest.raises(pymysql.err.OperationalError, match="denied"):
        database.run("CREATE DATABASE something_else")


def test_a_bucket_is_fresh_and_keeps_versions(bucket: str, s3_client: object) -> None:
    import boto3

    client = boto3.client("s3")
    first = client.put_object(Bucket=bucket, Key="a", Body=b"1")["VersionId"]
    assert client.put_object(Bucket=bucket, Key="a", Body=b"2")["VersionId"] != first
    assert client.get_object(Bucket=bucket, Key="a", VersionId=first)["Body"].read() == b"1"
