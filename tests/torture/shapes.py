"""Tables that are hard not for their values but for what they are: keys, definitions, names and sizes."""

from __future__ import annotations

from tests.torture.cases import BOTH, MARIADB, MYSQL, TYPES, Case


def _table(name: str, *statements: str, only: str = "", **options: bool) -> Case:
    return Case(name, statements, frozenset({only}) if only else BOTH, **options)


_KEYS = (
    _table("no key", "CREATE TABLE t (a INT, b VARCHAR(5))", "INSERT INTO t VALUES (1,'x'), (1,'x'), (NULL,NULL), (NULL,'')"),
    _table("a unique key with NULLs", "CREATE TABLE t (a INT UNIQUE, b INT)", "INSERT INTO t VALUES (NULL,1), (NULL,1), (3,3)"),
    _table(
        "a composite key",
        "CREATE TABLE t (a INT, b VARCHAR(9), c DATE, v INT, PRIMARY KEY (b, a, c))",
        "INSERT INTO t VALUES (1,'x','2021-01-01',1), (1,'y','2021-01-01',2), (-1,'x','2021-01-02',3)",
    ),
    _table("a text key", "CREATE TABLE t (k VARCHAR(9) PRIMARY KEY)", "INSERT INTO t VALUES ('a'), ('B'), (''), ('a b')"),
    _table("a binary key", "CREATE TABLE t (k VARBINARY(9) PRIMARY KEY)", "INSERT INTO t VALUES (x''), (x'00'), (x'0000'), (x'ff')"),
    _table("a key of part of a column", "CREATE TABLE t (k TEXT, PRIMARY KEY (k(3)))", "INSERT INTO t VALUES ('abcdef'), ('abd')"),
    _table("negative keys", "CREATE TABLE t (k BIGINT PRIMARY KEY)", f"INSERT INTO t VALUES ({-(2**63)}), (-1), (0), ({2**63 - 1})"),
    _table("uneven keys", "CREATE TABLE t (k BIGINT UNSIGNED PRIMARY KEY)", f"INSERT INTO t VALUES (0), (1), (2), ({2**64 - 1})"),
    _table("AUTO_INCREMENT with a 0", "CREATE TABLE t (k INT AUTO_INCREMENT PRIMARY KEY, v INT) AUTO_INCREMENT=100", "INSERT INTO t VALUES (0, 1), (-5, 2), (7, 3)"),
    _table("AUTO_INCREMENT second in its key", "CREATE TABLE t (a INT, k INT AUTO_INCREMENT, PRIMARY KEY (a, k), KEY (k))", "INSERT INTO t VALUES (1, 5), (2, 0)"),
    _table("no rows", "CREATE TABLE t (id INT PRIMARY KEY, v TEXT)"),
    _table("one row of NULL", "CREATE TABLE t (v INT)", "INSERT INTO t VALUES (NULL)"),
    _table("one column of text", "CREATE TABLE t (v TEXT)", "INSERT INTO t VALUES (NULL), (''), ('NULL'), ('\\n')"),
    _table(
        "300 columns",
        "CREATE TABLE t (id INT PRIMARY KEY, " + ", ".join(f"c{n} {('INT', 'CHAR(2)', 'FLOAT')[n % 3]}" for n in range(300)) + ")",
        "INSERT INTO t VALUES (1, " + ", ".join(str(n % 99) for n in range(300)) + "), (2, " + ", ".join(["NULL"] * 300) + ")",
    ),
    _table("a row of 12 MB", "CREATE TABLE t (id INT PRIMARY KEY, v LONGBLOB, w LONGTEXT)", "INSERT INTO t VALUES (1, REPEAT(x'00ff', 3000000), REPEAT('é\"', 2000000)), (2, '', '')"),
)  # fmt: skip

