"""Backups of MySQL on MariaDB and of MariaDB on MySQL: what both have comes over and back, the rest is refused by name."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from local.runtime.state import State
from tableferry.backup import plan as backup_plan
from tableferry.restore.build import readback
from tests.effort import sample
from tests.support import verbs
from tests.support.lambdas import Json
from tests.support.parts import Database, Server, any_server, not_applicable
from tests.support.verbs import backup, post, restore, rows, run

MARIADB, MYSQL = "MariaDB", "MySQL"
Enter = Callable[[str], Database]


@pytest.fixture(scope="module")
def servers(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Server]]:
    """The MySQL that the tests run on, and beside it the embedded MariaDB: the matrix's half for MySQL runs these."""
    if server.mariadb:
        not_applicable("it takes both servers, and is tried where the server is MySQL")
    with any_server(State(Path(tmp_path_factory.mktemp("mariadb"))), None) as embedded:
        assert embedded.mariadb
        yield {MARIADB: embedded, MYSQL: server}


@pytest.fixture
def enter(servers: dict[str, Server], bucket: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Enter]:
    """Makes a new database on a server, which everything is done in from then on."""
    assert bucket
    with contextlib.ExitStack() as stack:

        def made(name: str) -> Database:
            database = stack.enter_context(servers[name].database())
            monkeypatch.setenv("DATABASE_URL", database.url)
            return database

        yield made


def over(_there: Database) -> list[Json]:
    """Restore the newest backup in the database that was entered last, and keep nothing else."""
    done = restore(verbs.newest_id())  # `latest` is of the same database
    assert all(found["verified"] for found in done["tables"])
    post(f"/restores/{done['id']}/accept")
    return list(done["tables"])


@contextlib.contextmanager
def unchanged(database: Database) -> Iterator[None]:
    """No table differs after the block, and no restore of this test's has left a schema; others' may come and go."""
    before = verbs.picture(database).tables
    yield
    after = verbs.picture(database)
    assert after.tables == before
    own = [found["id"].lower().replace("-", "_") for found in verbs.get("/restores").json["restores"]]
    assert not [schema for schema in after.schemas if schema.endswith(tuple(own))]


def digests(made: Json) -> dict[str, str]:
    return {found["name"]: found["digest"] for found in made["tables"]}


