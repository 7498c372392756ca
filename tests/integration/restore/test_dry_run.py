"""A dry run looks with the eyes of the restore: what one refuses, the other has said, word for word."""

import contextlib
import json
import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest

from tableferry.columnar import load_data
from tableferry.mysql import local_infile
from tableferry.restore import dry_run, record, recovery
from tableferry.restore.build import foreign_key_check, scratch_schema, shadow
from tableferry.storage import object_keys
from tests.effort import sample
from tests.integration.manifest.test_trust import signature
from tests.integration.restore.test_preflight import Admin, admin, loaded, refused, setting
from tests.support import verbs
from tests.support.lambdas import Json
from tests.support.parts import Database, connect, not_applicable
from tests.support.verbs import backup, get, post, restore, run

__all__ = ["admin", "loaded", "setting"]  # fixtures


def codes(problem: Json) -> list[tuple[str, str]]:
    return [(one["code"], one["table"]) for one in problem["errors"]]


def planned(**wanted: Any) -> Json:
    found: Json = restore(dry_run=True, **wanted)["plan"]
    return found


def test_rows_of_a_table_that_stays_which_would_lose_their_parent(loaded: Database) -> None:
    backup("departments")
    run(
        loaded,
        "INSERT INTO departments VALUES (77, 'new')",
        "UPDATE hired_employees SET department_id = 77 WHERE id = 3",
    )
    found = refused(loaded, tables=["departments"])
    assert codes(found) == [("orphans", "hired_employees")]
    assert "department_id = (77)" in found["detail"]
    with verbs.unchanged(loaded):
        allowed = restore(dry_run=True, tables=["departments"], allow_orphans=True)
    assert allowed["plan"]["problems"] == []
    assert ["department_id = (77)" in note for note in allowed["notes"]] == [True]


def test_rows_of_the_backup_whose_parents_are_gone_by_now(loaded: Database) -> None:
    backup("hired_employees")
    run(
        loaded,
        "DELETE FROM hired_employees",
        "DELETE FROM departments WHERE id = 2",
        "DELETE FROM jobs WHERE id IN (3, 4)",
    )
    found = refused(loaded)
    assert codes(found) == [("orphans", "hired_employees")] * 2
    assert "department_id = (2)" in found["detail"]
    assert "job_id = (3), (4)" in found["detail"]


@pytest.mark.parametrize(
    ("change", "key", "why"),
    [
        ("ADD code INT UNIQUE", "INT, CONSTRAINT k FOREIGN KEY (c) REFERENCES departments (code)", "no column 'code'"),
        (
            "MODIFY id BIGINT",
            "BIGINT, CONSTRAINT k FOREIGN KEY (c) REFERENCES departments (id)",
            "column 'c' is of type bigint",
        ),
        (
            "ADD UNIQUE KEY (department)",
            "VARCHAR(100) COLLATE utf8mb4_unicode_520_ci, CONSTRAINT k FOREIGN KEY (c) REFERENCES departments (department)",
            "no key that would do begins with 'department'",
        ),
        (
            "MODIFY department VARCHAR(100) CHARACTER SET latin1, ADD UNIQUE KEY (department)",
            "VARCHAR(100) CHARACTER SET latin1, CONSTRAINT k FOREIGN KEY (c) REFERENCES departments (department)",
            "collation",
        ),
    ],
)
@sample(1)
def test_a_foreign_key_made_since_that_does_not_fit_the_restored_parent(
    loaded: Database, change: str, key: str, why: str
) -> None:
    backup()
    run(loaded, "DROP TABLE hired_employees", f"ALTER TABLE departments {change}", f"CREATE TABLE since (c {key})")
    found = refused(loaded, tables=["departments"])
    assert codes(found) == [("foreign-keys", "since")]
    assert "Foreign key 'k' of table 'since' does not fit table 'departments'" in found["detail"]
    assert why in found["detail"]


