"""The compiled hashes, by each of the processor's ways to make them, beside the standard library's; and rows as text."""

import ctypes
import hashlib
import os
import shutil
import struct
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymysql.constants import FIELD_TYPE

from tableferry.columnar.binary_protocol import Wire
from tableferry.columnar.native import library as native
from tableferry.columnar.native.arrow import exported
from tableferry.columnar.native.library import Into, Status
from tableferry.schema.codec import Codec, Kind
from tests.effort import by_turns, effort, in_ci, sample
from tools.setup import NATIVE

SIZES = [0, 1, 11, 12, 13, 127, 128, 129, 255, 256, 257, 1000, 5000]
MIXED = [SIZES[number * 5 % len(SIZES)] for number in range(200)]


@pytest.fixture(scope="module", params=["-DWITHOUT_AVX", "-DWITHOUT_AVX512=1", "-O3"])
def library(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The library, compiled for processors without AVX, without AVX-512, and for this one as it is."""
    return ctypes.CDLL(str(compiled(tmp_path_factory.mktemp("native"), request.param)))


def compiled(folder: Path, flag: str) -> Path:
    """The library's file, compiled with one more flag."""
    if not (compiler := shutil.which("cc")):
        pytest.skip("no C compiler here")
    target = folder / "library.so"
    strict = ["-Wall", "-Wextra", "-Werror"]
    subprocess.run([compiler, f"@{NATIVE.flags}", flag, *strict, "-o", target, NATIVE.source], check=True)
    return target


def expected(rows: list[bytes], key: bytes = b"") -> int:
    hashes = [hashlib.blake2b(row, digest_size=16, key=key).digest() for row in rows]
    return sum(int.from_bytes(one, "little") for one in hashes) % (1 << 128)


@in_ci  # it compiles thrice; the library as it is here hashes in the tests below
@pytest.mark.parametrize("key", [b"", b"k", bytes(range(64))])
@pytest.mark.parametrize("count", [0, 1, 3, 4, 5, 200])
@sample(2)
def test_hashes_are_those_of_the_standard_library(library: Any, count: int, key: bytes) -> None:
    rows = [bytes([number % 256]) * size for number, size in enumerate(MIXED[:count])]
    rows = [row for row in rows if row or not key]
    found = (ctypes.c_uint64 * 2)()
    with exported(pl.Series(rows, dtype=pl.Binary)) as array:
        assert library.tableferry_hash(ctypes.byref(array), key, ctypes.c_size_t(len(key)), found)
    assert found[0] | found[1] << 64 == expected(rows, key)


def test_rows_of_megabytes_are_hashed_beside_short_ones() -> None:
    if not native.library():
        pytest.skip("no native library: no C compiler here")
    rows = [b"x" * 3_000_000, b"", b"y" * 9_000_000, b"z", b"x" * 3_000_000]
    values = pl.concat([pl.Series(rows[:2]), pl.Series(rows[2:])], rechunk=False)
    assert native.hashed(values) == expected(rows)


FIELDS: dict[Codec, tuple[st.SearchStrategy[Any], Callable[[Any], str]]] = {
    **{
        Codec(f"{kind}{bits}", kind, bits=bits): (st.integers(low, high), str)
        for bits in (8, 16, 32, 64)
        for kind, low, high in ((Kind.INT, -(2 ** (bits - 1)), 2 ** (bits - 1) - 1), (Kind.UINT, 0, 2**bits - 1))
    },
    Codec("year", Kind.YEAR): (st.sampled_from([0, 1901, 2155]), str),
    Codec("bit", Kind.BIT): (st.integers(0, 2**64 - 1), str),
    Codec("d38", Kind.DECIMAL, precision=38, scale=20): (
        st.integers(-(10**38) + 1, 10**38 - 1).map(lambda value: Decimal(f"{value}e-20")),
        lambda value: f"{value:f}",
    ),
    Codec("d3", Kind.DECIMAL, precision=3, scale=3): (
        st.integers(-999, 999).map(lambda value: Decimal(f"{value}e-3")),
        lambda value: f"{value:f}",
    ),
    Codec("d5", Kind.DECIMAL, precision=5): (st.integers(-99999, 99999).map(Decimal), str),
    Codec("day", Kind.DATE): (st.dates(), date.isoformat),
    Codec("at", Kind.DATETIME, scale=6): (st.datetimes(), lambda value: value.isoformat(" ", "microseconds")),
    Codec("text", Kind.TEXT): (
        st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from('",\n\\'), max_size=60),
        lambda value: '"' + value.replace('"', '""') + '"',
    ),
    Codec("bytes", Kind.BYTES): (
        st.lists(st.binary(max_size=9) | st.just(b'"'), max_size=9).map(b"".join),
        lambda value: '"' + value.replace(b'"', b'""').decode(errors="surrogateescape") + '"',
    ),
}


