"""The plain ways to do what Tableferry does, on one connection beside it: what a script would do, with no checks at all."""

import csv
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import islice
from pathlib import Path

from pymysql.cursors import SSCursor

from benchmarks.common import server
from local.demo import sample
from local.demo.expect import check
from local.demo.sample import SOURCES, Connection

TABLE = "hired_employees"
BATCH = 1_000


class Plain:
    """A connection to the benchmark's database, whose tables it makes; raises StartError if it is somebody else's."""

    def __init__(self, database_url: str) -> None:
        self._url = database_url
        self._connection = sample.connect(database_url, local_infile=True)
        server.claim(self._connection)
        self.server = server.described(self._connection)
        with self._connection.cursor() as cursor:
            for table in ("departments", "jobs"):
                with (SOURCES / f"{table}.csv").open(encoding="utf-8", newline="") as file:
                    cursor.executemany(f"INSERT INTO {table} VALUES (%s, %s)", list(csv.reader(file)))

    def close(self) -> None:
        """Leave the database as it was found: without rows."""
        with self._connection.cursor() as cursor:
            for statement in (f"TRUNCATE TABLE {TABLE}", "DELETE FROM departments", "DELETE FROM jobs"):
                cursor.execute(statement)
        self._connection.close()

    def empty(self) -> None:
        """No employees."""
        with self._connection.cursor() as cursor:
            cursor.execute(f"TRUNCATE TABLE {TABLE}")

    def insert(self, rows: Sequence[Sequence[str]]) -> None:
        """`executemany` in one transaction."""
        values = [(*row[:2], row[2].replace("T", " ").rstrip("Z"), *row[3:]) for row in rows]
        self._connection.begin()
        with self._connection.cursor() as cursor:
            cursor.executemany(f"INSERT INTO {TABLE} VALUES (%s, %s, %s, %s, %s)", values)
        self._connection.commit()

    def insert_file(self, file: Path) -> None:
        """A file read by `csv`, with `executemany` and a commit for each batch."""
        with file.open(encoding="utf-8", newline="") as lines:
            rows = csv.reader(lines)
            while batch := list(islice(rows, BATCH)):
                self.insert(batch)

    def load(self, file: Path, rows: int) -> None:
        """`LOAD DATA LOCAL INFILE` of a file with so many good rows, in one statement."""
        check("rows of LOAD DATA", _load_data(self._connection, file), rows)

    def load_at_once(self, files: Sequence[Path], rows: int) -> None:
        """`LOAD DATA LOCAL INFILE` of files, each on a connection of its own, with so many good rows in all."""

        def load(file: Path) -> int:
            with closing(sample.connect(self._url, local_infile=True)) as connection:
                return _load_data(connection, file)

        with ThreadPoolExecutor(len(files)) as pool:
            check("rows of LOAD DATA", sum(pool.map(load, files)), rows)

    def write(self, file: Path) -> None:
        """A SELECT, unbuffered, into a CSV file."""
        with file.open("w", encoding="utf-8", newline="") as out, self._connection.cursor(SSCursor) as cursor:
            cursor.execute(f"SELECT * FROM {TABLE}")
            csv.writer(out, lineterminator="\n").writerows(cursor)


def _load_data(connection: Connection, file: Path) -> int:
    """One LOAD DATA of a file; how many rows went in."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"LOAD DATA LOCAL INFILE %s INTO TABLE {TABLE} CHARACTER SET utf8mb4 FIELDS TERMINATED BY ','"
            " OPTIONALLY ENCLOSED BY '\"' ESCAPED BY '' LINES TERMINATED BY '\\n'"
            " (id, name, @hired, department_id, job_id) SET `datetime` = REPLACE(REPLACE(@hired, 'T', ' '), 'Z', '')",
            (str(file),),
        )
        return int(cursor.rowcount)
