"""Rows about as long as the server lets a packet be, and longer: they come back, or the error names table and key."""

import contextlib
from collections.abc import Iterator

import pytest

from tests.effort import by_turns, in_ci, one_in, sample
from tests.support import verbs
from tests.support.parts import Database, Server, connect, not_applicable
from tests.support.verbs import backup, post, restore, table

MIB = 1024 * 1024


@pytest.fixture
def packet(database: Database) -> int:
    """The longest packet, in bytes."""
    [(found,)] = database.rows("SELECT @@GLOBAL.max_allowed_packet")
    if not 16 * MIB <= found <= 64 * MIB:
        pytest.skip(f"the server's max_allowed_packet is {found}")
    return int(found)


@pytest.fixture
def short_packet(server: Server, database: Database, packet: int) -> Iterator[int]:
    """The same of a server of ours, made somewhat more than what the protocol sends in one piece, to take less time."""
    if not server.alone:
        yield packet
        return
    with contextlib.closing(connect(database.admin_url)) as admin, admin.cursor() as cursor:
        cursor.execute(f"SET GLOBAL max_allowed_packet = {20 * MIB}")
        try:
            yield 20 * MIB
        finally:
            cursor.execute(f"SET GLOBAL max_allowed_packet = {packet}")


@in_ci
@pytest.mark.usefixtures("bucket")
@pytest.mark.parametrize("kind", one_in(2, ["LONGBLOB", "LONGTEXT", "LONGTEXT CHARACTER SET ucs2", "JSON"]))
@sample(1)
def test_a_row_close_to_the_longest_packet_comes_back(database: Database, short_packet: int, kind: str) -> None:
    units = (short_packet - MIB) // (4 if "ucs2" in kind else 2)
    letters = f"REPEAT('ab', {units})"
    value = {"LONGBLOB": f"REPEAT(x'00ff', {units})", "JSON": f"CONCAT('\"', REPEAT('ab', {units - MIB}), '\"')"}
    verbs.run(
        database,
        f"CREATE TABLE t (id INT PRIMARY KEY, v {kind}) CHARACTER SET utf8mb4",
        f"INSERT INTO t VALUES (7, {value.get(kind, letters)}), (8, NULL)",
    )
    before = table(database, "t")
    backup("t")
    restore()
    assert table(database, "t") == before


@pytest.mark.usefixtures("bucket")
@by_turns
def test_a_row_of_several_packets_comes_back(database: Database, packet: int) -> None:
    columns = [f"v{number}" for number in range(3)]
    value = f"REPEAT('x', {packet // 2})"
    verbs.run(
        database,
        f"CREATE TABLE t (id INT PRIMARY KEY, {', '.join(f'{name} LONGTEXT' for name in columns)})",
        "INSERT INTO t (id) VALUES (7)",
        *(f"UPDATE t SET {name} = {value}" for name in columns),
    )
    before = table(database, "t")
    backup("t")
    restore()
    assert table(database, "t") == before


@pytest.mark.usefixtures("bucket")
@pytest.mark.parametrize(
    "kind",
    ["LONGBLOB", "LONGTEXT CHARACTER SET utf8mb4", "LONGTEXT CHARACTER SET latin1", "LONGTEXT CHARACTER SET ucs2"],
)
@sample(1)
def test_a_value_longer_than_a_packet_comes_back_or_is_refused_by_table_and_key(
    server: Server, database: Database, kind: str
) -> None:
    if not server.alone:
        not_applicable("the server's settings are not ours to change")
    refused = database.mariadb and "ucs2" in kind  # by its CONVERT
    [(packet,)] = database.rows("SELECT @@GLOBAL.max_allowed_packet")
    verbs.run(
        database,
        f"CREATE TABLE t (id INT, part VARCHAR(9), v {kind}, bytes VARBINARY(9), PRIMARY KEY (id, part))",
        f"INSERT INTO t VALUES (6, 'a', 'x', x'00'), (7, 'b', REPEAT('ab', {3 * MIB}), x'ff'), (8, 'c', NULL, NULL)",
    )
    backup("t")
    with contextlib.closing(connect(database.admin_url)) as admin, admin.cursor() as cursor:
        cursor.execute(f"SET GLOBAL max_allowed_packet = {MIB}")
        try:
            with verbs.unchanged(database) if refused else contextlib.nullcontext():
                answer = post("/restores")
        finally:
            cursor.execute(f"SET GLOBAL max_allowed_packet = {packet}")
    if refused:
        detail = answer.problem(409)["detail"]
        assert all(part in detail for part in ("'t'", "id = 7", "part = 'b'", "max_allowed_packet"))
    else:
        assert answer.status == 201, answer.text
    restore()
