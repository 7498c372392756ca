"""What the tests of backup and restore do and look at, in the words they use."""

import contextlib
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from types import SimpleNamespace
from typing import Any, cast

import boto3
import pytest
from pymysql.cursors import Cursor

from functions.backup.app import handler as backup_handler
from functions.restore.app import handler as restore_handler
from local.demo.sample import SOURCES
from local.runtime.database import split_statements
from tableferry.backup import backup as backup_module
from tableferry.backup import finish, plan
from tableferry.columnar.formats import Format
from tableferry.config.settings import Settings
from tableferry.ids import new_id
from tableferry.ledger import facts
from tableferry.manifest import manifest
from tableferry.mysql.database import Database as Source
from tableferry.mysql.identifiers import quote
from tableferry.signing import Keys
from tableferry.storage.bucket import Store, open_store
from tests.support.lambdas import Answer, Json, request
from tests.support.parts import Database

TO_THE_BIT = "SET SESSION sql_mode = 'NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES', time_zone = '+00:00'"
SAMPLE = ("departments", "hired_employees", "jobs")

_COUNTER = re.compile(r"(\n\).*?) AUTO_INCREMENT=\d+", re.DOTALL)
_BASE_TABLES = "SHOW FULL TABLES WHERE Table_type = 'BASE TABLE'"
_TRIGGERS = (
    "SELECT trigger_name, action_timing, event_manipulation, action_statement, definer, sql_mode FROM"
    " information_schema.triggers WHERE event_object_schema = DATABASE() AND event_object_table = %s ORDER BY 1"
)


def post(path: str, body: object = None, **headers: str) -> Answer:
    """A POST to the function whose route it is."""
    return request(_function(path), "POST", path, body=body, headers=headers)


def get(path: str) -> Answer:
    return request(_function(path), "GET", path)


def backup(*tables: str, form: str = "parquet") -> Json:
    """A backup of the tables, or of all, that has to work."""
    return _made(post("/backups", {"tables": list(tables) or None, "format": form}))


def old_backup(days: float, *tables: str) -> str:
    """The id of a backup as one that was made so many days ago; its objects are of now."""
    settings = Settings.from_env()
    made = datetime.now(UTC) - timedelta(days=days)
    with pytest.MonkeyPatch.context() as patched:
        for module in (plan, finish):
            patched.setattr(module, "datetime", SimpleNamespace(now=lambda _: made))
        return backup_module.backup(
            Source(settings.database),
            store(),
            new_id(made),
            list(tables) or None,
            Format.PARQUET,
            lock_days=settings.lock_days,
        ).id


def newest_id() -> str:
    """The id of the newest backup, of whatever database and by whomever it was signed."""
    return next(manifest.ids(store()))


def restore(backup_id: str = "latest", **wanted: object) -> Json:
    """A restore that has to work."""
    return _made(post("/restores", {"backup": backup_id, **wanted}))


def manifest_of(backup_id: str) -> Json:
    return cast("Json", get(f"/backups/{backup_id}").json["manifest"])


def objects(made: Json, table: str | None = None) -> list[Json]:
    """The manifest's entries of a backup's files, in their order."""
    return [
        file
        for entry in manifest_of(made["id"])["tables"]
        if table in (None, entry["name"])
        for chunk in entry["chunks"]
        for file in chunk["objects"]
    ]


def store() -> Store:
    """The bucket of now, at the address of now."""
    settings = Settings.from_env()
    return _store(settings.bucket, os.environ["AWS_ENDPOINT_URL_S3"], settings.signing_keys)


def content(key: str) -> Any:
    """A JSON object of the bucket, parsed."""
    return json.loads(store().get(key)[0])


@lru_cache(maxsize=1)
def _store(bucket: str, _address: str, keys: Keys) -> Store:
    return open_store(bucket, keys)  # which takes as long as to read an object


