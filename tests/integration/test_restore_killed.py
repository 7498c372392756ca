"""A restore that is killed, before any of its changes: tables wholly old or wholly new, and put right by the next call."""

import itertools
from collections.abc import Iterator

import pytest

from tests.integration import verbs
from tests.integration.killed import Killer
from tests.integration.lambdas import Answer
from tests.integration.verbs import Picture, TableState, backup, get, load_sample, picture, post, restore, table
from tests.support import Database, until

TRIGGER = (
    "CREATE TRIGGER {} BEFORE INSERT ON departments FOR EACH ROW SET NEW.department = CONCAT('{} ', NEW.department)"
)


@pytest.fixture
def damaged(database: Database, bucket: str) -> Database:
    """A backup of the departments, and other departments with another trigger since."""
    load_sample(database)
    verbs.run(database, TRIGGER.format("was", "was"))
    backup("departments")
    verbs.run(database, "DROP TRIGGER was", TRIGGER.format("now", "now"), "UPDATE departments SET department = 'lost'")
    return database


@pytest.fixture
def killer(damaged: Database) -> Iterator[Killer]:
    with Killer() as started:
        yield started


def test_a_restore_killed_before_any_of_its_changes_is_put_right_by_the_next_call(
    damaged: Database, killer: Killer
) -> None:
    old = picture(damaged)
    contents = {old.tables["departments"].checksum, _restored(damaged).checksum}
    assert len(contents) == 2
    for change in itertools.count(1):
        known = _ids()
        killed = killer.killed(change, {"action": "restore", "tables": ["departments"]})
        assert table(damaged, "departments").checksum in contents
        for restore_id in _ids() - known:
            answer = _next_call(f"/restores/{restore_id}/undo")
            assert answer.status in (200, 409), answer.text
            if answer.status == 200:
                assert post(f"/restores/{restore_id}/accept").status == 200
            assert get(f"/restores/{restore_id}").json["state"] in ("failed", "accepted")
        _as_it_was(damaged, old)
        if not killed:
            assert change > 10
            break


def test_an_undo_killed_before_any_of_its_changes_is_put_right_by_the_next_call(
    damaged: Database, killer: Killer
) -> None:
    old = picture(damaged)
    for change in itertools.count(1):
        restore_id = restore(tables=["departments"])["id"]
        contents = {old.tables["departments"].checksum, table(damaged, "departments").checksum}
        killed = killer.killed(change, {"undo": restore_id})
        assert table(damaged, "departments").checksum in contents
        assert _next_call(f"/restores/{restore_id}/undo").status in (200, 409)
        assert get(f"/restores/{restore_id}").json["state"] == "undone"
        assert post(f"/restores/{restore_id}/accept").status == 200
        _as_it_was(damaged, old)
        if not killed:
            assert change > 5
            break


def _restored(database: Database) -> TableState:
    """What the departments are after a restore, which is undone and accepted."""
    restore_id = restore(tables=["departments"])["id"]
    found = table(database, "departments")
    for verb in ("undo", "accept"):
        assert post(f"/restores/{restore_id}/{verb}").status == 200
    return found


def _ids() -> set[str]:
    return {found["id"] for found in get("/restores").json["restores"]}


def _next_call(path: str) -> Answer:
    """The answer once the server has noticed that the killed process is gone."""
    answers: list[Answer] = []

    def through() -> bool:
        answers.append(post(path))
        return "is going on" not in answers[-1].text

    assert until(through, 10)
    return answers[-1]


def _as_it_was(database: Database, old: Picture) -> None:
    assert picture(database) == old
    with pytest.raises(Exception, match="foreign key"):
        verbs.run(database, "DELETE FROM departments WHERE id = 1")
    with pytest.raises(Exception, match="foreign key"):
        verbs.run(database, "UPDATE hired_employees SET department_id = 99 WHERE id = 1")
