"""Faults of a load, each at the points where it can strike: nothing is lost, and nothing is in twice.

The table has no key, so that a row that came twice shows, and the file has rows that are refused, by us and by the
database. After the fault the event is delivered again, as the queue does it. Then the table, the load status and the rejects are
held against the file.

A run here samples the points, evenly from an offset that ``LOAD_FAULTS_SEED`` sets; `make test-all` takes each one.
"""

import contextlib
import itertools
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import botocore.retries.standard
import pytest
from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.insert.app import handler as insert_handler
from functions.load.app import handler
from local.runtime import database as embedded
from local.runtime import s3 as emulator
from local.runtime.state import State
from tableferry.errors import Conflict, DatabaseUnavailable, StoreUnavailable
from tableferry.ingest import load
from tableferry.storage import signed_object
from tests.effort import THOROUGH, effort, in_ci, sample, thorough
from tests.support import counted_s3, packet_proxy, verbs
from tests.support.counted_s3 import RESET, UNANSWERED, UNAVAILABLE, Counted
from tests.support.lambdas import Context, Json, counts, created, invoke, queued, request
from tests.support.load_process import LINES, Functions, Outcome, Run
from tests.support.packet_proxy import Chooses, Fate, Packet, Proxy
from tests.support.parts import Database, Server, connect, embedded_only, not_applicable, until
from tests.support.uploads import Uploads, names

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

SEED = int(os.environ.get("LOAD_FAULTS_SEED") or time.time_ns() % 1_000_000)
COMMIT = "COMMIT"
DEADLOCK = 1213
TABLE = "CREATE TABLE t (id INT, name VARCHAR(40) NOT NULL, CONSTRAINT unlucky CHECK (id <> 13)) ENGINE=InnoDB"
PATIENCE_SECONDS = 60

pytestmark = [pytest.mark.usefixtures("small_blocks", "hasty"), pytest.mark.timeout(effort(600, 3600))]


@dataclass(frozen=True)
class File:
    """Lines for the table: every seventh has no name, and 13 is what the table's check refuses."""

    first: int = 1
    count: int = 58

    @property
    def numbers(self) -> range:
        return range(self.first, self.first + self.count)

    @property
    def bad(self) -> dict[int, tuple[str, str]]:
        """Column and code of each row that cannot go in."""
        return {n: ("", "check") if n == 13 else ("name", "missing") for n in self.numbers if n == 13 or n % 7 == 0}

    @property
    def body(self) -> bytes:
        return "".join(f"{self._text(n)}\n" for n in self.numbers).encode()

    @property
    def rows(self) -> list[tuple[int, str]]:
        return [(n, f"name {n}") for n in self.numbers if n not in self.bad]

    @property
    def rejects(self) -> list[tuple[int, str, list[tuple[str, str]]]]:
        return [(n - self.first + 1, self._text(n), [fault]) for n, fault in self.bad.items()]

    def _text(self, n: int) -> str:
        return f"{n},{'' if n % 7 == 0 else f'name {n}'}"


