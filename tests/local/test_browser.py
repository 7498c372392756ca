"""A web page in a browser of this machine moves nothing here: by its Origin, by a name of its own, or with neither.

The requests are what browsers send, header by header, for what a page can do without being asked: fetch() with and
without CORS, forms, images and frames. `test_in_a_browser` has a real one do it, where there is one.
"""

import http.client
import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from local.gateway.runtime_api import Invocation, RuntimeApi
from local.runtime.browser import refusal
from tests.effort import either_server, sample
from tests.support.parts import Runtime, until

pytestmark = either_server

EVIL = "http://evil.example"
# What a browser sends beside the path, where {host} is ours.
PAGES = {
    "fetch without CORS": {
        "Host": "{host}",
        "Origin": EVIL,
        "Sec-Fetch-Site": "cross-site",
        "Sec-Fetch-Mode": "no-cors",
    },
    "an old browser": {"Host": "{host}", "Origin": EVIL},
    "a file or a sandboxed frame": {"Host": "{host}", "Origin": "null", "Sec-Fetch-Site": "cross-site"},
    "another port of this machine": {
        "Host": "{host}",
        "Origin": "http://127.0.0.1:1",
        "Sec-Fetch-Site": "same-site",
        "Sec-Fetch-Mode": "cors",
    },
    "the same port by another name": {
        "Host": "{host}",
        "Origin": "http://localhost:{port}",
        "Sec-Fetch-Site": "cross-site",
    },
    "a name that resolves to us": {"Host": "evil.example:{port}", "Origin": "http://evil.example:{port}"},
    "the same, read without Origin": {"Host": "evil.example:{port}", "Sec-Fetch-Site": "same-origin"},
    "a name that only begins like ours": {"Host": "127.0.0.1.evil.example:{port}"},
    "no name": {"Host": ""},
    "an image or a script": {"Host": "{host}", "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
    "a frame": {
        "Host": "{host}",
        "Sec-Fetch-Site": "cross-site",
        "Sec-Fetch-Mode": "navigate",
        "Sec-Fetch-Dest": "iframe",
    },
}
# And those who may ask.
OTHERS = {
    "curl": {"Host": "{host}"},
    "by the other name": {"Host": "localhost:{port}"},
    "in capitals": {"Host": "LocalHost:{port}"},
    "IPv6": {"Host": "[::1]:{port}"},
    "a tunnel": {"Host": "localhost:8080", "Origin": "http://localhost:8080", "Sec-Fetch-Site": "same-origin"},
    "our own page": {"Host": "{host}", "Origin": "http://{host}", "Sec-Fetch-Site": "same-origin"},
    "typed by a person": {"Host": "{host}", "Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate"},
}


def answer(url: str, method: str, path: str, headers: dict[str, str], body: bytes = b"") -> tuple[int, str, bytes]:
    """Status, content type and body, to a request with these headers and no others."""
    place = urlsplit(url)
    with closing(http.client.HTTPConnection(place.hostname or "", place.port, timeout=30)) as connection:
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name, value.format(host=place.netloc, port=place.port))
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        found = connection.getresponse()
        assert "Access-Control-Allow-Origin" not in found.headers or found.status != 403
        return found.status, found.headers.get("Content-Type", ""), found.read()


@pytest.mark.parametrize("page", PAGES)
@sample(5)
def test_the_api_hears_no_foreign_page(stubs: Runtime, page: str) -> None:
    invoke = "/2015-03-31/functions/EchoFunction/invocations"
    for method, path in (("POST", "/echo"), ("GET", "/echo/a"), ("POST", invoke)):
        status, kind, body = answer(stubs.env["API_URL"], method, path, PAGES[page], b"{}")
        assert (status, kind) == (403, "application/problem+json"), page
        assert json.loads(body)["status"] == 403
        assert json.loads(body)["detail"]


@pytest.mark.parametrize("client", OTHERS)
def test_the_api_hears_everybody_else(stubs: Runtime, client: str) -> None:
    assert answer(stubs.env["API_URL"], "POST", "/echo", OTHERS[client], b"{}")[0] == 200


def test_a_link_to_the_api_can_be_followed(stubs: Runtime) -> None:
    headers = {
        "Host": "{host}",
        "Sec-Fetch-Site": "cross-site",
        "Sec-Fetch-Mode": "navigate",
        "Sec-Fetch-Dest": "document",
    }
    assert answer(stubs.env["API_URL"], "GET", "/echo/a", headers)[0] == 200
    assert answer(stubs.env["API_URL"], "POST", "/echo", headers, b"{}")[0] == 403  # a form that is sent


