"""All that stands in the way of a restore is said at once, before anything is built; a dry run says it as well."""

import contextlib
import json
import os
import uuid
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from local.runtime.database import grants
from tableferry.mysql.database import dialect
from tableferry.restore import dry_run
from tableferry.storage import object_keys
from tests.integration.manifest.test_trust import signature
from tests.support import verbs
from tests.support.lambdas import Json
from tests.support.parts import Database, Server, connect, not_applicable
from tests.support.verbs import backup, load_sample, post, restore, run

Admin = Callable[..., None]


@pytest.fixture
def loaded(database: Database, bucket: str) -> Database:
    load_sample(database)
    return database


@pytest.fixture
def admin(database: Database) -> Admin:
    """Runs statements as the administrator."""

    def do(*statements: str) -> None:
        with contextlib.closing(connect(database.admin_url)) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    return do


@pytest.fixture
def setting(server: Server, database: Database, admin: Admin) -> Iterator[Callable[[str, int], None]]:
    """Sets a variable of the whole server for one test."""
    if not server.alone:
        not_applicable("other tests use this server meanwhile")
    before: dict[str, object] = {}

    def change(name: str, value: int) -> None:
        [(was,)] = verbs.rows(database, f"SELECT @@GLOBAL.{name}")
        before.setdefault(name, was)
        admin(f"SET GLOBAL {name} = {value}")

    yield change
    for name, value in before.items():
        admin(f"SET GLOBAL {name} = {value}")


def refused(database: Database, status: int = 409, **wanted: Any) -> Json:
    """The problem of a restore; a dry run finds the same, and neither changes anything."""
    with verbs.unchanged(database):
        found = post("/restores", {"backup": "latest", **wanted}).problem(status)
        planned = restore(dry_run=True, **wanted)
    assert planned["state"] == "planned"
    assert planned["plan"]["problems"] == found["errors"]
    assert found["detail"] == " ".join(one["message"] for one in found["errors"])
    return found


def test_a_dry_run_says_what_would_be_done_and_that_nothing_is_in_the_way(loaded: Database) -> None:
    run(loaded, "CREATE TRIGGER tidy BEFORE INSERT ON jobs FOR EACH ROW SET NEW.job = TRIM(NEW.job)")
    made = backup()
    run(
        loaded,
        "DROP TABLE hired_employees",
        "CREATE TABLE child (j INT, CONSTRAINT up FOREIGN KEY (j) REFERENCES jobs (id))",
    )
    with verbs.unchanged(loaded):
        planned = restore(dry_run=True)
    plan = planned["plan"]
    assert plan["problems"] == []
    assert plan["checks"] == list(dry_run.CHECKS)
    assert plan["unchecked"] == []
    sizes = {found["name"]: found["bytes"] for found in made["tables"]}
    assert [(found["name"], found["rows"], found["bytes"], found["replaces"]) for found in plan["tables"]] == [
        ("departments", 5, sizes["departments"], True),
        ("hired_employees", 40, sizes["hired_employees"], False),
        ("jobs", 7, sizes["jobs"], True),
    ]
    departments, employees, jobs = plan["tables"]
    assert (departments["foreign_keys"], departments["repointed"], departments["triggers"]) == ([], [], [])
    assert len(employees["foreign_keys"]) == 2
    assert (jobs["repointed"], jobs["triggers"]) == (["child.up"], ["tidy"])
    assert restore(dry_run=True, into={"jobs": "other"}, tables=[])["plan"]["tables"][0]["triggers"] == []
    assert restore()["plan"] is None


def test_all_that_is_in_the_way_is_said_at_once(
    loaded: Database, admin: Admin, setting: Callable[[str, int], None]
) -> None:
    run(loaded, "CREATE TRIGGER tidy BEFORE INSERT ON jobs FOR EACH ROW SET @a = 1")
    backup()
    [(name,)] = verbs.rows(
        loaded,
        "SELECT constraint_name FROM information_schema.table_constraints WHERE table_schema = DATABASE()"
        " AND table_name = 'hired_employees' AND constraint_type = 'FOREIGN KEY' ORDER BY 1 LIMIT 1",
    )
    run(
        loaded,
        "DROP TABLE hired_employees",
        "DROP TABLE departments",
        "DROP TABLE jobs",
        "CREATE TABLE taker (id INT PRIMARY KEY, up INT)",
        f"ALTER TABLE taker ADD CONSTRAINT `{name}` FOREIGN KEY (up) REFERENCES taker (id)",
        "CREATE TRIGGER tidy BEFORE INSERT ON taker FOR EACH ROW SET @a = 1",
    )
    admin(f"CREATE VIEW `{loaded.name}`.departments AS SELECT 1 AS id")
    setting("local_infile", 0)
    found = refused(loaded)
    assert {one["code"] for one in found["errors"]} == {
        "local-infile",
        "foreign-key-names",
        "trigger-names",
        "other-things",
    }
    for part in (
        "local_infile off",
        f"Foreign key '{name}'",
        "table 'taker'",
        "Trigger 'tidy'",
        "view named 'departments'",
    ):
        assert part in found["detail"]


def test_a_parent_that_is_not_there_is_named_for_each_key(loaded: Database) -> None:
    backup()
    run(loaded, "DROP TABLE hired_employees", "DROP TABLE departments", "DROP TABLE jobs")
    found = refused(loaded, tables=["hired_employees"])
    assert [one["code"] for one in found["errors"]] == ["parents", "parents"]
    assert "'departments'" in found["detail"]
    assert "'jobs'" in found["detail"]


