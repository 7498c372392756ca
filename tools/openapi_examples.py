"""Examples for the OpenAPI document: requests as events/ has them, which tests send, and an answer to each.

A test holds every one of them to the document's schemas.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tableferry import DESCRIPTION, TITLE, __version__

EVENTS = Path(__file__).parent.parent / "events"

BACKUP, JOB, VERIFICATION = "20261123T141901Z-269ba02f", "20261123T141900Z-308b547d", "20261123T141904Z-0f1c2d3e"
RESTORE, LOAD = "20261123T141906Z-30b395ce", "bfcd2b9c4d2293e43fde2febb52328ed"
FILE = "uploads/hired_employees/hired_employees.csv"
DIGESTS = {"departments": "2dc9f4e068697fb8296ef672c046bef3", "hired_employees": "5848b04c86530f8d4ca2f24dd24259f5"}

_REQUESTS = {
    "insertRows": {
        "objects": ("insert-json", "Rows as objects"),
        "arrays": ("insert-arrays", "Rows as arrays, in the order of the columns"),
        "csv": ("insert-csv", "Rows as CSV"),
    },
    "createUpload": {"upload": ("upload", "A CSV file for one table")},
    "createBackup": {
        "tables": ("backup", "Some tables, as Parquet"),
        "plan": ("backup-plan", "Only say what would be done"),
    },
    "createRestore": {
        "table": ("restore", "One table, in place of the live one"),
        "into": ("restore-into", "One table under another name, beside the live one"),
        "plan": ("restore-plan", "Only say what would be done"),
    },
}
_WRITTEN: dict[str, dict[str, tuple[Any, str]]] = {
    "retryLoads": {"table": ({"table": "hired_employees", "state": "failed"}, "Loads into one table that failed")},
}

_JOBS_TABLE = {
    "name": "jobs",
    "rows_estimate": 183,
    "columns": [
        {"name": "id", "type": "int", "nullable": False, "required": True, "generated": False, "key": "primary"},
        {"name": "job", "type": "varchar(100)", "nullable": False, "required": True, "generated": False, "key": None},
    ],
    "primary_key": ["id"],
    "foreign_keys": [],
}
_EMPLOYEES_TABLE = {
    "name": "hired_employees",
    "rows_estimate": 1929,
    "columns": [
        {"name": "id", "type": "int", "nullable": False, "required": True, "generated": False, "key": "primary"},
        {"name": "name", "type": "varchar(255)", "nullable": False, "required": True, "generated": False, "key": None},
        {"name": "job_id", "type": "int", "nullable": False, "required": True, "generated": False, "key": None},
    ],
    "primary_key": ["id"],
    "foreign_keys": [
        {"name": "hired_employees_job", "columns": ["job_id"], "parent": "jobs", "parent_columns": ["id"]},
    ],
}
_ALL_IN = {"table": "departments", "read": 3, "inserted": 3, "updated": 0, "rejected": 0, "duplicates": 0, "errors": []}
_MISSING = {"row": 2, "column": "department", "code": "missing", "message": "a value is required"}
_THERE = {
    "row": 3,
    "column": "id",
    "code": "duplicate_key",
    "message": "a row with this key is there already (key PRIMARY)",
}
_LOAD = {
    "id": LOAD,
    "table": "hired_employees",
    "key": FILE,
    "version": "0b52ad9a-3f1c-4c37-9a55-0f2f1d6a9f7e",
    "given": {},
    "state": "done",
    "read": 1999,
    "inserted": 1929,
    "updated": 0,
    "rejected": 70,
    "duplicates": 0,
    "bytes": 91152,
    "size": 91152,
    "rows_per_second": 5294.2,
    "rejects": f"rejects/hired_employees/{LOAD}.ndjson",
    "started": "2026-11-23T14:18:26.012Z",
    "saved": "2026-11-23T14:18:26.389Z",
    "finished": "2026-11-23T14:18:26.389Z",
    "error": None,
    "reason": None,
    "database": "3f0c9a5e7d1b4c2f",
    "restore": None,
    "notes": [],
    "tries": 0,
    "failing_since": None,
    "next_try": None,
    "signed": True,
    "progress": {"done": 91152, "of": 91152, "rows": 1999, "unit": "bytes", "percent": 100.0, "seconds_left": 0.0},
}
_RUNNING = _LOAD | {
    "state": "running",
    "read": 1000,
    "inserted": 971,
    "rejected": 29,
    "bytes": 45312,
    "rejects": None,
    "finished": None,
    "progress": {"done": 45312, "of": 91152, "rows": 1000, "unit": "bytes", "percent": 49.7, "seconds_left": 0.4},
}
_CANCELLED = _RUNNING | {
    "state": "cancelled",
    "finished": "2026-11-23T14:18:26.389Z",
    "progress": {"done": 45312, "of": 91152, "rows": 1000, "unit": "bytes", "percent": 49.7, "seconds_left": None},
    "reason": "It was cancelled: of the first 1000 rows 971 are in the table, and none after them.",
}
_BACKUP = {
    "id": BACKUP,
    "state": "done",
    "database": "tableferry",
    "format": "parquet",
    "consistency": "snapshot",
    "started": "2026-11-23T14:19:01.894372Z",
    "finished": "2026-11-23T14:19:01.979430Z",
    "rows": 1942,
    "bytes": 34286,
    "tables": [
        {
            "name": name,
            "rows": rows,
            "bytes": size,
            "digest": DIGESTS[name],
            "chunks": 1,
            "objects": 1,
            "inexact_json": {},
        }
        for name, rows, size in (("departments", 13, 1119), ("hired_employees", 1929, 33167))
    ],
    "complete": True,
    "workers": 1,
    "notes": [],
    "digest_key": "5b1c6e0d",
}
_BACKUP_PLAN = {
    "state": "planned",
    "database": "tableferry",
    "format": "parquet",
    "tables": [{"name": "orders", "rows_estimate": 291884210, "bytes_estimate": 60129542144, "ranges": 4096}],
    "complete": True,
    "rows_estimate": 291884210,
    "bytes_estimate": 60129542144,
    "source": "live",
    "workers": 7,
    "connections": 16,
    "seconds": 505.0,
    "seconds_allowed": 780.0,
    "speed": {"bytes_per_second": 21276596, "by": "default", "backups": []},
    "writes": {"bucket": "acme-tableferry", "prefix": "backups/{id}/", "objects": 13891, "bytes": 25254407700},
    "cost": {
        "once": 0.176077,
        "functions": 0.106047,
        "requests": 0.069455,
        "state_machine": 0.000575,
        "storage_a_month": 0.580851,
        "as_of": "2026-11-25",
    },
    "problems": [],
    "notes": [],
}
_VERIFICATION = {
    "id": VERIFICATION,
    "backup": BACKUP,
    "state": "done",
    "ok": True,
    "tables": [
        {
            "name": "departments",
            "rows": 13,
            "objects": 1,
            "bytes": 1119,
            "digest": DIGESTS["departments"],
            "ok": True,
            "problems": [],
        }
    ],
    "leftovers": 0,
}
_RESTORE: dict[str, Any] = {
    "id": RESTORE,
    "backup": BACKUP,
    "database": "tableferry",
    "state": "done",
    "tables": [
        {
            "name": "hired_employees",
            "into": "hired_employees",
            "rows": 1929,
            "digest": DIGESTS["hired_employees"],
            "verified": True,
            "replaced": True,
        }
    ],
    "kept": "tableferry_old_20261123t141906z_30b395ce",
    "notes": [],
    "started": "2026-11-23T14:19:06.310Z",
    "finished": "2026-11-23T14:19:07.020Z",
    "plan": None,
    "signed": True,
}
_PLANNED = _RESTORE | {
    "state": "planned",
    "tables": [],
    "kept": None,
    "plan": {
        "tables": [
            {
                "name": "hired_employees",
                "into": "hired_employees",
                "rows": 1929,
                "bytes": 33167,
                "replaces": True,
                "foreign_keys": ["hired_employees_department", "hired_employees_job"],
                "repointed": [],
                "triggers": [],
                "rows_now": 1931,
                "rows_now_counted": True,
                "columns": {"coming": [], "going": ["email"], "changing": []},
            }
        ],
        "checks": ["privileges", "local-infile", "taken-tables", "primary-keys", "parents"],
        "problems": [],
        "unchecked": [],
    },
}
_OLD_KEPT = "What was restored, and written since, is in the schema {} until accept."
_UNDONE = _RESTORE | {
    "state": "undone",
    "kept": "tableferry_20261123t141906z_30b395ce",
    "notes": [_OLD_KEPT.format("tableferry_20261123t141906z_30b395ce")],
    "tables": [_RESTORE["tables"][0] | {"replaced": False}],
}


_UNITS = {"backup": "chunks", "restore": "objects", "verify": "objects"}


def _job(kind: str, identity: str = JOB) -> dict[str, Any]:
    return {
        "id": identity,
        "kind": kind,
        "state": "running",
        "progress": {"done": 1, "of": 3, "rows": 13, "unit": _UNITS[kind], "percent": 33.3, "seconds_left": 1.2},
        "created": "2026-11-23T14:19:00.776490Z",
        "finished": None,
        "problem": None,
    }


ANSWERS: dict[tuple[str, str], Any] = {
    ("getService", "200"): {
        "name": TITLE,
        "description": DESCRIPTION,
        "version": __version__,
        "docs": "/docs",
        "openapi": "/openapi.json",
    },
    ("listTables", "200"): {"tables": [_EMPLOYEES_TABLE, _JOBS_TABLE]},
    ("getTable", "200"): _JOBS_TABLE,
    ("insertRows", "201"): _ALL_IN,
    ("insertRows", "207"): _ALL_IN | {"inserted": 1, "rejected": 2, "errors": [_MISSING, _THERE]},
    ("insertRows", "422"): _ALL_IN | {"read": 1, "inserted": 0, "rejected": 1, "errors": [_MISSING | {"row": 1}]},
    ("createUpload", "201"): {
        "url": "https://tableferry-example.s3.amazonaws.com/",
        "fields": {"Content-Type": "text/csv", "key": FILE, "policy": "…", "x-amz-signature": "…"},
        "key": FILE,
        "expires_in": 600,
        "command": "curl --fail-with-body --form-string … --form 'file=@hired_employees.csv' https://…",
    },
    ("listLoads", "200"): {"loads": [_LOAD], "next": None},
    ("getLoad", "200"): _LOAD,
    ("listRejects", "200"): json.dumps(
        {
            "line": 22,
            "offset": 1005,
            "text": "22,,2022-01-21T03:21:26Z,10,98",
            "errors": [{"column": "name", "code": "missing", "message": "a value is required"}],
        }
    )
    + "\n",
    ("retryLoad", "200"): _LOAD,
    ("retryLoad", "202"): _RUNNING,
    ("retryLoads", "202"): {"loads": [LOAD], "more": False},
    ("cancelLoad", "200"): _CANCELLED,
    ("cancelLoad", "202"): _RUNNING,
    ("createBackup", "200"): _BACKUP_PLAN,
    ("createBackup", "201"): _BACKUP,
    ("createBackup", "202"): _job("backup"),
    ("listBackups", "200"): {"backups": [_BACKUP], "damaged": [], "jobs": [_job("backup")]},
    ("getBackup", "200"): _BACKUP
    | {"manifest": {"version": 2, "id": BACKUP, "database": "tableferry", "format": "parquet", "tables": ["…"]}},
    ("verifyBackup", "201"): _VERIFICATION,
    ("verifyBackup", "202"): _job("verify"),
    ("getVerification", "200"): _VERIFICATION,
    ("createRestore", "201"): _RESTORE,
    ("createRestore", "202"): _job("restore"),
    ("listRestores", "200"): {"restores": [_RESTORE]},
    ("getRestore", "200"): _RESTORE,
    ("undoRestore", "200"): _UNDONE,
    ("acceptRestore", "200"): _RESTORE | {"state": "accepted", "kept": None},
}
"""By operation id and status."""

MORE_ANSWERS: dict[tuple[str, str], dict[str, tuple[Any, str]]] = {
    ("createRestore", "201"): {"plan": (_PLANNED, "Of a dry run")},
    ("getBackup", "200"): {"job": (_job("backup"), "While it is not done")},
    ("getVerification", "200"): {"job": (_job("verify"), "While it is not done")},
    ("getRestore", "200"): {"job": (_job("restore"), "While it is not done")},
}

PARAMETERS = {
    "table": "hired_employees",
    "key": FILE,
    "limit": 10,
    "state": "failed",
    "on_duplicate": "ignore",
    "binary": "base64",
    "header": "yes",
    "Idempotency-Key": "7d0f4f1e-6f0c-4ab8-9d8a-6a1c2c7f9e57",
    "Prefer": "wait=5",
    "listLoads after": "…",
    "listRejects after": 2048,
    "/loads id": LOAD,
    "/backups id": BACKUP,
    "/verifications id": VERIFICATION,
    "/restores id": RESTORE,
}
"""By name, by operation id and name, or by the path's beginning and name."""

