"""Tables cut into ranges by keys of any type: every row in exactly one range, about equal ones, by looks into the index."""

import random
import string
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tableferry.backup import plan
from tableferry.backup.ranges import key_ranges
from tableferry.backup.ranges.key_columns import key_columns
from tableferry.config.settings import Settings
from tableferry.manifest import manifest
from tableferry.mysql.database import Connection, all_rows, execute
from tableferry.mysql.database import Database as Source
from tableferry.mysql.database import rows as rows_of
from tableferry.mysql.session import Mode
from tableferry.schema import catalog
from tableferry.schema.codec import codecs, select
from tableferry.schema.key_range import Range
from tableferry.schema.table import Table
from tests.effort import effort, sample
from tests.support import verbs
from tests.support.parts import Database, not_applicable

Row = tuple[object, ...]
Values = st.SearchStrategy[str]

pytestmark = pytest.mark.usefixtures("bucket")


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    """A connection as a plan has it."""
    assert database
    with Source(Settings.from_env().database).connect(Mode.FAITHFUL) as opened:
        yield opened


def described(connection: Connection) -> Table:
    return catalog.describe(connection, Source(Settings.from_env().database), "t")


def condition(part: Range, table: Table) -> str:
    return part.where(table.primary_key, codecs(table))


# --- whatever the keys

LETTERS = "aAáÀäbBßsSzZñłø\u0131İiI0159 -_.@\t\x01\u0301中國国さサ\U0001f600Яя\uffff"
COLLATIONS = {
    "both": [
        "utf8mb4_general_ci", "utf8mb4_unicode_ci", "utf8mb4_unicode_520_ci", "utf8mb4_bin", "utf8mb4_czech_ci",
        "utf8mb4_german2_ci", "utf8mb3_general_ci", "latin1_swedish_ci", "latin1_german2_ci", "latin1_general_cs",
        "latin2_czech_cs", "cp1250_czech_cs", "cp1251_ukrainian_ci", "ascii_general_ci", "ascii_bin", "gbk_chinese_ci",
        "sjis_japanese_ci", "cp932_bin", "big5_chinese_ci", "euckr_korean_ci", "ucs2_general_ci", "ucs2_bin",
        "utf16_unicode_ci", "utf16le_bin", "utf32_general_ci", "tis620_thai_ci", "swe7_swedish_ci",
    ],
    "MariaDB": [
        "utf8mb4_uca1400_ai_ci", "utf8mb4_uca1400_as_cs", "utf8mb4_uca1400_nopad_as_ci", "utf8mb4_nopad_bin",
        "utf8mb4_general_nopad_ci", "utf8mb4_uca1400_spanish2_as_cs", "latin1_nopad_bin", "utf16_uca1400_as_cs",
    ],
    "MySQL": [
        "utf8mb4_0900_ai_ci", "utf8mb4_0900_as_cs", "utf8mb4_0900_as_ci", "utf8mb4_0900_bin", "utf8mb4_ja_0900_as_cs_ks",
        "utf8mb4_zh_0900_as_cs", "utf8mb4_de_pb_0900_as_cs", "gb18030_unicode_520_ci", "gb18030_chinese_ci",
    ],
}  # fmt: skip
DAYS = st.sampled_from(["0000-00-00", "2021-00-00", "2021-02-31", "9999-12-31", "1970-01-01", "1969-12-31"]) | (
    st.dates().map(str)
)
NUMBERS: dict[str, Values] = {
    "INT": st.integers(-(2**31), 2**31 - 1).map(str),
    "TINYINT UNSIGNED": st.integers(0, 255).map(str),
    "BIGINT UNSIGNED": st.integers(0, 2**64 - 1).map(str),
    "DECIMAL(30,10)": st.decimals(-10 ** 19, 10 ** 19, places=10).map(lambda value: format(value, "f")),
    "DECIMAL(65,0)": st.integers(-(10**64), 10**64).map(str),
    "FLOAT": st.floats(width=32, allow_nan=False, allow_infinity=False).map("{:.9e}".format),
    "DOUBLE": st.floats(allow_nan=False, allow_infinity=False).map("{:.17e}".format),
    "YEAR": st.sampled_from(["0", "1901", "2155"]) | st.integers(1990, 2030).map(str),
    "BIT(11)": st.integers(0, 2047).map(str),
    "BIT(64)": st.integers(0, 2**64 - 1).map(str),
}  # fmt: skip
QUOTED: dict[str, Values] = {
    "DATE": DAYS,
    "DATETIME": st.tuples(DAYS, st.times()).map(lambda pair: f"{pair[0]} {pair[1]:%H:%M:%S}"),
    "DATETIME(6)": st.tuples(DAYS, st.times()).map(lambda pair: f"{pair[0]} {pair[1]:%H:%M:%S.%f}"),
    "TIMESTAMP": st.just("0000-00-00 00:00:00") | st.integers(1, 2**31 - 1).map(lambda s: f"\0{s}"),
    "TIMESTAMP(3)": st.integers(1, 2**31 - 1).map(lambda s: f"\0{s}.125"),
    "TIME(6)": st.tuples(st.sampled_from(["", "-"]), st.integers(0, 837), st.times()).map(
        lambda three: f"{three[0]}{three[1]:02}:{three[2]:%M:%S.%f}"
    ),
    "ENUM('z','y','x')": st.sampled_from("xyz"),
    "SET('a','b','c')": st.sampled_from(["", "a", "b,c", "a,c"]),
}
HEXED: dict[str, Values] = {
    "BINARY(4)": st.binary(max_size=4).map(bytes.hex),
    "VARBINARY(20)": (st.binary(max_size=20) | st.sampled_from([b"", b"\0", b"a" * 19, b"a" * 20])).map(bytes.hex),
}
ADDRESSES: dict[str, Values] = {
    "UUID": st.uuids().map(str) | st.integers(0, 255).map(lambda n: f"{n:08x}-e89b-12d3-a456-426655440000"),
    "INET6": st.ip_addresses(v=6).map(str),
}


