"""The dry run of a backup, and the choice of a real one: what is said beforehand, and that nothing is done for it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from datetime import datetime
from typing import Any

import pymysql
import pytest

from functions.backup.app import handler
from tableferry.api.models import BackupRequest
from tableferry.backup.outlook import capacity, forecast
from tableferry.columnar.formats import Format
from tableferry.config.settings import Settings
from tableferry.mysql.database import Connection
from tableferry.mysql.database import Database as Source
from tests.support import verbs
from tests.support.lambdas import Context, Json, invoke
from tests.support.parts import Database, connect
from tests.support.verbs import SAMPLE, backup, load_sample, post


@pytest.fixture
def loaded(database: Database, bucket: str) -> Database:
    load_sample(database)
    return database


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every statement that is sent from here on, in capitals."""
    found: list[str] = []
    real: Callable[..., Any] = pymysql.connections.Connection._execute_command  # type: ignore[attr-defined]

    def execute(self: Connection, command: int, sql: str | bytes) -> Any:
        found.append((sql if isinstance(sql, str) else sql.decode("latin-1")).lstrip().upper())
        return real(self, command, sql)

    monkeypatch.setattr(pymysql.connections.Connection, "_execute_command", execute)
    return found


def planned(**wanted: object) -> Json:
    """The answer to a dry run, which leaves the bucket as it is."""
    before = listed()
    answer = post("/backups", {"dry_run": True, **wanted})
    assert answer.status == 200, answer.text
    assert listed() == before
    found: Json = answer.json
    return found


def listed() -> list[tuple[str, int]]:
    return [(item.key, item.size) for item in verbs.store().list("")]


@pytest.mark.usefixtures("loaded")
def test_a_dry_run_says_what_would_be_done_where_how_long_it_takes_and_what_it_costs() -> None:
    found = planned(format="csv")
    assert (found["state"], found["format"], found["complete"]) == ("planned", "csv", True)
    assert [table["name"] for table in found["tables"]] == list(SAMPLE)
    assert all(table["ranges"] == 1 and table["bytes_estimate"] >= 16384 for table in found["tables"])
    assert found["bytes_estimate"] == sum(table["bytes_estimate"] for table in found["tables"])
    assert (found["source"], found["workers"], found["connections"]) == ("live", 1, 4)
    assert found["seconds"] == pytest.approx(found["bytes_estimate"] * 47 / 1e9, abs=0.1)
    assert found["seconds_allowed"] == 780
    assert found["speed"] == {"bytes_per_second": 21_276_596, "by": "default", "backups": []}
    assert found["writes"]["bucket"] == verbs.store().bucket
    assert found["writes"]["prefix"] == "backups/{id}/"
    assert found["writes"]["objects"] == 4
    assert found["cost"]["once"] == pytest.approx(4 * 0.005 / 1000)
    assert found["cost"]["state_machine"] == 0
    assert (found["problems"], found["notes"]) == ([], [])
    some = planned(tables=["jobs"])
    assert ([table["name"] for table in some["tables"]], some["complete"]) == (["jobs"], False)


def test_nothing_is_locked_or_written_and_no_writer_is_waited_for(loaded: Database, sent: list[str]) -> None:
    with closing(loaded.connect()) as writer, writer.cursor() as cursor:
        cursor.execute("BEGIN")
        for table in SAMPLE:
            cursor.execute(f"DELETE FROM {table} WHERE id = 40")
        sent.clear()
        assert planned()["problems"] == []
        said = list(sent)
        writer.rollback()
    assert len(said) > 10
    assert {statement.split()[0] for statement in said if statement} <= {"SET", "SELECT", "SHOW", "EXPLAIN"}


@pytest.mark.usefixtures("loaded")
def test_a_direct_invocation_has_the_same_plan() -> None:
    asked = {"tables": ["jobs"], "dry_run": True}
    before = listed()
    assert invoke(handler, {"action": "backup", **asked}) == planned(**asked)
    assert listed() == before
    assert invoke(handler, {"action": "backup", "tables": ["jobs"], "dry_run": False})["state"] == "done"


