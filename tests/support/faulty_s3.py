"""The S3 emulator behind a proxy that answers with faults when told to."""

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal
from urllib.parse import urlsplit

Fault = Literal["500", "cut short", ""]
Chooses = Callable[[str, str], Fault]
"""From a request's method and path to what becomes of it; empty lets it through."""


@contextmanager
def faulty(url: str, choose: Chooses) -> Iterator[str]:
    """The URL of the proxy before the S3 at ``url``, for as long as the block lasts."""
    behind = urlsplit(url)

    class Proxy(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            fault = choose(self.command, self.path)
            if fault == "500":
                self.send_response(500)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            connection = http.client.HTTPConnection(behind.hostname or "", behind.port or 80)
            connection.request(self.command, self.path, body, dict(self.headers))
            answer = connection.getresponse()
            content = answer.read()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in ("transfer-encoding", "connection", "date", "server"):
                    self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content[: len(content) // 2] if fault == "cut short" else content)
            self.close_connection = fault == "cut short"
            connection.close()

        do_GET = do_PUT = do_HEAD = do_POST = _pass_on  # noqa: N815  # the library's names

        def log_message(self, *_: object) -> None:
            """Nothing: tests print what they want to."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