def test_a_checks_name_that_another_table_has_is_in_the_way_on_mysql_only(database: Database, bucket: str) -> None:
    run(database, "CREATE TABLE t (a INT, CONSTRAINT positive CHECK (a > 0))", "INSERT INTO t VALUES (1)")
    backup()
    run(database, "DROP TABLE t", "CREATE TABLE other (a INT, CONSTRAINT Positive CHECK (a > 0))")
    if database.mariadb:
        assert restore()["state"] == "done"
        return
    found = refused(database)
    assert [one["code"] for one in found["errors"]] == ["check-names"]
    assert "Check 'positive' of table 't'" in found["detail"]
    assert restore(into={"t": "beside"})["state"] == "done"


def test_rows_that_are_surely_over_the_packet_are_named(
    database: Database, bucket: str, setting: Callable[[str, int], None]
) -> None:
    run(database, "CREATE TABLE big (id INT PRIMARY KEY, b LONGBLOB)")
    with verbs.cursor(database) as opened:
        opened.execute("INSERT INTO big VALUES (1, %s)", (os.urandom(2_000_000),))
    backup()
    assert restore(dry_run=True)["plan"]["problems"] == []
    setting("max_allowed_packet", 1024 * 1024)
    found = refused(database)
    assert [one["code"] for one in found["errors"]] == ["max-allowed-packet"]
    assert "Table 'big' has rows of " in found["detail"]


def test_every_privilege_that_is_missing_is_named_at_once(
    loaded: Database, admin: Admin, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup()
    run(loaded, "CREATE TABLE child (j INT, CONSTRAINT up FOREIGN KEY (j) REFERENCES jobs (id))")
    name = f"u{uuid.uuid4().hex[:10]}"
    user = f"'{name}'@'%'"
    place = urlsplit(loaded.url)
    own = loaded.name.replace("_", r"\_")
    admin(
        f"CREATE USER {user} IDENTIFIED BY 'p'",
        f"GRANT SELECT, INSERT, CREATE, TRIGGER ON `{own}`.* TO {user}",
        rf"GRANT SELECT, CREATE ON `tableferry\_%`.* TO {user}",
    )
    try:
        monkeypatch.setenv("DATABASE_URL", place._replace(netloc=f"{name}:p@{place.hostname}:{place.port}").geturl())
        found = refused(loaded, 403)
        live = "on table 'departments', 'hired_employees', 'jobs'"
        assert (
            "lacks the privilege ALTER on table 'departments', 'hired_employees', 'jobs', 'child'." in found["detail"]
        )
        shadows = r"on the schemas `tableferry\_%`"
        for expected in [f"{one} {live}" for one in ("ALTER", "DROP")] + [
            f"{one} {shadows}" for one in ("INSERT", "ALTER", "DROP")
        ]:
            assert f"lacks the privilege {expected}" in found["detail"]
        for absent in (f"CREATE {live}", f"TRIGGER {live}", f"SELECT {shadows}", f"CREATE {shadows}"):
            assert absent not in found["detail"]
        with contextlib.closing(connect(loaded.admin_url)) as connection:
            references = dialect(connection).wants_references  # type: ignore[arg-type]
        assert (f"REFERENCES {shadows}" in found["detail"]) is references
        admin(*[statement for statement in grants(loaded.name, user) if "REPLICATION" not in statement])
        assert restore(dry_run=True)["plan"]["problems"] == []
        assert restore()["state"] == "done"
    finally:
        admin(f"DROP USER {user}")


def test_a_dry_run_of_a_backup_from_the_other_server_names_what_cannot_cross(loaded: Database) -> None:
    made = backup("jobs")
    key = object_keys.manifest(made["id"])
    content = verbs.content(key)["manifest"]
    here_mariadb = "MariaDB" in content["server"]
    content["server"] = "9.7.0" if here_mariadb else "10.11.19-MariaDB"
    text, added = content["tables"][0]["definition"], "point /*!80003 SRID 4326 */" if here_mariadb else "uuid"
    content["tables"][0]["definition"] = text.replace(",\n  PRIMARY", f",\n  `odd` {added} DEFAULT NULL,\n  PRIMARY")
    verbs.store().put(key, json.dumps({"manifest": content, "signature": signature(content)}).encode())
    found = refused(loaded)
    assert [(one["code"], one["table"]) for one in found["errors"]] == [("crossing", "jobs")]
    assert "Column 'odd' of table 'jobs'" in found["detail"]


def test_what_all_tables_do_not_hold_is_named_in_the_backups_answer(loaded: Database, admin: Admin) -> None:
    mariadb = loaded.mariadb
    assert backup()["notes"] == []
    admin(f"CREATE VIEW `{loaded.name}`.recent AS SELECT id FROM `{loaded.name}`.jobs")
    named = ["view recent"]
    if mariadb:
        admin(f"CREATE SEQUENCE `{loaded.name}`.numbers")
        run(loaded, "CREATE TABLE versions (id INT) WITH SYSTEM VERSIONING")
        named = ["sequence numbers", "system-versioned table versions", "view recent"]
    made = backup()
    assert made["notes"] == [f"Not backed up: {', '.join(named)}."]
    assert verbs.get(f"/backups/{made['id']}").json["notes"] == made["notes"]
    assert backup("jobs")["notes"] == []
