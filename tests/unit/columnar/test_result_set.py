"""Packets into frames: every length encoding, long packets, what no server sends, and streams that end too early.

Both splitters are held to the same: the compiled one, and the one in plain Python.
"""

import io
import re
import socket
import struct
from collections.abc import Callable, Sequence
from datetime import date, datetime
from types import SimpleNamespace
from typing import Any, cast

import polars as pl
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from pymysql import err
from pymysql.constants import FIELD_TYPE

from tableferry.columnar import binary_protocol, formats
from tableferry.columnar import result_set as wire
from tableferry.columnar.binary_protocol import Wire
from tableferry.columnar.digest import Digest, Hashing, digest
from tableferry.columnar.formats import Format
from tableferry.columnar.native import library
from tableferry.columnar.native.library import Into
from tableferry.columnar.packets import Batch, Compiled, Plain, Splitter, has_lines, open_splitter
from tableferry.errors import NotSupported
from tableferry.schema.codec import Codec, Kind
from tests.effort import by_turns, effort, sample

LONGEST = 0xFFFFFF
END = b"\xfe\x00\x00\x02\x00"
BYTES = Codec("b", Kind.BYTES)
INTEGERS = {8: FIELD_TYPE.TINY, 16: FIELD_TYPE.SHORT, 32: FIELD_TYPE.LONG, 64: FIELD_TYPE.LONGLONG}

Value = bytes | None
Make = Callable[[Sequence[Codec], Sequence[Wire], int, int, int], Splitter[Any]]


def compiled(*given: Any) -> Compiled:
    return Compiled(library.Packets(*given))


@pytest.fixture(params=[compiled, Plain])
def make(request: pytest.FixtureRequest) -> Make:
    if request.param is compiled and not library.library():
        pytest.skip("no native library: no C compiler here")
    made: Make = request.param
    return made


def wire_of(column: Codec) -> Wire:
    """How a server sends such a column."""
    match column.kind:
        case Kind.INT | Kind.UINT:
            return Wire(INTEGERS[column.bits], column.kind is Kind.UINT)
        case Kind.YEAR:
            return Wire(FIELD_TYPE.YEAR, True)
        case Kind.BIT | Kind.ENUM_INDEX:
            return Wire(FIELD_TYPE.LONGLONG, True)
        case Kind.FLOAT:
            return Wire(FIELD_TYPE.FLOAT if column.bits == 32 else FIELD_TYPE.DOUBLE)
        case Kind.DATE:
            return Wire(FIELD_TYPE.DATE)
        case Kind.DATETIME:
            return Wire(FIELD_TYPE.TIMESTAMP if column.scale else FIELD_TYPE.DATETIME, places=column.scale)
        case Kind.TEXT if column.name.startswith("time"):
            return Wire(FIELD_TYPE.TIME, places=column.scale)
        case _:
            return Wire(FIELD_TYPE.VAR_STRING)


def encoded(value: bytes) -> bytes:
    """A string of the protocol."""
    size = len(value)
    if size < 251:
        return bytes([size]) + value
    digits, mark = next((digits, mark) for digits, mark in ((2, 0xFC), (3, 0xFD), (8, 0xFE)) if size < 1 << 8 * digits)
    return bytes([mark]) + size.to_bytes(digits, "little") + value


def shortened(whole: bytes, sizes: Sequence[int]) -> bytes:
    """Fields of a date or time without those at the end that are zero."""
    size = next(size for size in sizes if not any(whole[size:]))
    return bytes([size]) + whole[:size]


