"""Files uploaded to S3."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Query

from tableferry import deadline
from tableferry.api import curl, metrics, reject_page
from tableferry.api import handler as api
from tableferry.api.models import LoadRequest, Nothing, Retried, RetryRequest, UploadRequest, UploadTarget
from tableferry.config.load_options import as_metadata
from tableferry.config.settings import Settings
from tableferry.errors import Conflict, InvalidRequest, ObjectNotFound, RecordNotFound, UploadGone
from tableferry.ingest.loads import cancel, handover, load_list, load_status, retry_later
from tableferry.ingest.loads.load_list import LoadList
from tableferry.ingest.loads.load_status import LoadStatus, State
from tableferry.ledger import epoch, ledger
from tableferry.mysql.database import Database
from tableferry.schema import catalog
from tableferry.storage import object_keys, upload_keys
from tableferry.storage.bucket import Object, Store, open_store

app = api.resolver()

_LARGEST_UPLOAD_BYTES = 5 * 1024**3  # what one POST to S3 can carry
_UPLOAD_SECONDS = 600
_RETRY_SECONDS = 15.0
_RETRIED_AT_ONCE = 16
_NDJSON: dict[int, Any] = {
    200: {
        "description": "Rejects, a line of JSON each.",
        "content": {"application/x-ndjson": {"schema": {"type": "string"}}},
    }
}


@app.post(
    "/uploads",
    summary="Ask where to upload a file",
    operation_id="createUpload",
    tags=["loads"],
    responses=api.responses(UploadTarget, 201),
)
def create_upload(request: UploadRequest) -> Response[UploadTarget]:
    """A presigned POST, good for ten minutes, for one key of up to 5 GB; its arrival starts the load, as the options say."""
    settings = Settings.from_env()
    database = Database(settings.database)
    with database.connect() as connection:
        table = catalog.describe(connection, database, request.table)
    key = object_keys.upload(table.name, request.filename)
    target = open_store(settings.bucket, settings.signing_keys).presigned_post(
        key, request.content_type, _LARGEST_UPLOAD_BYTES, _UPLOAD_SECONDS, as_metadata(request.said())
    )
    command = curl.form(target["url"], target["fields"], request.filename)
    return api.answer(HTTPStatus.CREATED, UploadTarget(**target, key=key, expires_in=_UPLOAD_SECONDS, command=command))


@app.get("/loads", summary="List the loads", operation_id="listLoads", tags=["loads"])
def list_loads(
    key: Annotated[str | None, Query()] = None,
    table: Annotated[str | None, Query()] = None,
    state: Annotated[State | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    after: Annotated[str | None, Query()] = None,
) -> LoadList:
    """The newest first; of one upload's key, one table, in one state. ``next``, given as ``after``, shows what follows."""
    settings = Settings.from_env()
    store = open_store(settings.bucket, settings.signing_keys)
    return load_list.listed(store, key, table, state, limit, after)


@app.get("/loads/<id>", summary="Show what became of one upload", operation_id="getLoad", tags=["loads"])
def show_load(id: str) -> LoadStatus:  # noqa: A002  # the name of the path's parameter
    """State, counts, and where the rejects are."""
    settings = Settings.from_env()
    return load_status.find(open_store(settings.bucket, settings.signing_keys), id, unsigned=True)


@app.get(
    "/loads/<id>/rejects",
    summary="Fetch the rows that were rejected",
    operation_id="listRejects",
    tags=["loads"],
    responses=_NDJSON,
)
def show_rejects(
    id: str,  # noqa: A002  # the name of the path's parameter
    limit: Annotated[int, Query(ge=1, le=10_000)] = 1000,
    after: Annotated[int, Query(ge=0)] = 0,
) -> Response[str]:
    """A line of JSON for each, in the file's order; the header ``Link`` leads to those that follow, if there are more."""
    settings = Settings.from_env()
    store = open_store(settings.bucket, settings.signing_keys)
    page = reject_page.page(store, load_status.find(store, id), limit, after)
    following = f"/loads/{id}/rejects?limit={limit}&after={page.next}"
    headers = {"Link": f'<{following}>; rel="next"'} if page.next is not None else {}
    return Response(HTTPStatus.OK, "application/x-ndjson", page.lines.decode(), headers=headers)


