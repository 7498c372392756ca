"""The environment, read when asked."""

import pytest

from tableferry.config.settings import DatabaseAddress, Settings, database_address, parse_database_url, table_settings
from tableferry.errors import Misconfigured

WHOLE = {"BUCKET": "b", "SIGNING_KEY": "k", "DATABASE_URL": "mysql://u:p@h:3307/d"}


def test_a_url_is_taken_apart_and_decoded() -> None:
    found = parse_database_url("mysql://us%40er:p%3Aw%2F@db.example:3307/my%20data")
    assert found == DatabaseAddress("db.example", 3307, "my data", "us@er", "p:w/")


def test_the_url_goes_before_the_single_variables() -> None:
    assert database_address(WHOLE | {"DATABASE_HOST": "other"}).host == "h"


def test_without_a_url_the_login_is_a_secret_or_a_token() -> None:
    found = database_address(
        {"DATABASE_HOST": "h", "DATABASE_NAME": "d", "DATABASE_SECRET_ARN": "arn", "DATABASE_URL": ""}
    )
    assert (found.password, found.secret_arn, found.port, found.user) == (None, "arn", 3306, "tableferry")


@pytest.mark.parametrize(
    ("host", "region"),
    [
        ("db.c1.eu-south-2.rds.amazonaws.com", "eu-south-2"),
        ("DB.cluster-ro-c1.US-EAST-1.RDS.amazonaws.com", "us-east-1"),
        ("DB.C1.EU-SOUTH-2.RDS.AMAZONAWS.COM.", "eu-south-2"),
        ("db.c1.us-gov-west-1.rds.amazonaws.com", "us-gov-west-1"),
        ("db.c1.rds.cn-north-1.amazonaws.com.cn", "cn-north-1"),  # as RDS names its instances in China
        ("db.cluster-c1.cn-northwest-1.rds.amazonaws.com.cn", "cn-northwest-1"),
        ("db.example.org", "eu-west-1"),
        ("db.c1.rds.cn-north-1.amazonaws.com.cn.example.org", "eu-west-1"),
        ("db.c1.eu-south-2.rds.amazonaws.com.example.org", "eu-west-1"),
    ],
)
def test_a_host_in_the_cloud_is_verified_against_its_own_region(host: str, region: str) -> None:
    found = database_address({"DATABASE_HOST": host, "DATABASE_NAME": "d", "AWS_REGION": "eu-west-1"})
    assert (found.verified, found.region, found.ca_file) == (True, region, None)


def test_a_url_is_verified_where_a_file_of_authorities_is_named() -> None:
    found = database_address({"DATABASE_URL": "mysql://u:p@h/d", "DATABASE_CA_FILE": "/ca.pem"})
    assert (found.verified, found.ca_file) == (False, "/ca.pem")
    assert database_address({"DATABASE_URL": "mysql://u:p@h/d"}).ca_file is None


@pytest.mark.parametrize("name", ["mysql", "sys", "information_schema", "PERFORMANCE_SCHEMA"])
def test_the_servers_own_schemas_are_not_taken_for_a_database(name: str) -> None:
    with pytest.raises(Misconfigured, match=f"DATABASE_NAME names '{name}'"):
        database_address({"DATABASE_HOST": "h", "DATABASE_NAME": name})
    with pytest.raises(Misconfigured, match="DATABASE_URL"):
        database_address({"DATABASE_URL": f"mysql://u:p@h/{name}"})


def test_no_secret_is_shown() -> None:
    shown = repr(Settings.from_env(WHOLE | {"DATABASE_URL": "mysql://u:hush@h/d", "SIGNING_KEY": "hush"}))
    assert "hush" not in shown


@pytest.mark.parametrize("url", ["http://h/d", "mysql://h", "mysql:///d", "mysql://u:p@h:port/d", "nonsense"])
def test_a_url_that_names_no_database_is_refused(url: str) -> None:
    with pytest.raises(Misconfigured):
        parse_database_url(url)


