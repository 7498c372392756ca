"""No trigger is lost by a restore or its undoing, whatever it says, whoever made it and whoever uses its table."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest

from tableferry.mysql.database import Connection
from tableferry.restore import exchange, swap
from tableferry.restore.build import triggers
from tests.effort import sample
from tests.support import verbs
from tests.support.lambdas import Answer
from tests.support.parts import Database, Server, not_applicable
from tests.support.verbs import backup, get, numbers, post, restore, rows, run

TRIGGERS = (
    "SELECT trigger_name, event_object_table, action_statement, sql_mode, character_set_client, collation_connection"
    " FROM information_schema.triggers WHERE trigger_schema = DATABASE() ORDER BY 1"
)
MAKE = "CREATE TRIGGER trg BEFORE UPDATE ON t FOR EACH ROW SET NEW.extra = 1"
AB = (
    "CREATE TABLE a (id INT PRIMARY KEY)",
    "CREATE TABLE b (id INT PRIMARY KEY)",
    "CREATE TRIGGER a1 BEFORE INSERT ON a FOR EACH ROW SET @a = 1",
    "CREATE TRIGGER b1 BEFORE INSERT ON b FOR EACH ROW SET @a = 1",
)


def root(database: Database) -> Database:
    """The same as the server's administrator."""
    url = f"{database.admin_url.rpartition('/')[0]}/{database.name}"
    return Database(database.name, url, database.admin_url)


def standing(database: Database) -> list[tuple[object, ...]]:
    return [tuple(row) for row in rows(root(database), TRIGGERS)]


@pytest.fixture
def table(database: Database, bucket: str) -> Database:
    run(database, "CREATE TABLE t (id INT PRIMARY KEY, extra INT)", "INSERT INTO t (id) VALUES (1)")
    return database


def refused(answer: Answer, *said: str) -> None:
    """Refused for a trigger, with these words, and by the dry run before."""
    [finding] = answer.problem(409)["errors"]
    assert finding["code"] == "triggers"
    for words in said:
        assert words in finding["message"]


def refused_as_planned(*said: str) -> None:
    plan = restore(dry_run=True)["plan"]
    assert [one["code"] for one in plan["problems"]] == ["triggers"]
    answer = post("/restores")
    refused(answer, *said)
    assert answer.json["errors"] == plan["problems"]


# A trigger that stands, and could not be made again.


@pytest.mark.parametrize("in_backup", [True, False])
def test_a_live_trigger_that_writes_a_column_dropped_since_is_said_before(table: Database, in_backup: bool) -> None:
    if in_backup:
        run(table, MAKE)
    backup()
    if not in_backup:
        run(table, MAKE)
    run(table, "ALTER TABLE t DROP COLUMN extra", "INSERT INTO t VALUES (2)")
    before = standing(table)
    refused_as_planned("'trg'", "'extra'", "An undo could not bring it back", "drop the trigger first")
    assert (standing(table), numbers(table, "t")) == (before, [1, 2])
    run(table, "DROP TRIGGER trg")
    assert restore()["state"] == "done"


def test_a_trigger_that_could_not_be_had_out_of_the_backup_is_said_before(table: Database) -> None:
    run(table, MAKE, "ALTER TABLE t DROP COLUMN extra")
    backup()
    run(table, "DROP TRIGGER trg", "INSERT INTO t VALUES (2)")
    refused_as_planned("'trg'", "'extra'", "`into` another name")
    assert numbers(table, "t") == [1, 2]
    assert restore(into={"t": "beside"})["state"] == "done"


def test_a_kept_table_that_lost_a_column_by_hand_stays_until_it_is_mended(table: Database) -> None:
    run(table, MAKE)
    backup()
    done = restore()
    before = standing(table)
    run(root(table), f"ALTER TABLE `{done['kept']}`.t DROP COLUMN extra")
    refused(post(f"/restores/{done['id']}/undo"), "'trg'", "in the table that was kept")
    assert standing(table) == before
    assert get(f"/restores/{done['id']}").json == done
    run(root(table), f"ALTER TABLE `{done['kept']}`.t ADD COLUMN extra INT")
    assert post(f"/restores/{done['id']}/undo").status == 200
    assert standing(table) == before


