"""Restores: beside, verified, swapped in at once; and every way in which one has to change nothing."""

import hashlib
import hmac
import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Any

import pymysql
import pytest

from tableferry.columnar import load_data
from tableferry.config.settings import database_address
from tableferry.errors import DatabaseUnavailable, StoreUnavailable
from tableferry.mysql import local_infile, retry
from tableferry.mysql.database import Database as Source
from tableferry.mysql.database import rows as query
from tableferry.restore import swap
from tableferry.restore.build import shadow
from tableferry.storage import object_keys
from tests.effort import sample
from tests.integration.conftest import SIGNING_KEY
from tests.support import verbs
from tests.support.lambdas import Json
from tests.support.parts import Database, connect, not_applicable
from tests.support.verbs import backup, get, load_sample, numbers, objects, picture, post, restore, run, table

WITHOUT_PARENT = "foreign key constraint fails"


@pytest.fixture
def loaded(database: Database, bucket: str) -> Database:
    load_sample(database)
    return database


def refused(wanted: Json, status: int = 409) -> str:
    """Why a restore that must not happen does not."""
    return str(post("/restores", wanted).problem(status)["detail"])


def enforced(database: Database) -> None:
    """The foreign keys of the employees hold, towards the live tables."""
    for parent, column in (("departments", "department_id"), ("jobs", "job_id")):
        with pytest.raises(pymysql.err.IntegrityError, match=WITHOUT_PARENT):
            run(database, f"UPDATE hired_employees SET {column} = 999 WHERE id = 1")
        with pytest.raises(pymysql.err.IntegrityError, match=WITHOUT_PARENT):
            run(database, f"DELETE FROM {parent} WHERE id = 1")
        run(
            database,
            "START TRANSACTION",
            f"INSERT INTO {parent} VALUES (999, 'new')",
            f"UPDATE hired_employees SET {column} = 999 WHERE id = 1",
            "ROLLBACK",
        )


def damage(database: Database) -> None:
    run(
        database,
        "DELETE FROM hired_employees WHERE id > 10",
        "UPDATE hired_employees SET name = 'lost', department_id = 1",
        "UPDATE departments SET department = 'lost'",
        "INSERT INTO departments VALUES (6, 'late')",
    )


@pytest.mark.parametrize(
    "tables",
    [["departments", "hired_employees", "jobs"], ["hired_employees"], ["departments"], ["departments", "jobs"]],
)
@sample(1)
def test_tables_come_back_with_their_foreign_keys_in_force(loaded: Database, tables: list[str]) -> None:
    before = picture(loaded)
    made = backup()
    damage(loaded)
    damaged = picture(loaded)
    done = restore(tables=tables)
    assert (done["state"], done["backup"], [found["name"] for found in done["tables"]]) == ("done", made["id"], tables)
    assert all(found["verified"] and found["replaced"] for found in done["tables"])
    digests = {found["name"]: found["digest"] for found in made["tables"]}
    assert {found["name"]: found["digest"] for found in done["tables"]} == {name: digests[name] for name in tables}
    after = picture(loaded).tables
    for name in before.tables:
        assert after[name] == (before if name in tables else damaged).tables[name]
    enforced(loaded)
    assert get(f"/restores/{done['id']}").json == done
    assert get("/restores").json["restores"] == [done]

    undone = post(f"/restores/{done['id']}/undo")
    assert (undone.status, undone.json["state"]) == (200, "undone")
    assert undone.json["notes"]
    assert picture(loaded).tables == damaged.tables
    enforced(loaded)
    post(f"/restores/{done['id']}/undo").problem(409)
    accepted = post(f"/restores/{done['id']}/accept")
    assert (accepted.status, accepted.json["state"], accepted.json["kept"]) == (200, "undone", None)
    assert not any(found["replaced"] for found in accepted.json["tables"])
    assert accepted.json["notes"] == []
    assert picture(loaded) == damaged


def test_accept_leaves_nothing_but_the_tables_and_there_is_no_undo_after_it(loaded: Database) -> None:
    before = picture(loaded)
    backup()
    run(loaded, "DELETE FROM hired_employees")
    path = f"/restores/{restore()['id']}"
    accepted = post(f"{path}/accept")
    assert (accepted.status, accepted.json["state"], accepted.json["kept"]) == (200, "accepted", None)
    assert picture(loaded) == before
    with verbs.unchanged(loaded):
        post(f"{path}/accept").problem(409)
        post(f"{path}/undo").problem(409)
    enforced(loaded)


