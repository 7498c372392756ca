"""Definitions of MySQL in MariaDB's words and back, without a server; with both servers it is tried in integration."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tableferry.mysql.version import Server
from tableferry.schema import translate
from tableferry.schema.compare import difference
from tableferry.schema.create_table import parse, sql, tokenize
from tableferry.schema.translate import OtherServer, translated

COLLATIONS = frozenset(
    {"utf8mb4_general_ci", "utf8mb4_bin", "utf8mb4_unicode_ci", "latin1_swedish_ci", "utf8mb3_general_ci"}
)
MARIADB = OtherServer(Server("MariaDB", (10, 11, 0)), COLLATIONS | {"utf8mb4_uca1400_nopad_ai_ci"})
OLD_MARIADB = OtherServer(Server("MariaDB", (10, 6, 0)), COLLATIONS)
MYSQL = OtherServer(Server("MySQL", (9, 7, 0)), COLLATIONS | {"utf8mb4_0900_ai_ci"})

OF_MYSQL = """CREATE TABLE `t` (
  `id` int unsigned NOT NULL AUTO_INCREMENT,
  `a``b` varchar(9) CHARACTER SET latin1 COLLATE latin1_swedish_ci DEFAULT 'it''s, \\n' COMMENT 'x ) /* y',
  `e` enum('a','b,c') NOT NULL DEFAULT 'a',
  `n` int NOT NULL DEFAULT '-5',
  `j` json DEFAULT NULL,
  `d` datetime(3) DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3),
  `u` varchar(36) DEFAULT (uuid()),
  `g` int GENERATED ALWAYS AS (((`n` + 1) * 2)) STORED,
  `h` int DEFAULT '1' /*!80023 INVISIBLE */,
  PRIMARY KEY (`id`),
  KEY `k` (`n` DESC,`a``b`(3)) /*!80000 INVISIBLE */,
  CONSTRAINT `c` CHECK ((`e` <> _utf8mb4'x'))
) ENGINE=InnoDB AUTO_INCREMENT=7 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_ai_ci COMMENT='z'
/*!50100 PARTITION BY HASH (`id`)
PARTITIONS 2 */"""
OF_MARIADB = """CREATE TABLE `t` (
  `id` int(10) unsigned NOT NULL AUTO_INCREMENT,
  `a``b` varchar(9) CHARACTER SET latin1 COLLATE latin1_swedish_ci DEFAULT 'it''s, \\n' COMMENT 'x ) /* y',
  `e` enum('a','b,c') NOT NULL DEFAULT 'a',
  `n` int(11) NOT NULL DEFAULT -5,
  `j` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin DEFAULT NULL CHECK (json_valid(`j`)),
  `d` datetime(3) DEFAULT current_timestamp(3) ON UPDATE current_timestamp(3),
  `u` varchar(36) DEFAULT uuid(),
  `g` int(11) GENERATED ALWAYS AS ((`n` + 1) * 2) STORED,
  `h` int(11) INVISIBLE DEFAULT 1,
  PRIMARY KEY (`id`),
  KEY `k` (`n` DESC,`a``b`(3)) IGNORED,
  CONSTRAINT `c` CHECK (`e` <> 'x')
) ENGINE=InnoDB AUTO_INCREMENT=7 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_uca1400_nopad_ai_ci COMMENT='z'
 PARTITION BY HASH (`id`)