NUMBERS: dict[str, list[Any]] = {
    "tinyint": [-128, 127, 0], "tinyint unsigned": [0, 255], "smallint": [-32768, 32767], "smallint unsigned": [65535],
    "mediumint": [-8388608, 8388607], "mediumint unsigned": [16777215], "int": [-(2**31), 2**31 - 1],
    "int unsigned": [2**32 - 1], "bigint": [-(2**63), 2**63 - 1], "bigint unsigned": [2**64 - 1],
    "int(7) unsigned zerofill": [42], "tinyint(1)": [1, 0], "decimal(10,2)": ["-99999999.99", "0.01"],
    "decimal(65,30)": ["12345678901234567890123456789012345.123456789012345678901234567890"],
    "float": [1.1754944e-38, 3.4028235e38, 0.1], "double": [2.2250738585072014e-308, 1.7976931348623157e308, 0.1],
    "bit(1)": [1], "bit(64)": [2**64 - 1], "year": [1901, 2155, 0],
}  # fmt: skip
TIMES: dict[str, list[Any]] = {
    "date": ["1000-01-01", "9999-12-31", "0000-00-00", "2021-02-31", "2021-00-00"],
    "datetime": ["1000-01-01 00:00:00", "0000-00-00 00:00:00"], "datetime(6)": ["9999-12-31 23:59:59.999999"],
    "timestamp NULL": ["2038-01-19 03:14:07", "1970-01-01 00:00:01"], "timestamp(3) NULL": ["2021-10-31 01:30:00.123"],
    "time": ["-838:59:59", "838:59:59"], "time(6)": ["-00:00:00.000001", "12:34:56.789012"],
}  # fmt: skip
TEXTS: dict[str, list[Any]] = {
    "char(20)": ["", "NULL", "\\N", "''"], "varchar(50)": ["trailing  ", "quote ' \" ` \\", "a\nb\r\tc\0d", "é☃😀"],
    "varchar(20) CHARACTER SET latin1": ["é€"], "varchar(20) CHARACTER SET utf8mb3": ["é☃"],
    "varchar(20) CHARACTER SET ucs2": ["é☃"], "varchar(20) CHARACTER SET utf16": ["😀"], "varchar(20) CHARACTER SET ascii": ["a"],
    "varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin": ["A", "a "], "varchar(20) CHARACTER SET cp932": ["表"],
    "tinytext": ["x"], "text": ["", "long " * 999], "mediumtext": ["y"], "longtext": ["z"],
    "enum('a','it''s','')": ["a", "it's", ""], "set('x','y','z')": ["", "x,z"],
    "json": ['{"a": [1, 2.5, null, "é☃"]}', "[]", '"text"', "null"],
}  # fmt: skip
BYTES: dict[str, list[Any]] = {
    "binary(4)": [b"\0\xff\x01\x80"], "varbinary(300)": [bytes(range(256)), b""], "tinyblob": [b"\xff"],
    "blob": [b"\0'\"\\\n"], "mediumblob": [b""], "longblob": [b"\x80" * 9999],
}  # fmt: skip
GEOMETRIES = {
    "geometry": "POINT(1 -2.5)", "point": "POINT(0 0)", "linestring": "LINESTRING(0 0, 1 1)",
    "polygon": "POLYGON((0 0, 4 0, 4 4, 0 0))", "multipoint": "MULTIPOINT(0 0, 1 1)",
    "multilinestring": "MULTILINESTRING((0 0, 1 1))", "multipolygon": "MULTIPOLYGON(((0 0, 4 0, 4 4, 0 0)))",
    "geometrycollection": "GEOMETRYCOLLECTION(POINT(1 1))",
}  # fmt: skip
COMMON: dict[str, list[Any]] = {**NUMBERS, **TIMES, **TEXTS, **BYTES}


def all_types(database: Database) -> None:
    """One table of every type that both servers have, with values at the ends of what it holds."""
    kinds = [*COMMON, *GEOMETRIES]
    columns = ", ".join(f"c{number} {kind}" for number, kind in enumerate(kinds))
    run(
        database, f"CREATE TABLE kinds (id INT PRIMARY KEY, {columns}) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci"
    )
    given = list(COMMON.values())
    for row in range(max(map(len, given)) + 1):
        values: list[object] = [kind[row] if row < len(kind) else None for kind in given]
        shapes = [shape if row == 0 else None for shape in GEOMETRIES.values()]
        marks = ", ".join(["%s"] * (1 + len(values)) + ["ST_GeomFromText(%s)"] * len(shapes))
        with verbs.cursor(database) as opened:
            opened.execute(f"INSERT INTO kinds VALUES ({marks})", (row, *values, *shapes))


@pytest.mark.parametrize(("home", "abroad"), [(MYSQL, MARIADB), (MARIADB, MYSQL)])
def test_every_type_that_both_have_comes_over_and_back_to_the_bit(enter: Enter, home: str, abroad: str) -> None:
    first = enter(home)
    all_types(first)
    before = verbs.table(first, "kinds")
    made = backup()
    there = enter(abroad)
    over(there)
    assert digests(backup()) == digests(made)
    back = enter(home)
    over(back)
    assert digests(backup()) == digests(made)
    assert verbs.table(back, "kinds") == before


