"""What there is to know of a function to run it, and what comes of running it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PAYLOAD_LIMIT = 6 * 1024 * 1024  # bytes, of an event as of an answer


@dataclass(frozen=True)
class Function:
    """One function of the template. ``timeout`` is in seconds, ``memory`` in MB; ``path`` goes before the library's."""

    name: str
    handler: str
    code: Path
    layers: tuple[Path, ...]
    timeout: float
    memory: int
    environment: Mapping[str, str]

    @property
    def arn(self) -> str:
        return f"arn:aws:lambda:us-east-1:000000000000:function:{self.name}"

    @property
    def path(self) -> tuple[Path, ...]:
        return (self.code, *self.layers)


@dataclass(frozen=True)
class Result:
    """What an invocation gave: the answer's JSON, or with ``failed`` Lambda's error object in its place."""

    payload: bytes
    failed: bool = False

    @classmethod
    def error(cls, kind: str, message: str) -> "Result":
        return cls(json.dumps({"errorType": kind, "errorMessage": message}).encode(), failed=True)