@app.post(
    "/loads/<id>/retry",
    summary="Try a load again",
    operation_id="retryLoad",
    tags=["loads"],
    responses=api.responses(LoadStatus, 200, 202),
)
def retry_load(id: str) -> Response[LoadStatus]:  # noqa: A002  # the name of the path's parameter
    """Go on with a load that failed or stalled, begin anew with one that was rejected; nothing is loaded twice.

    202, and the load status tells how it goes. A load that is done is answered with 200, and stays as it is, unless its rows
    are not in the table as it is now: a restore has replaced it, or the database was put back to before.
    """
    settings = Settings.from_env()
    store = open_store(settings.bucket, settings.signing_keys)
    found = load_status.find(store, id)
    if _is_in(settings, found):
        return api.answer(HTTPStatus.OK, found)
    uploaded = handover.uploaded(store, found)
    if settings.inline_jobs:
        if cancel.ordered(store, found.id):
            cancel.order(store, found.id, cancel=False)
        return api.answer(HTTPStatus.OK, _load(settings, store, uploaded, found.table, found.given, again=True))
    found = _handed_over_again(store, found)
    return api.answer(HTTPStatus.ACCEPTED, found, {"Location": f"/loads/{found.id}"})


@app.post(
    "/loads/retry",
    summary="Try several loads again",
    operation_id="retryLoads",
    tags=["loads"],
    responses=api.responses(Retried, 202),
)
def retry_loads(request: RetryRequest | None = None) -> Response[Retried]:
    """All that failed, stalled or wait, or those of a table and a state; nothing is loaded twice."""
    wanted = request or RetryRequest()
    settings = Settings.from_env()
    store = open_store(settings.bucket, settings.signing_keys)
    states: tuple[State, ...] = (wanted.state,) if wanted.state else ("failed", "stalled", "waiting")
    found, more = load_list.gathered(store, wanted.table, states, _RETRY_SECONDS)

    def again(load: LoadStatus) -> None:
        if settings.inline_jobs:
            _load(settings, store, handover.uploaded(store, load), load.table, load.given, again=True)
        else:
            _handed_over_again(store, load)

    with ThreadPoolExecutor(1 if settings.inline_jobs else _RETRIED_AT_ONCE) as pool:
        list(pool.map(again, found))
    return api.answer(HTTPStatus.ACCEPTED, Retried(loads=[load.id for load in found], more=more))


def _handed_over_again(store: Store, found: LoadStatus) -> LoadStatus:
    """Have the load function try a load again; its status says so at once."""
    if cancel.ordered(store, found.id):
        cancel.order(store, found.id, cancel=False)
    if found.state != "running":
        # So that whoever asks how it goes does not hear of the last time. Before the event, whose load writes it too.
        begun: dict[str, Any] = {"state": "running", "finished": None, "error": None, "reason": None}
        begun |= {"next_try": None, "tries": 0, "failing_since": None}
        found = load_status.save(store, found.model_copy(update=begun))
    handover.hand_over(store, found.id, retry=True)
    return found


@app.post(
    "/loads/<id>/cancel",
    summary="Stop a load",
    operation_id="cancelLoad",
    tags=["loads"],
    responses=api.responses(LoadStatus, 200, 202),
)
def cancel_load(id: str) -> Response[LoadStatus]:  # noqa: A002  # the name of the path's parameter
    """Have a load that runs, waits or stalled stop at its next block; what is in the table stays.

    202, and the load status tells when it is `cancelled`. One that has ended is answered with 200, and stays as it is.
    """
    settings = Settings.from_env()
    store = open_store(settings.bucket, settings.signing_keys)
    found = load_status.find(store, id)
    if found.state in load_status.OVER:
        return api.answer(HTTPStatus.OK, found)
    cancel.order(store, found.id, cancel=True)
    if settings.inline_jobs:
        uploaded = handover.uploaded(store, found)
        return api.answer(HTTPStatus.OK, _load(settings, store, uploaded, found.table, found.given))
    handover.hand_over(store, found.id, retry=False)  # nobody may be at it who would see the order
    return api.answer(HTTPStatus.ACCEPTED, found, {"Location": f"/loads/{found.id}"})


def _is_in(settings: Settings, known: LoadStatus) -> bool:
    """Whether a load is done, and in the table as it is now; raises Conflict where nothing can be known of it."""
    from tableferry.ingest.loads.checkpoints import Entries  # only for this request
    from tableferry.ingest.loads.load_check import Standing, refuse_unknown, standing

    database = Database(settings.database)
    with database.connect() as connection:
        ledger.prepare(connection)
        entries = Entries(known.id, known.table, epoch.settled(connection, database.name, known.table).live)
        refuse_unknown(connection, entries, known)
        if known.state != "done":
            return False
        found = standing(connection, entries, known, settings.ledger_days)
    if found is Standing.ELSEWHERE:
        raise Conflict(
            "This load is done in another database than the one of now, which knows nothing of it. To load the file here, "
            "upload it again."
        )
    return found is Standing.IN


