"""What the OpenAPI document says in prose: of the API, its tags, operations, parameters and fields.

Only the generator imports it: no function carries these texts when it starts.
"""

ABOUT = """\
Tableferry loads rows and files into MySQL or MariaDB, backs tables up to S3, and restores them: verified, at once, and so
that a restore can be undone.

**Jobs.** Backups, verifications and restores may take longer than a request. The request waits up to 20 seconds (header
`Prefer: wait=N`, at most 25) and is answered with `201` and the result, or with `202` and, in the header `Location`,
where to look.

**Errors** are problem details (RFC 9457, `application/problem+json`). `type` ends with a code for programs, `detail` says
in words what is wrong and what to do. Where an answer is an error, nothing was changed, unless it says otherwise.

**Once.** With a header `Idempotency-Key` the same request, sent again, does nothing again and gets the first answer (with
`Idempotent-Replayed: true`).

**Who may call.** In the cloud each request is signed (AWS Signature Version 4, service `execute-api`) or, if the stack has
a `JwtIssuer`, carries that issuer's token with the scope of the operation. The local runtime listens on 127.0.0.1 alone
and asks for neither.
"""

TAGS = {
    "about": "What answers here.",
    "tables": "The tables there are, and rows into them: 1 to 1000 with a request.",
    "loads": "Files: where to send one, what became of it, and which rows were rejected and why.",
    "backups": "Backups of tables at one moment, and their verification.",
    "restores": "Tables brought back from a backup, and the way back from that.",
}

SIGNATURE = """\
AWS Signature Version 4 over the request, for the service `execute-api` in the API's region. The policies that the stack
makes (`ReadCallersPolicyArn`, `WriteCallersPolicyArn`, `RestoreCallersPolicyArn`) let their holders call the operations of
that class. This is what a stack without `JwtIssuer` asks for."""

BEARER = """\
A JWT of the stack's `JwtIssuer`, for one of its `JwtAudience`. The operation's scope (`read`, `write` or `restore`) has the
stack's `JwtScopePrefix` before it, which is `tableferry/` unless it says otherwise."""

