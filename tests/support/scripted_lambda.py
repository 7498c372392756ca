"""Lambda's Invoke API with functions that do as a test says, and an account of the calls that it got."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Json = dict[str, Any]
Answer = Callable[[Json], Any]


class Raised(Exception):
    """The function ended with an error of this type."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


class ScriptedLambda(ThreadingHTTPServer):
    """Answers an event with what the answer of its ``action`` gives; ``calls`` are all events that came, in order."""

    daemon_threads = True
    request_queue_size = 256  # a hundred workers ask at once; of five, others would wait seconds to ask again

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: dict[str, Answer] = {}
        self.calls: list[Json] = []
        self.ended: list[Json] = []
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/2015-03-31/functions/BackupFunction/invocations"

    def called(self, action: str) -> list[Json]:
        """The events of an action, without it."""
        found = [dict(call) for call in self.calls if call["action"] == action]
        return [{name: value for name, value in call.items() if name != "action"} for call in found]

    def handle_error(self, request: object, client_address: object) -> None:
        """Nothing: whoever asked has gone."""


class _Handler(BaseHTTPRequestHandler):
    server: ScriptedLambda

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        pass

    def do_POST(self) -> None:
        event = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            self.server.calls.append(event)
        failed = False
        try:
            answer = self.server.answers[event["action"]](event)
        except Raised as error:
            answer, failed = {"errorType": error.kind, "errorMessage": "as it was told to"}, True
        with self.server.lock:
            self.server.ended.append(event)
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        if failed:
            self.send_header("X-Amz-Function-Error", "Unhandled")
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def scripted_lambda() -> Iterator[ScriptedLambda]:
    """One for as long as the block lasts."""
    server = ScriptedLambda()
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def raises(kind: str) -> Answer:
    """An answer that is an error of a type: an exception's class, or what Lambda says of a process that died."""

    def answer(_event: Json) -> Any:
        raise Raised(kind)

    return answer


def in_turn(*answers: Answer) -> Answer:
    """The first answer for the first call, and so on; the last for all that come after it."""
    lock, number = threading.Lock(), iter(range(1_000_000))

    def answer(event: Json) -> Any:
        with lock:
            turn = min(next(number), len(answers) - 1)
        return answers[turn](event)

    return answer


def after(seconds: float, answer: Answer) -> Answer:
    """An answer that takes its time."""

    def late(event: Json) -> Any:
        time.sleep(seconds)
        return answer(event)

    return late