@pytest.mark.parametrize("in_backup", [True, False])
def test_a_server_that_does_not_trust_makers_of_triggers_is_told_by_its_setting(
    table: Database, server: Server, in_backup: bool
) -> None:
    [(log, trust)] = rows(root(table), "SELECT @@GLOBAL.log_bin, @@GLOBAL.log_bin_trust_function_creators")
    if not log or not server.alone:
        not_applicable("the binary log is off, or the server's settings are not ours to change")
    if in_backup:
        run(table, MAKE)
    backup()
    if not in_backup:
        run(table, MAKE)
    before = standing(table)
    run(root(table), "SET GLOBAL log_bin_trust_function_creators = 0")
    try:
        plan = restore(dry_run=True)["plan"]
        answer = post("/restores")
    finally:
        run(root(table), f"SET GLOBAL log_bin_trust_function_creators = {trust}")
    assert answer.problem(409)["errors"] == plan["problems"]
    assert "log_bin_trust_function_creators" in plan["problems"][0]["message"]
    assert standing(table) == before
    assert restore()["state"] == "done"


@pytest.mark.parametrize("in_backup", [True, False])
def test_a_trigger_whose_definer_is_a_role_runs_as_us_where_we_may_not_say_so(table: Database, in_backup: bool) -> None:
    if not table.mariadb:
        not_applicable("MySQL's roles are users, with a host")
    role = f"`hr {table.name[-8:]}`"
    make = f"CREATE DEFINER={role} TRIGGER trg BEFORE INSERT ON t FOR EACH ROW SET @a = 1"
    run(root(table), f"CREATE ROLE {role}", f"GRANT ALL ON `{table.name}`.* TO {role}")
    try:
        if in_backup:
            run(root(table), make)
        backup()
        if not in_backup:
            run(root(table), make)
        before = standing(table)
        done = restore()
        assert standing(table) == (before if in_backup else [])
        undone = post(f"/restores/{done['id']}/undo").json
        assert standing(table) == before
        assert any("'trg'" in note or "`trg`" in note for note in [*done["notes"], *undone["notes"]])
    finally:
        run(root(table), f"DROP ROLE {role}")


# What a trigger's text and session say.


@pytest.mark.parametrize("schema", ["`{0}`.", "{0} . ", ""])
def test_a_trigger_written_with_its_schema_comes_into_the_database_of_the_restore(
    database: Database, bucket: str, server: Server, monkeypatch: pytest.MonkeyPatch, schema: str
) -> None:
    where = schema.format(database.name)
    run(
        database,
        "CREATE TABLE t (id INT PRIMARY KEY)",
        f"CREATE TRIGGER {where}trg BEFORE INSERT ON {where}t FOR EACH ROW SET @a = 1",
    )
    made = backup()
    before = standing(database)
    run(database, "DROP TRIGGER trg")
    with server.database() as second:
        monkeypatch.setenv("DATABASE_URL", second.url)
        assert restore(made["id"])["state"] == "done"
        assert standing(second) == before
        assert standing(database) == []


def test_a_trigger_keeps_the_collation_in_which_it_was_made(table: Database) -> None:
    run(
        table,
        "ALTER TABLE t ADD COLUMN said VARCHAR(9)",
        "SET NAMES latin1 COLLATE latin1_bin",
        "CREATE TRIGGER trg BEFORE INSERT ON t FOR EACH ROW SET NEW.said = IF('a' = 'A', 'same', 'differ')",
    )
    before = standing(table)
    assert before[0][-2:] == ("latin1", "latin1_bin")
    backup()
    done = restore()
    assert standing(table) == before
    run(table, "INSERT INTO t (id) VALUES (2)")
    assert rows(table, "SELECT said FROM t WHERE id = 2") == [("differ",)]
    assert post(f"/restores/{done['id']}/undo").status == 200
    assert standing(table) == before


