"""Which dialect a server speaks is told by its version alone, without a question to it."""

from __future__ import annotations

from typing import Any

import pytest

from tableferry.mysql.database import dialect
from tableferry.mysql.version import MARIADB, MYSQL, Dialect, Server, dialect_of


class Fake:
    """A connection that can say its server's version, and nothing else."""

    def __init__(self, version: str) -> None:
        self.version = version

    def get_server_info(self) -> str:
        return self.version


@pytest.mark.parametrize(
    ("version", "spoken"),
    [
        ("8.4.3", MYSQL),
        ("9.7.0", MYSQL),
        ("8.0.mysql_aurora.3.08.0", MYSQL),
        ("10.11.19-MariaDB-log", MARIADB),
        ("5.5.5-10.6.18-mariadb-1:10.6.18", MARIADB),
    ],
)
def test_a_server_speaks_the_dialect_of_its_version(version: str, spoken: Dialect) -> None:
    connection: Any = Fake(version)
    assert dialect(connection) is spoken
    assert dialect_of(Server.of(version)) is spoken


def test_the_two_say_the_same_things_in_other_words() -> None:
    assert MYSQL.log_status == MARIADB.log_status[::-1]
    assert set(MYSQL.compared_names) - set(MARIADB.compared_names) == {"CHECK"}
    assert MYSQL.checks_of_one_schema is ("CHECK" in MYSQL.compared_names)
    for spoken in (MYSQL, MARIADB):
        assert all("{}" in form for form in spoken.compared_names.values())