_DEFINITIONS = (
    _table(
        "generated columns",
        "CREATE TABLE t (a INT, b INT AS (a + 1) VIRTUAL, c INT AS (a * 2) STORED, d VARCHAR(20) AS (CONCAT('x', a)) VIRTUAL,"
        " e INT, KEY (b), UNIQUE (c))",
        "INSERT INTO t (a, e) VALUES (1, 10), (-5, NULL), (NULL, 3)",
    ),
    _table(
        "a generated column in the middle of the key",
        "CREATE TABLE t (a INT NOT NULL, b INT AS (a % 7) STORED NOT NULL, v DOUBLE, PRIMARY KEY (a, b))",
        "INSERT INTO t (a, v) VALUES (1, 0.1), (15, -0.5)",
        only=MYSQL,
    ),
    _table("invisible columns", "CREATE TABLE t (a INT, b INT DEFAULT 7 INVISIBLE, c TEXT)", "INSERT INTO t (a, b, c) VALUES (1, 2, 'x'), (2, NULL, '')"),
    _table("a key that the server made", "SET SESSION sql_generate_invisible_primary_key = ON", "CREATE TABLE t (v INT)", "INSERT INTO t VALUES (5), (5), (NULL)", only=MYSQL, as_administrator=True),
    _table(
        "defaults",
        "CREATE TABLE t (id INT PRIMARY KEY, a INT DEFAULT -1, b VARCHAR(20) DEFAULT 'it''s \"q\" \\\\ ', c DATETIME(3) DEFAULT CURRENT_TIMESTAMP(3)"
        " ON UPDATE CURRENT_TIMESTAMP(3), d TIMESTAMP NULL DEFAULT NULL, e DECIMAL(5,2) DEFAULT 1.10, f BIT(3) DEFAULT b'101', g VARCHAR(9)"
        " DEFAULT 'NULL', h BINARY(2) DEFAULT 'ab', i ENUM('a','b') DEFAULT 'b', j DATE DEFAULT '2021-02-28')",
        "INSERT INTO t (id, c) VALUES (1, '2021-01-01 00:00:00.123'), (2, NULL)",
    ),
    _table(
        "defaults by expression",
        "CREATE TABLE t (id INT PRIMARY KEY, a INT DEFAULT (1 + 2), b VARCHAR(40) DEFAULT (CONCAT('a', 'b')), c JSON DEFAULT (JSON_ARRAY(1)), d BLOB DEFAULT ('x'))",
        "INSERT INTO t (id) VALUES (1)",
    ),
    _table(
        "checks",
        "CREATE TABLE t (a INT CHECK (a > 0), b INT, c VARCHAR(9), CONSTRAINT `odd ``name` CHECK (b < 10 AND c <> '),(;'))",
        "INSERT INTO t VALUES (1, 1, 'x'), (NULL, NULL, NULL)",
    ),
    _table("checks that are not enforced", "CREATE TABLE t (a INT, CONSTRAINT c CHECK (a > 0) NOT ENFORCED)", "INSERT INTO t VALUES (-1)", only=MYSQL),
    _table(
        "comments",
        "CREATE TABLE t (a INT COMMENT 'it''s a \"comment\", (with) `all`; -- # /* */ \\\\ \\n\\r\\t é☃', b INT COMMENT '') COMMENT='table''s;\\nown) ENGINE=x'",
        "INSERT INTO t VALUES (1, 2)",
    ),
    _table(
        "indexes",
        "CREATE TABLE t (id INT PRIMARY KEY, a VARCHAR(200), b TEXT, c INT, g POINT NOT NULL, UNIQUE KEY u (a(10), c), KEY p (b(20)),"
        " KEY d (c DESC, a), FULLTEXT KEY f (a, b), SPATIAL KEY s (g), KEY commented (c) COMMENT 'an index, `k`')",
        "INSERT INTO t VALUES (1, 'some words', 'more', 1, ST_GeomFromText('POINT(1 1)')), (2, 'words', NULL, 2, ST_GeomFromText('POINT(2 2)'))",
    ),
    _table(
        "a SET of 64 members, one of them empty",
        f"CREATE TABLE t (id INT PRIMARY KEY, s SET({', '.join(repr(str(n) * (n > 0)) for n in range(64))}), e ENUM('', 'x'))",
        f"INSERT INTO t VALUES (1, {2**64 - 1}, 1), (2, {2**63}, 2), (3, 0, 0), (4, 1, NULL)",
    ),
    _table(
        "indexes of every place",
        "CREATE TABLE t (a INT NOT NULL, b VARCHAR(30), c INT AS (a + 1) VIRTUAL, d DATE, `e,``)` INT NOT NULL, k INT AUTO_INCREMENT,"
        " UNIQUE KEY first (a, k), KEY counted (k, b), KEY computed (c), PRIMARY KEY (d, a), UNIQUE KEY `u,(` (`e,``)` DESC, b(5)),"
        " KEY z (b), KEY y (d, b DESC) COMMENT 'a '' \\\\ `k` (`b`)', UNIQUE KEY x (b, d))",
        "INSERT INTO t (a, b, d, `e,``)`) VALUES (1, 'x', '2020-01-01', 5), (2, NULL, '2020-01-02', 6), (3, NULL, '2020-01-02', 7)",
    ),
    _table(
        "indexes of a table without a primary key",
        "CREATE TABLE t (a INT, b INT NOT NULL, c INT NOT NULL, KEY k (a), UNIQUE KEY u (b), UNIQUE KEY v (c, a))",
        "INSERT INTO t VALUES (1, 2, 3), (NULL, 3, 3)",
    ),
    _table(
        "a counter beside texts that speak of one",
        "CREATE TABLE t (a INT COMMENT 'no AUTO_INCREMENT here', b VARCHAR(30) DEFAULT ' AUTO_INCREMENT', id INT AUTO_INCREMENT, d INT PRIMARY KEY, KEY k (id), KEY l (d, a))",
        "INSERT INTO t (a, d) VALUES (1, 2), (NULL, 3)",
    ),
    _table("a unique key by hash", "CREATE TABLE t (id INT PRIMARY KEY, a INT, b INT, UNIQUE KEY u (a) USING HASH, KEY k (b) USING HASH, KEY l (b) USING BTREE)", "INSERT INTO t VALUES (1, 2, 3), (2, NULL, 3)"),
    _table("a unique key of long values", "CREATE TABLE t (id INT PRIMARY KEY, a TEXT, b INT, UNIQUE KEY u (a), KEY k (b), UNIQUE KEY v (b, a))", "INSERT INTO t VALUES (1, 'x', 3), (2, NULL, 3)", only=MARIADB),
    _table("indexes on expressions", "CREATE TABLE t (a INT, b VARCHAR(20), KEY e ((a * 2)), KEY i (b) INVISIBLE, KEY ((LOWER(b)), a))", "INSERT INTO t VALUES (1, 'X'), (2, NULL)", only=MYSQL),
    _table("a multi-valued index", "CREATE TABLE t (id INT PRIMARY KEY, j JSON, KEY m ((CAST(j->'$[*]' AS UNSIGNED ARRAY))))", "INSERT INTO t VALUES (1, '[1,2,3]'), (2, NULL)", only=MYSQL, checksum=False),
    _table("an index that is ignored", "CREATE TABLE t (a INT, b INT, KEY i (a) IGNORED)", "INSERT INTO t VALUES (1, 2)", only=MARIADB),
    *(
        _table(
            f"partitions by {how}",
            f"CREATE TABLE t (id INT, d DATE, v INT) PARTITION BY {how} {parts}",
            "INSERT INTO t VALUES (1, '2020-05-05', 1), (15, '2021-05-05', 2), (25, '2020-01-01', NULL)",
        )
        for how, parts in (
            ("RANGE (id)", "(PARTITION p0 VALUES LESS THAN (10), PARTITION p1 VALUES LESS THAN (20) COMMENT 'x', PARTITION p2 VALUES LESS THAN MAXVALUE)"),
            ("RANGE COLUMNS (d, id)", "(PARTITION p0 VALUES LESS THAN ('2021-01-01', 10), PARTITION p1 VALUES LESS THAN (MAXVALUE, MAXVALUE))"),
            ("LIST (id)", "(PARTITION p0 VALUES IN (1, 25), PARTITION p1 VALUES IN (15, NULL))"),
            ("HASH (id)", "PARTITIONS 4"),
            ("LINEAR KEY (id, d)", "PARTITIONS 3"),
            ("RANGE (id) SUBPARTITION BY HASH (v)", "SUBPARTITIONS 2 (PARTITION p0 VALUES LESS THAN (10), PARTITION p1 VALUES LESS THAN MAXVALUE)"),
        )
    ),
    *(
        _table(f"ROW_FORMAT={form}", f"CREATE TABLE t (id INT PRIMARY KEY, v TEXT) ROW_FORMAT={form}", "INSERT INTO t VALUES (1, REPEAT('x', 9000))")
        for form in ("COMPACT", "REDUNDANT", "DYNAMIC", "COMPRESSED KEY_BLOCK_SIZE=8")
    ),
    _table(
        "options",
        "CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT) AUTO_INCREMENT=1000 STATS_PERSISTENT=1 STATS_AUTO_RECALC=0 STATS_SAMPLE_PAGES=25"
        " DEFAULT CHARSET=latin1 COLLATE=latin1_bin COMMENT='options'",
        "INSERT INTO t VALUES (5)",
    ),
    _table(
        "a period of the application's",
        "CREATE TABLE t (id INT, s DATE NOT NULL, e DATE NOT NULL, PERIOD FOR valid (s, e), UNIQUE (id, valid WITHOUT OVERLAPS))",
        "INSERT INTO t VALUES (1, '2021-01-01', '2021-02-01'), (1, '2021-02-01', '2021-03-01')",
        only=MARIADB,
    ),
    _table(
        "odd names of columns",
        "CREATE TABLE t (`a b` INT PRIMARY KEY, `c``d` INT, `e\"f` INT, `g'h` INT, `select` INT, `x,y` INT, `p%s` INT, `日本` INT, `new\nline` INT,"
        " `(` INT, `/*` INT, `--` INT, `#` INT, `@v1` INT, `{}` INT, `" + "n" * 64 + "` INT, KEY `k``(` (`c``d`, `日本`))",
        "INSERT INTO t VALUES (" + ", ".join(str(n) for n in range(16)) + ")",
    ),
    _table(
        "a trigger",
        "CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(20))",
        "INSERT INTO t VALUES (1, 'before')",
        "CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW SET NEW.v = CONCAT(NEW.v, '!')",
    ),
)  # fmt: skip

CASES = (*TYPES, *_KEYS, *_DEFINITIONS)