def test_all_that_would_be_refused_is_named_in_the_words_of_the_backup(
    loaded: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TABLES", "*,!secret")
    verbs.run(
        loaded,
        "CREATE TABLE old (id INT PRIMARY KEY) ENGINE=MyISAM",
        "CREATE TABLE secret (id INT PRIMARY KEY)",
    )
    with closing(connect(loaded.admin_url)) as admin, admin.cursor() as cursor:
        cursor.execute("CREATE VIEW recent AS SELECT * FROM jobs")
    wanted = ["nowhere", "secret", "jobs", "old"]
    found = planned(tables=wanted)
    assert [(one["code"], one["table"]) for one in found["problems"]] == [
        ("table-not-found", "nowhere"),
        ("not-supported", "old"),
        ("table-not-served", "secret"),
    ]
    assert [table["name"] for table in found["tables"]] == ["jobs"]
    for one in found["problems"]:
        refused = post("/backups", {"tables": [one["table"]]})
        assert refused.problem(refused.status)["type"].endswith(one["code"])
        assert refused.json["detail"] == one["message"]
    everything = planned()
    assert [(one["code"], one["table"]) for one in everything["problems"]] == [("not-supported", "old")]
    assert everything["complete"] is False
    assert everything["notes"] == ["Not backed up: view recent."]


def test_a_database_without_tables_has_nothing_to_plan(database: Database, bucket: str) -> None:
    [found] = planned()["problems"]
    assert (found["code"], found["table"]) == ("conflict", "")
    assert post("/backups").problem(409)["detail"] == found["message"]


@pytest.mark.usefixtures("loaded")
def test_what_cannot_be_read_is_refused_as_ever() -> None:
    assert "empty" in post("/backups", {"tables": [], "dry_run": True}).problem(400)["detail"]
    for workers in (0, 101, "many"):
        assert "workers" in post("/backups", {"workers": workers}).problem(400)["detail"]


@pytest.mark.usefixtures("loaded")
def test_what_cannot_end_in_time_is_refused_before_it_begins_with_the_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Context, "get_remaining_time_in_millis", lambda _: 0)
    [found] = planned()["problems"]
    assert (found["code"], found["table"]) == ("cannot-end-in-time", "")
    assert "there are 0. Nothing was begun: set SCALE=on" in found["message"]
    refused = post("/backups").problem(409)
    assert refused["type"].endswith(found["code"])
    assert refused["detail"] == found["message"]
    assert not [key for key, _ in listed() if key.startswith("backups/")]
    monkeypatch.setenv("SCALE", "on")
    monkeypatch.setenv("JOBS", "event")
    assert "allow more functions (SCALE_WORKERS)" in planned()["problems"][0]["message"]


@pytest.mark.usefixtures("loaded")
def test_what_may_just_end_in_time_is_begun_and_the_plan_says_that_it_may_not(monkeypatch: pytest.MonkeyPatch) -> None:
    size = planned()["bytes_estimate"]
    seconds = size * 47 / 1e9 / capacity.USABLE / 2
    monkeypatch.setattr(Context, "get_remaining_time_in_millis", lambda _: seconds * 1000)
    found = planned()
    assert found["problems"] == []
    assert "it may not end in time" in found["notes"][0]
    assert backup()["rows"] == 52


@pytest.fixture
def comparable(monkeypatch: pytest.MonkeyPatch) -> None:
    """However small a backup is, its speed counts."""
    monkeypatch.setattr(capacity, "COMPARABLE_BYTES", 1)
    monkeypatch.setattr(forecast, "SMALL_BYTES", 0)


