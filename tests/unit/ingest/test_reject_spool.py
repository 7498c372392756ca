"""The rejects that were spooled come back whole, however the bucket cuts them into pieces."""

import gzip
import hashlib
from collections.abc import Iterator
from typing import cast

import pytest

from tableferry.ingest.files.reject_spool import lines
from tableferry.storage.bucket import Store

TEXT = b'{"line": 1}\n' * 50


class Cut:
    """A bucket whose objects arrive in pieces of a size."""

    def __init__(self, size: int) -> None:
        self.size = size

    def stream(self, key: str) -> Iterator[bytes]:
        body = gzip.compress(TEXT, mtime=0)
        return (body[at : at + self.size] for at in range(0, len(body), self.size))


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_no_piece_is_empty_which_would_be_taken_for_the_end(size: int) -> None:
    key = f"loads/rejects/x/00000000-{hashlib.sha256(TEXT).hexdigest()[:32]}.ndjson.gz"
    pieces = list(lines(cast("Store", Cut(size)), [key]))
    assert b"".join(pieces) == TEXT
    assert all(pieces)
