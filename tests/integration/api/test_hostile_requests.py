"""Requests that a fuzzer sent, or might: each once ended in a 500, or could have read or asked for too much."""

import base64
import json
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from functions.backup.app import handler as backups
from functions.insert.app import handler as rows_handler
from functions.load.app import handler as loads
from functions.restore.app import handler as restores
from tableferry.ids import new_id
from tableferry.ingest.loads import load_status
from tableferry.ingest.loads.load_list import listed
from tableferry.ingest.loads.load_status import LoadStatus
from tableferry.restore import record
from tableferry.restore.record import Restore
from tableferry.storage.bucket import Object, Store
from tests.effort import in_ci
from tests.support import verbs
from tests.support.lambdas import invoke, request, segment
from tests.support.parts import Database, connect
from tests.support.verbs import backup, get, load_sample, post, restore, run, table, unchanged

BODIES = ["[" * 100_000, '{"table": ' * 50_000, '{"table": ' + "9" * 5000 + "}", '{"tables": [' + "1" * 5000 + "]}"]
EMOJI = "t😀"
FROM_LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("path", ["/uploads", "/backups", "/restores"])
@pytest.mark.usefixtures("bucket", "unchanged")
def test_json_too_deep_or_with_endless_numbers_is_a_bad_request(path: str, body: str) -> None:
    handler = loads if path == "/uploads" else restores if path == "/restores" else backups
    for sent in (body, body.encode()):
        request(handler, "POST", path, body=sent, headers={"content-type": "application/json"}).problem(400)


@pytest.mark.parametrize("path", ["/uploads", "/tables/departments/rows"])
@pytest.mark.usefixtures("bucket", "unchanged")
def test_a_body_that_is_not_the_base64_it_says_is_a_bad_request(path: str) -> None:
    event: dict[str, Any] = {
        "version": "2.0",
        "rawPath": path,
        "headers": {"content-type": "application/json"},
        "requestContext": {"http": {"method": "POST", "path": path}, "requestId": "x", "stage": "$default"},
        "isBase64Encoded": True,
    }
    for body in ("A", base64.b64encode(b"\xff\xfe").decode() + "=x=="):
        answer = invoke(loads if path == "/uploads" else rows_handler, {**event, "body": body})
        assert answer["statusCode"] == 400, answer


@pytest.mark.usefixtures("bucket")
def test_an_endless_wish_to_wait_is_the_longest_wait_there_is(database: Database) -> None:
    load_sample(database)
    for wish in ("wait=" + "9" * 5000, "wait=" + "0" * 5000 + "1", "wait=\u0663"):
        assert post("/backups", {"tables": ["jobs"]}, prefer=wish).status == 201


@pytest.mark.parametrize("path", ["/backups", "/restores"])
@pytest.mark.usefixtures("bucket", "unchanged")
def test_no_body_of_a_type_that_is_not_taken_is_refused_as_such(path: str) -> None:
    for media_type in ("text/csv", "text/plain", "x"):
        post(path, **{"content-type": media_type}).problem(415)


@pytest.mark.usefixtures("bucket", "unchanged")
def test_a_name_that_no_table_can_have_is_a_bad_request() -> None:
    row = [{"id": 1}]
    for answer in (
        request(rows_handler, "GET", f"/tables/{segment(EMOJI)}"),
        request(rows_handler, "GET", "/tables", query={"table": EMOJI}),
        request(rows_handler, "POST", "/tables/-/rows", body=row, query={"table": EMOJI}),
        request(loads, "POST", "/uploads", body={"table": EMOJI, "filename": "a.csv"}),
        post("/backups", {"tables": [EMOJI]}),
        post("/restores", {"tables": [EMOJI]}),
        post("/restores", {"into": {"departments": EMOJI}}),
    ):
        assert "U+FFFF" in answer.problem(400)["detail"]


@pytest.mark.usefixtures("bucket", "unchanged")
def test_an_id_is_digits_and_leads_nowhere_else_in_the_bucket() -> None:
    verbs.store().put("loads/abc.json", b"{}")
    for name in ("abc", "a" * 2000, "\u0663" * 32, "..", "../loads/abc", "ABCDEF0123456789" * 2, "x" * 32):
        request(loads, "GET", f"/loads/{segment(name)}").problem(404)
    for name in ("\u0662\u0660261122T071500Z-1a2b3c4d", "20261122T071500Z-1A2B3C4D", "jobs", "a" * 2000):
        for path in (f"/backups/{segment(name)}", f"/restores/{segment(name)}", f"/verifications/{segment(name)}"):
            get(path).problem(404)