def sent(column: Codec, text: bytes) -> bytes:
    """A value, given as its text, as the protocol has it."""
    wire = wire_of(column)
    if form := binary_protocol.INTEGERS.get(wire.type):
        return struct.pack(form.upper() if wire.unsigned else form, int(text))
    if form := binary_protocol.FLOATS.get(wire.type):
        return struct.pack(form, float(text))
    if wire.type not in {*binary_protocol.MOMENTS, FIELD_TYPE.TIME}:
        return encoded(text)
    clock, _, places = text.decode().partition(".")
    numbers = [int(digits) for digits in re.findall(r"\d+", clock)]
    micro = int(places.ljust(6, "0"))
    if wire.type in binary_protocol.MOMENTS:
        return shortened(struct.pack("<HBBBBBI", *numbers, *[0] * (6 - len(numbers)), micro), (0, 4, 7, 11))
    hour, minute, second = numbers
    fields = (text.startswith(b"-"), hour // 24, hour % 24, minute, second, micro)
    return shortened(struct.pack("<BIBBBI", *fields), (0, 8, 12))


def row_of(columns: Sequence[Codec], row: Sequence[Value]) -> bytes:
    """A row of the binary protocol."""
    nulls = sum(1 << number for number, value in enumerate(row, 2) if value is None)
    values = [sent(column, value) for column, value in zip(columns, row, strict=True) if value is not None]
    return b"\0" + nulls.to_bytes((len(row) + 9) // 8, "little") + b"".join(values)


def packets(*payloads: bytes, sequence: int = 3) -> bytes:
    """Payloads as packets, split where they are too long for one."""
    out = []
    for payload in payloads:
        for at in range(0, len(payload) + 1, LONGEST):
            part = payload[at : at + LONGEST]
            out.append(len(part).to_bytes(3, "little") + bytes([sequence % 256]) + part)
            sequence += 1
    return b"".join(out)


def stream(columns: Sequence[Codec], rows: Sequence[Sequence[Value]], *after: bytes) -> bytes:
    """A whole result: rows, and its end."""
    return packets(*(row_of(columns, row) for row in rows), *(after or (END,)))


def opened(make: Make, columns: Sequence[Codec], most_bytes: int = 1 << 30, most_rows: int = 1 << 30) -> Splitter[Any]:
    return make(columns, [wire_of(column) for column in columns], most_bytes, most_rows, 3)


def read(splitter: Splitter[Any], data: bytes, at_once: int = 1 << 30) -> list[Batch[Any]]:
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
    make: Make, columns: Sequence[Codec], rows: Sequence[Sequence[Value]], at_once: int = 1 << 30
) -> pl.DataFrame:
    [batch] = read(opened(make, columns), stream(columns, rows), at_once)
    assert batch.digest == digest(batch.content, columns)
    frame: pl.DataFrame = batch.content
    return frame


@settings(max_examples=effort(33, 100))
@given(row=st.lists(st.none() | st.binary(max_size=300), min_size=1, max_size=20))
@example(row=[b"x" * 250, b"x" * 251, b"x" * 65535, b"x" * 65536, None, b""])
def test_a_row_is_cut_into_its_values(row: list[Value]) -> None:
    columns = [BYTES] * len(row)
    assert binary_protocol.values(row_of(columns, row), [wire_of(column) for column in columns]) == row


def numbered(kind: Kind, bits: int) -> st.SearchStrategy[bytes]:
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if kind is Kind.INT else (0, (1 << bits) - 1)
    return st.integers(low, high).map(lambda value: str(value).encode())


def times(places: int) -> st.SearchStrategy[bytes]:
    def written(sign: str, hour: int, minute: int, second: int, fraction: int) -> bytes:
        text = f"{sign}{hour:02}:{minute:02}:{second:02}"
        return (f"{text}.{fraction:06}"[: len(text) + 1 + places] if places else text).encode()

    sixty = st.integers(0, 59)
    return st.builds(written, st.sampled_from(["", "-"]), st.integers(1, 838), sixty, sixty, st.integers(0, 999_999))


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
    Codec("double", Kind.FLOAT): st.floats(allow_nan=False, allow_infinity=False).map(
        lambda value: repr(value).encode()
    ),
    Codec("single", Kind.FLOAT, bits=32): st.floats(allow_nan=False, allow_infinity=False, width=32).map(
        lambda value: repr(value).encode()
    ),
    **{Codec(f"time{places}", Kind.TEXT, scale=places): times(places) for places in (0, 3, 6)},
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
        st.tuples(st.integers(0, 9999), st.integers(0, 12), st.integers(0, 31)).map(
            lambda of: "{:04}-{:02}-{:02}".format(*of).encode()
        ),
    ),
    Codec("any time", Kind.DATETIME): st.tuples(
        st.sampled_from([0, 4, 100, 1900, 2000, 2023, 2024]),
        st.integers(0, 12),
        st.integers(0, 31),
        st.sampled_from([0, 23]),
        st.sampled_from([0, 59]),
        st.sampled_from([0, 59]),
    ).map(lambda of: "{:04}-{:02}-{:02} {:02}:{:02}:{:02}".format(*of).encode()),
    Codec("text", Kind.TEXT): st.text(st.characters(exclude_categories=["Cs"]), max_size=400).map(str.encode),
    Codec("bytes", Kind.BYTES): st.binary(max_size=400),
    Codec("coded", Kind.CODED, charset="gbk"): st.binary(max_size=9),
}