OPERATIONS = {
    "getService": "The name, the version and where the documentation is: a first request to try whether one may call.",
    "listTables": """\
All tables that are served, by name: columns, types, keys, and an estimate of the rows. With `?table=` it is that table
alone, as `getTable` shows it: for a name that no path can carry, such as `a/b`.""",
    "getTable": "Columns with their types, keys, and the storage engine's estimate of the rows.",
    "insertRows": """\
Inserts 1 to 1000 rows, up to 6 MB, as JSON (objects by column, or arrays in the order of the columns) or as CSV in UTF-8.
Good rows go in, in one transaction; each other one is reported with its number, column, code and message. `201`: all rows
went in; `207`: some; `422`: none. `read = inserted + updated + rejected + duplicates`.

A table whose name no path can carry is named in the query, with `-` in the path: `POST /tables/-/rows?table=a%2Fb`. What the
query does not say of duplicates and of bytes, the deployment's setting for the table does (`TABLE_SETTINGS`).""",
    "createUpload": """\
Gives a presigned POST, good for ten minutes, for one key and a file of up to 5 GB. The arrival of the file starts the load,
with the options that are named here. `command` is a line for the shell that sends the file.

A file that names end in `.csv` or `.ndjson` (a file of rejects, put right), and behind it perhaps `.gz` or `.zst`.""",
    "listLoads": """\
The newest first: all, or those of one upload's key, of one table, in one state. `next`, given as `after`, shows those that
follow. A page may be shorter than `limit`, or empty, and still have a `next`.""",
    "getLoad": "State, counts, where the rejects are, and why a load failed. While it runs it tells how far it is.",
    "listRejects": """\
The rejected rows in the file's order, a JSON object a line: where it stands in the file, its text, and what is wrong with
it. The header `Link` leads to those that follow, if there are more. Put `text` right and upload the lines as a file whose
name ends in `.ndjson`: those rows go in.""",
    "retryLoad": """\
Goes on with a load that failed or stalled, after its last block, and begins anew with one that was rejected; nothing is
loaded twice. `202`: it goes on, and `getLoad` tells how. `200`: it is done, and stays as it is, unless its rows
are no longer in the table because a restore has replaced it, or the database was put back to an earlier time.""",
    "retryLoads": """\
Tries all loads again that failed, stalled or wait, or those of one table and in one state. `more` in the answer says that
there was no time for all: send the request again.""",
    "cancelLoad": """\
Has a load that runs, waits or stalled stop at its next block; what is in the table stays. `202`: it is to stop, and
`getLoad` says when it is `cancelled`. `200`: it had ended, and stays as it is.""",
    "createBackup": """\
Backs up all tables, or those that are named, as of one moment: Parquet, Avro or CSV, with a SHA-256 of each object, a digest
of each table's rows, and a signed manifest that is written last. A backup without its manifest is none.

With `dry_run` nothing is written or locked, and the answer is `200` with the plan: over how many functions it would go, how
long it would take, what it would cost, and all that stands in the way. An `Idempotency-Key` means nothing then.""",
    "listBackups": """\
The newest first. `jobs` are the backups that are under way, or came to nothing in the last day; `damaged` are those whose
manifest cannot be trusted.""",
    "getBackup": """\
The backup with its manifest, or, while there is none, how far its job is. `latest` as the id is the newest signed backup of
all tables of this database.""",
    "verifyBackup": """\
Reads every object of a backup again and compares size, SHA-256, rows and digests with the manifest. `409`
`backup-damaged` says, table by table, what is wrong.""",
    "getVerification": "What a verification found, or how far its job is.",
    "createRestore": """\
Builds the tables beside the live ones, reads them back, compares them with the manifest, and swaps them in with one
statement. Until then nothing is changed, whatever fails. The tables that were replaced are kept until
`acceptRestore`; until then `undoRestore` puts them back.

With `dry_run` nothing is changed, and the answer has a `plan`: what would be done, and all that stands in the way.""",
    "listRestores": "The newest first.",
    "getRestore": "What was restored and verified, or how far its job is.",
    "undoRestore": """\
Puts the tables back that a restore replaced, with one statement. What was restored, and written since, is kept in a schema
of its own until `acceptRestore`.""",
    "acceptRestore": """\
Drops the tables that are kept: after this there is no undo. A restore that was undone stays undone, and what it had brought
is dropped.""",
}
"""By operation id, in Markdown; another operation is named by its id in backticks, of which the page makes a link."""

ANSWERS: dict[str | tuple[str, str], str] = {
    "202": "The job goes on; `Location` says where to look.",
    ("getService", "200"): "What answers here.",
    ("listTables", "200"): "The tables, or the one that was named.",
    ("getTable", "200"): "The table.",
    ("listLoads", "200"): "The loads.",
    ("getLoad", "200"): "The load.",
    ("listBackups", "200"): "The backups, and jobs for others.",
    ("getBackup", "200"): "The backup, or its job while it is not done.",
    ("getVerification", "200"): "The verification, or its job while it is not done.",
    ("listRestores", "200"): "The restores.",
    ("getRestore", "200"): "The restore, or its job while it is not done.",
    ("undoRestore", "200"): "The restore, which is undone.",
    ("acceptRestore", "200"): "The restore, which is accepted or, after an undo, stays undone.",
    ("insertRows", "201"): "All rows went in.",
    ("insertRows", "207"): "Some rows went in; `errors` says what is wrong with the others.",
    (
        "insertRows",
        "422",
    ): "No row went in: `errors` says why. Or, as a problem: the Idempotency-Key was used for another request.",
    ("retryLoad", "200"): "The load is done, or was done by this request, and stays as it is.",
    ("retryLoad", "202"): "The load goes on.",
    ("retryLoads", "202"): "These loads are tried again.",
    ("cancelLoad", "200"): "The load has ended, and stays as it is.",
    ("cancelLoad", "202"): "The load is to stop.",
    ("createUpload", "201"): "Where to send the file, and how.",
    ("createBackup", "200"): "Of a dry run: what would be done.",
    ("createBackup", "201"): "The backup is done.",
    ("verifyBackup", "201"): "The backup is whole.",
    ("createRestore", "201"): "The restore, or the dry run, is done.",
    ("listRejects", "200"): "Rejects, a line of JSON each.",
}
"""By operation id and status, or by status alone."""