class Made(NamedTuple):
    """A table's key, in SQL, and rows of it: some there when it is cut, some written later."""

    columns: list[str]
    key: str
    early: list[str]
    late: list[str]


@st.composite
def of_any_type(draw: st.DrawFn, mariadb: bool) -> tuple[str, Values]:
    """A column's type, and its values in SQL."""
    server = "MariaDB" if mariadb else "MySQL"
    if draw(st.booleans()):
        collation = draw(st.sampled_from(COLLATIONS["both"] + COLLATIONS[server]))
        letters = st.text(draw(st.sampled_from([LETTERS, "aAb ", "01"])), max_size=6)
        values = letters.map(lambda text: f"_utf8mb4 X'{text.encode().hex()}'")
        kind = draw(st.sampled_from(["VARCHAR", "CHAR"]))
        return f"{kind}(8) CHARACTER SET {collation.split('_')[0]} COLLATE {collation}", values
    kinds = {name: st.builds("{}".format, values) for name, values in NUMBERS.items()}
    kinds |= {name: values.map(lambda value: f"X'{value}'") for name, values in HEXED.items()}
    quoted = QUOTED | (ADDRESSES if mariadb else {})
    kinds |= {
        name: values.map(lambda value: f"FROM_UNIXTIME({value[1:]})" if value.startswith("\0") else f"'{value}'")
        for name, values in quoted.items()
    }
    name = draw(st.sampled_from(sorted(kinds)))
    return name, kinds[name]


@st.composite
def tables(draw: st.DrawFn, mariadb: bool) -> Made:
    columns = [draw(of_any_type(mariadb)) for _ in range(draw(st.integers(1, 3)))]
    few = [
        st.sampled_from(draw(st.lists(values, min_size=1, max_size=3)))  # so that the next column counts
        if draw(st.booleans()) and number + 1 < len(columns)
        else values
        for number, (_, values) in enumerate(columns)
    ]
    rows = st.tuples(*few).map(", ".join)
    parts = [f"c{number}{draw(st.sampled_from(['', '', '', ' DESC']))}" for number in range(len(columns))]
    return Made(
        [kind for kind, _ in columns],
        ", ".join(parts if not mariadb else [part.removesuffix(" DESC") for part in parts]),
        draw(st.lists(rows, min_size=2, max_size=40)),
        draw(st.lists(rows, max_size=10)),
    )


def keys_of(connection: Connection, table: Table, where: str = "") -> Counter[Row]:
    """The keys of a table, or of a range, as the bytes that they are."""
    names = ", ".join(f"HEX(CAST(`{name}` AS BINARY))" for name in table.primary_key)
    return Counter(all_rows(connection, f"SELECT {names} FROM t" + (f" WHERE {where}" if where else "")))


