"""The status of one load: ``loads/{id}.json``, and the rejects it names."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, computed_field

from tableferry.errors import NotSigned, ObjectNotFound, RecordNotFound
from tableferry.ingest.loads import load_marks
from tableferry.jobs import estimate
from tableferry.jobs.estimate import ProgressView
from tableferry.storage import object_keys
from tableferry.storage import signed_object as signed
from tableferry.storage.bucket import Object, Store

_BLOCK_AT_MOST = timedelta(minutes=5)  # 4 MiB, every row refused and tried alone, in a busy database
_NEXT_TRY_AT_MOST = timedelta(minutes=10)  # Lambda waits one and two minutes, and longer where it is called too often
_DUE_AT_MOST = timedelta(hours=1)  # many may be due at once, and few be loaded at a time
_ID = re.compile(r"[0-9a-f]{32}")

State = Literal["running", "done", "rejected", "failed", "stalled", "replaced", "cancelled", "waiting"]
MARKED = ("done", "rejected", "failed", "replaced", "cancelled", "waiting")
"""States by which loads are listed: those that last."""

OVER = ("done", "rejected", "cancelled")
"""States in which nobody goes on with a load by himself, and there is nothing to stop."""

_NO_MORE: dict[str, object] = {"next_try": None, "tries": 0, "failing_since": None}

_SHOWN_ONLY = {"signed", "progress"}


class LoadStatus(BaseModel):
    """What became of a file: ``read = inserted + updated + rejected + duplicates``, header and blank lines apart.

    ``bytes`` of the object's ``size`` are done; ``given`` are the options that the request named; ``saved`` is when
    this was so. It is ``rejected`` if no row was good, and ``reason`` then says why. A load is ``stalled`` if nobody
    has gone on with it for 15 minutes: its function died, and a retry lets it go on. It is ``replaced`` if a restore
    put another table in the place of the one that its rows went into: a retry loads into the table as it is now what
    that does not have. It is ``cancelled`` if it was to stop; what is in stays. ``restore`` is the one that had brought
    the table of which the counts tell, ``database`` the id by which the load history knows its own, ``notes`` what
    happened on the way. It is ``waiting`` for its ``next_try`` while the database or S3 is away: ``failing_since``
    then, ``tries`` have failed.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    table: str
    key: str
    version: str = ""
    given: dict[str, str] = Field(default_factory=dict)
    state: State = "running"
    read: int = 0
    inserted: int = 0
    updated: int = 0
    rejected: int = 0
    duplicates: int = 0
    bytes: int = 0
    size: int = 0
    rows_per_second: float | None = None
    rejects: str | None = None
    started: AwareDatetime
    saved: AwareDatetime | None = None
    finished: AwareDatetime | None = None
    error: dict[str, str] | None = None
    reason: str | None = None
    database: str | None = None
    restore: str | None = None
    notes: tuple[str, ...] = ()
    tries: int = 0
    failing_since: AwareDatetime | None = None
    next_try: AwareDatetime | None = None
    signed: bool = True
    """Whether a key of this deployment signed the load status; where not, nothing is done by it. Not written."""

    @computed_field  # type: ignore[prop-decorator]
    @property
    def progress(self) -> ProgressView:
        """How far the load is, at the rate of the invocation that is at it. Not written."""
        share = self.bytes / self.size if self.size else None
        seconds = self.read / self.rows_per_second if self.read and self.rows_per_second else 0.0
        done = self.state == "done"
        return ProgressView(
            done=self.bytes,
            of=self.size,
            rows=self.read,
            unit="bytes",
            percent=estimate.percent(share, done=done),
            seconds_left=estimate.seconds_left(
                share if seconds else None, seconds, running=self.state == "running", done=done
            ),
        )

    def written(self) -> dict[str, Any]:
        """What a record of it holds."""
        return self.model_dump(mode="json", exclude=_SHOWN_ONLY)

    def as_of(self, now: datetime) -> LoadStatus:
        """The load status as it is: a load that nobody goes on with is stalled, whatever is written."""
        dead = self.state == "running" and self.silent(now) > _BLOCK_AT_MOST + _NEXT_TRY_AT_MOST
        missed = self.state == "waiting" and (self.next_try is None or now - self.next_try > _DUE_AT_MOST)
        return self.model_copy(update={"state": "stalled"}) if dead or missed else self

    def silent(self, now: datetime) -> timedelta:
        """For how long nobody has written it."""
        return now - (self.saved or self.started)

    def ended(self, state: State, reason: str | None = None) -> LoadStatus:
        """The status of a load that has come to the end of its file now."""
        end = {"state": state, "reason": reason, "finished": datetime.now(UTC), "bytes": self.size, "error": None}
        return self.model_copy(update=end | _NO_MORE)

    def failed(self, kind: str, detail: str) -> LoadStatus:
        """The status of a load that has ended now, and why."""
        error = {"type": kind, "detail": detail}
        return self.model_copy(
            update={"state": "failed", "finished": datetime.now(UTC), "error": error, "reason": None, **_NO_MORE}
        )

    def cancelled(self) -> LoadStatus:
        """The status of a load that has stopped by request."""
        went = self.inserted + self.updated
        reason = f"It was cancelled: of the first {self.read} rows {went} are in the table, and none after them."
        end = {"state": "cancelled", "reason": reason, "finished": datetime.now(UTC), "error": None}
        return self.model_copy(update=end | _NO_MORE)

    def replaced(self, detail: str) -> LoadStatus:
        """The status of a load whose table is another by now."""
        return self.failed("table-replaced", detail).model_copy(update={"state": "replaced"})


