"""What each file of events/ is sent to, and what has to come of it. A new file needs a line in STATEMENTS.

They are sent in this order, beginning with the sample's tables without the rows that the events themselves bring, and
with the sample's employees under the key that `load-s3` names. What an event leaves (a backup, say) is there for those
after it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.sam.seen import Seen

Check = Callable[[Any, Seen], None]

TABLES = ["departments", "hired_employees", "jobs"]
READ, GOOD = 1999, 1929  # employees in the sample's file, and those of them that are complete
EMPLOYEES = GOOD + 2  # with those of insert-csv
ROWS = 12 + 183 + EMPLOYEES


@dataclass(frozen=True)
class Statement:
    """One event: its function and what is right.

    An HTTP event is answered with ``status`` and a body, which ``right`` looks at; for the others ``right`` is given what
    the function returned. ``named`` is whose id stands in place of the event's example, ``leaves`` under which name the
    id in the answer is kept for the events that follow. ``queued`` names the HTTP event which, where the request does not
    do the work (JOBS=event), leaves the job's record that this event is about; its id is then the one put in.
    """

    function: str
    right: Check
    status: int | None = None
    named: str | None = None
    leaves: str | None = None
    queued: str | None = None


def about(body: Any, seen: Seen) -> None:
    assert (body["name"], body["docs"], body["openapi"]) == ("Tableferry", "/docs", "/openapi.json")
    assert body["version"]


def openapi(body: Any, seen: Seen) -> None:
    assert body["openapi"].startswith("3.")
    assert {"/tables", "/backups", "/restores", "/loads"} <= body["paths"].keys()


def docs(body: Any, seen: Seen) -> None:
    assert "Swagger UI" in body


def list_tables(body: Any, seen: Seen) -> None:
    assert {table["name"] for table in body["tables"]} == set(TABLES)


def describe_table(body: Any, seen: Seen) -> None:
    assert body["name"] == "hired_employees"
    assert [column["name"] for column in body["columns"]] == ["id", "name", "datetime", "department_id", "job_id"]
    assert body["primary_key"] == ["id"]


def rows(table: str, inserted: int, *errors: tuple[int, str, str]) -> Check:
    """So many rows go in, and these do not: row, column and code."""

    def right(body: Any, seen: Seen) -> None:
        assert (body["table"], body["read"]) == (table, inserted + len(errors))
        assert (body["inserted"], body["rejected"]) == (inserted, len(errors))
        assert [(error["row"], error["column"], error["code"]) for error in body["errors"]] == list(errors)

    return right


def upload(body: Any, seen: Seen) -> None:
    assert body["key"] == body["fields"]["key"] == "uploads/hired_employees/hired_employees.csv"
    assert body["url"].endswith(f"/{seen.bucket}")


def load_status(load: Any, seen: Seen) -> None:
    assert load["state"] == "done"
    assert (load["read"], load["inserted"], load["rejected"]) == (READ, GOOD, READ - GOOD)
    assert load["updated"] == load["duplicates"] == 0


def load_s3(answer: Any, seen: Seen) -> None:
    (load,) = answer
    load_status(load, seen)
    assert seen.count("hired_employees") == EMPLOYEES


def load_once(answer: Any, seen: Seen) -> None:
    load_s3(answer, seen)
    assert answer[0]["id"] == seen.ids["load"]


def resume_s3(answer: Any, seen: Seen) -> None:
    (load,) = answer
    assert load["id"] == seen.ids["load"]
    load_status(load, seen)
    assert seen.count("hired_employees") == EMPLOYEES


def loads(body: Any, seen: Seen) -> None:
    (load,) = body["loads"]
    assert load["id"] == seen.ids["load"]
    load_status(load, seen)


def rejects(body: str, seen: Seen) -> None:
    assert body.count("\n") == READ - GOOD


def retried(body: Any, seen: Seen) -> None:
    assert body == {"loads": [], "more": False}


def waiting(answer: Any, seen: Seen) -> None:
    assert answer == {"loads": []}


def backup(body: Any, seen: Seen) -> None:
    assert (body["state"], body["rows"], body["format"]) == ("done", ROWS, "parquet")
    assert {table["name"]: table["rows"] for table in body["tables"]} == {
        "departments": 12, "jobs": 183, "hired_employees": EMPLOYEES,
    }  # fmt: skip


def backup_plan(body: Any, seen: Seen) -> None:
    assert (body["state"], body["workers"], body["complete"], body["problems"]) == ("planned", 1, True, [])
    assert {table["name"] for table in body["tables"]} == {"departments", "jobs", "hired_employees"}


def describe_backup(body: Any, seen: Seen) -> None:
    backup(body, seen)
    assert body["id"] == seen.ids["backup"]


def backups(body: Any, seen: Seen) -> None:
    assert body["backups"][0]["id"] == seen.ids["backup"]


def backup_direct(answer: Any, seen: Seen) -> None:
    (table,) = answer["tables"]
    assert (table["name"], table["rows"], answer["state"]) == ("hired_employees", EMPLOYEES, "done")


def backup_s3(answer: Any, seen: Seen) -> None:
    assert answer == [seen.ids["queued"]]
    backup(seen.get(f"/backups/{answer[0]}"), seen)


def verified(body: Any, seen: Seen) -> None:
    assert (body["state"], body["ok"], body["backup"]) == ("done", True, seen.ids["backup"])
    assert {table["name"]: table["ok"] for table in body["tables"]} == dict.fromkeys(TABLES, True)


def verify_s3(answer: Any, seen: Seen) -> None:
    assert answer == [seen.ids["queued"]]
    verified(seen.get(f"/verifications/{answer[0]}"), seen)


def restored(state: str, *tables: str) -> Check:
    """These tables came back, each read again and found to be as it was backed up."""

    def right(body: Any, seen: Seen) -> None:
        assert (body["state"], sorted(table["name"] for table in body["tables"])) == (state, sorted(tables))
        assert all(table["verified"] for table in body["tables"]) == (state != "planned")
        assert seen.count("hired_employees") == EMPLOYEES

    return right


def restore_into(body: Any, seen: Seen) -> None:
    (table,) = body["tables"]
    assert (table["into"], table["verified"], table["replaced"]) == ("hired_employees_copy", True, False)
    assert seen.count("hired_employees_copy") == EMPLOYEES


def restores(body: Any, seen: Seen) -> None:
    assert body["restores"][0]["id"] == seen.ids["restore"]


def ended(state: str, kept: bool = True) -> Check:
    def right(body: Any, seen: Seen) -> None:
        assert (body["id"], body["state"]) == (seen.ids["restore"], state)
        assert seen.count("hired_employees") == EMPLOYEES
        assert (body["kept"] is not None) == kept

    return right


def restore_s3(answer: Any, seen: Seen) -> None:
    assert answer == [seen.ids["queued"]]
    restored("done", "hired_employees")(seen.get(f"/restores/{answer[0]}"), seen)


def drill(answer: Any, seen: Seen) -> None:
    assert (answer["by"], answer["rows"]) == ("drill", ROWS)
    assert seen.count("hired_employees") == EMPLOYEES


def check(answer: Any, seen: Seen) -> None:
    assert answer["verified"] == answer["backup"]  # the newest one was drilled
    assert 0 <= answer["days_since_verified_backup"] < 0.1


def recovered(answer: Any, seen: Seen) -> None:
    assert not answer["busy"]
    assert answer["finished"] == answer["stuck"] == answer["expired"] == []
    assert seen.count("hired_employees") == EMPLOYEES


INSERT, LOAD, BACKUP, RESTORE = "InsertFunction", "LoadFunction", "BackupFunction", "RestoreFunction"

STATEMENTS = {
    "openapi": Statement(INSERT, openapi, 200),
    "about": Statement(INSERT, about, 200),
    "docs": Statement(INSERT, docs, 200),
    "list-tables": Statement(INSERT, list_tables, 200),
    "describe-table": Statement(INSERT, describe_table, 200),
    "insert-json": Statement(INSERT, rows("departments", 3), 201),
    "insert-arrays": Statement(INSERT, rows("jobs", 3), 201),
    "insert-csv": Statement(INSERT, rows("hired_employees", 2, (3, "name", "missing")), 207),
    "upload": Statement(LOAD, upload, 201),
    "load-s3": Statement(LOAD, load_s3, leaves="load"),
    "load-sqs": Statement(LOAD, load_once),  # the same file, so that it must not come in again
    "loads": Statement(LOAD, loads, 200),
    "load": Statement(LOAD, load_status, 200, named="load"),
    "load-rejects": Statement(LOAD, rejects, 200, named="load"),
    "retry-load": Statement(LOAD, load_status, 200, named="load"),
    "retry-loads": Statement(LOAD, retried, 202),
    "retry-waiting": Statement(LOAD, waiting),
    "cancel-load": Statement(LOAD, load_status, 200, named="load"),
    "resume-s3": Statement(LOAD, resume_s3, named="load"),
    "backup-plan": Statement(BACKUP, backup_plan, 200),
    "backup": Statement(BACKUP, backup, 201, leaves="backup"),
    "backups": Statement(BACKUP, backups, 200),
    "describe-backup": Statement(BACKUP, describe_backup, 200, named="backup"),
    "verify": Statement(BACKUP, verified, 201, named="backup", leaves="verification"),
    "verification": Statement(BACKUP, verified, 200, named="verification"),
    "verify-s3": Statement(BACKUP, verify_s3, queued="verify"),
    "backup-direct": Statement(BACKUP, backup_direct),
    "backup-s3": Statement(BACKUP, backup_s3, queued="backup"),
    "restore-plan": Statement(RESTORE, restored("planned", *TABLES), 201),
    "restore": Statement(RESTORE, restored("done", "hired_employees"), 201, leaves="restore"),
    "restores": Statement(RESTORE, restores, 200),
    "describe-restore": Statement(RESTORE, ended("done"), 200, named="restore"),
    "undo": Statement(RESTORE, ended("undone"), 200, named="restore"),
    "accept": Statement(RESTORE, ended("undone", kept=False), 200, named="restore"),
    "restore-into": Statement(RESTORE, restore_into, 201),
    "restore-s3": Statement(RESTORE, restore_s3, queued="restore"),
    "restore-direct": Statement(RESTORE, restored("done", *TABLES)),
    "drill": Statement(RESTORE, drill),
    "check": Statement(BACKUP, check),
    "recover": Statement(RESTORE, recovered),
}

# One of each kind, over HTTP, from S3 and direct, for each function, with what these need before them: a container each.
SAMPLE = {
    "insert-json",
    "insert-arrays",
    "insert-csv",
    "load-s3",
    "load-sqs",
    "load",
    "backup",
    "verify-s3",
    "restore",
    "undo",
    "drill",
}
