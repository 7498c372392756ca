"""Backups of tables that are written, swapped and changed all the while: of one moment, or an error."""

import io
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import polars as pl
import pymysql
import pytest

from tableferry.backup import backup as backup_module
from tableferry.backup import finish, plan, snapshot, task
from tableferry.columnar import formats
from tableferry.config.settings import database_address
from tableferry.errors import LockDenied
from tableferry.mysql.database import Database as Source
from tableferry.schema import catalog
from tableferry.schema.table import Table
from tests.effort import effort, in_ci, sample
from tests.support import verbs
from tests.support.lambdas import Json
from tests.support.parts import Database, connect
from tests.support.verbs import backup, get, manifest_of, objects, post

MONEY = 1000
ACCOUNTS = 200
_IN_THE_WAY = (1205, 1213)
BACKUPS = effort(4, 50)


@contextmanager
def meanwhile(work: Callable[[int], None], threads: int = 1) -> Iterator[list[int]]:
    """Do something again and again during the block; what it raises fails the test. Yields how often it was done."""
    over = threading.Event()
    errors: list[BaseException] = []
    done: list[int] = []

    def run(number: int) -> None:
        try:
            while not over.is_set():
                work(number)
                done.append(1)
        except BaseException as error:
            errors.append(error)

    workers = [threading.Thread(target=run, args=(number,)) for number in range(threads)]
    for worker in workers:
        worker.start()
    try:
        yield done
    finally:
        over.set()
        for worker in workers:
            worker.join()
    assert errors == []


def rows_in(made: Json, table: str) -> pl.DataFrame:
    """A table as a backup's files have it."""
    return pl.concat([pl.read_parquet(io.BytesIO(verbs.store().get(file["key"])[0])) for file in objects(made, table)])


@pytest.fixture
def accounts(database: Database, bucket: str, monkeypatch: pytest.MonkeyPatch) -> Database:
    for table in ("giver", "taker"):
        verbs.run(database, f"CREATE TABLE {table} (id INT PRIMARY KEY, money BIGINT NOT NULL)")
        verbs.fill(database, table, [(number, MONEY) for number in range(ACCOUNTS)])
    monkeypatch.setattr(plan, "_RANGE_BYTES", 4000)
    return database


def move(database: Database, number: int) -> None:
    """One payment from one table to the other, and another one back, each in its transaction."""
    with closing(database.connect(autocommit=False)) as connection, connection.cursor() as cursor:
        for step in range(50):
            account, amount = (step * 7 + number) % ACCOUNTS, step % 97 - 48
            try:
                cursor.execute("UPDATE giver SET money = money - %s WHERE id = %s", (amount, account))
                cursor.execute("UPDATE taker SET money = money + %s WHERE id = %s", (amount, ACCOUNTS - 1 - account))
                connection.commit()
            except pymysql.err.OperationalError as error:
                if error.args[0] not in _IN_THE_WAY:
                    raise
                connection.rollback()