DEFINITIONS = {
    "defaults": "a int NOT NULL DEFAULT -5, b varchar(9) DEFAULT 'it''s\\n\\\\', c decimal(9,2) DEFAULT 1.5, d bit(3) DEFAULT b'101',"
    " e datetime(3) DEFAULT current_timestamp(3) ON UPDATE current_timestamp(3), f timestamp NOT NULL DEFAULT current_timestamp,"
    " g date DEFAULT '0000-00-00', h enum('x','y') NOT NULL DEFAULT 'y', i binary(3) DEFAULT 'a'",
    "expressions": "a int DEFAULT (1 + 2 * (3 + 4)), b varchar(36) DEFAULT (uuid()), c int, d text DEFAULT ('x'),"
    " e json DEFAULT (json_array())",
    "generated": "a int, b int AS (a + 1) VIRTUAL, c int AS ((a + b) * 2) STORED, d varchar(9) AS (concat('x', a)) VIRTUAL, KEY (c)",
    "checks": "a int, b varchar(9), CONSTRAINT positive CHECK (a > 0), CHECK (b <> 'x' OR a IS NULL)",
    "keys": "a int, b varchar(99), c text, d int AUTO_INCREMENT, PRIMARY KEY (d), UNIQUE KEY u (a, b(7) DESC) COMMENT 'x', KEY h (a)"
    " USING BTREE, FULLTEXT KEY f (c)",
    "invisible": "a int, b int INVISIBLE DEFAULT 5",
    "comments": "a int COMMENT 'x, \\n '' CHECK (1)', b int) COMMENT='a ; /* b',",
    "ranges": "a int NOT NULL PRIMARY KEY) PARTITION BY RANGE (a) (PARTITION p0 VALUES LESS THAN (10) COMMENT = 'x', PARTITION P1"
    " VALUES LESS THAN MAXVALUE,",
    "columns": "a varchar(9), b int) PARTITION BY RANGE COLUMNS (a, b) (PARTITION p0 VALUES LESS THAN ('m', 10), PARTITION p1"
    " VALUES LESS THAN (MAXVALUE, MAXVALUE),",
    "hash": "a int) PARTITION BY HASH (a) PARTITIONS 3,",
    "list": "a int) PARTITION BY LIST (a) SUBPARTITION BY KEY (a) SUBPARTITIONS 2 (PARTITION p0 VALUES IN (1, 2), PARTITION p1"
    " VALUES IN (NULL),",
    "options": "a int) ROW_FORMAT=COMPRESSED KEY_BLOCK_SIZE=8 STATS_PERSISTENT=1 DEFAULT CHARSET=latin1 COLLATE=latin1_bin,",
}


def statement(name: str) -> str:
    text = DEFINITIONS[name]
    if not text.endswith(","):
        return f"CREATE TABLE t ({text})"
    closed = text.removesuffix(",")
    return f"CREATE TABLE t ({closed})" if closed.count("(") >= closed.count(")") else f"CREATE TABLE t ({closed}"


@pytest.mark.parametrize("name", DEFINITIONS)
@pytest.mark.parametrize(("home", "abroad"), [(MYSQL, MARIADB), (MARIADB, MYSQL)])
@sample(2)
def test_a_definition_comes_over_and_back(enter: Enter, home: str, abroad: str, name: str) -> None:
    first = enter(home)
    run(first, statement(name))
    run(first, "INSERT INTO t (a) VALUES (1)")
    before = verbs.table(first, "t")
    made = backup()
    over(enter(abroad))
    assert digests(backup()) == digests(made)
    back = enter(home)
    over(back)
    after = verbs.table(back, "t")
    assert after.checksum == before.checksum
    if (home, name) == (MARIADB, "checks"):  # a check without a name is called CONSTRAINT_1 here and t_chk_1 there
        after = verbs.TableState(after.checksum, after.definition.replace("t_chk_1", "CONSTRAINT_1"), after.triggers)
    assert after == before


