"""The compiled hashes, by each of the processor's ways to make them, beside the standard library's."""

import ctypes
import hashlib
import shutil
import subprocess
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tableferry import native
from tableferry.arrow import arrays

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