@pytest.mark.parametrize("name", ["BUCKET", "SIGNING_KEY"])
def test_a_missing_variable_is_named(name: str) -> None:
    with pytest.raises(Misconfigured, match=name):
        Settings.from_env({key: value for key, value in WHOLE.items() if key != name}).signing_keys.sign({})


def test_the_tables_that_are_served_are_said_with_the_database() -> None:
    for env in (WHOLE, {"DATABASE_HOST": "h", "DATABASE_NAME": "d"}):
        assert "jobs" in database_address(env | {"TABLES": "departments, jobs"}).served
        assert "users" not in database_address(env | {"TABLES": "departments, jobs"}).served
        assert "users" in database_address(env).served


@pytest.mark.parametrize("value", ["0", "-1", "many"])
def test_a_number_that_is_none_is_refused(value: str) -> None:
    with pytest.raises(Misconfigured, match="WORKERS"):
        Settings.from_env(WHOLE | {"WORKERS": value})


def test_what_is_set_for_every_table_is_what_a_tables_own_does_not_say() -> None:
    said = """{"*": {"on_duplicate": "ignore", "binary": "base64"}, "a": {"on_duplicate": "update", "binary": null}}"""
    found = Settings.from_env(WHOLE | {"TABLE_SETTINGS": said})
    assert found.table_options("a") == {"on_duplicate": "update", "binary": None}
    assert found.table_options("A") == {"on_duplicate": "ignore", "binary": "base64"}
    for nothing in ({}, {"TABLE_SETTINGS": ""}, {"TABLE_SETTINGS": "{}"}):
        assert Settings.from_env(WHOLE | nothing).table_options("a") == {}


@pytest.mark.parametrize(
    ("said", "named"),
    [
        ("{", "no JSON"),
        ("[]", "object of objects"),
        ('{"a": "ignore"}', "object of objects"),
        ('{"on_duplicate": "ignore"}', "object of objects"),
        ('{"a": {}, "a": {}}', "stands twice"),
        ('{"jobs": {"nul": "x"}}', "of 'jobs', 'nul' is no option"),
        ('{"jobs": {"delimiter": ":"}}', "of 'jobs', delimiter is ':'; it has to be one of"),
        ('{"*": {"max_rejects": "half"}}', r"of '\*', max_rejects is 'half'"),
    ],
)
def test_a_setting_of_tables_that_cannot_be_read_is_told_of(said: str, named: str) -> None:
    with pytest.raises(Misconfigured, match=f"^TABLE_SETTINGS.*{named}"):
        table_settings({"TABLE_SETTINGS": said})


def test_the_ledger_is_kept_for_thirty_days_or_as_long_as_is_said() -> None:
    assert Settings.from_env(WHOLE).ledger_days == 30
    assert Settings.from_env(WHOLE | {"LEDGER_DAYS": "0"}).ledger_days == 0
    with pytest.raises(Misconfigured, match="LEDGER_DAYS"):
        Settings.from_env(WHOLE | {"LEDGER_DAYS": "-1"})


def test_one_function_does_all_unless_it_is_said_otherwise() -> None:
    found = Settings.from_env(WHOLE)
    assert (found.scale, found.scale_workers, found.scale_connections, found.lock_seconds) == (False, 8, 2, 3)
    many = {"SCALE": "on", "SCALE_WORKERS": "40", "SCALE_CONNECTIONS": "4", "LOCK_SECONDS": "1"}
    found = Settings.from_env(WHOLE | many)
    assert (found.scale, found.scale_workers, found.scale_connections, found.lock_seconds) == (True, 40, 4, 1)
    for name, wrong in (("SCALE", "true"), ("SCALE_WORKERS", "0"), ("SCALE_CONNECTIONS", "no"), ("LOCK_SECONDS", "0")):
        with pytest.raises(Misconfigured, match=name):
            Settings.from_env(WHOLE | {name: wrong})
