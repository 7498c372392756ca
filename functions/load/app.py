"""Files uploaded to S3."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import unquote

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Query

from tableferry import account, api, catalog
from tableferry.account import Account, LoadList
from tableferry.database import Database
from tableferry.errors import InvalidRequest
from tableferry.load import load
from tableferry.models import LoadRequest, UploadRequest, UploadTarget
from tableferry.options import OnDuplicate, as_metadata
from tableferry.settings import Settings
from tableferry.store import Store, encode_name, open_store

app = api.resolver()

_LARGEST_UPLOAD_BYTES = 5 * 1024**3  # what one POST to S3 can carry
_UPLOAD_SECONDS = 600


@app.post("/uploads", summary="Where to send a file", tags=["loads"], responses=api.responses(UploadTarget, 201))
def create_upload(request: UploadRequest) -> Response[UploadTarget]:
    """A presigned POST, good for ten minutes, for one key of up to 5 GB; its arrival starts the load, as the options say."""
    settings = Settings.from_env()
    database = Database(settings.database)
    with database.connect() as connection:
        table = catalog.describe(connection, database, request.table)
    key = f"uploads/{encode_name(table.name)}/{request.filename}"
    target = open_store(settings.bucket).presigned_post(
        key, request.content_type, _LARGEST_UPLOAD_BYTES, _UPLOAD_SECONDS, as_metadata(request.said())
    )
    return api.answer(HTTPStatus.CREATED, UploadTarget(**target, key=key, expires_in=_UPLOAD_SECONDS))


@app.get("/loads", summary="What became of the uploads", tags=["loads"])
def list_loads(key: Annotated[str | None, Query()] = None) -> LoadList:
    """The newest hundred, or those of one upload's key among the newest thousand."""
    return LoadList(loads=account.newest(open_store(Settings.from_env().bucket), key))


@app.get("/loads/<id>", summary="What became of one upload", tags=["loads"])
def show_load(id: str) -> Account:  # noqa: A002  # the name of the path's parameter
    """State, counts, and where the rejects are."""
    return account.find(open_store(Settings.from_env().bucket), id)


def load_object(key: str, version: str) -> dict[str, Any]:
    """Load this version of an upload, which may have been written over since, into the table that its key names."""
    settings = Settings.from_env()
    return _load(settings, open_store(settings.bucket), key, version, {})


def load_named(event: dict[str, Any]) -> dict[str, Any]:
    """A direct invocation: ``{"action": "load", "key": "uploads/…"}``, perhaps with options."""
    request = api.parsed(LoadRequest, event)
    settings = Settings.from_env()
    return _load(settings, open_store(settings.bucket), request.key, "", request.said())


def _load(settings: Settings, store: Store, key: str, version: str, said: dict[str, Any]) -> dict[str, Any]:
    prefix, _, rest = key.partition("/")
    table, _, filename = rest.partition("/")
    if prefix != "uploads" or not table or not filename:
        raise InvalidRequest(f"The key {key!r} is not uploads/{{table}}/{{file}}.")
    uploaded = store.head(key, version)
    of_table = settings.table_options(unquote(table)).get("on_duplicate") or OnDuplicate.REJECT
    on_duplicate = said.get("on_duplicate") or uploaded.metadata.get("on-duplicate", of_table)
    done = load(Database(settings.database), store, uploaded, unquote(table), on_duplicate)
    counts = done.model_dump(include={"read", "inserted", "updated", "rejected", "duplicates"})
    api.logger.info("load", extra={"load": done.id, "table": done.table, "state": done.state, **counts})
    api.count(
        rows_in=done.inserted + done.updated,
        rows_rejected=done.rejected,
        load_bytes=uploaded.size,
        loads_failed=int(done.state == "failed"),
    )
    return done.model_dump(mode="json")


handler = api.handler(app, objects=load_object, direct=api.actions(load=load_named))