@pytest.mark.parametrize(("home", "abroad"), [(MYSQL, MARIADB), (MARIADB, MYSQL)])
def test_tables_come_over_with_foreign_keys_and_triggers(enter: Enter, home: str, abroad: str) -> None:
    first = enter(home)
    verbs.load_sample(first)
    run(
        first,
        "SET SESSION sql_mode = DEFAULT",
        "CREATE TRIGGER tidy BEFORE INSERT ON departments FOR EACH ROW SET NEW.department = TRIM(NEW.department)",
    )
    backup()
    there = enter(abroad)
    over(there)
    run(there, "INSERT INTO departments VALUES (77, '  new  ')")
    assert rows(there, "SELECT department FROM departments WHERE id = 77") == [("new",)]
    with pytest.raises(Exception, match="foreign key constraint fails"):
        run(there, "DELETE FROM jobs WHERE id = 1")


@pytest.mark.parametrize(
    ("home", "abroad", "collation"),
    [(MYSQL, MARIADB, "utf8mb4_0900_ai_ci"), (MARIADB, MYSQL, "utf8mb4_uca1400_nopad_ai_ci")],
)
def test_keys_that_another_collation_has_in_another_order_are_each_read_back_once(
    enter: Enter, home: str, abroad: str, collation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup_plan, "_RANGE_BYTES", 32 * 1024)
    seen: list[int] = []
    real = readback.ReadBack.chunk

    def looked_at(*given: Any) -> Any:
        found = real(*given)
        seen.append(found.rows)
        return found

    monkeypatch.setattr(readback.ReadBack, "chunk", looked_at)
    first = enter(home)
    run(first, f"CREATE TABLE t (a VARCHAR(20) COLLATE {collation}, b INT, f CHAR(80), PRIMARY KEY (a, b))")
    # The second letter is near `w` since version 12 of Unicode, and unknown, thus behind all others, before.
    verbs.fill(first, "t", [(f"{letter}{n:05}", n, "x") for letter in ("a", "\ua7c3", "x", "z") for n in range(1000)])
    rows(first, "ANALYZE TABLE t")
    backup()
    there = enter(abroad)
    [table] = over(there)
    assert table["rows"] == 4000
    assert len(seen) > 4
    assert min(seen) < 0  # of a range whose bounds are the other way round


@pytest.mark.parametrize(
    ("home", "abroad", "columns", "named"),
    [
        (MARIADB, MYSQL, "a int, u uuid", "Column 'u' of table 't' is of type uuid, which MySQL "),
        (MARIADB, MYSQL, "a int, u inet4, v inet6", "Column 'v' of table 't' is of type inet6, which MySQL "),
        (MARIADB, MYSQL, "a int, u text COMPRESSED", "Column 'u' of table 't' has COMPRESSED"),
        (MARIADB, MYSQL, "a int) PAGE_CHECKSUM=1,", "option PAGE_CHECKSUM of table 't'"),
        (MARIADB, MYSQL, "a int, b text, UNIQUE KEY k (b)", "Key 'k' of table 't' is unique over texts"),
        (MARIADB, MYSQL, "a int, b varchar(9) COLLATE utf8mb4_general_nopad_ci",
         "Column 'b' of table 't' has the collation utf8mb4_general_nopad_ci"),
        (MARIADB, MYSQL, "a int, b text, c text AS (json_detailed(b)) VIRTUAL", "column 'c'"),
        (MYSQL, MARIADB, "a int, v vector(3)", "Column 'v' of table 't' is of type vector, which MariaDB "),
        (MYSQL, MARIADB, "a int, p point SRID 4326", "Column 'p' of table 't' has SRID 4326"),
        (MYSQL, MARIADB, "a int, KEY k ((a + 1))", "Key 'k' of table 't' is over an expression"),
        (MYSQL, MARIADB, "a int, CONSTRAINT c CHECK (a > 0) NOT ENFORCED", "Check 'c' of table 't' is not enforced"),
        (MYSQL, MARIADB, "a int, b int AS (a + 1) STORED NOT NULL", "Column 'b' of table 't' is generated and NOT NULL"),
        (MYSQL, MARIADB, "a int, b int NOT NULL INVISIBLE", "Column 'b' of table 't' is invisible, NOT NULL"),
        (MYSQL, MARIADB, "a int, b varchar(9) COLLATE utf8mb4_de_pb_0900_ai_ci",
         "Column 'b' of table 't' has the collation utf8mb4_de_pb_0900_ai_ci"),
        (MYSQL, MARIADB, "a int, b text, FULLTEXT KEY k (b) WITH PARSER ngram", "Key 'k' of table 't' has a parser"),
        (MYSQL, MARIADB, "a int, b varchar(9), c int AS (regexp_like(b, 'x')) VIRTUAL", "column 'c'"),
        (MYSQL, MARIADB, "a int, b int COLUMN_FORMAT FIXED", "Column 'b' of table 't' has COLUMN_FORMAT FIXED"),
        (MYSQL, MARIADB, "a int, b varbinary(9) DEFAULT 0xff", "Column 'b' of table 't' has a default"),
    ],
)  # fmt: skip
@sample(9)
def test_what_cannot_cross_is_refused_by_name_and_nothing_is_changed(
    enter: Enter, home: str, abroad: str, columns: str, named: str
) -> None:
    run(enter(home), f"CREATE TABLE t ({columns.removesuffix(',')}" + ("" if columns.endswith(",") else ")"))
    backup()
    there = enter(abroad)
    run(there, "CREATE TABLE t (a INT)", "INSERT INTO t VALUES (1)")
    with unchanged(there):
        assert named in post("/restores", {"backup": verbs.newest_id()}).problem(409)["detail"]


