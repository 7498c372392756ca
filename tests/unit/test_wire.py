"""Packets into columns: every length encoding, long packets, and streams that end too early."""

import io
from types import SimpleNamespace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pymysql import err

from tableferry import wire
from tableferry.columns import Codec, Kind
from tableferry.errors import NotSupported

LONGEST = 0xFFFFFF


def encoded(value: bytes | None) -> bytes:
    """A value of the text protocol."""
    if value is None:
        return b"\xfb"
    size = len(value)
    if size < 251:
        return bytes([size]) + value
    digits, mark = next((digits, mark) for digits, mark in ((2, 0xFC), (3, 0xFD), (8, 0xFE)) if size < 1 << 8 * digits)
    return bytes([mark]) + size.to_bytes(digits, "little") + value


def packets(payload: bytes) -> bytes:
    """A payload as packets, split where it is too long for one."""
    out = b""
    while True:
        part, payload = payload[:LONGEST], payload[LONGEST:]
        out += len(part).to_bytes(3, "little") + b"\x01" + part
        if len(part) < LONGEST:
            return out


def connection(stream: bytes) -> SimpleNamespace:
    return SimpleNamespace(_rfile=io.BytesIO(stream), _next_seq_id=0, _force_close=lambda: None)


ROWS = st.lists(st.none() | st.binary(max_size=300), min_size=1, max_size=6)


@settings(max_examples=200, deadline=None)
@given(row=ROWS)
@example(row=[b"x" * 250, b"x" * 251, b"x" * 65535, b"x" * 65536, None, b""])
def test_a_row_is_cut_into_its_values(row: list[bytes | None]) -> None:
    batch: list[list[bytes | None]] = [[] for _ in row]
    wire._split(b"".join(encoded(value) for value in row), batch)
    assert [column[0] for column in batch] == row


def test_a_value_of_16_megabytes_comes_over_several_packets() -> None:
    payload = encoded(b"y" * (LONGEST + 5))
    read = wire._packet_reader(connection(packets(payload)))
    assert read() == payload


def test_a_payload_of_exactly_the_longest_packet_is_followed_by_an_empty_one() -> None:
    payload = b"z" * LONGEST
    read = wire._packet_reader(connection(packets(payload) + packets(b"next")))
    assert [read(), read()] == [payload, b"next"]


@pytest.mark.parametrize("cut", [1, 4, 6])
def test_a_stream_that_ends_early_is_an_error(cut: int) -> None:
    read = wire._packet_reader(connection(packets(b"\x03abc")[:cut]))
    with pytest.raises(err.OperationalError, match="ended in the middle"):
        read()


def test_a_row_that_does_not_fill_its_packet_is_an_error() -> None:
    with pytest.raises(err.InterfaceError, match="does not end"):
        wire._split(encoded(b"a") + b"rest", [[]])


def test_bytes_that_are_no_text_are_refused_by_the_columns_name() -> None:
    with pytest.raises(NotSupported, match="'name'"):
        wire._series(Codec("name", Kind.TEXT), [b"good", b"\xff"])


def test_a_zero_date_turns_a_chunks_dates_to_text_and_no_other_chunks() -> None:
    column = Codec("day", Kind.DATE)
    assert wire._series(column, [b"2021-02-03", None]).dtype == column.dtype()
    assert wire._series(column, [b"2021-02-03", b"0000-00-00", None]).to_list() == ["2021-02-03", "0000-00-00", None]
