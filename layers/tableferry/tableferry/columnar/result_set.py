"""A result set as frames, as CSV or as a digest alone, in bounded memory.

Rows come straight off the connection, without the driver's objects for each. The statement is prepared, so that the
server sends numbers and dates as it holds them: to print a DOUBLE takes it longer than to read the row. It has a LIMIT
of its own, so that no other counts, and as many rows have to arrive as the server says that it has sent.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any

from pymysql import err
from pymysql.constants import COMMAND, CR, FLAG

from tableferry.columnar.binary_protocol import Wire
from tableferry.columnar.digest import PLAIN, Digest, Hashing
from tableferry.columnar.native.library import Into
from tableferry.columnar.packets import Batch, open_splitter
from tableferry.errors import RowsMissing
from tableferry.mysql import protocol
from tableferry.mysql.database import WHOLE, Connection, rows
from tableferry.schema.codec import Codec

if TYPE_CHECKING:
    import polars as pl

_READ_BYTES = 256 * 1024
_PREPARED = struct.Struct("<BIHH")


def batches(
    connection: Connection, sql: str, columns: Sequence[Codec], chunk_bytes: int, hashing: Hashing = PLAIN
) -> Iterator[Batch[pl.DataFrame]]:
    """The rows of a SELECT, in frames of about ``chunk_bytes`` of packets, each with its digest.

    Memory: a frame, and with the library twice the longest row (four times that for a row of bytes, whose digest is of
    hexadecimal digits), without it six times the frame. Yields nothing for an empty result. Leave the connection alone
    meanwhile; it is closed if the iteration is not run to its end, unless that was an error that the server sent.

    Raises:
        NotSupported: a value is none of its column's type, such as text that is none.
        RowsMissing: the server sent more rows than have arrived.
        pymysql.err.MySQLError: the statement failed, or the connection broke; a result never ends early in silence.
    """
    return _batches(connection, sql, columns, chunk_bytes, hashing, Into.FRAME)


def lines(
    connection: Connection, sql: str, columns: Sequence[Codec], chunk_bytes: int, hashing: Hashing, first_line: bytes
) -> Iterator[Batch[memoryview]]:
    """The rows of a SELECT as the text of CSV files, each with ``first_line`` before it, as :func:`batches` has frames.

    To be asked only if :func:`tableferry.columnar.packets.has_lines`; memory and errors are the same.
    """
    return _batches(connection, sql, columns, chunk_bytes, hashing, Into.LINES, first_line)


def digest(connection: Connection, sql: str, columns: Sequence[Codec], chunk_bytes: int, hashing: Hashing) -> Digest:
    """The digest of a SELECT's rows, and nothing else of them; raises what :func:`batches` raises.

    Memory: with the library twice the longest row, without it that of :func:`batches`.
    """
    found = _batches(connection, sql, columns, chunk_bytes, hashing, Into.NOTHING)
    return sum((batch.digest for batch in found), Digest())


def _batches(
    connection: Connection,
    sql: str,
    columns: Sequence[Codec],
    chunk_bytes: int,
    hashing: Hashing,
    into: Into,
    first_line: bytes = b"",
) -> Iterator[Batch[Any]]:
    statement = _prepared(connection, sql + WHOLE)
    # Without a cursor, once: https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_com_stmt_execute.html
    protocol.send_command(connection, COMMAND.COM_STMT_EXECUTE, struct.pack("<IBI", statement, 0, 1))
    result = protocol.take_result(connection)
    count = 0
    try:
        wires = [Wire(field.type_code, bool(field.flags & FLAG.UNSIGNED), field.scale) for field in result.fields or ()]
        if len(wires) != len(columns):
            raise err.InterfaceError(CR.CR_COMMANDS_OUT_OF_SYNC, "The result has not the columns that were selected.")
        read = _reader(connection)
        data = bytearray(_READ_BYTES)
        opened = open_splitter(
            columns, wires, chunk_bytes, protocol.next_packet_number(connection), into, first_line, hashing
        )
        with closing(opened) as splitter:
            while not splitter.ended:
                for batch in splitter.feed(data, read(data)):
                    count += batch.digest.rows
                    yield batch
            if rest := splitter.rest():
                count += rest.digest.rows
                yield rest
        protocol.send_command(connection, COMMAND.COM_STMT_CLOSE, struct.pack("<I", statement))
        _refuse_missing(connection, count)
    except err.DatabaseError:
        raise  # the server's own, which ends a result too
    except BaseException:
        protocol.close_at_once(connection)  # the next statement would take the rows that are left for its answer
        raise


def _refuse_missing(connection: Connection, count: int) -> None:
    """Raise RowsMissing unless the server has sent so many rows for its last statement."""
    sent = rows(connection, "SELECT FOUND_ROWS()")
    if sent != [(count,)]:
        raise RowsMissing(
            f"The database server sent {sent[0][0] if sent else 'an unknown number of'} rows, and {count} arrived: look "
            "whether a proxy before it limits or filters what is read."
        )


def _prepared(connection: Connection, sql: str) -> int:
    """The server's number for a statement that it has prepared, without parameters.

    https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_com_stmt_prepare.html
    """
    protocol.send_command(connection, COMMAND.COM_STMT_PREPARE, sql)
    answer = protocol.read_packet(connection)
    if len(answer) < _PREPARED.size or answer[0]:
        raise err.InterfaceError(
            CR.CR_MALFORMED_PACKET, "The server answered a statement to prepare with something else."
        )
    _, statement, columns, parameters = _PREPARED.unpack_from(answer)
    for count in (parameters, columns):
        for _ in range(count + 1 if count else 0):  # each, and an end, which say again what the result will say
            protocol.read_packet(connection)
    return int(statement)


def _reader(connection: Connection) -> Callable[[bytearray], int]:
    """A function that reads some bytes, one at least, and says how many."""
    file: Any = protocol.incoming(connection)  # a BufferedReader
    first = True

    def some(data: bytearray) -> int:
        nonlocal first
        try:
            if first:
                # What the driver has read ahead, and no more: with some of it left, `readinto1` waits for more besides.
                first = False
                size: int = file.readinto(memoryview(data)[: len(file.peek())])
            else:
                size = file.readinto1(data)
        except OSError as error:
            protocol.close_at_once(connection)
            raise err.OperationalError(CR.CR_SERVER_LOST, "The connection broke in the middle of a result.") from error
        if not size:
            protocol.close_at_once(connection)
            raise err.OperationalError(CR.CR_SERVER_LOST, "The connection ended in the middle of a result.")
        return size

    return some
