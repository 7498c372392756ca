"""Rejects of a load, a page at a time, as much as an answer of a function can carry."""

from __future__ import annotations

from dataclasses import dataclass

from tableferry.errors import Conflict, InvalidRequest, ObjectNotFound, UploadGone
from tableferry.ingest.loads.load_status import LoadStatus
from tableferry.storage.bucket import Store

_PAGE_BYTES = 2 * 1024 * 1024  # of 6 MB that an answer may have: as JSON's text it becomes up to twice as long
_LONGEST_LINE_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Page:
    """Lines of a file of rejects, and where the next page begins, if there is one."""

    lines: bytes
    next: int | None


def page(store: Store, status: LoadStatus, limit: int, after: int) -> Page:
    """At most ``limit`` lines of a load's rejects, from a byte on, in 2 MiB, or one line that is longer. Memory: the page.

    Raises:
        Conflict: the load goes on, and its rejects are put together when it ends.
        InvalidRequest: at this byte no line begins.
        UploadGone: the file of rejects is no longer in the bucket.
    """
    if status.rejects is None:
        if status.rejected:
            raise Conflict(f"Load {status.id} is {status.state}; its rejects can be read when it has ended.")
        return Page(b"", None)
    begin = max(after - 1, 0)  # with the line end before it
    try:
        found, size = store.part(status.rejects, begin, _PAGE_BYTES)
        if b"\n" not in found[after - begin :]:
            found, size = store.part(status.rejects, begin, _LONGEST_LINE_BYTES)
    except ObjectNotFound as error:
        raise UploadGone(f"The rejects of load {status.id} are no longer in the bucket.") from error
    if after and found[:1] != b"\n":
        raise InvalidRequest("`after` has to be that of the Link header of the page before.")
    lines = found[after - begin :].splitlines(keepends=True)[: limit + 1]
    whole = [line for line in lines if line.endswith(b"\n")][:limit]
    end = after + sum(map(len, whole))
    return Page(b"".join(whole), end if end < size else None)
