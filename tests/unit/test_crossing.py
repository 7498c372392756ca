"""Definitions of MySQL in MariaDB's words and back, without a server; with both servers it is tried in integration."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tableferry.mysql.version import Server
from tableferry.schema import translate
from tableferry.schema.compare import difference
from tableferry.schema.create_table import parse, sql, tokenize
from tableferry.schema.translate import Target, translated

COLLATIONS = frozenset(
    {"utf8mb4_general_ci", "utf8mb4_bin", "utf8mb4_unicode_ci", "latin1_swedish_ci", "utf8mb3_general_ci"}
)
MARIADB = Target(Server("MariaDB", (10, 11, 0)), COLLATIONS | {"utf8mb4_uca1400_nopad_ai_ci"})
MYSQL = Target(Server("MySQL", (9, 7, 0)), COLLATIONS | {"utf8mb4_0900_ai_ci"})

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
def test_a_definition_is_the_same_in_the_others_words(text: str, target: Target) -> None:
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
