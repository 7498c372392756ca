"""An uploaded file as text, from its beginning or from where a load goes on."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import chain

from tableferry.config.load_options import Options
from tableferry.ingest.files.csv_records import LONGEST_RECORD
from tableferry.ingest.files.decompress import decompressed, is_compressed
from tableferry.ingest.files.file_format import HEAD_BYTES, Position, begin, goes_on, reading_of
from tableferry.ingest.loads.checkpoints import State
from tableferry.schema.table import Table
from tableferry.storage.bucket import Object, Store

_REJECTS = re.compile(r"\.ndjson(?:\.gz|\.zst)?$", re.IGNORECASE)
_MAGIC_BYTES = 4


class Source:
    """The file's ``pieces`` from the position ``start`` on, and how they are to be read; ``beat`` is called meanwhile.

    Raises:
        InvalidRequest: the file is empty, or no text. While the pieces are read: it is damaged, or too large.
        PreconditionFailed: it was written over, in a bucket without versions.
    """

    def __init__(
        self,
        store: Store,
        uploaded: Object,
        table: Table,
        options: Options,
        state: State | None,
        beat: Callable[[], None],
    ) -> None:
        self._count = 0
        self._beat = beat
        self._size = uploaded.size
        again = _REJECTS.search(uploaded.key) is not None
        if state is not None:
            self.start = state.next
            self.plain = state.plain
            self.reading = reading_of(table, state.described, again)
            self.pieces = self._from_there(store, uploaded, options.max_ratio)
            return
        first, raw = _peeked(self._counted(_stream(store, uploaded)), _MAGIC_BYTES)
        self.plain = not is_compressed(first)
        size = HEAD_BYTES
        head, text = _peeked(decompressed(raw, options.max_ratio), size)
        while not again and len(head) >= size < LONGEST_RECORD and goes_on(options, head):
            size *= 4
            head, text = _peeked(text, size)
        self.reading, self.start = begin(table, options, head, again)
        self.pieces = _without(text, self.start.offset)

    def _from_there(self, store: Store, uploaded: Object, max_ratio: int) -> Iterator[bytes]:
        offset = self.start.offset
        if not self.plain:
            return _without(decompressed(self._counted(_stream(store, uploaded)), max_ratio), offset)
        return _stream(store, uploaded, offset) if offset < self._size else iter(())

    def consumed(self, position: Position) -> int:
        """How many bytes of the object have been read to come there."""
        return min(position.offset, self._size) if self.plain else self._count

    def _counted(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            self._count += len(piece)
            self._beat()  # on the way to where a load goes on there may be minutes without a block
            yield piece


def _stream(store: Store, uploaded: Object, start: int = 0) -> Iterator[bytes]:
    """The object from a byte on, and no other that was written over it since, in a bucket without versions."""
    if uploaded.version:
        return store.stream(uploaded.key, uploaded.version, start)
    return store.stream(uploaded.key, start=start, etag=uploaded.etag)


def _peeked(pieces: Iterator[bytes], size: int) -> tuple[bytes, Iterator[bytes]]:
    """At least so many of the first bytes, if there are, and the pieces with them."""
    first: list[bytes] = []
    left = size  # counted down: to add up the lengths for each piece takes long where pieces are small
    while left > 0 and (piece := next(pieces, b"")):
        first.append(piece)
        left -= len(piece)
    head = b"".join(first)
    return head, chain([head], pieces)


def _without(pieces: Iterator[bytes], count: int) -> Iterator[bytes]:
    """The pieces less the first bytes."""
    for piece in pieces:
        if count < len(piece):
            yield piece[count:]
        count = max(0, count - len(piece))