def together(connection: Connection, table: Table, ranges: Sequence[Range]) -> Counter[Row]:
    found: Counter[Row] = Counter()
    for part in ranges:
        found += keys_of(connection, table, condition(part, table))
    return found


def test_every_row_is_in_exactly_one_range_whatever_the_key(database: Database, connection: Connection) -> None:
    cut = []

    @settings(
        max_examples=effort(40, 1500),
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.filter_too_much],
        deadline=None,
    )
    @given(made=tables(database.mariadb), wanted=st.integers(2, 30))
    def holds(made: Made, wanted: int) -> None:
        execute(connection, "DROP TABLE IF EXISTS t")
        columns = ", ".join(f"c{number} {kind} NOT NULL" for number, kind in enumerate(made.columns))
        execute(connection, f"CREATE TABLE t ({columns}, PRIMARY KEY ({made.key}))")
        execute(connection, f"INSERT IGNORE INTO t VALUES {', '.join(f'({row})' for row in made.early)}")
        table = described(connection)
        ranges = key_ranges.in_ranges(connection, table, wanted)
        assert (ranges[0].lower, ranges[-1].upper) == (None, None)
        assert all(one.upper == other.lower for one, other in pairwise(ranges))
        everything = keys_of(connection, table)
        assume(len(everything) > 1)
        assert together(connection, table, ranges) == everything
        if made.late:
            execute(connection, f"INSERT IGNORE INTO t VALUES {', '.join(f'({row})' for row in made.late)}")
            assert together(connection, table, ranges) == keys_of(connection, table)
        if key_columns(table):
            cut.append(len(ranges) / min(wanted, len(everything)))

    holds()
    assert sum(one > 0.3 for one in cut) > len(cut) / 2  # most were cut, as far as they can be


# --- about equal ranges

R = random.Random(7)  # noqa: S311  # no secret
N, WANTED = 12_000, 12
NAMES = [
    "anna", "Bob", "carl", "dora", "emil", "Frieda", "gustav", "hans", "İpek", "jürgen", "Ørsted", "Zoë", "łukasz", "Élodie",
    "张伟", "王芳", "李娜", "Иван", "Мария", "さくら", "😀",
]  # fmt: skip


def zipf() -> int:
    return min(int(R.paretovariate(1)), 1000)


def random_uuid() -> uuid.UUID:
    return uuid.UUID(int=R.getrandbits(128), version=4)


def any_of(letters: str, count: int) -> str:
    return "".join(R.choices(letters, k=count))


