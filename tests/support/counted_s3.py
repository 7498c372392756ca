"""The S3 emulator behind a proxy that counts requests, and lets a test choose what becomes of each."""

import http.client
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Request:
    """A request by its number since :meth:`Counted.watch`."""

    number: int
    method: str
    path: str


@dataclass(frozen=True)
class Fate:
    """What becomes of a request: passed on or not, answered or not, and after how many bytes of the body it breaks."""

    passed: bool = True
    status: int = 0
    """Answered with this instead, if it is not passed on; 0 answers with a reset connection."""

    answered: bool = True
    body_bytes: int | None = None


PASSES = Fate()
UNAVAILABLE = Fate(passed=False, status=503)
RESET = Fate(passed=False)
UNANSWERED = Fate(answered=False)
"""S3 did it, and the answer was lost."""

Chooses = Callable[[Request], Fate]


def passes(_: Request) -> Fate:
    """Chooses nothing."""
    return PASSES


class Counted:
    """The proxy; ``url`` is where it is, ``seen`` the requests since :meth:`watch`."""

    def __init__(self) -> None:
        self.url = ""
        self._lock = threading.Lock()
        self.watch(passes)

    def watch(self, choose: Chooses) -> None:
        """Let it choose from now on, of requests counted anew; it is asked by one thread at a time."""
        with self._lock:
            self._choose = choose
            self.seen: list[Request] = []

    def fate(self, method: str, path: str) -> Fate:
        with self._lock:
            request = Request(len(self.seen) + 1, method, path)
            self.seen.append(request)
            return self._choose(request)


@contextmanager
def before(url: str) -> Iterator[Counted]:
    """The proxy before the S3 at this URL, for as long as the block lasts."""
    behind = urlsplit(url)
    counted = Counted()

    class Proxy(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            fate = counted.fate(self.command, self.path)
            if not fate.passed:
                if not fate.status:
                    self._reset()
                    return
                self.send_response(fate.status)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            connection = http.client.HTTPConnection(behind.hostname or "", behind.port or 80)
            headers = {name: value for name, value in self.headers.items() if name.lower() != "expect"}
            connection.request(self.command, self.path, body, headers)
            answer = connection.getresponse()
            content = answer.read()
            connection.close()
            if not fate.answered:
                self._reset()
                return
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in ("transfer-encoding", "connection", "date", "server"):
                    self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content[: fate.body_bytes])
            if fate.body_bytes is not None:
                self._reset()

        do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = _pass_on  # noqa: N815  # the library's names

        def _reset(self) -> None:
            self.close_connection = True
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()

        def handle(self) -> None:
            with suppress(ConnectionError):  # of a client that was killed
                super().handle()

        def log_message(self, *_: object) -> None:
            """Nothing: tests print what they want to."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            """Nothing: a client that was killed leaves broken connections."""

    with Server(("127.0.0.1", 0), Proxy) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        counted.url = f"http://127.0.0.1:{server.server_address[1]}"
        try:
            yield counted
        finally:
            server.shutdown()
            thread.join()