@pytest.mark.parametrize("page", PAGES)
def test_s3_hears_no_foreign_page(stubs: Runtime, page: str) -> None:
    url, bucket = stubs.env["S3_URL"], stubs.env["BUCKET"]
    requests = [
        ("PUT", f"/{bucket}/uploads/from-a-page"),
        ("GET", f"/{bucket}"),
        ("DELETE", f"/{bucket}/a"),
        ("OPTIONS", f"/{bucket}/a"),
        ("POST", "/_ministack/reset"),
        ("POST", "/?Action=PurgeQueue"),
        ("GET", "/_ministack/health"),
    ]
    for method, path in requests:
        status, kind, _ = answer(url, method, path, PAGES[page], b"x")
        assert (status, kind) == (403, "application/problem+json"), (page, method, path)
    assert answer(url, "GET", f"/{bucket}/uploads/from-a-page", {"Host": "{host}"})[0] == 404


def test_s3_hears_everybody_else(stubs: Runtime) -> None:
    for headers in OTHERS.values():
        assert answer(stubs.env["S3_URL"], "GET", f"/{stubs.env['BUCKET']}", headers)[0] == 200


@pytest.mark.parametrize("page", PAGES)
def test_a_function_s_runtime_hears_no_foreign_page(page: str) -> None:
    api = RuntimeApi()
    try:
        api.invocations.put(Invocation(b"{}", 1.0, "arn", "an-id"))
        url = f"http://{api.address}/2018-06-01/runtime/invocation"
        assert answer(url, "GET", "/2018-06-01/runtime/invocation/next", PAGES[page])[0] == 403
        assert answer(url, "POST", "/2018-06-01/runtime/invocation/an-id/response", PAGES[page], b"{}")[0] == 403
        assert api.reports.empty()
        assert api.invocations.qsize() == 1
        assert answer(url, "GET", "/2018-06-01/runtime/invocation/next", {"Host": "{host}"})[0] == 200
    finally:
        api.close()


@pytest.mark.parametrize("host", ["[::1", "127.0.0.1:x", "a@127.0.0.1:1", "127.0.0.1:1/x", "127.0.0.1 evil.example"])
def test_a_host_that_is_none_never_passes_for_one_of_ours(host: str) -> None:
    allowed = refusal("POST", {"host": host}) is None
    # What reads as ours is no browser's doing: it writes the name that it resolved, and a port.
    assert not allowed or host in {"127.0.0.1:x", "a@127.0.0.1:1", "127.0.0.1:1/x"}


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PAGE = """<!doctype html><title>a page</title><body><script>
const form = document.createElement("form"); form.method = "POST"; form.target = "there"; form.action = "{api}/echo";
const frame = document.createElement("iframe"); frame.name = "there"; document.body.append(frame, form); form.submit();
const tries = [
  fetch("{api}/echo", {{method: "POST", mode: "no-cors"}}),
  fetch("{s3}/{bucket}/uploads/from-a-browser", {{method: "PUT", body: "x"}}),
  fetch("{s3}/_ministack/reset", {{method: "POST", mode: "no-cors"}}),
  fetch("{s3}/{bucket}").then(found => found.text()),
];
Promise.allSettled(tries).then(all => fetch("/seen", {{method: "POST", body: JSON.stringify(all.map(one => [one.status, String(one.value)]))}}));
</script>"""


@pytest.fixture
def evil(stubs: Runtime) -> Iterator[ThreadingHTTPServer]:
    """A site of somebody else's, whose page tries what it can; what came of it is in ``seen``."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            page = PAGE.format(api=stubs.env["API_URL"], s3=stubs.env["S3_URL"], bucket=stubs.env["BUCKET"]).encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(page)

        def do_POST(self) -> None:
            seen.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            pass

    seen: list[list[list[str]]] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.seen = seen  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_in_a_browser(stubs: Runtime, evil: ThreadingHTTPServer, tmp_path: Path) -> None:
    log = stubs.state.logs / "EchoFunction.log"
    calls = log.read_text().count("platform.report") if log.exists() else 0
    command = [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}"]
    rules = "--host-resolver-rules=MAP evil.example 127.0.0.1"
    browser = subprocess.Popen(
        [*command, rules, f"http://evil.example:{evil.server_port}/"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        assert until(lambda: bool(evil.seen), 60)  # type: ignore[attr-defined]
    finally:
        browser.kill()
        browser.wait()
    [[blind, put, reset, listing]] = evil.seen  # type: ignore[attr-defined]
    assert {put[0], listing[0]} == {"rejected"}
    assert {blind[1], reset[1]} <= {"[object Response]", "undefined"}  # opaque: what came of it, it cannot tell
    assert (
        answer(stubs.env["S3_URL"], "GET", f"/{stubs.env['BUCKET']}/uploads/from-a-browser", {"Host": "{host}"})[0]
        == 404
    )
    assert answer(stubs.env["S3_URL"], "GET", f"/{stubs.env['BUCKET']}", {"Host": "{host}"})[0] == 200  # not emptied
    assert (log.read_text().count("platform.report") if log.exists() else 0) == calls