IDEOGRAPHS = "".join(map(chr, range(0x4E00, 0x9FA0)))
KEYS: dict[str, tuple[str, Callable[[int], Row]]] = {
    "numbers as text": ("a VARCHAR(20)", lambda i: (f"user_{i:08}",)),
    "numbers as text without zeros": ("a VARCHAR(20)", lambda i: (f"{i}",)),
    "UUIDs as text": ("a CHAR(36)", lambda _: (str(random_uuid()),)),
    "UUIDs as ASCII": ("a CHAR(36) COLLATE ascii_bin", lambda _: (str(random_uuid()),)),
    "UUIDs as bytes": ("a BINARY(16)", lambda _: (random_uuid().bytes,)),
    "UUIDs by time": (
        "a BINARY(16)",
        lambda i: ((1_700_000_000_000 + i * 37).to_bytes(6, "big") + R.randbytes(10),),
    ),
    "UUIDs of MariaDB": ("a UUID", lambda _: (str(random_uuid()),)),
    "UUIDs of MariaDB by node": (
        "a UUID",
        lambda _: (str(uuid.UUID(fields=(R.getrandbits(32), R.getrandbits(16), 0x1ABC, 0x9A, 5, 1234567))),),
    ),
    "addresses of mail": (
        "a VARCHAR(90)",
        lambda i: (f"{R.choice(NAMES)}.{R.choice(NAMES)}{zipf()}.{i}@{R.choice(['gmail.com', 'example.org'])}",),
    ),
    "names with regard to case": ("a VARCHAR(90) COLLATE {sensitive}", lambda i: (f"{R.choice(NAMES)} {i}",)),
    "names without regard to case": (
        "a VARCHAR(90) COLLATE utf8mb4_unicode_ci",
        lambda i: (f"{any_of('aAbBcCäÄ', 4)}{i}",),
    ),
    "a long way in common": ("a VARCHAR(250)", lambda i: ("https://example.com/a/long/way/" * 6 + str(i * i),)),
    "ideographs": ("a VARCHAR(20)", lambda _: (any_of(IDEOGRAPHS, 6),)),
    "ideographs of another character set": (
        "a VARCHAR(20) CHARACTER SET gb2312",
        lambda i: (any_of("中国人大学生北京上海天地", 5) + str(i),),
    ),
    "letters of another character set": (
        "a VARCHAR(30) CHARACTER SET latin1",
        lambda i: (any_of("aeiouäöüßÄÖÜñxyz", 6) + str(i),),
    ),
    "one far out at each end": (
        "a VARCHAR(30)",
        lambda i: ("zzzzzz" if not i else "!" if i == 1 else f"order-2026-{i:08}",),
    ),
    "decimals": ("a DECIMAL(30,8)", lambda i: (f"{'-' if i % 3 else ''}{i * i}.{i:08}",)),
    "doubles": ("a DOUBLE", lambda _: (R.choice([-1, 1]) * 10 ** R.uniform(-20, 20),)),
    "moments": (
        "a DATETIME(6)",
        lambda i: (
            f"{2000 + int(20 * R.random() ** 3)}-{1 + i % 12:02}-{1 + i % 28:02} {i % 24:02}:{i % 60:02}:00.{i:06}",
        ),
    ),
    "timestamps": ("a TIMESTAMP(6)", lambda i: (f"2026-{1 + i % 12:02}-{1 + i % 28:02} {i % 24:02}:00:00.{i:06}",)),
    "times": ("a TIME(6)", lambda i: (f"{R.choice(['', '-'])}{R.randrange(838)}:{i % 60:02}:00.{i:06}",)),
    "a day, then numbers": ("a DATE, b INT", lambda i: (f"2026-01-{1 + zipf() % 28:02}", i)),
    "a year, then numbers": ("a YEAR, b INT", lambda i: (R.choice([0, 1999, 2026, 2026, 2026, 2155]), i)),
    "bits, then numbers": ("a BIT(3), b INT", lambda i: (zipf() % 8, i)),
    "floats, then numbers": ("a FLOAT, b INT", lambda i: (R.choice([1.1, 2.2, 1e-10]), i)),
    "tenants, one of them most": ("a INT, b BIGINT", lambda i: (7 if R.random() < 0.8 else zipf(), i)),
    "tenants by name, then UUIDs": ("a VARCHAR(20), b BINARY(16)", lambda _: (f"tenant-{zipf()}", random_uuid().bytes)),
    "tenants spelled otherwise, days, numbers": (
        "a VARCHAR(20) COLLATE utf8mb4_unicode_ci, b DATE, c INT",
        lambda i: (R.choice(["Acme", "ACME", "acme", "b"]), f"2026-01-{1 + zipf() % 28:02}", i),
    ),
}


def cut(connection: Connection, name: str) -> tuple[Table, list[Range], list[int], int]:
    """A table of these keys, its ranges, the rows of each, and the rows of all."""
    columns, row = KEYS[name]
    if "UUID," in f"{columns}," and "MariaDB" in name and not is_mariadb(connection):
        not_applicable("no type UUID")
    sensitive = "utf8mb4_uca1400_as_cs" if is_mariadb(connection) else "utf8mb4_0900_as_cs"
    columns = columns.format(sensitive=sensitive)
    names = string.ascii_lowercase[: columns.count(", ") + 1]
    key = ", ".join(names)
    execute(connection, f"CREATE TABLE t ({columns}, fill CHAR(80) NOT NULL DEFAULT 'x', PRIMARY KEY ({key}))")
    with connection.cursor() as cursor:
        marks = ", ".join(["%s"] * len(names))
        cursor.execute("BEGIN")
        cursor.executemany(f"INSERT IGNORE INTO t ({key}) VALUES ({marks})", [row(number) for number in range(N)])
        cursor.execute("COMMIT")
        cursor.execute("ANALYZE TABLE t")
        cursor.fetchall()
    table = described(connection)
    ranges = key_ranges.in_ranges(connection, table, WANTED)
    counts = [counted(connection, condition(part, table)) for part in ranges]
    return table, ranges, counts, counted(connection, "TRUE")