FILE = File()
BLOCKS = -(-FILE.count // LINES)


def sampled(points: Sequence[int], most: int) -> list[int]:
    """So many of the points, evenly; all of them if that is asked for."""
    if THOROUGH or len(points) <= most:
        return list(points)
    step = len(points) / most
    offset = SEED % 1000 / 1000 * step
    found = [points[int(offset + n * step)] for n in range(most)]
    print(f"LOAD_FAULTS_SEED={SEED}: {found} of {len(points)} points")
    return found


@dataclass
class World:
    """An empty table, and files for it."""

    database: Database
    uploads: Uploads

    def put(self, file: File = FILE) -> Json:
        """Empty the table, and the event of a new version of the file, as the queue brings it."""
        self.database.run("TRUNCATE TABLE t")
        return queued(self.uploads.put(file.body))

    def tried(self, event: Json) -> Json | None:
        """The status of a delivery that may fail, but only in a way that has the event come again."""
        try:
            (status,) = invoke(handler, event)
        except (DatabaseUnavailable, StoreUnavailable, Conflict):
            return None
        assert status["error"] is None
        return cast("Json", status)

    def settle(self, event: Json) -> Json:
        """Deliver until it is done; the first time it has to be, but for what the server has not noticed yet."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            (status,) = invoke(handler, event)
            if status["state"] != "running" or time.monotonic() > deadline:
                return cast("Json", status)
            time.sleep(0.02)

    def settled(self, event: Json, file: File = FILE) -> None:
        """Deliver until it is done, and hold everything against the file."""
        self.right(self.settle(event), event, file)
        assert names(self.database) == file.rows

    def right(self, status: Json, event: Json, file: File = FILE) -> None:
        """Hold a load status and its rejects against the file; it is what is shown, and what a further delivery gives."""
        assert (status["state"], status["error"]) == ("done", None)
        assert counts(status) == (file.count, len(file.rows), 0, len(file.bad), 0)
        assert self.uploads.rejects(status) == file.rejects
        assert request(handler, "GET", f"/loads/{status['id']}").json == status
        assert invoke(handler, event) == [status]


@pytest.fixture
def world(database: Database, uploads: Uploads) -> World:
    database.run(TABLE)
    return World(database, uploads)


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """boto3 tries again without waiting."""
    monkeypatch.setattr(botocore.retries.standard.ExponentialBackoff, "delay_amount", lambda *_: 0)


@pytest.fixture
def proxy(world: World) -> Iterator[Proxy]:
    with packet_proxy.before(world.database.url) as started:
        yield started


@pytest.fixture
def through(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> Callable[[], contextlib.AbstractContextManager[None]]:
    """A block in which the functions of this process reach the database through the proxy."""

    @contextlib.contextmanager
    def block() -> Iterator[None]:
        with monkeypatch.context() as patch:
            patch.setenv("DATABASE_URL", proxy.url)
            yield

    return block


@pytest.fixture
def counted(s3: emulator.S3, s3_client: "S3Client") -> Iterator[Counted]:
    assert s3_client
    with counted_s3.before(s3.environment["AWS_ENDPOINT_URL_S3"]) as started:
        yield started


@pytest.fixture(scope="module")
def functions(s3: emulator.S3) -> Iterator[Functions]:
    with Functions(s3.environment) as started:
        yield started


Through = Callable[[], contextlib.AbstractContextManager[None]]


@dataclass
class Seen:
    """Lets every packet pass, and remembers what it was."""

    client: list[Packet] = field(default_factory=list)
    server: list[Packet] = field(default_factory=list)

    def __call__(self, packet: Packet) -> Fate:
        (self.client if packet.from_client else self.server).append(packet)
        return Fate.PASSES

    @property
    def commits(self) -> int:
        return sum(packet.statement == COMMIT for packet in self.client)


def a_run(world: World, proxy: Proxy, through: Through) -> Seen:
    """The packets of a load without faults."""
    seen = Seen()
    event = world.put()
    proxy.watch(seen)
    with through():
        status = world.tried(event)
    proxy.watch(packet_proxy.passes)  # what looks at the outcome is no part of it
    assert status
    world.right(status, event)
    assert seen.commits > BLOCKS
    return seen


def all_but_said(point: int, sent: int, total: int, goodbyes: int) -> bool:
    """Whether a load may be well though it was struck at a point: its packets end before, or with so many goodbyes there.

    How many there are changes by a few from run to run, with who of the connections waits for whom.
    """
    assert sent > total // 2, "the load is not the one that was counted"
    return point > sent - goodbyes


def nothing() -> None:
    """Do nothing."""


def at(number: int, fate: Fate, act: Callable[[], object] = nothing, from_client: bool = True) -> Chooses:
    """That packet of the client's, or of the server's: act when it comes, and then this becomes of it."""

    def choose(packet: Packet) -> Fate:
        if packet.from_client is not from_client or packet.number != number:
            return Fate.PASSES
        act()
        return fate

    return choose


def at_statement(statement: str, number: int, fate: Fate, act: Callable[[], object] = nothing) -> Chooses:
    """The same, the so-manieth time that the client sends a statement."""
    seen = itertools.count(1)

    def choose(packet: Packet) -> Fate:
        if packet.statement != statement or next(seen) != number:
            return Fate.PASSES
        act()
        return fate

    return choose


def numbered(first: int, last: int | None = None) -> Callable[[counted_s3.Request], bool]:
    """Whether a request has this number, or one of these."""
    return lambda seen: first <= seen.number <= (last or first)


def at_request(
    chosen: Callable[[counted_s3.Request], bool], fate: counted_s3.Fate, act: Callable[[], object] = nothing
) -> counted_s3.Chooses:
    """The same for requests to S3."""

    def choose(seen: counted_s3.Request) -> counted_s3.Fate:
        if not chosen(seen):
            return counted_s3.PASSES
        act()
        return fate

    return choose


# 1. The function is killed.


@pytest.mark.parametrize("fate", [Fate.LOST, Fate.LAST])
@sample(1)
def test_a_load_killed_at_any_packet_for_the_database_is_once_in_the_table(
    world: World, proxy: Proxy, through: Through, functions: Functions, fate: Fate
) -> None:
    total = len(a_run(world, proxy, through).client)
    for point in sampled(range(1, total + 1), 4):
        event = world.put()
        run = functions.prepared(event, DATABASE_URL=proxy.url)
        proxy.watch(at(point, fate, run.kill))
        outcome = run.go().outcomes()
        assert outcome is None or all_but_said(point, proxy.sent, total, 4), f"not killed at {point}: {outcome}"
        world.settled(event)


@pytest.mark.parametrize("answered", [False, True], ids=["before", "after"])
@sample(1)
def test_a_load_killed_at_any_request_to_s3_is_once_in_the_table(
    world: World, counted: Counted, functions: Functions, answered: bool
) -> None:
    event = world.put()
    assert functions.prepared(event, AWS_ENDPOINT_URL_S3=counted.url).go().outcomes()
    total = len(counted.seen)
    assert total >= 5
    for point in sampled(range(1, total + 1), 3):
        event = world.put()
        run = functions.prepared(event, AWS_ENDPOINT_URL_S3=counted.url)
        counted.watch(at_request(numbered(point), UNANSWERED if answered else RESET, run.kill))
        assert run.go().outcomes() is None, f"not killed at {point}"
        world.settled(event)


def test_a_load_that_is_killed_again_and_again_gets_done(world: World, proxy: Proxy, functions: Functions) -> None:
    event = world.put()
    for commits in itertools.count():
        run = functions.prepared(event, DATABASE_URL=proxy.url)
        assert until(lambda: not busy(world.database))
        proxy.watch(at_statement(COMMIT, 2, Fate.LOST, run.kill))
        if outcomes := run.go().outcomes():
            assert [outcome.error for outcome in outcomes] == [None]
            break
        assert commits < 2 * BLOCKS
    world.settled(event)


def test_a_delivery_does_not_end_well_while_a_machine_that_is_gone_without_a_word_has_the_load(
    world: World, proxy: Proxy, functions: Functions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else nobody delivers the event again, and the rest of the file is lost."""
    monkeypatch.setattr(load, "_LOCK_SECONDS", 1)
    event = world.put()
    _die_without_a_word(functions.prepared(event, DATABASE_URL=proxy.url), proxy)
    _a_minute_passes(world)
    assert world.tried(event) is None
    proxy.let_go()
    world.settled(event)


@thorough  # ten minutes
def test_the_last_try_of_lambda_s_succeeds_after_a_machine_that_is_gone_without_a_word(
    world: World, proxy: Proxy, functions: Functions
) -> None:
    event = world.put()
    _die_without_a_word(functions.prepared(event, DATABASE_URL=proxy.url), proxy)
    for seconds in (60, 120):
        time.sleep(seconds)
        status = world.tried(event)
    assert status is not None
    assert status["state"] == "done"


def _die_without_a_word(run: Run, proxy: Proxy) -> None:
    def die() -> None:
        proxy.abandon()
        run.kill()

    proxy.watch(at_statement(COMMIT, 1, Fate.LOST, die))
    assert run.go().outcomes() is None


def _a_minute_passes(world: World) -> None:
    """As before Lambda's next try: it is so long since anybody wrote the load status."""
    (status,) = request(handler, "GET", "/loads").json["loads"]
    for name in ("started", "saved"):
        if status.get(name):
            status[name] = (datetime.fromisoformat(status[name]) - timedelta(minutes=1)).isoformat()
    key = f"loads/{status['id']}.json"
    signed_object.put(verbs.store(), key, status)


def busy(database: Database) -> bool:
    """Whether the server still works for a session of the load's."""
    return bool(database.rows("SELECT COUNT(*) FROM information_schema.processlist WHERE db = DATABASE()")[0][0] > 1)


# 2. The connection breaks.


def unanswered(statement: str, number: int) -> Chooses:
    """The server does it, and the answer is lost."""
    asked: set[int] = set()
    seen = itertools.count(1)

    def choose(packet: Packet) -> Fate:
        if packet.statement == statement and next(seen) == number:
            asked.add(packet.connection)
        return Fate.LOST if not packet.from_client and packet.connection in asked else Fate.PASSES

    return choose


BREAKS: dict[str, Callable[[int], Chooses]] = {
    "the commit is lost": lambda point: at_statement(COMMIT, point, Fate.LOST),
    "broken after the commit": lambda point: at_statement(COMMIT, point, Fate.LAST),
    "the answer is lost": lambda point: unanswered(COMMIT, point),
}


@in_ci
@pytest.mark.parametrize("breaks", BREAKS.values(), ids=list(BREAKS))
@sample(1)
def test_a_load_whose_connection_breaks_at_any_commit_is_once_in_the_table(
    world: World, proxy: Proxy, through: Through, breaks: Callable[[int], Chooses]
) -> None:
    total = a_run(world, proxy, through).commits
    for point in sampled(range(1, total + 1), 4):
        event = world.put()
        proxy.watch(breaks(point))
        with through():
            status = world.tried(event)
        assert status is None or status["state"] == "done"
        world.settled(event)


@pytest.mark.parametrize("fate", [Fate.LOST, Fate.HALVED, Fate.LAST])
@pytest.mark.parametrize("from_client", [True, False], ids=["client", "server"])
@sample(2)
def test_a_load_whose_connection_breaks_at_any_packet_is_once_in_the_table(
    world: World, proxy: Proxy, through: Through, from_client: bool, fate: Fate
) -> None:
    run = a_run(world, proxy, through)
    total = len(run.client if from_client else run.server)
    for point in sampled(range(1, total + 1), 3):
        event = world.put()
        proxy.watch(at(point, fate, from_client=from_client))
        with through():
            status = world.tried(event)
        assert status is None or status["state"] == "done"
        world.settled(event)


@in_ci
def test_a_load_that_lost_its_lock_and_goes_on_when_another_has_done_it_is_once_in_the_table(
    world: World, proxy: Proxy, through: Through, functions: Functions, server: Server
) -> None:
    """At each packet: that is held up, the load's oldest session is killed, another delivery works, the packet goes on."""
    total = len(a_run(world, proxy, through).client)
    wrong = {}
    for point in sampled(range(1, total + 1), 4):
        event = world.put()
        held = threading.Event()
        proxy.watch(at(point, Fate.HELD, held.set))
        with ThreadPoolExecutor(2) as pool:
            outcomes = pool.submit(functions.prepared(event, DATABASE_URL=proxy.url).go().outcomes)
            while not held.wait(0.05) and not outcomes.done():
                pass
            if open_ := sessions(world, server):
                kill(server, open_[0])
            other = pool.submit(world.tried, event)
            with contextlib.suppress(TimeoutError):  # it may wait for what the one that is held up has locked
                other.result(2)
            proxy.released.set()
            other.result(PATIENCE_SECONDS)
            assert outcomes.result(PATIENCE_SECONDS)
        world.right(world.settle(event), event)
        if (found := len(names(world.database))) != len(FILE.rows):
            wrong[point] = found
    assert not wrong, f"the points at which other rows than {len(FILE.rows)} come of it, and how many"


def sessions(world: World, server: Server) -> list[int]:
    """The server's numbers of the sessions in the database, the oldest first."""
    with contextlib.closing(connect(server.url)) as admin, admin.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM information_schema.processlist WHERE db = %s ORDER BY id", (world.database.name,)
        )
        return [int(number) for (number,) in cursor.fetchall()]


