"""A stand-in for S3 that keeps objects in files, for files whose parts the emulator would have to join in memory.

As much of S3 as the load function needs, by path: PUT, GET with a range, HEAD, uploads in parts. No versions, no events,
no signatures looked at, one bucket. Anything else is answered with 501, so that nothing passes that is not played here.
"""

import contextlib
import itertools
import re
import shutil
import threading
from collections.abc import Iterator
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar
from urllib.parse import parse_qs, quote, urlsplit
from xml.sax.saxutils import escape

_COPIED = 1024 * 1024


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """The URL of a stand-in whose objects are in this folder, which has to be there; memory: 1 MiB a request."""
    server = _Server(folder)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder, self.uploads = folder, itertools.count(1)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server
    NOT_PLAYED: ClassVar = ("if-none-match", "x-amz-copy-source", "transfer-encoding")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        pass

    def do_PUT(self) -> None:
        if "If-Match" in self.headers:
            return self._answer(501)
        query, file = self._query(), self._file()
        if set(query) - {"partNumber", "uploadId", "x-id"} or self._not_played():
            return self._answer(501)
        if "uploadId" in query:
            file = self._parts(query["uploadId"]) / f"{int(query['partNumber']):05}"
        left = int(self.headers["Content-Length"])
        with file.open("wb") as out:
            while left and (piece := self.rfile.read(min(left, _COPIED))):
                out.write(piece)
                left -= len(piece)
        return self._answer(200, ETag=_etag(file))

    def do_POST(self) -> None:
        query, file = self._query(), self._file()
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if "uploads" in query:
            upload = str(next(self.server.uploads))
            self._parts(upload).mkdir()
            return self._xml("InitiateMultipartUploadResult", UploadId=upload)
        if "uploadId" not in query:
            return self._answer(501)
        numbers = [int(number) for number in re.findall(rb"<PartNumber>(\d+)<", body)]
        self._join(self._parts(query["uploadId"]), numbers, file)
        return self._xml("CompleteMultipartUploadResult", ETag=_etag(file))

    def do_HEAD(self) -> None:
        self._send(body=False)

    def do_GET(self) -> None:
        self._send(body=True)

    def _send(self, body: bool) -> None:
        if set(self._query()) - {"x-id"} or self._not_played():
            return self._answer(501)
        file = self._file()
        if not file.is_file():
            return self._answer(404)
        if self.headers.get("If-Match", _etag(file)) != _etag(file):
            return self._answer(412)
        size = file.stat().st_size
        begin, end = _range(self.headers.get("Range", ""), size)
        self.send_response(206 if "Range" in self.headers else 200)
        self.send_header("Content-Length", str(end - begin))
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("ETag", _etag(file))
        self.send_header("Last-Modified", formatdate(file.stat().st_mtime, usegmt=True))
        if "Range" in self.headers:
            self.send_header("Content-Range", f"bytes {begin}-{end - 1}/{size}")
        self.end_headers()
        if body:
            self.wfile.flush()
            with file.open("rb") as source, contextlib.suppress(ConnectionError):  # whoever reads may have had enough
                self.connection.sendfile(source, begin, end - begin)
        return None

    def _query(self) -> dict[str, str]:
        found = parse_qs(urlsplit(self.path).query, keep_blank_values=True)
        return {name: values[0] for name, values in found.items()}

    def _file(self) -> Path:
        return self.server.folder / quote(urlsplit(self.path).path, safe="")

    def _parts(self, upload: str) -> Path:
        return self.server.folder / f"upload-{int(upload)}"

    def _not_played(self) -> bool:
        chunked = "aws-chunked" in self.headers.get("Content-Encoding", "")
        return chunked or any(name in self.headers for name in self.NOT_PLAYED)

    def _join(self, parts: Path, numbers: list[int], file: Path) -> None:
        """Parts of one upload as one file; each goes as soon as it is copied, so that the disk holds little twice."""
        with file.open("wb") as out:
            for number in numbers:
                part = parts / f"{number:05}"
                with part.open("rb") as source:
                    shutil.copyfileobj(source, out, _COPIED)
                part.unlink()
        parts.rmdir()

    def _answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        if status == 501:
            self.close_connection = True  # what the request brings has not been read
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _xml(self, name: str, **fields: str) -> None:
        inner = "".join(f"<{field}>{escape(value)}</{field}>" for field, value in fields.items())
        self._answer(200, f"<{name}>{inner}</{name}>".encode())


def _etag(file: Path) -> str:
    """Not an MD5, which would take as long as the load: it names what was written and when, which is all it is for."""
    found = file.stat()
    return f'"{found.st_mtime_ns:x}-{found.st_size:x}"'


def _range(header: str, size: int) -> tuple[int, int]:
    """The first byte and the one after the last of `bytes=a-b` and `bytes=a-`; all without a header."""
    if not (asked := re.fullmatch(r"bytes=(\d+)-(\d*)", header)):
        return 0, size
    return int(asked[1]), min(size, int(asked[2]) + 1 if asked[2] else size)
