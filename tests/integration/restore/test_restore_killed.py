"""Restores, undos and accepts that are killed before any of their changes.

Tables are wholly old or wholly new, and put right by the next call, whichever it is. `make test` takes one change in
thirteen, other ones each turn, `make test-all` all of them.

The restore has all that a swap can meet: triggers on the live and on the backed-up table, foreign keys of and to tables
that stay, and a table that was not there before.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from functions.restore import app
from tests.effort import effort, in_ci, points
from tests.support import verbs
from tests.support.killed import Killer
from tests.support.lambdas import invoke
from tests.support.parts import Database, until
from tests.support.verbs import Picture, backup, get, load_sample, picture, post, restore

pytestmark = pytest.mark.timeout(effort(600, 3600))

TABLES = ["departments", "lost", "offices"]
RESTORE = {"action": "restore", "tables": TABLES}
TRIGGER = "CREATE TRIGGER {0} BEFORE INSERT ON {1} FOR EACH ROW SET NEW.department = CONCAT('{0} ', NEW.department)"
SPOILING = (
    "DROP TABLE lost",
    "DROP TRIGGER was",
    TRIGGER.format("now", "departments"),
    "UPDATE departments SET department = 'spoilt'",
    "DELETE FROM offices WHERE id = 1",
    "CREATE TRIGGER on_offices AFTER UPDATE ON offices FOR EACH ROW SET @changed = 1",
)

TURN = 0  # another figure has other calls follow; with each of 0 to 4 every call follows every change
Next = Callable[[str], Any]
NEXT: dict[str, Next] = {
    "restore": lambda _: post("/restores", {"tables": TABLES}),
    "restore of another table": lambda _: post("/restores", {"tables": ["jobs"]}),
    "undo": lambda restore_id: post(f"/restores/{restore_id}/undo"),
    "accept": lambda restore_id: post(f"/restores/{restore_id}/accept"),
    "recover": lambda _: invoke(app.handler, {"action": "recover"}),
}


@pytest.fixture
def next_calls() -> Callable[[int], Next]:
    """The call that comes after the killed one, by the number of the change: each kind in turn."""
    kinds = list(NEXT.values())
    return lambda change: kinds[(change + TURN) % len(kinds)]


@pytest.fixture
def damaged(database: Database, bucket: str) -> Database:
    """A backup of the tables, and other ones since: other rows and triggers, and one of them dropped."""
    load_sample(database)
    verbs.run(
        database,
        TRIGGER.format("was", "departments"),
        TRIGGER.format("always", "departments"),
        "CREATE TABLE offices (id INT PRIMARY KEY, department_id INT, job_id INT, KEY (job_id),"
        " CONSTRAINT office_department FOREIGN KEY (department_id) REFERENCES departments (id) ON DELETE CASCADE,"
        " CONSTRAINT office_job FOREIGN KEY (job_id) REFERENCES jobs (id) ON UPDATE CASCADE)",
        "CREATE TABLE lost (id INT PRIMARY KEY, department VARCHAR(30), office_id INT,"
        " CONSTRAINT lost_office FOREIGN KEY (office_id) REFERENCES offices (id))",
        TRIGGER.format("lost_one", "lost"),
        "INSERT INTO offices VALUES (1, 1, 1), (2, 2, 2)",
        "INSERT INTO lost VALUES (1, 'x', 2)",
    )
    backup("jobs", *TABLES)
    verbs.run(database, *SPOILING)
    return database


@pytest.fixture
def killer(damaged: Database) -> Iterator[Killer]:
    with Killer() as started:
        yield started


def test_a_restore_killed_before_any_of_its_changes_is_put_right_by_the_next_call(
    damaged: Database, killer: Killer, next_calls: Callable[[int], Next]
) -> None:
    old, new = picture(damaged), _restored(damaged)
    for change in points(13):  # the number of calls does not divide it, so that each of them follows
        known = _ids()
        killed = killer.killed(change, RESTORE)
        assert _contents(picture(damaged)) in (_contents(old), _contents(new))
        accepted = False
        for restore_id in _ids() - known:  # there is none before its record is written
            _once_unlocked(next_calls(change), restore_id)
            if _state(restore_id) == "running":  # it had made nothing yet by which it could be found
                assert _schema(restore_id) not in " ".join(verbs.schemas(damaged))
                _once_unlocked(NEXT["recover"], restore_id)
            assert _state(restore_id) in ("failed", "done", "undone", "accepted")
            accepted = _state(restore_id) == "accepted"
        _put_back(damaged, old, new, accepted)
        if not killed:
            assert change > 20
            break


@in_ci
def test_an_undo_killed_before_any_of_its_changes_is_put_right_by_the_next_call(
    damaged: Database, killer: Killer, next_calls: Callable[[int], Next]
) -> None:
    old, new = picture(damaged), _restored(damaged)
    for change in points(13):
        restore_id = restore(tables=TABLES)["id"]
        killed = killer.killed(change, {"undo": restore_id})
        assert _contents(picture(damaged)) in (_contents(old), _contents(new))
        _once_unlocked(next_calls(change), restore_id)
        assert _state(restore_id) in ("done", "undone", "accepted")
        _put_back(damaged, old, new, accepted=_state(restore_id) == "accepted")
        if not killed:
            assert change > 10
            break


@in_ci
def test_an_accept_killed_before_any_of_its_changes_is_put_right_by_the_next_call(
    damaged: Database, killer: Killer, next_calls: Callable[[int], Next]
) -> None:
    restore_id = restore(tables=TABLES)["id"]
    for change in points(7):
        before = picture(damaged).tables
        killed = killer.killed(change, {"accept": restore_id})
        assert picture(damaged).tables == before
        _once_unlocked(next_calls(change), restore_id)
        if _state(restore_id) == "accepted":
            assert _schema(restore_id) not in " ".join(verbs.schemas(damaged))
        if not killed:
            assert change > 2
            break
        restore_id = restore(tables=TABLES)["id"]


def _restored(database: Database) -> Picture:
    """What a restore makes, which is undone and accepted."""
    old = picture(database)
    restore_id = restore(tables=TABLES)["id"]
    found = picture(database)
    for verb in ("undo", "accept"):
        assert post(f"/restores/{restore_id}/{verb}").status == 200
    assert picture(database) == old
    return found


def _contents(found: Picture) -> dict[str, object]:
    """What the tables hold, of those that are there."""
    return {name: found.tables[name].checksum for name in TABLES if name in found.tables}


def _ids() -> set[str]:
    return {found["id"] for found in get("/restores").json["restores"] if found["state"] != "planned"}


def _state(restore_id: str) -> str:
    return str(get(f"/restores/{restore_id}").json["state"])


def _schema(restore_id: str) -> str:
    return restore_id.lower().replace("-", "_")


def _once_unlocked(call: Next, restore_id: str) -> None:
    """Make the call once the server has noticed that the killed process is gone."""

    def through() -> bool:
        answer = call(restore_id)
        if isinstance(answer, dict):
            return not answer["busy"]
        assert answer.status in (200, 201, 409), answer.text
        return "is going on" not in answer.text

    assert until(through)


def _put_back(database: Database, old: Picture, new: Picture, accepted: bool) -> None:
    """Undo and accept what is done, the newest first: then all is as it was, or, after an accept, as it was restored."""
    for found in get("/restores").json["restores"]:
        path = f"/restores/{found['id']}"
        if found["state"] == "done":
            assert len(found["tables"]) == 1 or picture(database).tables == new.tables
            assert post(f"{path}/undo").status == 200
        if found["kept"]:
            assert post(f"{path}/accept").status == 200
    for name, column in (("departments", "department_id"), ("jobs", "job_id")):
        with pytest.raises(Exception, match="foreign key"):
            verbs.run(database, f"DELETE FROM {name} WHERE id = 1")
        with pytest.raises(Exception, match="foreign key"):
            verbs.run(database, f"UPDATE hired_employees SET {column} = 99 WHERE id = 1")
    if accepted and picture(database).tables == new.tables:
        verbs.run(database, *SPOILING)
    assert picture(database) == old
