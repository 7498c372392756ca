"""Packets into frames: every length encoding, long packets, what no server sends, and streams that end too early.

Both splitters are held to the same: the compiled one, and the one in plain Python.
"""

import io
import socket
from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Any, cast

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pymysql import err

from tableferry import native, wire
from tableferry.columns import Codec, Kind
from tableferry.digest import Digest, digest
from tableferry.errors import NotSupported
from tableferry.splitter import Batch, Compiled, Plain, Splitter, split

LONGEST = 0xFFFFFF
END = b"\xfe\x00\x00\x02\x00"
BYTES = Codec("b", Kind.BYTES)

Make = Callable[[Sequence[Codec], int, int, int], Splitter]


@pytest.fixture(params=[Compiled, Plain])
def make(request: pytest.FixtureRequest) -> Make:
    if request.param is Compiled and not native.library():
        pytest.skip("no native library: no C compiler here")
    made: Make = request.param
    return made


def encoded(value: bytes | None) -> bytes:
    """A value of the text protocol."""
    if value is None:
        return b"\xfb"
    size = len(value)
    if size < 251:
        return bytes([size]) + value
    digits, mark = next((digits, mark) for digits, mark in ((2, 0xFC), (3, 0xFD), (8, 0xFE)) if size < 1 << 8 * digits)
    return bytes([mark]) + size.to_bytes(digits, "little") + value


def packets(*payloads: bytes, sequence: int = 3) -> bytes:
    """Payloads as packets, split where they are too long for one."""
    out = []
    for payload in payloads:
        for at in range(0, len(payload) + 1, LONGEST):
            part = payload[at : at + LONGEST]
            out.append(len(part).to_bytes(3, "little") + bytes([sequence % 256]) + part)
            sequence += 1
    return b"".join(out)


def stream(rows: Sequence[Sequence[bytes | None]], *after: bytes) -> bytes:
    """A whole result: rows, and its end."""
    return packets(*(b"".join(encoded(value) for value in row) for row in rows), *(after or (END,)))


def read(splitter: Splitter, data: bytes, at_once: int = 1 << 30) -> list[Batch]:
    """What comes out if so many bytes come at once."""
    try:
        found = []
        for start in range(0, len(data), at_once):
            part = bytearray(data[start : start + at_once])
            found += list(splitter.feed(part, len(part)))
        assert splitter.ended
        if rest := splitter.rest():
            found.append(rest)
        return found
    finally:
        splitter.close()


def whole(
    make: Make, columns: Sequence[Codec], rows: Sequence[Sequence[bytes | None]], at_once: int = 1 << 30
) -> pl.DataFrame:
    [batch] = read(make(columns, 1 << 30, 1 << 30, 3), stream(rows), at_once)
    assert batch.digest == digest(batch.frame, columns)
    return batch.frame


@settings(max_examples=100, deadline=None)
@given(row=st.lists(st.none() | st.binary(max_size=300), min_size=1, max_size=6))
@example(row=[b"x" * 250, b"x" * 251, b"x" * 65535, b"x" * 65536, None, b""])
def test_a_row_is_cut_into_its_values(row: list[bytes | None]) -> None:
    assert split(b"".join(encoded(value) for value in row), len(row)) == row


def numbered(kind: Kind, bits: int) -> st.SearchStrategy[bytes]:
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if kind is Kind.INT else (0, (1 << bits) - 1)
    return st.tuples(st.integers(low, high), st.integers(0, 3)).map(
        lambda of: (b"-" if of[0] < 0 else b"") + b"0" * of[1] + str(abs(of[0])).encode()
    )


def decimals(precision: int, scale: int) -> st.SearchStrategy[bytes]:
    def written(negative: bool, value: int) -> bytes:
        digits = f"{value:0{scale + 1}}"
        text = f"{digits[: len(digits) - scale]}.{digits[len(digits) - scale :]}" if scale else digits
        return f"{'-' if negative and value else ''}{text}".encode()

    return st.builds(written, st.booleans(), st.integers(0, 10**precision - 1))


