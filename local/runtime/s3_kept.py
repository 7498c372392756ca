"""Makes the S3 emulator keep what it is given: MiniStack's S3 and queues, in memory as ever, with `s3_files` beside.

MiniStack handles one request after the other. After each that may have changed something, and before it is answered,
all that it changed is kept in one transaction, with the events that came of it. Where that fails (the disk is full,
say), all is put back to what was kept before, and the answer is an error. Bodies live in files alone: a read takes from
them what was asked for, and parts of an upload are files until they are joined. Uploads in parts that were not
completed are given up when the emulator ends.

Runs in MiniStack's own environment and reaches into its modules, so it takes the one version that it was written for.
Why not by MiniStack's `S3_PERSIST`: docs/local.md.
"""

import json
import logging
import mmap
import sqlite3
import threading
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import Any

from ministack import app
from ministack.core.persistence import _json_default
from ministack.core.responses import get_account_id
from ministack.services import s3, sqs

from local.runtime.s3_files import Body, Damaged, Files, Json, Key, Version
from local.runtime.s3_memory import (
    MARKS,
    UNVERSIONED,
    current_of,
    marked,
    parts_of,
    queue_id,
    restore_bucket,
    restore_current,
    restore_queue,
    sign,
)

WRITTEN_FOR = "1.5.33"
SENT = 256 * 1024  # bytes of a body that are in memory at once while it is sent

_ERRORS = (OSError, sqlite3.Error, ValueError, TypeError)

log = logging.getLogger("kept")


class WrongVersion(Exception):
    """The emulator that is installed is not the one that this was written for."""


