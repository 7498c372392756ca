"""A bucket in memory: puts, gets and listings, for what is too much for the emulator or needs none."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, cast

from tableferry.errors import ObjectNotFound, PreconditionFailed
from tableferry.signing import Keys
from tableferry.storage.bucket import Object, Store

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


class MemoryStore(Store):
    """``given`` are the arguments of each put beside the body; ``seen`` is told of each key that is read."""

    def __init__(self, keys: Keys) -> None:
        super().__init__(cast("Any", None), "bucket", keys)
        self.objects: dict[str, bytes] = {}
        self.given: dict[str, dict[str, Any]] = {}
        self.seen: Callable[[str], None] = lambda _: None

    def put(self, key: str, body: bytes, content_type: str = "", **given: Any) -> str:
        if "IfNoneMatch" in given and key in self.objects:
            raise PreconditionFailed(key)
        self.objects[key] = body
        self.given[key] = given
        return "etag"

    def get(self, key: str, at_most: int = 2**60) -> tuple[bytes, str]:
        self.seen(key)
        if key not in self.objects:
            raise ObjectNotFound(f"The bucket has no object {key!r}.")
        return self.objects[key][: at_most + 1], "etag"

    def head(self, key: str, version: str = "") -> Object:
        if key not in self.objects:
            raise ObjectNotFound(f"The bucket has no object {key!r}.")
        return Object(key, len(self.objects[key]), "etag", LONG_AGO)

    def sha256(self, key: str) -> str | None:
        return sha256(self.get(key)[0]).hexdigest()

    def list(self, prefix: str, after: str = "") -> Iterator[Object]:
        return (self.head(key) for key in sorted(self.objects) if key.startswith(prefix) and key > after)