VALUES: dict[Codec, st.SearchStrategy[bytes]] = {
    **{
        Codec(f"{kind}{bits}", kind, bits=bits): numbered(kind, bits)
        for kind in (Kind.INT, Kind.UINT)
        for bits in (8, 16, 32, 64)
    },
    Codec("year", Kind.YEAR): st.sampled_from([b"0000", b"1901", b"2155"]),
    Codec("bit", Kind.BIT): numbered(Kind.UINT, 64),
    Codec("enum", Kind.ENUM_INDEX): numbered(Kind.UINT, 16),
    Codec("d38", Kind.DECIMAL, precision=38, scale=20): decimals(38, 20),
    Codec("d5", Kind.DECIMAL, precision=5, scale=0): decimals(5, 0),
    Codec("d3", Kind.DECIMAL, precision=3, scale=3): decimals(3, 3),
    Codec("d65", Kind.DECIMAL_TEXT): decimals(65, 30),
    Codec("double", Kind.FLOAT): st.one_of(
        st.floats(allow_nan=False, allow_infinity=False).map(lambda value: repr(value).encode()),
        st.integers(-(10**17), 10**17).map(lambda value: str(value).encode()),
        st.decimals(-(10**9), 10**9, places=9).map(lambda value: f"{value:f}".encode()),
        st.sampled_from([b"-0", b"0", b"1e0", b"1.5e-7", b"-1e100", b"9007199254740993", b"1" + b"0" * 250]),
    ),
    Codec("day", Kind.DATE): st.dates().map(lambda value: value.isoformat().encode()),
    Codec("at", Kind.DATETIME, scale=6): st.datetimes().map(
        lambda value: value.isoformat(" ", "microseconds").encode()
    ),
    Codec("at0", Kind.DATETIME): st.datetimes().map(lambda value: value.isoformat(" ", "seconds").encode()),
    Codec("at3", Kind.DATETIME, scale=3): st.datetimes().map(
        lambda value: value.isoformat(" ", "milliseconds").encode()
    ),
    Codec("any day", Kind.DATE): st.one_of(
        st.dates().map(lambda value: value.isoformat().encode()),
        st.tuples(st.integers(0, 9999), st.integers(0, 13), st.integers(0, 32)).map(
            lambda of: "{:04}-{:02}-{:02}".format(*of).encode()
        ),
    ),
    Codec("any time", Kind.DATETIME): st.tuples(
        st.sampled_from([0, 4, 100, 1900, 2000, 2023, 2024]),
        st.integers(0, 13),
        st.integers(0, 32),
        st.sampled_from([0, 23, 24]),
        st.sampled_from([0, 59, 60]),
        st.sampled_from([0, 59]),
    ).map(lambda of: "{:04}-{:02}-{:02} {:02}:{:02}:{:02}".format(*of).encode()),
    Codec("text", Kind.TEXT): st.text(st.characters(exclude_categories=["Cs"]), max_size=400).map(str.encode),
    Codec("bytes", Kind.BYTES): st.binary(max_size=400),
    Codec("coded", Kind.CODED, charset="gbk"): st.binary(max_size=9),
}


@st.composite
def results(draw: st.DrawFn) -> tuple[list[Codec], list[list[bytes | None]]]:
    columns = draw(st.lists(st.sampled_from(sorted(VALUES, key=lambda codec: codec.name)), min_size=1, unique=True))
    row = st.tuples(*(st.none() | VALUES[column] for column in columns)).map(list)
    return columns, draw(st.lists(row, min_size=1, max_size=20))


@settings(max_examples=150, deadline=None)
@given(result=results(), at_once=st.integers(1, 300), most_bytes=st.integers(1, 2000))
def test_both_splitters_make_the_same_of_every_result(
    result: tuple[list[Codec], list[list[bytes | None]]], at_once: int, most_bytes: int
) -> None:
    if not native.library():
        pytest.skip("no native library: no C compiler here")
    columns, rows = result
    ours, plain = (read(make(columns, most_bytes, 7, 3), stream(rows), at_once) for make in (Compiled, Plain))
    for one, other in zip(ours, plain, strict=True):
        assert one.frame.equals(other.frame)
        assert one.frame.schema == other.frame.schema
        assert one.digest == other.digest == digest(one.frame, columns)
    assert sum((batch.digest for batch in ours), Digest()).rows == len(rows)


@settings(max_examples=100, deadline=None)
@given(
    column=st.sampled_from(sorted(VALUES, key=lambda codec: codec.name)), value=st.binary(max_size=30), data=st.data()
)
def test_both_splitters_refuse_the_same_values(column: Codec, value: bytes, data: st.DataObject) -> None:
    if not native.library():
        pytest.skip("no native library: no C compiler here")
    good = data.draw(VALUES[column])
    at = data.draw(st.integers(0, len(good)))
    for tried in (value, good[:at] + value[:1] + good[at + 1 :]):
        outcomes = []
        for make in (Compiled, Plain):
            try:
                outcomes.append(whole(make, [column], [[tried]]).to_dicts())
            except NotSupported:
                outcomes.append([])
        assert outcomes[0] == outcomes[1], tried