PARTITIONS 2"""


@pytest.mark.parametrize(("text", "target"), [(OF_MYSQL, MARIADB), (OF_MARIADB, MYSQL)])
def test_a_definition_is_the_same_in_the_others_words(text: str, target: OtherServer) -> None:
    made, obstacles = translated(text, "t", target)
    assert obstacles == []
    assert difference(text, made, same_name=True) == ""
    assert difference(OF_MYSQL, OF_MARIADB, same_name=True) == ""


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("`n` int NOT", "`n` bigint NOT", "column 'n'"),
        ("DEFAULT '-5'", "DEFAULT '5'", "column 'n'"),
        ("COMMENT 'x ) /* y'", "COMMENT 'x )'", "column 'a`b'"),
        ("latin1_swedish_ci", "latin1_bin", "column 'a`b'"),
        ("STORED", "VIRTUAL", "column 'g'"),
        ("+ 1", "+ 2", "column 'g'"),
        (" /*!80023 INVISIBLE */", "", "column 'h'"),
        (" ON UPDATE CURRENT_TIMESTAMP(3)", "", "column 'd'"),
        ("(uuid())", "NULL", "column 'u'"),
        ("DESC", "", "key 'k'"),
        (" /*!80000 INVISIBLE */", "", "key 'k'"),
        ("<>", "=", "check 'c'"),
        ("COMMENT='z'", "COMMENT='y'", "its options"),
        ("PARTITIONS 2", "PARTITIONS 3", "its partitions"),
        ("COMMENT='z'", "COMMENT='z' SELECT 1", "what follows its columns"),
        ("`h` int DEFAULT '1'", "`h` int DEFAULT '1' /*!99999 x */", "column 'h'"),
    ],
)
def test_whatever_is_lost_on_the_way_is_seen(old: str, new: str, named: str) -> None:
    assert old in OF_MYSQL
    assert difference(OF_MYSQL.replace(old, new, 1), OF_MARIADB, same_name=True) == named


def test_all_that_cannot_cross_is_named() -> None:
    text = (
        OF_MYSQL.replace("`n` int", "`n` vector(3)")
        .replace("COLLATE=utf8mb4_0900_ai_ci", "COLLATE=utf8mb4_de_pb_0900_ai_ci ENCRYPTION='Y'")
        .replace("(`n` DESC", "((`n` + 1) DESC")
    )
    _, obstacles = translated(text, "t", MARIADB)
    for part in (
        "Column 'n' of table 't' is of type vector",
        "Column 'e' of table 't' has the collation",
        "Key 'k'",
        "ENCRYPTION",
    ):
        assert any(part in obstacle for obstacle in obstacles), part


@pytest.mark.parametrize(
    ("line", "target", "why"),
    [
        ("KEY `k` (`n` DESC)", OLD_MARIADB, "is descending"),
        ("FULLTEXT KEY `k` (`s`) /*!50100 WITH PARSER `ngram` */ ", MARIADB, "has a parser of its own"),
        ("UNIQUE KEY `k` (`s`) USING HASH", MYSQL, "is unique over texts without length"),
        ("VECTOR KEY `k` (`s`)", MYSQL, "is of kind VECTOR"),
        ("KEY `k` ((`n` + 1))", MARIADB, "is over an expression"),
        ("`k` int GENERATED ALWAYS AS ((`n` + 1)) STORED NOT NULL", MARIADB, "is generated and NOT NULL"),
        ("`k` int NOT NULL /*!80023 INVISIBLE */", MARIADB, "is invisible, NOT NULL and without a default"),
        ("`k` varbinary(3) DEFAULT 0xFF", MARIADB, "has a default that is no text in UTF-8"),
        ("`k` point NOT NULL /*!80003 SRID 4326 */", MARIADB, "has SRID 4326"),
        ("`k` inet6 DEFAULT NULL", MYSQL, "is of type inet6"),
        ("`k` varchar(3) CHARACTER SET latin1 COLLATE latin1_bin", MYSQL, "has the collation latin1_bin"),
        ("CONSTRAINT `k` CHECK ((`n` > 1)) /*!80016 NOT ENFORCED */", MARIADB, "is not enforced"),
    ],
)
def test_what_the_other_server_has_not_is_named_with_its_reason(line: str, target: OtherServer, why: str) -> None:
    text = (
        f"CREATE TABLE `t` (\n  `n` int NOT NULL,\n  `s` text,\n  {line}\n"
        ") ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci"
    )
    [obstacle] = translated(text, "t", target)[1]
    assert f"'k' of table 't' {why}, which {target.server} " in obstacle


def test_another_version_of_a_collation_is_noted() -> None:
    assert ["utf8mb4_uca1400_nopad_ai_ci" in note for note in translate.notes(OF_MYSQL, "t", MARIADB)] == [True]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "CREATE TABLE t",
        "CREATE TABLE `t` (\n) ENGINE=InnoDB",
        "CREATE TABLE `t` (\n  `a`\n) E",
        "x\n  `a` int CHECK ((\n)",
    ],
)
def test_what_is_no_definition_is_seen_or_kept_word_by_word(text: str) -> None:
    assert difference(text, OF_MARIADB, same_name=True) != ""


words = st.sampled_from(
    ["`a``b`", "'it''s'", "_utf8mb4'x'", "b'1'", "(", ")", ",", "and", "1.5", "1e-5", "<", ">", "=", "-", "f", "|", "*"]
)


@given(st.lists(words, max_size=12))
def test_tokens_are_written_as_they_were_read(tokens: list[str]) -> None:
    read = tokenize(" ".join(tokens))
    assert read == tuple(tokens)
    assert tokenize(sql(read)) == read


def test_options_are_read() -> None:
    assert parse(OF_MARIADB).options["ENGINE"] == "InnoDB"
