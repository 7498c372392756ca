"""Rejects on their way: those of each block in an object of their own, until the load ends and they become one file.

``loads/rejects/{load}/{block}-{hash}.ndjson.gz`` is written before its block is committed, and named in the block's entry
in the ledger: so the file has the rejects of a block exactly if the block is in the table. The hash is of the lines: a
block that is tried again, with the same rejects, writes the same object. What was written for a block that was rolled
back is read by nobody, and expires with the load statuses.
"""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

from tableferry.errors import Unaccounted
from tableferry.ingest.files.rejects import Reject
from tableferry.storage import object_keys
from tableferry.storage.bucket import Store

_AT_ONCE = 2
_PIECE_BYTES = 1024 * 1024
_LEVEL = 1


class Spool:
    """Where the rejects of one load go. Memory: those of the blocks under way."""

    def __init__(self, store: Store, load_id: str) -> None:
        self._store = store
        self._prefix = object_keys.load_rejects(load_id)
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="rejects")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def begin(self, number: int, rejects: Sequence[Reject]) -> Future[str]:
        """Have the rejects of a block written while its rows are; the object's key, which is empty for none."""
        return self._pool.submit(self.put, number, rejects)

    def put(self, number: int, rejects: Sequence[Reject]) -> str:
        """Write the rejects of a block; the object's key, which is empty for none. Raises StoreUnavailable."""
        if not rejects:
            return ""
        lines = b"".join(reject.written for reject in rejects)
        key = f"{self._prefix}{number:08d}-{_hash(hashlib.sha256(lines))}.ndjson.gz"
        self._store.put(key, gzip.compress(lines, _LEVEL, mtime=0), "application/gzip")
        return key


def lines(store: Store, keys: Iterable[str]) -> Iterator[bytes]:
    """The lines of the objects with these keys, in pieces. Memory: 1 MiB.

    Raises:
        ObjectNotFound: one is no longer there.
        Unaccounted: one is not what was written.
    """
    for key in keys:
        seen = hashlib.sha256()
        try:
            for piece in _plain(store.stream(key)):
                seen.update(piece)
                yield piece
        except zlib.error as error:
            raise Unaccounted(f"The rejects in {key!r} are damaged.") from error
        if f"-{_hash(seen)}." not in key:
            raise Unaccounted(f"The rejects in {key!r} are not those that were written.")


def _plain(pieces: Iterable[bytes]) -> Iterator[bytes]:
    decoder = zlib.decompressobj(wbits=31)
    for piece in pieces:
        rest = piece
        while rest:
            if plain := decoder.decompress(rest, _PIECE_BYTES):  # who reads takes an empty piece for the end
                yield plain
            rest = decoder.unconsumed_tail


def _hash(of: hashlib._Hash) -> str:
    return of.hexdigest()[:32]
