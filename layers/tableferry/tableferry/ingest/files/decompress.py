"""Bytes as they stream by, decompressed where they begin as gzip (RFC 1952) or Zstandard (RFC 8878) do."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from typing import ClassVar, Protocol

from tableferry._compat import zstd
from tableferry.errors import InvalidRequest, TooLarge

_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_SKIPPABLE = tuple(bytes([first]) + b"\x2a\x4d\x18" for first in range(0x50, 0x60))
"""Frames of Zstandard's with anything in them (RFC 8878, 3.1.2), which some programs begin a file with."""

_LONGEST_MAGIC = 4
_PIECE_BYTES = 1024 * 1024
_NEVER_TOO_LARGE_BYTES = 64 * 1024 * 1024


class _Decoder(Protocol):
    """One compressed member or frame; several may follow each other in a file, with bytes of ``padding`` behind each."""

    padding: ClassVar[bytes]

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def pieces(self, data: bytes) -> Iterator[bytes]: ...


def decompressed(pieces: Iterable[bytes], max_ratio: int | None = None) -> Iterator[bytes]:
    """The plain bytes. Memory: 1 MiB at a time, however well the file was compressed.

    Of a file that becomes more than ``max_ratio`` times what was read of it the rest is refused, from 64 MiB on.

    Raises:
        InvalidRequest: the file ends early, or is not what it begins as.
        TooLarge: it becomes too many times its size.
    """
    if max_ratio is not None:
        yield from _bounded(pieces, max_ratio)
        return
    source = iter(pieces)
    start = b""
    while len(start) < _LONGEST_MAGIC and (piece := next(source, b"")):
        start += piece
    if start.startswith(_GZIP):
        yield from _members(start, source, _Gzip)
    elif start.startswith((_ZSTD, *_SKIPPABLE)):
        yield from _members(start, source, _Zstandard)
    else:
        yield start
        yield from source


def _bounded(pieces: Iterable[bytes], max_ratio: int) -> Iterator[bytes]:
    read = plain = 0

    def counted() -> Iterator[bytes]:
        nonlocal read
        for piece in pieces:
            read += len(piece)
            yield piece

    for piece in decompressed(counted()):
        plain += len(piece)
        if plain > max(max_ratio * read, _NEVER_TOO_LARGE_BYTES):
            raise TooLarge(
                f"The compressed file has become more than {max_ratio} times its size ({plain:,} bytes of {read:,}): "
                "it holds the same over and over. If that is right, say so with a greater max_ratio."
            )
        yield piece


def is_compressed(start: bytes) -> bool:
    """Whether a file that begins so is one that :func:`decompressed` takes apart."""
    return start.startswith((_GZIP, _ZSTD, *_SKIPPABLE))


def _members(start: bytes, source: Iterator[bytes], kind: type[_Gzip | _Zstandard]) -> Iterator[bytes]:
    decoder: _Decoder = kind()
    data = start
    while data:
        try:
            yield from decoder.pieces(data)
        except (zlib.error, zstd.ZstdError) as error:
            raise InvalidRequest("The compressed file is damaged; upload it again.") from error
        if decoder.eof:
            data = decoder.unused_data.lstrip(kind.padding)
            decoder = kind()
            while not data:
                if not (piece := next(source, b"")):
                    return
                data = piece.lstrip(kind.padding)
        else:
            data = next(source, b"")
    raise InvalidRequest("The compressed file ends early; upload it whole.")


class _Gzip:
    padding: ClassVar[bytes] = b"\0"  # as tapes and blocks leave it, and gzip itself passes over

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
    padding: ClassVar[bytes] = b""

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