PROBLEMS: dict[int, dict[str, Any]] = {
    400: {"code": "invalid-request", "detail": '"table": unknown field; did you mean "tables"?'},
    403: {
        "code": "table-not-served",
        "detail": "Table 'salaries' is not among those that this deployment serves (its setting TABLES).",
    },
    404: {
        "code": "table-not-found",
        "detail": "There is no table 'job'. There are: departments, hired_employees, jobs.",
    },
    409: {
        "code": "restore-under-way",
        "detail": "Another restore, undo or accept of the database is going on; try again when it is done.",
    },
    413: {
        "code": "too-many-rows",
        "detail": "A request carries at most 1000 rows; send several, or upload a file (POST /uploads).",
    },
    415: {
        "code": "unsupported-media-type",
        "detail": "Send the body as application/json, in UTF-8, not as text/plain.",
    },
    422: {
        "code": "idempotency-mismatch",
        "detail": "This Idempotency-Key was used for another request; take a new one.",
    },
    429: {
        "code": "too-many-jobs",
        "detail": "There are 6 jobs under way or waiting, as many as can be done at once. Nothing was made: ask again when one of them is done.",
    },
    500: {"code": "internal", "detail": "Something went wrong here; the log has the details."},
    503: {"code": "database-unavailable", "detail": "The database cannot be reached; try again later."},
}
"""A problem for each status that an operation may end with."""


def requests(operation: str) -> dict[str, tuple[str, Any, str]]:
    """Examples of an operation's body by name: media type, value, and what it is of."""
    found = {name: ("application/json", value, said) for name, (value, said) in _WRITTEN.get(operation, {}).items()}
    for name, (event, said) in _REQUESTS.get(operation, {}).items():
        sent = json.loads((EVENTS / f"{event}.json").read_text(encoding="utf-8"))
        media_type = sent["headers"]["content-type"].partition(";")[0]
        found[name] = (media_type, json.loads(sent["body"]) if "json" in media_type else sent["body"], said)
    return found


def answers(operation: str, status: str) -> dict[str, tuple[Any, str]]:
    """Examples of an answer by name: value, and what it is of; nothing where there is none."""
    if (operation, status) not in ANSWERS:
        return {}
    return {"answer": (ANSWERS[operation, status], ""), **MORE_ANSWERS.get((operation, status), {})}
