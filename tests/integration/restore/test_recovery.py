"""What becomes of restores that died, and of tables that were kept for long: by a schedule, and by whoever comes next."""

import contextlib
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from functions.restore import app
from tableferry.restore import record
from tests.effort import in_ci, sample
from tests.support import verbs
from tests.support.killed import Killer
from tests.support.lambdas import Json, invoke
from tests.support.parts import Database, connect, until
from tests.support.verbs import backup, get, load_sample, numbers, picture, post, restore, run, table

TRIGGER = "CREATE TRIGGER {} BEFORE INSERT ON {} FOR EACH ROW SET @a = 1"


@pytest.fixture
def loaded(database: Database, bucket: str) -> Database:
    load_sample(database)
    return database


@pytest.fixture
def killer(loaded: Database) -> Iterator[Killer]:
    with Killer() as started:
        yield started


def recover() -> Json:
    """What a schedule's call answers, once the server has noticed that a killed process is gone."""
    answers: list[Any] = []

    def through() -> bool:
        answers.append(invoke(app.handler, {"action": "recover"}))
        return not answers[-1]["busy"]

    assert until(through)
    return dict(answers[-1])


def killed_in_its_swap(killer: Killer, *tables: str, after_rename: bool) -> str:
    """The id of a restore that was killed before it dropped a trigger, or after its rename."""
    before, since = (2, "RENAME TABLE") if after_rename else (1, "DROP TRIGGER")
    assert killer.killed(before, {"action": "restore", "tables": list(tables)}, since)
    found = get("/restores").json["restores"][0]
    assert found["state"] == "swapping"
    assert (tables[0] in kept_by(str(found["id"]))) == after_rename
    return str(found["id"])


def kept_by(restore_id: str) -> set[str]:
    """The tables that a restore has put aside."""
    with contextlib.closing(connect(os.environ["DATABASE_URL"])) as connection, connection.cursor() as cursor:
        schema = f"tableferry_old_{restore_id.lower().replace('-', '_')}"
        cursor.execute("SELECT table_name FROM information_schema.tables WHERE table_schema = %s", (schema,))
        return {str(name) for (name,) in cursor.fetchall()}


def test_a_scheduled_call_finishes_what_died_and_says_so(loaded: Database, killer: Killer) -> None:
    backup("jobs")
    before = picture(loaded)
    seen = set()
    for change in range(1, 6):
        assert killer.killed(change, {"action": "restore", "tables": ["jobs"]})
        answer = recover()
        seen |= {found["id"] for found in answer["finished"]}
        assert {found["state"] for found in answer["finished"]} <= {"failed"}
        assert picture(loaded) == before
    assert {found["id"] for found in get("/restores").json["restores"]} == seen
    assert seen
    assert recover() == {
        "database": loaded.name,
        "busy": False,
        "finished": [],
        "expired": [],
        "stuck": [],
        "forgotten": 0,
    }


