"""What requests and answers look like; the OpenAPI document is made of these."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from tableferry.config.load_options import LoadOptions, Means
from tableferry.jobs.estimate import ProgressView
from tableferry.mysql.identifiers import possible

TableName = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(possible)]


class Request(BaseModel):
    """The body of a request: a field that it does not know is refused."""

    model_config = ConfigDict(extra="forbid")


class ApiView(BaseModel):
    """What answers here, in which version, and where it is described: ``docs`` for people, ``openapi`` for programs."""

    name: str
    description: str
    version: str
    docs: str
    openapi: str


class ColumnView(BaseModel):
    """A column: ``required`` if a row that leaves it out is refused."""

    name: str
    type: str
    nullable: bool
    required: bool
    generated: bool
    key: Literal["primary"] | None = None


class ForeignKeyView(BaseModel):
    """A foreign key: ``columns`` point at ``parent_columns`` of ``parent``."""

    name: str
    columns: list[str]
    parent: str
    parent_columns: list[str]


class TableView(BaseModel):
    """A table's data dictionary; the number of rows is the storage engine's estimate."""

    name: str
    rows_estimate: int
    columns: list[ColumnView]
    primary_key: list[str]
    foreign_keys: list[ForeignKeyView]


class TableList(BaseModel):
    """All tables, by name."""

    tables: list[TableView]


class RowProblem(BaseModel):
    """What is wrong with a row (counted from 1); ``column`` is empty where the whole row is at fault."""

    row: int
    column: str
    code: str
    message: str


class RowsResult(BaseModel):
    """What became of a batch: read = inserted + updated + rejected + duplicates."""

    table: str
    read: int
    inserted: int
    updated: int
    rejected: int
    duplicates: int
    errors: list[RowProblem]
    more_errors: int = Field(
        0,
        exclude_if=lambda more: not more,
        description="How many problems there are besides, where all are more than 4 MiB: `errors` has the first of each row, "
        "then others. Not there where there are none.",
    )


class VerifiedTable(BaseModel):
    """A table that was read again: what its objects hold, and what is wrong with them where it is not ``ok``."""

    name: str
    rows: int
    objects: int
    bytes: int
    digest: str
    ok: bool = True
    problems: list[str] = []


class FindingView(BaseModel):
    """One thing that stands in the way; ``table`` is empty where it is no table's."""

    code: str
    table: str
    message: str


class ProblemDetails(BaseModel):
    """RFC 9457. ``errors``: what is wrong with each row, or each thing that stands in the way of a restore."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[RowProblem] | list[FindingView] | None = None
    tables: list[VerifiedTable] | None = None


class UploadRequest(LoadOptions):
    """Where a file is to go, and how it is to be loaded.

    Its name ends in .csv or, for rejects that were corrected, .ndjson, perhaps with .gz or .zst.
    """

    table: TableName
    filename: Annotated[
        str,
        Field(max_length=200, pattern=r"^[^/\x00-\x1f\x7f-\x9f]+\.(csv|ndjson)(\.gz|\.zst)?$"),
        Means("a name that ends in .csv or .ndjson, perhaps with .gz or .zst behind it, and has no slash"),
    ]
    content_type: Annotated[
        str, Field(max_length=100, pattern=r"^[\w.+-]+/[\w.+-]+$"), Means("a media type, such as text/csv")
    ] = "text/csv"


class UploadTarget(BaseModel):
    """A presigned POST: send ``fields`` and the file, as ``file``, as multipart/form-data to ``url``; ``command`` does it."""

    url: str
    fields: dict[str, str]
    key: str
    expires_in: int
    command: str


class LoadRequest(LoadOptions):
    """A load by direct invocation; what it says goes before the file's metadata."""

    key: str


class RetryRequest(Request):
    """Which loads to try again: of one table, in one state; else all that failed, stalled or wait."""

    table: TableName | None = None
    state: Literal["failed", "stalled", "waiting", "rejected", "replaced", "cancelled"] | None = None


class Retried(BaseModel):
    """The loads that are tried again; ``more`` if there was no time for all: send the request again."""

    loads: list[str]
    more: bool


