"""Tables that the setting TABLES leaves out are neither read nor written, by no route and no trigger."""

from collections.abc import Iterator

import pytest

from functions.insert.app import handler as insert_handler
from functions.load.app import handler as load_handler
from tableferry.config.settings import database_address
from tableferry.ledger import ledger
from tableferry.mysql.database import Database as Source
from tests.effort import either_server
from tests.support.lambdas import request
from tests.support.parts import Database
from tests.support.uploads import Uploads
from tests.support.verbs import backup, get, load_sample, post, restore, unchanged

pytestmark = either_server


@pytest.fixture
def guarded(database: Database, bucket: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """The sample, backed up whole, of which only the jobs and what begins with d are served now."""
    load_sample(database)
    backup()
    with Source(database_address()).connect() as connection:
        ledger.prepare(connection)
    monkeypatch.setenv("TABLES", "jobs, d*")
    with unchanged(database):
        yield database


def test_the_dictionary_shows_what_is_served(guarded: Database) -> None:
    shown = request(insert_handler, "GET", "/tables").json["tables"]
    assert [table["name"] for table in shown] == ["departments", "jobs"]


@pytest.mark.parametrize("name", ["hired_employees", "no_such_table"])
def test_of_others_it_is_not_even_said_whether_they_are_there(guarded: Database, name: str) -> None:
    for answer in (
        request(insert_handler, "GET", f"/tables/{name}"),
        request(insert_handler, "GET", "/tables", query={"table": name}),
        request(insert_handler, "POST", f"/tables/{name}/rows", body=[[1, "a", "2021-01-01", 1, 1]]),
        request(load_handler, "POST", "/uploads", body={"table": name, "filename": "a.csv"}),
        post("/backups", {"tables": ["jobs", name]}),
    ):
        assert "TABLES" in answer.problem(403)["detail"]


def test_a_name_that_is_served_and_not_there_is_answered_with_those_that_are_served(guarded: Database) -> None:
    detail = request(insert_handler, "GET", "/tables/dogs").problem(404)["detail"]
    assert detail == "There is no table 'dogs'. There are: departments, jobs."


def test_a_file_for_another_table_is_not_loaded(guarded: Database, uploads: Uploads) -> None:
    found = uploads.load(b"1,a,2021-01-01T00:00:00Z,1,1\n", table="hired_employees")
    assert (found["state"], found["error"]["type"]) == ("failed", "table-not-served")


def test_all_tables_are_those_that_are_served(guarded: Database) -> None:
    assert [table["name"] for table in backup()["tables"]] == ["departments", "jobs"]


def test_a_restore_reads_and_writes_none_but_those(guarded: Database) -> None:
    for wanted in (
        {},
        {"tables": ["hired_employees"]},
        {"tables": ["jobs"], "into": {"jobs": "others"}},
        {"into": {"hired_employees": "duplicates"}},
        {"dry_run": True},
    ):
        post("/restores", wanted).problem(403)
    assert restore(tables=["jobs"], into={"jobs": "duplicated"}, dry_run=True)["state"] == "planned"


def test_a_restore_of_what_is_served_no_more_cannot_be_undone(
    database: Database, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_sample(database)
    backup()
    done = restore(tables=["jobs"])
    monkeypatch.setenv("TABLES", "departments")
    post(f"/restores/{done['id']}/undo").problem(403)
    assert get(f"/restores/{done['id']}").json["state"] == "done"
