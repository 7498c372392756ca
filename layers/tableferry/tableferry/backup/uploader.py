"""Rows on their way to the bucket, encoded and sent while the next ones are read."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import polars as pl

from tableferry.columnar import formats
from tableferry.columnar.formats import Format
from tableferry.columnar.packets import Batch
from tableferry.manifest.manifest import ObjectEntry
from tableferry.schema.codec import Codec
from tableferry.storage.bucket import Store

Rows = Batch[pl.DataFrame | memoryview]

_LARGE_BYTES = 16 * 1024 * 1024


class Sending:
    """Writes batches as objects, so many of them at a time, or half as many where rows of megabytes make them large.

    :meth:`send` waits while there are as many. Memory: of each its rows and its file.
    """

    def __init__(self, pool: ThreadPoolExecutor, at_once: int, store: Store, form: Format, lock_days: int) -> None:
        self._pool = pool
        self._free = threading.BoundedSemaphore(at_once)
        self._turn = threading.Lock()
        self._store = store
        self.form = form
        self._lock_days = lock_days
        self._failed: BaseException | None = None

    def send(self, prefix: str, batch: Rows, columns: Sequence[Codec]) -> Future[ObjectEntry]:
        """Have a batch written to the key of this beginning; raises what it was stopped by."""
        rows = batch.content
        size = rows.nbytes if isinstance(rows, memoryview) else rows.estimated_size()
        places = 2 if size > _LARGE_BYTES else 1
        with self._turn:  # so that no two wait for each other's second place
            for _ in range(places):
                self._free.acquire()  # given back by the one who writes it
        if self._failed:
            self._free.release(places)
            raise self._failed
        return self._pool.submit(self._write, f"{prefix}.{self.form.suffix}", batch, columns, places)

    def stop(self, error: BaseException) -> None:
        """Take nothing more, because of an error; the first one is raised by all who send from now on."""
        self._failed = self._failed or error

    def _write(self, key: str, batch: Rows, columns: Sequence[Codec], places: int) -> ObjectEntry:
        try:
            data = formats.write(batch.content, columns, self.form)
            sha256 = hashlib.sha256(data)
            self._store.put_locked(key, data, self._lock_days, "application/octet-stream", sha256=sha256.digest())
            return ObjectEntry(key=key, rows=batch.digest.rows, bytes=len(data), sha256=sha256.hexdigest())
        except BaseException as error:
            self.stop(error)
            raise
        finally:
            self._free.release(places)


@contextmanager
def sending(store: Store, form: Format, lock_days: int, at_once: int) -> Iterator[Sending]:
    """A sender of its own threads, which have ended when it is left; what waits is given up after an error."""
    pool = ThreadPoolExecutor(at_once, thread_name_prefix="sending")
    try:
        yield Sending(pool, at_once, store, form, lock_days)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