@settings(max_examples=effort(33, 100))
@given(
    columns=st.lists(st.sampled_from(sorted(FIELDS, key=lambda codec: codec.name)), min_size=1, unique=True),
    data=st.data(),
)
@by_turns
def test_rows_are_encoded_as_load_data_reads_them(columns: list[Codec], data: st.DataObject) -> None:
    if not native.library():
        pytest.skip("no native library: no C compiler here")
    rows = data.draw(st.lists(st.tuples(*(st.none() | FIELDS[column][0] for column in columns)), max_size=20))
    schema = {column.name: column.dtype() for column in columns}
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    fields = [
        ["NULL" if value is None else FIELDS[column][1](value) for column, value in zip(columns, row, strict=True)]
        for row in rows
    ]
    assert native.encoded(frame, columns) == text_of(fields)
    cut = data.draw(st.integers(0, len(rows)))
    later = pl.concat([frame.slice(cut), frame.slice(0, cut)], rechunk=False)  # slices begin in the middle of arrays
    assert native.encoded(later, columns) == text_of([*fields[cut:], *fields[:cut]])


def text_of(fields: list[list[str]]) -> bytes:
    return "".join(",".join(line) + "\n" for line in fields).encode(errors="surrogateescape")


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_floats_are_encoded_with_all_their_bits(values: list[float]) -> None:
    if not native.library():
        pytest.skip("no native library: no C compiler here")
    text = bytes(native.encoded(pl.DataFrame({"f": values}), [Codec("f", Kind.FLOAT)])).decode()
    assert [struct.pack("<d", float(line)) for line in text.splitlines()] == [struct.pack("<d", of) for of in values]


def test_days_before_and_after_every_turn_of_a_century_are_themselves() -> None:
    if not native.library():
        pytest.skip("no native library: no C compiler here")
    days = [date(year, *day) for year in range(1, 10_000) for day in ((1, 1), (2, 28), (3, 1), (12, 31))]
    text = bytes(native.encoded(pl.DataFrame({"d": days}), [Codec("d", Kind.DATE)])).decode()
    assert text.splitlines() == [day.isoformat() for day in days]


def test_as_csv_null_is_nothing_and_empty_bytes_are_quoted() -> None:
    if not native.library():
        pytest.skip("no native library: no C compiler here")
    columns = [Codec("i", Kind.INT), Codec("t", Kind.TEXT), Codec("b", Kind.BYTES)]
    frame = pl.DataFrame([(1, "", b""), (None, None, None), (2, 'a"b', b"\xff")], schema=["i", "t", "b"], orient="row")
    text = native.encoded(frame, columns, b"names\n")
    assert text == b'names\n1,"",""\n,,\n2,"a""b","ff"\n'
    assert native.encoded(frame.clear(), columns, b"names\n") == b"names\n"


def test_dates_that_are_text_are_quoted() -> None:
    if not native.library():
        pytest.skip("no native library: no C compiler here")
    frame = pl.DataFrame({"d": ["0000-00-00", None]})
    assert native.encoded(frame, [Codec("d", Kind.DATE)]) == b'"0000-00-00"\nNULL\n'


def rows(size: int, value: bytes = b"x" * 1000) -> bytearray:
    """As packets: so many rows of two values, of a thousand bytes each."""
    value = b"\xfc\xe8\x03" + value
    return bytearray(b"".join(b"\xd8\x07\x00" + bytes([number % 256]) + b"\0\0" + value * 2 for number in range(size)))


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
        packets = native.Packets(columns, [Wire(FIELD_TYPE.BLOB)] * 2, 1 << 30, 1 << 30, 0)
        try:
            packets.feed(data, 0, len(data))
            with pytest.raises(ZeroDivisionError) if failing else nullcontext():
                packets.take()
        finally:
            packets.close()

    if failing:
        monkeypatch.setattr(native, "Column", lambda array, form: 1 / 0)
    take()
    before = resident()
    for _ in range(50):
        take()
    assert resident() - before < 50_000_000  # of 100 MB that went through


