"""A load goes on in the next invocation: an object, ``resume/{load id}.json``, whose arrival starts the load function.

Not by lambda:Invoke, which a function in a VPC does not reach without an endpoint that costs. The object says only why;
all that the next invocation needs is in the load's status, and what is loaded already is in the ledger. So an object
that comes twice, or is written over before it was read, does no harm. It is signed, as the load status is.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from tableferry.errors import ObjectNotFound, UploadGone
from tableferry.ingest.loads import load_status
from tableferry.ingest.loads.load_status import LoadStatus
from tableferry.storage import object_keys, signed_object
from tableferry.storage.bucket import Object, Store


class HandOver(BaseModel):
    """Why a load is to go on: ``retry`` if somebody asks for one that has ended as failed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    retry: bool = False


def hand_over(store: Store, load_id: str, retry: bool) -> None:
    """Have the load function go on with a load.

    A load that hands itself over lets go of its lock first: whoever finds it locked leaves it to the other.
    """
    signed_object.put(store, object_keys.resume(load_id), HandOver(retry=retry).model_dump())


def handed_over(store: Store, key: str) -> tuple[LoadStatus, bool]:
    """The status of the load that an object under ``resume/`` is about, and whether it is a retry.

    Raises:
        NotSigned: the object was not written by :func:`hand_over`, or the load status not by a load.
        RecordNotFound: there is no such load.
    """
    order = signed_object.get(store, key).parsed(HandOver)
    return load_status.find(store, object_keys.resumed_load(key)), order.retry


def uploaded(store: Store, status: LoadStatus) -> Object:
    """The version of the file that a load is about; raises UploadGone."""
    gone = UploadGone(f"The file {status.key!r} that was uploaded is no longer in the bucket; upload it again.")
    try:
        found = store.head(status.key, status.version)
    except ObjectNotFound as error:
        raise gone from error
    if load_status.load_id(store.bucket, found) != status.id:  # in a bucket without versions: written over since
        raise gone
    return found