def test_a_trigger_with_other_letters_in_another_character_set_does_the_same(table: Database) -> None:
    run(table, "ALTER TABLE t ADD COLUMN said VARCHAR(9) CHARACTER SET utf8mb4")
    with verbs.cursor(table) as cursor:
        cursor.execute("SET NAMES latin1 COLLATE latin1_german2_ci")  # to which ue is as ü
        made = (
            "CREATE TRIGGER trg BEFORE INSERT ON t FOR EACH ROW"
            " SET NEW.said = CONCAT(IF('ü' = 'ue', 'same ', 'differ '), 'ü')"
        )
        cursor.execute(cast("Any", made.encode("latin1")))  # the driver takes bytes, its stubs do not
    backup()
    done = restore()
    run(table, "INSERT INTO t (id) VALUES (2)")
    assert post(f"/restores/{done['id']}/undo").status == 200
    run(table, "INSERT INTO t (id) VALUES (3)")
    assert rows(table, f"SELECT said FROM `{get('/restores').json['restores'][0]['kept']}`.t WHERE id = 2") == [
        ("same ü",)
    ]
    assert rows(table, "SELECT said FROM t WHERE id = 3") == [("same ü",)]


# Others who use the tables at the worst moment.

DEPARTMENTS = "CREATE TABLE IF NOT EXISTS departments (id INT)"
OTHERS = (
    "SELECT t.trx_mysql_thread_id FROM information_schema.innodb_trx t JOIN information_schema.processlist p"
    " ON p.id = t.trx_mysql_thread_id WHERE p.db = %s AND p.command = 'Sleep'"
)

Late = Callable[..., contextlib.AbstractContextManager[None]]


@pytest.fixture
def late(database: Database, bucket: str, monkeypatch: pytest.MonkeyPatch) -> Late:
    """Have others begin to read tables.

    One does before, another once a statement that begins so is done, and they have said what they say ``since``.
    """
    if not database.mariadb:  # as where the user may not lock tables, which is not asked for
        monkeypatch.setattr(swap, "_lock", lambda *_: False)

    @contextlib.contextmanager
    def others(before: str | None, after: str, statement: str, *since: str) -> Iterator[None]:
        readers = [database.connect(), database.connect()]

        def read(number: int, name: str) -> None:
            with readers[number].cursor() as cursor:
                cursor.execute("BEGIN")
                cursor.execute(f"SELECT * FROM {name}")

        if before:
            read(0, before)
        with monkeypatch.context() as patched:
            patched.setattr("tableferry.mysql.retry._LOCK_TRIES", 2)
            patched.setattr("tableferry.mysql.retry._LOCK_WAIT_SECONDS", 1)
            for module, name in ((triggers, "with_lock_retry"), (swap, "with_lock_retry")):
                real = getattr(module, name)

                def with_lock_retry(connection: Connection, sql: str, real: Callable[..., None] = real) -> None:
                    real(connection, sql)
                    if sql.startswith(statement) and "copy" not in sql:
                        run(database, *since)
                        read(1, after)

                patched.setattr(module, name, with_lock_retry)
            yield
        for reader in readers:
            reader.close()

    return others


@pytest.mark.parametrize("also", ["b", None])
@sample(1)
def test_a_trigger_dropped_for_a_swap_that_cannot_be_is_made_again_as_soon_as_it_can(
    database: Database, late: Late, also: str | None
) -> None:
    run(database, *AB)
    backup("a", "b")
    before = standing(database)
    with late(also, "a", "DROP TRIGGER IF EXISTS"):
        answer = post("/restores")
    problem = answer.problem(503)
    assert problem["type"].endswith(":half-exchanged")
    assert "finishes it or takes it back" in problem["detail"]
    done = restore(tables=["b"])
    assert standing(database) == before
    assert post(f"/restores/{done['id']}/undo").status == 200
    assert standing(database) == before
    assert get("/restores").json["restores"][1]["state"] == "failed"


