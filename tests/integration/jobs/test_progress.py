"""What is told of jobs and loads while they are under way: how far they are, and for how long they go on."""

import time
from typing import Any, cast

import pytest

from functions.load.app import handler as load_handler
from tableferry.backup import plan
from tableferry.ingest.block_writer import BlockWriter
from tableferry.jobs import jobs
from tests.support.lambdas import Json, request
from tests.support.parts import Database
from tests.support.uploads import TEXTS, Uploads, lines
from tests.support.verbs import backup, get, newest_id, post, run

ROWS = 1024


@pytest.fixture
def large(database: Database, bucket: str, monkeypatch: pytest.MonkeyPatch) -> Database:
    """A table of several chunks, and one of a few rows."""
    monkeypatch.setattr(plan, "_RANGE_BYTES", 32 * 1024)
    run(
        database,
        "CREATE TABLE large (id INT PRIMARY KEY AUTO_INCREMENT, body VARCHAR(200) NOT NULL, KEY body (body))",
        "CREATE TABLE small (id INT PRIMARY KEY)",
        "INSERT INTO small VALUES (1), (2), (3)",
        "INSERT INTO large (body) VALUES (REPEAT('x', 60))",
        *["INSERT INTO large (body) SELECT CONCAT(body, RAND()) FROM large LIMIT 1024"] * 10,
        "ANALYZE TABLE large",
    )
    return database


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[Json]:
    """How far a job was, as the API tells it, whenever it had come further."""
    seen: list[Json] = []
    lease = cast("Any", jobs)._Lease
    advance = lease.advance

    def look(held: Any, *given: Any) -> None:
        held._began = time.monotonic() - len(seen)  # a second for each step: a busy machine has no rate of its own
        advance(held, *given)
        held._write({})  # which else is done every few seconds
        job = held._job
        path = {"backup": "backups", "restore": "restores", "verify": "verifications"}[job.kind]
        seen.append(get(f"/{path}/{job.id}").json)

    monkeypatch.setattr(lease, "advance", look)
    return seen


def holds_together(told: list[Json], unit: str) -> list[Json]:
    """What holds of every job that ran to its end: it begins at 0, goes on and not back, and is 100 only when done."""
    assert {job["state"] for job in told} == {"running"}
    shown = [job["progress"] for job in told]
    assert {one["unit"] for one in shown} == {unit}
    assert (shown[0]["done"], shown[0]["percent"], shown[0]["seconds_left"]) == (0, 0.0, None)
    for name in ("done", "rows", "percent"):
        assert [one[name] for one in shown] == sorted(one[name] for one in shown)
    assert all(one["percent"] < 100 for one in shown)
    assert shown[-1]["done"] == shown[-1]["of"]
    assert shown[-1]["percent"] == 99.9
    assert shown[-1]["seconds_left"] is None
    for one in shown[1:-1]:
        assert one["seconds_left"] >= 0
    assert shown[-2]["seconds_left"] < max(one["seconds_left"] for one in shown[1:-1])
    return shown


def test_a_backup_and_a_verification_tell_their_share_and_the_seconds_left(large: Database, told: list[Json]) -> None:
    made = backup()
    chunks = sum(table["chunks"] for table in made["tables"])
    assert chunks > 4
    shown = holds_together(told, "chunks")
    assert [one["done"] for one in shown] == list(range(chunks + 1))
    assert [one["percent"] for one in shown[:-1]] == [int(1000 * done / chunks) / 10 for done in range(chunks)]
    assert shown[-1]["rows"] == made["rows"] == ROWS + 3
    told.clear()
    assert post(f"/backups/{newest_id()}/verify", {}).status == 201
    objects = sum(table["objects"] for table in made["tables"])
    assert [one["done"] for one in (job["progress"] for job in told)] == list(range(objects + 1))
    holds_together(told, "objects")


def test_a_restore_counts_that_it_reads_its_tables_back(large: Database, told: list[Json]) -> None:
    made = backup()
    told.clear()
    assert post("/restores", {}).status == 201
    shown = holds_together(told, "objects")
    objects = sum(table["objects"] for table in made["tables"])
    loaded = [one for one in shown if one["done"] < objects]
    assert [one["done"] for one in loaded] == list(range(objects))
    half = shown[objects]
    assert (half["done"], half["rows"]) == (objects, ROWS + 3)
    assert 45 < half["percent"] < 55
    assert len(shown) == 1 + objects + sum(table["chunks"] for table in made["tables"])


@pytest.mark.usefixtures("small_blocks")
def test_a_load_tells_its_share_and_the_seconds_left(
    database: Database, uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tableferry.ingest.loads.progress._SAVED_EVERY_SECONDS", 0)
    database.run(TEXTS)
    seen: list[Json] = []
    body = lines(400)
    conclude = BlockWriter.conclude

    def watched(writer: BlockWriter, *given: Any) -> None:
        seen.extend(request(load_handler, "GET", "/loads").json["loads"])
        conclude(writer, *given)

    monkeypatch.setattr(BlockWriter, "conclude", watched)
    ended = uploads.load(body)
    shown = [each["progress"] for each in seen]
    assert [one["percent"] for one in shown] == sorted(one["percent"] for one in shown)
    assert (shown[0]["percent"], shown[0]["seconds_left"]) == (0.0, None)
    assert len({one["percent"] for one in shown}) > 3
    for each, one in zip(seen, shown, strict=True):
        assert (one["done"], one["of"], one["rows"], one["unit"]) == (each["bytes"], len(body), each["read"], "bytes")
        assert one["percent"] == min(1000 * each["bytes"] // len(body) / 10, 99.9)
        if 0 < each["bytes"] < len(body):
            rate = each["rows_per_second"] * each["bytes"] / each["read"]
            assert one["seconds_left"] == pytest.approx((len(body) - each["bytes"]) / rate, abs=0.06)
    assert ended["progress"] == {
        "done": len(body), "of": len(body), "rows": 400, "unit": "bytes", "percent": 100.0, "seconds_left": 0.0,
    }  # fmt: skip
