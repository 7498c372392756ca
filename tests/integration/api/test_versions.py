"""Servers that are refused for what they are: too old, a proxy, or with a way to log in that is not known."""

import json

import pymysql
import pytest

from tableferry.api import problems
from tableferry.config.settings import DatabaseAddress
from tableferry.errors import DatabaseUnavailable, ReadOnlyServer, ServerNotSupported
from tableferry.mysql.database import Database, foreseen, rows, translated
from tableferry.storage import object_keys
from tests.integration.manifest.test_trust import signature
from tests.support import verbs
from tests.support.fake_server import FakeServer
from tests.support.parts import Database as Ours
from tests.support.parts import not_applicable

PASSWORD = "hush"
ADVICE = {"MySQL": r"MySQL 8\.0\.16 or later \(of Aurora, version 3\)", "MariaDB": r"MariaDB 10\.6\.0 or later\."}


@pytest.mark.parametrize(
    ("version", "named"),
    [
        ("5.7.44-rds.20260101-log", "MySQL 5.7.44"),
        ("5.7.12", "MySQL 5.7.12"),  # Aurora MySQL 2
        ("8.0.11", "MySQL 8.0.11"),
        ("8.0.15", "MySQL 8.0.15"),
        ("5.5.5-10.5.23-MariaDB-log", "MariaDB 10.5.23"),
    ],
)
def test_a_server_that_is_too_old_is_not_logged_in_to(version: str, named: str) -> None:
    with FakeServer(version=version).running() as fake:
        address = DatabaseAddress("127.0.0.1", fake.port, "d", "u", PASSWORD)
        with (
            pytest.raises(ServerNotSupported, match=rf"is {named}, which is too old") as refused,
            Database(address).connect(),
        ):
            pass
    assert refused.match(ADVICE[named.partition(" ")[0]])
    assert fake.packets == []
    told = problems.problem(refused.value)
    assert (told["status"], told["type"]) == (503, "urn:tableferry:problem:server-not-supported")


@pytest.mark.parametrize(
    "version",
    ["8.0.16", "8.0.28", "8.4.10-rds", "9.7.0", "5.5.5-10.6.18-MariaDB-log", "10.11.16-MariaDB", "11.8.6-MariaDB"],
)
def test_a_server_that_is_new_enough_is_taken(version: str) -> None:
    with FakeServer(version=version).running() as fake:
        address = DatabaseAddress("127.0.0.1", fake.port, "d", "u", PASSWORD)
        with Database(address).connect() as connection:
            assert rows(connection, "DO 0") == []
    stated = next(one for one in fake.statements if one.startswith(b"SET SESSION")).decode()
    assert ("transaction_isolation" in stated) is ("MariaDB" not in version or version.startswith("11."))
    assert ("utf8mb4_0900_ai_ci" in stated) is ("MariaDB" not in version)


def test_nobody_is_asked_for_the_address_of_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.create_connection", lambda *_, **__: pytest.fail("it was connected to"))
    host = "shop.proxy-abc123.eu-central-1.rds.amazonaws.com"
    address = DatabaseAddress(host, 3306, "d", "u", PASSWORD, verified=True, region="eu-central-1")
    wanted = r"an endpoint of RDS Proxy.*the database's own endpoint"
    with pytest.raises(ServerNotSupported, match=wanted), Database(address).connect():
        pass


@pytest.mark.parametrize("way", ["client_ed25519", "parsec", "authentication_kerberos_client", "mysql_old_password"])
def test_a_way_to_log_in_that_is_not_known_is_named(way: str) -> None:
    with FakeServer(switch_to=way.encode()).running() as fake:
        address = DatabaseAddress("127.0.0.1", fake.port, "d", "u", PASSWORD)
        with (
            pytest.raises(DatabaseUnavailable, match=rf"asks to log in by {way}, .*caching_sha2_password"),
            Database(address).connect(),
        ):
            pass
    assert not [packet for packet in fake.packets if PASSWORD.encode() in packet]


