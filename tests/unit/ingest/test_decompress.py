"""Compressed uploads, plain ones, and those that are damaged."""

import gzip
import sys
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tableferry.errors import InvalidRequest, TooLarge
from tableferry.ingest.files import decompress
from tableferry.ingest.files.decompress import decompressed

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

Compress = Callable[[bytes], bytes]
BOTH = pytest.mark.parametrize("compress", [gzip.compress, zstd.compress], ids=["gzip", "zstd"])


def through(data: bytes, size: int) -> bytes:
    return b"".join(decompressed(data[start : start + size] for start in range(0, len(data), size)))


@BOTH
@settings(max_examples=50)
@given(parts=st.lists(st.binary(max_size=200), min_size=1, max_size=3), size=st.integers(1, 100))
def test_members_and_frames_follow_each_other(compress: Compress, parts: list[bytes], size: int) -> None:
    assert through(b"".join(compress(part) for part in parts), size) == b"".join(parts)


@settings(max_examples=50)
@given(zeros=st.integers(0, 40), between=st.integers(0, 40), size=st.integers(1, 30))
def test_zeros_behind_members_of_gzip_are_passed_over(zeros: int, between: int, size: int) -> None:
    file = gzip.compress(b"1,a\n") + bytes(between) + gzip.compress(b"2,b\n") + bytes(zeros)
    assert through(file, size) == b"1,a\n2,b\n"
    with pytest.raises(InvalidRequest, match="damaged"):
        through(file + b"x" * 20, size)


@settings(max_examples=50)
@given(kind=st.integers(0x50, 0x5F), size=st.integers(1, 30), length=st.sampled_from([0, 4, 300]))
def test_frames_of_zstandard_that_are_to_be_skipped_are(kind: int, size: int, length: int) -> None:
    skipped = bytes([kind]) + b"\x2a\x4d\x18" + length.to_bytes(4, "little") + b"x" * length
    file = skipped + zstd.compress(b"1,a\n") + skipped + zstd.compress(b"2,b\n") + skipped
    assert decompress.is_compressed(file[:4])
    assert through(file, size) == b"1,a\n2,b\n"
    assert through(skipped, size) == b""


@given(data=st.binary(max_size=50), size=st.integers(1, 10))
def test_plain_bytes_pass(data: bytes, size: int) -> None:
    assert through(b"a," + data, size) == b"a," + data


@BOTH
def test_a_file_that_ends_early_is_refused(compress: Compress) -> None:
    with pytest.raises(InvalidRequest, match="ends early"):
        through(compress(b"1,a\n" * 1000)[:-3], 16)


def _with_checksum(data: bytes) -> bytes:
    return zstd.compress(data, options={zstd.CompressionParameter.checksum_flag: 1})


@pytest.mark.parametrize("compress", [gzip.compress, _with_checksum], ids=["gzip", "zstd"])
def test_a_damaged_file_is_refused(compress: Compress) -> None:
    data = bytearray(compress(bytes(range(256)) * 20))
    data[len(data) // 2] ^= 0xFF
    with pytest.raises(InvalidRequest):
        through(bytes(data), 16)


@BOTH
def test_a_bomb_comes_out_a_piece_at_a_time(compress: Compress) -> None:
    pieces = decompressed([compress(bytes(50_000_000))])
    assert max(len(piece) for piece in pieces) <= 1024 * 1024


@BOTH
def test_a_file_that_becomes_too_many_times_its_size_is_refused(
    compress: Compress, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decompress, "_NEVER_TOO_LARGE_BYTES", 2**20)
    data = compress(b"1,a\n" * 2**20)  # to hundreds of times its size
    assert len(data) * 100 < 2**22
    with pytest.raises(TooLarge, match="max_ratio"):
        for _ in decompressed([data], 100):
            pass
    assert sum(map(len, decompressed([data], 999_999))) == 2**22
    small = compress(b"1,a\n" * 2**17)
    assert sum(map(len, decompressed([small], 1))) == 2**19