PARAMETERS = {
    "id": "The id, as the answer that made it says.",
    "getBackup id": "The backup's id, or `latest`.",
    "verifyBackup id": "The backup's id, or `latest`.",
    "table": "The table's name.",
    "listTables table": "Only this table: for a name that no path can carry.",
    "insertRows table": "The table's name; `-` where the query names it.",
    "insertRows ?table": "The table's name where no path can carry it; the path is then `-`.",
    "listLoads table": "Only loads into this table.",
    "on_duplicate": "What becomes of a row whose key is in the table: `reject` reports it, `ignore` leaves the row that is there, `update` overwrites it. Unless it is said here or for the table, `reject`.",
    "binary": "How bytes are written as text: `hex` (unless it is said) or `base64`.",
    "header": "Whether the first line of CSV names columns: `auto` (unless it is said): if every field of it does.",
    "Idempotency-Key": "A word of your choice, by which this request, sent again, is known to be the same.",
    "Prefer": "`wait=N`: answer within so many seconds (20 unless it says, 25 at most), with 202 if the job goes on.",
    "key": "Only loads of the upload with this key: `uploads/{table}/{file}`.",
    "state": "Only loads in this state.",
    "limit": "So many at most.",
    "after": "The `next` of the page before.",
    "listRejects after": "Begin after so many bytes of the file of rejects; the header `Link` has the address of the next page.",
}
"""By name, or by operation id and name; ``?`` before the name of one in the query, where the path has one of that name."""