@pytest.mark.usefixtures("loaded", "comparable")
def test_the_speed_is_that_of_the_last_backups_of_this_format(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = backup(), backup("jobs", "departments")
    backup(form="csv")
    found = planned()
    assert found["speed"]["by"] == "measured"
    assert found["speed"]["backups"] == [second["id"], first["id"]]
    assert planned(format="avro")["speed"]["by"] == "default"
    # What no key of this deployment has signed is no backup.
    monkeypatch.setenv("SIGNING_KEY", "another")
    assert planned()["speed"]["by"] == "default"


@pytest.mark.usefixtures("comparable")
def test_a_table_that_was_backed_up_is_expected_to_take_as_long_again(loaded: Database) -> None:
    verbs.run(loaded, "CREATE TABLE wide (id INT PRIMARY KEY AUTO_INCREMENT, word VARCHAR(200))")
    verbs.fill(loaded, "wide", [("w" * 180,)] * 20000, "(word)")
    verbs.run(loaded, "ANALYZE TABLE wide")
    made = backup("wide")
    seconds = (datetime.fromisoformat(made["finished"]) - datetime.fromisoformat(made["started"])).total_seconds()
    found = planned(tables=["wide"])
    assert found["seconds"] == pytest.approx(seconds, rel=0.5, abs=0.06)  # rows are estimated, and seconds rounded
    assert found["writes"]["bytes"] == pytest.approx(made["bytes"], rel=0.5)


@pytest.mark.usefixtures("loaded")
def test_several_functions_are_planned_where_they_are_allowed_and_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    found = planned(workers=3)
    assert found["workers"] == 1
    assert found["notes"][0].startswith("Of 3 functions that are asked for there would be 1:")
    monkeypatch.setenv("SCALE", "on")
    monkeypatch.setenv("JOBS", "event")
    found = planned(workers=3)
    assert (found["workers"], found["connections"], found["notes"]) == (3, 8, [])
    assert planned(workers=3, tables=["jobs"])["workers"] == 1  # for others there would be nothing to do
    assert found["cost"]["state_machine"] > 0
    assert planned()["workers"] == 1
    monkeypatch.setenv("SCALE_WORKERS", "2")
    assert planned(workers=3)["workers"] == 2


def test_connections_that_others_have_are_not_counted_on(loaded: Database) -> None:
    with Source(Settings.from_env().database).connect() as connection:
        before = forecast.free_connections(connection)
        [(most,)] = verbs.rows(loaded, "SELECT @@GLOBAL.max_connections")
        assert 0 < before < int(most) * 0.9
        with ExitStack() as stack:
            for _ in range(5):
                stack.enter_context(closing(loaded.connect()))
            assert forecast.free_connections(connection) <= before - 4  # somebody else's may have ended


@pytest.fixture
def small_user(loaded: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The functions' user has seven connections, and may read all and lock nothing."""
    user = f"u{loaded.name[-8:]}"
    with closing(connect(loaded.admin_url)) as admin, admin.cursor() as cursor:
        cursor.execute(f"CREATE USER {user}@'%' IDENTIFIED BY 'p' WITH MAX_USER_CONNECTIONS 7")
        cursor.execute(f"GRANT SELECT, SHOW VIEW, TRIGGER ON `{loaded.name}`.* TO {user}@'%'")
        monkeypatch.setenv("DATABASE_URL", f"mysql://{user}:p@{loaded.url.rsplit('@', 1)[1]}")
        yield
        cursor.execute(f"DROP USER {user}@'%'")


@pytest.mark.usefixtures("small_user")
def test_a_user_has_no_more_connections_than_his_own_and_without_locks_one_function(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SCALE", "on")
    monkeypatch.setenv("JOBS", "event")
    source = Source(Settings.from_env().database)
    with source.connect() as connection, source.connect():
        assert forecast.free_connections(connection) == 7 - 2 - 2
    found = planned(workers=3)
    assert (found["workers"], found["problems"]) == (1, [])
    assert "Of 3 functions that are asked for there would be 1" in found["notes"][0]


@pytest.mark.usefixtures("comparable")
def test_a_table_that_only_one_connection_can_read_is_the_longest_part(loaded: Database) -> None:
    verbs.run(loaded, "CREATE TABLE loose (word TEXT)")
    verbs.fill(loaded, "loose", [("w" * 100,)] * 2000)
    verbs.run(loaded, "ANALYZE TABLE loose")
    source, allowed = Source(Settings.from_env().database), capacity.Allowed(900)
    with source.connect() as connection:
        size, pace, _ = forecast.evidence(connection, source, verbs.store(), None, Format.PARQUET, allowed)
    assert size.longest_table == "loose"
    assert 100 * 2000 < size.longest < size.bytes
    assert pace == capacity.Pace()


def test_a_request_that_says_nothing_of_functions_is_the_job_that_it_was() -> None:
    assert BackupRequest().of_job() == {"tables": None, "format": "parquet"}
    asked = BackupRequest(tables=["jobs"], workers=2, dry_run=False)
    assert asked.of_job() == {"tables": ["jobs"], "format": "parquet", "workers": 2}
