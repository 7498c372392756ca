"""Keeps what the S3 emulator holds in a folder: a file for each body, and one SQLite database that says what each is.

A body is written to a file of a new name, and becomes an object when the transaction that names it commits. So whoever
is killed in between leaves a file that nobody names, which the next start removes, and never half an object. Nothing is
synced to the disk at each request: what is kept outlives the death of any process, while a power cut may take the last
seconds, as it may those of the embedded database.

Knows nothing of the emulator. Standard library only. For one process, and one thread at a time.
"""

import contextlib
import json
import mmap
import os
import sqlite3
import uuid
import weakref
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

Json = dict[str, Any]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS bucket (account TEXT, name TEXT, config TEXT, PRIMARY KEY (account, name)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS version (
    place INTEGER PRIMARY KEY AUTOINCREMENT, account TEXT, bucket TEXT, key TEXT, id TEXT, file TEXT, entry TEXT,
    UNIQUE (account, bucket, key, id));
CREATE TABLE IF NOT EXISTS mark (
    account TEXT, bucket TEXT, key TEXT, id TEXT, kind TEXT, value TEXT,
    PRIMARY KEY (account, bucket, key, id, kind)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS queue (id TEXT PRIMARY KEY, config TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS message (
    place INTEGER PRIMARY KEY AUTOINCREMENT, queue TEXT, id TEXT, content TEXT, UNIQUE (queue, id));
"""


class Damaged(OSError):
    """A body is not there, or not as long as it was: a power cut, or somebody else's hand."""


class Key(NamedTuple):
    """An object's name, in the account that it belongs to."""

    account: str
    bucket: str
    key: str


@dataclass(frozen=True)
class Body:
    """The bytes of an object, in a file; memory: none until it is opened, then what the system caches of the file."""

    path: Path
    size: int

    def open(self) -> "mmap.mmap | bytes":
        """The bytes, to be read and sliced; they stay readable when the file is removed meanwhile. Raises Damaged."""
        try:
            with self.path.open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                if size != self.size:
                    raise Damaged(f"{self.path} has {size} bytes and should have {self.size}")
                return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if size else b""
        except FileNotFoundError:
            raise Damaged(f"{self.path} is gone") from None


class Version(NamedTuple):
    """One version of an object as it was kept: its id, what is known of it, and its bytes if it has any."""

    id: str
    entry: Json
    body: Body | None


class Files:
    """A folder of objects and messages; made if it is not there."""

    def __init__(self, folder: Path) -> None:
        self._bodies = folder / "bodies"
        for one in (folder, self._bodies):
            one.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._base = sqlite3.connect(folder / "objects.db", isolation_level=None, check_same_thread=False)
        for pragma in ("locking_mode = EXCLUSIVE", "journal_mode = WAL", "synchronous = NORMAL"):
            self._base.execute(f"PRAGMA {pragma}")
        self._base.executescript(_SCHEMA)
        self._gone: list[Path] = []
        self._remove_strays()

    def close(self) -> None:
        self._base.close()

    # Bodies

    def write(self, data: "bytes | mmap.mmap") -> Body:
        """Write a body; it lasts once a transaction names it."""
        name = uuid.uuid4().hex
        path = self._bodies / name[:2] / name
        path.parent.mkdir(exist_ok=True)
        try:
            path.write_bytes(data)
        except OSError:
            path.unlink(missing_ok=True)
            raise
        return Body(path, len(data))

    def write_temporary(self, data: "bytes | mmap.mmap") -> Body:
        """Write a body whose file goes when nobody refers to it any more: a part of an upload."""
        body = self.write(data)
        weakref.finalize(body, body.path.unlink, missing_ok=True)
        return body

    # Changes: all of a block, or none

    @contextlib.contextmanager
    def changing(self) -> Iterator[None]:
        """Keep what the block does, as a whole, when it ends; nothing of it if it raises."""
        self._base.execute("BEGIN")
        try:
            yield
            self._base.execute("COMMIT")
        except BaseException:
            if self._base.in_transaction:
                self._base.execute("ROLLBACK")
            self._gone.clear()
            raise
        for path in self._gone:
            path.unlink(missing_ok=True)
        self._gone.clear()

    def put_bucket(self, account: str, name: str, config: Mapping[str, Any]) -> None:
        self._base.execute("REPLACE INTO bucket VALUES (?, ?, ?)", (account, name, json.dumps(config)))

    def remove_bucket(self, account: str, name: str) -> None:
        self._base.execute("DELETE FROM bucket WHERE account = ? AND name = ?", (account, name))

    def add_version(self, key: Key, version: Version) -> None:
        """Keep a version as the newest of its key."""
        file = version.body.path.name if version.body else None
        self._base.execute(
            "INSERT INTO version (account, bucket, key, id, file, entry) VALUES (?, ?, ?, ?, ?, ?)",
            (*key, version.id, file, json.dumps(version.entry)),
        )

    def remove_version(self, key: Key, version: str) -> None:
        """Let go of a version, with its marks and, when all is committed, its bytes."""
        place = (*key, version)
        found = self._base.execute(
            "SELECT file FROM version WHERE account = ? AND bucket = ? AND key = ? AND id = ?", place
        ).fetchone()
        self._base.execute("DELETE FROM version WHERE account = ? AND bucket = ? AND key = ? AND id = ?", place)
        self._base.execute("DELETE FROM mark WHERE account = ? AND bucket = ? AND key = ? AND id = ?", place)
        if found and found[0]:
            self._gone.append(self._path(found[0]))

    def put_marks(self, key: Key, version: str, marks: Mapping[str, Any]) -> None:
        """Keep what was said of a version beside it (tags, a retention …), in place of what was."""
        self._base.execute("DELETE FROM mark WHERE account = ? AND bucket = ? AND key = ? AND id = ?", (*key, version))
        rows = [(*key, version, kind, json.dumps(value)) for kind, value in marks.items()]
        self._base.executemany("INSERT INTO mark VALUES (?, ?, ?, ?, ?, ?)", rows)

    def put_queue(self, queue: str, config: Mapping[str, Any]) -> None:
        self._base.execute("REPLACE INTO queue VALUES (?, ?)", (queue, json.dumps(config)))

    def remove_queue(self, queue: str) -> None:
        self._base.execute("DELETE FROM queue WHERE id = ?", (queue,))
        self._base.execute("DELETE FROM message WHERE queue = ?", (queue,))

    def add_message(self, queue: str, message: str, content: Mapping[str, Any]) -> None:
        self._base.execute(
            "INSERT INTO message (queue, id, content) VALUES (?, ?, ?)", (queue, message, json.dumps(content))
        )

    def remove_message(self, queue: str, message: str) -> None:
        self._base.execute("DELETE FROM message WHERE queue = ? AND id = ?", (queue, message))

    def remove_all(self) -> None:
        """Let go of everything."""
        rows = self._base.execute("SELECT file FROM version WHERE file IS NOT NULL")
        self._gone += [self._path(name) for (name,) in rows]
        self._base.execute("DELETE FROM bucket")
        self._base.execute("DELETE FROM version")
        self._base.execute("DELETE FROM mark")
        self._base.execute("DELETE FROM queue")
        self._base.execute("DELETE FROM message")

    # What is there

    def buckets(self) -> Iterator[tuple[str, str, Json]]:
        """Account, name and configuration of each bucket."""
        for account, name, config in self._base.execute("SELECT account, name, config FROM bucket"):
            yield account, name, json.loads(config)

    def versions(self) -> Iterator[tuple[Key, Version]]:
        """Every version of every object, those of one key from the oldest to the newest."""
        rows = self._base.execute("SELECT account, bucket, key, id, file, entry FROM version ORDER BY place")
        for account, bucket, key, version, file, entry in rows:
            known = json.loads(entry)
            body = Body(self._path(file), known["size"]) if file else None
            yield Key(account, bucket, key), Version(version, known, body)

    def marks(self) -> Iterator[tuple[Key, str, str, Any]]:
        """What is said of versions: key, version, kind and value."""
        rows = self._base.execute("SELECT account, bucket, key, id, kind, value FROM mark")
        for account, bucket, key, version, kind, value in rows:
            yield Key(account, bucket, key), version, kind, json.loads(value)

    def queues(self) -> Iterator[tuple[str, Json, list[Json]]]:
        """Each queue with its configuration and its messages, the oldest first."""
        for queue, config in self._base.execute("SELECT id, config FROM queue").fetchall():
            rows = self._base.execute("SELECT content FROM message WHERE queue = ? ORDER BY place", (queue,))
            yield queue, json.loads(config), [json.loads(content) for (content,) in rows]

    def _path(self, name: str) -> Path:
        return self._bodies / name[:2] / name

    def _remove_strays(self) -> None:
        """Remove the files that no transaction named: those of a writer that was killed, and parts of uploads."""
        named = {name for (name,) in self._base.execute("SELECT file FROM version WHERE file IS NOT NULL")}
        for path in self._bodies.glob("*/*"):
            if path.name not in named:
                path.unlink()
