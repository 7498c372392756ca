"""Tables cut into ranges of their keys: about equal ones, and every row in exactly one of them."""

import random
from contextlib import closing
from itertools import pairwise
from typing import Any

import pymysql
import pytest

from tableferry.backup import plan
from tableferry.backup.ranges import key_ranges
from tableferry.columnar import load_data
from tableferry.config.settings import Settings
from tableferry.mysql.database import Database as Source
from tableferry.schema import catalog
from tableferry.schema.key_range import Range
from tests.effort import sample
from tests.support import verbs
from tests.support.lambdas import Json
from tests.support.parts import Database
from tests.support.verbs import backup, manifest_of

FILL = "x" * 60
_RANDOM = random.Random(4)  # noqa: S311  # no secret


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch, bucket: str) -> None:
    """Ranges of a page or two, three at a time."""
    monkeypatch.setattr(plan, "_RANGE_BYTES", 32 * 1024)
    monkeypatch.setenv("WORKERS", "3")
    monkeypatch.setenv("CHUNK_BYTES", "20000")


def make(database: Database, definition: str, given: list[tuple[object, ...]]) -> None:
    verbs.run(database, f"CREATE TABLE t ({definition})")
    if given:
        verbs.fill(database, "t", given)
    verbs.rows(database, "ANALYZE TABLE t")  # the server does so by itself, a while later


def parts_of(made: Json) -> list[int]:
    return [chunk["rows"] for chunk in manifest_of(made["id"])["tables"][0]["chunks"]]


def there_and_back(database: Database, form: str = "parquet") -> list[int]:
    """Back the table up, spoil it, restore it: it has to be what it was. Returns the rows of its ranges."""
    before = verbs.table(database, "t")
    [(count,)] = verbs.rows(database, "SELECT COUNT(*) FROM t")
    made = backup("t", form=form)
    parts = parts_of(made)
    assert sum(parts) == count == made["rows"]
    verbs.run(database, "DELETE FROM t")
    verbs.restore(made["id"])
    assert verbs.table(database, "t") == before
    return parts


def rows_of(*keys: int) -> list[tuple[object, ...]]:
    return [(key, FILL) for key in keys]


EVEN = range(1, 4001)
KEYS: dict[str, tuple[str, list[int]]] = {
    "dense": ("INT", list(EVEN)),
    "negative": ("BIGINT", [number - 2000 for number in EVEN]),
    "from end to end": ("BIGINT", [-(2**63), *EVEN, 2**63 - 1]),
    "unsigned": ("BIGINT UNSIGNED", [2**64 - number for number in EVEN]),
    "one far out": ("BIGINT UNSIGNED", [*EVEN, 2**63]),
    "one far out at each end": ("BIGINT UNSIGNED", [0, *[2**40 + number for number in EVEN], 2**64 - 1]),
    "two heaps": ("BIGINT UNSIGNED", [*EVEN, *[2**64 - number for number in EVEN]]),
    "ever farther apart": ("BIGINT UNSIGNED", [*[2**number for number in range(5, 64)], *[2**20 + number for number in EVEN]]),
    "at random": ("BIGINT", sorted({_RANDOM.randrange(-(2**63), 2**63) for _ in EVEN})),
}  # fmt: skip


@pytest.mark.parametrize("name", KEYS)
@sample(2)
def test_ranges_are_about_equal_however_uneven_the_keys_are(database: Database, name: str) -> None:
    kind, keys = KEYS[name]
    make(database, f"id {kind} PRIMARY KEY, name VARCHAR(60)", rows_of(*keys))
    parts = there_and_back(database)
    assert len(parts) > 8
    assert max(parts) <= len(keys) / 4


