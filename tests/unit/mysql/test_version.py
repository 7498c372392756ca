"""Versions as servers write them, which of them are taken, and names that are no server's."""

import re
from pathlib import Path

import pytest

import tableferry
from tableferry.config.rds_hosts import is_rds_proxy
from tableferry.mysql.version import Server

TAKEN = {
    "8.0.16": "MySQL 8.0.16",
    "8.0.23": "MySQL 8.0.23",  # Aurora MySQL 3.01
    "8.0.28": "MySQL 8.0.28",  # Aurora MySQL 3.04
    "8.0.mysql_aurora.3.04.0": "MySQL 8.0.23",  # as RDS writes it; of Aurora 3 the oldest
    "8.0.44-rds.20260101": "MySQL 8.0.44",
    "8.0.36-28": "MySQL 8.0.36",  # Percona
    "8.0.36-0ubuntu0.22.04.1": "MySQL 8.0.36",
    "8.0.36-google": "MySQL 8.0.36",
    "8.0.30-Vitess": "MySQL 8.0.30",
    "8.4.10": "MySQL 8.4.10",
    "9.7.0-commercial": "MySQL 9.7.0",
    "10.6.0-MariaDB": "MariaDB 10.6.0",
    "5.5.5-10.6.18-MariaDB-log": "MariaDB 10.6.18",  # as servers call themselves to clients, up to 10.11
    "10.11.16-MariaDB-log": "MariaDB 10.11.16",
    "11.4.10-MariaDB-log": "MariaDB 11.4.10",
    "11.4.2-MariaDB-deb12": "MariaDB 11.4.2",
    "11.8.9-MariaDB-0+deb13u1 from Debian-log": "MariaDB 11.8.9",
    "26.7.0": "MySQL 26.7.0",
}
REFUSED = {
    "5.6.51": "MySQL 5.6.51",
    "5.7.12": "MySQL 5.7.12",  # Aurora MySQL 2
    "5.7.mysql_aurora.2.11.1": "MySQL 5.7.0",
    "5.7.44-log": "MySQL 5.7.44",
    "5.7.44-rds.20260101-log": "MySQL 5.7.44",
    "8.0.11": "MySQL 8.0.11",
    "8.0.15-debug": "MySQL 8.0.15",
    "8.0.11-TiDB-v7.5.0": "MySQL 8.0.11",
    "5.5.5-10.5.23-MariaDB-log": "MariaDB 10.5.23",
    "10.3.39-MariaDB": "MariaDB 10.3.39",
    "5.5.5": "MySQL 5.5.5",
    "": "MySQL 0.0.0",
    "unknown": "MySQL 0.0.0",
}


@pytest.mark.parametrize("text", TAKEN)
def test_a_version_that_will_do_is_taken(text: str) -> None:
    assert str(Server.of(text)) == TAKEN[text]
    assert not Server.of(text).too_old


@pytest.mark.parametrize("text", REFUSED)
def test_a_version_that_will_not_do_is_too_old(text: str) -> None:
    assert str(Server.of(text)) == REFUSED[text]
    assert Server.of(text).too_old


def test_what_would_do_is_said() -> None:
    assert Server.of("5.7.44").oldest == "MySQL 8.0.16 or later (of Aurora, version 3)"
    assert Server.of("10.5.1-MariaDB").oldest == "MariaDB 10.6.0 or later"


@pytest.mark.parametrize(
    ("host", "is_one"),
    [
        ("shop.proxy-abc123def456.eu-central-1.rds.amazonaws.com", True),
        ("readers.endpoint.proxy-abc123.us-gov-west-1.rds.amazonaws.com.", True),
        ("SHOP.PROXY-ABC123.EU-WEST-1.RDS.AMAZONAWS.COM", True),
        ("shop.proxy-abc123.rds.cn-north-1.amazonaws.com.cn", True),
        ("shop.abc123.eu-central-1.rds.amazonaws.com", False),
        ("proxy-shop.abc123.eu-central-1.rds.amazonaws.com", False),
        ("shop.cluster-abc123.eu-central-1.rds.amazonaws.com", False),
        ("shop.cluster-ro-abc123.eu-central-1.rds.amazonaws.com", False),
        ("shop.proxy-abc123.example.com", False),
    ],
)
def test_an_endpoint_of_rds_proxy_is_known_by_its_name(host: str, is_one: bool) -> None:
    assert is_rds_proxy(host) is is_one


def test_no_statement_to_mysql_names_a_collation_that_the_oldest_does_not_know() -> None:
    """Before 8.0.30 those of utf8mb3 are called utf8_…, so that Aurora MySQL 3.04, which is 8.0.28, refuses them."""
    named = {
        name
        for path in Path(tableferry.__file__).parent.rglob("*.py")
        for name in re.findall(r"COLLATE (\w+_ci|\w+_bin)", path.read_text(encoding="utf-8"))
    }
    assert named == {"ascii_bin", "utf8mb4_bin", "latin1_swedish_ci"}  # the last two on MariaDB only