class BackupRequest(Request):
    """All tables where none are named."""

    tables: list[TableName] | None = None
    format: Literal["parquet", "avro", "csv"] = "parquet"
    workers: Annotated[int, Field(ge=1, le=100)] | None = None
    dry_run: bool = False

    def of_job(self) -> dict[str, Any]:
        """The request as its job has it: without what is not said, so that one from before it could be is the same."""
        return self.model_dump(exclude={"dry_run"} if self.workers else {"dry_run", "workers"})


class PlannedBackupTableView(BaseModel):
    """A table that would be backed up, in so many ``ranges`` of its key; its rows and bytes are the server's estimates."""

    name: str
    rows_estimate: int
    bytes_estimate: int
    ranges: int


class BackupSpeedView(BaseModel):
    """How fast one function is taken to read: as ``measured`` in earlier ``backups``, or by the documented ``default``."""

    bytes_per_second: int
    by: Literal["measured", "default"]
    backups: list[str] = []


class BackupWritesView(BaseModel):
    """What would be written below which keys: about so many objects and bytes. There is no ``{id}`` before the backup is."""

    bucket: str
    prefix: str
    objects: int
    bytes: int


class CostView(BaseModel):
    """About what it costs, in US dollars by AWS's list of that day (``as_of``) for us-east-1, by docs/deploy.md.

    ``once`` is the sum of ``functions``, ``requests`` and ``state_machine``. What the database costs is not in it.
    """

    once: float
    functions: float
    requests: float
    state_machine: float
    storage_a_month: float
    as_of: str


class BackupPlanView(BaseModel):
    """A backup's dry run: what it would do, how long it would take, what it costs, and what stands in the way.

    No ``problems``: it can go. ``seconds`` is what it is expected to take, ``seconds_allowed`` what there is for it; null
    where nobody ends it.
    """

    state: Literal["planned"] = "planned"
    database: str
    format: str
    tables: list[PlannedBackupTableView]
    complete: bool
    rows_estimate: int
    bytes_estimate: int
    source: Literal["live", "static"]
    workers: int
    connections: int
    seconds: float
    seconds_allowed: float | None
    speed: BackupSpeedView
    writes: BackupWritesView
    cost: CostView
    problems: list[FindingView]
    notes: list[str]


class BackedUpTable(BaseModel):
    """A table in a backup; size in bytes, digest as the module ``digest`` defines it.

    ``inexact_json``: rows, by column, that hold JSON scalars which no text gives back (a DECIMAL, a date, bytes).
    """

    name: str
    rows: int
    bytes: int
    digest: str
    chunks: int
    objects: int
    inexact_json: dict[str, int] = Field(default_factory=dict)


class BackupView(BaseModel):
    """A backup that is done; ``notes`` name what is not in it though all tables were asked for: views, sequences.

    ``complete`` if it holds all tables that the database had: only such a one is the latest where no tables are named.
    Digests of backups with the same ``digest_key`` can be compared; it is null for those made before there was a key.
    """

    id: str
    state: Literal["done"] = "done"
    database: str
    format: str
    consistency: str
    started: datetime
    finished: datetime
    rows: int
    bytes: int
    tables: list[BackedUpTable]
    complete: bool | None = None
    workers: int = 1
    notes: list[str] = []
    digest_key: str | None = None


class BackupDetail(BackupView):
    """A backup and its manifest."""

    manifest: dict[str, Any]


class JobView(BaseModel):
    """A job that is not done; ``problem`` says why one failed."""

    id: str
    kind: str
    state: str
    progress: ProgressView
    created: datetime
    finished: datetime | None = None
    problem: dict[str, Any] | None = None


class BackupList(BaseModel):
    """The newest backups first; ``damaged`` are those whose manifest cannot be trusted.

    ``jobs``: backups asked for in the last day that are under way, or came to nothing.
    """

    backups: list[BackupView]
    damaged: list[str]
    jobs: list[JobView] = []


class VerifyRequest(Request):
    """Which backup to read again."""

    backup: str = "latest"