def test_the_first_column_of_a_composite_key_makes_ranges(database: Database) -> None:
    given: list[tuple[object, ...]] = [(number // 10, f"{number}", FILL) for number in EVEN]
    make(database, "a INT, b VARCHAR(10), name VARCHAR(60), PRIMARY KEY (a, b)", given)
    assert max(there_and_back(database)) <= 1000


def test_rows_of_one_value_are_cut_by_the_next_column(database: Database) -> None:
    given: list[tuple[object, ...]] = [(7, number, FILL) for number in EVEN]
    make(database, "a INT, b INT, name VARCHAR(60), PRIMARY KEY (a, b)", [*given, (8, 1, FILL), (-1, 1, FILL)])
    assert max(there_and_back(database)) <= 1000


WHOLE = {
    "a string key": ("id VARCHAR(20) PRIMARY KEY, name VARCHAR(60)", [(f"k{number:05}", FILL) for number in EVEN]),
    "a string key in another order than bytes": (
        "id VARCHAR(20) COLLATE utf8mb4_general_ci PRIMARY KEY, name VARCHAR(60)",
        [("ä", FILL), ("B", FILL), ("b2", FILL), ("Z", FILL), ("z1", FILL), ("", FILL)],
    ),
    "a binary key": (
        "id BINARY(4) PRIMARY KEY, name VARCHAR(60)",
        [(number.to_bytes(4, "little"), FILL) for number in EVEN],
    ),
    "a decimal key": ("id DECIMAL(20,3) PRIMARY KEY, name VARCHAR(60)", [(f"-{number}.125", FILL) for number in EVEN]),
    "a date key": ("id DATETIME(6) PRIMARY KEY, n INT", [("2021-02-28 01:02:03.000004", 1), ("0000-00-00", 2)]),
    "a composite key with a string first": (
        "a VARCHAR(5), b INT, name VARCHAR(60), PRIMARY KEY (a, b)",
        [(f"{number % 7}", number, FILL) for number in EVEN],
    ),
    "no key but a unique one, with NULLs in it": (
        "id INT UNIQUE, name VARCHAR(60)",
        [*rows_of(*EVEN), *[(None, FILL)] * 300],
    ),
    "no key at all, and equal rows": ("id INT, name VARCHAR(60)", [(number % 3, FILL) for number in EVEN]),
    "one column": ("id INT PRIMARY KEY", [(number,) for number in EVEN]),
    "one column that is no key": ("id INT", [(number % 5,) for number in EVEN]),
    "no rows": ("id INT PRIMARY KEY, name VARCHAR(60)", []),
    "one row": ("id INT PRIMARY KEY, name VARCHAR(60)", rows_of(-5)),
    "300 columns": (
        "id INT PRIMARY KEY, " + ", ".join(f"c{number} INT" for number in range(299)),
        [(number, *[number * 7] * 299) for number in range(200)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WHOLE)
@sample(3)
def test_every_row_comes_back_once_whatever_the_key(database: Database, name: str) -> None:
    definition, given = WHOLE[name]
    make(database, definition, given)  # type: ignore[arg-type]
    there_and_back(database)


@pytest.mark.parametrize("form", ["avro", "csv"])
def test_ranges_do_not_depend_on_the_format(database: Database, form: str) -> None:
    make(database, "id BIGINT UNSIGNED PRIMARY KEY, name VARCHAR(60)", rows_of(*EVEN, 2**64 - 1))
    assert len(there_and_back(database, form)) > 8


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The statements that a plan asks of the index."""
    statements = []
    real = key_ranges._Keys._run

    def run(keys: Any, sql: str) -> Any:
        statements.append(sql)
        return real(keys, sql)

    monkeypatch.setattr(key_ranges._Keys, "_run", run)
    return statements


def planned(range_bytes: int) -> list[Range]:
    source = Source(Settings.from_env().database)
    with source.connect() as connection:
        return key_ranges.plan(connection, catalog.describe(connection, source, "t"), range_bytes)


@pytest.mark.parametrize(
    ("definition", "every", "few"),
    [
        ("id INT, name VARCHAR(60), PRIMARY KEY (id)", 1, True),
        ("id INT, name VARCHAR(60), PRIMARY KEY (id)", 3, False),
        ("id INT, name VARCHAR(60), PRIMARY KEY (id, name)", 1, False),
    ],
    ids=["all keys", "a third of them", "a composite key"],
)
def test_where_every_key_is_there_the_server_is_asked_but_twice(
    database: Database, asked: list[str], definition: str, every: int, few: bool
) -> None:
    make(database, definition, rows_of(*(number * every for number in EVEN)))
    found = planned(32 * 1024)
    assert (len(asked) == 2) == few
    assert len(found) == 16 or not few
    with closing(database.connect()) as connection, connection.cursor() as cursor:
        rows: list[int] = []
        for part in found:
            cursor.execute(f"SELECT COUNT(*) FROM t WHERE {part.where(['id'])}")
            rows.extend(cursor.fetchone() or ())
    assert sum(rows) == len(EVEN)
    assert 0 < min(rows) <= max(rows) <= 3 * min(rows)


def test_a_few_rows_of_megabytes_are_a_range_each(database: Database, asked: list[str]) -> None:
    verbs.run(
        database,
        "CREATE TABLE t (id INT PRIMARY KEY, c LONGTEXT)",
        *(f"INSERT INTO t VALUES ({number}, REPEAT('x', 1000000))" for number in range(-2, 3)),
    )
    verbs.rows(database, "ANALYZE TABLE t")
    assert planned(32 * 1024) == [
        Range(None, -1), Range(-1, 0), Range(0, 1), Range(1, 2), Range(2, None)
    ]  # fmt: skip
    assert len(asked) == 2


def test_a_plan_asks_a_bounded_number_of_questions(database: Database, asked: list[str]) -> None:
    make(
        database,
        "id BIGINT UNSIGNED PRIMARY KEY, name VARCHAR(60)",
        rows_of(*[2**number for number in range(13, 64)], *EVEN),
    )
    found = planned(1)
    assert 500 < len(found) <= 2 * 1000 + 64 + 1
    assert len(asked) <= 4 * (2 * 1000 + 64) + 2
    assert (found[0].lower, found[-1].upper) == (None, None)
    assert all(one.upper == other.lower for one, other in pairwise(found))


def test_keys_written_after_the_plan_are_in_the_backup_too(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    make(database, "id BIGINT PRIMARY KEY, name VARCHAR(60)", rows_of(*EVEN))
    real = plan.plan
    late = [-(2**63), -1, 0, 4001, 2**62, 2**63 - 1]

    def then_written(*given: Any, **options: Any) -> Any:
        made = real(*given, **options)
        verbs.fill(database, "t", rows_of(*late))
        return made

    monkeypatch.setattr(plan, "plan", then_written)
    assert backup("t")["rows"] == 4000 + len(late)


def test_a_plan_knows_a_table_as_it_is_and_not_as_it_was_a_day_ago(database: Database) -> None:
    # Such statistics are counted with the rows; MySQL gives those of INFORMATION_SCHEMA from a cache, for a day.
    verbs.run(database, "CREATE TABLE t (id INT PRIMARY KEY, name VARCHAR(60)) STATS_PERSISTENT=0")
    source = Source(Settings.from_env().database)
    with closing(database.connect()) as other, other.cursor() as cursor:
        cursor.execute("SELECT table_rows FROM information_schema.tables WHERE table_schema = DATABASE()")
        verbs.fill(
            database, "t", rows_of(*range(12_000))
        )  # the engine guesses from some pages, a third too few at times
        with source.connect() as connection:
            found = catalog.describe(connection, source, "t")
    assert found.rows_estimate > 3000
    assert found.bytes_estimate > 200_000


def test_a_restore_whose_workers_stand_in_each_others_way_tries_again(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(database, "id BIGINT PRIMARY KEY, name VARCHAR(60)", rows_of(*EVEN))
    real = load_data.load
    refused = [pymysql.err.OperationalError(1213, "Deadlock"), pymysql.err.OperationalError(1205, "Lock wait timeout")]

    def stands_in_the_way(*given: Any) -> Any:
        if refused:
            raise refused.pop()
        return real(*given)

    monkeypatch.setattr(load_data, "load", stands_in_the_way)
    there_and_back(database)
    assert refused == []