def test_undo_keeps_what_was_written_to_the_restored_table_until_accept(loaded: Database) -> None:
    backup()
    run(loaded, "DELETE FROM hired_employees")
    done = restore(tables=["hired_employees"])
    run(loaded, "DELETE FROM hired_employees WHERE id > 1", "UPDATE hired_employees SET name = 'written since'")
    undone = post(f"/restores/{done['id']}/undo").json
    assert numbers(loaded, "hired_employees") == []
    assert verbs.rows(loaded, f"SELECT name FROM `{undone['kept']}`.hired_employees") == [("written since",)]
    assert post(f"/restores/{done['id']}/accept").status == 200


def test_two_restores_one_after_the_other_are_undone_one_by_one(loaded: Database) -> None:
    backup("jobs")
    states = [table(loaded, "jobs")]
    ids = []
    for number in (1, 2):
        run(loaded, f"UPDATE jobs SET job = '{number}'")
        states.append(table(loaded, "jobs"))
        ids.append(restore()["id"])
    for restore_id, state in zip(reversed(ids), reversed(states), strict=False):
        assert post(f"/restores/{restore_id}/undo").status == 200
        assert table(loaded, "jobs") == state
    enforced(loaded)


def test_rows_that_would_lose_their_parent_stop_the_restore_and_are_named(loaded: Database) -> None:
    backup("departments")
    run(
        loaded,
        "INSERT INTO departments VALUES (77, 'new')",
        "UPDATE hired_employees SET department_id = 77 WHERE id = 3",
    )
    with verbs.unchanged(loaded):
        detail = refused({"tables": ["departments"]})
    assert all(part in detail for part in ("'hired_employees'", "'departments'", "77"))


def test_orphans_that_are_allowed_are_named_and_the_foreign_keys_hold_again(loaded: Database) -> None:
    backup("departments", "hired_employees")
    run(
        loaded,
        *(f"INSERT INTO departments VALUES ({number}, 'new')" for number in range(70, 85)),
        "UPDATE hired_employees SET department_id = id + 69 WHERE id < 16",
        "DELETE FROM hired_employees WHERE job_id = 3",
        "DELETE FROM jobs WHERE id = 3",
    )
    with verbs.unchanged(loaded):
        assert "allow_orphans" in refused({"tables": ["departments"]})
        assert "job_id = (3)" in refused({"tables": ["hired_employees"]})
    done = restore(tables=["departments"], allow_orphans=True)
    [note] = done["notes"]
    assert all(part in note for part in ("'hired_employees'", "'departments'", "and maybe others"))
    assert note.count("(7") + note.count("(8") == 10
    enforced(loaded)
    assert post(f"/restores/{done['id']}/undo").status == 200
    assert post(f"/restores/{done['id']}/accept").status == 200
    [note] = restore(tables=["hired_employees"], allow_orphans=True)["notes"]
    assert "job_id = (3)." in note
    enforced(loaded)


def test_a_child_whose_parents_are_gone_by_now_stops_the_restore(loaded: Database) -> None:
    backup("hired_employees")
    run(loaded, "DELETE FROM hired_employees", "DELETE FROM departments WHERE id = 2")
    with verbs.unchanged(loaded):
        assert "department_id = (2)" in refused({})


def test_an_undo_that_would_take_rows_their_parent_is_refused(loaded: Database) -> None:
    backup("departments")
    run(loaded, "UPDATE hired_employees SET department_id = 1", "DELETE FROM departments WHERE id = 2")
    done = restore()
    run(loaded, "UPDATE hired_employees SET department_id = 2 WHERE id = 1")
    with verbs.unchanged(loaded):
        assert "department_id = (2)" in post(f"/restores/{done['id']}/undo").problem(409)["detail"]
    enforced(loaded)
    run(loaded, "UPDATE hired_employees SET department_id = 1")
    assert post(f"/restores/{done['id']}/undo").status == 200