def test_a_foreign_key_of_the_backup_that_does_not_fit_the_parent_of_now(loaded: Database) -> None:
    backup("hired_employees")
    run(loaded, "DROP TABLE hired_employees", "ALTER TABLE jobs MODIFY id BIGINT")
    found = refused(loaded)
    assert codes(found) == [("foreign-keys", "hired_employees")]
    assert "bigint" in found["detail"]


def test_a_foreign_key_made_since_a_restore_that_does_not_fit_the_old_parent_stops_its_undoing(
    loaded: Database,
) -> None:
    run(loaded, "ALTER TABLE departments ADD code INT UNIQUE")
    backup("departments")
    run(loaded, "ALTER TABLE departments DROP COLUMN code")
    done = restore()
    run(loaded, "CREATE TABLE since (c INT, CONSTRAINT k FOREIGN KEY (c) REFERENCES departments (code))")
    with verbs.unchanged(loaded):
        problem = post(f"/restores/{done['id']}/undo").problem(409)
    assert codes(problem) == [("foreign-keys", "since")]
    run(loaded, "DROP TABLE since")
    assert post(f"/restores/{done['id']}/undo").status == 200


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("ALTER TABLE departments MODIFY id BIGINT", "bigint"),
        ("ALTER TABLE departments DROP PRIMARY KEY", "no key that would do"),
        ("ALTER TABLE departments PARTITION BY HASH (id) PARTITIONS 2", "partitioned"),
    ],
)
@sample(1)
def test_a_foreign_key_of_a_kept_table_that_does_not_fit_its_parent_any_more_stops_an_undo(
    loaded: Database, change: str, why: str
) -> None:
    if loaded.mariadb and why == "partitioned":
        not_applicable("a server that takes such a foreign key with foreign_key_checks = 0")
    run(loaded, "CREATE TABLE child (id INT PRIMARY KEY, v INT)", "INSERT INTO child VALUES (1, 1)")
    backup("child")
    run(loaded, "ALTER TABLE child ADD CONSTRAINT late FOREIGN KEY (v) REFERENCES departments (id)")
    old = verbs.table(loaded, "child")
    done = restore()
    run(loaded, "DROP TABLE hired_employees", change)
    with verbs.unchanged(loaded):
        problem = post(f"/restores/{done['id']}/undo").problem(409)
    assert codes(problem) == [("foreign-keys", "child")]
    assert why in problem["detail"]
    assert get(f"/restores/{done['id']}").json == done
    run(loaded, "DROP TABLE departments", "CREATE TABLE departments (id INT PRIMARY KEY)")
    run(loaded, "INSERT INTO departments VALUES (1)")
    assert post(f"/restores/{done['id']}/undo").status == 200
    assert verbs.table(loaded, "child") == old


