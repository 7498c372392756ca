"""Who may ask a server that listens on the loopback address: anybody on this machine, but no foreign web page.

A page in a browser here can send requests to 127.0.0.1, and, by a name of its own that it lets resolve to that address
(DNS rebinding), even read the answers. What gives it away are the headers that a browser writes and no page can: the
name that it asked for (Host), where a request came from (Origin), and how far apart the two are (Sec-Fetch-Site).

Sources: https://fetch.spec.whatwg.org/#origin-header, https://w3c.github.io/webappsec-fetch-metadata/.
Standard library only: the gateway and the S3 emulator have environments of their own.
"""

import json
from collections.abc import Collection, Mapping
from urllib.parse import urlsplit

OURS = frozenset({"127.0.0.1", "localhost", "::1"})


def refusal(method: str, headers: Mapping[str, str], names: Collection[str] = OURS) -> bytes | None:
    """Why a request is not answered, as problem details (RFC 9457), for a 403; None if it is.

    ``headers`` have lower-case names. ``names`` are the hosts that we are asked by, at any port: a tunnel may end at
    another than ours. A link to us from another page can be followed: what is shown then, that page cannot read.
    """
    host, origin = headers.get("host", ""), headers.get("origin")
    if _hostname(f"//{host}") not in names:
        wanted = " or ".join(sorted(names, reverse=True))
        return _problem(f"this is not served as {host or 'a host without a name'}: ask for {wanted}, at the same port")
    if origin is not None:
        if origin.lower() in {f"http://{host}".lower(), f"https://{host}".lower()}:
            return None
        return _problem(
            f"a page of {origin} may not send requests here; send them without a browser, or without Origin"
        )
    site = headers.get("sec-fetch-site", "none")
    followed = method in {"GET", "HEAD"} and headers.get("sec-fetch-mode") == "navigate"
    if site in {"none", "same-origin"} or (followed and headers.get("sec-fetch-dest") == "document"):
        return None
    return _problem("a page of another site may not send requests here; open the address itself")


def _hostname(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def _problem(detail: str) -> bytes:
    return json.dumps({"type": "about:blank", "title": "Forbidden", "status": 403, "detail": detail}).encode()