@settings(max_examples=100, deadline=None)
@given(rubbish=st.binary(max_size=60), width=st.integers(1, 3))
def test_rubbish_is_an_error_and_never_a_crash(rubbish: bytes, width: int) -> None:
    columns = [Codec("i", Kind.INT), Codec("t", Kind.TEXT), BYTES][:width]
    data = packets(*([rubbish] if rubbish else []), END)
    outcomes = []
    for make in (Compiled, Plain) if native.library() else (Plain,):
        try:
            outcomes.append([batch.frame.to_dicts() for batch in read(make(columns, 99, 99, 3), data)])
        except (NotSupported, err.MySQLError):
            outcomes.append([])  # which of the things wrong with it is said first is left open
    assert outcomes[0] == outcomes[-1]


@pytest.mark.parametrize("more", [0, 1, 5, LONGEST])
def test_a_value_of_16_megabytes_and_more_comes_over_several_packets(make: Make, more: int) -> None:
    size = LONGEST - len(encoded(b"y" * LONGEST)) + LONGEST + more
    rows = [[b"before"], [b"y" * size], [b"after"]]
    found = whole(make, [BYTES], rows, at_once=256 * 1024)
    assert found["b"].to_list() == [value for [value] in rows]


def test_batches_are_cut_by_bytes_and_by_rows(make: Make) -> None:
    rows: list[list[bytes | None]] = [[b"x" * 9]] * 10
    by_size = read(make([BYTES], 30, 1 << 30, 3), stream(rows))
    by_rows = read(make([BYTES], 1 << 30, 4, 3), stream(rows))
    assert [batch.frame.height for batch in by_size] == [3, 3, 3, 1]
    assert [batch.frame.height for batch in by_rows] == [4, 4, 2]


def test_a_result_without_rows_has_no_batch(make: Make) -> None:
    assert read(make([BYTES], 99, 99, 3), stream([])) == []


def test_the_packets_numbers_go_round(make: Make) -> None:
    assert whole(make, [BYTES], [[b"x"]] * 600).height == 600


def test_an_error_in_the_middle_of_a_result_is_raised(make: Make) -> None:
    with pytest.raises(err.OperationalError, match="interrupted"):
        read(make([BYTES], 99, 99, 3), stream([[b"x"]], b"\xff\x25\x05#70100interrupted"), at_once=3)


@pytest.mark.parametrize(
    ("payload", "what"),
    [
        (encoded(b"a") + b"rest", "does not end"),
        (b"\x05abc", "does not end"),
        (b"\xfc\x05", "does not end"),
        (b"\xfe" + b"\xff" * 8 + b"abc", "does not end"),
        (b"", "does not end"),
        (encoded(b"a"), "missing"),
    ],
)
def test_what_no_server_sends_is_an_error(make: Make, payload: bytes, what: str) -> None:
    data = packets(payload, END, sequence=4 if what == "missing" else 3)
    with pytest.raises(err.InterfaceError, match=what):
        read(make([BYTES], 99, 99, 3), data)


def test_of_an_error_without_end_no_more_is_read_than_an_int_counts() -> None:
    if not native.library():
        pytest.skip("no native library: no C compiler here")
    data = bytearray(packets(b"\xff\x25\x05#70100" + b"x" * LONGEST))
    of = native.Packets([BYTES], 99, 99, 3)
    try:
        of.feed(data, 0, len(data))
        assert of.status is native.Status.REFUSED
        assert len(of.message) == LONGEST
    finally:
        of.close()


def test_more_after_the_end_is_an_error(make: Make) -> None:
    with pytest.raises(err.InterfaceError, match="does not end"):
        read(make([BYTES], 99, 99, 3), stream([], END, b"\x01x"))


def test_bytes_that_are_no_text_are_refused_by_the_columns_name(make: Make) -> None:
    with pytest.raises(NotSupported, match="'name'"):
        whole(make, [Codec("name", Kind.TEXT)], [[b"good"], [b"\xff"]])


