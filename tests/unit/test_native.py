"""The compiled hashes, by each of the processor's ways to make them, beside the standard library's."""

import ctypes
import hashlib
import os
import shutil
import subprocess
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tableferry import native
from tableferry.arrow import arrays
from tableferry.columns import Codec, Kind

LAYER = Path(__file__).parents[2] / "layers" / "tableferry"
SIZES = [0, 1, 11, 12, 13, 127, 128, 129, 255, 256, 257, 1000, 5000]
MIXED = [SIZES[number * 5 % len(SIZES)] for number in range(200)]


@pytest.fixture(scope="module", params=["-DWITHOUT_AVX", "-DWITHOUT_AVX512=1", "-O3"])
def library(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The library, compiled for processors without AVX, without AVX-512, and for this one as it is."""
    if not (compiler := shutil.which("cc")):
        pytest.skip("no C compiler here")
    target, flags = tmp_path_factory.mktemp("native") / "library.so", f"@{LAYER / 'native.flags'}"
    subprocess.run(
        [
            compiler,
            flags,
            request.param,
            "-Wall",
            "-Wextra",
            "-Werror",
            "-o",
            target,
            LAYER / "tableferry" / "native.c",
        ],
        check=True,
    )
    return ctypes.CDLL(str(target))


def expected(rows: list[bytes]) -> int:
    return sum(int.from_bytes(hashlib.blake2b(row, digest_size=16).digest(), "little") for row in rows) % (1 << 128)


@pytest.mark.parametrize("count", [0, 1, 3, 4, 5, 200])
def test_hashes_are_those_of_the_standard_library(library: Any, count: int) -> None:
    rows = [bytes([number % 256]) * size for number, size in enumerate(MIXED[:count])]
    total = 0
    for array in arrays(pl.Series(rows, dtype=pl.Binary)):
        found = (ctypes.c_uint64 * 2)()
        assert library.tableferry_hash(ctypes.byref(array), found)
        total += found[0] | found[1] << 64
    assert total % (1 << 128) == expected(rows)


def test_rows_of_megabytes_are_hashed_beside_short_ones() -> None:
    if not native.library():
        pytest.skip("no native library: no C compiler here")
    rows = [b"x" * 3_000_000, b"", b"y" * 9_000_000, b"z", b"x" * 3_000_000]
    values = pl.concat([pl.Series(rows[:2]), pl.Series(rows[2:])], rechunk=False)
    assert native.hashed(values) % (1 << 128) == expected(rows)


def rows(size: int) -> bytearray:
    """As packets: so many rows of two values, of a thousand bytes each."""
    value = b"\xfc\xe8\x03" + b"x" * 1000
    return bytearray(b"".join(b"\xd6\x07\x00" + bytes([number % 256]) + value * 2 for number in range(size)))


def resident() -> int:
    """Bytes of memory that this process uses."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory in use is read off Linux's /proc")
@pytest.mark.parametrize("failing", [True, False])
def test_columns_give_their_memory_back_even_if_one_cannot_be_made(
    monkeypatch: pytest.MonkeyPatch, failing: bool
) -> None:
    if not native.library():
        pytest.skip("no native library: no C compiler here")
    columns, data = [Codec("a", Kind.BYTES), Codec("b", Kind.BYTES)], rows(1000)

    def take() -> None:
        packets = native.Packets(columns, 1 << 30, 1 << 30, 0)
        try:
            packets.feed(data, 0, len(data))
            with pytest.raises(ZeroDivisionError) if failing else nullcontext():
                packets.take()
        finally:
            packets.close()

    if failing:
        monkeypatch.setattr(native, "_format", lambda column: 1 / 0)
    take()
    before = resident()
    for _ in range(50):
        take()
    assert resident() - before < 50_000_000  # of 100 MB that went through


def test_packets_that_were_closed_are_not_used() -> None:
    if not native.library():
        pytest.skip("no native library: no C compiler here")
    packets = native.Packets([Codec("a", Kind.BYTES)] * 2, 1 << 30, 1 << 30, 0)
    packets.feed(rows(3), 0, 6030)
    assert packets.rows == 3
    packets.close()
    packets.close()
    assert packets.rows == 0
    with pytest.raises(ValueError, match="closed"):
        packets.feed(rows(1), 0, 1)
    with pytest.raises(ValueError, match="closed"):
        packets.take()


def test_a_library_of_another_version_is_not_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    native.library.cache_clear()
    try:
        monkeypatch.setattr(native, "_FILE", tmp_path / "none.so")
        assert native.library() is None
        native.library.cache_clear()
        monkeypatch.undo()
        monkeypatch.setattr(native, "VERSION", -1)
        assert native.library() is None
    finally:
        native.library.cache_clear()
