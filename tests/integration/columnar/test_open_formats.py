"""A backup's Parquet, read by DuckDB and by pandas: numbers, dates, decimals and bytes are what they are, not text."""

import datetime as dt
from decimal import Decimal
from pathlib import Path

import duckdb
import pandas as pd
import pytest
from backports import zstd

from tableferry.columnar import formats
from tests.support import verbs
from tests.support.parts import Database
from tests.support.verbs import backup, objects

COLUMNS = {
    "tiny": ("TINYINT", "-128", "TINYINT", "int8", -128),
    "big": ("BIGINT UNSIGNED", "18446744073709551615", "UBIGINT", "uint64", 2**64 - 1),
    "price": ("DECIMAL(20,4)", "-1234567890123456.7890", "DECIMAL(20,4)", "object", Decimal("-1234567890123456.7890")),
    "ratio": ("FLOAT", "0.1", "DOUBLE", "float64", 0.10000000149011612),
    "exact": ("DOUBLE", "1e-300", "DOUBLE", "float64", 1e-300),
    "day": ("DATE", "'2021-02-28'", "DATE", "object", dt.date(2021, 2, 28)),
    "moment": ("DATETIME(6)", "'2021-02-28 01:02:03.000004'", "TIMESTAMP", "datetime64[us]", dt.datetime(2021, 2, 28, 1, 2, 3, 4)),
    "name": ("VARCHAR(20)", "'Ænd ☃'", "VARCHAR", "object", "Ænd ☃"),
    "raw": ("VARBINARY(4)", "x'00ff'", "BLOB", "object", b"\x00\xff"),
    "bits": ("BIT(64)", "18446744073709551615", "UBIGINT", "uint64", 2**64 - 1),
    "yr": ("YEAR", "2021", "SMALLINT", "int16", 2021),
}  # fmt: skip


@pytest.fixture
def file(database: Database, bucket: str, tmp_path: Path) -> Path:
    kinds = ", ".join(f"{name} {column[0]} NOT NULL" for name, column in COLUMNS.items())
    values = ", ".join(column[1] for column in COLUMNS.values())
    verbs.run(database, f"CREATE TABLE t ({kinds})", f"INSERT INTO t VALUES ({values})")
    [found] = objects(backup("t"))
    path = tmp_path / "t.parquet"
    path.write_bytes(verbs.store().get(found["key"])[0])
    return path


def test_duckdb_reads_each_type_as_such(file: Path) -> None:
    with duckdb.connect() as connection:
        described = connection.execute("DESCRIBE SELECT * FROM read_parquet(?)", [str(file)]).fetchall()
        [row] = connection.execute("SELECT * FROM read_parquet(?)", [str(file)]).fetchall()
    assert {name: kind for name, kind, *_ in described} == {name: column[2] for name, column in COLUMNS.items()}
    assert dict(zip(COLUMNS, row, strict=True)) == {name: column[4] for name, column in COLUMNS.items()}


def test_pandas_reads_each_type_as_such(file: Path) -> None:
    frame = pd.read_parquet(file, engine="pyarrow")
    kinds = {name: str(kind).replace("str", "object") for name, kind in frame.dtypes.items()}
    assert kinds == {name: column[3] for name, column in COLUMNS.items()}
    found = {name: frame[name].iloc[0] for name in COLUMNS}
    assert found == {name: column[4] for name, column in COLUMNS.items()}


def test_csv_compressed_by_zstandard_is_read_as_it_is(database: Database, bucket: str, tmp_path: Path) -> None:
    verbs.run(
        database,
        "CREATE TABLE t (id INT PRIMARY KEY, name VARCHAR(20), raw VARBINARY(4))",
        "INSERT INTO t VALUES (1, 'a \"b\",\n☃', x'00ff'), (2, NULL, NULL), (3, '', x'')",
    )
    [found] = objects(backup("t", form="csv"))
    path = tmp_path / Path(found["key"]).name
    path.write_bytes(verbs.store().get(found["key"])[0])
    rows = [(1, 'a "b",\n☃', "00ff"), (2, None, None), (3, "", "")]
    by_duckdb = duckdb.execute(f"SELECT * FROM read_csv('{path}', allow_quoted_nulls = false)").fetchall()
    assert by_duckdb == rows


def test_csv_that_was_not_compressed_yet_is_verified_and_restored(
    database: Database, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    verbs.run(
        database,
        "CREATE TABLE t (id INT PRIMARY KEY, name TEXT)",
        "INSERT INTO t VALUES (1, 'a \"b\",\n☃'), (2, NULL), (3, '')",
    )
    before = verbs.table(database, "t")
    compressed = formats.write
    with monkeypatch.context() as older:
        older.setattr(formats.Format, "suffix", property(lambda form: form.value))
        older.setattr(formats, "write", lambda *given: zstd.decompress(compressed(*given)))
        made = backup("t", form="csv")
    [file] = objects(made)
    assert file["key"].endswith(".csv")
    assert verbs.store().get(file["key"])[0].startswith(b'"id","name"\n')
    verbs.run(database, "DELETE FROM t")
    assert verbs.post(f"/backups/{made['id']}/verify").status == 201
    verbs.restore(made["id"])
    assert verbs.table(database, "t") == before
