"""Loads in lists: by upload's key, table and state, a page at a time, whatever else is there; and rejects in pages."""

import json
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from functions.load.app import handler
from tableferry.api import reject_page
from tableferry.ingest.loads import load_status
from tableferry.ingest.loads.load_status import LoadStatus, State
from tableferry.storage.bucket import Object, Store
from tests.effort import either_server, in_ci
from tests.integration.conftest import KEYS
from tests.support.lambdas import Answer, Json, counts, request
from tests.support.parts import Database
from tests.support.uploads import TEXTS, Uploads, lines

pytestmark = either_server

BEGUN = datetime(2026, 3, 1, tzinfo=UTC)


def listed(**query: str) -> Json:
    answer = request(handler, "GET", "/loads", query=query)
    assert answer.status == 200, answer.text
    return dict(answer.json)


def ids(**query: str) -> list[str]:
    return [load["id"] for load in listed(**query)["loads"]]


def saved(store: Store, number: int, state: State = "done", table: str = "t", key: str = "uploads/t/a.csv") -> str:
    started = BEGUN + timedelta(seconds=number)
    status = LoadStatus(id=f"{number:032x}", table=table, key=key, state=state, started=started)
    return load_status.save(store, status).id


@pytest.mark.usefixtures("database")
def test_loads_are_listed_newest_first_by_key_table_and_state(uploads: Uploads) -> None:
    store = Store(uploads.client, uploads.bucket, KEYS)
    first = saved(store, 1)
    failed = saved(store, 2, "failed")
    other = saved(store, 3, table="u", key="uploads/u/a.csv")
    long_ago = saved(store, 4, "running")  # of which nobody has been heard since
    load_status.save(store, load_status.find(store, long_ago).model_copy(update={"state": "running"}))
    assert ids() == [long_ago, other, failed, first]
    assert ids(key="uploads/t/a.csv") == [long_ago, failed, first]
    assert ids(key="uploads/t/a") == ids(key="") == ids(table="v") == ids(state="rejected") == []
    assert ids(table="u") == [other]
    assert ids(state="done") == [other, first]
    assert ids(state="done", table="t") == [first]
    assert ids(state="failed", key="uploads/t/a.csv") == [failed]
    assert ids(state="running") == [long_ago]
    assert ids(limit="2") == [long_ago, other]


@pytest.mark.usefixtures("database")
def test_a_load_that_has_left_a_state_is_no_longer_listed_with_it(uploads: Uploads) -> None:
    store = Store(uploads.client, uploads.bucket, KEYS)
    load_id = saved(store, 1, "failed")
    assert ids(state="failed") == [load_id]
    load_status.save(store, load_status.find(store, load_id).ended("done"))
    assert (ids(state="failed"), ids(state="done"), ids()) == ([], [load_id], [load_id])


@in_ci
@pytest.mark.usefixtures("database")
def test_pages_follow_each_other_without_a_gap_or_a_load_twice(uploads: Uploads) -> None:
    store = Store(uploads.client, uploads.bucket, KEYS)
    wanted = [saved(store, number, "failed" if number % 3 else "done") for number in range(25)][::-1]
    for query in ({}, {"state": "failed"}, {"table": "t"}, {"key": "uploads/t/a.csv"}):
        found: list[str] = []
        after: dict[str, str] = {}
        while True:
            page = listed(limit="7", **query, **after)
            found += [load["id"] for load in page["loads"]]
            assert len(page["loads"]) <= 7
            if page["next"] is None:
                break
            after = {"after": page["next"]}
        assert found == [one for one in wanted if "state" not in query or int(one, 16) % 3], query


