"""The cases with keys: a backup on two connections beside the same one on a single connection, by the table's key."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager

from benchmarks.common.place import Place
from benchmarks.common.series import Series, timed
from local.demo import sample
from local.demo.expect import check

Told = Callable[[str], None]

TABLE = "bench_keys"
_DIGITS = "(SELECT 0 n" + "".join(f" UNION ALL SELECT {digit}" for digit in range(1, 10)) + ")"
_REST = "amount DECIMAL(12,2), moment DATETIME, comment VARCHAR(190)"
_REST_OF = "n / 7, '2026-01-01' + INTERVAL n SECOND, REPEAT(SHA2(n, 256), 2)"
KEYS = {
    "a whole number": ("id INT, {}, PRIMARY KEY (id)", "n"),
    "UUIDs as text": ("id CHAR(36), {}, PRIMARY KEY (id)", "INSERT(LEFT(SHA2(n, 256), 32), 9, 0, '-')"),
    "a tenant, one of them most, and a number": ("tenant INT, id INT, {}, PRIMARY KEY (tenant, id)", "IF(n % 10, 7, n % 1000), n"),
}  # fmt: skip
"""By what a key is: the table, and the SELECT of its columns from numbers ``n``."""


def backups(two: Place, one: Place, database_url: str, rows: int, repeats: int, told: Told) -> Sequence[Series]:
    """A backup of so many rows of about 190 bytes on `two` connections and on `one`, of tables with each kind of key."""
    cases = []
    for key in KEYS:
        single = Series(f"backup, key of {key}, WORKERS=1", rows, short="WORKERS=1")
        double = Series(f"backup, key of {key}, WORKERS=2", rows, (single,))
        with filled(database_url, key, rows), two.client() as on_two, one.client() as on_one:
            for turn in range(repeats + 1):
                told(f"backup, key of {key}: {turn} of {repeats}")
                ways = [(double, on_two), (single, on_one)]
                for series, client in ways if turn % 2 == 0 else reversed(ways):
                    with timed(series.seconds):
                        made = client.job("/backups", {"tables": [TABLE]}, lambda *_: None)
                    check("rows in the backup", made["rows"], rows)
        double.without_first()
        single.without_first()
        cases.append(double)
    return cases


@contextmanager
def filled(database_url: str, key: str, rows: int) -> Iterator[None]:
    """A table with such a key and so many rows, for as long as the block lasts."""
    columns, selected = KEYS[key]
    with closing(sample.connect(database_url)) as connection, connection.cursor() as cursor:
        try:
            cursor.execute(f"DROP TABLE IF EXISTS {TABLE}")
            cursor.execute(f"CREATE TABLE {TABLE} ({columns.format(_REST)})")
            places = range(len(str(rows - 1)))
            number = " + ".join(f"d{place}.n * {10**place}" for place in places)
            numbers = f"SELECT {number} n FROM {', '.join(f'{_DIGITS} d{place}' for place in places)}"
            cursor.execute(f"INSERT INTO {TABLE} SELECT {selected}, {_REST_OF} FROM ({numbers}) t WHERE n < {rows}")
            connection.commit()
            cursor.execute(f"ANALYZE TABLE {TABLE}")
            cursor.fetchall()
            yield
        finally:
            cursor.execute(f"DROP TABLE IF EXISTS {TABLE}")
