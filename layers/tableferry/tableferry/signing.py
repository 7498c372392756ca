"""Signatures by keys that a deployment keeps to itself: HMAC-SHA-256 (RFC 2104) over canonical JSON.

Canonical is JSON with sorted keys, no spaces, in UTF-8. The newest key signs, and every key verifies, so that a key can
be changed without making what it has signed worthless.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tableferry.errors import Misconfigured

_ALGORITHM = "hmac-sha256:"
_FOR_OBJECTS = b"tableferry: objects of the bucket, by their place"
_FOR_DIGESTS = b"tableferry: digests of rows"
_FOR_IDS = b"tableferry: the id of this key"


@dataclass(frozen=True, slots=True)
class Keys:
    """The signing keys, newest first. Without one nothing can be signed or verified: Misconfigured."""

    secrets: tuple[bytes, ...] = field(default=(), repr=False)

    @classmethod
    def parse(cls, text: str) -> Keys:
        """Read one key, or a JSON list of keys with the newest first; raises Misconfigured."""
        if not text.lstrip().startswith("["):
            return cls((text.encode(),) if text else ())
        try:
            found = json.loads(text)
        except ValueError as error:
            raise Misconfigured("SIGNING_KEY begins as a JSON list of keys, and is none that can be read.") from error
        if not found or not all(isinstance(secret, str) and secret for secret in found):
            raise Misconfigured('SIGNING_KEY has to be a key, or a JSON list such as ["newest", "older"].')
        return cls(tuple(secret.encode() for secret in found))

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of the keys, newest first. They tell keys apart, and nothing about them."""
        return tuple(hmac.new(secret, _FOR_IDS, hashlib.sha256).hexdigest()[:8] for secret in self._known())

    def for_digests(self, key_id: str) -> bytes:
        """The 64 bytes that rows are hashed with, derived from the key of this id; raises KeyError for one not here."""
        secrets = dict(zip(self.ids, self._known(), strict=True))
        return hmac.digest(secrets[key_id], _FOR_DIGESTS, "sha512")

    def sign(self, content: Any, place: str = "") -> dict[str, str]:
        """The fields ``signature`` and ``key_id`` to write beside the content, which is signed for this place alone."""
        newest = self._known()[0]
        return {"signature": _signature(newest, content, place), "key_id": self.ids[0]}

    def verify(self, content: Any, said: Mapping[str, Any], place: str = "") -> bool:
        """Whether the fields that :meth:`sign` made are those of this content in this place, by any of the keys.

        Raises ValueError or RecursionError for content that JSON does not have.
        """
        signature = str(said.get("signature")).encode()
        good = [hmac.compare_digest(signature, _signature(key, content, place).encode()) for key in self._known()]
        return any(good)

    def why_not(self, said: Mapping[str, Any]) -> str:
        """Why fields do not verify, as the second half of a sentence about what has them."""
        known, key_id = ", ".join(self.ids), said.get("key_id")
        if not said.get("signature"):
            return "is not signed."
        if isinstance(key_id, str) and key_id.isalnum() and key_id not in self.ids:
            return f"is signed with the key {key_id[:8]}, which this deployment does not have (it has {known})."
        return f"is not signed with a key of this deployment (it has {known}), or was altered."

    def _known(self) -> tuple[bytes, ...]:
        if not self.secrets:
            raise Misconfigured("The environment variable SIGNING_KEY is not set.")
        return self.secrets


def _signature(secret: bytes, content: Any, place: str) -> str:
    """Of a manifest by the key itself; of what is bound to a place by one derived from it, so that neither is the other."""
    key, signed = (hmac.digest(secret, _FOR_OBJECTS, "sha256"), [place, content]) if place else (secret, content)
    canonical = json.dumps(signed, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    return _ALGORITHM + hmac.new(key, canonical, hashlib.sha256).hexdigest()