class Kept:
    """The emulator's state and its copy in files. ``graft`` puts it in place; nothing else is to be called from outside."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._lock = threading.RLock()  # a reset comes from a thread of its own
        self._reading = False
        self._changed: set[Key] = set()
        self._versions: dict[Key, dict[str, Any]] = {}  # of each key: its versions that are kept, and by which sign
        self._buckets: dict[tuple[str, str], Json] = {}
        self._queues: dict[str, Json] = {}
        self._messages: dict[str, set[str]] = {}

    def graft(self) -> None:
        """Fill the emulator with what is kept, and have it keep all that comes. Raises WrongVersion."""
        if (found := app._version().removeprefix("v")) not in {WRITTEN_FOR, "dev"}:  # an image may not say
            raise WrongVersion(f"MiniStack {WRITTEN_FOR} is wanted and {found} is here: run `make setup`")
        self.load()
        s3._dispatch = self._around_s3(s3._dispatch)
        sqs._dispatch = self._around_sqs(sqs._dispatch)
        app._send_response = _sending(app._send_response)
        app._reset_all_state = self._around_reset(app._reset_all_state)
        s3._read_body = lambda _bucket, _key, record: self._opened(record.get("body")) or b""
        s3._version_body = lambda _bucket, _name, _key, entry: self._opened(entry.get("data"))
        s3._fire_s3_event_async = _fire
        s3._record_object_version = self._noting(s3._record_object_version)
        # What its own way to keep things calls wherever a key has changed otherwise; without S3_PERSIST it does no more.
        for name in ("_persist_delete_marker", "_persist_displaced_version", "_persist_version_state"):
            setattr(s3, name, self._noting(getattr(s3, name)))
        for name in ("_delete_persisted_object", "_delete_version_file"):
            setattr(s3, name, self._noting(getattr(s3, name)))

    def load(self) -> None:
        """Make memory what the files say."""
        for store in (s3._buckets, s3._object_versions, *MARKS.values(), *s3._PERSISTED_BUCKET_DICTS.values()):
            store.clear()
        sqs._queues.clear()
        for known in (self._versions, self._buckets, self._queues, self._messages):
            known.clear()
        self._changed.clear()
        for account, name, config in self._files.buckets():
            self._buckets[account, name] = config
            restore_bucket(account, name, config)
        for key, kept in self._files.versions():
            self._versions.setdefault(key, {})[kept.id] = sign(kept.entry, kept.body)
            if kept.id == UNVERSIONED:
                s3._buckets._data[key.account, key.bucket]["objects"][key.key] = {**kept.entry, "body": kept.body}
            else:
                versions = s3._object_versions._data.setdefault((key.account, (key.bucket, key.key)), [])
                versions.append({**kept.entry, "data": kept.body})
        for scoped, versions in s3._object_versions._data.items():
            account, (bucket, name) = scoped
            restore_current(account, bucket, name, versions)
        for key, kept_id, kind, value in self._files.marks():
            MARKS[kind]._data[key.account, (key.bucket, key.key, marked(kept_id))] = value
        for queue, config, messages in self._files.queues():
            self._queues[queue], self._messages[queue] = config, {message["id"] for message in messages}
            restore_queue(queue, config, messages)
        sqs._queue_name_to_url.clear()
        sqs._rebuild_queue_name_index()

    # Around the emulator's functions

    def _around_s3(self, dispatch: Callable[..., Any]) -> Callable[..., Any]:
        def kept(method: str, bucket: str, key: str, headers: Json, body: bytes, query: Json) -> Any:
            if method in {"GET", "HEAD"}:
                self._reading = True
                try:
                    return dispatch(method, bucket, key, headers, body, query)
                except Damaged as error:
                    log.error("%s/%s cannot be read: %s", bucket, key, error)
                    return s3._error("InternalError", "The object is damaged; see the log.", 500)
                finally:
                    self._reading = False
            with self._lock:
                parts = parts_of(query)
                for part in parts if method == "POST" else ():
                    part["body"] = self._opened(part["body"], whole=False)
                answer = dispatch(method, bucket, key, headers, body, query)
                try:
                    for part in parts_of(query):
                        if not isinstance(part["body"], Body):
                            part["body"] = self._files.write_temporary(part["body"])
                    if key:
                        self._changed.add(Key(get_account_id(), bucket, key))
                    self._keep(bucket if not key else None, everything=bool(query))
                except _ERRORS:
                    self._failed()
                    return s3._error("InternalError", "It could not be kept; see the log.", 500)
                return answer

        return kept

    def _around_sqs(self, dispatch: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def kept(action: str, data: Json, url: str) -> Any:
            answer = await dispatch(action, data, url)
            with self._lock:
                try:
                    self._keep()
                except _ERRORS:
                    self._failed()
                    raise sqs._Err("InternalError", "It could not be kept; see the log.", 500) from None
            return answer

        return kept

    def _around_reset(self, reset: Callable[[], None]) -> Callable[[], None]:
        def kept() -> None:
            with self._lock:
                with self._files.changing():
                    self._files.remove_all()
                reset()
                self.load()

        return kept

    def _failed(self) -> None:
        log.exception("not kept, and so undone")
        self.load()

    def _noting(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def noted(bucket: str, key: str, *arguments: Any, **named: Any) -> Any:
            self._changed.add(Key(get_account_id(), bucket, key))
            return function(bucket, key, *arguments, **named)

        return noted

    def _opened(self, body: Any, whole: bool | None = None) -> Any:
        """A body's bytes. While something is read, and where not the ``whole`` is wanted, in the file; else in memory."""
        if not isinstance(body, Body):
            return body
        opened = body.open()
        return bytes(opened) if (not self._reading if whole is None else whole) else opened

    # What has changed, into files

    def _keep(self, bucket: str | None = None, everything: bool = False) -> None:
        changes: list[Callable[[], None]] = []
        if bucket:
            changes += self._bucket_changes(get_account_id(), bucket)
        for key in self._changed:
            changes += self._key_changes(key, everything)
        changes += self._queue_changes()
        if changes:
            with self._files.changing():
                for change in changes:
                    change()
        self._changed.clear()

    def _bucket_changes(self, account: str, name: str) -> Iterator[Callable[[], None]]:
        bucket = s3._buckets._data.get((account, name))
        if bucket is None:
            if self._buckets.pop((account, name), None) is not None:
                yield partial(self._files.remove_bucket, account, name)
            return
        config = {kind: store.get(name) for kind, store in s3._PERSISTED_BUCKET_DICTS.items() if name in store}
        config["meta"] = {field: value for field, value in bucket.items() if field != "objects"}
        config = json.loads(json.dumps(config, default=_json_default))
        if config != self._buckets.get((account, name)):
            self._buckets[account, name] = config
            yield partial(self._files.put_bucket, account, name, config)

    def _key_changes(self, key: Key, everything: bool) -> Iterator[Callable[[], None]]:
        records = self._records(key)
        known = self._versions.setdefault(key, {})
        signs = {name: sign(record, body) for name, record, body in records}
        for name in [name for name, before in known.items() if signs.get(name) != before]:
            del known[name]
            yield partial(self._files.remove_version, key, name)
        for name, record, body in records:
            new = name not in known
            if new:
                known[name] = signs[name]
                yield partial(self._files.add_version, key, Version(name, self._entry(key, name, record), body))
            if new or everything:
                place = (key.account, (key.bucket, key.key, marked(name)))
                marks = {kind: store._data[place] for kind, store in MARKS.items() if place in store._data}
                yield partial(self._files.put_marks, key, name, marks)
        if not known:
            del self._versions[key]

    def _records(self, key: Key) -> list[tuple[str, Json, Body | None]]:
        """All there is of a key, the oldest first: id, record, and the bytes, which are in a file from now on."""
        versions = s3._object_versions._data.get((key.account, (key.bucket, key.key))) or []
        for record in versions:
            if not record.get("is_delete_marker") and not isinstance(record.get("data"), Body):
                record["data"] = self._files.write(record.get("data") or b"")
        found = [(record["version_id"], record, record.get("data")) for record in versions]
        if (current := current_of(key)) is None:
            return found
        if versions and not versions[-1].get("is_delete_marker"):
            current["body"] = versions[-1]["data"]
            return found
        if not isinstance(current["body"], Body):
            current["body"] = self._files.write(current["body"] or b"")
        return [*found, (UNVERSIONED, current, current["body"])]

    def _entry(self, key: Key, name: str, record: Json) -> Json:
        """What to keep of a version's record: all but its bytes; with what the current object's has besides."""
        entry = {field: value for field, value in record.items() if field not in {"data", "body", "is_latest"}}
        current = current_of(key)
        if current is not None and current is not record and (current.get("version_id") or "null") == name:
            entry["current"] = {field: value for field, value in current.items() if field != "body"}
        return entry

    def _queue_changes(self) -> Iterator[Callable[[], None]]:
        found = {queue_id(scope, queue): queue for scope, queue in sqs._queues._data.items()}
        for name in [name for name in self._queues if name not in found]:
            del self._queues[name], self._messages[name]
            yield partial(self._files.remove_queue, name)
        for name, queue in found.items():
            config = {field: value for field, value in queue.items() if field not in {"messages", "dedup_cache"}}
            config = json.loads(json.dumps(config, default=_json_default))
            if config != self._queues.get(name):
                self._queues[name] = config
                yield partial(self._files.put_queue, name, config)
            known = self._messages.setdefault(name, set())
            messages = {message["id"]: message for message in queue["messages"]}
            for message in known - messages.keys():
                yield partial(self._files.remove_message, name, message)
            for message, content in messages.items():
                if message not in known:
                    yield partial(self._files.add_message, name, message, json.loads(json.dumps(content)))
            self._messages[name] = set(messages)


def _fire(bucket: str, key: str, event: str, *arguments: Any, **named: Any) -> None:
    """Send an event at once, where the emulator would in a thread: so it is kept together with what it tells of."""
    if bucket in s3._bucket_notifications:
        s3._fire_s3_event(bucket, key, event, *arguments, sequencer=s3._next_event_sequencer(event), **named)


def _sending(send_response: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    """The emulator's way to send an answer, and one for bytes in a file, piece by piece."""

    async def sending(send: Any, status: int, headers: Json, body: Any, *, head: bool = False) -> None:
        if not isinstance(body, mmap.mmap):
            await send_response(send, status, headers, body, head=head)
            return
        headers.setdefault("Content-Length", str(len(body)))
        await send({"type": "http.response.start", "status": status, "headers": app._asgi_header_list(headers)})
        for start in range(0, len(body), SENT):
            await send({"type": "http.response.body", "body": body[start : start + SENT], "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    return sending
