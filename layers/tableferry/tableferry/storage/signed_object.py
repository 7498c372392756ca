"""Objects of the bucket that a function acts on: what to do, and what was done. Each is signed for its own place.

Whoever can only write to the bucket must not be able to give orders. So jobs, the records of restores, the statuses of
loads and the marks of verified backups carry a signature over their content, the bucket and the key: what is not signed,
was altered or copied from another place is as if it were not there. An earlier state of the same object does verify, and
what acts on one has to bear that.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from tableferry.errors import Conflict, NotSigned
from tableferry.storage.bucket import Store

_LISTED_BYTES = 256 * 1024
_READ_AT_ONCE_BYTES = 100 * _LISTED_BYTES
_FIELDS = ("signature", "key_id")

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Read:
    """The content of an object, without its signature; whether that is good and, if not, why."""

    key: str
    etag: str
    content: dict[str, Any]
    signed: bool
    why_not: str

    def parsed(self, model: type[Model]) -> Model:
        """The content as what it should be.

        Raises:
            NotSigned: it is not that, and nobody has signed it.
            Conflict: it is not that, and a key of ours has signed it.
        """
        try:
            return model.model_validate(self.content)
        except ValidationError as error:
            if not self.signed:
                raise NotSigned(f"The object {self.key!r} cannot be read.") from error
            raise Conflict(f"The object {self.key!r} was written by a later version of Tableferry.") from error


def put(store: Store, key: str, content: Mapping[str, Any]) -> str:
    """Write an object, signed; returns its ETag."""
    return store.put(key, _sealed(store, key, content))


def put_new(store: Store, key: str, content: Mapping[str, Any]) -> str:
    """Write an object that must not be there; raises PreconditionFailed."""
    return store.put_new(key, _sealed(store, key, content))


def replace(store: Store, key: str, content: Mapping[str, Any], etag: str) -> str:
    """Write an object over the version whose ETag is given; raises PreconditionFailed."""
    return store.replace(key, _sealed(store, key, content), etag)


def look(store: Store, key: str) -> Read:
    """An object, whoever wrote it; raises ObjectNotFound, and NotSigned for one that is no JSON object."""
    text, etag = store.get(key)
    return _opened(store, key, text, etag)


def get(store: Store, key: str) -> Read:
    """An object that is signed; raises ObjectNotFound and NotSigned."""
    found = look(store, key)
    if not found.signed:
        raise NotSigned(found.why_not)
    return found


def content(store: Store, key: str, text: bytes) -> dict[str, Any] | None:
    """What an object that was read says, if it is signed; else None."""
    try:
        found = _opened(store, key, text)
    except NotSigned:
        return None
    return found.content if found.signed else None


def present(
    store: Store, keys: Iterable[str], model: type[Model], at_most: int = _LISTED_BYTES
) -> Iterator[tuple[Read, Model]]:
    """Objects of a listing that can be read, signed or not; others, and those taken away since, are left out.

    Several are asked for at once. One of more than ``at_most`` bytes is none of ours. Memory: what 25 MiB of JSON take.
    """
    rest = iter(keys)
    while part := list(islice(rest, max(1, _READ_AT_ONCE_BYTES // at_most))):
        yield from (found for found in present_of(store, part, model, at_most) if found is not None)


def present_of(
    store: Store, keys: Sequence[str], model: type[Model], at_most: int = _LISTED_BYTES
) -> list[tuple[Read, Model] | None]:
    """Objects in the order of their keys, signed or not; None for what is not there or cannot be read. Memory: all."""
    texts = store.present_of(keys, at_most)
    return [None if text is None else _known(store, key, text, model) for key, text in zip(keys, texts, strict=True)]


def _known(store: Store, key: str, text: bytes, model: type[Model]) -> tuple[Read, Model] | None:
    try:
        found = _opened(store, key, text)
        return found, found.parsed(model)
    except (NotSigned, Conflict):
        return None


def _opened(store: Store, key: str, text: bytes, etag: str = "") -> Read:
    try:
        content = json.loads(text)
        said = {name: content.pop(name, None) for name in _FIELDS}
        good = store.keys.verify(content, said, _place(store, key))
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise NotSigned(f"The object {key!r} cannot be read.") from error
    return Read(key, etag, content, good, "" if good else f"The object {key!r} {store.keys.why_not(said)}")


def _sealed(store: Store, key: str, content: Mapping[str, Any]) -> bytes:
    signed = {**content, **store.keys.sign(content, _place(store, key))}
    return json.dumps(signed, ensure_ascii=False, indent=1).encode()


def _place(store: Store, key: str) -> str:
    return f"{store.bucket}/{key}"
