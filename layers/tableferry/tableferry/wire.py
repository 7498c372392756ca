"""A result set as frames, in bounded memory.

The text protocol's rows are taken straight off the connection and cut into columns, without the driver's objects per
row. Source: https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_com_query_response_text_resultset.html
Packets: a 3-byte little-endian length, a sequence number, the payload; a payload of 0xFFFFFF bytes goes on in the next
packet. Values: a length-encoded string each, 0xFB for NULL. A row cannot begin with 0xFF (an error) and begins with
0xFE only in packets of nine bytes and more, so that a shorter one is the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import polars as pl
from pymysql import err
from pymysql.connections import MySQLResult
from pymysql.constants import COMMAND, CR

from tableferry.columns import Codec, Kind
from tableferry.database import Connection
from tableferry.errors import NotSupported

_MOST_PAYLOAD = 0xFFFFFF
_NULL, _TWO, _THREE, _EIGHT = 0xFB, 0xFC, 0xFD, 0xFE
_ERROR, _END, _END_LONGEST = 0xFF, 0xFE, 8
_MOST_ROWS = 100_000
_DATETIME = "%Y-%m-%d %H:%M:%S%.f"

Values = list[bytes | None]


def frames(connection: Connection, sql: str, columns: Sequence[Codec], chunk_bytes: int) -> Iterator[pl.DataFrame]:
    """The rows of a SELECT as frames of about ``chunk_bytes`` of wire text, 100,000 rows at most.

    Memory: about six times ``chunk_bytes``, or twice the longest row. Yields nothing for an empty result. Leave the
    connection alone, or close it, if the iteration is not run to its end.

    Raises:
        NotSupported: a value of a column of text is none.
        pymysql.err.MySQLError: the statement failed, or the connection broke; a result never ends early in silence.
    """
    for values in _batches(connection, sql, len(columns), chunk_bytes):
        yield pl.DataFrame([_series(column, of) for column, of in zip(columns, values, strict=True)])


def _batches(connection: Connection, sql: str, width: int, limit: int) -> Iterator[list[Values]]:
    """The values of each column, batch by batch."""
    raw: Any = connection  # the driver's stubs leave out the protocol's own methods
    raw._execute_command(COMMAND.COM_QUERY, sql)
    result = MySQLResult(raw)
    result.init_unbuffered_query()
    result.unbuffered_active = False  # from here on the rows are ours to read
    if result.field_count != width:
        raise err.InterfaceError(CR.CR_COMMANDS_OUT_OF_SYNC, "The result has not the columns that were selected.")
    read_packet = _packet_reader(raw)
    batch: list[Values] = [[] for _ in range(width)]
    size = count = 0
    while True:
        payload = read_packet()
        if payload[0] >= _END:
            if payload[0] == _ERROR:
                err.raise_mysql_exception(payload)
            if len(payload) <= _END_LONGEST:
                break
        _split(payload, batch)
        size += len(payload)
        count += 1
        if size >= limit or count >= _MOST_ROWS:
            yield batch
            batch = [[] for _ in range(width)]
            size = count = 0
    if count:
        yield batch


def _split(payload: bytes, batch: list[Values]) -> None:
    """Append one row's values, a column each."""
    position = 0
    for values in batch:
        length = payload[position]
        position += 1
        if length < _NULL:
            pass
        elif length == _NULL:
            values.append(None)
            continue
        else:
            digits = {_TWO: 2, _THREE: 3, _EIGHT: 8}[length]
            length = int.from_bytes(payload[position : position + digits], "little")
            position += digits
        values.append(payload[position : position + length])
        position += length
    if position != len(payload):
        raise err.InterfaceError(CR.CR_MALFORMED_PACKET, "A row does not end where its packet ends.")


def _packet_reader(raw: Any) -> Callable[[], bytes]:
    """A function that gives the payload of the next packet, long ones put together."""
    read = raw._rfile.read

    def exactly(size: int) -> bytes:
        try:
            data: bytes = read(size)
        except OSError as error:
            raw._force_close()
            raise err.OperationalError(CR.CR_SERVER_LOST, "The connection broke in the middle of a result.") from error
        if len(data) < size:
            raw._force_close()
            raise err.OperationalError(CR.CR_SERVER_LOST, "The connection ended in the middle of a result.")
        return data

    def packet() -> bytes:
        parts: list[bytes] = []
        while True:
            header = exactly(4)
            raw._next_seq_id = (header[3] + 1) % 256
            length = header[0] | header[1] << 8 | header[2] << 16
            payload = exactly(length)
            if length < _MOST_PAYLOAD and not parts:
                return payload
            parts.append(payload)
            if length < _MOST_PAYLOAD:
                return b"".join(parts)

    return packet


def _series(column: Codec, values: Values) -> pl.Series:
    """A column's values, typed."""
    raw = pl.Series(column.name, values, dtype=pl.Binary)
    if column.hexed:
        return raw
    try:
        text = raw.cast(pl.String)
    except pl.exceptions.ComputeError as error:
        raise NotSupported(
            f"Column {column.name!r} holds bytes that are no text in its character set, which other tools would alter. "
            "Find them with CONVERT, or make the column a binary one."
        ) from error
    match column.kind:
        case Kind.DATE:
            return _where_a_calendar_has_it(text, text.str.to_date("%Y-%m-%d", strict=False))
        case Kind.DATETIME:
            return _where_a_calendar_has_it(text, text.str.to_datetime(_DATETIME, time_unit="us", strict=False))
        case Kind.BIT:
            return text.cast(pl.UInt64)
        case _:
            return text.cast(column.dtype())


def _where_a_calendar_has_it(text: pl.Series, parsed: pl.Series) -> pl.Series:
    return parsed if parsed.null_count() == text.null_count() else text