def test_a_trigger_that_others_spoil_meanwhile_is_made_again_once_it_can_be(database: Database, late: Late) -> None:
    """Nobody reads it any more when it is to be made again: the server refuses it."""
    run(database, *AB, "ALTER TABLE a ADD COLUMN extra INT", "DROP TRIGGER a1", MAKE.replace("ON t", "ON a"))
    backup("a", "b")
    before = standing(database)
    with late("b", "departments", "DROP TRIGGER IF EXISTS", "ALTER TABLE a DROP COLUMN extra", DEPARTMENTS):
        problem = post("/restores").problem(503)
    assert "Unknown column 'extra'" in problem["detail"]
    assert get("/restores").json["restores"][0]["state"] == "swapping"
    detail = post("/restores", {"tables": ["a"]}).problem(409)["detail"]
    assert "'extra'" in detail
    run(database, "ALTER TABLE a ADD COLUMN extra INT")
    assert restore(tables=["b"])["state"] == "done"
    assert standing(database) == before


def test_a_trigger_that_can_be_made_again_at_the_second_try_costs_a_409_and_nothing_else(
    database: Database, late: Late, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(database, *AB)
    backup("a", "b")
    before = verbs.picture(database)
    real = swap.put_back
    with late("b", "a", "DROP TRIGGER IF EXISTS"):

        def put_back(*given: Any) -> None:
            for (number,) in rows(root(database), OTHERS, database.name):
                run(root(database), f"KILL {number}")
            real(*given)

        monkeypatch.setattr(exchange, "put_back", put_back)
        assert post("/restores").problem(409)["type"].endswith(":in-use")
    assert verbs.picture(database) == before
    assert get("/restores").json["restores"][0]["state"] == "failed"


def test_an_undo_that_cannot_be_gives_its_triggers_back_as_soon_as_it_can(database: Database, late: Late) -> None:
    run(database, *AB)
    backup("a", "b")
    done = restore()
    before = standing(database)
    with late("b", "a", "DROP TRIGGER IF EXISTS"):
        post(f"/restores/{done['id']}/undo").problem(503)
    assert post(f"/restores/{done['id']}/undo").status == 200
    assert standing(database) == before
    assert post(f"/restores/{done['id']}/accept").status == 200
    assert standing(database) == before


@pytest.mark.parametrize("undo", [False, True])
@sample(1)
def test_a_reader_right_behind_the_rename_is_waited_for_by_the_next_call(
    database: Database, late: Late, undo: bool
) -> None:
    run(database, *AB, "INSERT INTO a VALUES (1)")
    backup("a")
    run(database, "INSERT INTO a VALUES (2)")
    done = restore() if undo else None
    with late(None, "a", "RENAME TABLE"):
        answer = post(f"/restores/{done['id']}/undo") if done else post("/restores")
    answer.problem(503)
    assert numbers(database, "a") == ([1, 2] if undo else [1])
    before = [name for name, *_ in standing(database)]
    assert before == ["b1"]
    assert restore(tables=["a"], into={"a": "other"})["state"] == "done"  # any next call
    assert [name for name, *_ in standing(database)] == ["a1", "b1"]
    finished = get("/restores").json["restores"][1]
    assert finished["state"] == ("undone" if undo else "done")
    assert numbers(database, "a") == ([1, 2] if undo else [1])


def test_a_trigger_that_was_never_dropped_is_not_made_again(table: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user drops it right before: that it is gone is what the next try finds."""
    run(table, MAKE)
    backup()
    run(table, "DROP TRIGGER trg", MAKE.replace("trg", "mine"))
    real = swap.trade
    dropped: list[str] = []

    def trade(*given: Any) -> list[str]:
        if not dropped:
            dropped.append("mine")
            run(table, "DROP TRIGGER mine")
        return real(*given)

    monkeypatch.setattr(exchange, "trade", trade)
    done = restore()
    assert [name for name, *_ in standing(table)] == ["trg"]
    assert post(f"/restores/{done['id']}/undo").status == 200
    assert standing(table) == []


def test_each_is_tried_on_a_copy_and_no_copy_is_left(table: Database) -> None:
    run(table, MAKE)
    backup()
    done = restore()
    names = [name for (name,) in rows(root(table), "SELECT table_name FROM information_schema.tables")]
    assert not [name for name in names if name.startswith("tableferry_copy")]
    assert post(f"/restores/{done['id']}/accept").status == 200
    assert verbs.picture(table).tables