def kill(server: Server, session: int) -> None:
    with contextlib.closing(connect(server.url)) as admin, admin.cursor() as cursor:
        cursor.execute(f"KILL {session}")


@in_ci
def test_a_load_one_of_whose_connections_is_killed_by_the_server_is_once_in_the_table(
    world: World, proxy: Proxy, through: Through, server: Server
) -> None:
    """Each of its sessions at each commit, whichever of them that is: the session may be one that only holds a lock."""
    commits = a_run(world, proxy, through).commits
    for point in sampled(range(1, commits + 1), 4):
        for which in range(3):
            event = world.put()
            killed: list[int] = []

            def strike(which: int = which, killed: list[int] = killed) -> None:
                if len(found := sessions(world, server)) > which:
                    killed.append(found[which])
                    kill(server, found[which])
                    assert until(lambda: found[which] not in sessions(world, server))

            proxy.watch(at_statement(COMMIT, point, Fate.PASSES, strike))
            with through():
                world.tried(event)
            world.settled(event)
            if not killed:
                break


# 3. The server is killed.


@in_ci
@embedded_only
def test_a_load_whose_server_is_killed_and_comes_back_is_once_in_the_table(
    tmp_path: Path, uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = State(tmp_path / "state")
    server = embedded.start(state)
    try:
        embedded.create_database(server, "shop")
        world = World(Database("shop", server.url_of("shop"), server.url), uploads)
        world.database.run(TABLE)
        with packet_proxy.before(world.database.url) as proxy:
            monkeypatch.setenv("DATABASE_URL", proxy.url)
            total = len(a_run(world, proxy, contextlib.nullcontext).client)
            for point in sampled(range(1, total + 1), 2):
                event = world.put()

                def strike(process: Any = server.child.process) -> None:
                    process.kill()
                    process.wait()

                proxy.watch(at(point, Fate.PASSES, strike))
                status = world.tried(event)
                sent = proxy.sent
                proxy.watch(packet_proxy.passes)
                assert status is None or all_but_said(point, sent, total, 5)
                if server.child.process.poll() is None:  # this run had less to say, and was done before
                    world.settled(event)
                    continue
                server = embedded.start(state)
                embedded.create_database(server, "shop")  # which gives the user the rights again
                world.database = Database("shop", server.url_of("shop"), server.url)
                proxy.target = ("127.0.0.1", server.port)
                world.settled(event)
    finally:
        server.stop()


# 4. S3 fails.


FATES = {"503": UNAVAILABLE, "reset": RESET, "unanswered": UNANSWERED}


@in_ci
@pytest.mark.parametrize("lasting", [False, True], ids=["once", "until the end"])
@pytest.mark.parametrize("fate", FATES.values(), ids=list(FATES))
@sample(2)
def test_a_load_for_which_any_request_to_s3_fails_is_once_in_the_table(
    world: World, counted: Counted, monkeypatch: pytest.MonkeyPatch, fate: counted_s3.Fate, lasting: bool
) -> None:
    event = world.put()
    with monkeypatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL_S3", counted.url)
        assert world.tried(event)
    for point in sampled(range(1, len(counted.seen) + 1), 3):
        event = world.put()
        counted.watch(at_request(numbered(point, 1000 if lasting else None), fate))
        with monkeypatch.context() as patch:
            patch.setenv("AWS_ENDPOINT_URL_S3", counted.url)
            status = world.tried(event)
        assert status is None or (status["state"] == "done" and not lasting)
        world.settled(event)


@in_ci
def test_a_load_whose_file_breaks_off_after_any_byte_is_once_in_the_table(
    world: World, counted: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    for length in sampled(range(len(FILE.body)), 6):
        event = world.put()
        counted.watch(
            at_request(
                lambda seen: seen.method == "GET" and "/uploads/" in seen.path, counted_s3.Fate(body_bytes=length)
            )
        )
        with monkeypatch.context() as patch:
            patch.setenv("AWS_ENDPOINT_URL_S3", counted.url)
            assert world.tried(event) is None
        assert names(world.database) == FILE.rows[: len(names(world.database))]
        world.settled(event)


# 5. The event comes several times at once.


@pytest.mark.parametrize(("processes", "threads"), [(2, 1), (5, 1), (20, 1), (2, 2), (4, 5)])
@sample(3)
def test_an_event_delivered_many_times_at_once_is_one_load(
    world: World, functions: Functions, processes: int, threads: int
) -> None:
    for _ in range(effort(1, 10)):
        event = world.put()
        runs = [functions.prepared(*[event] * threads) for _ in range(processes)]
        for run in runs:
            run.go()
        found: list[Outcome] = []
        for run in runs:
            outcomes = run.outcomes()
            assert outcomes
            found += outcomes
        assert [outcome.error for outcome in found] == [None] * (processes * threads)
        statuses = [outcome.status for outcome in found if outcome.status]
        (load_id,) = {status["id"] for status in statuses}
        assert {status["state"] for status in statuses} in ({"running", "done"}, {"done"})
        shown = request(handler, "GET", f"/loads/{load_id}").json
        assert names(world.database) == FILE.rows
        world.right(shown, event)
        assert all(status == shown for status in statuses if status["state"] == "done")


# 6. The time runs out.


@dataclass
class Hurried(Context):
    """It has plenty of time until it has been asked so many times, and then next to none."""

    looks: int = 0
    left: int = 1

    def get_remaining_time_in_millis(self) -> int:
        self.looks -= 1
        return 900_000 if self.looks >= 0 else self.left


def handed_over(uploads: Uploads) -> list[tuple[str, str]]:
    """Key and version of each time that a load was handed over, the newest first."""
    answer = uploads.client.list_object_versions(Bucket=uploads.bucket, Prefix="resume/")
    return [(found["Key"], found["VersionId"]) for found in answer.get("Versions", [])]


@in_ci
@pytest.mark.parametrize("left", [0, 1, 1000, 30_000])
@sample(1)
def test_a_load_that_runs_out_of_time_at_any_look_at_the_clock_is_handed_over_until_it_is_done(
    world: World, left: int
) -> None:
    stopped = 0
    for looks in sampled(range(3 * BLOCKS), 5):
        event = world.put()
        known = set(handed_over(world.uploads))
        following = event
        for deliveries in itertools.count(1):
            handler(following, cast("LambdaContext", Hurried(looks=looks, left=left)))
            new = [found for found in handed_over(world.uploads) if found not in known]
            if not new:
                break
            assert deliveries < 5 * BLOCKS, "it is handed over for ever"
            stopped += 1
            known |= set(new)
            ((key, version),) = new
            following = queued(created(world.uploads.bucket, key, version=version))
        shown = request(handler, "GET", "/loads").json["loads"][0]
        assert names(world.database) == FILE.rows
        world.right(shown, event)
    assert stopped or left == 30_000, "nobody looked at the clock"


# 7. Others have locks.


@pytest.fixture
def impatient(server: Server) -> Iterator[None]:
    """The server gives up on locks after a second."""
    if not server.alone:
        not_applicable("settings of a server that others use")
    with contextlib.closing(connect(server.url)) as admin, admin.cursor() as cursor:
        usual = {}
        for name in ("innodb_lock_wait_timeout", "lock_wait_timeout"):
            cursor.execute(f"SELECT @@GLOBAL.{name}")
            [(usual[name],)] = cursor.fetchall()
            cursor.execute(f"SET GLOBAL {name} = 1")
        try:
            yield
        finally:
            for name, value in usual.items():
                cursor.execute(f"SET GLOBAL {name} = {value}")


LOCKS = {
    "rows": ("BEGIN", "SELECT * FROM t FOR UPDATE"),
    "table": ("LOCK TABLES t WRITE",),
    "table, read": ("LOCK TABLES t READ",),
}


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("lock", LOCKS.values(), ids=list(LOCKS))
@sample(1)
def test_a_load_that_meets_a_lock_that_is_not_given_up_is_once_in_the_table(
    world: World, proxy: Proxy, through: Through, lock: tuple[str, ...]
) -> None:
    event = world.put()
    with contextlib.closing(world.database.connect()) as holder, holder.cursor() as cursor:

        def strike() -> None:
            for statement in lock:
                cursor.execute(statement)

        # The first, after all that is asked before it: later, the lock would wait for the blocks under way.
        proxy.watch(at_statement("BEGIN", 1, Fate.PASSES, strike))
        with through():
            assert world.tried(event) is None
    world.settled(event)


@pytest.mark.usefixtures("impatient")
def test_a_load_that_meets_a_lock_for_a_while_waits_for_it(world: World, proxy: Proxy, through: Through) -> None:
    event = world.put()
    with contextlib.closing(world.database.connect()) as holder, holder.cursor() as cursor:
        for statement in LOCKS["rows"]:
            cursor.execute(statement)
        given_up = threading.Timer(2.5, holder.rollback)
        given_up.start()
        with through():
            status = world.tried(event)
        given_up.join()
    assert status
    world.settled(event)


@pytest.mark.parametrize("times", [1, 4])
@sample(1)
def test_a_load_that_deadlocks_with_another_writer_is_once_in_the_table(
    world: World, proxy: Proxy, through: Through, server: Server, times: int
) -> None:
    """The other one changes the rows' parents in the opposite order, and so much besides that the load is to give way."""
    database = world.database
    database.run(
        "DROP TABLE t",
        "CREATE TABLE parents (id INT PRIMARY KEY, changed INT NOT NULL DEFAULT 0)",
        "CREATE TABLE heavy (id INT)",
        TABLE.replace("NOT NULL,", "NOT NULL, FOREIGN KEY (id) REFERENCES parents (id),"),
        "INSERT INTO parents (id) VALUES " + ", ".join(f"({n})" for n in FILE.numbers),
    )
    for block in sampled(range(BLOCKS), 2):
        event = world.put()
        parents = [n for n, _ in FILE.rows if (n - 1) // LINES == block][times::-1]  # the load comes from below
        deadlocks: list[int] = []

        def watch(packet: Packet, deadlocks: list[int] = deadlocks) -> Fate:
            if packet.error == DEADLOCK:
                deadlocks.append(packet.number)
            return Fate.PASSES

        proxy.watch(watch)
        with (
            contextlib.closing(database.connect(autocommit=False)) as other,
            other.cursor() as cursor,
            through(),
            ThreadPoolExecutor(1) as pool,
        ):
            cursor.execute("INSERT INTO heavy VALUES " + ", ".join(["(1)"] * 500))
            change = "UPDATE parents SET changed = changed + 1 WHERE id = %s"
            cursor.execute(change, (parents[0],))
            running = pool.submit(world.tried, event)
            for already, parent in enumerate(parents[1:]):
                while len(deadlocks) < already or not _waits(server):
                    assert not running.done()
                cursor.execute(change, (parent,))
            other.rollback()
            running.result(PATIENCE_SECONDS)
        assert len(deadlocks) >= times  # a busy server may choose the load again before it wakes the other one
        world.settled(event)


def _waits(server: Server) -> bool:
    """Whether a transaction waits for a row. InnoDB looks anew only if nobody has asked for a tenth of a second."""
    time.sleep(0.15)
    with contextlib.closing(connect(server.url)) as admin, admin.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'")
        [(waiting,)] = cursor.fetchall()
        return bool(waiting)


# 8. Others write at the same time.


def test_two_files_and_posts_at_once_are_each_once_in_the_table(world: World, functions: Functions) -> None:
    files = [File(1, 290), File(1001, 290)]
    for _ in range(effort(1, 10)):
        world.database.run("TRUNCATE TABLE t")
        events = [queued(world.uploads.put(file.body, name=f"{file.first}.csv")) for file in files]
        runs = [functions.prepared(event) for event in events]
        for run in runs:
            run.go()
        posted: list[tuple[int, str]] = []
        for n in range(2001, 2201, 10):
            rows = [(n + more, f"name {n + more}") for more in range(10)]
            answer = request(insert_handler, "POST", "/tables/t/rows", body=rows)
            assert answer.status == 201
            posted += rows
        for run, event, file in zip(runs, events, files, strict=True):
            (outcome,) = run.outcomes() or []
            assert outcome.status
            world.right(outcome.status, event, file)
        assert names(world.database) == [*files[0].rows, *files[1].rows, *posted]