@by_turns
def test_columns_that_are_still_looked_at_are_not_written_over_by_other_threads() -> None:
    if not native.library():
        pytest.skip("no native library: no C compiler here")
    columns = [Codec("a", Kind.BYTES), Codec("b", Kind.BYTES)]

    def run(number: int) -> bool:
        kept, of = [], bytes([65 + number]) * 1000
        data = bytearray(rows(300, of))
        for into in [Into.FRAME, Into.LINES] * 20:
            packets = native.Packets(columns, [Wire(FIELD_TYPE.BLOB)] * 2, 1 << 30, 1 << 30, 0, into)
            packets.feed(data, 0, len(data))
            frame: Any = packets.take()[0]
            packets.close()
            kept.append(frame)
            if len(kept) > 4:
                del kept[number % 4]
        line = b",".join([b'"' + of.hex().encode() + b'"'] * 2) + b"\n"
        return all(
            bytes(one) == line * 300 if isinstance(one, memoryview) else set(one.to_series(0)) == {of} for one in kept
        )

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(run, range(16)))


def test_lines_live_as_long_as_somebody_looks_at_a_part_of_them() -> None:
    if not native.library():
        pytest.skip("no native library: no C compiler here")
    columns, data = [Codec("a", Kind.BYTES), Codec("b", Kind.BYTES)], rows(3)
    packets = native.Packets(columns, [Wire(FIELD_TYPE.BLOB)] * 2, 1 << 30, 1 << 30, 0, Into.LINES, b"names\n")
    packets.feed(data, 0, len(data))
    lines = packets.take()[0]
    assert isinstance(lines, memoryview)
    part = lines[:7]
    del lines
    assert packets.take()[0] == b"names\n"
    packets.close()
    assert bytes(part) == b'names\n"'


@by_turns
def test_no_column_has_more_text_than_its_views_can_point_into(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(native, "FILE", compiled(tmp_path, "-DMOST_VIEWED=(size_t)5000"))
    native.library.cache_clear()
    try:
        value = b"\xfc" + (6000).to_bytes(2, "little") + b"x" * 6000
        for data, status in (
            (rows(2), Status.FULL),  # long before its end, whatever was asked for
            (bytearray((2 + len(value)).to_bytes(3, "little") + b"\0" + b"\0\0" + value), Status.NO_MEMORY),
        ):
            columns = [Codec(name, Kind.BYTES) for name in "ab"][: 2 if status is Status.FULL else 1]
            packets = native.Packets(columns, [Wire(FIELD_TYPE.BLOB)] * len(columns), 1 << 30, 1 << 30, 0)
            packets.feed(data, 0, len(data))
            assert (packets.status, packets.rows) == (status, int(status is Status.FULL))
            packets.close()
    finally:
        native.library.cache_clear()


def test_packets_that_were_closed_are_not_used() -> None:
    if not native.library():
        pytest.skip("no native library: no C compiler here")
    packets = native.Packets([Codec("a", Kind.BYTES)] * 2, [Wire(FIELD_TYPE.BLOB)] * 2, 1 << 30, 1 << 30, 0)
    packets.feed(rows(3), 0, len(rows(3)))
    assert packets.rows == 3
    packets.close()
    packets.close()
    assert packets.rows == 0
    with pytest.raises(ValueError, match="closed"):
        packets.feed(rows(1), 0, 1)
    with pytest.raises(ValueError, match="closed"):
        packets.take()


@by_turns
def test_a_library_of_another_version_is_not_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    native.library.cache_clear()
    try:
        monkeypatch.setattr(native, "FILE", tmp_path / "none.so")
        assert native.library() is None
        native.library.cache_clear()
        monkeypatch.undo()
        monkeypatch.setattr(native, "VERSION", -1)
        assert native.library() is None
    finally:
        native.library.cache_clear()
