"""Bytes as they stream by, decompressed where they begin as gzip (RFC 1952) or Zstandard (RFC 8878) do."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from typing import Protocol

from tableferry.errors import InvalidRequest
from tableferry.zstandard import zstd

_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_LONGEST_MAGIC = 4
_PIECE_BYTES = 1024 * 1024


class _Decoder(Protocol):
    """One compressed member or frame; several may follow each other in a file."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def pieces(self, data: bytes) -> Iterator[bytes]: ...


def decompressed(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The plain bytes. Memory: 1 MiB at a time, however well the file was compressed.

    Raises:
        InvalidRequest: the file ends early, or is not what it begins as.
    """
    source = iter(pieces)
    start = b""
    while len(start) < _LONGEST_MAGIC and (piece := next(source, b"")):
        start += piece
    if start.startswith(_GZIP):
        yield from _members(start, source, _Gzip)
    elif start.startswith(_ZSTD):
        yield from _members(start, source, _Zstandard)
    else:
        yield start
        yield from source


def is_compressed(start: bytes) -> bool:
    """Whether a file that begins so is one that :func:`decompressed` takes apart."""
    return start.startswith((_GZIP, _ZSTD))


def _members(start: bytes, source: Iterator[bytes], kind: type[_Gzip | _Zstandard]) -> Iterator[bytes]:
    decoder: _Decoder = kind()
    data = start
    while data:
        try:
            yield from decoder.pieces(data)
        except (zlib.error, zstd.ZstdError) as error:
            raise InvalidRequest("The compressed file is damaged; upload it again.") from error
        if decoder.eof:
            rest = decoder.unused_data
            decoder = kind()
            data = rest or next(source, b"")
            if not data:
                return
        else:
            data = next(source, b"")
    raise InvalidRequest("The compressed file ends early; upload it whole.")


class _Gzip:
    def __init__(self) -> None:
        self._decoder = zlib.decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        return self._decoder.eof

    @property
    def unused_data(self) -> bytes:
        return self._decoder.unused_data

    def pieces(self, data: bytes) -> Iterator[bytes]:
        while data and not self._decoder.eof:
            if plain := self._decoder.decompress(data, _PIECE_BYTES):
                yield plain
            data = self._decoder.unconsumed_tail


class _Zstandard:
    def __init__(self) -> None:
        self._decoder = zstd.ZstdDecompressor()

    @property
    def eof(self) -> bool:
        return self._decoder.eof

    @property
    def unused_data(self) -> bytes:
        return self._decoder.unused_data

    def pieces(self, data: bytes) -> Iterator[bytes]:
        if plain := self._decoder.decompress(data, _PIECE_BYTES):
            yield plain
        while not self._decoder.eof and not self._decoder.needs_input:
            if plain := self._decoder.decompress(b"", _PIECE_BYTES):
                yield plain
