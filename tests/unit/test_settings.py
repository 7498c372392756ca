"""The environment, read when asked."""

import pytest

from tableferry.errors import Misconfigured
from tableferry.settings import DatabaseAddress, Settings, database_address, parse_database_url

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
        Settings.from_env({key: value for key, value in WHOLE.items() if key != name}).signing_key  # noqa: B018


def test_the_tables_that_are_served_are_said_with_the_database() -> None:
    for env in (WHOLE, {"DATABASE_HOST": "h", "DATABASE_NAME": "d"}):
        assert "jobs" in database_address(env | {"TABLES": "departments, jobs"}).served
        assert "users" not in database_address(env | {"TABLES": "departments, jobs"}).served
        assert "users" in database_address(env).served


@pytest.mark.parametrize("value", ["0", "-1", "many"])
def test_a_number_that_is_none_is_refused(value: str) -> None:
    with pytest.raises(Misconfigured, match="WORKERS"):
        Settings.from_env(WHOLE | {"WORKERS": value})
