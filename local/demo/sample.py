"""The demo's tables: made where they are missing, emptied only of what the demo itself put there, and damaged.

The accident that befalls a user happens in SQL, so this part of the demo speaks SQL; nothing else of it does.
"""

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pymysql
from pymysql.connections import Connection as _Connection

from local.demo.expect import Unexpected
from local.runtime.database import split_statements
from tableferry.config.settings import parse_database_url

if TYPE_CHECKING:
    Connection = _Connection[Any]
else:  # generic in its stubs only
    Connection = _Connection
Row = tuple[str, ...]

SOURCES = Path(__file__).parents[2] / "sources"
COLUMNS = {  # in the order in which rows can go in
    "departments": ("id", "department"),
    "jobs": ("id", "job"),
    "hired_employees": ("id", "name", "datetime", "department_id", "job_id"),
}
DAMAGED_NAME = "overwritten by the demo"


@dataclass(frozen=True, slots=True)
class Sample:
    """The rows of the three files."""

    rows: dict[str, list[Row]]

    @classmethod
    def read(cls, folder: Path = SOURCES) -> Self:
        def rows(table: str) -> list[Row]:
            with (folder / f"{table}.csv").open(encoding="utf-8", newline="") as file:
                return [tuple(row) for row in csv.reader(file)]

        return cls({table: rows(table) for table in COLUMNS})

    def complete(self, table: str) -> list[Row]:
        """The rows that can go in."""
        return [row for row in self.rows[table] if all(row)]

    def missing(self, table: str) -> Counter[str]:
        """How many rows lack which column."""
        return Counter(COLUMNS[table][row.index("")] for row in self.rows[table] if "" in row)


def connect(url: str, local_infile: bool = False) -> Connection:
    """A connection as any client of the user's would have it, in autocommit."""
    address = parse_database_url(url)
    return pymysql.connect(
        host=address.host, port=address.port, user=address.user, password=address.password or "",
        database=address.name, charset="utf8mb4", autocommit=True, connect_timeout=5,
        local_infile=local_infile,
    )  # fmt: skip


def prepare(connection: Connection, sample: Sample) -> int:
    """Make the tables where they are missing, and empty them; how many rows went.

    Raises:
        Unexpected: one of the tables is not the demo's alone: other columns, a row that is not the sample's, a trigger,
            or a foreign key from elsewhere. Nothing has been changed then but that missing tables were made.
    """
    with connection.cursor() as cursor:
        for statement in split_statements((SOURCES / "schema.sql").read_text(encoding="utf-8")):
            cursor.execute(statement)
    connection.begin()
    try:
        _refuse_what_is_attached(connection)
        for table in COLUMNS:
            _refuse_rows_of_others(connection, sample, table)
        with connection.cursor() as cursor:
            gone = sum(int(cursor.execute(f"DELETE FROM `{table}`")) for table in reversed(COLUMNS))
    except BaseException:
        connection.rollback()
        raise
    connection.commit()
    return gone


def damage(connection: Connection) -> tuple[int, int]:
    """The accident: a third of the employees is deleted, another third overwritten; how many of each."""
    with connection.cursor() as cursor:
        deleted = cursor.execute("DELETE FROM hired_employees WHERE MOD(id, 3) = 0")
        updated = cursor.execute("UPDATE hired_employees SET name = %s WHERE MOD(id, 3) = 1", (DAMAGED_NAME,))
    return deleted, updated


def rows_and_damaged(connection: Connection) -> tuple[int, int]:
    """How many employees there are now, and how many of them are overwritten."""
    found = _select(connection, "SELECT COUNT(*), COUNT(NULLIF(name = %s, 0)) FROM hired_employees", (DAMAGED_NAME,))
    return int(found[0][0]), int(found[0][1])


def _refuse_what_is_attached(connection: Connection) -> None:
    names = ", ".join(["%s"] * len(COLUMNS))
    pointing = _select(
        connection,
        "SELECT DISTINCT table_schema, table_name FROM information_schema.key_column_usage"
        f" WHERE referenced_table_schema = DATABASE() AND referenced_table_name IN ({names})"
        f" AND NOT (table_schema = DATABASE() AND table_name IN ({names}))",
        (*COLUMNS, *COLUMNS),
    )
    for schema, table in pointing:
        kept = (
            " (kept by an earlier restore: undo or accept it, see GET /restores)"
            if schema.startswith("tableferry_")
            else ""
        )
        raise _refusal(f"a foreign key of `{schema}`.`{table}` points at one of its tables{kept}")
    triggers = _select(
        connection,
        "SELECT event_object_table, trigger_name FROM information_schema.triggers"
        f" WHERE event_object_schema = DATABASE() AND event_object_table IN ({names})",
        tuple(COLUMNS),
    )
    for table, trigger in triggers:
        raise _refusal(f"{table} has the trigger {trigger}")


def _refuse_rows_of_others(connection: Connection, sample: Sample, table: str) -> None:
    columns = [
        column
        for (column,) in _select(
            connection,
            "SELECT column_name FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = %s"
            " ORDER BY ordinal_position",
            (table,),
        )
    ]
    if columns != list(COLUMNS[table]):
        raise _refusal(f"{table} has the columns {', '.join(columns)} in place of {', '.join(COLUMNS[table])}")
    ours = set(sample.rows[table])
    numbers = {row[0] for row in ours}
    # One row more than the sample has is enough to know, however large the table is; and FOR UPDATE lets no row come
    # between this look and the DELETE.
    for found in _select(connection, f"SELECT * FROM `{table}` LIMIT {len(ours) + 1} FOR UPDATE"):
        row = tuple(_text(value) for value in found)
        if row not in ours and not (row[0] in numbers and row[1] == DAMAGED_NAME):
            raise _refusal(f"{table} has a row that is not the sample's (id {row[0]})")


def _refusal(why: str) -> Unexpected:
    return Unexpected(
        f"The demo empties and damages its tables, and it touches nothing that is not its own: {why}. "
        "Expected the sample's rows or none: take the others away yourself, or give it another database with DATABASE_URL."
    )


def _select(connection: Connection, sql: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, tuple(values) or None)
        return list(cursor.fetchall())


def _text(value: object) -> str:
    return value.strftime("%Y-%m-%dT%H:%M:%SZ") if isinstance(value, datetime) else str(value)
