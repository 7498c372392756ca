"""That a load is to stop: ``loads/cancelled/{id}.json``, which whoever works at it looks for every few seconds.

In the bucket and not in the database, so that a load can be cancelled that waits for a database which is away. It is
signed: what somebody else put there stops nothing.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from tableferry.errors import NotSigned, ObjectNotFound
from tableferry.storage import object_keys, signed_object
from tableferry.storage.bucket import Store


class Order(BaseModel):
    """Whether the load is to stop; a retry takes it back."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cancel: bool


def order(store: Store, load_id: str, cancel: bool) -> None:
    """Say that a load is to stop, or no longer."""
    signed_object.put(store, object_keys.load_cancelled(load_id), Order(cancel=cancel).model_dump())


def ordered(store: Store, load_id: str) -> bool:
    """Whether a load is to stop."""
    try:
        return signed_object.get(store, object_keys.load_cancelled(load_id)).parsed(Order).cancel
    except (ObjectNotFound, NotSigned):
        return False
