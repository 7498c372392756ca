"""Statements made from what SHOW CREATE TABLE says, of MySQL and of MariaDB."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tableferry.mysql.identifiers import NAME, QUOTED, quote, unquoted
from tableferry.schema import show_create
from tableferry.schema.table import ForeignKey

DEFINITION = """CREATE TABLE `a``b` (
  `id` int NOT NULL AUTO_INCREMENT,
  `name` varchar(9) COLLATE utf8mb4_unicode_ci DEFAULT 'x, FOREIGN KEY' COMMENT 'a) COLLATE utf8mb4_unicode_ci',
  `own` varchar(9) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci NOT NULL,
  `size` enum('a) COLLATE utf8mb4_unicode_ci','it''s') COLLATE utf8mb4_bin NOT NULL,
  PRIMARY KEY (`id`),
  KEY `parent` (`name`),
  CONSTRAINT `up` FOREIGN KEY (`name`) REFERENCES `p` (`name`) ON DELETE CASCADE,
  CONSTRAINT `positive` CHECK ((`id` > 0))
) ENGINE=InnoDB AUTO_INCREMENT=42 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci COMMENT='AUTO_INCREMENT=7'
/*!50100 PARTITION BY HASH (`id`)
PARTITIONS 2 */"""


def test_a_shadows_definition_has_another_name_no_foreign_keys_and_all_else() -> None:
    made = show_create.without_foreign_keys(DEFINITION, "shadow", "t", keep_names=True)
    assert made.startswith("CREATE TABLE `shadow`.`t` (\n  `id` int NOT NULL AUTO_INCREMENT,\n")
    assert "REFERENCES" not in made
    assert "  KEY `parent` (`name`),\n  CONSTRAINT `positive` CHECK ((`id` > 0))\n) ENGINE=InnoDB" in made
    assert made.endswith("/*!50100 PARTITION BY HASH (`id`)\nPARTITIONS 2 */")


def test_the_checks_of_a_copy_lose_the_names_that_a_schema_can_have_only_once() -> None:
    assert "  CHECK ((`id` > 0))\n" in show_create.without_foreign_keys(DEFINITION, "s", "t", keep_names=False)


def test_the_checks_of_a_copy_with_a_long_name_get_names_that_fit() -> None:
    made = show_create.without_foreign_keys(DEFINITION, "s", "n" * 64, keep_names=False)
    names = show_create.check_names(made)
    assert names
    assert all(len(name) <= 64 for name in names)
    assert len(set(names)) == len(names) == len(show_create.check_names(DEFINITION))


def test_only_an_inherited_collation_is_left_to_be_inherited() -> None:
    made = show_create.without_foreign_keys(DEFINITION, "s", "t", keep_names=True).split("\n")
    assert made[2].startswith("  `name` varchar(9) DEFAULT 'x, FOREIGN KEY' COMMENT 'a) COLLATE utf8mb4_unicode_ci'")
    assert made[3] == "  `own` varchar(9) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci NOT NULL,"
    assert made[4] == "  `size` enum('a) COLLATE utf8mb4_unicode_ci','it''s') COLLATE utf8mb4_bin NOT NULL,"


def test_the_fingerprint_does_not_move_with_the_rows() -> None:
    moved = DEFINITION.replace("AUTO_INCREMENT=42", "AUTO_INCREMENT=43")
    assert show_create.fingerprint(moved) == show_create.fingerprint(DEFINITION)
    assert show_create.fingerprint(DEFINITION.replace("varchar(9)", "varchar(8)")) != show_create.fingerprint(
        DEFINITION
    )


def test_a_foreign_key_is_added_as_it_was() -> None:
    key = ForeignKey("up", "s", "t`", ("a", "b"), "q", "p", ("c", "d"), " ON DELETE CASCADE")
    assert show_create.add_foreign_key(key) == (
        "ALTER TABLE `s`.`t``` ADD CONSTRAINT `up` FOREIGN KEY (`a`, `b`) REFERENCES `q`.`p` (`c`, `d`) ON DELETE CASCADE"
    )


@pytest.mark.parametrize(
    "more",
    [
        " /*!50000 select 1 as a */",
        " AS SELECT * FROM mysql.user",
        "; DROP TABLE x",
        " SELECT 1",
        " /*! select 1 */",
        " -- comment",
        " TABLE x",
        " DATA DIRECTORY='/tmp'",
        " PARTITION BY RANGE (@a)",
    ],
)
def test_a_definition_that_does_more_than_define_is_not_plain(more: str) -> None:
    assert not show_create.is_plain("CREATE TABLE `leak` (\n  `a` int\n) ENGINE=InnoDB" + more)


@pytest.mark.parametrize(
    "definition",
    [
        DEFINITION,
        "CREATE TABLE `t` (\n  `a` int COMMENT 'select; -- /*',\n  `g` point /*!80003 SRID 4326 */ NOT NULL\n) ENGINE=InnoDB",
        (
            "CREATE TABLE `t` (\n  `a` int DEFAULT NULL\n) ENGINE=InnoDB\n/*!50500 PARTITION BY RANGE  COLUMNS(a)\n"
            "(PARTITION p0 VALUES LESS THAN (MAXVALUE) ENGINE = InnoDB) */"
        ),
        "CREATE TABLE `select` (\n  `table` int DEFAULT NULL /*!80023 INVISIBLE */\n) ENGINE=InnoDB",
    ],
)
def test_what_show_create_table_says_is_plain(definition: str) -> None:
    assert show_create.is_plain(definition)


def test_a_trigger_can_be_made_in_ones_own_name() -> None:
    assert (
        show_create.without_definer("CREATE DEFINER=`a``x`@`%` TRIGGER `t` BEFORE INSERT")
        == "CREATE TRIGGER `t` BEFORE INSERT"
    )


def test_a_definition_is_compared_without_its_name_its_counter_and_its_foreign_keys() -> None:
    lines = show_create.comparable(DEFINITION, keep_names=True)
    other = (
        DEFINITION.replace("`a``b`", "`x`", 1)
        .replace("AUTO_INCREMENT=42 ", "")
        .replace("  CONSTRAINT `up`", "  CONSTRAINT `in`")
    )
    assert show_create.comparable(other, keep_names=True) == lines
    assert show_create.comparable(DEFINITION.replace("`positive`", "`p`"), keep_names=True) != lines
    renamed = show_create.comparable(DEFINITION.replace("`positive`", "`p`"), keep_names=False)
    assert renamed == show_create.comparable(DEFINITION, keep_names=False)
    assert show_create.comparable(DEFINITION.replace("DELETE", "UPDATE"), keep_names=True) == lines
    assert show_create.comparable(DEFINITION.replace("PARTITIONS 2", "PARTITIONS 3"), keep_names=True) != lines


def test_a_foreign_key_is_found_in_its_definition() -> None:
    key = ForeignKey("up", "s", "a`b", ("name",), "s", "p", ("name",), " ON DELETE CASCADE")
    assert show_create.foreign_key_lines(DEFINITION) == [show_create.foreign_key_line(key)]


@pytest.mark.parametrize(
    ("text", "here"),
    [
        ("CREATE DEFINER=`a`@`%` TRIGGER `t` BEFORE INSERT ON `x` FOR EACH ROW", None),
        ("CREATE DEFINER=`a b``c`@`%` TRIGGER `t` BEFORE INSERT ON `x` FOR EACH ROW", None),
        ("CREATE DEFINER=`a role` TRIGGER t AFTER UPDATE ON x FOR EACH ROW", None),
        ('CREATE TRIGGER "t" AFTER DELETE ON "x y" FOR EACH ROW', None),
        ("CREATE TRIGGER IF NOT EXISTS /* why */ t AFTER DELETE -- then\n ON x FOR EACH ROW", None),
        (
            "CREATE DEFINER=`a b`@`%` TRIGGER `d`.`t` BEFORE INSERT ON d . `x` FOR EACH ROW",
            "TRIGGER `t` BEFORE INSERT ON `x`",
        ),
        (
            "CREATE TRIGGER `d e`.t BEFORE INSERT ON `d e`.x FOR EACH ROW SET @a = `d e`.f()",
            "TRIGGER t BEFORE INSERT ON x",
        ),
    ],
)
def test_a_trigger_is_made_in_whatever_schema_there_is(text: str, here: str | None) -> None:
    found = show_create.trigger_on(text)
    assert found is not None
    assert found == text if here is None else here in found
    assert found.partition(" FOR EACH ROW")[2] == text.partition(" FOR EACH ROW")[2]
    other = show_create.trigger_on(text, "o`ther")
    assert other is not None
    assert " ON `o``ther` FOR EACH ROW" in other.replace("-- then\n ", "")


def test_a_trigger_whose_beginning_cannot_be_read_is_none() -> None:
    assert show_create.trigger_on("CREATE TRIGGER t FOR EACH ROW SET @a = 1") is None


@given(st.text(min_size=1))
def test_a_name_is_quoted_read_and_unquoted_again(name: str) -> None:
    assert re.fullmatch(NAME, quote(name), re.DOTALL)
    assert re.fullmatch(QUOTED, quote(name), re.DOTALL)
    assert unquoted(quote(name)) == name


def test_the_columns_of_a_definition_are_told_by_their_names() -> None:
    text = "CREATE TABLE `t` (\n  `a``b` int NOT NULL,\n  `c` varchar(9) DEFAULT 'x,\\ny',\n  PRIMARY KEY (`c`)\n) ENGINE=InnoDB"
    assert list(show_create.column_lines(text).items()) == [
        ("a`b", "int NOT NULL"),
        ("c", "varchar(9) DEFAULT 'x,\\ny'"),
    ]
