"""What stands around a table that is restored and stays: names, views, grants, definers, keys of a ring half restored."""

import uuid
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pymysql
import pytest

from local.runtime.database import grants
from tableferry.ledger import facts
from tests.support import verbs
from tests.support.parts import Database, connect, not_applicable
from tests.support.verbs import Picture, backup, get, load_sample, picture, post, restore, run, table


@pytest.fixture
def loaded(database: Database, bucket: str) -> Database:
    load_sample(database)
    return database


def admins(database: Database) -> Database:
    """The database as an administrator sees it."""
    return Database(database.name, database.admin_url, database.admin_url)


@pytest.fixture
def somebody(database: Database) -> Iterator[str]:
    """A user of the server's with no privilege, by name and password."""
    name = f"u_{uuid.uuid4().hex[:10]}"
    run(admins(database), f"CREATE USER '{name}'@'%' IDENTIFIED BY '{name}'")
    yield name
    run(admins(database), f"DROP USER '{name}'@'%'")


def as_user(database: Database, name: str) -> Database:
    place = database.admin_url.rpartition("@")[2]
    url = f"mysql://{name}:{name}@{place}"
    return Database(database.name, url, database.admin_url)


def there_and_back(database: Database, *tables: str, look: Any = picture) -> tuple[Any, Any, Any, str]:
    """What ``look`` sees before a restore, after it, and after its undoing, which is accepted; and the restore's id."""
    before = look(database)
    restore_id = restore(tables=list(tables))["id"]
    restored = look(database)
    assert post(f"/restores/{restore_id}/undo").status == 200
    undone = look(database)
    assert post(f"/restores/{restore_id}/accept").status == 200
    return before, restored, undone, restore_id


def test_names_of_constraints_and_checks_come_back_as_they_were(loaded: Database) -> None:
    run(
        loaded,
        f"CREATE TABLE named (id INT PRIMARY KEY, v INT, d INT, CONSTRAINT {'n' * 64} CHECK (v > 0), CHECK (v < 9),"
        f" CONSTRAINT {'u' * 64} UNIQUE (v), CONSTRAINT {'f' * 64} FOREIGN KEY (d) REFERENCES departments (id))",
        "INSERT INTO named VALUES (1, 1, 1)",
    )
    backup("named", "departments")
    made = table(loaded, "named")
    run(loaded, "ALTER TABLE named ADD COLUMN late INT", "UPDATE named SET v = 2")
    before, restored, undone, _ = there_and_back(loaded, "named", "departments")
    assert restored.tables["named"] == made
    assert undone.tables == before.tables
    assert picture(loaded) == before
    for statement in ("UPDATE named SET v = 0", "UPDATE named SET d = 99"):
        with pytest.raises(pymysql.err.MySQLError):
            run(loaded, statement)


def test_of_a_ring_of_keys_one_table_comes_back_and_all_keys_hold(database: Database, bucket: str) -> None:
    run(
        database,
        "CREATE TABLE a (id INT PRIMARY KEY, up INT, b INT, CONSTRAINT up FOREIGN KEY (up) REFERENCES a (id))",
        "CREATE TABLE b (id INT PRIMARY KEY, a INT, CONSTRAINT to_a FOREIGN KEY (a) REFERENCES a (id) ON DELETE SET NULL)",
        "ALTER TABLE a ADD CONSTRAINT to_b FOREIGN KEY (b) REFERENCES b (id)",
        "INSERT INTO a VALUES (1, NULL, NULL), (2, 1, NULL)",
        "INSERT INTO b VALUES (1, 2)",
        "UPDATE a SET b = 1",
    )
    backup("a")
    made = table(database, "a")
    run(database, "INSERT INTO a VALUES (3, 2, 1)")

    def hold(_: Database) -> Picture:
        for statement in (
            "UPDATE a SET up = 9",
            "UPDATE a SET b = 9",
            "UPDATE b SET a = 9",
            "DELETE FROM a WHERE id = 1",
        ):
            with pytest.raises(pymysql.err.IntegrityError, match="foreign key"):
                run(database, statement)
        return picture(database)

    before, restored, undone, _ = there_and_back(database, "a", look=hold)
    assert (restored.tables["a"], restored.tables["b"]) == (made, before.tables["b"])
    assert undone.tables == before.tables
    assert picture(database) == before


