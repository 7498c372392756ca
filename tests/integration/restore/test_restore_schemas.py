"""Foreign keys between databases: both ways, in a circle, of tables that the database user cannot see."""

import uuid
from collections.abc import Iterator

import pytest

from tests.support import verbs
from tests.support.parts import Database
from tests.support.verbs import backup, get, load_sample, numbers, post, restore, run, table

RING = "CREATE TABLE `{0}`.ring (id INT PRIMARY KEY, other INT, KEY (other))"
KEY = "ALTER TABLE `{0}`.ring ADD CONSTRAINT to_{2} FOREIGN KEY (other) REFERENCES `{1}`.ring (id)"


@pytest.fixture
def admin(database: Database, bucket: str) -> Database:
    return Database(database.name, database.admin_url, database.admin_url)


@pytest.fixture
def other(admin: Database) -> Iterator[str]:
    """Another database of the server, which the user of the tests may not see."""
    name = f"other_{uuid.uuid4().hex[:10]}"
    run(admin, f"CREATE DATABASE `{name}`")
    yield name
    run(admin, "SET foreign_key_checks = 0", f"DROP DATABASE `{name}`")


@pytest.fixture
def seen(database: Database, admin: Database, other: str) -> str:
    """The other database, with the same rights in it."""
    user, _, host = verbs.rows(database, "SELECT CURRENT_USER()")[0][0].rpartition("@")
    escaped = other.replace("_", r"\_")
    run(
        admin,
        "GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, ALTER, REFERENCES, TRIGGER"
        f" ON `{escaped}`.* TO '{user}'@'{host}'",
    )
    return other


@pytest.mark.parametrize("trigger", [False, True])
def test_tables_of_two_databases_that_point_at_each_other_come_back_one_after_the_other(
    database: Database, admin: Database, seen: str, monkeypatch: pytest.MonkeyPatch, trigger: bool
) -> None:
    here, there = database, Database(seen, database.url.rpartition("/")[0] + f"/{seen}", database.admin_url)
    run(admin, RING.format(here.name), RING.format(seen))
    run(admin, f"INSERT INTO `{here.name}`.ring VALUES (1, 1)", f"INSERT INTO `{seen}`.ring VALUES (1, 1)")
    run(admin, KEY.format(here.name, seen, "there"), KEY.format(seen, here.name, "here"))
    if trigger:
        run(here, "CREATE TRIGGER t BEFORE INSERT ON ring FOR EACH ROW SET @a = 1")
    made = {}
    for one in (here, there):
        monkeypatch.setenv("DATABASE_URL", one.url)
        made[one.name] = (backup("ring")["id"], table(one, "ring"))
    run(admin, "SET foreign_key_checks = 0", f"DROP TABLE `{here.name}`.ring", f"DROP TABLE `{seen}`.ring")

    monkeypatch.setenv("DATABASE_URL", here.url)
    first = restore(made[here.name][0])
    assert any("`" + seen + "`.`ring`" in note or seen in note for note in first["notes"])
    monkeypatch.setenv("DATABASE_URL", there.url)
    second = restore(made[there.name][0])
    assert second["notes"] == []
    for one in (here, there):
        assert table(one, "ring") == made[one.name][1]
        with pytest.raises(Exception, match="foreign key"):
            run(one, "UPDATE ring SET other = 99")
        with pytest.raises(Exception, match="foreign key"):
            run(one, "DELETE FROM ring")
    run(admin, f"INSERT INTO `{here.name}`.ring VALUES (2, 1)")
    run(admin, f"UPDATE `{seen}`.ring SET other = 2")
    monkeypatch.setenv("DATABASE_URL", here.url)
    assert "other = (2)" in post("/restores", {"backup": made[here.name][0]}).problem(409)["detail"]


def test_a_foreign_key_of_a_table_that_cannot_be_seen_keeps_the_table_that_it_points_at(
    database: Database, admin: Database, other: str
) -> None:
    load_sample(database)
    backup("jobs")
    run(database, "UPDATE jobs SET job = 'spoilt'")
    old = table(database, "jobs")
    run(
        admin,
        f"CREATE TABLE `{other}`.secret (j INT, CONSTRAINT unseen FOREIGN KEY (j) REFERENCES `{database.name}`.jobs (id))",
        f"INSERT INTO `{other}`.secret VALUES (1)",
    )
    done = restore()
    detail = post(f"/restores/{done['id']}/accept").problem(409)["detail"]
    assert "jobs" in detail
    assert "points at it" in detail
    assert get(f"/restores/{done['id']}").json == done
    assert post(f"/restores/{done['id']}/undo").status == 200
    assert table(database, "jobs") == old
    with pytest.raises(Exception, match="foreign key"):
        run(admin, f"INSERT INTO `{other}`.secret VALUES (99)")
    assert post(f"/restores/{done['id']}/accept").json["state"] == "undone"
    done = restore()
    run(admin, f"ALTER TABLE `{other}`.secret DROP FOREIGN KEY unseen")
    assert post(f"/restores/{done['id']}/accept").json["state"] == "accepted"
    assert len(numbers(database, "jobs")) == 7


def test_of_kept_tables_what_something_unseen_points_at_is_kept_and_said(
    database: Database, admin: Database, other: str
) -> None:
    load_sample(database)
    backup()
    run(
        admin,
        f"CREATE TABLE `{other}`.secret (j INT, CONSTRAINT unseen FOREIGN KEY (j) REFERENCES `{database.name}`.jobs (id))",
    )
    done = restore()
    answer = post(f"/restores/{done['id']}/accept")
    if not database.mariadb:  # where dropping a schema is all or nothing
        answer.problem(409)
        assert get(f"/restores/{done['id']}").json == done
        return
    assert (answer.status, answer.json["state"], answer.json["kept"]) == (200, "accepted", done["kept"])
    assert "foreign key of another table" in answer.json["notes"][-1]
    run(admin, f"DROP TABLE `{other}`.secret")
    again = post(f"/restores/{done['id']}/accept")
    assert (again.status, again.json["kept"], again.json["notes"]) == (200, None, [])
