"""Names of any kind, of tables, columns, keys, constraints and triggers: backed up, restored, undone and accepted."""

import pymysql
import pytest

from functions.backup.app import handler as backup_handler
from functions.insert.app import handler as rows_handler
from functions.load.app import handler as load_handler
from functions.restore.app import handler as restore_handler
from tableferry.mysql.identifiers import quote
from tests.effort import sample
from tests.support import verbs
from tests.support.lambdas import request, segment
from tests.support.parts import Database
from tests.support.verbs import backup, post, restore, table

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
@sample(2)
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
@sample(5)
def test_a_table_comes_back_under_another_name_of_any_kind(named: tuple[Database, str, str]) -> None:
    database, name, _ = named
    backup(name)
    other = f"{name[:62]}'2"
    restore(tables=[name], into={name: other})
    assert table(database, other).checksum == table(database, name).checksum


@pytest.mark.parametrize("other", ["Jobs", "jóbs"])
@sample(1)
def test_tables_whose_names_differ_by_case_or_accents_are_restored_by_themselves(
    database: Database, bucket: str, other: str
) -> None:
    verbs.run(
        database,
        "CREATE TABLE jobs (id INT PRIMARY KEY, v VARCHAR(20))",
        f"CREATE TABLE {other} (id INT PRIMARY KEY, v VARCHAR(20))",
        "INSERT INTO jobs VALUES (1, 'plain')",
        f"INSERT INTO {other} VALUES (2, 'other')",
        f"CREATE TABLE child (j INT, CONSTRAINT k FOREIGN KEY (j) REFERENCES {other} (id))",
        "INSERT INTO child VALUES (2)",
        f"CREATE TRIGGER up BEFORE INSERT ON {other} FOR EACH ROW SET @a = 1",
        "CREATE TRIGGER low BEFORE INSERT ON jobs FOR EACH ROW SET @a = 2",
    )
    backup("jobs", other)
    before = verbs.picture(database)
    for tables in (["jobs"], [other], ["jobs", other]):
        plan = restore(tables=tables, dry_run=True)["plan"]
        assert not plan["problems"]
        assert [one["repointed"] for one in plan["tables"] if one["name"] == "jobs"] in ([], [[]])
        done = restore(tables=tables)
        assert verbs.picture(database).tables == before.tables
        assert post(f"/restores/{done['id']}/undo").status == 200
        assert post(f"/restores/{done['id']}/accept").status == 200
        assert verbs.picture(database) == before


TRIGGER = "CREATE TRIGGER {} BEFORE INSERT ON {} FOR EACH ROW SET @a = 1"
KEY = "ALTER TABLE {1} ADD CONSTRAINT {0} FOREIGN KEY (p) REFERENCES p (id)"
CHECK = "ALTER TABLE {1} ADD CONSTRAINT {0} CHECK (id > 0)"
DROPS = {
    TRIGGER: "DROP TRIGGER {0}",
    KEY: "ALTER TABLE {1} DROP FOREIGN KEY {0}",
    CHECK: "ALTER TABLE {1} DROP CONSTRAINT {0}",
}


@pytest.mark.parametrize("made", [TRIGGER, KEY, CHECK], ids=["trigger", "foreign key", "check"])
@pytest.mark.parametrize("other", ["NAMED", "nâmed"])
@sample(3)
def test_a_name_in_other_letters_is_taken_if_the_server_says_so(
    database: Database, bucket: str, made: str, other: str
) -> None:
    verbs.run(database, "CREATE TABLE p (id INT PRIMARY KEY)")
    verbs.run(database, *(f"CREATE TABLE {name} (id INT PRIMARY KEY, p INT)" for name in ("a", "b")))
    verbs.run(database, made.format("named", "a"))
    try:
        verbs.run(database, made.format(other, "b"))
    except pymysql.err.MySQLError:
        taken = True
    else:
        taken = False
        verbs.run(database, DROPS[made].format(other, "b"))
    backup("a")
    verbs.run(database, DROPS[made].format("named", "a"))
    verbs.run(database, made.format(other, "b"))
    with verbs.unchanged(database):
        problems = restore(dry_run=True)["plan"]["problems"]
    assert [one["table"] for one in problems] == ["a"] * taken
    if taken:
        with verbs.unchanged(database):
            detail = post("/restores").problem(409)["detail"]
        assert detail == problems[0]["message"]
        assert "'b'" in detail
    else:
        restore()


@pytest.mark.parametrize(
    ("path", "query", "status", "into"),
    [
        ("a", None, 201, "a"), ("a", "a", 201, "a"), ("a", "b", 400, None), ("b", "a", 400, None), ("a", "-", 400, None),
        ("-", "b", 201, "b"), ("-", "-", 201, "-"), ("-", None, 201, "-"), ("a", "", 201, "a"), ("A", "a", 400, None),
        ("a/b", "b", 400, None), ("-", "a/b", 201, "a/b"), ("a/b", None, 201, "a/b"), ("%2D", "b", 400, None),
        ("A", None, 404, None), ("-", "A", 404, None), ("-", "a,b", 404, None), ("a ", "a", 400, None),
    ],
)  # fmt: skip
def test_rows_go_into_the_table_that_the_path_names_and_another_in_the_query_is_refused(
    database: Database, path: str, query: str | None, status: int, into: str | None
) -> None:
    """A policy on the path ``/tables/a/rows`` would be passed by if the query could name ``b``."""
    tables = ("a", "b", "-", "a/b")
    verbs.run(database, *(f"CREATE TABLE {quote(name)} (id INT PRIMARY KEY) ENGINE=InnoDB" for name in tables))
    said = {} if query is None else {"table": query}
    answer = request(rows_handler, "POST", f"/tables/{segment(path)}/rows", body=[[1]], query=said)
    assert answer.status == status, answer.text
    assert [name for name in tables if verbs.numbers(database, name)] == ([into] if into else [])
    if status == 400:
        assert f"{path!r}" in answer.problem(400)["detail"]
        assert f"{query!r}" in answer.json["detail"]


def test_no_route_takes_another_name_than_its_path_says(database: Database, bucket: str) -> None:
    verbs.run(database, "CREATE TABLE a (id INT PRIMARY KEY)", "CREATE TABLE b (id INT PRIMARY KEY)")
    id_ = "20261122T071500Z-1a2b3c4d"
    for method, path, query in (
        ("GET", "/tables/a", {"table": "b"}),
        ("GET", f"/loads/{'0' * 32}", {"key": "uploads/b/x.csv"}),
        ("GET", f"/loads/{'0' * 32}/rejects", {"table": "b"}),
        ("POST", f"/loads/{'0' * 32}/retry", {"table": "b"}),
        ("POST", "/uploads", {"table": "b"}),
    ):
        handler = load_handler if "load" in path else rows_handler
        request(handler, method, path, query=query, body={} if method == "POST" else None).problem(400)
    for path in (f"/restores/{id_}", f"/restores/{id_}/undo", f"/backups/{id_}", f"/backups/{id_}/verify"):
        method = "POST" if path.endswith(("undo", "verify")) else "GET"
        handler = restore_handler if "restores" in path else backup_handler
        request(handler, method, path, query={"id": id_}).problem(400)