def test_views_over_a_table_show_the_restored_rows_and_after_undo_the_old_ones(loaded: Database) -> None:
    backup("jobs")
    run(
        admins(loaded),
        "CREATE VIEW names AS SELECT job FROM jobs WHERE id = 1",
        "CREATE VIEW hired AS SELECT e.name, j.job FROM hired_employees e JOIN names j WHERE e.job_id = 1",
        "UPDATE jobs SET job = 'spoilt'",
    )

    def look(_: Database) -> tuple[Any, ...]:
        there = admins(loaded)
        shown = [verbs.rows(there, f"SELECT DISTINCT job FROM {view}") for view in ("names", "hired")]
        return shown, verbs.rows(there, "SHOW CREATE VIEW hired")

    (old, definition), (new, same), undone, _ = there_and_back(loaded, "jobs", look=look)
    assert (old, new, same) == ([[("spoilt",)]] * 2, [[("Job 1",)]] * 2, definition)
    assert undone == (old, definition)


def test_notes_of_a_restore_on_views_and_orphans_are_not_said_any_more_once_it_is_undone(loaded: Database) -> None:
    backup("departments")
    run(
        loaded,
        "ALTER TABLE departments ADD extra INT",
        "INSERT INTO departments (id, department) VALUES (77, 'new')",
        "UPDATE hired_employees SET department_id = 77 WHERE id = 3",
    )
    run(admins(loaded), "CREATE VIEW extras AS SELECT extra FROM departments")
    done = restore(allow_orphans=True)
    assert ["no parent" in note or "'extras'" in note for note in done["notes"]] == [True, True]
    undone = post(f"/restores/{done['id']}/undo").json
    assert undone["notes"] == [f"What was restored, and written since, is in the schema {undone['kept']} until accept."]
    assert len(verbs.rows(admins(loaded), "SELECT extra FROM extras")) == 6


@pytest.mark.parametrize("restored", ["departments", "hired_employees"])
def test_an_undo_that_rows_without_a_parent_stop_says_where_they_are_and_works_once_they_are_mended(
    loaded: Database, restored: str
) -> None:
    backup(restored)
    if restored == "departments":
        run(loaded, "UPDATE hired_employees SET department_id = 1", "DELETE FROM departments WHERE id = 2")
    done = restore()
    if restored == "departments":
        change, where = "UPDATE {} SET department_id = 2 WHERE id = 1", loaded.name
        mend = "UPDATE {} SET department_id = 1"
    else:
        change, where = "DELETE FROM {} WHERE department_id = 2", done["kept"]
        mend = change
    run(loaded, change.format("hired_employees"))
    if restored == "hired_employees":
        run(loaded, "DELETE FROM departments WHERE id = 2")
    detail = post(f"/restores/{done['id']}/undo").problem(409)["detail"]
    assert "department_id = (2)" in detail
    assert f"in the schema {where}," in detail
    assert "allow_orphans" not in detail
    run(admins(loaded), mend.format(f"`{where}`.hired_employees"))
    assert post(f"/restores/{done['id']}/undo").json["state"] == "undone"


def test_grants_on_a_table_and_on_its_columns_stay(loaded: Database, somebody: str) -> None:
    backup("jobs", "departments")
    run(
        admins(loaded),
        f"GRANT SELECT ON `{loaded.name}`.jobs TO '{somebody}'@'%'",
        f"GRANT SELECT (id), UPDATE (department) ON `{loaded.name}`.departments TO '{somebody}'@'%'",
    )
    theirs = as_user(loaded, somebody)

    def look(_: Database) -> tuple[Any, ...]:
        with pytest.raises(pymysql.err.OperationalError, match="denied"):
            verbs.rows(theirs, "SELECT department FROM departments")
        run(theirs, "UPDATE departments SET department = 'theirs'")
        ids = [verbs.numbers(theirs, name) for name in ("jobs", "departments")]
        return ids, set(verbs.rows(admins(loaded), f"SHOW GRANTS FOR '{somebody}'@'%'"))

    before, restored, undone, _ = there_and_back(loaded, "jobs", "departments", look=look)
    assert before == restored == undone


@pytest.mark.parametrize("may", [False, True])
def test_a_trigger_keeps_its_definer_where_that_may_be_set_and_else_it_is_said(
    loaded: Database, somebody: str, monkeypatch: pytest.MonkeyPatch, may: bool
) -> None:
    there = admins(loaded)
    mariadb = loaded.mariadb
    ours = f"u_{uuid.uuid4().hex[:10]}"
    run(there, f"CREATE USER '{ours}'@'%' IDENTIFIED BY '{ours}'", *grants(loaded.name, f"'{ours}'@'%'"))
    try:
        if may:
            run(there, f"GRANT {'SET USER' if mariadb else 'SET_ANY_DEFINER'} ON *.* TO '{ours}'@'%'")
        run(there, f"GRANT TRIGGER ON `{loaded.name}`.* TO '{somebody}'@'%'")
        monkeypatch.setenv("DATABASE_URL", as_user(loaded, ours).url)
        trigger = "CREATE DEFINER = '{}'@'%' TRIGGER {} BEFORE INSERT ON jobs FOR EACH ROW SET @a = 1"
        run(there, trigger.format(somebody, "theirs"), trigger.format(ours, "ours"))
        backup("jobs")
        before, restored, undone, restore_id = there_and_back(loaded, "jobs")
        notes = get(f"/restores/{restore_id}").json["notes"]
        definers = [row[4] for row in restored.tables["jobs"].triggers]
        assert definers == [f"{ours}@%", f"{somebody if may else ours}@%"]
        assert [("`theirs`" in note) for note in notes if "runs as" in note] == ([] if may else [True])
        if may:
            assert undone.tables == before.tables
        assert undone.schemas == restored.schemas
    finally:
        run(there, f"DROP USER '{ours}'@'%'")


