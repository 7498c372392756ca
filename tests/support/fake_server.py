"""A server that speaks just enough of MySQL's protocol to do what a real one cannot be made to do.

Source: https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase.html
"""

import re
import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from tests.support.certificates import Certificate

_OK = b"\x00\x00\x00\x02\x00\x00\x00"
_END = b"\xfe\x00\x00\x02\x00"
_STATED = re.compile(r"(\w+) = (?:'([^']*)'|(\d+))?")
_PROTOCOL_41, _DATABASE, _SSL, _SECURE, _PLUGINS, _LENGTHS = 1 << 9, 1 << 3, 1 << 11, 1 << 15, 1 << 19, 1 << 21


@dataclass
class FakeServer:
    """What it does, and what it was sent.

    ``certificate`` makes it offer TLS. ``switch_to`` is the way to log in that it asks for; with ``full_login`` it does
    as if it did not know the user yet, and hands out a key to hide the password with. It refuses as many logins as
    ``refusals`` says. To a statement that begins with ``trap`` it answers that it wants ``file``. With ``silent`` it takes
    connections and says nothing. It calls itself ``version``. Of a session it says that it is as it was stated, in
    ``schema``.
    """

    certificate: Certificate | None = None
    switch_to: bytes | None = None
    full_login: bool = False
    refusals: int = 0
    silent: bool = False
    schema: str = "d"
    version: str = "8.4.0-fake"
    trap: bytes | None = None
    file: str = "/proc/self/environ"
    port: int = 0
    packets: list[bytes] = field(default_factory=list)
    """The payloads of the client's packets, decrypted."""

    statements: list[bytes] = field(default_factory=list)
    answers_to_trap: list[bytes] = field(default_factory=list)

    @contextmanager
    def running(self) -> Iterator["FakeServer"]:
        """It takes connections, one after the other, for as long as the block lasts."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port = listener.getsockname()[1]
            thread = threading.Thread(target=self._serve, args=(listener,), daemon=True)
            thread.start()
            try:
                yield self
            finally:
                with suppress(OSError):
                    listener.shutdown(socket.SHUT_RDWR)
                thread.join(5)

    def _serve(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connection.settimeout(5)
            with connection, suppress(OSError, EOFError):
                self._session(connection)

    def _session(self, connection: socket.socket) -> None:
        if self.silent:
            connection.recv(1)
        flags = _PROTOCOL_41 | _DATABASE | _SECURE | _PLUGINS | _LENGTHS | (_SSL if self.certificate else 0)
        greeting = (
            b"\x0a"
            + self.version.encode()
            + b"\x00"
            + struct.pack("<I", 1)
            + b"saltsalt\x00"
            + struct.pack("<H", flags & 0xFFFF)
        )
        greeting += struct.pack("<BHHB", 45, 2, flags >> 16, 21) + bytes(10) + b"saltsaltsalt\x00"
        _send(connection, 0, greeting + b"mysql_native_password\x00")
        number, payload = self._read(connection)
        if self.certificate and len(payload) == 32:  # asks for TLS; the login comes in it
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.certificate.certificate, self.certificate.key)
            connection = context.wrap_socket(connection, server_side=True)
            number, payload = self._read(connection)
        if self.switch_to:
            _send(connection, number + 1, b"\xfe" + self.switch_to + b"\x00" + b"saltsaltsaltsaltsalt\x00")
            number, payload = self._read(connection)
            if self.full_login and self.switch_to == b"caching_sha2_password":
                _send(connection, number + 1, b"\x01\x04")
                number, payload = self._read(connection)
            if self.full_login:
                _send(connection, number + 1, b"\x01-----BEGIN PUBLIC KEY-----")
                number, payload = self._read(connection)
        if self.refusals:
            self.refusals -= 1
            _send(connection, number + 1, b"\xff" + struct.pack("<H", 1045) + b"#28000Access denied")
            return
        _send(connection, number + 1, _OK)
        while True:
            number, payload = self._read(connection)
            self.statements.append(payload[1:])
            if self.trap is None or not payload[1:].startswith(self.trap):
                for count, packet in enumerate(self._answer(payload[1:].decode(errors="replace")), 1):
                    _send(connection, number + count, packet)
                continue
            _send(connection, number + 1, b"\xfb" + self.file.encode())
            while True:
                number, payload = self._read(connection)
                self.answers_to_trap.append(payload)
                if not payload:
                    _send(connection, number + 1, _OK)
                    break

    def _answer(self, statement: str) -> list[bytes]:
        """The packets of what a server says: that a session is as it was stated, and that all else is done."""
        if not statement.startswith("SELECT CONCAT_WS"):
            return [_OK]
        stated = next(s for s in reversed(self.statements) if s.startswith(b"SET SESSION")).decode()
        values = {name: text or number or "1" for name, text, number in _STATED.findall(stated)}
        asked = [
            values.get(name, "0" if name == "insert_id" else "1") for name in re.findall(r"@@SESSION\.(\w+)", statement)
        ]
        column = b"".join(_text(part) for part in ("def", "", "", "", "c", "c"))
        column += b"\x0c" + struct.pack("<HIBHB", 45, 9999, 253, 0, 0) + b"\0\0"
        return [b"\x01", column, _END, _text("\n".join([*asked, self.schema])), _END]

    def _read(self, connection: socket.socket) -> tuple[int, bytes]:
        header = _exactly(connection, 4)
        payload = _exactly(connection, int.from_bytes(header[:3], "little"))
        self.packets.append(payload)
        return header[3], payload


def _text(value: str) -> bytes:
    """Text with its length before it (protocol::LengthEncodedString)."""
    size = len(value)
    return (bytes([size]) if size < 251 else b"\xfc" + struct.pack("<H", size)) + value.encode()


def _send(connection: socket.socket, number: int, payload: bytes) -> None:
    connection.sendall(len(payload).to_bytes(3, "little") + bytes([number % 256]) + payload)


def _exactly(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        if not (more := connection.recv(size - len(data))):
            raise EOFError
        data += more
    return data
