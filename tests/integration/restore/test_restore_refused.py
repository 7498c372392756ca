"""Restores, undos, accepts and recoveries that meet an error at any step: the record says what is so, each time."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pymysql
import pytest

from functions.restore import app
from tableferry.api import views
from tableferry.errors import StoreUnavailable
from tableferry.restore import record
from tableferry.storage import bucket as store
from tests.effort import in_ci, points, sample
from tests.support import verbs
from tests.support.killed import LOOKS_ONLY
from tests.support.lambdas import Answer, invoke
from tests.support.parts import Database, Server, not_applicable
from tests.support.verbs import backup, get, load_sample, picture, post, restore, run, table

TRIGGER = "CREATE TRIGGER {} BEFORE INSERT ON departments FOR EACH ROW SET @a = 1"
REFUSED, BROKEN, LOST = "refused", "broken", "lost answer"


@pytest.fixture
def damaged(database: Database, bucket: str, monkeypatch: pytest.MonkeyPatch) -> Database:
    """A backup of a parent and a child with triggers, and other rows and another trigger since."""
    monkeypatch.setattr("tableferry.mysql.retry._LOCK_TRIES", 1)
    load_sample(database)
    run(
        database,
        TRIGGER.format("was"),
        "CREATE TABLE offices (id INT PRIMARY KEY, department_id INT, job_id INT,"
        " CONSTRAINT office_department FOREIGN KEY (department_id) REFERENCES departments (id),"
        " CONSTRAINT office_job FOREIGN KEY (job_id) REFERENCES jobs (id))",
        "INSERT INTO offices VALUES (1, 1, 1), (2, 2, 2)",
    )
    backup("departments", "offices")
    run(
        database,
        "DROP TRIGGER was",
        TRIGGER.format("now"),
        "UPDATE departments SET department = 'spoilt'",
        "DELETE FROM offices WHERE id = 2",
    )
    return database


@contextmanager
def failing(step: int | str, how: str) -> Iterator[list[str]]:
    """The n-th change of the database or request of a record, or the first that begins so, fails.

    It is refused, breaks the connection, or, of a request, is done and its answer lost. Yields what was met.
    """
    steps = itertools.count(1)
    met: list[str] = []
    query, put, fetch = pymysql.connections.Connection.query, store.Store.put, store.Store.get

    def now(what: str) -> bool:
        number = next(steps)
        if met or not (what.startswith(step) if isinstance(step, str) else number == step):
            return False
        met.append(what)
        return True

    def failing_query(self: Any, sql: Any, unbuffered: bool = False) -> int:
        if not str(sql).startswith(LOOKS_ONLY) and now(str(sql)):
            if how == BROKEN:
                self._force_close()
                raise pymysql.err.OperationalError(2013, "Lost connection")
            raise pymysql.err.OperationalError(1205, "Lock wait timeout exceeded")
        return query(self, sql, unbuffered)

    def failing_put(self: store.Store, key: str, *given: Any, **options: Any) -> str:
        if key.startswith("restores/") and now(f"PUT {key}"):
            if how == LOST:
                put(self, key, *given, **options)
            raise StoreUnavailable("S3 cannot be used now.")
        return put(self, key, *given, **options)

    def failing_get(self: store.Store, key: str, *given: Any, **options: Any) -> Any:
        if key.startswith("restores/") and now(f"GET {key}"):
            raise StoreUnavailable("S3 cannot be used now.")
        return fetch(self, key, *given, **options)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(pymysql.connections.Connection, "query", failing_query)
        patched.setattr(store.Store, "put", failing_put)
        patched.setattr(store.Store, "get", failing_get)
        yield met


def settled(restore_id: str) -> str:
    """The state in the end: an error may leave a record under way, which the next call finishes."""
    for _ in range(2):
        assert not invoke(app.handler, {"action": "recover"})["busy"]
    return record.find(verbs.store(), restore_id).state


def holds(restore_id: str, database: Database, old: Any, new: Any) -> None:
    """The record says what is so, of tables and schemas, and what it says is kept is there."""
    found = record.find(verbs.store(), restore_id).public()
    if found["state"] != "failed":
        assert get(f"/restores/{restore_id}").json == views.restore(record.find(verbs.store(), restore_id)).model_dump(
            mode="json"
        )
    tables = picture(database).tables
    assert tables == (new if found["state"] in ("done", "accepted") else old), found["state"]
    name = restore_id.lower().replace("-", "_")
    own = {one for one in verbs.schemas(database) if one.endswith(name)}
    kept = {"done": f"tableferry_old_{name}", "undone": f"tableferry_{name}" if own else None}.get(found["state"])
    assert found["kept"] == kept
    assert bool(own) == (kept is not None)
    if kept:
        there = {one for (one,) in verbs.rows(database, f"SHOW TABLES FROM `{kept}`")}
        assert there == {"departments", "offices"}
        [(held,)] = verbs.rows(database, f"SELECT MAX(department = 'spoilt') FROM `{kept}`.departments")
        assert bool(held) == (found["state"] == "done")


def walk(call: Callable[[], Answer], how: str) -> Iterator[tuple[Answer, list[str]]]:
    """What a call answers with an error at each of its steps to the last, or at a sample of them."""
    for step in points(13):
        with failing(step, how) as met:
            answer = call()
        yield answer, met
        if not met:
            return


def ids() -> list[str]:
    return [found["id"] for found in get("/restores").json["restores"]]


def seen(database: Database) -> tuple[Any, Any]:
    """The tables as they are, and as a restore makes them."""
    old = picture(database).tables
    done = restore()
    new = picture(database).tables
    assert post(f"/restores/{done['id']}/undo").status == 200
    assert post(f"/restores/{done['id']}/accept").status == 200
    assert picture(database).tables == old
    return old, new


@pytest.mark.parametrize("how", [REFUSED, BROKEN, LOST])
@sample(1)
def test_a_restore_that_meets_an_error_is_failed_or_done_and_its_record_says_which(damaged: Database, how: str) -> None:
    old, new = seen(damaged)
    known = set(ids())
    for answer, met in walk(lambda: post("/restores", {}), how):
        assert answer.status in (201, 409, 503), (answer.text, met)
        newest = ids()[0]
        if newest in known:
            assert picture(damaged).tables == old, met
            continue
        known |= {newest}
        if answer.status == 201:
            assert answer.json["state"] == "done"
        elif answer.status == 409:
            assert record.find(verbs.store(), newest).state == "failed", met
        settled(newest)
        holds(newest, damaged, old, new)
        if picture(damaged).tables == new:
            assert post(f"/restores/{newest}/undo").status == 200, met
            assert post(f"/restores/{newest}/accept").status == 200, met
        assert picture(damaged).tables == old, met


def test_tables_are_put_back_when_the_locks_of_a_swap_could_not_be_given_back(
    damaged: Database, server: Server
) -> None:
    if server.mariadb:
        not_applicable("MariaDB refuses RENAME TABLE under LOCK TABLES")
    old, new = seen(damaged)
    with failing("UNLOCK TABLES", REFUSED) as met:
        post("/restores", {}).problem(409)
    assert met
    assert picture(damaged).tables == old
    assert record.find(verbs.store(), ids()[0]).state == "failed"

    restore_id = str(restore()["id"])
    with failing("UNLOCK TABLES", REFUSED) as met:
        post(f"/restores/{restore_id}/undo").problem(409)
    assert met
    assert picture(damaged).tables == new
    assert post(f"/restores/{restore_id}/undo").status == 200
    assert picture(damaged).tables == old


@in_ci
@pytest.mark.parametrize("how", [REFUSED, BROKEN, LOST])
@sample(1)
def test_an_undo_that_meets_an_error_leaves_the_record_and_the_tables_as_they_were_or_is_done(
    damaged: Database, how: str
) -> None:
    old, new = seen(damaged)
    current = [restore_id := str(restore()["id"])]
    before, schemas = record.find(verbs.store(), restore_id), verbs.schemas(damaged)
    for answer, met in walk(lambda: post(f"/restores/{current[-1]}/undo"), how):
        assert answer.status in (200, 409, 503), (answer.text, met)
        if answer.status == 409:
            assert record.find(verbs.store(), restore_id) == before, met
            assert verbs.schemas(damaged) == schemas, met
            assert picture(damaged).tables == new, met
        state = settled(restore_id)
        holds(restore_id, damaged, old, new)
        if state == "done":
            assert record.find(verbs.store(), restore_id) == before, met
        else:
            assert post(f"/restores/{restore_id}/accept").status == 200
            current.append(restore_id := str(restore()["id"]))
            before, schemas = record.find(verbs.store(), restore_id), verbs.schemas(damaged)


@in_ci
@pytest.mark.parametrize("undone", [False, True])
@pytest.mark.parametrize("how", [REFUSED, BROKEN, LOST])
@sample(2)
def test_an_accept_that_meets_an_error_is_taken_back_whole_or_goes_on(
    damaged: Database, how: str, undone: bool
) -> None:
    old, new = seen(damaged)

    def again() -> str:
        restore_id = str(restore()["id"])
        if undone:
            assert post(f"/restores/{restore_id}/undo").status == 200
        return restore_id

    current = [restore_id := again()]
    before = record.find(verbs.store(), restore_id)
    for answer, met in walk(lambda: post(f"/restores/{current[-1]}/accept"), how):
        assert answer.status in (200, 409, 503), (answer.text, met)
        state = settled(restore_id)
        holds(restore_id, damaged, old, new)
        if record.find(verbs.store(), restore_id) != before:
            assert (state, get(f"/restores/{restore_id}").json["kept"]) == ("undone" if undone else "accepted", None)
            if not undone:
                run(damaged, "DROP TRIGGER was", TRIGGER.format("now"), "UPDATE departments SET department = 'spoilt'")
                run(damaged, "DELETE FROM offices WHERE id = 2")
            current.append(restore_id := again())
            before = record.find(verbs.store(), restore_id)
        else:
            assert answer.status != 200, met


def test_an_undo_that_is_refused_can_still_be_undone_and_does_not_have_the_originals_dropped(
    damaged: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tableferry.mysql.retry._LOCK_WAIT_SECONDS", 1)
    old = table(damaged, "departments")
    done = restore(tables=["departments"])
    with damaged.connect(autocommit=False) as reader, reader.cursor() as cursor:
        cursor.execute("SELECT * FROM departments")
        assert "in use" in post(f"/restores/{done['id']}/undo").problem(409)["detail"]
    assert get(f"/restores/{done['id']}").json == done
    assert post(f"/restores/{done['id']}/undo").status == 200
    assert table(damaged, "departments") == old
