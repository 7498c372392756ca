"""Why a job over many functions comes to nothing: the problem that one of its steps leaves for the last one to tell of.

A state machine knows of an error no more than a word. So whoever fails writes the problem down, in the place of the try.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from pydantic import BaseModel, ConfigDict

from tableferry.errors import NotSigned, ObjectNotFound, PreconditionFailed, StoreUnavailable
from tableferry.storage import object_keys, signed_object
from tableferry.storage.bucket import Store

_NO_TRY = "0"


class Trouble(BaseModel):
    """The problem, as answers tell it; and whether another try may go well."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    problem: dict[str, Any]
    again: bool = True


def leave(
    store: Store, job_id: str, attempt: str, problem: Mapping[str, Any], *, again: bool = True, over: bool = False
) -> None:
    """Write a step's problem down; ``over`` says that it is put over one that is there already.

    ``attempt`` is empty where no try was begun. That S3 cannot be reached is borne: there is a problem already.
    """
    key = _key(job_id, attempt)
    put = signed_object.put if over else signed_object.put_new
    with suppress(PreconditionFailed, StoreUnavailable):
        put(store, key, Trouble(problem=dict(problem), again=again).model_dump(mode="json"))


def left(store: Store, job_id: str, attempt: str) -> Trouble | None:
    """What a step has written down; None where all were ended from outside."""
    try:
        return signed_object.get(store, _key(job_id, attempt)).parsed(Trouble)
    except (ObjectNotFound, NotSigned):
        return None


def _key(job_id: str, attempt: str) -> str:
    return object_keys.work_trouble(object_keys.work(job_id, attempt or _NO_TRY))
