"""A proxy before a database server that knows packets of MySQL's protocol, and lets a test choose what becomes of each.

It takes the offer of TLS out of the server's greeting, so that it can read what follows; a MySQL server then takes the
login only if it has let the user in by TLS before. Source:
https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_packets.html
"""

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from enum import Enum, auto
from urllib.parse import urlsplit

_QUERY = 3
_ERROR = 0xFF
_TLS = 1 << 11
_LONGEST_HOLD_SECONDS = 60


class Fate(Enum):
    """What becomes of a packet, and of the connection that it came by."""

    PASSES = auto()
    LOST = auto()
    """It is not passed on, and the connection breaks."""

    HALVED = auto()
    """Half of it is passed on, and the connection breaks."""

    LAST = auto()
    """It is passed on, and then the connection breaks."""

    HELD = auto()
    """It is passed on when :attr:`Proxy.released` is set."""


@dataclass(frozen=True)
class Packet:
    """A packet, by its number among all of its direction since :meth:`Proxy.watch`; connections count from then, too."""

    number: int
    connection: int
    from_client: bool
    payload: bytes

    @property
    def statement(self) -> str:
        """The SQL of a client's query, empty for all else. What is sent for a file may look like one; none of ours does."""
        text = self.payload[1:] if self.from_client and self.payload[:1] == bytes([_QUERY]) else b""
        return text.decode("utf-8", "replace")

    @property
    def error(self) -> int:
        """The number of the server's error, 0 if it is none."""
        refused = not self.from_client and self.payload[:1] == bytes([_ERROR])
        return int.from_bytes(self.payload[1:3], "little") if refused else 0


Chooses = Callable[[Packet], Fate]


def passes(_: Packet) -> Fate:
    """Chooses nothing."""
    return Fate.PASSES


class Proxy:
    """Where to connect to instead of the server; ``target`` may be changed when that has moved."""

    def __init__(self, listener: socket.socket, url: str) -> None:
        parts = urlsplit(url)
        self.target = (parts.hostname or "127.0.0.1", parts.port or 3306)
        user = parts.netloc.rpartition("@")[0]
        self.url = parts._replace(netloc=f"{user}@127.0.0.1:{listener.getsockname()[1]}").geturl()
        self._listener = listener
        self._lock = threading.Lock()
        self._abandons = False
        self._kept: list[socket.socket] = []
        self.released = threading.Event()
        self.watch(passes)

    def watch(self, choose: Chooses) -> None:
        """Let it choose from now on, of packets counted anew; it is asked by one thread at a time."""
        with self._lock:
            self._choose = choose
            self.released = threading.Event()
            self.sent = self.answered = self.connections = 0

    def abandon(self) -> None:
        """From now on the server does not learn that a client is gone, as of a machine that is; to be called in a choice."""
        self._abandons = True

    def let_go(self) -> None:
        """End the connections that were abandoned; from now on it learns."""
        with self._lock:
            self._abandons = False
            while self._kept:
                _end(self._kept.pop())

    def serve(self) -> None:
        """Take connections until the listener is shut."""
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(self.target, timeout=30)
            except OSError:
                _break(client)
                continue
            for one in (client, server):
                one.settimeout(None)
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self.connections += 1
                number = self.connections
            for from_client in (True, False):
                threading.Thread(target=self._pass, args=(client, server, number, from_client), daemon=True).start()

    def _pass(self, client: socket.socket, server: socket.socket, connection: int, from_client: bool) -> None:
        source, drain = (client, server) if from_client else (server, client)
        fate = Fate.PASSES
        with suppress(OSError, EOFError):
            while fate in (Fate.PASSES, Fate.HELD):
                header = _exactly(source, 4)
                payload = _exactly(source, int.from_bytes(header[:3], "little"))
                if not from_client and header[3] == 0 and payload[:1] == b"\x0a":
                    payload = _without_tls(payload)
                fate = self._fate(connection, from_client, payload)
                if fate is Fate.HELD:
                    self.released.wait(_LONGEST_HOLD_SECONDS)
                if fate in (Fate.PASSES, Fate.HELD, Fate.LAST):
                    drain.sendall(header + payload)
                elif fate is Fate.HALVED:
                    drain.sendall((header + payload)[: (4 + len(payload)) // 2])
        _break(client)
        with self._lock:
            if self._abandons:
                self._kept.append(server)
            elif server not in self._kept:
                _end(server)

    def _fate(self, connection: int, from_client: bool, payload: bytes) -> Fate:
        with self._lock:
            if from_client:
                self.sent += 1
            else:
                self.answered += 1
            number = self.sent if from_client else self.answered
            return self._choose(Packet(number, connection, from_client, payload))


@contextmanager
def before(url: str) -> Iterator[Proxy]:
    """A proxy before the server of this URL, for as long as the block lasts."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        proxy = Proxy(listener, url)
        thread = threading.Thread(target=proxy.serve, daemon=True)
        thread.start()
        try:
            yield proxy
        finally:
            proxy.let_go()
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            thread.join(5)


def _without_tls(greeting: bytes) -> bytes:
    place = greeting.index(b"\0") + 1 + 4 + 8 + 1
    (flags,) = struct.unpack_from("<H", greeting, place)
    return greeting[:place] + struct.pack("<H", flags & ~_TLS) + greeting[place + 2 :]


def _exactly(source: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        if not (more := source.recv(size - len(data))):
            raise EOFError
        data += more
    return bytes(data)


def _break(one: socket.socket) -> None:
    """Reset a connection, with all that is under way."""
    with suppress(OSError):
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    _shut(one)


def _end(one: socket.socket) -> None:
    """End a connection; what was sent arrives."""
    _shut(one)


def _shut(one: socket.socket) -> None:
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)  # wakes the thread that reads it
    with suppress(OSError):
        one.close()