def test_a_kept_table_neither_refuses_what_is_done_to_live_rows_nor_changes_with_them(loaded: Database) -> None:
    run(
        loaded,
        "ALTER TABLE hired_employees ADD CONSTRAINT cascading FOREIGN KEY (job_id) REFERENCES jobs (id) ON DELETE CASCADE",
    )
    before = table(loaded, "hired_employees")
    run(loaded, "DELETE FROM hired_employees WHERE department_id = 5 OR job_id = 7")
    backup()
    run(loaded, "INSERT INTO hired_employees SELECT id + 100, name, datetime, 5, 7 FROM hired_employees LIMIT 3")
    done = restore(tables=["hired_employees"])
    run(loaded, "DELETE FROM departments WHERE id = 5", "DELETE FROM jobs WHERE id = 7")
    assert verbs.rows(loaded, f"SELECT COUNT(*) FROM `{done['kept']}`.hired_employees WHERE job_id = 7") == [(3,)]
    with verbs.unchanged(loaded):
        assert "job_id = (7)" in post(f"/restores/{done['id']}/undo").problem(409)["detail"]
    run(loaded, "INSERT INTO departments VALUES (5, 'again')", "INSERT INTO jobs VALUES (7, 'again')")
    assert post(f"/restores/{done['id']}/undo").status == 200
    assert table(loaded, "hired_employees").definition == before.definition


def test_a_kept_table_does_not_stop_another_restore(loaded: Database) -> None:
    backup()
    run(
        loaded,
        "INSERT INTO departments VALUES (9, 'soon gone')",
        "UPDATE hired_employees SET department_id = 9 WHERE id > 20",
    )
    children = restore(tables=["hired_employees"])
    parents = restore(tables=["departments"])
    enforced(loaded)
    assert post(f"/restores/{parents['id']}/undo").status == 200
    assert post(f"/restores/{children['id']}/undo").status == 200
    enforced(loaded)


def test_a_table_that_is_missing_is_created_and_undo_takes_it_away(loaded: Database) -> None:
    before = table(loaded, "hired_employees")
    backup()
    run(loaded, "DROP TABLE hired_employees")
    without = picture(loaded)
    done = restore(tables=["hired_employees"])
    assert [found["replaced"] for found in done["tables"]] == [False]
    assert table(loaded, "hired_employees") == before
    enforced(loaded)
    assert post(f"/restores/{done['id']}/undo").status == 200
    assert picture(loaded).tables == without.tables
    assert post(f"/restores/{done['id']}/accept").status == 200
    assert picture(loaded) == without


def test_all_tables_missing_are_created(loaded: Database) -> None:
    before = picture(loaded)
    backup()
    run(loaded, "DROP TABLE hired_employees, departments, jobs")
    assert post(f"/restores/{restore()['id']}/accept").status == 200
    assert picture(loaded) == before
    enforced(loaded)


def test_a_parent_that_was_dropped_under_its_children_is_put_under_them_again(loaded: Database) -> None:
    backup()
    run(loaded, "SET foreign_key_checks = 0", "DROP TABLE departments")
    restore(tables=["departments"])
    enforced(loaded)


def test_a_parent_that_was_dropped_is_refused_if_its_children_have_other_rows_now(loaded: Database) -> None:
    backup()
    run(
        loaded,
        "SET foreign_key_checks = 0",
        "DROP TABLE departments",
        "UPDATE hired_employees SET department_id = 88 WHERE id = 1",
    )
    with verbs.unchanged(loaded):
        assert "88" in refused({"tables": ["departments"]})


def test_a_child_without_its_parents_table_is_refused(loaded: Database) -> None:
    backup()
    run(loaded, "DROP TABLE hired_employees, departments")
    with verbs.unchanged(loaded):
        assert "'departments'" in refused({"tables": ["hired_employees"]})


def test_a_parent_that_no_longer_fits_its_children_is_refused(loaded: Database) -> None:
    backup()
    run(
        loaded,
        "ALTER TABLE departments ADD COLUMN code INT, ADD UNIQUE KEY (code)",
        "CREATE TABLE coded (id INT PRIMARY KEY, code INT NOT NULL, CONSTRAINT coded_department FOREIGN KEY (code)"
        " REFERENCES departments (code))",
    )
    with verbs.unchanged(loaded):
        assert "coded" in refused({"tables": ["departments"]})