class DrillRequest(Request):
    """Which backup to build anew, and drop."""

    backup: str = "latest"


class SignRequest(Request):
    """The restore whose record is to be signed anew."""

    restore: str


class Nothing(Request):
    """Nothing to ask for: an action of a schedule's, without fields."""


class RecoverRequest(Request):
    """Nothing to ask for: restores that died are finished."""


class VerificationView(BaseModel):
    """What was found when a backup was read again; ``leftovers`` counts files of tries of it that died."""

    id: str
    backup: str
    state: Literal["done"] = "done"
    ok: bool = True
    tables: list[VerifiedTable]
    leftovers: int


class RestoreRequest(Request):
    """``backup``: an id, or ``latest``; ``into`` gives tables other names; ``trust`` takes a manifest without signature.

    A table that has such another name already is only replaced with ``replace``.
    ``allow_inexact_json`` restores JSON scalars which no text gives back as the numbers and strings that they look like.
    Rows that would have no parent stop a restore; with ``allow_orphans`` its notes name them.
    ``workers`` are the functions that it goes over, where SCALE is on; as many as it needs, if that is not said.
    """

    backup: str = "latest"
    tables: list[TableName] | None = None
    into: dict[TableName, TableName] = Field(default_factory=dict)
    replace: bool = False
    dry_run: bool = False
    trust: bool = False
    allow_inexact_json: bool = False
    allow_orphans: bool = False
    workers: Annotated[int, Field(ge=1, le=100)] | None = None

    def of_job(self) -> dict[str, Any]:
        """The request as its job has it: what is not said of ``workers`` is not in it, as in requests of before."""
        return self.model_dump(exclude={"workers"} if self.workers is None else None)


class RestoredTableView(BaseModel):
    """A table of a restore; ``replaced`` if it stands in the place of one that was there."""

    name: str
    into: str
    rows: int
    digest: str
    verified: bool
    replaced: bool


class ChangedColumnView(BaseModel):
    """A column that becomes another: its definition ``now``, and ``then``."""

    name: str
    now: str
    then: str


class ColumnChangesView(BaseModel):
    """The columns of a table that would be replaced: those that come, go and change."""

    coming: list[str] = []
    going: list[str] = []
    changing: list[ChangedColumnView] = []


class PlannedTableView(BaseModel):
    """What would be done with one table: ``replaces`` a live one or is new; ``bytes`` as stored in the bucket.

    ``repointed``: foreign keys of other tables, as ``table.key``, that would be pointed at it. ``triggers`` would be made,
    those of a table that is replaced dropped. ``rows_now`` are those of the table that would be replaced, null for none;
    where they were not ``counted`` they are the server's estimate. ``columns`` come, go and change.
    """

    name: str
    into: str
    rows: int
    bytes: int
    replaces: bool
    foreign_keys: list[str]
    repointed: list[str]
    triggers: list[str]
    rows_now: int | None = None
    rows_now_counted: bool = True
    columns: ColumnChangesView = ColumnChangesView()


class PlanView(BaseModel):
    """A dry run's answer: what would be done, what was looked at, and what stands in the way (nothing: it can go).

    ``unchecked``: what was not looked at, and why, such as the rows of a table that is too large to be loaded for a trial.
    """

    tables: list[PlannedTableView]
    checks: list[str]
    problems: list[FindingView]
    unchecked: list[FindingView] = []


class RestoreView(BaseModel):
    """A restore: planned (a dry run, which has a ``plan``), done, accepted (it stays), undone (it was) or failed.

    ``kept``: the schema that still has the replaced tables or, after an undo, the restored ones; null once none are kept.
    """

    id: str
    backup: str
    database: str
    state: str
    tables: list[RestoredTableView]
    kept: str | None
    notes: list[str]
    started: datetime
    finished: datetime | None
    plan: PlanView | None = None
    signed: bool = Field(default=True, description="False: not written by this deployment, and nothing is done by it.")


class RestoreList(BaseModel):
    """Restores, newest first."""

    restores: list[RestoreView]
