"""Blocks that are loaded at once: the outcome is that of one after the other; limits, and time that runs out."""

import json
from typing import TYPE_CHECKING, Any, cast

import pytest

from functions.load.app import handler
from tableferry.ingest import block_writer, ordered_writers
from tableferry.ingest.block_writer import BlockWriter, Target
from tests.effort import sample
from tests.support.lambdas import Context, Json, counts, created, request
from tests.support.parts import Database
from tests.support.uploads import TEXTS, Uploads, lines, names

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

pytestmark = pytest.mark.usefixtures("small_blocks")


@pytest.fixture
def ahead(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of the blocks that were tried before their turn."""
    found: list[int] = []
    real = BlockWriter.quickly

    def quickly(writer: BlockWriter, connection: Any) -> Any:
        found.append(writer.number)
        return real(writer, connection)

    monkeypatch.setattr(BlockWriter, "quickly", quickly)
    return found


def test_blocks_are_written_ahead_of_their_turn(database: Database, uploads: Uploads, ahead: list[int]) -> None:
    database.run(TEXTS)
    assert counts(uploads.load(lines(500))) == (500, 500, 0, 0, 0)
    assert ahead
    assert names(database) == [(n, f"name {n}") for n in range(1, 501)]


def test_of_two_rows_with_one_key_the_first_in_the_file_goes_in(
    database: Database, uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ordered_writers, "_PATIENCE_SECONDS", 0.05)
    database.run("CREATE TABLE t (id INT PRIMARY KEY, name VARCHAR(40), other INT UNIQUE)")
    rows = [(n % 97, f"name {n}", n % 89) for n in range(400)]
    status = uploads.load("".join(f"{i},{name},{other}\n" for i, name, other in rows).encode())
    ids, others, expected, refused = set(), set(), [], []
    for number, (i, name, other) in enumerate(rows, 1):
        if i in ids or other in others:
            refused.append(number)
        else:
            expected.append((i, name, other))
            ids.add(i)
            others.add(other)
    assert database.rows("SELECT * FROM t ORDER BY id") == sorted(expected)
    assert [line for line, _, _ in uploads.rejects(status)] == refused
    assert counts(status) == (400, len(expected), 0, len(refused), 0)


def test_a_row_may_point_at_one_in_a_block_before_it(database: Database, uploads: Uploads) -> None:
    database.run("CREATE TABLE t (id INT PRIMARY KEY, chief INT, FOREIGN KEY (chief) REFERENCES t (id))")
    body = "".join(f"{n},{n - 7 if n > 7 else ''}\n" for n in range(1, 301)) + "301,999\n"
    status = uploads.load(body.encode())
    assert counts(status) == (301, 300, 0, 1, 0)
    assert uploads.rejects(status) == [(301, "301,999", [("chief", "missing_parent")])]


def test_of_two_updates_the_last_in_the_file_holds(database: Database, uploads: Uploads, ahead: list[int]) -> None:
    database.run(TEXTS)
    body = "".join(f"{n % 50},name {n}\n" for n in range(300)).encode()
    status = uploads.load(body, Metadata={"on-duplicate": "update"})
    assert counts(status) == (300, 50, 250, 0, 0)
    assert names(database) == [(n, f"name {n + 250}") for n in range(50)]
    assert not ahead


@pytest.mark.parametrize(
    "table",
    [
        "CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(40))",
        "CREATE TABLE t (id INT, name VARCHAR(40))",
    ],
)
def test_rows_that_are_numbered_or_seen_by_a_trigger_come_in_the_files_order(
    database: Database, uploads: Uploads, ahead: list[int], table: str
) -> None:
    database.run(table)
    if "AUTO" not in table:
        database.run("CREATE TRIGGER number BEFORE INSERT ON t FOR EACH ROW SET NEW.id = (SELECT COUNT(*) + 1 FROM t)")
    body = "name\n" + "".join(f"name {n}\n" for n in range(1, 101))
    assert counts(uploads.load(body.encode())) == (100, 100, 0, 0, 0)
    assert [name for _, name in names(database)] == [f"name {n}" for n in range(1, 101)]
    assert not ahead


@pytest.mark.parametrize(("limit", "stays"), [("0", 10), ("1", 20), ("3", 30), ("10%", 40), ("25%", 60), ("9", 60)])
@sample(4)
def test_a_load_with_more_rejects_than_it_may_have_is_stopped(
    database: Database, uploads: Uploads, limit: str, stays: int
) -> None:
    database.run(TEXTS)
    # Blocks of ten: at their ends 0, 1, 3, 4, 6 and 9 rejects so far.
    bad = {15, 21, 22, 31, 41, 42, 51, 52, 53}
    body = "".join(f"{n},{'' if n in bad else 'x'}\n" for n in range(1, 61)).encode()
    status = uploads.load(body, Metadata={"max-rejects": limit})
    rejected = len([n for n in bad if n <= stays])
    assert counts(status) == (stays, stays - rejected, 0, rejected, 0)
    assert len(names(database)) == stays - rejected
    if stays == 60:
        assert status["state"] == "done"
        return
    assert (status["state"], status["error"]["type"]) == ("failed", "too-many-rejects")
    assert "rolled back" in status["error"]["detail"]
    assert "a value is required" in status["error"]["detail"]


def test_the_wrong_file_leaves_nothing_behind(database: Database, uploads: Uploads) -> None:
    database.run(TEXTS)
    status = uploads.load(b"1,a\nx,b\ny,c\nz,d\n" * 3, Metadata={"max-rejects": "50%"})
    assert (status["state"], counts(status)) == ("failed", (0, 0, 0, 0, 0))
    assert "line 2, id: expected a whole number, not 'x'" in status["error"]["detail"]
    assert names(database) == []


class Running(Context):
    """A context with so many seconds left, each time it is asked one less."""

    left: float = 0

    def get_remaining_time_in_millis(self) -> int:
        self.left -= 1
        return int(self.left * 1000)


def test_a_load_that_runs_out_of_time_hands_itself_over(database: Database, uploads: Uploads) -> None:
    database.run("CREATE TABLE t (id INT, name VARCHAR(40) NOT NULL)")
    event: Json = uploads.put(lines(300, bad=7))
    invocations = 0
    states = []
    while event:
        context = Running()
        context.left = 20
        (status,) = handler(event, cast("LambdaContext", context))
        states.append((status["state"], status["read"]))
        invocations += 1
        found = uploads.client.list_objects_v2(Bucket=uploads.bucket, Prefix="resume/").get("Contents", [])
        event = created(uploads.bucket, found[0]["Key"]) if found else {}
        for each in found:
            order = json.loads(uploads.client.get_object(Bucket=uploads.bucket, Key=each["Key"])["Body"].read())
            assert order["retry"] is False
        if status["state"] != "running":
            break
    assert invocations > 1
    assert [state for state, _ in states] == ["running"] * (invocations - 1) + ["done"]
    reads = [read for _, read in states]
    assert reads == sorted(reads)  # two may be the same: time may run out between the last block and the end
    assert reads[0] < 300
    assert counts(status) == (300, 258, 0, 42, 0)
    assert names(database) == [(n, f"name {n}") for n in range(1, 301) if n % 7]
    assert [line for line, _, _ in uploads.rejects(status)] == [n for n in range(1, 301) if n % 7 == 0]


def test_a_status_tells_how_far_the_load_has_come(
    database: Database, uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.run("CREATE TABLE t (id INT, name VARCHAR(40) NOT NULL)")
    monkeypatch.setattr("tableferry.ingest.loads.progress._SAVED_EVERY_SECONDS", 0)
    seen: list[Json] = []
    real = Target.lanes
    body = lines(200, bad=5)
    conclude = BlockWriter.conclude

    def watched(writer: BlockWriter, connection: Any, done: block_writer.Written) -> None:
        seen.extend(request(handler, "GET", "/loads").json["loads"])
        conclude(writer, connection, done)

    monkeypatch.setattr(Target, "lanes", lambda target, connection, _: real(target, connection, 1))
    monkeypatch.setattr(BlockWriter, "conclude", watched)
    status = uploads.load(body)
    assert {each["state"] for each in seen} == {"running"}
    assert all(each["size"] == len(body) for each in seen)
    assert seen[-1]["read"] > seen[2]["read"]
    assert 0 < seen[-1]["bytes"] < len(body)
    assert seen[-1]["rejected"] == seen[-1]["read"] // 5
    assert seen[-1]["rows_per_second"] > 0
    for each in seen:
        assert each["read"] == each["inserted"] + each["rejected"]
        assert each["bytes"] == len(b"".join(body.splitlines(keepends=True)[: each["read"]]))
    assert status["bytes"] == status["size"] == len(body)