def test_a_table_comes_back_beside_the_live_one_by_another_name(loaded: Database) -> None:
    run(loaded, "CREATE TRIGGER loud BEFORE INSERT ON departments FOR EACH ROW SET NEW.department = 'fired'")
    before = picture(loaded)
    backup()
    done = restore(into={"hired_employees": "employees of / old", "departments": "old departments"})
    after = picture(loaded)
    assert {name: after.tables[name] for name in before.tables} == before.tables
    assert [(found["into"], found["replaced"]) for found in done["tables"]] == [
        ("old departments", False), ("employees of / old", False)
    ]  # fmt: skip
    copy = after.tables["employees of / old"]
    assert copy.checksum == before.tables["hired_employees"].checksum
    assert "REFERENCES `old departments`" in copy.definition
    assert "REFERENCES `jobs`" in copy.definition
    assert after.tables["old departments"].triggers == ()
    enforced(loaded)
    with verbs.unchanged(loaded):
        assert "`replace`" in refused({"into": {"departments": "old departments"}})
    again = restore(tables=["departments"], into={"departments": "old departments"}, replace=True)
    assert [found["replaced"] for found in again["tables"]] == [True]
    with pytest.raises(pymysql.err.IntegrityError, match=WITHOUT_PARENT):
        run(loaded, "DELETE FROM `old departments` WHERE id = 1")


def test_triggers_come_back_and_do_not_fire(loaded: Database) -> None:
    run(
        loaded,
        "CREATE TRIGGER first BEFORE INSERT ON jobs FOR EACH ROW SET NEW.job = CONCAT(NEW.job, '!')",
        "CREATE TRIGGER second BEFORE INSERT ON jobs FOR EACH ROW FOLLOWS first SET NEW.job = CONCAT(NEW.job, '?')",
        "CREATE TRIGGER gone AFTER DELETE ON jobs FOR EACH ROW SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'kept'",
    )
    before = picture(loaded)
    backup("jobs")
    run(
        loaded,
        "DROP TRIGGER second",
        "DROP TRIGGER gone",
        "DELETE FROM jobs WHERE id = 99",
        "INSERT INTO jobs VALUES (8, 'x')",
    )
    run(loaded, "CREATE TRIGGER newer AFTER UPDATE ON jobs FOR EACH ROW SET @a = 1")
    damaged = picture(loaded)
    done = restore(tables=["jobs"])
    assert picture(loaded).tables == before.tables
    run(loaded, "INSERT INTO jobs VALUES (100, 'x')")
    assert verbs.rows(loaded, "SELECT job FROM jobs WHERE id = 100") == [("x!?",)]
    assert post(f"/restores/{done['id']}/undo").status == 200
    assert picture(loaded).tables == damaged.tables


def test_a_trigger_whose_name_is_taken_by_another_table_stops_the_restore(loaded: Database) -> None:
    run(loaded, "CREATE TRIGGER mine BEFORE INSERT ON jobs FOR EACH ROW SET @a = 1")
    backup("jobs")
    run(loaded, "DROP TRIGGER mine", "CREATE TRIGGER mine BEFORE INSERT ON departments FOR EACH ROW SET @a = 2")
    with verbs.unchanged(loaded):
        assert "'mine'" in refused({})


def test_keys_to_itself_and_in_a_ring_come_back(database: Database, bucket: str) -> None:
    run(
        database,
        "CREATE TABLE a (id INT PRIMARY KEY, up INT, b INT, CONSTRAINT up FOREIGN KEY (up) REFERENCES a (id)"
        " ON DELETE CASCADE ON UPDATE SET NULL)",
        "CREATE TABLE b (id INT PRIMARY KEY, a INT, CONSTRAINT to_a FOREIGN KEY (a) REFERENCES a (id) ON DELETE SET NULL)",
        "ALTER TABLE a ADD CONSTRAINT to_b FOREIGN KEY (b) REFERENCES b (id)",
        "INSERT INTO a VALUES (1, NULL, NULL), (2, 1, NULL)",
        "INSERT INTO b VALUES (1, 2)",
        "UPDATE a SET b = 1",
    )
    before = picture(database)
    backup()
    for tables in (["a", "b"], ["a"], ["b"]):
        run(database, "UPDATE a SET b = NULL WHERE id = 1")
        done = restore(tables=tables)
        if "a" in tables:
            assert picture(database).tables == before.tables
        assert post(f"/restores/{done['id']}/accept").status == 200
        run(database, "UPDATE a SET b = 1")
        assert picture(database) == before
    done = restore(tables=["a"], into={"a": "c"})
    assert "REFERENCES `c` (`id`) ON DELETE CASCADE ON UPDATE SET NULL" in table(database, "c").definition