def test_a_name_that_is_none_is_not_repeated() -> None:
    with FakeServer(switch_to=b"<script>").running() as fake:
        address = DatabaseAddress("127.0.0.1", fake.port, "d", "u", PASSWORD)
        with (
            pytest.raises(DatabaseUnavailable, match="log in by a plugin, which"),
            Database(address).connect(),
        ):
            pass


# What MySQL says with innodb_read_only, as readers of Aurora have it, to whom read_only does not stop; found by trying on 9.7.
OF_A_READER = {
    "INSERT": (1015, "Can't lock file (errno: 165 - Table is read only)"),
    "LOAD DATA": (1036, "Table 't' is read only"),
    "CREATE TABLE": (1836, "Running in read-only mode"),
    "CREATE TEMPORARY TABLE": (1874, "InnoDB is in read only mode."),
    "RENAME TABLE": (1025, "Error on rename of './shop/t' to './shop/u' (errno: 165 - Table is read only)"),
}


@pytest.mark.parametrize("statement", OF_A_READER)
def test_a_reader_of_aurora_is_called_read_only(statement: str) -> None:
    error = pymysql.err.OperationalError(*OF_A_READER[statement])
    assert foreseen(error)
    with (
        pytest.raises(ReadOnlyServer, match="the address of the writer"),
        translated(DatabaseAddress("h", 1, "d", "u")),
    ):
        raise error


@pytest.mark.parametrize("text", ["Can't lock file (errno: 11 - Try again)", "Can't lock file (errno: 1650 - Odd)"])
def test_another_fault_of_a_file_is_not(text: str) -> None:
    error = pymysql.err.OperationalError(1015, text)
    assert not foreseen(error)
    with pytest.raises(pymysql.err.OperationalError), translated(DatabaseAddress("h", 1, "d", "u")):
        raise error


OLDER = {
    # Since 8.0.30 collations of utf8mb3 are called so, and its tables' character set since 8.0.28 or so.
    "8.0.28": {"utf8mb3_unicode_ci": "utf8_unicode_ci"},
    "8.0.23": {"utf8mb3_unicode_ci": "utf8_unicode_ci", "utf8mb3": "utf8"},
    # Until 8.0.18 integers and years are shown with a width.
    "8.0.16": {
        "utf8mb3_unicode_ci": "utf8_unicode_ci",
        "utf8mb3": "utf8",
        "` int ": "` int(11) ",
        "` year ": "` year(4) ",
        "bigint unsigned": "bigint(20) unsigned",
    },
}


@pytest.mark.parametrize("version", OLDER)
def test_a_backup_of_an_older_mysql_comes_back(database: Ours, bucket: str, version: str) -> None:
    if database.mariadb:
        not_applicable("MySQL's words of before")
    verbs.run(
        database,
        "CREATE TABLE t (id INT PRIMARY KEY, y YEAR NOT NULL, n BIGINT UNSIGNED, a VARCHAR(9) CHARACTER SET utf8mb3"
        " COLLATE utf8mb3_unicode_ci, b VARCHAR(9), CONSTRAINT positive CHECK (id > 0)) DEFAULT CHARSET=utf8mb3",
        "INSERT INTO t VALUES (1, 2026, 2, 'ä', 'ß')",
    )
    key = object_keys.manifest(verbs.backup()["id"])
    content = verbs.content(key)["manifest"]
    content["server"] = version
    for table in content["tables"]:
        for now, before in OLDER[version].items():
            assert now in table["definition"]
            table["definition"] = table["definition"].replace(now, before)
    verbs.store().put(key, json.dumps({"manifest": content, "signature": signature(content)}).encode())
    verbs.run(database, "DELETE FROM t")
    assert verbs.restore()["state"] == "done"
    with verbs.cursor(database) as opened:
        opened.execute("SELECT id, y, n, a, b FROM t")
        assert opened.fetchall() == ((1, 2026, 2, "ä", "ß"),)