@st.composite
def results(draw: st.DrawFn) -> tuple[list[Codec], list[list[Value]]]:
    columns = draw(st.lists(st.sampled_from(sorted(VALUES, key=lambda codec: codec.name)), min_size=1, unique=True))
    row = st.tuples(*(st.none() | VALUES[column] for column in columns)).map(list)
    return columns, draw(st.lists(row, min_size=1, max_size=20))


@settings(max_examples=effort(50, 150))
@given(
    result=results(),
    at_once=st.integers(1, 300),
    most_bytes=st.integers(1, 2000),
    key=st.just(b"") | st.binary(max_size=64),
)
def test_both_splitters_make_the_same_of_every_result(
    result: tuple[list[Codec], list[list[Value]]], at_once: int, most_bytes: int, key: bytes
) -> None:
    if not library.library():
        pytest.skip("no native library: no C compiler here")
    columns, rows = result
    given = (columns, [wire_of(column) for column in columns], most_bytes, 7, 3)
    makes = (compiled(*given, Into.FRAME, b"", key), Plain(*given, Hashing(key)))
    ours, plain = (read(splitter, stream(columns, rows), at_once) for splitter in makes)
    for one, other in zip(ours, plain, strict=True):
        assert one.content.equals(other.content)
        assert one.content.schema == other.content.schema
        assert one.digest == other.digest == digest(one.content, columns, Hashing(key))
    assert sum((batch.digest for batch in ours), Digest()).rows == len(rows)


@settings(max_examples=effort(50, 150))
@given(result=results(), at_once=st.integers(1, 300), most_bytes=st.integers(1, 2000))
def test_rows_as_lines_are_the_frames_and_have_their_digest(
    result: tuple[list[Codec], list[list[Value]]], at_once: int, most_bytes: int
) -> None:
    columns = [column for column in result[0] if column.kind is not Kind.FLOAT]
    if not has_lines(columns):
        pytest.skip("no native library: no C compiler here")
    assume(columns)
    places = [result[0].index(column) for column in columns]
    data = stream(columns, [[row[place] for place in places] for row in result[1]])

    def made(into: Into) -> list[Batch[Any]]:
        wires = [wire_of(column) for column in columns]
        return read(compiled(columns, wires, most_bytes, 7, 3, into, formats.names(columns)), data, at_once)

    frames, files, nothing = (made(into) for into in (Into.FRAME, Into.LINES, Into.NOTHING))
    assert [batch.digest for batch in frames] == [batch.digest for batch in files]
    assert [batch.digest for batch in frames] == [batch.digest for batch in nothing]
    for frame, file in zip(frames, files, strict=True):
        found = formats.read(formats.write(file.content, columns, Format.CSV), columns, Format.CSV)
        as_text = formats.read(formats.write(frame.content, columns, Format.CSV), columns, Format.CSV)
        assert found.equals(as_text)
        assert digest(found, columns) == frame.digest


def test_lines_begin_with_the_names_and_quote_what_is_text() -> None:
    columns = [Codec('a"', Kind.INT), Codec("t", Kind.TEXT), Codec("b", Kind.BYTES), Codec("d", Kind.DATE)]
    if not has_lines(columns):
        pytest.skip("no native library: no C compiler here")
    rows: list[list[Value]] = [
        [b"-7", 'x",\n"ü'.encode(), b"\xff", b"2021-02-03"], [None] * 4, [b"0", b"", b"", b"0000-00-00"]
    ]  # fmt: skip
    splitter = open_splitter(columns, [wire_of(column) for column in columns], 1, 3, Into.LINES, formats.names(columns))
    head = b'"a""","t","b","d"\n'
    assert [bytes(batch.content) for batch in read(splitter, stream(columns, rows))] == [
        head + b'-7,"x"",\n""\xc3\xbc","ff",2021-02-03\n',
        head + b",,,\n",
        head + b'0,"","",0000-00-00\n',
    ]
    assert not has_lines([Codec("f", Kind.FLOAT)])


