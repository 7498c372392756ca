"""What becomes of a moment of many functions when one of them dies, freezes, comes twice, or S3 or the server is away.

After each of these there is one moment or none, every function that lives has ended within its bounds, and nobody who
writes has waited for longer than the lock is waited for, held, and left to a coordinator that says nothing.
"""

import json
import signal
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from os import environ
from pathlib import Path

import pymysql
import pytest

from local.runtime import database as embedded
from local.runtime.state import State
from tableferry.storage import object_keys
from tests.effort import effort, in_ci, sample
from tests.support import counted_s3, gathering
from tests.support.barrier_process import Functions
from tests.support.counted_s3 import PASSES, RESET, UNANSWERED, UNAVAILABLE, Fate, Request
from tests.support.gathering import Try, new_try, of_one_moment, one_moment_or_none, thaw, writing
from tests.support.parts import Database, connect, embedded_only

SHORT = {"gathering": 8.0, "lock_wait": 2, "lock_held": 1.5, "wait_timeout": 2, "late": 2.0}
BOUND = SHORT["lock_wait"] + SHORT["lock_held"] + SHORT["wait_timeout"]
SLOW_MACHINE = 1.5
FEW = 3
COORDINATORS = [f"{when} {what}" for what in ("sql UNLOCK", "put moment", "put locked", "sql LOCK") for when in ("before", "after")]  # fmt: skip
WORKERS = [f"{when} {what}" for what in ("sql START", "put open", "put ready") for when in ("before", "after")]
LOST = {"lost", "slow", "silent", "late", "DatabaseUnavailable"}


@pytest.fixture(scope="module")
def program() -> Iterator[Functions]:
    with Functions() as started:
        yield started