@pytest.fixture
def without_lock_tables(database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The functions' user has not the privilege LOCK TABLES."""
    user = f"u{database.name[-8:]}"
    with closing(connect(database.admin_url)) as admin, admin.cursor() as cursor:
        cursor.execute(f"CREATE USER {user}@'%' IDENTIFIED BY 'p'")
        cursor.execute(f"GRANT SELECT, SHOW VIEW, TRIGGER ON `{database.name}`.* TO {user}@'%'")
        monkeypatch.setenv("DATABASE_URL", f"mysql://{user}:p@{database.url.rsplit('@', 1)[1]}")
        yield
        cursor.execute(f"DROP USER {user}@'%'")


def many_sums(accounts: Database) -> set[str]:
    """Back up many times while money moves; every backup has all of it. Returns the digests of one table."""
    seen = set()
    with meanwhile(lambda number: move(accounts, number), threads=2) as moved:
        for _ in range(BACKUPS):
            made = backup("giver", "taker")
            assert made["consistency"] == manifest_of(made["id"])["consistency"] == "snapshot"
            assert all(table["chunks"] > 1 for table in made["tables"])
            giver, taker = rows_in(made, "giver"), rows_in(made, "taker")
            assert giver.height == taker.height == ACCOUNTS
            assert int(giver["money"].sum()) + int(taker["money"].sum()) == 2 * MONEY * ACCOUNTS
            seen.add(made["tables"][0]["digest"])
    assert moved
    return seen


@pytest.mark.parametrize("workers", [1, 3])
@sample(1)
def test_the_money_adds_up_in_every_one_of_many_backups(
    accounts: Database, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    monkeypatch.setenv("WORKERS", str(workers))
    assert len(many_sums(accounts)) > BACKUPS / 5


@in_ci
@pytest.mark.usefixtures("without_lock_tables")
def test_without_the_right_to_lock_tables_the_money_adds_up_too(
    accounts: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKERS", "3")
    opened: list[int] = []
    real = task._run

    def counted(connections: Any, *given: Any) -> Any:
        opened.append(len(connections))
        return real(connections, *given)

    monkeypatch.setattr(task, "_run", counted)
    assert len(many_sums(accounts)) > BACKUPS / 5
    assert set(opened) == {1}


@pytest.fixture
def two_kinds(database: Database, bucket: str, monkeypatch: pytest.MonkeyPatch) -> Database:
    """Two tables of one definition, of which every row says whose it is."""
    for table in ("ours", "theirs"):
        verbs.run(database, f"CREATE TABLE {table} (id INT PRIMARY KEY, whose VARCHAR(10))")
        verbs.fill(database, table, [(number, table) for number in range(100)])
    monkeypatch.setattr(plan, "_RANGE_BYTES", 8000)
    return database


@in_ci
@pytest.mark.parametrize("workers", [1, 3])
@sample(1)
def test_a_table_that_changes_its_name_all_the_while_gives_its_rows_to_no_other(
    two_kinds: Database, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    monkeypatch.setenv("WORKERS", str(workers))
    monkeypatch.setitem(snapshot._IMPATIENT, "lock_wait_timeout", 1)
    whole = refused = 0
    backups = effort(4, 10)

    def swap(_: int) -> None:
        """The tables change names, and with them their rows, in one statement; then back."""
        verbs.run(two_kinds, *["RENAME TABLE ours TO aside, theirs TO ours, aside TO theirs"] * 2)
        time.sleep(0.02)

    with meanwhile(swap) as swapped:
        for _ in range(backups):
            answer = post("/backups", {"tables": ["ours", "theirs"]})
            if answer.status == 409:
                refused += 1
                continue
            assert answer.status == 201, answer.text
            found = {table: rows_in(answer.json, table)["whose"].unique().to_list() for table in ("ours", "theirs")}
            assert sorted(map(tuple, found.values())) == [
                ("ours",),
                ("theirs",),
            ]  # each wholly one's, both of one moment
            whole += 1
    assert swapped
    assert whole + refused == backups
    assert whole


@in_ci
def test_a_restore_of_the_same_tables_meanwhile_leaves_a_backup_of_wholly_old_or_wholly_new_rows(
    two_kinds: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKERS", "3")
    old = backup("ours", "theirs")
    verbs.run(two_kinds, *[f"UPDATE {table} SET whose = CONCAT('n', whose)" for table in ("ours", "theirs")])
    new = backup("ours", "theirs")
    digests = [{table["name"]: table["digest"] for table in made["tables"]} for made in (old, new)]
    restored = 0
    busy = []

    def restores(_: int) -> None:
        nonlocal restored
        for made in (old, new):
            answer = post("/restores", {"backup": made["id"]})
            if answer.status == 201:
                restored += 1
                post(f"/restores/{answer.json['id']}/accept")
            else:
                assert answer.status == 409, answer.text
                busy.append(answer.text)

    made_meanwhile = []
    with meanwhile(restores):
        for _ in range(effort(5, 15)):
            answer = post("/backups", {"tables": ["ours", "theirs"]})
            assert answer.status in (201, 409), answer.text
            if answer.status == 201:
                made_meanwhile.append(answer.json)
                assert {table["name"]: table["digest"] for table in answer.json["tables"]} in digests
    assert restored, busy
    assert made_meanwhile


CHANGES = [
    "ALTER TABLE jobs ADD COLUMN more INT", "ALTER TABLE jobs DROP COLUMN job", "ALTER TABLE jobs MODIFY job VARCHAR(99)",
    "ALTER TABLE jobs RENAME COLUMN job TO work", "RENAME TABLE jobs TO works", "DROP TABLE jobs",
    "ALTER TABLE jobs ADD INDEX more (job)", "ALTER TABLE jobs COMMENT 'other'",
]  # fmt: skip


@pytest.fixture
def jobs(database: Database, bucket: str) -> Database:
    verbs.run(database, "CREATE TABLE jobs (id INT PRIMARY KEY, job VARCHAR(20))")
    verbs.fill(database, "jobs", [(number, f"Job {number}") for number in range(30)])
    return database


def before_the_snapshot(database: Database, monkeypatch: pytest.MonkeyPatch, *change: str) -> None:
    real = snapshot.open_snapshot

    @contextmanager
    def changed(*given: Any) -> Iterator[snapshot.Snapshot]:
        verbs.run(database, *change)
        with real(*given) as opened:
            yield opened

    monkeypatch.setattr(backup_module, "open_snapshot", changed)


def deny_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: object) -> None:
        raise LockDenied("No lock.", "denied")

    monkeypatch.setattr(snapshot, "_lock", denied)


def between_the_moment_and_the_hold(database: Database, monkeypatch: pytest.MonkeyPatch, *change: str) -> None:
    """When the transaction has begun, and no table has been touched in it: without a lock this can be."""
    deny_locks(monkeypatch)
    real: Any = vars(snapshot)["execute"]
    done: list[str] = []

    def execute(connection: Any, sql: str, *given: Any) -> int:
        if sql.startswith("SELECT 1 FROM") and not done:
            done.append(sql)
            verbs.run(database, *change)
        return int(real(connection, sql, *given))

    monkeypatch.setattr(snapshot, "execute", execute)


def behind_the_last_look(database: Database, monkeypatch: pytest.MonkeyPatch, *change: str) -> None:
    """When the rows are read, and the definitions are not yet compared."""
    real = finish._unchanged

    def changed(*given: Any) -> None:
        verbs.run(database, *change)
        real(*given)

    monkeypatch.setattr(finish, "_unchanged", changed)


MOMENTS = [before_the_snapshot, between_the_moment_and_the_hold, behind_the_last_look]


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("change", CHANGES)
@sample(8)
def test_a_definition_that_changes_meanwhile_is_an_error_whenever_it_does(
    jobs: Database, monkeypatch: pytest.MonkeyPatch, change: str, moment: Callable[..., None]
) -> None:
    moment(jobs, monkeypatch, change)
    problem = post("/backups", {"tables": ["jobs"]}).problem(409)
    assert "changed" in problem["detail"]
    assert get("/backups").json["backups"] == []


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("change", [*CHANGES, "TRUNCATE TABLE jobs"])
@sample(3)
def test_a_definition_cannot_change_while_the_snapshot_holds_it(
    jobs: Database, monkeypatch: pytest.MonkeyPatch, change: str, workers: int
) -> None:
    real = task.back_up_chunk
    met = []

    def changes_first(*given: Any) -> Any:
        with closing(jobs.connect()) as connection, connection.cursor() as cursor:
            # MySQL knows no less than a second.
            cursor.execute(f"SET SESSION lock_wait_timeout = {0 if jobs.mariadb else 1}")
            try:
                cursor.execute(change)
            except pymysql.err.OperationalError as error:
                met.append(error.args[0])
        return real(*given)

    monkeypatch.setenv("WORKERS", str(workers))
    monkeypatch.setattr(task, "back_up_chunk", changes_first)
    made = backup("jobs")
    assert met == [1205]  # it would have to wait
    assert made["rows"] == 30


EMPTIED = [
    ["TRUNCATE TABLE jobs"],
    ["DROP TABLE jobs", "CREATE TABLE jobs (id INT PRIMARY KEY, job VARCHAR(20))"],
    ["CREATE TABLE other LIKE jobs", "RENAME TABLE jobs TO aside, other TO jobs"],
]


@pytest.mark.parametrize("change", EMPTIED)
def test_a_table_emptied_as_a_backup_begins_is_empty_only_if_it_was_at_that_moment(
    jobs: Database, monkeypatch: pytest.MonkeyPatch, change: list[str]
) -> None:
    with monkeypatch.context() as patch:
        between_the_moment_and_the_hold(jobs, patch, *change)
        answer = post("/backups", {"tables": ["jobs"]})
    if answer.status == 201:
        assert verbs.rows(jobs, "SELECT COUNT(*) FROM jobs") == [(answer.json["rows"],)]
    else:
        answer.problem(409)


def test_a_table_filled_and_swapped_in_as_a_backup_begins_is_not_taken_for_empty(
    jobs: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a restore does it: made long ago, filled behind the moment, renamed before the definition is held."""
    verbs.run(jobs, "CREATE TABLE filled LIKE jobs", "CREATE TABLE a_first LIKE jobs")
    swap = ["INSERT INTO filled SELECT id + 1000, job FROM jobs", "RENAME TABLE jobs TO old_jobs, filled TO jobs"]
    with monkeypatch.context() as patch:
        deny_locks(patch)
        real: Any = vars(snapshot)["execute"]

        def execute(connection: Any, sql: str, *given: Any) -> int:
            if sql.startswith("SELECT 1 FROM") and "`jobs`" in sql and swap:
                verbs.run(jobs, *swap)
                swap.clear()
            return int(real(connection, sql, *given))

        patch.setattr(snapshot, "execute", execute)
        made = backup("a_first", "jobs")
    assert swap == []
    assert rows_in(made, "jobs")["id"].to_list() == [1000 + number for number in range(30)]


@pytest.mark.parametrize("change", EMPTIED)
def test_a_table_emptied_before_the_moment_is_empty_and_one_emptied_behind_it_is_not(
    jobs: Database, monkeypatch: pytest.MonkeyPatch, change: list[str]
) -> None:
    with monkeypatch.context() as patch:
        behind_the_last_look(jobs, patch, *change)
        assert backup("jobs")["rows"] == 30
    assert backup("jobs")["rows"] == 0


def test_a_table_that_is_created_again_with_another_column_is_an_error(
    jobs: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    between_the_moment_and_the_hold(
        jobs, monkeypatch, "DROP TABLE jobs", "CREATE TABLE jobs (id INT PRIMARY KEY, job VARCHAR(20), more INT)"
    )
    post("/backups", {"tables": ["jobs"]}).problem(409)


def test_the_same_definition_seen_at_both_ends_does_not_hide_another_one_in_between(
    jobs: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Changed when it has been described, read, and changed back: the columns that were selected are not all."""
    before_the_snapshot(jobs, monkeypatch, "ALTER TABLE jobs ADD COLUMN more INT DEFAULT 7")
    behind_the_last_look(jobs, monkeypatch, "ALTER TABLE jobs DROP COLUMN more")
    answer = post("/backups", {"tables": ["jobs"]})
    if answer.status == 201:
        assert verbs.restore(answer.json["id"])["state"] == "done"
        assert verbs.rows(jobs, "SELECT COUNT(*) FROM jobs") == [(30,)]
    else:
        answer.problem(409)


def test_a_quiet_stream_is_not_cut_by_the_servers_time_limits(
    database: Database, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that gives a client a second to take what it sends, and one to a statement; a reader that takes three."""
    verbs.run(database, "CREATE TABLE t (id INT PRIMARY KEY, filler MEDIUMTEXT)")
    verbs.fill(database, "t", [(number, "x" * 500_000) for number in range(40)])
    with closing(connect(database.admin_url)) as admin, admin.cursor() as cursor:
        cursor.execute("SELECT VERSION()")
        [[version]] = cursor.fetchall()
        limit = ("max_statement_time", 1) if "MariaDB" in version else ("max_execution_time", 1000)
        wanted = {"net_write_timeout": 1, "net_read_timeout": 1, limit[0]: limit[1]}
        before = {}
        for name in wanted:
            cursor.execute(f"SELECT @@GLOBAL.{name}")
            [[before[name]]] = cursor.fetchall()
        real = formats.write
        slow = threading.Event()

        def slowly(*given: Any) -> Any:
            if not slow.is_set():
                slow.set()
                threading.Event().wait(3)
            return real(*given)

        monkeypatch.setattr(formats, "write", slowly)
        monkeypatch.setenv("CHUNK_BYTES", "1000000")
        try:
            for name, value in wanted.items():
                cursor.execute(f"SET GLOBAL {name} = {value}")
            made = backup("t")
        finally:
            for name, value in before.items():
                cursor.execute(f"SET GLOBAL {name} = {value}")
    assert slow.is_set()
    assert made["rows"] == 40


def described(*names: str) -> tuple[Source, list[Table]]:
    """The database of the environment, and these tables of it."""
    source = Source(database_address())
    with source.connect() as connection:
        return source, catalog.describe_all(connection, source, names)


def test_a_lock_is_waited_for_no_longer_than_its_bound_for_all_tables_together(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server's own bound counts for each table anew; those that it has already are kept from all who write."""
    names = ["t0", "t1", "t2", "t3"]
    database.run(*[f"CREATE TABLE {name} (id INT PRIMARY KEY)" for name in names])
    source, tables = described(*names)
    monkeypatch.setitem(snapshot._IMPATIENT, "lock_wait_timeout", 2)
    begun = threading.Barrier(len(names) + 1)

    def write_for(seconds: float, name: str) -> None:
        with closing(database.connect(autocommit=False)) as connection, connection.cursor() as cursor:
            cursor.execute(f"INSERT INTO {name} VALUES (1)")
            begun.wait()
            time.sleep(seconds)
            connection.rollback()

    writers = [threading.Thread(target=write_for, args=(1.5 * n, name)) for n, name in enumerate(names, 1)]
    for writer in writers:
        writer.start()
    begun.wait()
    with snapshot.open_snapshot(source, tables, 2) as opened:
        assert len(opened.connections) == 1  # without the bound for all of them two, after six seconds
    for writer in writers:
        writer.join()


@pytest.mark.parametrize("workers", [1, 2])
def test_every_one_of_many_tables_is_held(database: Database, monkeypatch: pytest.MonkeyPatch, workers: int) -> None:
    """Several are touched at once, which is a tenth of the time that a lock is held for."""
    monkeypatch.setattr(snapshot, "_TOUCHED_AT_ONCE", 2)
    names = [f"t{number}" for number in range(5)]
    database.run(*[f"CREATE TABLE {name} (id INT PRIMARY KEY)" for name in names])
    source, tables = described(*names)
    held = []
    with snapshot.open_snapshot(source, tables, workers) as opened, closing(database.connect()) as other:
        assert len(opened.connections) == workers
        with other.cursor() as cursor:
            cursor.execute(f"SET SESSION lock_wait_timeout = {0 if database.mariadb else 1}")
            for name in names:
                try:
                    cursor.execute(f"ALTER TABLE {name} COMMENT 'other'")
                except pymysql.err.OperationalError as error:
                    held.append((name, error.args[0]))
    assert held == [(name, 1205) for name in names]