def remove(key: str) -> None:
    """Take an object out of the bucket, which Tableferry itself never does."""
    boto3.client("s3").delete_object(Bucket=store().bucket, Key=key)


def load_sample(database: Database, employees: int = 40) -> None:
    """The sample's tables, with a few departments, jobs and employees in them."""
    hired = "2021-05-06 07:08:09"
    rows = [(number, f"O'Neill, {number}", hired, number % 5 + 1, number % 7 + 1) for number in range(1, employees + 1)]
    run(database, *split_statements((SOURCES / "schema.sql").read_text(encoding="utf-8")))
    fill(database, "departments", [(number, f"Department {number}") for number in range(1, 6)])
    fill(database, "jobs", [(number, f"Job {number}") for number in range(1, 8)])
    fill(database, "hired_employees", rows)


@contextlib.contextmanager
def cursor(database: Database) -> Iterator[Cursor]:
    """A cursor of a connection that lets in all that a table can hold."""
    with contextlib.closing(database.connect()) as connection, connection.cursor() as opened:
        opened.execute(TO_THE_BIT)
        yield opened


def run(database: Database, *statements: str) -> None:
    with cursor(database) as opened:
        for statement in statements:
            opened.execute(statement)


def rows(database: Database, query: str, *values: object) -> list[tuple[Any, ...]]:
    with cursor(database) as opened:
        return _rows(opened, query, *values)


def fill(database: Database, table: str, given: Sequence[tuple[object, ...]], columns: str = "") -> None:
    marks = ", ".join(["%s"] * len(given[0]))
    with cursor(database) as opened:
        opened.executemany(f"INSERT INTO {quote(table)} {columns} VALUES ({marks})", given)


@dataclass(frozen=True)
class TableState:
    """What a table is and holds."""

    checksum: object
    definition: str
    triggers: tuple[Any, ...]


@dataclass(frozen=True)
class Picture:
    """All of a database that a restore which fails must leave as it is."""

    tables: Mapping[str, TableState]
    schemas: frozenset[str]


def picture(database: Database) -> Picture:
    """Checksum, definition and triggers of every table but that of epochs, and the schemas that are Tableferry's own."""
    with cursor(database) as opened:
        names = [name for name, _ in _rows(opened, _BASE_TABLES) if name != facts.TABLE]
        tables = {name: _table(opened, name) for name in names}
        own = frozenset(name for (name,) in _rows(opened, "SHOW DATABASES") if name.startswith("tableferry_"))
    return Picture(tables, own)


def table(database: Database, name: str) -> TableState:
    """Checksum, definition (less the counter, which moves with every row) and triggers."""
    with cursor(database) as opened:
        return _table(opened, name)


def schemas(database: Database) -> frozenset[str]:
    return picture(database).schemas


def numbers(database: Database, name: str, column: str = "id") -> list[Any]:
    """The values of a column, in their order."""
    return [value for (value,) in rows(database, f"SELECT {quote(column)} FROM {quote(name)} ORDER BY 1")]


def _table(opened: Cursor, name: str) -> TableState:
    return TableState(
        _rows(opened, f"CHECKSUM TABLE {quote(name)}")[0][1],
        _COUNTER.sub(r"\1", _rows(opened, f"SHOW CREATE TABLE {quote(name)}")[0][1]),
        tuple(_rows(opened, _TRIGGERS, name)),
    )


def _rows(opened: Cursor, query: str, *values: object) -> list[tuple[Any, ...]]:
    opened.execute(query, values or None)
    return list(opened.fetchall())


@contextlib.contextmanager
def unchanged(database: Database) -> Iterator[None]:
    """Nothing in the database is to differ after the block."""
    before = picture(database)
    yield
    assert picture(database) == before


def _function(path: str) -> Any:
    return restore_handler if path.startswith("/restores") else backup_handler


def _made(answer: Answer) -> Json:
    assert answer.status == 201, f"{answer.status}: {answer.text}"
    return cast("Json", answer.json)
