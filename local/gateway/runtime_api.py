"""The Lambda Runtime API (2018-06-01) as one execution environment sees it.

Source: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

import queue
import select
import socket
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal

from local.runtime.browser import refusal

Kind = Literal["taken", "response", "error", "init", "exit"]


@dataclass(frozen=True)
class Invocation:
    """An event on its way into the function."""

    event: bytes
    timeout: float
    arn: str
    id: str


class RuntimeApi(ThreadingHTTPServer):
    """Hands invocations to one runtime process and puts what it reports into ``reports``, in the order it happens."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.invocations: queue.Queue[Invocation | None] = queue.Queue()
        self.reports: queue.Queue[tuple[Kind, bytes]] = queue.Queue()
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def handle_error(self, request: object, client_address: object) -> None:
        """Nothing: a process that was ended in the middle of a sentence is reported by its end."""

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_port}"

    def close(self) -> None:
        self.invocations.put(None)  # lets a thread go that waits for an event
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    server: RuntimeApi

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        pass

    def do_GET(self) -> None:
        """`/runtime/invocation/next`: wait for an event. Its time begins when the runtime takes it, as in Lambda."""
        if self._refused():
            return
        invocation = self.server.invocations.get()
        if invocation is None or self._has_gone():
            self.close_connection = True
            if invocation is not None:
                self.server.invocations.put(invocation)  # nobody has taken it
            return
        self.server.reports.put(("taken", b""))
        headers = {
            "Content-Type": "application/json",
            "Content-Length": str(len(invocation.event)),
            "Lambda-Runtime-Aws-Request-Id": invocation.id,
            "Lambda-Runtime-Deadline-Ms": str(int((time.time() + invocation.timeout) * 1000)),
            "Lambda-Runtime-Invoked-Function-Arn": invocation.arn,
            "Lambda-Runtime-Trace-Id": f"Root=1-{int(time.time()):08x}-{invocation.id.replace('-', '')[:24]};Sampled=0",
        }
        self.send_response(200)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(invocation.event)

    def do_POST(self) -> None:
        """`…/response` and `…/error` of an invocation, or `/runtime/init/error`."""
        if self._refused():
            return
        body = self._body()
        self.send_response(202)
        self.send_header("Content-Length", "0")
        self.end_headers()
        self.wfile.flush()
        kind: Kind = "response" if self.path.endswith("/response") else "error"
        self.server.reports.put(("init" if self.path.endswith("/init/error") else kind, body))

    def _has_gone(self) -> bool:
        """Whether the process that waits for an event has closed its end meanwhile, as one does that dies."""
        readable, _, _ = select.select([self.connection], [], [], 0)
        try:
            return bool(readable) and not self.connection.recv(1, socket.MSG_PEEK)
        except OSError:
            return True

    def _refused(self) -> bool:
        """Answer a foreign web page that it is not heard, with the body unread; return whether it was one."""
        why = refusal(self.command, {name.lower(): value for name, value in self.headers.items()})
        if why:
            self.close_connection = True
            self.send_response(403)
            self.send_header("Content-Type", "application/problem+json")
            self.send_header("Content-Length", str(len(why)))
            self.end_headers()
            self.wfile.write(why)
        return bool(why)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass  # trailers
        return b"".join(parts)
