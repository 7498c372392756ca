"""Rows over HTTP, and what the API is."""

from __future__ import annotations

from dataclasses import asdict
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Header, Query

from tableferry import DESCRIPTION, TITLE, __version__
from tableferry.api import body, metrics, swagger, table_view
from tableferry.api import handler as api
from tableferry.api.models import ApiView, RowsResult, TableList, TableView
from tableferry.config.load_options import Binary, HeaderLine, OnDuplicate, chosen
from tableferry.config.settings import database_address, ledger_days, table_settings
from tableferry.errors import UnsupportedMediaType
from tableferry.ingest.insert import SentRows, insert
from tableferry.mysql.database import Database
from tableferry.schema import catalog

app = api.resolver()

_MOST_LOGGED = 100
_TYPES = {"application/json": False, "text/csv": True}


def _database() -> Database:
    return Database(database_address())


@app.get("/", summary="Show name, version and where the documentation is", operation_id="getService", tags=["about"])
def show_api() -> ApiView:
    """Name, version, and where the documentation is."""
    return ApiView(name=TITLE, description=DESCRIPTION, version=__version__, docs="/docs", openapi="/openapi.json")


@app.get("/tables", summary="List the tables with their columns", operation_id="listTables", tags=["tables"])
def list_tables(table: Annotated[str | None, Query()] = None) -> TableList | TableView:
    """All tables, or the one named by ``?table=``."""
    if table is not None:
        return _described(table)
    database = _database()
    with database.connect() as connection:
        found = catalog.describe_all(connection, database)
        return TableList(tables=[table_view.table(connection, described) for described in found])


@app.get("/tables/<table>", summary="Show one table with its columns", operation_id="getTable", tags=["tables"])
def describe_table(table: str) -> TableView:
    """Columns, types, keys, and an estimate of the rows."""
    return _described(api.path_name(app, "table", table))


def _described(name: str) -> TableView:
    database = _database()
    with database.connect() as connection:
        return table_view.table(connection, catalog.describe(connection, database, name))


@app.post(
    "/tables/<table>/rows",
    summary="Insert 1 to 1000 rows",
    operation_id="insertRows",
    tags=["tables"],
    responses=api.responses(RowsResult, 201, 207, 422),
    openapi_extensions={"x-body": "rows"},
)
def insert_rows(
    table: str,
    name: Annotated[str | None, Query(alias="table")] = None,
    on_duplicate: Annotated[OnDuplicate | None, Query()] = None,
    binary: Annotated[Binary | None, Query()] = None,
    header: Annotated[HeaderLine | None, Query()] = None,
    idempotency_key: Annotated[str | None, Header(alias="Idempotency-Key", min_length=1, max_length=255)] = None,
) -> Response[RowsResult]:
    """Good rows go in, each other one is reported with row, column, code and message.

    What the query does not say of duplicates and of bytes written as text, the table's setting does.
    """
    content, media_type = body.raw(app)
    if media_type not in _TYPES:
        raise UnsupportedMediaType("Send the rows as application/json or as text/csv, in UTF-8.")
    wanted = api.one_name(api.path_name(app, "table", table), name)
    said = {"on_duplicate": on_duplicate, "binary": binary, "header": header}
    options = chosen(table_settings().of(wanted), given=said)
    batch = SentRows(content, csv=_TYPES[media_type], said=said)
    done = insert(_database(), wanted, batch, options, idempotency_key, ledger_days())
    for problem in done.errors[:_MOST_LOGGED]:
        # Without the message, which may hold the value: a log is no place for people's data.
        where = {"row": problem.row, "column": problem.column, "code": problem.code}
        api.logger.warning("row rejected", extra={"table": done.table, "problem": where})
    if (more := len(done.errors) + done.more_errors - _MOST_LOGGED) > 0:
        api.logger.warning("more problems of rows, not logged", extra={"table": done.table, "problems": more})
    metrics.count(rows_in=done.inserted + done.updated, rows_rejected=done.rejected)
    headers = {"Idempotent-Replayed": "true"} if done.replayed else {}
    return api.answer(_status(done.rejected, done.read), RowsResult.model_validate(asdict(done)), headers)


@app.get("/openapi.json", summary="This document", tags=["about"], include_in_schema=False)
def openapi() -> Response[Any]:
    """Answer with the OpenAPI document."""
    return Response(200, "application/json", _document())


@app.get("/docs", summary="Swagger UI", tags=["about"], include_in_schema=False)
def docs() -> Response[str]:
    """Answer with Swagger UI."""
    return Response(200, "text/html", swagger.swagger_page(_document()))


def _document() -> str:
    """The document of all four functions, made by ``make openapi`` from their types."""
    return Path(__file__).with_name("openapi.json").read_text(encoding="utf-8")


def _status(rejected: int, read: int) -> HTTPStatus:
    if not rejected:
        return HTTPStatus.CREATED
    return HTTPStatus.MULTI_STATUS if rejected < read else HTTPStatus.UNPROCESSABLE_ENTITY


handler = api.handler(app)