def outcome(make: Make, columns: Sequence[Codec], data: bytes) -> object:
    """What comes of a result: rows, or that it was refused; which of the things wrong is said first is left open."""
    try:
        batches = read(opened(make, columns), data)
        # Days as numbers: Python has no year 0.
        return [
            (batch.content.schema, batch.content.with_columns(pl.col(pl.Date, pl.Datetime).to_physical()).to_dicts())
            for batch in batches
        ]
    except (NotSupported, err.MySQLError):
        return "refused"


COLUMNS = sorted(VALUES, key=lambda codec: codec.name)


@settings(max_examples=effort(100, 300))
@given(data=st.data(), columns=st.lists(st.sampled_from(COLUMNS), min_size=1, max_size=3, unique=True))
@by_turns
def test_what_no_server_sends_is_refused_by_both_or_taken_alike(data: st.DataObject, columns: list[Codec]) -> None:
    if not library.library():
        pytest.skip("no native library: no C compiler here")
    payload = bytearray(row_of(columns, [data.draw(st.none() | VALUES[column]) for column in columns]))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(payload)))
        payload[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
    broken = packets(bytes(payload), END)
    assert outcome(compiled, columns, broken) == outcome(Plain, columns, broken)


@settings(max_examples=effort(66, 200))
@given(
    rubbish=st.binary(min_size=1, max_size=60),
    columns=st.lists(st.sampled_from(COLUMNS), min_size=1, max_size=3, unique=True),
)
def test_rubbish_is_an_error_and_never_a_crash(rubbish: bytes, columns: list[Codec]) -> None:
    splitters = (compiled, Plain) if library.library() else (Plain,)
    found = [outcome(make, columns, packets(rubbish, END)) for make in splitters]
    assert found[0] == found[-1]


@pytest.mark.parametrize("more", [0, 1, 5, LONGEST])
@sample(2)
def test_a_value_of_16_megabytes_and_more_comes_over_several_packets(make: Make, more: int) -> None:
    size = LONGEST - len(row_of([BYTES], [b"y" * LONGEST])) + LONGEST + more
    rows: list[list[Value]] = [[b"before"], [b"y" * size], [b"after"]]
    found = whole(make, [BYTES], rows, at_once=256 * 1024)
    assert found["b"].to_list() == [value for [value] in rows]


def test_batches_are_cut_by_bytes_and_by_rows(make: Make) -> None:
    rows: list[list[Value]] = [[b"x" * 9]] * 10
    by_size = read(opened(make, [BYTES], 36), stream([BYTES], rows))
    by_rows = read(opened(make, [BYTES], most_rows=4), stream([BYTES], rows))
    assert [batch.content.height for batch in by_size] == [3, 3, 3, 1]
    assert [batch.content.height for batch in by_rows] == [4, 4, 2]


def test_a_result_without_rows_has_no_batch(make: Make) -> None:
    assert read(opened(make, [BYTES]), stream([BYTES], [])) == []


def test_the_packets_numbers_go_round(make: Make) -> None:
    assert whole(make, [BYTES], [[b"x"]] * 600).height == 600


def test_an_error_in_the_middle_of_a_result_is_raised(make: Make) -> None:
    with pytest.raises(err.OperationalError, match="interrupted"):
        read(opened(make, [BYTES]), stream([BYTES], [[b"x"]], b"\xff\x25\x05#70100interrupted"), at_once=3)


@pytest.mark.parametrize(
    ("payload", "what"),
    [
        (row_of([BYTES], [b"a"]) + b"rest", "does not end"),
        (b"\0\0\x05abc", "does not end"),
        (b"\0\0\xfc\x05", "does not end"),
        (b"\0\0\xfb", "does not end"),
        (b"\0\0\xfe" + b"\xff" * 8 + b"abc", "does not end"),
        (b"\0", "does not end"),
        (b"\x01\0\x01a", "does not end"),
        (b"", "does not end"),
        (row_of([BYTES], [b"a"]), "missing"),
    ],
)
def test_a_row_that_is_none_is_an_error(make: Make, payload: bytes, what: str) -> None:
    data = packets(payload, END, sequence=4 if what == "missing" else 3)
    with pytest.raises(err.InterfaceError, match=what):
        read(opened(make, [BYTES]), data)


def test_of_an_error_without_end_no_more_is_read_than_an_int_counts() -> None:
    if not library.library():
        pytest.skip("no native library: no C compiler here")
    data = bytearray(packets(b"\xff\x25\x05#70100" + b"x" * LONGEST))
    of = library.Packets([BYTES], [wire_of(BYTES)], 99, 99, 3)
    try:
        of.feed(data, 0, len(data))
        assert of.status is library.Status.REFUSED
        assert len(of.message) == LONGEST
    finally:
        of.close()


def test_more_after_the_end_is_an_error(make: Make) -> None:
    with pytest.raises(err.InterfaceError, match="does not end"):
        read(opened(make, [BYTES]), stream([BYTES], [], END, b"\x01x"))


def test_bytes_that_are_no_text_are_refused_by_the_columns_name(make: Make) -> None:
    with pytest.raises(NotSupported, match="'name'"):
        whole(make, [Codec("name", Kind.TEXT)], [[b"good"], [b"\xff"]])


@pytest.mark.parametrize(
    "bad", [b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82", b"\x80", b"aaaaaaaa\xff"]
)
def test_utf8_that_is_none_is_refused(make: Make, bad: bytes) -> None:
    with pytest.raises(NotSupported, match="no text"):
        whole(make, [Codec("name", Kind.TEXT)], [[bad]])


ONE_PLACE = Codec("d", Kind.DECIMAL, precision=3, scale=1)
NO_PLACE = Codec("d", Kind.DECIMAL, precision=3)


@pytest.mark.parametrize(
    ("column", "bad"),
    [
        *((ONE_PLACE, bad) for bad in (b"", b"-", b"1", b"1.", b"123.4", b"1.55", b"+1.5", b"1e2")),
        *((NO_PLACE, bad) for bad in (b"", b"1.5", b"1234", b" 1")),
    ],
)
def test_a_number_that_the_type_does_not_have_is_refused(make: Make, column: Codec, bad: bytes) -> None:
    with pytest.raises(NotSupported, match="'d'"):
        whole(make, [column], [[bad]])


def test_a_number_that_is_sent_in_a_larger_size_has_to_fit(make: Make) -> None:
    columns, wires = [Codec("tiny", Kind.INT, bits=8)], [Wire(FIELD_TYPE.LONG)]
    for value, fits in ((127, True), (-128, True), (128, False), (-129, False)):
        data = packets(b"\0\0" + struct.pack("<i", value), END)
        splitter = make(columns, wires, 99, 99, 3)
        if fits:
            assert read(splitter, data)[0].content["tiny"].to_list() == [value]
        else:
            with pytest.raises(NotSupported, match="'tiny'"):
                read(splitter, data)


@pytest.mark.parametrize(
    ("wire_", "value"),
    [
        (Wire(FIELD_TYPE.DATETIME, places=3), struct.pack("<BHBBBBBI", 11, 2021, 2, 3, 4, 5, 6, 123_400)),
        (Wire(FIELD_TYPE.DATETIME, places=3), struct.pack("<BHBBBBBI", 11, 2021, 2, 3, 4, 5, 6, 1_000_000)),
        (Wire(FIELD_TYPE.DATETIME, places=3), struct.pack("<BHBBBBB", 7, 2021, 2, 3, 24, 0, 0)),
        (Wire(FIELD_TYPE.DATETIME, places=3), struct.pack("<BHBB", 4, 10_000, 2, 3)),
        (Wire(FIELD_TYPE.TIME, places=3), struct.pack("<BBIBBBI", 12, 0, 0, 4, 5, 6, 123_400)),
        (Wire(FIELD_TYPE.TIME, places=3), struct.pack("<BBIBBB", 8, 0, 41, 4, 5, 6)),
    ],
)
def test_a_time_that_its_column_cannot_hold_is_refused(make: Make, wire_: Wire, value: bytes) -> None:
    column = Codec("t", Kind.TEXT if wire_.type == FIELD_TYPE.TIME else Kind.DATETIME, scale=3)
    with pytest.raises(NotSupported):
        read(make([column], [wire_], 99, 99, 3), packets(b"\0\0" + value, END))


def test_a_time_with_all_the_places_of_its_column_is_taken(make: Make) -> None:
    columns = [Codec("at", Kind.DATETIME, scale=3), Codec("time3", Kind.TEXT, scale=3)]
    found = whole(make, columns, [[b"2021-02-03 04:05:06.123", b"-838:59:59.123"]])
    assert found.rows() == [(datetime(2021, 2, 3, 4, 5, 6, 123_000), "-838:59:59.123")]


@pytest.mark.parametrize("sent_as", [FIELD_TYPE.LONG, FIELD_TYPE.DOUBLE, FIELD_TYPE.DATE, FIELD_TYPE.TIME])
def test_a_column_that_is_sent_as_another_type_is_refused(sent_as: int) -> None:
    with pytest.raises(NotSupported, match="'b'"):
        open_splitter([BYTES], [Wire(sent_as)], 99, 3)


def test_a_zero_date_turns_a_chunks_dates_to_text_and_no_other_chunks(make: Make) -> None:
    columns = [Codec("day", Kind.DATE), Codec("at", Kind.DATETIME)]
    good: list[Value] = [b"2021-02-03", b"2021-02-03 04:05:06"]
    zero: list[Value] = [b"0000-00-00", b"0000-00-00 00:00:00"]
    first, second = read(opened(make, columns, most_rows=2), stream(columns, [good, [None, None], good, zero]))
    assert first.content.rows() == [(date(2021, 2, 3), datetime(2021, 2, 3, 4, 5, 6)), (None, None)]
    assert second.content.rows() == [("2021-02-03", "2021-02-03 04:05:06"), ("0000-00-00", "0000-00-00 00:00:00")]


def over(monkeypatch: pytest.MonkeyPatch, file: io.BufferedReader) -> tuple[Any, list[object]]:
    """A connection whose result comes from a file, and what becomes of it when it is closed."""
    closed: list[object] = []

    class Raw:
        _rfile, _next_seq_id, _result = file, 3, cast("Any", None)

        def _execute_command(self, command: int, sql: str | bytes) -> None: ...

        def _read_query_result(self, unbuffered: bool) -> None:
            field = SimpleNamespace(type_code=FIELD_TYPE.BLOB, flags=0, scale=0)
            self._result = SimpleNamespace(fields=(field,), unbuffered_active=True)

        def _force_close(self) -> None:
            closed.append(self)

    monkeypatch.setattr(wire, "_prepared", lambda raw, sql: 7)
    monkeypatch.setattr(wire, "_refuse_missing", lambda raw, count: None)
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
@sample(3)
def test_a_stream_that_ends_early_is_an_error(monkeypatch: pytest.MonkeyPatch, cut: int, broken: bool) -> None:
    source = _Ending(stream([BYTES], [[b"x" * 40]] * 3)[:cut], broken)
    raw, closed = over(monkeypatch, io.BufferedReader(source))
    with pytest.raises(err.OperationalError, match="in the middle"):
        list(wire.batches(raw, "SELECT", [BYTES], 99))
    assert closed


@pytest.mark.parametrize("ahead", [0, 10, 7000])
@sample(1)
def test_what_the_driver_has_read_ahead_is_read_without_waiting_for_more(
    monkeypatch: pytest.MonkeyPatch, ahead: int
) -> None:
    server, client = socket.socketpair()
    with server, client, client.makefile("rb") as file:
        client.settimeout(5)
        server.sendall(b"h" * ahead + stream([BYTES], [[b"x"]] * 100))
        assert file.read(ahead) == b"h" * ahead
        raw, closed = over(monkeypatch, file)
        [batch] = list(wire.batches(raw, "SELECT", [BYTES], 1 << 20))
    assert batch.content.height == 100
    assert not closed