FIELDS = {
    # of many
    "id": "The id, for the operations on one of them.",
    "state": "`queued`, `running`, `done`, `failed`, or `dead`: nobody works on it any more.",
    "rows": "Rows.",
    "bytes": "Bytes, as stored in the bucket.",
    "digest": "The digest of the table's rows: the same for the same rows in any order (docs/digest.md).",
    "objects": "Objects in the bucket.",
    "table": "The table's name.",
    "tables": "The tables, each by itself.",
    "name": "The table's name.",
    "into": "The name that the table has after the restore.",
    "database": "The database's name.",
    "started": "When it began, in UTC.",
    "finished": "When it ended, in UTC; null until then.",
    "notes": "What else there is to know, a sentence each.",
    "code": "What is wrong, as a word for programs.",
    "message": "What is wrong, in words.",
    "problems": "What is wrong, a sentence each; none if it is `ok`.",
    "jobs": "Jobs that are under way, or came to nothing in the last day.",
    "signed": "Whether a key of this deployment signed the record; where not, nothing is done by it.",
    "backup": "The backup's id, or `latest`.",
    # what answers
    "ApiView.name": "The product.",
    "ApiView.description": "What it does, in a sentence.",
    "ApiView.version": "Its version.",
    "ApiView.docs": "Where a page for people describes the API.",
    "ApiView.openapi": "Where the OpenAPI document is.",
    # tables
    "TableView.rows_estimate": "Rows, by the storage engine's estimate.",
    "TableView.columns": "The columns in their order.",
    "TableView.primary_key": "The columns of the primary key in their order; none if there is no such key.",
    "TableView.foreign_keys": "The foreign keys of the table.",
    "ColumnView.name": "The column's name.",
    "ColumnView.type": "Its type, as the server spells it.",
    "ColumnView.nullable": "Whether NULL may be in it.",
    "ColumnView.required": "Whether a row that leaves it out is refused.",
    "ColumnView.generated": "Whether the server computes it, so that nobody can write it.",
    "ColumnView.key": "`primary` if it belongs to the primary key, else null.",
    "ForeignKeyView.name": "The key's name.",
    "ForeignKeyView.columns": "The columns that point at others.",
    "ForeignKeyView.parent": "The table that they point at.",
    "ForeignKeyView.parent_columns": "The columns that they point at, in the same order.",
    # rows
    "RowsResult.read": "Rows in the request: inserted + updated + rejected + duplicates.",
    "RowsResult.inserted": "Rows that are new in the table.",
    "RowsResult.updated": "Rows that were there and were overwritten (`on_duplicate=update`).",
    "RowsResult.rejected": "Rows that did not go in; `errors` says why.",
    "RowsResult.duplicates": "Rows that were there and were left as they are (`on_duplicate=ignore`, or the same values).",
    "RowsResult.errors": "What is wrong with each rejected row.",
    "RowProblem.row": "Which row, from 1.",
    "RowProblem.column": "Which column; empty where the whole row is at fault.",
    # loads
    "UploadRequest.table": "The table to load into.",
    "UploadRequest.filename": "The file's name: ends in `.csv` or, for rejects that were put right, `.ndjson`, perhaps with `.gz` or `.zst` behind it.",
    "UploadRequest.content_type": "The media type that the file is sent as.",
    "UploadRequest.on_duplicate": "What becomes of a row whose key is in the table: `reject`, `ignore` or `update`.",
    "UploadRequest.null": "The field without quotes that is NULL: empty, or a word such as `\\N`.",
    "UploadRequest.binary": "How bytes are written as text: `hex` or `base64`.",
    "UploadRequest.max_rejects": "So many rejects end the load: a number of rows, a share such as `5%`, or both, as `100+5%`.",
    "UploadRequest.max_ratio": "So many times its size a compressed file may become.",
    "UploadRequest.delimiter": "What stands between fields; seen from the first line unless it is said.",
    "UploadRequest.header": "Whether the first line names columns; `auto`: if every field of it does.",
    "UploadRequest.escape": "Whether a backslash escapes what follows, as `INTO OUTFILE` writes.",
    "UploadRequest.quote": 'Whether `"` stands around text.',
    "UploadTarget.url": "Where to POST to, as multipart/form-data.",
    "UploadTarget.fields": "The fields of the form, all of them, before the file.",
    "UploadTarget.key": "The object's key, by which `listLoads` finds the load.",
    "UploadTarget.expires_in": "Seconds for which the POST is good.",
    "UploadTarget.command": "A line for the shell that sends the file.",
    "LoadList.loads": "The loads.",
    "LoadList.next": "What to give as `after` for those that follow; null if there are none.",
    "RetryRequest.table": "Only loads into this table.",
    "RetryRequest.state": "Only loads in this state; else those that failed, stalled or wait.",
    "Retried.loads": "The ids of the loads that are tried again.",
    "Retried.more": "Whether there was no time for all: send the request again.",
    "LoadStatus.state": "`running`, `done`, `rejected` (no row was good), `failed`, `stalled` (nobody has gone on with it for 15 minutes), `waiting` (for its next try), `replaced` (a restore put another table in the place of its table), `cancelled`.",
    "LoadStatus.key": "The object's key: `uploads/{table}/{file}`.",
    "LoadStatus.version": "The object's version.",
    "LoadStatus.given": "The options that the request for the upload named.",
    "LoadStatus.read": "Rows read: inserted + updated + rejected + duplicates. A header and blank lines do not count.",
    "LoadStatus.inserted": "Rows that are new in the table.",
    "LoadStatus.updated": "Rows that were there and were overwritten.",
    "LoadStatus.rejected": "Rows that did not go in.",
    "LoadStatus.duplicates": "Rows that were there and were left as they are.",
    "LoadStatus.bytes": "Bytes of the object that are done.",
    "LoadStatus.size": "Bytes of the object.",
    "LoadStatus.rows_per_second": "How fast it goes, or went.",
    "LoadStatus.rejects": "The key of the file of rejects, if there are any.",
    "LoadStatus.saved": "When all this was so, in UTC.",
    "LoadStatus.error": "Why it failed: `type`, a code, and `detail`, in words.",
    "LoadStatus.reason": "Why it was rejected or cancelled, in a sentence.",
    "LoadStatus.database": "The id of the database whose load history knows the load.",
    "LoadStatus.restore": "The restore that had brought the table of which the counts tell; null for none.",
    "LoadStatus.tries": "Tries that failed since `failing_since`.",
    "LoadStatus.failing_since": "Since when the database or S3 stops it, in UTC.",
    "LoadStatus.next_try": "When it is tried again, in UTC.",
    # jobs
    "JobView.kind": "`backup`, `verify` or `restore`.",
    "JobView.progress": "`done` parts `of` how many, the `rows` in them, and an estimate of what is left.",
    "JobView.created": "When it was asked for, in UTC.",
    "JobView.problem": "Why it failed, as problem details.",
    # backups
    "BackupRequest.tables": "Names of tables; all where none are named.",
    "BackupRequest.format": "The format of the objects; CSV is compressed by Zstandard.",
    "BackupRequest.workers": "Over so many functions, if so many are allowed (`SCALE`, `SCALE_WORKERS`) and the server has connections for them; 1 for one. Unless it is said, over as many as its size needs.",
    "BackupRequest.dry_run": "Only say what would be done, how long it would take, what it would cost, and what stands in the way.",
    "BackupPlanView.state": "`planned`.",
    "BackupPlanView.format": "`parquet`, `avro` or `csv`.",
    "BackupPlanView.tables": "The tables that can be backed up.",
    "BackupPlanView.complete": "Whether these are all tables that the database has.",
    "BackupPlanView.rows_estimate": "Rows of all tables, by the storage engine's estimate.",
    "BackupPlanView.bytes_estimate": "Bytes of all tables in the server, without their secondary indexes, by its estimate.",
    "BackupPlanView.source": "`live`: one moment of the database as it is written to. `static`: a source that stands still.",
    "BackupPlanView.workers": "Functions that it would go over.",
    "BackupPlanView.connections": "Connections of all of them, and two besides.",
    "BackupPlanView.seconds": "What it is expected to take.",
    "BackupPlanView.seconds_allowed": "What there is for it; null where nobody ends it.",
    "BackupPlanView.speed": "How fast one function is taken to be.",
    "BackupPlanView.writes": "What would be written, and where.",
    "BackupPlanView.cost": "What it costs.",
    "BackupPlanView.problems": "What stands in the way; none: the backup can go.",
    "PlannedBackupTableView.rows_estimate": "Rows, by the storage engine's estimate.",
    "PlannedBackupTableView.bytes_estimate": "Bytes in the server, without secondary indexes, by its estimate.",
    "PlannedBackupTableView.ranges": "Ranges of the primary key that would be read by themselves.",
    "BackupSpeedView.bytes_per_second": "Bytes of tables that one function reads in a second.",
    "BackupSpeedView.by": "`measured` in earlier backups of this format, or `default`: no backup shows it.",
    "BackupSpeedView.backups": "The backups in which it was measured, the newest first; their median counts.",
    "BackupWritesView.bucket": "The bucket.",
    "BackupWritesView.prefix": "What all keys begin with; `{id}` will be the backup's.",
    "BackupWritesView.objects": "About how many objects.",
    "BackupWritesView.bytes": "About how many bytes they have.",
    "CostView.once": "US dollars for taking it.",
    "CostView.functions": "US dollars for Lambda's time.",
    "CostView.requests": "US dollars for writing the objects.",
    "CostView.state_machine": "US dollars for Step Functions; 0 where one function does it.",
    "CostView.storage_a_month": "US dollars a month while it is kept.",
    "CostView.as_of": "Of which day the prices are.",
    "BackupView.state": "`done`: there is no other backup than a whole one.",
    "BackupView.format": "`parquet`, `avro` or `csv`.",
    "BackupView.consistency": "`snapshot`: all tables as of one moment.",
    "BackupView.rows": "Rows of all tables.",
    "BackupView.complete": "Whether it holds all tables that the database had; null of a backup by an early version.",
    "BackupView.workers": "Functions that made it.",
    "BackupView.digest_key": "Digests of backups with the same key can be compared; null of a backup by an early version.",
    "BackupDetail.manifest": "The manifest as it is in the bucket, but for keys that are no whole numbers: definitions, chunks, objects with their SHA-256. Of a large backup its tables have `parts` in place of `chunks`: lists of these in objects of their own. Where it names more than 8,000 objects and lists, both are left away here.",
    "BackedUpTable.chunks": "Ranges of the primary key that were read by themselves.",
    "BackedUpTable.inexact_json": "By column, rows that hold JSON scalars which no text gives back (a DECIMAL, a date, bytes).",
    "BackupList.backups": "The backups.",
    "BackupList.damaged": "Ids of backups whose manifest is unsigned or damaged.",
    "VerificationView.state": "`done`.",
    "VerificationView.ok": "`true`: what is damaged is answered with a problem.",
    "VerificationView.leftovers": "Files of tries of this backup that died.",
    "VerifiedTable.ok": "Whether the table's objects are as the manifest says.",
    # restores
    "RestoreRequest.tables": "Names of tables; all of the backup where none are named, here or in `into`.",
    "RestoreRequest.into": "Other names for tables: `{name in the backup: name to give it}`. Such a table is beside the live one.",
    "RestoreRequest.replace": "Whether a table that has such another name already may be replaced.",
    "RestoreRequest.dry_run": "Only say what would be done, and what stands in the way.",
    "RestoreRequest.trust": "Take a manifest without a signature of this deployment's keys. Its definitions are still held to be plain tables.",
    "RestoreRequest.allow_inexact_json": "Restore JSON scalars which no text gives back as the numbers and strings that they look like.",
    "RestoreRequest.allow_orphans": "Go on where rows would have no parent; the notes name them.",
    "RestoreRequest.workers": "Over so many functions, if so many are allowed (`SCALE`, `SCALE_WORKERS`); 1 for one. Unless it is said, over as many as its size needs. A dry run is always of one.",
    "RestoreView.state": "`planned` (a dry run), `running`, `swapping`, `done`, `undoing`, `undone`, `accepted` (the old tables are dropped) or `failed`.",
    "RestoreView.kept": "The schema that holds the replaced tables or, after an undo, the restored ones; null once none are kept.",
    "RestoreView.plan": "Of a dry run: what would be done.",
    "RestoreList.restores": "The restores.",
    "RestoredTableView.verified": "Whether its rows were read back and are those of the backup.",
    "RestoredTableView.replaced": "Whether it stands in the place of one that was there.",
    "PlanView.checks": "What was looked at, by name.",
    "PlanView.problems": "What stands in the way; none: the restore can go.",
    "PlanView.unchecked": "What was not looked at, and why.",
    "PlannedTableView.rows": "Rows in the backup.",
    "PlannedTableView.replaces": "Whether it would replace a live table.",
    "PlannedTableView.foreign_keys": "Foreign keys that it would get.",
    "PlannedTableView.repointed": "Foreign keys of other tables, as `table.key`, that would be pointed at it.",
    "PlannedTableView.triggers": "Triggers that would be made; those of a table that is replaced are dropped.",
    "PlannedTableView.rows_now": "Rows of the table that would be replaced; null for none.",
    "PlannedTableView.rows_now_counted": "Whether these were counted; else they are the server's estimate.",
    "PlannedTableView.columns": "Columns that come, go and change.",
    "ColumnChangesView.coming": "Columns that the backup has and the live table has not.",
    "ColumnChangesView.going": "Columns that the live table has and the backup has not.",
    "ColumnChangesView.changing": "Columns that become others.",
    "ChangedColumnView.name": "The column's name.",
    "ChangedColumnView.now": "Its definition in the live table.",
    "ChangedColumnView.then": "Its definition in the backup.",
    "FindingView.table": "The table; empty where it is no table's.",
    # problems
    "ProblemDetails.type": "`urn:tableferry:problem:` and the code; the table of codes is in docs/api.md.",
    "ProblemDetails.title": "The code as words.",
    "ProblemDetails.status": "The HTTP status.",
    "ProblemDetails.detail": "What is wrong, and what to do.",
    "ProblemDetails.errors": "What is wrong with each row, or each thing that stands in the way.",
    "ProblemDetails.tables": "Of a damaged backup: what was found of each table.",
    "GatewayMessage.message": "What is wrong.",
}
"""By schema and property, or by property alone where it means the same everywhere."""