def test_a_foreign_key_made_while_a_restore_builds_that_does_not_fit_stops_it(
    loaded: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup("departments")
    run(loaded, "ALTER TABLE departments ADD code INT UNIQUE")
    real = shadow.build

    def build(*given: Any, **more: Any) -> Any:
        made = real(*given, **more)
        run(loaded, "CREATE TABLE since (c INT, CONSTRAINT k FOREIGN KEY (c) REFERENCES departments (code))")
        return made

    monkeypatch.setattr(shadow, "build", build)
    assert codes(post("/restores").problem(409)) == [("foreign-keys", "since")]
    assert {"since"} | set(verbs.SAMPLE) == set(verbs.picture(loaded).tables)


@pytest.mark.parametrize("name", ["sql_require_primary_key", "sql_generate_invisible_primary_key"])
@sample(1)
def test_a_server_that_wants_primary_keys_is_named_unless_the_user_may_set_it_otherwise(
    loaded: Database,
    admin: Admin,
    setting: Callable[[str, int], None],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    if loaded.mariadb:
        name = "innodb_force_primary_key"
    run(loaded, "CREATE TABLE loose (a INT)", "INSERT INTO loose VALUES (1), (1)")
    backup("loose", "jobs")
    before = verbs.table(loaded, "loose")
    setting(name, 1)
    found = refused(loaded)
    assert codes(found) == [("primary-keys", "loose")]
    assert f"the server has {name} on" in found["detail"]
    assert planned(tables=["jobs"])["problems"] == []
    if not loaded.mariadb:
        monkeypatch.setenv("DATABASE_URL", loaded.admin_url)
        assert planned()["problems"] == []
        assert restore()["state"] == "done"
        assert verbs.table(loaded, "loose") == before


@pytest.mark.parametrize("which", ["the tables' own", "a child's"])
@sample(1)
def test_a_database_that_is_read_only_is_said_before_and_an_undo_of_before_waits_for_it(
    loaded: Database, admin: Admin, which: str
) -> None:
    if loaded.mariadb:
        not_applicable("no READ ONLY of a database")
    backup("departments")
    done = restore()
    other = f"{loaded.name}_other"
    child = f"CREATE TABLE `{other}`.c (d INT, FOREIGN KEY (d) REFERENCES `{loaded.name}`.departments (id))"
    admin(f"CREATE DATABASE `{other}`", child, f"GRANT ALL ON `{other}`.* TO '{urlsplit(loaded.url).username}'@'%'")
    name = loaded.name if which == "the tables' own" else other
    try:
        admin(f"ALTER DATABASE `{name}` READ ONLY = 1")
        found = refused(loaded)
        assert (codes(found), f"'{name}'" in found["detail"]) == ([("read-only", "")], True)
        with verbs.unchanged(loaded):
            problem = post(f"/restores/{done['id']}/undo").problem(409)
        assert (codes(problem), problem["detail"]) == (codes(found), found["detail"])
        assert get(f"/restores/{done['id']}").json == done
        admin(f"ALTER DATABASE `{name}` READ ONLY = 0")
        assert post(f"/restores/{done['id']}/undo").json["state"] == "undone"
    finally:
        admin(f"ALTER DATABASE `{name}` READ ONLY = 0", f"DROP DATABASE `{other}`")


@pytest.mark.parametrize("there", [True, False])
def test_triggers_that_do_not_come_with_another_name_are_noted_before_and_after(loaded: Database, there: bool) -> None:
    run(loaded, "CREATE TRIGGER tidy BEFORE INSERT ON jobs FOR EACH ROW SET NEW.job = TRIM(NEW.job)")
    backup("jobs", "departments")
    if not there:
        run(loaded, "SET foreign_key_checks = 0", "DROP TABLE jobs")
    wanted: dict[str, Any] = {"tables": ["departments"], "into": {"jobs": "beside"}}
    for made in (restore(dry_run=True, **wanted), restore(**wanted)):
        assert ["('tidy') as 'beside'" in note for note in made["notes"]] == [True]
    assert verbs.table(loaded, "beside").triggers == ()


def test_a_foreign_key_between_tables_of_the_backup_that_the_server_does_not_take_again_is_said_before_they_are_filled(
    loaded: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not loaded.mariadb:
        not_applicable("no key is dropped that a foreign key needs")
    run(
        loaded,
        "CREATE TABLE par (a INT, UNIQUE KEY only_one (a))",
        "CREATE TABLE child (v INT, CONSTRAINT late FOREIGN KEY (v) REFERENCES par (a))",
    )
    with verbs.cursor(loaded) as cursor:
        cursor.execute("SET foreign_key_checks = 0")
        cursor.execute("ALTER TABLE par DROP KEY only_one")
    backup("par", "child")
    monkeypatch.setattr(shadow, "load", lambda *_, **__: pytest.fail("the tables were filled"))
    found = refused(loaded)
    assert codes(found) == [("foreign-keys", "child")]
    assert "no key that would do begins with 'a'" in found["detail"]
    assert "by itself" in found["detail"]


@pytest.mark.parametrize("may", [True, False])
@sample(1)
def test_foreign_keys_to_keys_that_are_not_unique_come_back_where_the_user_may_set_that(
    loaded: Database, admin: Admin, monkeypatch: pytest.MonkeyPatch, may: bool
) -> None:
    if loaded.mariadb:
        not_applicable("no restrict_fk_on_non_standard_key")
    run(loaded, "CREATE TABLE par (a INT, KEY (a))", "INSERT INTO par VALUES (1)")
    run(loaded, "CREATE TABLE child (id INT PRIMARY KEY, v INT)", "INSERT INTO child VALUES (1, 1)")
    admin(
        "SET SESSION restrict_fk_on_non_standard_key = 0",
        "ALTER TABLE child ADD CONSTRAINT late FOREIGN KEY (v) REFERENCES par (a)",
    )
    backup("par", "child")
    before = verbs.picture(loaded)
    if not may:
        monkeypatch.setattr(foreign_key_check, "_LET_IN", "SET SESSION no_such_variable = 0")
        assert codes(found := refused(loaded)) == [("foreign-keys", "child")]
        assert "restrict_fk_on_non_standard_key" in found["detail"]
        return
    for tables in (["par", "child"], ["par"], ["child"]):
        assert planned(tables=tables)["problems"] == []
        done = restore(tables=tables)
        assert verbs.picture(loaded).tables == before.tables
        assert post(f"/restores/{done['id']}/undo").status == 200
        assert verbs.picture(loaded).tables == before.tables


def test_a_name_that_another_table_has_is_refused_unless_it_is_to_be_replaced(loaded: Database) -> None:
    backup("jobs")
    found = refused(loaded, into={"jobs": "hired_employees"})
    assert codes(found) == [("taken-tables", "hired_employees")]
    assert "`replace`" in found["detail"]
    assert planned(into={"jobs": "hired_employees"}, replace=True)["problems"] == []
    [done] = restore(into={"jobs": "hired_employees"}, replace=True)["tables"]
    assert (done["into"], done["replaced"]) == ("hired_employees", True)
    assert verbs.numbers(loaded, "hired_employees") == list(range(1, 8))
    assert restore(into={"jobs": "jobs"})["tables"][0]["replaced"] is True


@pytest.mark.parametrize("into", ["beside", "x" * 64])
@sample(1)
def test_a_foreign_key_of_a_table_that_had_the_other_name_before_is_in_the_way(loaded: Database, into: str) -> None:
    backup("hired_employees")
    wanted: dict[str, Any] = {"into": {"hired_employees": into}}
    restore(**wanted)
    run(loaded, f"RENAME TABLE {into} TO moved")
    found = refused(loaded, **wanted)
    assert codes(found) == [("foreign-key-names", into)] * 2
    assert "table 'moved' has one" in found["detail"]
    assert restore(into={"hired_employees": "another"})["state"] == "done"


@pytest.mark.parametrize("into", ["beside", "x" * 64])
@sample(1)
def test_a_check_whose_name_another_table_has_is_in_the_way_of_a_table_by_another_name(
    database: Database, bucket: str, into: str
) -> None:
    if database.mariadb:
        not_applicable("checks' names are the table's")
    run(database, "CREATE TABLE t (id INT PRIMARY KEY, v INT, CONSTRAINT a CHECK (id > 0), CONSTRAINT b CHECK (v > 0))")
    backup()
    if into == "beside":
        run(database, "CREATE TABLE taker (id INT, CONSTRAINT beside_chk_2 CHECK (id > 0))")
    else:
        restore(into={"t": into})
        run(database, f"RENAME TABLE {into} TO taker")
    found = refused(database, into={"t": into})
    assert codes(found) == [("check-names", into)] * (1 if into == "beside" else 2)
    assert "table 'taker' has one" in found["detail"]
    run(database, "DROP TABLE taker")
    assert restore(into={"t": into})["state"] == "done"


def test_a_definition_that_this_server_does_not_take(loaded: Database) -> None:
    made = backup("jobs")
    resign(
        made["id"], lambda table: table.update(definition=table["definition"].replace("varchar(100)", "nonsense(1)"))
    )
    found = refused(loaded)
    assert codes(found) == [("definition", "jobs")]
    assert "column 'job'" in found["detail"]


def test_rows_that_come_out_otherwise(loaded: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    backup()
    real = load_data.load

    def alters(connection: Any, table_sql: str, *rest: Any) -> local_infile.Outcome:
        outcome = real(connection, table_sql, *rest)
        if "hired_employees" in table_sql:
            with contextlib.closing(connect(loaded.admin_url)) as other, other.cursor() as cursor:
                cursor.execute(f"UPDATE {table_sql} SET name = CONCAT(name, ' ') WHERE id = 7")
        return outcome

    monkeypatch.setattr(load_data, "load", alters)
    found = refused(loaded)
    assert codes(found) == [("digest", "hired_employees")]
    assert "column 'name'" in found["detail"]


def test_a_text_that_the_server_would_not_give_whole(loaded: Database, setting: Callable[[str, int], None]) -> None:
    if not loaded.mariadb:
        not_applicable("MySQL's CONVERT is not cut")
    run(loaded, "CREATE TABLE t (id INT PRIMARY KEY, v LONGTEXT CHARACTER SET ucs2)")
    run(loaded, "INSERT INTO t VALUES (7, REPEAT('ab', 2000000))")
    backup("t")
    setting("max_allowed_packet", 1024 * 1024)
    assert codes(refused(loaded)) == [("max-allowed-packet", "t")]


def test_another_restore_that_is_going_on(loaded: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    backup()
    building, go_on = threading.Event(), threading.Event()
    real = shadow.build

    def build(*given: Any, **more: Any) -> Any:
        if not building.is_set():
            building.set()
            assert go_on.wait(30)
        return real(*given, **more)

    monkeypatch.setattr(shadow, "build", build)
    thread = threading.Thread(target=restore)
    thread.start()
    try:
        assert building.wait(20)
        found = post("/restores").problem(409)
        assert codes(found) == [("restore-under-way", "")]
        assert planned()["problems"] == found["errors"]
    finally:
        go_on.set()
        thread.join()
    assert planned()["problems"] == []


def test_a_table_that_is_in_a_restore_which_cannot_be_finished(
    loaded: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup()
    done = restore(tables=["jobs"])
    monkeypatch.setattr(recovery, "finish", lambda _connection, _store, found: found)
    held = record.find(verbs.store(), done["id"])
    record.save(verbs.store(), held.model_copy(update={"state": "swapping", "stuck": "Why it is so."}))
    found = refused(loaded, tables=["jobs"])
    assert codes(found) == [("stuck", "jobs")]
    assert "Why it is so." in found["detail"]
    assert planned(tables=["departments"])["problems"] == []


def test_what_is_too_large_to_be_tried_is_said(loaded: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    backup()
    run(loaded, "INSERT INTO jobs VALUES (70, 'new')", "UPDATE hired_employees SET job_id = 70 WHERE id = 1")
    monkeypatch.setattr(dry_run, "MOST_ROWS", 20)
    with verbs.unchanged(loaded):
        plan = planned(tables=["departments", "hired_employees"])
    assert plan["problems"] == []
    assert [(one["code"], one["table"]) for one in plan["unchecked"]] == [
        ("rows", "hired_employees"),
        ("orphans", "hired_employees"),
        ("orphans", "hired_employees"),
    ]
    assert "The 40 rows of table 'hired_employees' were not loaded" in plan["unchecked"][0]["message"]
    assert planned(tables=["jobs"])["problems"][0]["code"] == "orphans"  # those of a table that stays are looked at


def test_what_waits_for_something_else_in_the_way_is_said(loaded: Database) -> None:
    backup()
    run(loaded, "DROP TABLE hired_employees, jobs")
    plan = planned(tables=["hired_employees"])
    assert [one["code"] for one in plan["problems"]] == ["parents"]
    assert [one["code"] for one in plan["unchecked"]] == ["definition", "foreign-keys", "triggers", "rows", "orphans"]


def test_rows_now_and_then_and_columns_that_come_go_and_change(loaded: Database) -> None:
    backup()
    run(
        loaded,
        "DELETE FROM hired_employees WHERE id > 10",
        "ALTER TABLE jobs ADD late INT, MODIFY job VARCHAR(200) NOT NULL",
        "ALTER TABLE departments DROP COLUMN department",
    )
    departments, employees, jobs = planned()["tables"]
    assert [(one["rows_now"], one["rows_now_counted"], one["rows"]) for one in (departments, employees, jobs)] == [
        (5, True, 5),
        (10, True, 40),
        (7, True, 7),
    ]
    assert departments["columns"] == {"coming": ["department"], "going": [], "changing": []}
    assert employees["columns"] == {"coming": [], "going": [], "changing": []}
    assert (jobs["columns"]["coming"], jobs["columns"]["going"]) == ([], ["late"])
    [changed] = jobs["columns"]["changing"]
    assert (changed["name"], changed["now"].split()[0], changed["then"].split()[0]) == (
        "job",
        "varchar(200)",
        "varchar(100)",
    )
    beside = planned(into={"jobs": "beside"}, tables=[])["tables"][0]
    assert (beside["rows_now"], beside["columns"]) == (None, {"coming": [], "going": [], "changing": []})


def test_views_that_will_not_work_are_named_before_and_after(
    loaded: Database, admin: Admin, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup()
    name = f"`{loaded.name}`"
    run(loaded, "ALTER TABLE jobs ADD late INT")
    admin(
        f"CREATE VIEW {name}.lately AS SELECT j.late AS l FROM {name}.jobs j",
        f"CREATE VIEW {name}.upon AS SELECT * FROM {name}.lately",
        f"CREATE VIEW {name}.unharmed AS SELECT id, job FROM {name}.jobs",
        f"CREATE VIEW {name}.broken_before AS SELECT * FROM {name}.unharmed",
        f"CREATE OR REPLACE VIEW {name}.unharmed AS SELECT id FROM {name}.jobs",
    )
    plan = restore(dry_run=True)
    assert sorted(one["table"] for one in plan["plan"]["unchecked"]) == ["broken_before", "lately", "unharmed", "upon"]
    assert "SHOW VIEW" in plan["plan"]["unchecked"][0]["message"]
    assert planned(tables=["departments"])["unchecked"] == []
    with monkeypatch.context() as patched:
        patched.setenv("DATABASE_URL", loaded.admin_url)
        plan = restore(dry_run=True)
        assert plan["plan"]["problems"] == []
        assert [
            view for view in ("lately", "upon", "unharmed") if any(f"View '{view}'" in note for note in plan["notes"])
        ] == [
            "lately",
            "upon",
        ]
    done = restore()
    notes = [note for note in done["notes"] if "does not work any more" in note]
    assert [note.split("'")[1] for note in notes] == ["lately", "upon"]
    assert verbs.get(f"/restores/{done['id']}").json["notes"] == done["notes"]


def test_what_a_dry_run_that_died_left_is_dropped_by_the_next_and_not_what_another_uses(loaded: Database) -> None:
    backup()
    prefix = scratch_schema.prefix_of("plan", loaded.name)
    dead, used = f"{prefix}dead", f"{prefix}used"
    run(loaded, f"CREATE DATABASE `{dead}`", f"CREATE DATABASE `{used}`")
    with contextlib.closing(loaded.connect()) as other, other.cursor() as cursor:
        cursor.execute("SELECT GET_LOCK(%s, 0)", (used,))
        planned()
        assert {dead, used} & verbs.schemas(loaded) == {used}
    planned()
    assert not {dead, used} & verbs.schemas(loaded)


def resign(backup_id: str, change: Callable[[Json], None]) -> None:
    """Change what the manifest says of its first table, and sign it again."""
    key = object_keys.manifest(backup_id)
    content = verbs.content(key)["manifest"]
    change(content["tables"][0])
    verbs.store().put(key, json.dumps({"manifest": content, "signature": signature(content)}).encode())