def test_a_dry_run_answers_the_plan_and_changes_nothing(loaded: Database) -> None:
    backup()
    run(loaded, "DROP TABLE hired_employees")
    with verbs.unchanged(loaded):
        planned = restore(dry_run=True)
    assert (planned["state"], planned["kept"]) == ("planned", None)
    assert [(found["name"], found["replaced"], found["verified"]) for found in planned["tables"]] == [
        ("departments", True, False), ("hired_employees", False, False), ("jobs", True, False)
    ]  # fmt: skip
    post(f"/restores/{planned['id']}/undo").problem(409)
    post(f"/restores/{planned['id']}/accept").problem(409)


def test_an_empty_table_is_restored_as_an_empty_table(database: Database, bucket: str) -> None:
    run(database, "CREATE TABLE `empty` (id INT PRIMARY KEY, name VARCHAR(10))")
    backup("empty")
    run(database, "INSERT INTO `empty` VALUES (1, 'x')")
    done = restore()
    assert (done["tables"][0]["rows"], done["tables"][0]["verified"]) == (0, True)
    assert numbers(database, "empty") == []


def test_what_is_not_there_is_not_found(loaded: Database) -> None:
    refused({"backup": "latest"}, 404)
    made = backup("jobs")
    with verbs.unchanged(loaded):
        for backup_id in ("20200101T000000Z-00000000", "../x", "", "a/b", made["id"] + "x"):
            refused({"backup": backup_id}, 404)
        assert "jobs" in refused({"tables": ["departments"]}, 404)
        refused({"into": {"departments": "x"}}, 404)


def test_a_request_that_cannot_be_meant_is_refused(loaded: Database) -> None:
    backup("jobs", "departments")
    with verbs.unchanged(loaded):
        bad: list[Json] = [
            {"tables": []},
            {"into": {"jobs": "x" * 65}},
            {"into": {"jobs": ""}},
            {"into": {"jobs": "tableferry_x"}},
            {"into": {"jobs": "a\0b"}},
            {"into": {"jobs": "same", "departments": "same"}},
            {"tables": ["jobs", "departments"], "into": {"jobs": "departments"}},
            {"into": ["jobs"]},
            {"backup": 7},
            {"undo": True},
        ]
        for wanted in bad:
            refused(wanted, 400)


