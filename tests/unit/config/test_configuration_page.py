"""docs/configuration.md names each variable, parameter and right there is, with the default that holds."""

import os
from collections.abc import Mapping
from typing import Any

import pytest

from local.runtime import given
from tableferry.config import settings
from tableferry.config.settings import Settings
from tableferry.errors import Misconfigured
from tools import configuration_page as page

TEMPLATE = page.template()
BY_PARTS = {"DATABASE_HOST": "h", "DATABASE_NAME": "d", "BUCKET": "b"}
BY_URL = {"DATABASE_URL": "mysql://u:p@h/d", "BUCKET": "b"}
BY_LIBRARIES = {
    "AWS_ENDPOINT_URL_SECRETS_MANAGER",  # boto3
    "POWERTOOLS_SERVICE_NAME",
    "POWERTOOLS_METRICS_NAMESPACE",
    "POWERTOOLS_LOG_LEVEL",
}
BY_NOBODY = {"SIGNING_KEY_ROTATION"}  # a change of it alone has CloudFormation read the secrets again
OTHER = {
    "DATABASE_PORT": "3307", "DATABASE_USER": "u", "DATABASE_SECRET_ARN": "arn", "DATABASE_CA_FILE": "f", "TABLES": "a*",
    "TABLE_SETTINGS": '{"jobs": {"on_duplicate": "ignore"}}', "SIGNING_KEY": "k", "JOBS": "inline", "SCALE": "on", "AWS_REGION": "eu-west-1",
    "AWS_DEFAULT_REGION": "eu-west-1", "DATABASE_URL": "mysql://u:p@h/d",
}  # fmt: skip


class Recorder(dict[str, str]):
    """An environment that notes what is asked for."""

    def __init__(self, said: Mapping[str, str]) -> None:
        super().__init__(said)
        self.asked: set[str] = set()

    def get(self, name: str, default: Any = None) -> Any:
        self.asked.add(name)
        return super().get(name, default)


def read_by_settings(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    asked = set()
    for said in (BY_PARTS, BY_URL):
        recorder = Recorder(said)
        Settings.from_env(recorder)
        monkeypatch.setattr(os, "environ", recorder)
        settings.s3_endpoint()
        asked |= recorder.asked
    return asked


def test_the_page_is_current() -> None:
    assert page.TARGET.read_text(encoding="utf-8") == page.text(), "run `make openapi`"


def test_every_variable_that_is_read_or_set_is_there_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    read = read_by_settings(monkeypatch)
    assert len(read) > 18
    assert page.VARIABLES.keys() == read | page.environment(TEMPLATE).keys()
    assert page.environment(TEMPLATE).keys() - read == BY_LIBRARIES | BY_NOBODY


@pytest.mark.parametrize("name", sorted(set(page.VARIABLES) - BY_LIBRARIES - BY_NOBODY - {"AWS_ENDPOINT_URL_S3"}))
def test_a_default_is_what_holds_where_nothing_is_said(name: str) -> None:
    default, _ = page.VARIABLES[name]
    if default == "needed":
        with pytest.raises(Misconfigured, match=name):
            Settings.from_env({other: value for other, value in BY_PARTS.items() if other != name})
        return
    unsaid = Settings.from_env(BY_PARTS)
    assert Settings.from_env(BY_PARTS | {name: default}) == unsaid
    other = OTHER.get(name) or str(int(default) + 1)
    assert Settings.from_env(BY_PARTS | {name: other}) != unsaid  # so it is this one's


def test_every_variable_says_what_it_means() -> None:
    rows = {
        line.split("`")[1]: line.split(" | ")
        for line in page.text().split("## Parameters")[0].split("\n")
        if line[:3] == "| `"
    }
    assert rows.keys() == page.VARIABLES.keys()
    assert not [name for name, cells in rows.items() if len(cells[4]) < 12]


def test_a_variable_stands_beside_the_parameter_that_sets_it() -> None:
    lines = page.text().split("\n")
    assert any(
        line.startswith("| `LEDGER_DAYS` | `LedgerDays` | `30` | insert, load, uploads, restore |") for line in lines
    )
    assert any(line.startswith("| `JOBS` |  | `event` | all |") for line in lines)


def test_every_parameter_is_there_once_with_its_default_and_what_it_means() -> None:
    table = page.text().split("## Parameters of the template")[1].split("## Variables of the local runtime")[0]
    rows = [line for line in table.split("\n") if line.startswith("| `")]
    assert sorted(row.split("`")[1] for row in rows) == sorted(TEMPLATE["Parameters"])
    for name, said in TEMPLATE["Parameters"].items():
        assert len(said["Description"]) > 15, name
        default = "needed" if "Default" not in said else f"`{said['Default']}`" if str(said["Default"]) else ""
        assert [row for row in rows if row.startswith(f"| `{name}` | {default} | ")], name


def test_what_the_local_runtime_takes_is_there() -> None:
    assert page.LOCAL.keys() == {*given.VARIABLES, "TABLEFERRY_STATE"}


def test_every_right_is_there_with_what_it_is_for() -> None:
    granted = {
        (right, place) for file in ("grants.sql", "grants-by-function.sql") for right, place, _ in page.rights(file)
    }
    assert page.RIGHTS.keys() == granted
    assert len(granted) > 20
    assert "| `DROP` | your database | ✓ |  |  |  | ✓ | tables that a restore exchanges |" in page.text()
