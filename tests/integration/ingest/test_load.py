"""Files in the bucket into a table: what arrives, what is rejected, and that each file counts once."""

import threading

import httpx
import pytest

from functions.load.app import handler, load_object
from tests.support.lambdas import counts, created, invoke, request
from tests.support.parts import Database
from tests.support.uploads import TEXTS, Uploads, lines, names


def test_good_rows_are_loaded_and_the_others_are_in_the_rejects_with_line_text_and_reason(
    sample: Database, uploads: Uploads
) -> None:
    body = (
        "1,Ada,2021-07-27T16:02:08Z,1,2\n"
        "2,,2021-07-27T16:02:08Z,1,2\n"
        '3,"O\'Brien, ""Eve""\nthe second",2022-02-28T00:00:00Z,3,1\r\n'
        "\n"
        "4,Bob,2022-02-30T00:00:00Z,,1\n"
        "5,Max,2022-02-28T00:00:00Z,9,1\n"
        "1,Ada again,2021-07-27T16:02:08Z,1,2\n"
        "6,Zoë,2022-01-01T00:00:00Z\n"
        '7,"Cut,2022-01-01T00:00:00Z,1,1\n'
        "8,Fin,2022-01-01T00:00:00Z,1,1"
    )
    status = uploads.load(body.encode(), table="hired_employees")
    assert (status["state"], counts(status)) == ("done", (9, 3, 0, 6, 0))
    assert status["table"] == "hired_employees"
    assert uploads.rejects(status) == [
        (2, "2,,2021-07-27T16:02:08Z,1,2", [("name", "missing")]),
        (6, "4,Bob,2022-02-30T00:00:00Z,,1", [("datetime", "invalid"), ("department_id", "missing")]),
        (7, "5,Max,2022-02-28T00:00:00Z,9,1", [("department_id", "missing_parent")]),
        (8, "1,Ada again,2021-07-27T16:02:08Z,1,2", [("id", "duplicate_key")]),
        (9, "6,Zoë,2022-01-01T00:00:00Z", [("", "fields")]),
        (10, '7,"Cut,2022-01-01T00:00:00Z,1,1', [("", "malformed")]),
    ]
    assert sample.rows("SELECT id, name FROM hired_employees ORDER BY id") == [
        (1, "Ada"), (3, 'O\'Brien, "Eve"\nthe second'), (8, "Fin"),
    ]  # fmt: skip


def test_an_upload_goes_by_presigned_post(database: Database, uploads: Uploads) -> None:
    database.run("CREATE TABLE `it's 100% ☃` (id INT PRIMARY KEY, name VARCHAR(40))")
    answer = request(handler, "POST", "/uploads", body={"table": "it's 100% ☃", "filename": "a b+c%.csv"})
    assert answer.status == 201
    target = answer.json
    sent = httpx.post(target["url"], data=target["fields"], files={"file": ("a.csv", b"1,a\n2,b\n", "text/csv")})
    assert sent.status_code in (200, 201, 204), sent.text
    load_status = uploads.deliver(created(uploads.bucket, target["key"]))
    assert (load_status["table"], counts(load_status)) == ("it's 100% ☃", (2, 2, 0, 0, 0))
    listed = request(handler, "GET", "/loads", query={"key": target["key"]}).json["loads"]
    assert [load["id"] for load in listed] == [load_status["id"]]
    assert database.rows("SELECT * FROM `it's 100%% ☃`".replace("%%", "%")) == [(1, "a"), (2, "b")]


def test_the_same_event_twice_loads_the_file_once(database: Database, uploads: Uploads) -> None:
    database.run("CREATE TABLE t (id INT, name VARCHAR(40))")  # without a key, nothing but the ledger keeps rows apart
    event = uploads.put(lines(25, bad=5))
    first = uploads.deliver(event)
    database.run("DELETE FROM t WHERE id = 3")
    assert uploads.deliver(event) == first
    assert counts(first) == (25, 25, 0, 0, 0)
    assert len(names(database)) == 24


@pytest.mark.usefixtures("small_blocks")
def test_two_deliveries_at_once_load_the_file_once(database: Database, uploads: Uploads) -> None:
    database.run("CREATE TABLE t (id INT, name VARCHAR(40))")
    event = uploads.put(lines(95))
    found = event["Records"][0]["s3"]["object"]
    # Not through the handler: in Lambda each delivery has a process of its own, with its own log and metrics.
    threads = [threading.Thread(target=load_object, args=(found["key"], found["versionId"])) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    status = uploads.deliver(event)
    assert (status["state"], counts(status)) == ("done", (95, 95, 0, 0, 0))
    assert names(database) == [(n, f"name {n}") for n in range(1, 96)]


def test_a_file_written_over_before_its_event_came_is_loaded_too(database: Database, uploads: Uploads) -> None:
    database.run(TEXTS)
    first, second = uploads.put(b"1,a\n"), uploads.put(b"2,b\n")
    assert counts(uploads.deliver(second)) == (1, 1, 0, 0, 0)
    assert counts(uploads.deliver(first)) == (1, 1, 0, 0, 0)
    assert names(database) == [(1, "a"), (2, "b")]
    assert len(request(handler, "GET", "/loads").json["loads"]) == 2


def test_the_same_content_uploaded_again_is_another_file(database: Database, uploads: Uploads) -> None:
    database.run(TEXTS)
    assert counts(uploads.load(b"1,a\n2,b\n")) == (2, 2, 0, 0, 0)
    assert counts(uploads.load(b"1,a\n2,b\n")) == (2, 0, 0, 2, 0)
    ignored = uploads.load(b"1,x\n3,c\n", Metadata={"on-duplicate": "ignore"})
    assert counts(ignored) == (2, 1, 0, 0, 1)
    updated = uploads.load(b"1,x\n2,b\n4,d\n", Metadata={"on-duplicate": "update"})
    assert counts(updated) == (3, 1, 1, 0, 1)
    assert names(database) == [(1, "x"), (2, "b"), (3, "c"), (4, "d")]


def test_a_direct_invocation_says_what_becomes_of_duplicates(database: Database, uploads: Uploads) -> None:
    database.run(TEXTS, "INSERT INTO t VALUES (1, 'old')")
    key = uploads.put(b"1,new\n")["Records"][0]["s3"]["object"]["key"]
    status = invoke(handler, {"action": "load", "key": key, "on_duplicate": "update"})
    assert counts(status) == (1, 0, 1, 0, 0)
    assert names(database) == [(1, "new")]
