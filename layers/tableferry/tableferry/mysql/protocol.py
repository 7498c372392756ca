"""All that touches the driver's private names: a new version of PyMySQL is held against this module alone.

The driver's connection, made safe in what it sends and never sends, and the steps of the protocol that the driver takes by
itself and has no public names for.
"""

from __future__ import annotations

import re
import socket
import ssl
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Any

import pymysql
import pymysql.connections
from pymysql.charset import charset_by_name

from tableferry.errors import DatabaseUnavailable, ServerNotSupported
from tableferry.mysql import tls
from tableferry.mysql.version import Server

_SENT_AS_IT_IS = {b"mysql_clear_password", b"dialog"}
_WAYS_TO_LOG_IN = _SENT_AS_IT_IS | {b"mysql_native_password", b"caching_sha2_password", b"sha256_password"}

if TYPE_CHECKING:
    _Driver = pymysql.connections.Connection[Any]
else:
    _Driver = pymysql.connections.Connection  # cannot be subscripted at run time


class Connection(_Driver):
    """The driver's connection, less what would let a server, or whoever sits before it, have more than it should."""

    def _create_ssl_ctx(self, options: dict[str, Any] | ssl.SSLContext) -> ssl.SSLContext:
        # Asked for without a context where encrypted will do. The driver's own would first read the certificates of the
        # whole world, which takes longer than a query.
        return options if isinstance(options, ssl.SSLContext) else tls.unverified()

    def _process_auth(self, plugin_name: bytes, auth_packet: Any, handler: Any = None) -> Any:
        drivers: Any = super()
        raw: Any = self  # the stubs leave out the protocol's own parts
        if plugin_name not in _WAYS_TO_LOG_IN:
            named = plugin_name.decode(errors="replace")
            raise DatabaseUnavailable(
                f"The database server asks to log in by {named if re.fullmatch(r'[a-z0-9_]+', named) else 'a plugin'}, which "
                "Tableferry does not know: let the user log in by mysql_native_password, caching_sha2_password or, on RDS, "
                "AWSAuthenticationPlugin (an IAM token)."
            )
        if plugin_name in _SENT_AS_IT_IS and not raw._secure:
            raise DatabaseUnavailable(
                "The database server asks for the password as it is, on a connection that is not encrypted; it was not "
                "sent. Turn TLS on at the server."
            )
        return drivers._process_auth(plugin_name, auth_packet, handler)

    def _read_query_result(self, unbuffered: bool = False) -> int:
        drivers: Any = super()
        raw: Any = self
        try:
            return int(drivers._read_query_result(unbuffered))
        except RuntimeError as error:  # what the driver makes of a request for a file that it was not told to answer
            raw._force_close()
            raise DatabaseUnavailable(
                "The database server asked for a file of this function in answer to a statement that loads none; it "
                "was not sent. No MySQL server does that: look who is at the address."
            ) from error


class DirectConnection(Connection):
    """A connection whose session is stated at once, character set and all, so that the driver need not.

    The server says its version before anybody logs in, so one that is too old learns no password.
    """

    def _request_authentication(self) -> None:
        drivers: Any = super()
        raw: Any = self
        server = Server.of(str(raw.get_server_info()))
        if server.too_old:
            raise ServerNotSupported(
                f"The database server {raw.host}:{raw.port} is {server}, which is too old: Tableferry needs {server.oldest}. It "
                "was not logged in to. Upgrade it; docs/limits.md says what older ones lack."
            )
        drivers._request_authentication()

    def set_character_set(self, charset: str, collation: str | None = None) -> None:
        raw: Any = self
        raw.charset, raw.encoding, raw.collation = charset, charset_by_name(charset).encoding, collation


def close_at_once(connection: _Driver) -> None:
    """Close the connection without a word to the server, which may be in the middle of an answer."""
    _raw(connection)._force_close()


def abandon(connection: _Driver) -> None:
    """Have the thread that waits for an answer wait no longer: to close the connection would wait for that thread."""
    sock = _raw(connection)._sock
    if sock is not None:
        with suppress(OSError):  # it has just been closed
            sock.shutdown(socket.SHUT_RDWR)


def wait_without_end(connection: _Driver) -> None:
    """Wait for answers for as long as they take, from now on."""
    _raw(connection)._read_timeout = None


def send_command(connection: _Driver, command: int, payload: bytes | str) -> None:
    """Send a command of the protocol; its answer is to be read next."""
    _raw(connection)._execute_command(command, payload)


def read_packet(connection: _Driver) -> bytes:
    """The content of the next packet; raises pymysql.err.MySQLError if it is the server's error."""
    return bytes(_raw(connection)._read_packet().get_all_data())


def read_outcome(connection: _Driver) -> Any:
    """The driver's result of the next packet, which says how a statement has ended."""
    raw = _raw(connection)
    result: Any = pymysql.connections.MySQLResult(raw)
    result._read_ok_packet(raw._read_packet())
    return result


def take_result(connection: _Driver) -> Any:
    """The driver's result of the statement that was sent, with its columns; the rows are the caller's to read."""
    raw = _raw(connection)
    raw._read_query_result(unbuffered=True)
    result, raw._result = raw._result, None
    result.unbuffered_active = False
    return result


def next_packet_number(connection: _Driver) -> int:
    """The number that the next packet has to have."""
    return int(_raw(connection)._next_seq_id)


def incoming(connection: _Driver) -> IO[bytes]:
    """The file from which the driver reads what the server sends, buffered."""
    file: IO[bytes] = _raw(connection)._rfile
    return file


def last_message(connection: _Driver) -> bytes:
    """What the server said in words of the last statement, such as ``Records: 3  Duplicates: 1  Warnings: 0``."""
    return _raw(connection)._result.message or b""


def _raw(connection: _Driver) -> Any:
    return connection  # the stubs leave out the protocol's own parts
