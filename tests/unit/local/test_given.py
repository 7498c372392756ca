"""What is said of the local runtime by variables, and whether it runs like that."""

from pathlib import Path

import pytest

from local.runtime import given

ENV = {"API_URL": "http://127.0.0.1:20001", "BUCKET": "a-bucket", "DATABASE_URL": "mysql://me:secret@127.0.0.1:20002/d"}


def test_what_is_not_said_is_not_wanted() -> None:
    assert given.said({"TABLES": "", "WORKERS": "3", "HOME": "/root"}) == {"WORKERS": "3"}
    assert given.differences(given.in_force({"TABLES": "a"}, ENV), {}) == []


def test_what_a_shell_knows_from_the_runtime_is_no_difference() -> None:
    known = {"BUCKET": "a-bucket", "DATABASE_URL": ENV["DATABASE_URL"], "API_PORT": "20001"}
    assert given.differences(given.in_force({}, ENV), known) == []


def test_a_file_is_the_same_by_whatever_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    here, there = given.said({"DATABASE_CA_FILE": "ca.pem"}), given.said({"DATABASE_CA_FILE": str(tmp_path / "ca.pem")})
    assert given.differences(given.in_force(here, ENV), there) == []


def test_a_difference_names_both_values_and_no_password() -> None:
    wanted = {"DATABASE_URL": "mysql://you:hidden@db.example:3306/orders", "TABLES": "orders"}
    database, tables = given.differences(given.in_force({}, ENV), wanted)
    assert database == "DATABASE_URL is 127.0.0.1:20002/d, and db.example:3306/orders is asked for"
    assert tables == "TABLES is not set, and orders is asked for"