def test_json_that_mysql_would_write_otherwise_is_refused_with_its_column(enter: Enter) -> None:
    run(enter(MARIADB), "CREATE TABLE t (a INT, j JSON)", """INSERT INTO t VALUES (1, '{"b":1, "a":1.10}')""")
    backup()
    there = enter(MYSQL)
    with unchanged(there):
        assert "column 'j' differs" in post("/restores", {"backup": verbs.newest_id()}).problem(409)["detail"]


def test_a_text_of_a_definition_that_the_server_loses_is_refused_with_its_column(enter: Enter) -> None:
    """MySQL keeps the texts of expressions in the table's character set, latin1 here, and shows what is left of them."""
    run(
        enter(MARIADB),
        "CREATE TABLE t (a VARCHAR(9), b VARCHAR(19) AS (concat(a, 'é')) VIRTUAL) CHARACTER SET latin1",
        "INSERT INTO t (a) VALUES (1)",
    )
    backup()
    there = enter(MYSQL)
    with unchanged(there):
        assert "column 'b'" in post("/restores", {"backup": verbs.newest_id()}).problem(409)["detail"]


texts = st.text(st.characters(exclude_categories=["Cs"], max_codepoint=0x1FFFF), max_size=12)


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    data=st.lists(st.tuples(st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False, allow_infinity=False), texts,
                            st.binary(max_size=20)), min_size=1, max_size=5),
    comment=texts.filter(lambda text: "\0" not in text and all(c < "\uffff" for c in text)),
)  # fmt: skip
@pytest.mark.parametrize(("home", "abroad"), [(MYSQL, MARIADB), (MARIADB, MYSQL)])
@sample(1)
def test_whatever_rows_and_comments_there_are_come_over_and_back(
    enter: Enter, home: str, abroad: str, data: list[tuple[object, ...]], comment: str
) -> None:
    first = enter(home)
    with verbs.cursor(first) as opened:
        opened.execute(
            "CREATE TABLE t (i BIGINT, d DOUBLE, s VARCHAR(20) DEFAULT %s COMMENT %s, b VARBINARY(20)) CHARACTER SET utf8mb4",
            (comment, comment),
        )
        opened.executemany("INSERT INTO t VALUES (%s, %s + 0e0, %s, %s)", data)
    before = verbs.table(first, "t")
    over_there = digests(backup())
    over(enter(abroad))
    assert digests(backup()) == over_there
    back = enter(home)
    over(back)
    assert verbs.table(back, "t") == before