@pytest.fixture
def functions(program: Functions, database: Database, bucket: str) -> Iterator[Functions]:
    """Leaves nobody who keeps the tables from being changed."""
    gathering.make_tables(database)
    yield program
    program.end()
    with closing(database.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("SET SESSION lock_wait_timeout = 5")
        cursor.execute("ALTER TABLE giver ADD COLUMN more INT")


@contextmanager
def nobody_waits_too_long(functions: Functions, bound: float = BOUND) -> Iterator[None]:
    with writing(functions, writers=2) as written:
        yield
    assert written.transactions
    assert written.longest < bound + SLOW_MACHINE


def try_of(functions: Functions, **given: object) -> Try:
    limits = {**SHORT, **{name: value for name, value in given.items() if name in SHORT}}
    others = {name: value for name, value in given.items() if name not in SHORT}
    return new_try(functions, **{"workers": FEW, **others}, **limits)  # type: ignore[arg-type]


def living(tried: Try) -> list[object]:
    return [one for one in (tried.held, *tried.joined) if one is not None]


@pytest.mark.parametrize("point", COORDINATORS)
@sample(1)
def test_a_coordinator_that_is_killed_leaves_one_moment_or_none(functions: Functions, point: str) -> None:
    with nobody_waits_too_long(functions):
        tried = try_of(functions, coordinator=functions.process(at=point)).begin().end()
    assert tried.held is None
    assert all(tried.joined)
    assert one_moment_or_none(tried) is (point == "after put moment")
    if not tried.seen:
        assert tried.reasons() <= LOST


@pytest.mark.parametrize("point", COORDINATORS)
@sample(1)
def test_a_coordinator_that_freezes_leaves_one_moment_or_none(functions: Functions, point: str) -> None:
    """For longer than the server waits for it; then it goes on."""
    with nobody_waits_too_long(functions):
        tried = try_of(functions, coordinator=functions.process(at=point, how=signal.SIGSTOP)).begin()
        thaw(tried.coordinator, SHORT["wait_timeout"] + 2)
        tried.end()
    assert len(living(tried)) == FEW + 1
    assert one_moment_or_none(tried) is (point in ("after sql UNLOCK", "before put moment", "after put moment"))
    assert (tried.held is not None and "position" in tried.held) is bool(tried.seen)


@in_ci
def test_without_the_proof_a_frozen_coordinator_makes_several_moments(functions: Functions) -> None:
    """The mutation that only the proof keeps away, and that no sum of money shows."""
    different = 0
    with writing(functions):
        coordinator = functions.process(at="before put locked", how=signal.SIGSTOP, mutation="proof")
        tried = try_of(functions, coordinator=coordinator).begin()
        thaw(tried.coordinator, SHORT["wait_timeout"] + 2)
        tried.end()
        assert tried.seen
        different += not of_one_moment(tried)
    assert different


@pytest.mark.parametrize("point", WORKERS)
@sample(1)
def test_a_worker_that_is_killed_leaves_one_moment_or_none(functions: Functions, point: str) -> None:
    with nobody_waits_too_long(functions):
        workers = [functions.process(at=point if number == 1 else "") for number in range(FEW)]
        tried = try_of(functions, workers=workers, gathering=4.0).begin().end()
    assert tried.joined[1] is None
    assert len(living(tried)) == FEW
    assert one_moment_or_none(tried) is (point == "after put open")
    if not tried.seen:
        assert tried.reasons() == {"late" if "ready" in point and "before" in point else "slow"}


@in_ci
@pytest.mark.parametrize("point", WORKERS)
@sample(1)
def test_a_worker_that_freezes_leaves_one_moment_or_none(functions: Functions, point: str) -> None:
    with nobody_waits_too_long(functions):
        workers = [functions.process(at=point if number == 1 else "", how=signal.SIGSTOP) for number in range(FEW)]
        tried = try_of(functions, workers=workers, gathering=4.0).begin()
        thaw(workers[1], 6)
        tried.end()
    assert len(living(tried)) == FEW + 1
    assert one_moment_or_none(tried) is (point == "after put open")


@in_ci
def test_workers_that_come_twice_are_counted_once_and_the_second_ends(functions: Functions) -> None:
    with nobody_waits_too_long(functions):
        tried = try_of(functions)
        ghosts = try_of(functions)
        ghosts.place = tried.place
        for number, ghost in enumerate(ghosts.workers):
            ghost.order(do="join", place=tried.place, number=number, connections=1, bounds=tried.limits)
        tried.begin().end()
        answers = [ghost.answer() for ghost in ghosts.workers]
    pairs = list(zip(tried.joined, answers, strict=True))
    for pair in pairs:
        assert sorted("seen" in one for one in pair if one) == [False, True]
        assert {one.get("why") for one in pair if one} == {None, "taken"}
    tried.joined = [one for pair in pairs for one in pair if one and "seen" in one]
    assert one_moment_or_none(tried)


@in_ci
def test_a_worker_that_comes_twice_does_not_stand_for_one_that_is_missing(functions: Functions) -> None:
    with nobody_waits_too_long(functions, 1):
        tried = try_of(functions, gathering=3.0)
        tried.begin(workers=FEW + 1)
        ghost = functions.process()
        ghost.order(do="join", place=tried.place, number=0, connections=1, bounds=tried.limits)
        tried.end()
        assert (ghost.answer() or {})["why"] in ("taken", "late")
    assert not one_moment_or_none(tried)
    assert tried.reasons() == {"late"}
    assert not list(tried.store.list(object_keys.work_locked(tried.place)))


@in_ci
def test_of_two_coordinators_one_has_the_try_and_the_other_says_what_it_says(functions: Functions) -> None:
    """Nor is it harmed by one that comes when all is done, as a step that is tried again after it succeeded."""
    with nobody_waits_too_long(functions):
        tried = try_of(functions)
        ghost = functions.process()
        ghost.order(do="hold", place=tried.place, workers=FEW, bounds=tried.limits)
        tried.begin().end()
        second = ghost.answer()
        late = functions.process().order(do="hold", place=tried.place, workers=FEW, bounds=tried.limits).answer()
    assert one_moment_or_none(tried)
    assert tried.held
    assert second
    assert late
    assert tried.held["position"] == second["position"] == late["position"]


@in_ci
def test_words_of_a_try_before_count_for_nothing_in_the_next(functions: Functions) -> None:
    """Nor do those that were copied from it, or written by somebody else."""
    with writing(functions):
        first = try_of(
            functions, workers=[functions.process(at="before put ready"), functions.process()], gathering=2.0
        )
        first.begin().end()
        assert first.reasons() == {"late"}
        second = try_of(functions, workers=2, gathering=3.0)
        for key in (object_keys.work_ready, object_keys.work_open):
            body, _ = first.store.get(object_keys.work_ready(first.place, 1))
            first.store.put(key(second.place, 2), body)
        third_is_missing = second.begin(workers=3).end()
    assert third_is_missing.reasons() == {"failed"}
    assert not one_moment_or_none(third_is_missing)


@in_ci
def test_a_forged_moment_is_none(functions: Functions) -> None:
    with nobody_waits_too_long(functions):
        tried = try_of(functions, gathering=3.0)
        forged = {"state": "released", "position": {}, "open": {}}
        tried.store.put(object_keys.work_locked(tried.place), json.dumps(forged).encode())
        tried.store.put(object_keys.work_moment(tried.place), json.dumps(forged).encode())
        tried.begin().end()
    assert tried.seen == []
    assert tried.reasons() <= {"taken", "silent"}


@contextmanager
def busy(database: Database) -> Iterator[None]:
    """A transaction that has written one of the tables, and ends with the block."""
    with closing(database.connect(autocommit=False)) as connection, connection.cursor() as cursor:
        cursor.execute("UPDATE taker SET money = money WHERE id = 1")
        yield
        connection.rollback()


@in_ci
def test_a_lock_that_is_not_to_be_had_in_time_is_given_up(functions: Functions, database: Database) -> None:
    with nobody_waits_too_long(functions), busy(database):
        time.sleep(0.3)
        tried = try_of(functions).begin().end()
    assert not one_moment_or_none(tried)
    assert tried.reasons() == {"busy"}


@in_ci
def test_a_lock_that_is_not_granted_is_said_so_to_all(
    functions: Functions, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = f"u{database.name[-8:]}"
    with closing(connect(database.admin_url)) as admin, admin.cursor() as cursor:
        cursor.execute(f"CREATE USER {user}@'%' IDENTIFIED BY 'p'")
        cursor.execute(f"GRANT SELECT, SHOW VIEW, TRIGGER ON `{database.name}`.* TO {user}@'%'")
        url = f"mysql://{user}:p@{database.url.rsplit('@', 1)[1]}"
        tried = try_of(functions, coordinator=functions.process(DATABASE_URL=url)).begin().end()
        cursor.execute(f"DROP USER {user}@'%'")
    assert tried.reasons() == {"denied"}
    assert {one["error"] for one in living(tried)} == {"LockDenied"}  # type: ignore[index]


@in_ci
def test_who_waits_to_change_a_table_gives_one_moment_or_none(functions: Functions, database: Database) -> None:
    """Each ALTER waits for all transactions, and all that comes behind waits for it."""
    moments = 0
    with nobody_waits_too_long(functions, BOUND + 1):
        for _ in range(effort(2, 20)):
            tried = try_of(functions).begin()
            with closing(database.connect()) as connection, connection.cursor() as cursor:
                cursor.execute("SET SESSION lock_wait_timeout = 1")
                while not list(tried.store.list(object_keys.work_moment(tried.place))):
                    try:
                        cursor.execute("ALTER TABLE taker COMMENT 'other'")
                    except pymysql.err.OperationalError as error:
                        if error.args[0] not in (1205, 1213):
                            raise
                    time.sleep(0.05)
            tried.end()
            if one_moment_or_none(tried):
                moments += 1
            else:
                assert tried.reasons() <= {"busy", "slow", "lost", "changed"}
    assert moments


@in_ci
def test_a_table_that_is_gone_by_then_is_said_so_to_all(functions: Functions, database: Database) -> None:
    with closing(database.connect()) as connection, connection.cursor() as cursor:
        tried = try_of(functions, workers=2)
        first = (
            try_of(functions, coordinator=tried.coordinator, workers=tried.workers).begin().end()
        )  # knows the tables
        assert one_moment_or_none(first)
        cursor.execute("RENAME TABLE taker TO gone")
        tried.begin().end()
        cursor.execute("RENAME TABLE gone TO taker")
    assert tried.reasons() == {"changed"}


@in_ci
@pytest.mark.parametrize("session", ["the lock's", "all"])
def test_sessions_that_the_server_ends_leave_no_moment(functions: Functions, database: Database, session: str) -> None:
    """As an administrator does, or a failover."""
    coordinator = functions.process(at="after put locked", how=signal.SIGSTOP)
    with nobody_waits_too_long(functions):
        tried = try_of(functions, coordinator=coordinator).begin()
        assert coordinator.in_state("T")
        user = database.rows("SELECT CURRENT_USER()")[0][0].split("@")[0]
        with closing(connect(database.admin_url)) as admin, admin.cursor() as cursor:
            cursor.execute(
                "SELECT ID FROM information_schema.PROCESSLIST WHERE USER = %s AND DB = %s AND COMMAND = 'Sleep'",
                (user, database.name),
            )
            idle = [number for (number,) in cursor.fetchall()]
            for number in idle if session == "all" else []:
                cursor.execute(f"KILL {number}")
            if session != "all":
                time.sleep(SHORT["wait_timeout"] + 1)
        coordinator.signal(signal.SIGCONT)
        tried.end()
    assert not one_moment_or_none(tried)
    assert tried.reasons() <= LOST | {"InterfaceError", "OperationalError"}


def s3_fault(what: str, fate: Fate) -> counted_s3.Chooses:
    method, _, part = what.partition(" ")

    def choose(request: Request) -> Fate:
        return fate if request.method == method and part in request.path else PASSES

    return choose


AT_THE_COORDINATOR = ["GET list-type", "GET ready", "PUT locked", "PUT moment"]
AT_A_WORKER = ["PUT ready", "GET locked", "PUT open", "GET moment"]


@pytest.mark.parametrize("fate", [UNAVAILABLE, RESET, UNANSWERED], ids=["503", "reset", "unanswered"])
@pytest.mark.parametrize("what", AT_THE_COORDINATOR + AT_A_WORKER)
@sample(1)
def test_s3_that_fails_leaves_one_moment_or_none(functions: Functions, bucket: str, what: str, fate: Fate) -> None:
    """For good, to one of the functions."""
    with counted_s3.before(environ["AWS_ENDPOINT_URL_S3"]) as proxy, nobody_waits_too_long(functions):
        proxy.watch(s3_fault(what, fate))
        struck = functions.process(AWS_ENDPOINT_URL_S3=proxy.url)
        if what in AT_THE_COORDINATOR:
            tried = try_of(functions, coordinator=struck, gathering=4.0)
        else:
            tried = try_of(functions, workers=[functions.process(), struck, functions.process()], gathering=4.0)
        tried.begin().end()
    assert len(living(tried)) == FEW + 1
    if one_moment_or_none(tried):
        assert fate is UNANSWERED or what == "GET moment"
    else:
        assert tried.reasons() <= {"StoreUnavailable", "storage", "late", "slow", "silent", "taken"}


@in_ci
@pytest.mark.parametrize("what", ["PUT locked", "GET list-type", "PUT moment"])
@sample(1)
def test_s3_that_is_slow_does_not_keep_the_lock(functions: Functions, bucket: str, what: str) -> None:
    """It answers after longer than the lock may be held; the server is told to end the lock's session."""
    begun: list[float] = []

    def choose(request: Request) -> Fate:
        method, _, part = what.partition(" ")
        if request.method == method and part in request.path and locked():
            begun.append(time.monotonic())
            time.sleep(6)
        return PASSES

    def locked() -> bool:
        return what != "GET list-type" or bool(list(tried.store.list(object_keys.work_locked(tried.place))))

    with counted_s3.before(environ["AWS_ENDPOINT_URL_S3"]) as proxy, nobody_waits_too_long(functions, 2 + 1.5 + 0.5):
        tried = try_of(functions, coordinator=functions.process(AWS_ENDPOINT_URL_S3=proxy.url))
        proxy.watch(choose)
        tried.begin().end()
    assert begun
    assert not one_moment_or_none(tried)


def test_functions_that_reach_different_servers_lock_nothing(functions: Functions) -> None:
    with nobody_waits_too_long(functions, 1):
        workers = [functions.process(), functions.process(mutation="elsewhere")]
        tried = try_of(functions, workers=workers).begin().end()
    assert tried.reasons() == {"servers"}
    assert not list(tried.store.list(object_keys.work_locked(tried.place)))


@in_ci
@embedded_only
def test_a_server_that_dies_under_the_lock_leaves_no_moment_and_the_next_try_has_one(
    program: Functions, tmp_path: Path, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = State(tmp_path / "state")
    server = embedded.start(state)
    try:
        embedded.create_database(server, "shop")
        database = Database("shop", server.url_of("shop"), server.url)
        monkeypatch.setenv("DATABASE_URL", database.url)
        gathering.make_tables(database)
        for point in ("after put locked", "before sql UNLOCK"):
            tried = try_of(program, coordinator=program.process(at=point, how=signal.SIGSTOP)).begin()
            assert tried.coordinator.in_state("T")
            server.child.process.kill()
            server.child.process.wait()
            server = embedded.start(state)
            embedded.create_database(server, "shop")  # which gives the user the rights again
            assert server.url_of("shop") == database.url
            tried.coordinator.signal(signal.SIGCONT)
            tried.end()
            assert not one_moment_or_none(tried)
            assert tried.reasons() <= LOST
        again = try_of(program).begin().end()
        assert one_moment_or_none(again)
    finally:
        program.end()
        server.stop()
