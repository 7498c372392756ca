"""Runs the S3 emulator of `local.runtime.s3`: MiniStack, which keeps what it is given, runs none of it, and hears no foreign pages.

In MiniStack's environment: ``python -m local.runtime.s3_emulator FOLDER``. The rest is said by MiniStack's own variables; the
host that MINISTACK_HOST names is one by which it may be asked.
"""

import os
import sys
from pathlib import Path
from typing import Any

from ministack import app

from local.runtime import s3_steps
from local.runtime.browser import OURS, refusal
from local.runtime.s3_files import Files
from local.runtime.s3_kept import Kept, WrongVersion

NAMES = OURS | {os.environ.get("MINISTACK_HOST", "localhost")}


async def guarded(scope: Any, receive: Any, send: Any) -> None:
    """MiniStack's application, for requests that no foreign web page has sent."""
    if scope["type"] != "lifespan":
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        if why := refusal(scope.get("method", "GET"), headers, NAMES):
            await _refuse(scope, send, why)
            return
    await _application(scope, receive, send)


async def _refuse(scope: Any, send: Any, why: bytes) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
        return
    headers = [(b"content-type", b"application/problem+json"), (b"content-length", str(len(why)).encode())]
    await send({"type": "http.response.start", "status": 403, "headers": [*headers, (b"connection", b"close")]})
    await send({"type": "http.response.body", "body": why, "more_body": False})


_application = app.app


def main(folder: Path) -> int:
    """Serve until SIGTERM; return the exit status."""
    try:
        Kept(Files(folder)).graft()
    except WrongVersion as error:
        print(error, file=sys.stderr)
        return 1
    s3_steps.graft()
    app.app = guarded
    sys.argv = sys.argv[:1]  # MiniStack reads them too
    try:
        app.main()
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


if __name__ == "__main__":
    s3_steps.end_at_once(main(Path(sys.argv[1])))
