"""Makes a bucket in the emulator of this container, with versions; exits 0 once it is there. Standard library only."""

import os
import sys
import urllib.error
import urllib.request

PORT = os.environ.get("GATEWAY_PORT", "4566")
VERSIONS = b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"


def put(path: str, body: bytes = b"") -> None:
    """A PUT that may find that it was done before."""
    request = urllib.request.Request(f"http://127.0.0.1:{PORT}/{path}", data=body, method="PUT")
    try:
        urllib.request.urlopen(request, timeout=5).close()  # noqa: S310 - the URL above is http, and this machine
    except urllib.error.HTTPError as error:
        if error.code != 409:
            raise


if __name__ == "__main__":
    put(sys.argv[1])
    put(f"{sys.argv[1]}?versioning", VERSIONS)