def is_mariadb(connection: Connection) -> bool:
    return "MariaDB" in str(all_rows(connection, "SELECT VERSION()")[0][0])


def counted(connection: Connection, where: str) -> int:
    return int(all_rows(connection, f"SELECT COUNT(*) FROM t WHERE {where}")[0][0])


@pytest.mark.parametrize("name", KEYS)
@sample(9)
def test_ranges_are_about_as_large_as_was_wanted(connection: Connection, name: str) -> None:
    _, ranges, counts, total = cut(connection, name)
    assert sum(counts) == total > N / 2
    assert WANTED / 2 <= len(ranges) <= 3 * WANTED
    assert max(counts) <= 2 * total / WANTED
    small = [count for count in counts if count < total / WANTED / 3]
    assert len(small) <= len(ranges) / 3


@pytest.mark.parametrize("name", KEYS)
@sample(6)
def test_a_plan_and_its_ranges_read_no_more_than_is_looked_for(
    connection: Connection, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    reads: list[int] = []
    real = key_ranges._Keys._run

    def run(keys: Any, sql: str) -> Any:
        before = handler_reads(connection)
        found = real(keys, sql)
        reads.append(handler_reads(connection) - before)
        return found

    monkeypatch.setattr(key_ranges._Keys, "_run", run)
    table, ranges, counts, _ = cut(connection, name)
    assert max(reads) <= 6  # one key, or the first and the last one
    assert len(reads) <= 10 * (2 * WANTED + 64)
    explain = "EXPLAIN" if is_mariadb(connection) else "EXPLAIN FORMAT=TRADITIONAL"
    for part, count in zip(ranges, counts, strict=True):
        sql = select(table.sql, codecs(table), condition(part, table), key_ranges.in_key_order(table))
        assert "filesort" not in str(rows_of(connection, f"{explain} {sql}"))
        before = handler_reads(connection)
        assert len(all_rows(connection, sql)) == count
        assert handler_reads(connection) - before <= count + 8
        if part.lower is None or part.upper is None:
            continue
        before = handler_reads(connection)
        backwards = select(table.sql, codecs(table), condition(Range(part.upper, part.lower), table))
        assert all_rows(connection, backwards) == []
        assert handler_reads(connection) - before <= 8


def handler_reads(connection: Connection) -> int:
    """The keys and rows that this session has asked the engine for; to ask this counts none of them."""
    found = rows_of(connection, "SHOW SESSION STATUS LIKE 'Handler_read%'")
    return sum(int(count) for name, count in found if not str(name).endswith("rnd_next"))


# --- whole backups


def there_and_back(columns: str, rows: Sequence[Row], monkeypatch: pytest.MonkeyPatch, database: Database) -> Any:
    """Back a table up in ranges of a page or two, restore it, and give its part of the manifest."""
    monkeypatch.setattr(plan, "_RANGE_BYTES", 32 * 1024)
    verbs.run(database, f"CREATE TABLE t ({columns})")
    verbs.fill(database, "t", rows)
    verbs.rows(database, "ANALYZE TABLE t")
    before = verbs.table(database, "t")
    made = verbs.backup("t")
    verbs.run(database, "DELETE FROM t")
    verbs.restore(made["id"])
    assert verbs.table(database, "t") == before
    content = manifest.read(verbs.store(), made["id"], None).model_dump(mode="json")
    assert content["version"] == 3
    # Who sees the answer need not be one who may see rows.
    shown = verbs.manifest_of(made["id"])["tables"][0]["chunks"]
    kept = [chunk["lower"] for chunk in content["tables"][0]["chunks"]]
    text = any(isinstance(value, str) for value in kept[-1])
    assert [chunk["lower"] for chunk in shown] == ([None] * len(shown) if text else kept)
    assert [chunk["objects"] for chunk in shown] == [chunk["objects"] for chunk in content["tables"][0]["chunks"]]
    [table] = content["tables"]
    return table


@pytest.mark.parametrize(
    ("columns", "row", "bound"),
    [
        ("a VARCHAR(30) PRIMARY KEY, f CHAR(60)", lambda i: (f"ö{i:06}", "x"), [str]),
        ("a BINARY(16) PRIMARY KEY, f CHAR(60)", lambda _: (random_uuid().bytes, "x"), [str]),
        ("a DECIMAL(12,3) PRIMARY KEY, f CHAR(60)", lambda i: (f"-{i}.125", "x"), [str]),
        ("a INT, b INT, f CHAR(60), PRIMARY KEY (a, b)", lambda i: (7, i, "x"), [int, int]),
        ("a INT, b CHAR(9), f CHAR(60), PRIMARY KEY (a, b)", lambda i: (7, f"{i:06}", "x"), [int, str]),
    ],
    ids=["text", "bytes", "decimals", "numbers", "a number, then text"],
)
@sample(2)
def test_bounds_stand_in_the_manifest_and_are_read_back(
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    columns: str,
    row: Callable[[int], Row],
    bound: list[type],
) -> None:
    table = there_and_back(columns, [row(number) for number in range(4000)], monkeypatch, database)
    chunks = table["chunks"]
    assert len(chunks) > 8
    assert max(chunk["rows"] for chunk in chunks) <= 1000
    for chunk in chunks[1:]:
        assert [type(value) for value in chunk["lower"]] == bound
    assert sum(chunk["rows"] for chunk in chunks) == 4000


def test_a_first_column_of_whole_numbers_has_bounds_as_ever(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "_RANGE_BYTES", 32 * 1024)
    verbs.run(database, "CREATE TABLE t (a INT, b INT, f CHAR(60), PRIMARY KEY (a, b))")
    verbs.fill(database, "t", [(number // 3, number, "x") for number in range(4000)])
    verbs.rows(database, "ANALYZE TABLE t")
    content = verbs.manifest_of(verbs.backup("t")["id"])
    chunks = content["tables"][0]["chunks"]
    assert len(chunks) > 8
    assert all(isinstance(chunk["lower"], int) for chunk in chunks[1:])
    assert content["version"] == 2  # which earlier versions read


def test_rows_written_after_the_plan_are_in_the_backup_too(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "_RANGE_BYTES", 32 * 1024)
    verbs.run(database, "CREATE TABLE t (a VARCHAR(30), b INT, f CHAR(60), PRIMARY KEY (a, b))")
    verbs.fill(database, "t", [(f"tenant-{number % 5}", number, "x") for number in range(4000)])
    verbs.rows(database, "ANALYZE TABLE t")
    real = plan.plan
    late = [("", 1, "x"), ("TENANT-2", -1, "x"), ("tenant-2", 9999, "x"), ("zzz", 0, "x"), ("tenant-0", 4001, "x")]

    def then_written(*given: Any, **options: Any) -> Any:
        made = real(*given, **options)
        assert len(made.tables[0].ranges) > 8
        verbs.fill(database, "t", late)
        return made

    monkeypatch.setattr(plan, "plan", then_written)
    assert verbs.backup("t")["rows"] == 4000 + len(late)


UNCUT = {
    "a key of the first letters": "a VARCHAR(30), f CHAR(60), PRIMARY KEY (a(8))",
    "an ENUM first": "a ENUM('x','y'), b INT, f CHAR(60), PRIMARY KEY (a, b)",
    "no key": "a VARCHAR(30), f CHAR(60)",
}


@pytest.mark.parametrize("name", UNCUT)
def test_where_the_index_has_no_ranges_a_table_stays_in_one(connection: Connection, name: str) -> None:
    execute(connection, f"CREATE TABLE t ({UNCUT[name]})")
    execute(
        connection,
        "INSERT INTO t (a) VALUES ('x'), ('y')" if "INT" not in UNCUT[name] else "INSERT INTO t VALUES (1,1,'')",
    )
    table = described(connection)
    assert key_ranges.in_ranges(connection, table, 10) == [Range()]


def test_only_the_columns_that_the_index_has_whole_and_in_one_direction_count(connection: Connection) -> None:
    execute(connection, "CREATE TABLE t (a INT, b VARCHAR(30), c INT, PRIMARY KEY (a, b(8), c))")
    assert described(connection).ordered_key == ("a",)
    assert described(connection).primary_key == ("a", "b", "c")
    if is_mariadb(connection):
        return  # older ones take DESC for ASC
    execute(connection, "DROP TABLE t")
    execute(connection, "CREATE TABLE t (a INT, b INT, c INT, PRIMARY KEY (a DESC, b DESC, c))")
    assert described(connection).ordered_key == ("a", "b")