def test_after_accept_the_server_has_no_schema_of_ours_and_no_table_but_that_of_epochs(loaded: Database) -> None:
    def everything() -> set[Any]:
        with closing(connect(loaded.admin_url)) as admin, admin.cursor() as cursor:
            cursor.execute(
                "SELECT table_schema, table_name FROM information_schema.tables WHERE table_schema = %s"
                " OR table_schema LIKE 'tableferry\\_%%'",
                (loaded.name,),
            )
            return set(cursor.fetchall())

    before = everything()
    backup()
    ids = [restore()["id"], restore(into={"jobs": "beside"}, tables=["jobs"])["id"]]
    restore(tables=["jobs"], dry_run=True)
    assert everything() - before
    for restore_id in ids:
        assert post(f"/restores/{restore_id}/accept").status == 200
    assert everything() - before == {(loaded.name, "beside"), (loaded.name, facts.TABLE)}


def test_triggers_that_use_other_tables_come_back_and_those_that_use_none_that_is_there(loaded: Database) -> None:
    run(
        loaded,
        "CREATE TABLE audit (job VARCHAR(100))",
        "CREATE TRIGGER audits AFTER INSERT ON jobs FOR EACH ROW INSERT INTO audit VALUES (NEW.job)",
        "CREATE TRIGGER broken AFTER DELETE ON jobs FOR EACH ROW INSERT INTO nowhere VALUES (OLD.job)",
    )
    backup("jobs")
    made = table(loaded, "jobs")
    run(loaded, "DROP TRIGGER audits", "UPDATE jobs SET job = 'spoilt'")
    before, restored, undone, _ = there_and_back(loaded, "jobs")
    assert (restored.tables["jobs"], undone.tables) == (made, before.tables)
    run(loaded, "DROP TRIGGER broken")
    done = restore(tables=["jobs"])
    run(loaded, "INSERT INTO jobs VALUES (70, 'seen')")
    assert verbs.rows(loaded, "SELECT job FROM audit") == [("seen",)]
    assert done["notes"] == []


def test_foreign_keys_of_a_system_versioned_table_and_to_one_hold_after_restore_and_undo(loaded: Database) -> None:
    if not loaded.mariadb:
        not_applicable("no system-versioned tables")
    run(
        loaded,
        "CREATE TABLE child (j INT, CONSTRAINT of_child FOREIGN KEY (j) REFERENCES jobs (id)) WITH SYSTEM VERSIONING",
        "CREATE TABLE parent (id INT PRIMARY KEY) WITH SYSTEM VERSIONING",
        "CREATE TABLE between_ (p INT, CONSTRAINT to_parent FOREIGN KEY (p) REFERENCES parent (id))",
        "INSERT INTO child VALUES (1)",
        "INSERT INTO parent VALUES (1)",
        "INSERT INTO between_ VALUES (1)",
    )

    def keys(database: Database) -> Any:
        return verbs.rows(
            database,
            "SELECT constraint_name, referenced_table_schema, referenced_table_name FROM"
            " information_schema.key_column_usage WHERE table_schema = DATABASE() AND table_name IN ('child', 'between_')"
            " AND referenced_table_name IS NOT NULL ORDER BY 1",
        )

    backup("jobs", "between_")
    before, restored, undone, restore_id = there_and_back(loaded, "jobs", "between_", look=keys)
    assert before == restored == undone == [("of_child", loaded.name, "jobs"), ("to_parent", loaded.name, "parent")]
    assert not any("not there" in note for note in get(f"/restores/{restore_id}").json["notes"])
    run(loaded, "INSERT INTO jobs VALUES (77, 'new')", "UPDATE child SET j = 77")
    plan = restore(tables=["jobs"], dry_run=True)["plan"]
    assert [(one["code"], one["table"]) for one in plan["problems"]] == [("orphans", "child")]
    post("/restores", {"tables": ["jobs"]}).problem(409)
