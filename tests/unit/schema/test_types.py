"""The one table of types says what the servers' manuals say of them, and every type has a way out of a table or a reason why not."""

from __future__ import annotations

import pytest

from tableferry.errors import NotSupported
from tableferry.mysql.version import Server
from tableferry.schema import types
from tableferry.schema.codec import Kind, codec
from tableferry.schema.table import Column
from tableferry.schema.types import TYPES

MYSQL_8, MYSQL_9, OLD_MARIADB, MARIADB = (
    Server.of(text) for text in ("8.4.3", "9.7.0", "10.11.19-MariaDB", "11.8.2-MariaDB")
)


def column(name: str, column_type: str = "", charset: str | None = None) -> Column:
    return Column("c", name, column_type or name, nullable=True, charset=charset)


def test_integers_have_the_bits_that_a_server_stores_and_a_frame_the_next_larger_ones() -> None:
    assert types.INTEGER_BITS == {"tinyint": 8, "smallint": 16, "mediumint": 24, "int": 32, "bigint": 64}
    assert [codec(column(name)).bits for name in types.INTEGER_BITS] == [8, 16, 32, 32, 64]
    assert codec(column("int", "int unsigned")).kind is Kind.UINT


def test_texts_and_bytes_are_apart_and_only_characters_have_a_set() -> None:
    assert {"char", "varchar", "tinytext", "text", "mediumtext", "longtext"} == types.TEXTS
    assert {"binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"} == types.BYTES
    assert types.TEXTS | {"enum", "set"} == types.CHARACTER


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("int", {MYSQL_8, MYSQL_9, OLD_MARIADB, MARIADB}),
        ("vector", {MYSQL_9, MARIADB}),
        ("uuid", {OLD_MARIADB, MARIADB}),
    ],
)
def test_a_server_has_a_type_since_its_version(name: str, known: set[Server]) -> None:
    assert {server for server in (MYSQL_8, MYSQL_9, OLD_MARIADB, MARIADB) if TYPES[name].known_to(server)} == known


def test_every_type_comes_back_but_for_xml() -> None:
    refused = set()
    for name in TYPES:
        try:
            codec(column(name, charset="utf8mb4" if name in types.CHARACTER else None))
        except NotSupported:
            refused.add(name)
    assert refused == {"xmltype"}


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        (column("enum", "enum('a','')", "utf8mb4"), Kind.ENUM_INDEX),
        (column("enum", "enum('a','')", "binary"), Kind.BYTES),
        (column("enum", "enum('a')", "utf8mb4"), Kind.TEXT),
        (column("set", "set('a','')", "binary"), Kind.BIT),
        (column("set", "set('a')", "binary"), Kind.BYTES),
        (column("varchar", "varchar(9)", "cp932"), Kind.CODED),
        (column("varchar", "varchar(9)", "binary"), Kind.BYTES),
    ],
)
def test_what_text_cannot_tell_goes_another_way(given: Column, kind: Kind) -> None:
    assert codec(given).kind is kind