def test_a_backup_whose_objects_are_not_what_was_written_is_refused(
    loaded: Database, bucket: str, s3_client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHUNK_BYTES", "1")
    made = backup("jobs")
    first, second = [file["key"] for file in objects(made)][:2]
    good = {key: verbs.store().get(key)[0] for key in (first, second)}
    assert len({len(data) for data in good.values()}) == 1

    def put(key: str, data: bytes) -> None:
        s3_client.put_object(Bucket=bucket, Key=key, Body=data)

    def swapped() -> None:
        put(first, good[second])
        put(second, good[first])

    spoilt: list[tuple[str, Callable[[], object]]] = [
        ("lacks", lambda: s3_client.delete_object(Bucket=bucket, Key=first)),
        ("bytes, not", lambda: put(first, good[first][:-1])),
        ("bytes, not", lambda: put(first, good[first] + b"\0")),
        ("bytes, not", lambda: put(first, b"")),
        ("altered", lambda: put(first, good[first][:40] + bytes([good[first][40] ^ 1]) + good[first][41:])),
        ("altered", swapped),
    ]
    run(loaded, "UPDATE jobs SET job = 'lost'")
    with verbs.unchanged(loaded):
        for reason, spoil_it in spoilt:
            spoil_it()
            assert reason in refused({})
            assert reason in post(f"/backups/{made['id']}/verify").problem(409)["detail"]
            for key, data in good.items():
                put(key, data)
    assert restore()["state"] == "done"


@contextmanager
def edited(made: Json) -> Iterator[Json]:
    """The signed manifest, to be changed; written back without care for its signature."""
    key = object_keys.manifest(made["id"])
    signed = verbs.content(key)
    yield signed
    verbs.store().put(key, json.dumps(signed).encode())


def signature(content: Json, key: str = SIGNING_KEY) -> str:
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    return "hmac-sha256:" + hmac.new(key.encode(), canonical, hashlib.sha256).hexdigest()


def test_a_manifest_that_is_not_signed_by_us_is_refused(loaded: Database) -> None:
    made = backup("jobs")
    key = object_keys.manifest(made["id"])
    good = verbs.content(key)
    content = good["manifest"]
    trailing = {**content, "tables": [{**content["tables"][0], "rows": 8}]}
    forged: list[bytes] = [
        json.dumps({**good, "manifest": trailing}).encode(),
        json.dumps({**good, "signature": "hmac-sha256:" + "0" * 64}).encode(),
        json.dumps({**good, "signature": signature(content, "another key")}).encode(),
        json.dumps({**good, "signature": "ä"}).encode(),
        json.dumps({**good, "signature": None}).encode(),
        json.dumps({"manifest": content}).encode(),
        json.dumps({**good, "manifest": {**content, "more": "\ud800"}}).encode(),
        b'{"manifest": [], "signature": ""}',
        b"[]",
        b"{",
        b"\xff",
        b"",
    ]
    with verbs.unchanged(loaded):
        for text in forged:
            verbs.store().put(key, text)
            refused({"backup": made["id"]})
            get(f"/backups/{made['id']}").problem(409)
            assert get("/backups").json == {"backups": [], "damaged": [made["id"]], "jobs": []}
    later = {**content, "version": 4}
    verbs.store().put(key, json.dumps({"manifest": later, "signature": signature(later)}).encode())
    assert "version 4" in refused({"backup": made["id"]})


def test_an_unsigned_backup_is_restored_on_trust_without_its_triggers(loaded: Database) -> None:
    run(loaded, "CREATE TRIGGER mine BEFORE INSERT ON jobs FOR EACH ROW SET @a = 1")
    before = table(loaded, "jobs")
    made = backup("jobs")
    with edited(made) as signed:
        del signed["signature"]
    assert "signed" in refused({"backup": made["id"]})
    assert restore(made["id"], trust=True)["state"] == "done"
    assert table(loaded, "jobs") == verbs.TableState(before.checksum, before.definition, ())


def test_trust_takes_no_sql_that_is_more_than_a_plain_table(loaded: Database) -> None:
    made = backup("jobs", "hired_employees")
    key = object_keys.manifest(made["id"])
    good = json.dumps(verbs.content(key))
    definition = table(loaded, "jobs").definition
    definitions = [
        "CREATE TABLE leak (a int) /*!50000 select user, host from mysql.user */",
        "CREATE TABLE `jobs` (a int) /*!50000 select user, host from mysql.user */",
        "CREATE TABLE `jobs` (\n  `id` int\n) ENGINE=InnoDB /*M!50000 select 1 */",
        "CREATE TABLE `jobs` (\n  `id` int\n) ENGINE=InnoDB select 1",
        "CREATE TABLE `jobs` (\n  `id` int\n) ENGINE=InnoDB; DROP TABLE departments",
        "CREATE TABLE `jobs` (`id` int) ENGINE=InnoDB",
        "DROP TABLE departments",
        definition.replace("InnoDB", "MEMORY"),
        definition.replace("ENGINE=InnoDB", "ENGINE=FEDERATED CONNECTION='mysql://x@192.0.2.1/x/x'"),
        definition + " DATA DIRECTORY='/tmp'",
    ]
    with verbs.unchanged(loaded):
        for text in definitions:
            signed = json.loads(good)
            signed["manifest"]["tables"][1]["definition"] = text
            verbs.store().put(key, json.dumps(signed).encode())
            refused({"backup": made["id"], "trust": True, "tables": ["jobs"]})
        charset = "utf8mb4), name = (SELECT user FROM mysql.user LIMIT 1"
        for path, change in (
            (("foreign_keys", 0), {"actions": ", ADD COLUMN leak INT"}),
            (("columns", 1, "codec"), {"kind": "coded-text", "charset": charset}),
        ):
            signed = json.loads(good)
            part: Any = signed["manifest"]["tables"][0]
            for step in path:
                part = part[step]
            part.update(change)
            verbs.store().put(key, json.dumps(signed).encode())
            assert "more than" in refused({"backup": made["id"], "trust": True, "tables": ["hired_employees"]})


def test_of_two_restores_at_once_one_is_refused(loaded: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    backup()
    building, refusal = threading.Event(), threading.Event()
    real = shadow.build

    def slow(*given: Any, **options: Any) -> Any:
        building.set()
        assert refusal.wait(20)
        return real(*given, **options)

    monkeypatch.setattr(shadow, "build", slow)
    first: list[Json] = []
    thread = threading.Thread(target=lambda: first.append(restore()))
    thread.start()
    try:
        assert building.wait(20)
        assert "going on" in refused({})
        [under_way] = get("/restores").json["restores"]
        for verb in ("undo", "accept"):
            post(f"/restores/{under_way['id']}/{verb}").problem(409)
    finally:
        refusal.set()
        thread.join()
    assert first[0]["state"] == "done"


def test_a_column_that_is_altered_on_the_way_is_named_and_nothing_is_changed(
    loaded: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup()
    real = load_data.load

    def alters(connection: Any, table_sql: str, *rest: Any) -> local_infile.Outcome:
        outcome = real(connection, table_sql, *rest)
        if "hired_employees" in table_sql:  # the functions' own user could not
            with closing(connect(loaded.admin_url)) as admin, admin.cursor() as cursor:
                cursor.execute(f"UPDATE {table_sql} SET name = CONCAT(name, ' ') WHERE id = 7")
        return outcome

    monkeypatch.setattr(load_data, "load", alters)
    with verbs.unchanged(loaded):
        problem = post("/restores").problem(409)
    assert problem["type"].endswith(":digest-mismatch")
    assert "'hired_employees'" in problem["detail"]
    assert "'name'" in problem["detail"]


@pytest.mark.parametrize("when", ["load", "_rename", "_repoint"])
def test_a_connection_that_is_killed_leaves_all_as_it_was_or_all_restored(
    loaded: Database, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    run(loaded, "CREATE TRIGGER mine BEFORE INSERT ON departments FOR EACH ROW SET @a = 1")
    backup()
    run(loaded, "UPDATE departments SET department = 'lost'")
    module = load_data if when == "load" else swap
    real = getattr(module, when)
    killed = threading.Event()

    def kills(connection: Any, *rest: Any) -> Any:
        if not killed.is_set():
            killed.set()
            with closing(connect(loaded.admin_url)) as admin, admin.cursor() as cursor:
                cursor.execute(f"KILL CONNECTION {connection.thread_id()}")
        return real(connection, *rest)

    monkeypatch.setattr(module, when, kills)
    if when == "_repoint":
        done = restore(tables=["departments"])
        assert done["state"] == "done"
        assert verbs.rows(loaded, "SELECT department FROM departments WHERE id = 1") == [("Department 1",)]
        assert table(loaded, "departments").triggers
        assert post(f"/restores/{done['id']}/undo").status == 200
    else:
        with verbs.unchanged(loaded):
            post("/restores", {"tables": ["departments"]}).problem(503)
    assert get("/restores").json["restores"][0]["state"] in ("failed", "undone")
    enforced(loaded)


def test_a_connection_that_is_killed_in_a_statement_is_a_database_that_cannot_be_used(database: Database) -> None:
    with closing(connect(database.admin_url)) as admin, admin.cursor() as cursor:

        def kill(thread: int) -> None:
            time.sleep(0.5)
            cursor.execute(f"KILL CONNECTION {thread}")

        source = Source(database_address())
        with pytest.raises(DatabaseUnavailable), source.connect() as connection:
            [(thread,)] = query(connection, "SELECT CONNECTION_ID()")
            killer = threading.Thread(target=kill, args=(thread,))
            killer.start()
            try:
                query(connection, "SELECT BENCHMARK(1000000000, SHA2('x', 256))")
            finally:
                killer.join()


def test_a_table_that_stays_locked_is_not_replaced(loaded: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "_LOCK_TRIES", 1)
    monkeypatch.setattr(retry, "_LOCK_WAIT_SECONDS", 1)
    run(loaded, "CREATE TRIGGER mine BEFORE INSERT ON jobs FOR EACH ROW SET @a = 1")
    backup("jobs")
    with verbs.unchanged(loaded), closing(loaded.connect(autocommit=False)) as busy, busy.cursor() as cursor:
        cursor.execute("SELECT * FROM jobs")
        assert "in use" in refused({})


def test_s3_that_breaks_off_changes_nothing(loaded: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    backup("jobs")
    real = verbs.store().__class__.get

    def breaks_off(self: Any, key: str, *given: Any) -> tuple[bytes, str]:
        if key.endswith(".parquet"):
            raise StoreUnavailable("S3 cannot be reached.")
        return real(self, key, *given)

    monkeypatch.setattr("tableferry.storage.bucket.Store.get", breaks_off)
    with verbs.unchanged(loaded):
        refused({}, 503)


def test_s3_that_is_down_is_said_to_be(loaded: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    for path in ("/restores", "/backups"):
        post(path).problem(503)
    with verbs.unchanged(loaded):
        get("/backups").problem(503)


def test_a_database_that_is_down_is_said_to_be_without_its_password(
    loaded: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = backup()
    monkeypatch.setenv("DATABASE_URL", "mysql://someone:s3cret@127.0.0.1:9/x")
    for path, body in (("/backups", {}), ("/restores", {"backup": made["id"]})):
        answer = post(path, body)
        answer.problem(503)
        assert "s3cret" not in answer.text


def test_rows_that_no_check_would_let_in_come_back(database: Database, bucket: str) -> None:
    if not database.mariadb:
        not_applicable("no rows against a table's checks")
    run(database, "CREATE TABLE odd (id INT PRIMARY KEY, v INT, CONSTRAINT positive CHECK (v > 0))")
    run(database, "SET check_constraint_checks = 0", "INSERT INTO odd VALUES (1, -1)")
    before = table(database, "odd")
    backup()
    run(database, "DELETE FROM odd")
    restore()
    assert table(database, "odd") == before


def test_schemas_of_another_deployment_are_left_alone(loaded: Database, bucket: str) -> None:
    backup("jobs")
    schema = "tableferry_old_20200101t000000z_" + bucket[-8:]
    run(loaded, f"CREATE DATABASE {schema}")
    try:
        assert restore()["state"] == "done"
        assert schema in verbs.schemas(loaded)
    finally:
        run(loaded, f"DROP DATABASE {schema}")


def test_no_row_goes_in_without_a_trigger_while_tables_are_swapped(loaded: Database) -> None:
    """Before the swap with the old trigger, after it with the new one: on MySQL. MariaDB renames no locked tables."""
    if loaded.mariadb:
        not_applicable("MariaDB refuses RENAME TABLE under LOCK TABLES")
    trigger = "CREATE TRIGGER {0} BEFORE INSERT ON jobs FOR EACH ROW SET NEW.job = '{0}'"
    run(loaded, trigger.format("backed_up"), trigger.format("always").replace("NEW.job =", "@a ="))
    backup("jobs")
    run(loaded, "DROP TRIGGER backed_up", trigger.format("live"))
    stop = threading.Event()

    def write(first: int) -> None:
        with closing(loaded.connect()) as connection, connection.cursor() as cursor:
            for number in itertools.count(first):
                cursor.execute("INSERT INTO jobs VALUES (%s, 'no trigger')", (number,))
                if stop.is_set():
                    break

    with ThreadPoolExecutor(3) as pool:
        writers = [pool.submit(write, first) for first in (1_000, 10_000_000, 20_000_000)]
        try:
            for _ in range(4):
                done = restore()
                assert post(f"/restores/{done['id']}/undo").status == 200
                [(found,)] = verbs.rows(loaded, "SELECT GROUP_CONCAT(DISTINCT job) FROM jobs WHERE id >= 1000")
                [(restored,)] = verbs.rows(
                    loaded,
                    f"SELECT GROUP_CONCAT(DISTINCT job) FROM `{_shadow(done)}`.jobs WHERE id >= 1000",
                )
                assert (found, restored) == ("live", "backed_up")
                assert post(f"/restores/{done['id']}/accept").status == 200
        finally:
            stop.set()
        for writer in writers:
            writer.result()


def _shadow(done: Json) -> str:
    """The schema in which the tables of an undone restore wait."""
    return str(done["kept"]).replace("_old", "")


def test_a_zero_in_a_column_that_counts_comes_back_beside_columns_of_bytes(database: Database, bucket: str) -> None:
    run(
        database,
        "CREATE TABLE t (n INT AUTO_INCREMENT PRIMARY KEY, x VARBINARY(8), b BIT(3))",
        "SET SESSION sql_mode = 'NO_AUTO_VALUE_ON_ZERO'",
        "INSERT INTO t VALUES (0, x'00ff', 5), (7, NULL, NULL)",
    )
    before = table(database, "t")
    backup()
    run(database, "DELETE FROM t")
    restore()
    assert table(database, "t") == before
    assert numbers(database, "t", "n") == [0, 7]
