"""Names of any kind, of tables, columns, keys, constraints and triggers: backed up, restored, undone and accepted."""

import pytest

from tableferry.tables import quote
from tests.integration import verbs
from tests.integration.verbs import backup, post, restore, table
from tests.support import Database

NAMES = (
    "with space", "it's", 'double"quoted', "back`tick", "a/b/c", "per%cent %s %(x)s", "d.o.t", "..", "select", "日本語", "ÄÖÜß",
    "n" * 64, "é" * 64, "#-- /*;", "new\nline", "curly {0}", "back\\slash", "_under%", "+plus&amp;=?", "-", "$1",
)  # fmt: skip


@pytest.fixture
def named(database: Database, bucket: str, request: pytest.FixtureRequest) -> tuple[Database, str, str]:
    """A table of the name with a child, everything in it bearing the name as far as a schema lets it."""
    name: str = request.param
    child = f"{name[:62]} 2"
    verbs.run(
        database,
        f"CREATE TABLE {quote(name)} ({quote(name)} INT, v VARCHAR(20), PRIMARY KEY ({quote(name)}), KEY {quote(name)} (v),"
        f" CONSTRAINT {quote('c' + name[:63])} CHECK (v <> 'x'))",
        f"CREATE TABLE {quote(child)} (id INT PRIMARY KEY, {quote(name)} INT, CONSTRAINT {quote('f' + name[:63])}"
        f" FOREIGN KEY ({quote(name)}) REFERENCES {quote(name)} ({quote(name)}) ON DELETE CASCADE)",
        f"INSERT INTO {quote(name)} VALUES (1, 'one'), (2, 'two')",
        f"INSERT INTO {quote(child)} VALUES (1, 1), (2, NULL)",
        f"CREATE TRIGGER {quote(name)} BEFORE INSERT ON {quote(name)} FOR EACH ROW SET NEW.v = CONCAT(NEW.v, '!')",
    )
    return database, name, child


@pytest.mark.parametrize("named", NAMES, indirect=True, ids=[repr(name)[:20] for name in NAMES])
def test_a_name_of_any_kind_is_carried(named: tuple[Database, str, str]) -> None:
    database, name, child = named
    old = {one: table(database, one) for one in (name, child)}
    made = backup(name, child)
    assert post(f"/backups/{made['id']}/verify").status == 201
    verbs.run(database, f"UPDATE {quote(name)} SET v = 'lost'", f"DELETE FROM {quote(child)}")
    damaged = {one: table(database, one) for one in (name, child)}
    first = restore(tables=[name, child])
    assert {one: table(database, one) for one in (name, child)} == old
    assert post(f"/restores/{first['id']}/undo").status == 200
    assert {one: table(database, one) for one in (name, child)} == damaged
    alone = restore(made["id"], tables=[name])  # the child's key is pointed anew
    assert table(database, name) == old[name]
    for one in (first, alone):
        assert post(f"/restores/{one['id']}/accept").status == 200
    assert verbs.schemas(database) == frozenset()
    with pytest.raises(Exception, match="foreign key"):
        verbs.run(database, f"INSERT INTO {quote(child)} VALUES (9, 9)")


@pytest.mark.parametrize("named", NAMES, indirect=True, ids=[repr(name)[:20] for name in NAMES])
def test_a_table_comes_back_under_another_name_of_any_kind(named: tuple[Database, str, str]) -> None:
    database, name, _ = named
    backup(name)
    other = f"{name[:62]}'2"
    restore(tables=[name], into={name: other})
    assert table(database, other).checksum == table(database, name).checksum