def test_a_table_does_not_take_the_name_of_a_view(database: Database, bucket: str) -> None:
    load_sample(database)
    with closing(connect(database.admin_url)) as admin, admin.cursor() as cursor:
        cursor.execute("CREATE VIEW seen AS SELECT 1 AS one")
    backup("jobs")
    with unchanged(database):
        assert "view named 'seen'" in post("/restores", {"into": {"jobs": "seen"}}).problem(409)["detail"]


def test_a_table_with_foreign_keys_goes_beside_itself_by_the_longest_name(database: Database, bucket: str) -> None:
    load_sample(database)
    backup()
    name = "n" * 64
    for replace in (False, True):
        done = restore(into={"hired_employees": name}, replace=replace)
        assert table(database, name).checksum == table(database, "hired_employees").checksum
        assert table(database, name).definition.count("FOREIGN KEY") == 2
        assert post(f"/restores/{done['id']}/accept").status == 200


def test_a_foreign_key_whose_name_another_table_has_by_now_is_named(database: Database, bucket: str) -> None:
    run(
        database,
        "CREATE TABLE parent (id INT PRIMARY KEY)",
        "CREATE TABLE child (id INT PRIMARY KEY, CONSTRAINT `it%s` FOREIGN KEY (id) REFERENCES parent (id))",
    )
    backup()
    run(
        database,
        "DROP TABLE child",
        "CREATE TABLE other (id INT PRIMARY KEY, CONSTRAINT `it%s` FOREIGN KEY (id) REFERENCES parent (id))",
    )
    with unchanged(database):
        detail = post("/restores", {"tables": ["child"]}).problem(409)["detail"]
    assert "it%s" in detail
    assert "'other'" in detail


class Vanishing(Store):
    """A bucket from which something is taken between the listing and the reading."""

    def list(self, prefix: str, after: str = "") -> Iterator[Object]:
        yield from super().list(prefix, after)
        yield Object(f"{prefix}{new_id(datetime.now(UTC))}.json", 1, "", datetime.now(UTC))


def _restores(count: int) -> list[Restore]:
    return [
        Restore(id=new_id(now), backup="x", database="d", state="accepted", tables=(), started=now)
        for now in (FROM_LONG_AGO + timedelta(seconds=second) for second in range(count))
    ]


@in_ci
@pytest.mark.usefixtures("bucket", "unchanged")
def test_lists_are_bounded_and_leave_out_what_was_taken_away() -> None:
    store = verbs.store()
    made = _restores(103)
    for one in made:
        record.save(store, one)
    for number in range(3):
        load_status.save(store, LoadStatus(id=f"{number:032x}", table="t", key="k", started=FROM_LONG_AGO))
    newest = [one.id for one in reversed(made)][:100]
    assert [one["id"] for one in get("/restores").json["restores"]] == newest
    there = Vanishing(store._client, store.bucket, store.keys)
    assert [one.id for one in record.newest(there)] == newest
    store._client.delete_object(Bucket=store.bucket, Key=f"loads/{1:032x}.json")
    assert len(listed(store).loads) == len(listed(store, "k").loads) == 2
    assert json.loads(request(loads, "GET", "/loads", query={"key": "k/../k"}).text)["loads"] == []


def test_a_check_whose_name_another_table_has_by_now_is_no_error_of_ours(database: Database, bucket: str) -> None:
    run(database, "CREATE TABLE first (id INT PRIMARY KEY, CONSTRAINT small CHECK (id < 10))")
    backup()
    run(database, "DROP TABLE first", "CREATE TABLE second (id INT PRIMARY KEY, CONSTRAINT small CHECK (id < 10))")
    if database.mariadb:  # where a check's name is its table's own
        assert restore(tables=["first"])["state"] == "done"
        return
    with unchanged(database):
        assert "restore `into` another name" in post("/restores", {"tables": ["first"]}).problem(409)["detail"]
    assert restore(tables=["first"], into={"first": "third"})["state"] == "done"
