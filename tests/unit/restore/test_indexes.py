"""Which indexes can be made after the rows, and come to stand where they stood."""

import pytest

from tableferry.restore.build.indexes import deferrable

COLUMNS = ["id", "a", "b", "c`(,"]


def definition(*keys: str, counted: str = "") -> str:
    columns = [f"  `{name.replace('`', '``')}` int NOT NULL{' AUTO_INCREMENT' * (name == counted)}" for name in COLUMNS]
    return "CREATE TABLE `t` (\n" + ",\n".join([*columns, *(f"  {key}" for key in keys)]) + "\n) ENGINE=InnoDB"


PRIMARY = "PRIMARY KEY (`id`)"


@pytest.mark.parametrize(
    "key",
    [
        "KEY `k` (`a`)",
        "UNIQUE KEY `k` (`a`,`b`)",
        "KEY `k` (`a`(10),`b` DESC) USING BTREE COMMENT 'it''s (`b`)'",
        "KEY `k``(` (`c``(,`)",
        "KEY `k` (`a`) /*!80000 INVISIBLE */",
    ],
)
def test_a_tree_of_columns_can_wait(key: str) -> None:
    assert deferrable(definition(PRIMARY, key), COLUMNS) == [key]


@pytest.mark.parametrize(
    "key",
    [
        "FULLTEXT KEY `k` (`a`)",
        "SPATIAL KEY `k` (`a`)",
        "VECTOR KEY `k` (`a`)",
        "KEY `k` ((`a` * 2))",
        "KEY `k` (`a`,(lower(`b`)))",
        "KEY `k` (`a`) IGNORED",
        "UNIQUE KEY `k` (`a`,`p` WITHOUT OVERLAPS)",
        "KEY `k` (`computed`)",
    ],
)
def test_any_other_index_cannot_wait_nor_what_stands_before_it(key: str) -> None:
    before, after = "KEY `before` (`a`)", "KEY `after` (`a`)"
    assert deferrable(definition(PRIMARY, before, key, after), COLUMNS) == [after]


def test_the_index_that_a_counter_needs_cannot_wait() -> None:
    assert deferrable(definition(PRIMARY, "KEY `k` (`a`,`b`)", counted="a"), COLUMNS) == []
    assert deferrable(definition(PRIMARY, "KEY `k` (`a`,`b`)", counted="id"), COLUMNS) != []


def test_a_text_that_speaks_of_a_counter_hides_none() -> None:
    columns = "  `t` int COMMENT 'no AUTO_INCREMENT',\n  `a` int NOT NULL AUTO_INCREMENT"
    text = f"CREATE TABLE `t` (\n{columns},\n  {PRIMARY},\n  KEY `k` (`a`)\n) ENGINE=InnoDB"
    assert deferrable(text, COLUMNS) == []


def test_a_table_that_would_not_stay_as_it_is_when_it_is_altered_keeps_its_indexes() -> None:
    assert deferrable(definition(PRIMARY, "UNIQUE KEY `u` (`a`) USING HASH", "KEY `k` (`b`)"), COLUMNS) == []
    assert deferrable(definition(PRIMARY, "UNIQUE KEY `u` (`a`) USING BTREE", "KEY `k` (`b`)"), COLUMNS) != []


def test_the_index_by_which_rows_are_kept_cannot_wait() -> None:
    keys = ["UNIQUE KEY `u` (`a`)", "KEY `k` (`b`)"]
    assert deferrable(definition(*keys), COLUMNS) == [keys[1]]
    assert deferrable(definition(PRIMARY, *keys), COLUMNS) == keys


def test_a_table_without_indexes_has_none_that_wait() -> None:
    assert deferrable(definition(PRIMARY), COLUMNS) == []
