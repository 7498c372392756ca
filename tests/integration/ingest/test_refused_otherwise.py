"""Rows that a table refuses by an error that nobody listed: each is a reject with the server's reason, and no failure."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pymysql
import pytest

from functions.insert.app import handler
from tableferry.config.settings import parse_database_url
from tableferry.ingest.write.refusals import is_a_rows_fault
from tableferry.mysql.database import Connection, execute
from tableferry.mysql.database import Database as Source
from tableferry.schema import catalog
from tableferry.schema.table import Table
from tests.effort import sample
from tests.support.lambdas import Answer, counts, problems, request
from tests.support.parts import Database, not_applicable
from tests.support.uploads import Uploads

PLAIN = "CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(200), n INT)"
TWO = ("CREATE TABLE o (a INT)", "INSERT INTO o VALUES (1), (2)")


def post(body: object, **query: str) -> Answer:
    headers = {"content-type": "text/csv"} if isinstance(body, str) else {}
    return request(handler, "POST", "/tables/t/rows", body=body, query=query, headers=headers)


def guarded(statement: str) -> str:
    """A trigger that does so where ``n`` is less than nothing."""
    return f"CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW BEGIN IF NEW.n < 0 THEN {statement}; END IF; END"


def signal(state: str, number: int) -> str:
    return guarded(f"SIGNAL SQLSTATE '{state}' SET MYSQL_ERRNO = {number}, MESSAGE_TEXT = 'not so'")


def computed(kind: str, expression: str, v: str = "VARCHAR(200)") -> str:
    return f"CREATE TABLE t (id INT PRIMARY KEY, v {v}, n INT, j {kind} AS ({expression}) STORED)"


def indexed(expression: str, v: str = "VARCHAR(200)") -> str:
    return f"CREATE TABLE t (id INT PRIMARY KEY, v {v}, n INT, INDEX m ((CAST({expression}))))"


# what is made, what of a good row and of a bad one differs, and what is said of it
Case = tuple[tuple[str, ...], str, str, str]
BOTH: dict[str, Case] = {
    "a number of the user's": ((PLAIN, signal("45000", 5001)), "a,1", "a,-1", "not so (error 5001)"),
    "a number beyond the driver's": ((PLAIN, signal("45000", 40000)), "a,1", "a,-1", "not so (error 40000)"),
    "a state of values": ((PLAIN, signal("22003", 30001)), "a,1", "a,-1", "not so (error 30001)"),
    "the number of a lock": ((PLAIN, signal("45000", 1205)), "a,1", "a,-1", "not so (error 1205)"),
    "the number of a key": ((PLAIN, signal("45000", 1062)), "a,1", "a,-1", "not so (error 1062)"),
    "a subquery": ((PLAIN, *TWO, guarded("SET NEW.n = (SELECT a FROM o)")), "a,1", "a,-1", "(error 1242)"),
    "a variable": ((PLAIN, *TWO, guarded("SELECT a INTO @a FROM o")), "a,1", "a,-1", "(error 1172)"),
    "the table itself": ((PLAIN, guarded("UPDATE t SET v = 'x'")), "a,1", "a,-1", "(error 1442)"),
    "a case": ((PLAIN, guarded("CASE NEW.n WHEN 1 THEN SET NEW.v = 'one'; END CASE")), "a,1", "a,-1", "(error 1339)"),
    "a table that is gone": ((PLAIN, *TWO, guarded("INSERT INTO o VALUES (1)"), "DROP TABLE o"), "a,1", "a,-1", "(error 1146)"),
    "JSON": ((computed("VARCHAR(40)", "JSON_UNQUOTE(JSON_EXTRACT(v, '$.a'))"),), '"{""a"": 1}",1', "{a: 1},1", "JSON"),
}  # fmt: skip
MYSQL: dict[str, Case] = {
    "GIS": ((computed("VARBINARY(200)", "ST_AsBinary(ST_GeomFromText(v))"),), "POINT(1 1),1", "nope,1", "(error 3037)"),
    "a latitude": ((computed("POINT", "ST_GeomFromText(v, 4326)"),), "POINT(1 1),1", "POINT(100 1),1", "(error 3617)"),
    "an expression": ((computed("INT", "'abc' REGEXP v"),), "a,1", "(,1", "(error 3691)"),
    "an index": ((indexed("v AS SIGNED"),), "1,1", "x,1", "(error 3751)"),
    "an index's range": ((indexed("n AS DECIMAL(3,2)"),), "a,1", "a,1000", "(error 3752)"),
    "many values": ((indexed("v->'$.a' AS UNSIGNED ARRAY", "JSON"),), '"{""a"": [1]}",1', '"{""a"": [""x""]}",1', "(error 3903)"),
}  # fmt: skip


@pytest.mark.parametrize("case", [*BOTH, *MYSQL])
@pytest.mark.parametrize("way", ["rows", "file"])
@sample(9)
def test_a_row_that_the_tables_own_rules_refuse_is_a_reject_with_the_servers_reason(
    database: Database, uploads: Uploads, case: str, way: str
) -> None:
    if case in MYSQL and database.mariadb:
        not_applicable("MySQL's own functions and indexes")
    made, good, bad, said = (BOTH | MYSQL)[case]
    database.run(*made)
    body = f"1,{good}\n2,{bad}\n3,{good}\n"
    if way == "rows":
        answer = post(body)
        assert (answer.status, problems(answer.json)) == (207, [(2, "", "refused")])
        assert said in answer.json["errors"][0]["message"]
        assert counts(answer.json) == (3, 2, 0, 1, 0)
    else:
        load_status = uploads.load(body.encode())
        assert (load_status["state"], counts(load_status)) == ("done", (3, 2, 0, 1, 0))
        assert uploads.rejects(load_status) == [(2, f"2,{bad}", [("", "refused")])]
    assert database.rows("SELECT id FROM t ORDER BY id") == [(1,), (3,)]


def test_a_file_of_which_every_row_is_refused_so_is_rejected_and_says_why(database: Database, uploads: Uploads) -> None:
    database.run(PLAIN)
    at = urlsplit(database.admin_url)
    login: dict[str, Any] = {
        "host": at.hostname or "",
        "user": at.username,
        "password": at.password or "",
        "database": at.path[1:],
    }
    with pymysql.connect(port=at.port or 0, **login) as admin, admin.cursor() as cursor:  # who may name another one
        cursor.execute("CREATE DEFINER = 'gone'@'%' TRIGGER g BEFORE INSERT ON t FOR EACH ROW SET NEW.v = NEW.n")
    status = uploads.load(b"1,a,1\n2,b,2\n")
    assert (status["state"], counts(status)) == ("rejected", (2, 0, 0, 2, 0))
    assert "The user specified as a definer ('gone'@'%') does not exist" in status["reason"]


@pytest.mark.parametrize("action", ["", "ON UPDATE CASCADE"])
def test_an_update_that_would_take_a_parent_from_its_children_is_a_reject(database: Database, action: str) -> None:
    database.run(
        "CREATE TABLE t (id INT PRIMARY KEY, mail VARCHAR(20) UNIQUE)",
        f"CREATE TABLE o (t INT, n INT, PRIMARY KEY (t, n), CONSTRAINT of_t FOREIGN KEY (t) REFERENCES t (id) {action})",
        "INSERT INTO t VALUES (1, 'a'), (2, 'b'), (9, 'z')",
        "INSERT INTO o VALUES (1, 1), (9, 1)",
    )
    if action:  # a row that nobody points at any more, as one that was loaded without checks
        with Source(parse_database_url(database.url)).connect() as connection:
            execute(connection, "SET SESSION foreign_key_checks = 0")
            execute(connection, "DELETE FROM t WHERE id = 9")
    answer = post([[8 if not action else 9, "a"], [3, "c"]], on_duplicate="update")
    assert (answer.status, problems(answer.json)) == (207, [(1, "", "still_referenced")])
    assert counts(answer.json) == (2, 1, 0, 1, 0)
    assert [row for row in database.rows("SELECT * FROM t ORDER BY id") if row[0] < 9] == [(1, "a"), (2, "b"), (3, "c")]


def test_a_json_key_that_the_server_does_not_take_is_a_reject(database: Database) -> None:
    database.run("CREATE TABLE t (id INT PRIMARY KEY, j JSON)")
    answer = post([[1, {"k" * 70_000: 1}], [2, {}]])
    assert answer.status == 201 if database.mariadb else problems(answer.json) == [(1, "", "refused")]
    assert (2, "{}") in [(number, json.dumps(json.loads(doc))) for number, doc in database.rows("SELECT * FROM t")]


def test_a_sequence_that_has_run_out_refuses_the_rows_that_are_too_many(database: Database) -> None:
    if not database.mariadb:
        not_applicable("no sequences")
    database.run(
        "CREATE SEQUENCE s START WITH 1 MINVALUE 1 MAXVALUE 2 NOCACHE",
        "CREATE TABLE t (id INT PRIMARY KEY DEFAULT (NEXT VALUE FOR s), v INT)",
    )
    answer = post([{"v": 1}, {"v": 2}, {"v": 3}])
    assert answer.status in (207, 422)
    assert "has run out" in answer.json["errors"][-1]["message"]


def test_the_reason_of_a_function_is_not_taken_for_one_of_a_character_set(database: Database) -> None:
    if database.mariadb:
        not_applicable("no function UUID_TO_BIN")
    database.run("CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(200), j VARBINARY(16) AS (UUID_TO_BIN(v)) STORED)")
    assert problems(post("1,nope\n").json) == [(1, "", "invalid")]


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    database.run(PLAIN)
    with Source(parse_database_url(database.url)).connect() as opened:
        yield opened


@pytest.fixture
def table(connection: Connection, database: Database) -> Table:
    return catalog.describe(connection, Source(parse_database_url(database.url)), "t")


def refused(connection: Connection, table: Table, code: int, state: str = "HY000") -> bool:
    return is_a_rows_fault(connection, table, pymysql.err.OperationalError(code, "so it is", sqlstate=state))


@pytest.mark.parametrize(
    "code",
    [0, 168, 1020, 1021, 1030, 1037, 1040, 1041, 1044, 1045, 1053, 1114, 1135, 1142, 1143, 1153, 1205, 1213, 1226, 1227,
     1290, 1317, 1436, 1792, 1836, 1927, 1969, 2006, 2013, 2055, 3024, 3032, 3101, 3572, 4031],
)  # fmt: skip
@sample(18)
def test_what_is_of_the_server_the_connection_or_the_transaction_is_no_rows_fault(
    connection: Connection, table: Table, code: int
) -> None:
    connection.begin()
    assert not refused(connection, table, code)
    assert refused(connection, table, 29_999)
    assert not refused(connection, table, 29_999, "40001")


def test_what_rolled_the_transaction_back_is_no_rows_fault(connection: Connection, table: Table) -> None:
    connection.begin()
    connection.rollback()
    assert not refused(connection, table, 29_999)


def test_a_table_or_a_column_that_is_gone_is_a_rows_fault_only_if_it_is_another_ones(
    connection: Connection, table: Table, database: Database
) -> None:
    connection.begin()
    assert refused(connection, table, 1054, "42S22")
    assert refused(connection, table, 1146, "42S02")
    connection.rollback()
    database.run("ALTER TABLE t DROP COLUMN v")
    connection.begin()
    assert not refused(connection, table, 1054, "42S22")
    connection.rollback()
    database.run("DROP TABLE t")
    connection.begin()
    assert not refused(connection, table, 1146, "42S02")
