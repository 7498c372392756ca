"""Our backup and our restore, by the package's own functions."""

from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

from local.demo import sample
from tableferry.backup.backup import backup
from tableferry.columnar.formats import Format
from tableferry.config.settings import parse_database_url
from tableferry.ids import new_id
from tableferry.manifest import manifest
from tableferry.mysql.database import Database
from tableferry.restore.restore import accept, plan, restore
from tableferry.signing import Keys
from tableferry.storage.bucket import Store, open_store

_KEYS = Keys.parse("a key of the benchmark's own")
Measure = Callable[[Callable[[], Any]], Any]


class NullStore(Store):
    """Takes what a backup writes, counts it and forgets it: a backup without what the S3 beside it takes."""

    def __init__(self) -> None:
        self.objects = self.bytes = 0
        self.keys = _KEYS

    def put(self, key: str, body: bytes, content_type: str = "application/json", **conditions: Any) -> str:  # noqa: ARG002 - as a bucket is
        """Count an object; as S3 would, hand out a name for what was written."""
        self.objects += 1
        self.bytes += len(body)
        return f'"{self.objects}"'


def back_up(url: str, measure: Measure, *, table: str, form: str, workers: int, bucket: str = "") -> dict[str, Any]:
    """A backup of a table into a bucket, or, without one, into nothing: its id, rows and bytes."""
    database, backup_id = Database(parse_database_url(url)), new_id(datetime.now(UTC))
    store = open_store(bucket, _KEYS) if bucket else NullStore()
    done = measure(lambda: backup(database, store, backup_id, [table], Format(form), workers=workers))
    return {"id": backup_id, "rows": done.rows, "size": done.bytes}


def bring_back(url: str, measure: Measure, *, backup_id: str, into: str, workers: int, bucket: str) -> dict[str, Any]:
    """A restore of a backup's one table, verified, under another name; then what is kept and the table itself go.

    Reading the manifest is part of it.
    """
    database, store, restore_id = (
        Database(parse_database_url(url)),
        open_store(bucket, _KEYS),
        new_id(datetime.now(UTC)),
    )

    def bring() -> int:
        source = manifest.read(store, backup_id, _KEYS)
        [table] = source.tables
        items = plan(source, None, {table.name: into})
        return sum(one.rows for one in restore(database, store, restore_id, source, items, workers=workers).tables)

    rows = measure(bring)
    accept(database, store, restore_id)
    with closing(sample.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT COUNT(*) FROM `{into}`")
        [(found,)] = cursor.fetchall()
        cursor.execute(f"DROP TABLE `{into}`")
    return {"rows": found if found == rows else -1}
