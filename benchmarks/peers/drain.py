"""The limit of every backup: what the server sends of a table, read from the socket and thrown away undecoded."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from pymysql.constants.COMMAND import COM_QUIT

from local.demo import sample
from local.demo.expect import Unexpected

_PIECE = 256 * 1024
_END = 9  # bytes of the packet that ends a result
_ERROR, _EOF = 0xFF, 0xFE


def drain(
    url: str, measure: Callable[[Callable[[], Any]], Any], *, table: str, ranges: Sequence[Sequence[int]]
) -> dict[str, Any]:
    """Select the ranges of keys, each on a connection and a thread of its own; how many bytes came."""

    def all_at_once() -> int:
        with ThreadPoolExecutor(len(ranges)) as pool:
            return sum(pool.map(lambda keys: _drained(url, table, *keys), ranges))

    return {"size": measure(all_at_once)}


def _drained(url: str, table: str, first: int, last: int) -> int:
    """The bytes of a result, headers of packets and all.

    The goodbye is sent right behind the query, so that the end of the stream is the end of the result: to look for it in
    the packets would be to decode them. Raises Unexpected if it was an error.
    """
    connection: Any = sample.connect(url)  # the stubs leave out the protocol's own parts
    connection._execute_command(3, f"SELECT * FROM `{table}` WHERE id BETWEEN {first} AND {last}")
    connection._next_seq_id = 0
    connection.write_packet(bytes([COM_QUIT]))
    view = memoryview(bytearray(_PIECE))
    total, head, end = 0, b"", b""
    while size := connection._sock.recv_into(view):
        if len(head) < 5:
            head += bytes(view[:5])
        end = (end + bytes(view[max(0, size - _END) : size]))[-_END:]
        total += size
    connection._force_close()
    if head[4] == _ERROR or end[:3] != b"\x05\0\0" or end[4] != _EOF:
        raise Unexpected(f"the result of {table} did not end as one does")
    return total