def test_kept_tables_stay_until_accept_unless_a_setting_says_how_long(
    loaded: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup("jobs")
    before = picture(loaded)
    old, young = (restore()["id"] for _ in range(2))
    found = record.find(verbs.store(), old)
    record.save(verbs.store(), found.model_copy(update={"finished": datetime.now(UTC) - timedelta(days=8)}))
    with verbs.unchanged(loaded):
        assert recover()["expired"] == []
        monkeypatch.setenv("KEEP_OLD_DAYS", "9")
        assert recover()["expired"] == []
    monkeypatch.setenv("KEEP_OLD_DAYS", "7")
    assert recover()["expired"] == [{"id": old, "state": "accepted", "stuck": None}]
    assert [get(f"/restores/{found}").json["state"] for found in (old, young)] == ["accepted", "done"]
    assert post(f"/restores/{old}/undo").status == 409
    assert post(f"/restores/{young}/accept").status == 200
    assert picture(loaded) == before


@in_ci
@pytest.mark.parametrize("next_call", ["undo", "accept"])
@sample(1)
def test_copies_that_a_killed_undo_had_made_to_try_keys_on_are_in_nobodys_way(
    loaded: Database, killer: Killer, next_call: str
) -> None:
    backup("departments")
    before = picture(loaded)
    restore_id = restore()["id"]
    shadow = f"tableferry_{restore_id.lower().replace('-', '_')}"
    copies = "SELECT table_name FROM information_schema.tables WHERE table_schema = %s AND table_name LIKE %s"
    for change in range(1, 20):
        assert killer.killed(change, {"undo": restore_id})
        if len(verbs.rows(loaded, copies, shadow, "tableferry\\_copy\\_%")) == 2:
            break
        recover()
    assert until(lambda: not recover()["busy"])
    assert post(f"/restores/{restore_id}/{next_call}").status == 200
    assert verbs.rows(loaded, copies, shadow, "tableferry\\_copy\\_%") == []
    if next_call == "undo":
        assert post(f"/restores/{restore_id}/accept").status == 200
    assert picture(loaded) == before


def test_a_scheduled_call_does_not_fail_while_a_restore_is_going_on(
    loaded: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tableferry.restore.recovery._locked", lambda *_: False)
    assert invoke(app.handler, {"action": "recover"})["busy"]
    assert "going on" in post(f"/restores/{'20200101T000000Z-00000000'}/undo").problem(409)["detail"]


def test_a_swap_that_died_and_cannot_be_finished_is_taken_back_and_keeps_what_was_written(
    loaded: Database, killer: Killer
) -> None:
    run(loaded, TRIGGER.format("was", "jobs"))
    backup("jobs")
    run(loaded, "DROP TRIGGER was", TRIGGER.format("now", "jobs"), "UPDATE jobs SET job = 'spoilt'")
    old = table(loaded, "jobs")
    restore_id = killed_in_its_swap(killer, "jobs", after_rename=True)
    run(loaded, "DROP TRIGGER IF EXISTS was", TRIGGER.format("was", "departments"), "INSERT INTO jobs VALUES (50, 'x')")
    [finished] = recover()["finished"]
    assert (finished["id"], finished["state"]) == (restore_id, "undone")
    assert table(loaded, "jobs") == old
    shown = get(f"/restores/{restore_id}").json
    assert any("'was'" in note and "put back" in note for note in shown["notes"])
    assert verbs.rows(loaded, f"SELECT job FROM `{shown['kept']}`.jobs WHERE id = 50") == [("x",)]
    assert post(f"/restores/{restore_id}/accept").status == 200


@in_ci
@pytest.mark.parametrize("after_rename", [False, True])
@sample(1)
def test_a_dead_swap_that_can_go_neither_way_stops_its_own_tables_only_and_says_what_to_do(
    loaded: Database, killer: Killer, after_rename: bool
) -> None:
    run(loaded, TRIGGER.format("mine", "jobs"))
    backup("jobs", "departments")
    run(loaded, "UPDATE jobs SET job = 'spoilt'")
    old = table(loaded, "jobs")
    restore_id = killed_in_its_swap(killer, "jobs", after_rename=after_rename)
    run(loaded, "DROP TRIGGER IF EXISTS mine", TRIGGER.format("mine", "departments"))

    [stuck] = recover()["stuck"]
    assert stuck["id"] == restore_id
    assert "'mine'" in get(f"/restores/{restore_id}").json["notes"][-1]
    with verbs.unchanged(loaded):
        for path, body in (
            ("/restores", {"tables": ["jobs"]}),
            (f"/restores/{restore_id}/undo", None),
            (f"/restores/{restore_id}/accept", None),
        ):
            detail = post(path, body).problem(409)["detail"]
            assert "'mine'" in detail
            assert "Drop that one" in detail
    other = restore(tables=["departments"], into={"departments": "beside"})
    assert (other["state"], len(numbers(loaded, "beside"))) == ("done", 5)

    run(loaded, "DROP TRIGGER mine")
    [finished] = recover()["finished"]
    assert finished["state"] == ("done" if after_rename else "failed")
    if after_rename:
        assert post(f"/restores/{restore_id}/undo").status == 200
    assert table(loaded, "jobs") == old
    assert not any("'mine'" in note for note in get(f"/restores/{restore_id}").json["notes"])
    assert restore(tables=["jobs"])["state"] == "done"


def test_accept_does_not_wait_for_ever_for_somebody_who_reads_an_old_table(
    loaded: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup("jobs")
    before = picture(loaded)
    done = restore()
    with (
        loaded.connect(autocommit=False) as reader,
        reader.cursor() as cursor,
        monkeypatch.context() as impatient,
    ):
        impatient.setattr("tableferry.mysql.retry._LOCK_TRIES", 1)
        impatient.setattr("tableferry.mysql.retry._LOCK_WAIT_SECONDS", 1)
        cursor.execute(f"SELECT * FROM `{done['kept']}`.jobs")
        accepted = post(f"/restores/{done['id']}/accept")
        assert (accepted.status, accepted.json["state"]) == (200, "accepted")
        assert "Somebody reads" in accepted.json["notes"][-1]
        assert recover()["stuck"] == []
    recover()
    assert picture(loaded) == before


@in_ci
def test_a_child_that_was_dropped_since_does_not_keep_a_dead_swap_from_being_finished(
    loaded: Database, killer: Killer
) -> None:
    run(loaded, TRIGGER.format("mine", "departments"))
    backup("departments")
    old = table(loaded, "departments")
    restore_id = killed_in_its_swap(killer, "departments", after_rename=True)
    run(loaded, "DROP TABLE hired_employees")
    [finished] = recover()["finished"]
    assert (finished["id"], finished["state"]) == (restore_id, "done")
    assert post(f"/restores/{restore_id}/undo").status == 200
    assert table(loaded, "departments") == old