def load_object(key: str, version: str) -> dict[str, Any]:
    """Load this version of an upload, which may have been written over since, or go on with a load handed over."""
    settings = Settings.from_env()
    store = open_store(settings.bucket, settings.signing_keys)
    if key.startswith(object_keys.RESUME):
        return _go_on(settings, store, key)
    return _load_arrived(settings, store, key, version)


def _go_on(settings: Settings, store: Store, key: str) -> dict[str, Any]:
    found, again = handover.handed_over(store, key)
    try:
        uploaded = handover.uploaded(store, found)
    except UploadGone as error:  # for good, so that another try of the event would be in vain
        return _told(load_status.save(store, found.failed(error.name, str(error))), 0)
    return _load(settings, store, uploaded, found.table, found.given, again=again)


def load_named(event: dict[str, Any]) -> dict[str, Any]:
    """A direct invocation: ``{"action": "load", "key": "uploads/…"}``, perhaps with options."""
    request = api.parsed(LoadRequest, event)
    settings = Settings.from_env()
    given = {name: str(value) for name, value in request.said().items()}
    return _load_key(settings, open_store(settings.bucket, settings.signing_keys), request.key, "", given)


def _load_key(settings: Settings, store: Store, key: str, version: str, given: Mapping[str, str]) -> dict[str, Any]:
    table = object_keys.upload_table(key)
    if table is None:
        raise InvalidRequest(f"The key {key!r} is not uploads/{{table}}/{{file}}.")
    return _load(settings, store, store.head(key, version), table, given)


def _load_arrived(settings: Settings, store: Store, key: str, version: str) -> dict[str, Any]:
    """Load an object that has arrived, unless it is none to be loaded."""
    if upload_keys.is_beside(key):
        return _ignored(key, "what a tool puts beside uploads")
    try:
        uploaded = store.head(key, version)
    except ObjectNotFound:
        return _ignored(key, "taken away before it was loaded")
    if key.endswith("/") and not uploaded.size:
        return _ignored(key, "a folder")
    return _load(settings, store, uploaded, object_keys.upload_table(key) or "", {})


def _ignored(key: str, why: str) -> dict[str, Any]:
    api.logger.info("no upload", extra={"key": key, "why": why})
    return {"ignored": key, "why": why}


def _misplaced(store: Store, uploaded: Object) -> dict[str, Any]:
    """The status of a file that is in no table's folder: whoever looks for it is told where it belongs."""
    load_id = load_status.load_id(store.bucket, uploaded)
    try:
        found = load_status.find(store, load_id)
    except RecordNotFound:
        found = LoadStatus(
            id=load_id,
            table="",
            key=uploaded.key,
            version=uploaded.version,
            size=uploaded.size,
            started=datetime.now(UTC),
        )
    if found.state != "failed":
        found = load_status.save(store, found.failed("wrong-place", upload_keys.advice(uploaded.key)))
    return _told(found, uploaded.size)


def _load(
    settings: Settings, store: Store, uploaded: Object, table: str, given: Mapping[str, str], *, again: bool = False
) -> dict[str, Any]:
    """Load a file with the options that a request has given, and those of its metadata for the others."""
    if not table:
        return _misplaced(store, uploaded)
    from tableferry.ingest.load import load  # brings polars, which takes a while and no request needs

    done = load(
        Database(settings.database),
        store,
        uploaded,
        table,
        settings.table_options(table),
        given,
        again=again,
        workers=settings.workers,
        ledger_days=settings.ledger_days,
        deadline=deadline.current(),
        retry_hours=0 if settings.inline_jobs else settings.retry_hours,
    )
    return _told(done, uploaded.size)


def _told(done: LoadStatus, size: int) -> dict[str, Any]:
    """Log and count what became of a load."""
    counts = done.model_dump(include={"read", "inserted", "updated", "rejected", "duplicates"})
    api.logger.info("load", extra={"load": done.id, "table": done.table, "state": done.state, **counts})
    if done.state in ("running", "waiting"):  # handed over, or somebody else's: it is counted when it ends
        return done.model_dump(mode="json")
    metrics.count(
        rows_in=done.inserted + done.updated,
        rows_rejected=done.rejected,
        load_bytes=size,
        loads_failed=int(done.state in ("failed", "rejected")),
    )
    return done.model_dump(mode="json")


def retry_waiting(event: dict[str, Any]) -> dict[str, Any]:
    """What a schedule asks for every minute: loads whose next try is due go on."""
    api.parsed(Nothing, event)
    settings = Settings.from_env()
    done = retry_later.go_on(open_store(settings.bucket, settings.signing_keys), datetime.now(UTC))
    metrics.count(loads_retried=len(done))
    return {"loads": done}


handler = api.handler(app, objects=load_object, direct=api.actions(load=load_named, retry=retry_waiting))
