"""Memory is bounded by the chunk, the workers and the longest row, as docs/performance.md says, not by the table."""

import os
import sys
from contextlib import closing

import pytest

from benchmarks.peers import tables
from local.demo import sample as demo_sample
from tests.effort import by_turns, in_ci, sample, thorough
from tests.support import memory_process, verbs
from tests.support.memory_process import Peak
from tests.support.parts import Database

MIB = 1024 * 1024
CHUNK, WORKERS = 4 * MIB, 2
LARGE = int(float(os.environ.get("MEMORY_TABLE_GB", "0.1")) * 1e9)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")


def both(monkeypatch: pytest.MonkeyPatch) -> tuple[Peak, Peak]:
    """The peaks of a backup of the table `t` and of a restore of it beside."""
    monkeypatch.setenv("WORKERS", str(WORKERS))
    monkeypatch.setenv("CHUNK_BYTES", str(CHUNK))
    made = "20260101T000000Z-00000000"
    return memory_process.run("backup", made), memory_process.run("restore", made)


@pytest.mark.timeout(3600)
@pytest.mark.usefixtures("bucket")
def test_memory_does_not_grow_with_the_table(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    row = 4000
    verbs.run(
        database,
        "CREATE TABLE t (id BIGINT PRIMARY KEY AUTO_INCREMENT, v TEXT, KEY k (v(20)))",
        f"INSERT INTO t (v) VALUES {', '.join(['(REPEAT(SHA2(RAND(), 256), 62))'] * 100)}",
        *["INSERT INTO t (v) SELECT CONCAT(LEFT(SHA2(RAND(), 256), 32), v) FROM t LIMIT 20000"] * 8,
    )
    while (rows := database.rows("SELECT COUNT(*) FROM t")[0][0]) * row < LARGE:
        verbs.run(
            database,
            f"INSERT INTO t (v) SELECT CONCAT(LEFT(SHA2(RAND(), 256), 32), RIGHT(v, 3900)) FROM t LIMIT {min(rows, 20_000)}",
        )
    made, restored = both(monkeypatch)
    assert made.work < WORKERS * 16 * CHUNK
    assert restored.work < WORKERS * 12 * CHUNK


@in_ci
@pytest.mark.usefixtures("bucket")
@pytest.mark.parametrize(
    ("table", "form", "most"),
    [
        (tables.BOOKINGS.scaled(0.5), "parquet", 16 * CHUNK),
        (tables.BOOKINGS.scaled(0.5), "csv", 12 * CHUNK),
        (tables.MIXED.scaled(0.5), "parquet", 16 * CHUNK),
        (tables.MIXED.scaled(0.5), "csv", 24 * CHUNK),
        (tables.BLOBS.scaled(0.1), "parquet", 16 * CHUNK + 16 * MIB + 32 * MIB),
        (tables.BLOBS.scaled(0.1), "csv", 12 * CHUNK + 16 * MIB + 32 * MIB),
    ],
    ids=lambda of: getattr(of, "name", None),
)
@sample(1)
def test_memory_by_what_is_in_the_table_and_becomes_of_it(
    database: Database, monkeypatch: pytest.MonkeyPatch, table: tables.Made, form: str, most: int
) -> None:
    monkeypatch.setenv("WORKERS", str(WORKERS))
    monkeypatch.setenv("CHUNK_BYTES", str(CHUNK))
    with closing(demo_sample.connect(database.url)) as connection:
        tables.build(connection, table)
    assert memory_process.run("backup", "20260101T000000Z-00000000", form, table.name).work < WORKERS * most


@pytest.mark.usefixtures("bucket")
@thorough
def test_memory_of_a_process_that_stays_warm(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKERS", str(WORKERS))
    monkeypatch.setenv("CHUNK_BYTES", str(CHUNK))
    table = tables.BOOKINGS.scaled(0.5)
    with closing(demo_sample.connect(database.url)) as connection:
        tables.build(connection, table)
    peak = memory_process.run("backup", "20260101T000000Z-00000000", "parquet", table.name, times=10)
    assert peak.work < WORKERS * 24 * CHUNK


@pytest.mark.usefixtures("bucket")
@by_turns
def test_memory_of_rows_of_20_megabytes(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    longest = 20_000_000
    verbs.run(database, "CREATE TABLE t (id INT PRIMARY KEY, v LONGBLOB)")
    for number in range(8):
        verbs.run(database, f"INSERT INTO t VALUES ({number}, REPEAT(UNHEX(SHA2(RAND(), 512)), {longest // 64}))")
    made, restored = both(monkeypatch)
    assert made.work < WORKERS * (16 * CHUNK + 16 * longest)
    assert restored.work < WORKERS * (12 * CHUNK + 16 * longest)
