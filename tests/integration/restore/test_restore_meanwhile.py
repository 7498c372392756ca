"""What a user does to the tables while a restore builds, and before it is undone: what is there at the swap comes back."""

import contextlib
from collections.abc import Callable
from typing import Any

import pytest

from tableferry.backup import snapshot
from tableferry.mysql import session
from tableferry.mysql.session import AtMost, Mode
from tableferry.restore import exchange, record
from tableferry.restore.build import shadow
from tests.effort import in_ci, sample
from tests.integration.restore.test_restore_around import admins
from tests.support import verbs
from tests.support.parts import Database
from tests.support.verbs import backup, get, load_sample, numbers, picture, post, restore, rows, run, table

TRIGGER = "CREATE TRIGGER {} BEFORE INSERT ON {} FOR EACH ROW SET @a = 1"


@pytest.fixture
def loaded(database: Database, bucket: str) -> Database:
    """A backup of the jobs, and other rows in them since."""
    load_sample(database)
    backup("jobs", "hired_employees")
    run(database, "UPDATE jobs SET job = 'spoilt'")
    return database


@pytest.fixture
def meanwhile(loaded: Database, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Have statements run once before, or right after, the function of a module is called."""

    def at(module: Any, name: str, *statements: str, after: bool = False) -> None:
        real, left = getattr(module, name), [statements]

        def called(*given: Any, **more: Any) -> Any:
            if left and not after:
                run(loaded, *left.pop())
            result = real(*given, **more)
            if left and after:
                run(loaded, *left.pop())
            return result

        monkeypatch.setattr(module, name, called)

    return at


KEY = "ALTER TABLE jobs ADD COLUMN d INT, ADD CONSTRAINT late FOREIGN KEY (d) REFERENCES departments (id)"
CHILD = "CREATE TABLE child (j INT, CONSTRAINT to_jobs FOREIGN KEY (j) REFERENCES jobs (id))"
MEANWHILE = {
    "trigger": TRIGGER.format("late", "jobs"),
    "foreign key": KEY,
    "column": "ALTER TABLE jobs ADD COLUMN more INT DEFAULT 7",
    "child": CHILD,
}


@pytest.mark.parametrize("what", MEANWHILE)
@pytest.mark.parametrize("when", ["while it builds", "after the last look"])
@sample(3)
def test_what_is_made_on_the_live_table_meanwhile_comes_back_with_undo(
    loaded: Database, meanwhile: Callable[..., None], what: str, when: str
) -> None:
    new = {"jobs", "child"} if what == "child" else {"jobs"}
    meanwhile(exchange, "swap_in" if when == "while it builds" else "trade", MEANWHILE[what])
    done = restore(tables=["jobs"])
    assert done["state"] == "done"
    assert verbs.rows(loaded, "SELECT DISTINCT job = 'spoilt' FROM jobs") == [(0,)]
    if what == "child":
        run(loaded, "INSERT INTO child VALUES (1)")
        with pytest.raises(Exception, match="foreign key"):
            run(loaded, "INSERT INTO child VALUES (99)")
    assert post(f"/restores/{done['id']}/undo").status == 200
    after = picture(loaded)
    assert new <= set(after.tables)
    found = after.tables["jobs"]
    assert verbs.rows(loaded, "SELECT DISTINCT job FROM jobs") == [("spoilt",)]
    assert [row[0] for row in found.triggers] == (["late"] if what == "trigger" else [])
    assert ("REFERENCES `departments`" in found.definition) == (what == "foreign key")
    assert ("`more`" in found.definition) == (what == "column")
    if what == "child":
        with pytest.raises(Exception, match="foreign key"):
            run(loaded, "INSERT INTO child VALUES (99)")
    assert post(f"/restores/{done['id']}/accept").status == 200


@pytest.mark.parametrize("where", ["the look", "the rename"])
def test_a_foreign_key_that_a_user_drops_or_alters_meanwhile_is_not_made_as_it_was(
    loaded: Database, meanwhile: Callable[..., None], where: str
) -> None:
    run(
        loaded,
        "CREATE TABLE child (j INT, CONSTRAINT to_jobs FOREIGN KEY (j) REFERENCES jobs (id))",
        "CREATE TABLE other (j INT, CONSTRAINT too FOREIGN KEY (j) REFERENCES jobs (id))",
        "ALTER TABLE jobs ADD COLUMN d INT, ADD CONSTRAINT own FOREIGN KEY (d) REFERENCES departments (id)",
    )
    meanwhile(
        exchange,
        "trade" if where == "the look" else "_catch_up",
        "ALTER TABLE child DROP FOREIGN KEY to_jobs",
        *(["ALTER TABLE jobs DROP FOREIGN KEY own"] if where == "the look" else []),
        "ALTER TABLE other DROP FOREIGN KEY too",
        "ALTER TABLE other ADD CONSTRAINT too FOREIGN KEY (j) REFERENCES jobs (id) ON DELETE CASCADE",
    )
    done = restore(tables=["jobs"])
    _follow_as_the_user_left_them(loaded)
    assert post(f"/restores/{done['id']}/undo").status == 200
    _follow_as_the_user_left_them(loaded)
    assert ("CONSTRAINT `own`" in table(loaded, "jobs").definition) == (where == "the rename")


def _follow_as_the_user_left_them(loaded: Database) -> None:
    tables = picture(loaded).tables
    assert "CONSTRAINT `to_jobs`" not in tables["child"].definition
    assert "REFERENCES `jobs` (`id`) ON DELETE CASCADE" in tables["other"].definition


@pytest.mark.parametrize("again", [False, True], ids=["dropped", "altered"])
def test_a_trigger_that_a_user_drops_or_alters_meanwhile_does_not_come_back_as_it_was(
    loaded: Database, meanwhile: Callable[..., None], again: bool
) -> None:
    run(loaded, TRIGGER.format("early", "jobs"))
    altered = TRIGGER.format("early", "jobs").replace("= 1", "= 2")
    meanwhile(exchange, "trade", "DROP TRIGGER early", *([altered] if again else []))
    done = restore(tables=["jobs"])
    assert table(loaded, "jobs").triggers == ()
    assert post(f"/restores/{done['id']}/undo").status == 200
    assert [(row[0], row[3]) for row in table(loaded, "jobs").triggers] == [("early", "SET @a = 2")] * again


@pytest.mark.parametrize("how", ["DROP TABLE hired_employees", "RENAME TABLE hired_employees TO moved"])
@pytest.mark.parametrize("when", ["swap_in", "trade"])
def test_a_live_table_that_is_dropped_or_renamed_meanwhile_is_no_error_of_ours(
    loaded: Database, meanwhile: Callable[..., None], how: str, when: str
) -> None:
    meanwhile(exchange, when, how)
    answer = post("/restores", {"tables": ["hired_employees"]})
    if "RENAME" in how:  # its foreign keys have the names of those that would come
        assert "'hired_employees_department'" in answer.problem(409)["detail"]
        assert "hired_employees" not in picture(loaded).tables
        return
    assert (answer.status, answer.json["tables"][0]["replaced"], answer.json["kept"]) == (201, False, None)
    assert len(numbers(loaded, "hired_employees")) == 40
    assert post(f"/restores/{answer.json['id']}/undo").status == 200
    assert "hired_employees" not in picture(loaded).tables


@pytest.mark.parametrize("when", ["swap_in", "trade"])
def test_a_live_table_that_is_made_meanwhile_is_kept(
    loaded: Database, meanwhile: Callable[..., None], when: str
) -> None:
    run(loaded, "DROP TABLE hired_employees")
    meanwhile(
        exchange, when, "CREATE TABLE hired_employees (id INT PRIMARY KEY)", "INSERT INTO hired_employees VALUES (5)"
    )
    done = restore(tables=["hired_employees"])
    assert done["tables"][0]["replaced"]
    assert post(f"/restores/{done['id']}/undo").status == 200
    assert numbers(loaded, "hired_employees") == [5]


def test_a_view_that_is_made_meanwhile_in_the_place_of_a_table_is_named(
    loaded: Database, meanwhile: Callable[..., None]
) -> None:
    run(loaded, "DROP TABLE hired_employees")
    admin = Database(loaded.name, loaded.admin_url, loaded.admin_url)
    real = exchange.swap_in

    def swap_in(*given: Any) -> Any:
        run(admin, "CREATE VIEW hired_employees AS SELECT 1 AS id")
        return real(*given)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(exchange, "swap_in", swap_in)
        assert (
            "view named 'hired_employees'" in post("/restores", {"tables": ["hired_employees"]}).problem(409)["detail"]
        )
    assert record.newest(verbs.store())[0].state == "failed"
    run(admin, "DROP VIEW hired_employees")


@pytest.mark.parametrize(
    "statements",
    [
        ("DROP TABLE hired_employees",),
        ("DROP TABLE hired_employees", "CREATE TABLE hired_employees (id INT PRIMARY KEY)"),
        ("ALTER TABLE hired_employees DROP FOREIGN KEY hired_employees_department, DROP FOREIGN KEY hired_employees_job",
         "RENAME TABLE hired_employees TO moved"),
        ("ALTER TABLE hired_employees ADD COLUMN later INT", TRIGGER.format("later", "hired_employees")),
    ],
)  # fmt: skip
@sample(1)
def test_undo_brings_the_old_table_back_whatever_was_done_to_the_restored_one(
    loaded: Database, statements: tuple[str, ...]
) -> None:
    run(loaded, "UPDATE hired_employees SET name = 'spoilt'", TRIGGER.format("old", "hired_employees"))
    before = table(loaded, "hired_employees")
    done = restore(tables=["hired_employees", "jobs"])
    run(loaded, *statements)
    undone = post(f"/restores/{done['id']}/undo")
    assert (undone.status, undone.json["state"]) == (200, "undone")
    assert table(loaded, "hired_employees") == before
    gone = len(statements) == 1 or "RENAME" in statements[1]
    assert any("no table 'hired_employees' any more" in note for note in undone.json["notes"]) == gone
    if "later" in statements[0]:
        assert any("'later'" in note and f"restores/{done['id']}.json" in note for note in undone.json["notes"])
        kept = record.find(verbs.store(), done["id"]).tables
        assert [one.name for found in kept for one in found.triggers_back] == ["later"]
    assert post(f"/restores/{done['id']}/accept").status == 200
    assert get(f"/restores/{done['id']}").json["kept"] is None


def test_a_restored_table_that_was_renamed_with_its_foreign_keys_is_named_and_undo_works_without_them(
    loaded: Database,
) -> None:
    before = table(loaded, "hired_employees")
    done = restore(tables=["hired_employees"])
    run(loaded, "RENAME TABLE hired_employees TO moved")
    detail = post(f"/restores/{done['id']}/undo").problem(409)["detail"]
    assert "'moved'" in detail
    assert get(f"/restores/{done['id']}").json == done
    run(loaded, "DROP TABLE moved")
    assert post(f"/restores/{done['id']}/undo").status == 200
    assert table(loaded, "hired_employees") == before


ORPHANS = (
    "SELECT h.id FROM hired_employees h LEFT JOIN departments d ON d.id = h.department_id"
    " LEFT JOIN jobs j ON j.id = h.job_id WHERE d.id IS NULL OR j.id IS NULL"
)


@pytest.mark.parametrize("when", ["trade", "settle"])
@pytest.mark.parametrize("allowed", [False, True])
def test_a_row_written_right_before_the_swap_whose_parent_goes_is_noted(
    loaded: Database, meanwhile: Callable[..., None], when: str, allowed: bool
) -> None:
    parent = "INSERT INTO jobs VALUES (77, 'new')"
    child = "UPDATE hired_employees SET job_id = 77 WHERE id = 3"
    if when == "settle":  # the foreign key is at the table put aside still
        run(loaded, parent)
        meanwhile(exchange, "settle", child)
    else:
        meanwhile(exchange, "trade", parent, child)
    answer = post("/restores", {"backup": "latest", "tables": ["jobs"], "allow_orphans": allowed})
    assert answer.status == 201
    assert [note for note in answer.json["notes"] if "77" in note and "'hired_employees'" in note]
    assert rows(loaded, ORPHANS) == [(3,)]
    undone = post(f"/restores/{answer.json['id']}/undo").json
    assert rows(loaded, ORPHANS) == []
    assert not [note for note in undone["notes"] if "'hired_employees'" in note]


def test_a_parent_deleted_right_before_an_undo_is_noted(loaded: Database, meanwhile: Callable[..., None]) -> None:
    done = restore(tables=["hired_employees"])
    run(loaded, "UPDATE hired_employees SET job_id = 1")
    meanwhile(exchange, "trade", "DELETE FROM jobs WHERE id = 7")
    undone = post(f"/restores/{done['id']}/undo").json
    assert undone["state"] == "undone"
    assert [note for note in undone["notes"] if "(7)" in note and "'hired_employees'" in note]
    assert rows(loaded, ORPHANS)


def test_a_parent_deleted_right_before_a_restored_child_gets_its_key_stops_the_restore(
    loaded: Database, meanwhile: Callable[..., None]
) -> None:
    run(loaded, "DELETE FROM hired_employees")
    meanwhile(shadow, "with_lock_retry", "DELETE FROM jobs WHERE id = 7")
    assert "(7)" in post("/restores", {"backup": "latest", "tables": ["hired_employees"]}).problem(409)["detail"]
    assert rows(loaded, "SELECT * FROM hired_employees") == []


def test_what_the_server_refuses_in_mid_swap_is_a_conflict_in_its_words(
    loaded: Database, meanwhile: Callable[..., None]
) -> None:
    run(loaded, "CREATE TABLE parent (id INT PRIMARY KEY)", "ALTER TABLE jobs ADD COLUMN d INT")
    run(loaded, "ALTER TABLE jobs ADD CONSTRAINT late FOREIGN KEY (d) REFERENCES parent (id)")
    done = restore(tables=["jobs"])
    before = table(loaded, "jobs")
    meanwhile(exchange, "trade", "ALTER TABLE parent MODIFY id BIGINT")
    detail = post(f"/restores/{done['id']}/undo").problem(409)["detail"]
    assert "foreign key constraint" in detail.lower()
    assert table(loaded, "jobs") == before
    assert get(f"/restores/{done['id']}").json == done


def test_a_kept_table_that_is_gone_is_said_and_nothing_is_changed(loaded: Database) -> None:
    done = restore(tables=["hired_employees", "jobs"])
    run(loaded, "SET foreign_key_checks = 0", f"DROP TABLE `{done['kept']}`.jobs")
    with verbs.unchanged(loaded):
        detail = post(f"/restores/{done['id']}/undo").problem(409)["detail"]
    assert "Table 'jobs'" in detail
    assert "'hired_employees' can be moved back" in detail
    assert get(f"/restores/{done['id']}").json == done
    assert post(f"/restores/{done['id']}/accept").json["state"] == "accepted"


def test_the_empty_schema_of_a_restore_may_be_gone_when_it_is_undone(loaded: Database) -> None:
    before = table(loaded, "jobs")
    run(loaded, "UPDATE jobs SET job = 'spoilt'")
    done = restore(tables=["jobs"])
    run(loaded, f"DROP DATABASE `{done['kept'].replace('_old_', '_')}`")
    assert post(f"/restores/{done['id']}/undo").status == 200
    assert table(loaded, "jobs") == before


def test_a_trigger_that_a_kept_table_was_given_is_named_and_once_it_is_dropped_undo_works(loaded: Database) -> None:
    done = restore(tables=["jobs"])
    trigger = f"`{done['kept']}`.late"
    run(admins(loaded), TRIGGER.format(trigger, f"`{done['kept']}`.jobs"))
    with verbs.unchanged(loaded):
        detail = post(f"/restores/{done['id']}/undo").problem(409)["detail"]
    assert f"SHOW TRIGGERS FROM `{done['kept']}`" in detail
    assert get(f"/restores/{done['id']}").json == done
    run(admins(loaded), f"DROP TRIGGER {trigger}")
    assert post(f"/restores/{done['id']}/undo").status == 200
    assert verbs.rows(loaded, "SELECT DISTINCT job FROM jobs") == [("spoilt",)]


@pytest.mark.parametrize("when", ["before the restore", "before its undoing"])
def test_a_table_that_became_one_without_transactions_is_replaced_and_put_back(
    database: Database, bucket: str, when: str
) -> None:
    run(database, "CREATE TABLE t (id INT PRIMARY KEY)", "INSERT INTO t VALUES (1)", TRIGGER.format("was", "t"))
    backup()
    change = ("ALTER TABLE t ENGINE = MyISAM", "INSERT INTO t VALUES (2)")
    if when == "before the restore":
        run(database, *change)
    old = table(database, "t")
    assert restore(dry_run=True)["plan"]["problems"] == []
    done = restore()
    assert numbers(database, "t") == [1]
    if when == "before its undoing":
        run(database, *change)
    assert post(f"/restores/{done['id']}/undo").json["state"] == "undone"
    assert table(database, "t") == old


@in_ci
@pytest.mark.parametrize("locked", ["jobs", "hired_employees"])
@sample(1)
def test_tables_that_others_have_locked_are_said_to_be_in_use_and_not_waited_for_without_end(
    loaded: Database, monkeypatch: pytest.MonkeyPatch, locked: str
) -> None:
    done = restore(tables=["jobs"])
    with contextlib.closing(loaded.connect()) as busy, busy.cursor() as cursor, monkeypatch.context() as impatient:
        impatient.setattr("tableferry.mysql.retry._LOCK_TRIES", 1)
        impatient.setitem(snapshot._IMPATIENT, "lock_wait_timeout", 1)
        impatient.setitem(session._OF_MODE[Mode.FAITHFUL], "lock_wait_timeout", AtMost(1))
        cursor.execute(f"LOCK TABLES {locked} WRITE")
        for wanted in ({"dry_run": True}, {}):
            answer = post("/restores", {"backup": "latest", "tables": ["jobs"], **wanted})
            assert answer.problem(409)["type"].endswith(":in-use")
        assert post(f"/restores/{done['id']}/undo").problem(409)["type"].endswith(":in-use")
        post("/backups", {"tables": [locked]}).problem(409)
    assert post(f"/restores/{done['id']}/undo").json["state"] == "undone"