@pytest.mark.usefixtures("database")
def test_a_list_goes_through_no_marks_of_other_tables(uploads: Uploads, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(uploads.client, uploads.bucket, KEYS)
    for number in range(12):
        saved(store, number, "failed" if number % 2 else "running")
    rare = saved(store, 20, "failed", table="u", key="uploads/u/a.csv")
    gone_through: list[str] = []
    whole = Store.list

    def counted(self: Store, *given: Any, **named: Any) -> Iterator[Object]:
        for item in whole(self, *given, **named):
            gone_through.append(item.key)
            yield item

    monkeypatch.setattr(Store, "list", counted)
    for query, found in [
        ({"table": "u"}, [rare]),
        ({"table": "u", "state": "failed"}, [rare]),
        ({"table": "u", "state": "running"}, []),
        ({"table": "u", "state": "done"}, []),
        ({"table": "nobody's"}, []),
    ]:
        gone_through.clear()
        assert ids(**query) == found, query
        assert len(gone_through) <= 1, (query, gone_through)
    gone_through.clear()
    assert len(ids(table="t", state="failed")) == 6
    assert len(gone_through) == 6


@pytest.mark.parametrize(
    "query", [{"state": "over"}, {"limit": "0"}, {"limit": "1001"}, {"limit": "x"}, {"after": "x"}, {"tabel": "t"}]
)
@pytest.mark.usefixtures("database", "bucket")
def test_what_cannot_be_asked_for_is_refused(query: dict[str, str]) -> None:
    detail = request(handler, "GET", "/loads", query=query).problem(400)["detail"]
    assert next(iter(query)) in detail


def test_a_load_of_which_no_row_was_good_says_so_and_why(database: Database, uploads: Uploads) -> None:
    database.run(TEXTS)
    status = uploads.load(b"1;a\n2;b\n3\n", Metadata={"delimiter": ","})
    assert (status["state"], counts(status)) == ("rejected", (3, 0, 0, 3, 0))
    assert status["reason"].startswith("All 3 rows were rejected, all for 'fields'; as in line 1: ")
    assert status["error"] is None
    assert len(uploads.rejects(status)) == 3
    assert ids(state="rejected") == [status["id"]]
    assert ids(state="done") == []


def test_a_load_of_which_a_row_was_good_a_duplicate_or_not_there_is_done(database: Database, uploads: Uploads) -> None:
    database.run(TEXTS)
    for body, metadata in [(b"1,a\nx\n", {}), (b"1,a\n", {"on-duplicate": "ignore"}), (b"id,name\n", {})]:
        status = uploads.load(body, Metadata=metadata)
        assert (status["state"], status["reason"]) == ("done", None), body


@pytest.mark.usefixtures("small_blocks")
def test_a_load_that_was_rejected_begins_anew_when_it_is_retried(database: Database, uploads: Uploads) -> None:
    database.run("CREATE TABLE t (id INT PRIMARY KEY, name VARCHAR(4) NOT NULL)")
    event = uploads.put(lines(25))
    first = uploads.deliver(event)
    assert (first["state"], first["rejected"]) == ("rejected", 25)
    assert first["reason"].startswith("All 25 rows were rejected, all for 'too_long' in column 'name'; as in line 1: ")
    assert uploads.deliver(event) == first
    database.run("ALTER TABLE t MODIFY name VARCHAR(40) NOT NULL")
    again = request(handler, "POST", f"/loads/{first['id']}/retry").json
    assert (again["state"], again["reason"], again["rejects"], counts(again)) == ("done", None, None, (25, 25, 0, 0, 0))


def rejects(load_id: str, **query: str) -> Answer:
    return request(handler, "GET", f"/loads/{load_id}/rejects", query=query)


def test_rejects_are_read_page_by_page(database: Database, uploads: Uploads, monkeypatch: pytest.MonkeyPatch) -> None:
    database.run(TEXTS)
    status = uploads.load("".join(f"{n},\n" if n % 2 else f"{n},é😀{'x' * (n // 2)}\n" for n in range(1, 61)).encode())
    whole = uploads.client.get_object(Bucket=uploads.bucket, Key=status["rejects"])["Body"].read().decode()
    answer = rejects(status["id"])
    assert (answer.status, answer.headers["content-type"]) == (200, "application/x-ndjson")
    assert (answer.text, "link" in answer.headers) == (whole, False)
    for size, limit in [(2**21, "7"), (300, "1000"), (10, "3")]:  # also in less than a line
        monkeypatch.setattr(reject_page, "_PAGE_BYTES", size)
        found, query = "", {"limit": limit}
        for _ in range(200):
            answer = rejects(status["id"], **query)
            assert 0 < answer.text.count("\n") <= int(limit)
            found += answer.text
            if "link" not in answer.headers:
                break
            following, _, relation = answer.headers["link"].partition(">; ")
            assert relation == 'rel="next"'
            query = dict(part.split("=") for part in following.partition("?")[2].split("&"))
        assert found == whole
    assert [json.loads(line)["line"] for line in whole.splitlines()] == list(range(1, 61, 2))


def test_rejects_that_there_are_not_or_not_yet_or_no_more(database: Database, uploads: Uploads) -> None:
    database.run(TEXTS)
    store = Store(uploads.client, uploads.bucket, KEYS)
    good = uploads.load(b"1,a\n")
    assert (rejects(good["id"]).status, rejects(good["id"]).text) == (200, "")
    rejects("0" * 32).problem(404)
    bad = uploads.load(b"1,a\n")
    assert "after" in rejects(bad["id"], after="5").problem(400)["detail"]
    assert rejects(bad["id"], after="100000").problem(400)
    known = load_status.find(store, bad["id"])
    load_status.save(store, known.model_copy(update={"state": "running", "rejects": None}))
    assert "running" in rejects(bad["id"]).problem(409)["detail"]
    load_status.save(store, known)
    uploads.client.delete_object(Bucket=uploads.bucket, Key=bad["rejects"])
    rejects(bad["id"]).problem(409)


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
@pytest.mark.parametrize("filename", ["a.csv", 'it\'s 100 % "new", a;b.csv', "-F @x;type=y\\.csv"])
def test_the_command_of_a_presigned_post_sends_the_file(
    database: Database, uploads: Uploads, tmp_path: Path, filename: str
) -> None:
    database.run(TEXTS)
    asked: dict[str, Any] = {"table": "t", "filename": filename, "delimiter": ";", "null": "@x"}
    target = request(handler, "POST", "/uploads", body=asked).json
    (tmp_path / filename).write_bytes(b"1;a\n")
    done = subprocess.run(["sh", "-c", target["command"]], cwd=tmp_path, capture_output=True, check=False, timeout=30)
    assert done.returncode == 0, done
    assert shlex.split(target["command"])[0] == "curl"
    found = uploads.client.get_object(Bucket=uploads.bucket, Key=target["key"])
    assert (found["Body"].read(), found["Metadata"]) == (b"1;a\n", {"delimiter": ";", "null": "@x"})