def load_id(bucket: str, uploaded: Object) -> str:
    """The id of the load of one version of an object, the same at every delivery of its event."""
    parts = (bucket, uploaded.key, uploaded.version or uploaded.etag)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def save(store: Store, status: LoadStatus) -> LoadStatus:
    """Write a load status, with the time at which it was true: for one that has ended, that of its end.

    Its marks go before it: a load status that no list shows would be lost to whoever looks for it.
    """
    places = (
        []
        if status.saved
        else [
            object_keys.LOADS_BY_TIME,
            object_keys.loads_by_key(status.key),
            object_keys.loads_by_table(status.table),
        ]
    )
    if status.state in MARKED:
        places += [object_keys.loads_by_state(status.state), object_keys.loads_by_table(status.table, status.state)]
    if places:
        load_marks.put(store, places, load_marks.mark(status.id, status.started))
    dated = status.model_copy(update={"saved": status.finished or datetime.now(UTC)})
    signed.put(store, object_keys.load(status.id), dated.written())
    return dated


def find(store: Store, status_id: str, *, unsigned: bool = False) -> LoadStatus:
    """The status of a load, as it is now, to act on; to be shown only, that may be ``unsigned``.

    Raises:
        RecordNotFound: there is none.
        NotSigned: it is not signed with a key of this deployment.
    """
    try:
        if not _ID.fullmatch(status_id):
            raise ObjectNotFound(status_id)
        found = signed.look(store, object_keys.load(status_id))
    except ObjectNotFound as error:
        raise RecordNotFound(f"There is no load {status_id!r}.") from error
    if not found.signed and not unsigned:
        raise NotSigned(f"{found.why_not} Nothing is done by it; upload the file again, what is loaded stays as it is.")
    return shown(found, found.parsed(LoadStatus), datetime.now(UTC))


def shown(found: signed.Read, status: LoadStatus, now: datetime) -> LoadStatus:
    """A load status as it is now, under the id that its key says, whatever somebody wrote into it."""
    status_id = object_keys.load_id(found.key)
    return status.model_copy(update={"id": status_id, "signed": found.signed}).as_of(now)