@pytest.mark.parametrize(
    "bad", [b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82", b"\x80", b"aaaaaaaa\xff"]
)
def test_utf8_that_is_none_is_refused(make: Make, bad: bytes) -> None:
    with pytest.raises(NotSupported, match="no text"):
        whole(make, [Codec("name", Kind.TEXT)], [[bad]])


@pytest.mark.parametrize("bad", [b"", b"-", b"300", b"-129", b"1.5", b"1e2", b" 1", b"+1"])
def test_a_number_that_the_type_does_not_have_is_refused(make: Make, bad: bytes) -> None:
    with pytest.raises(NotSupported, match="'tiny'"):
        whole(make, [Codec("tiny", Kind.INT, bits=8)], [[bad]])


@pytest.mark.parametrize("bad", [b"1e309", b"-1e309", b"9" * 400, b"inf", b"nan"])
def test_a_number_that_no_double_is_is_refused(make: Make, bad: bytes) -> None:
    with pytest.raises(NotSupported, match="'double'"):
        whole(make, [Codec("double", Kind.FLOAT)], [[b"1.5"], [None], [bad]])


@pytest.mark.parametrize("places", range(7))
@pytest.mark.parametrize("sent", range(8))
def test_a_time_with_other_places_than_its_columns_stays_as_it_was_sent(make: Make, places: int, sent: int) -> None:
    text = "2021-02-03 04:05:06" + (".1234567"[: sent + 1] if sent else "")
    [value] = whole(make, [Codec("at", Kind.DATETIME, scale=places)], [[text.encode()]])["at"]
    assert value == (datetime.fromisoformat(text) if sent == places else text)


def test_a_zero_date_turns_a_chunks_dates_to_text_and_no_other_chunks(make: Make) -> None:
    columns = [Codec("day", Kind.DATE), Codec("at", Kind.DATETIME)]
    good: list[bytes | None] = [b"2021-02-03", b"2021-02-03 04:05:06"]
    zero: list[bytes | None] = [b"0000-00-00", b"0000-00-00 00:00:00"]
    first, second = read(make(columns, 1 << 30, 2, 3), stream([good, [None, None], good, zero]))
    assert first.frame.rows() == [(date(2021, 2, 3), datetime(2021, 2, 3, 4, 5, 6)), (None, None)]
    assert second.frame.rows() == [("2021-02-03", "2021-02-03 04:05:06"), ("0000-00-00", "0000-00-00 00:00:00")]


def over(file: io.BufferedReader) -> tuple[Any, list[object]]:
    """A connection whose result comes from a file, and what becomes of it when it is closed."""
    closed: list[object] = []

    class Result:
        field_count, unbuffered_active = 1, True

    class Raw:
        _rfile, _next_seq_id, _result = file, 3, cast(Any, None)

        def _execute_command(self, command: int, sql: str) -> None: ...

        def _read_query_result(self, unbuffered: bool) -> None:
            self._result = Result()

        def _force_close(self) -> None:
            closed.append(self)

    return Raw(), closed


class _Ending(io.RawIOBase):
    """A connection that breaks, or ends, when its bytes have been read."""

    def __init__(self, data: bytes, broken: bool) -> None:
        self._data, self._broken = io.BytesIO(data), broken

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        size = self._data.readinto(buffer)
        if not size and self._broken:
            raise ConnectionResetError
        return size


@pytest.mark.parametrize("cut", [0, 1, 4, 6, 60])
@pytest.mark.parametrize("broken", [True, False])
def test_a_stream_that_ends_early_is_an_error(cut: int, broken: bool) -> None:
    source = _Ending(stream([[b"x" * 40]] * 3)[:cut], broken)
    raw, closed = over(io.BufferedReader(source))
    with pytest.raises(err.OperationalError, match="in the middle"):
        list(wire.batches(raw, "SELECT", [BYTES], 99))
    assert closed


@pytest.mark.parametrize("ahead", [0, 10, 7000])
def test_what_the_driver_has_read_ahead_is_read_without_waiting_for_more(ahead: int) -> None:
    server, client = socket.socketpair()
    with server, client, client.makefile("rb") as file:
        client.settimeout(5)
        server.sendall(b"h" * ahead + stream([[b"x"]] * 100))
        assert file.read(ahead) == b"h" * ahead
        raw, closed = over(file)
        [batch] = list(wire.batches(raw, "SELECT", [BYTES], 1 << 20))
    assert batch.frame.height == 100
    assert not closed
