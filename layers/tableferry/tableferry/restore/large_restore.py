"""A restore over many functions: the steps of its state machine. What each leaves for the next lies in the bucket.

``begin`` makes the tables, empty, and a ledger of the objects that are in them; ``fill`` is what each worker does to fill
them; ``indexes`` has the server make the indexes; ``read_back`` is what each worker reads of them again; ``finish`` holds
all of it against the manifest and swaps the tables in; ``failed`` drops them, and ends the job. Each can be repeated: what
is done is found done. None holds a lock of the database from one step to the next; what keeps others from it is the lease
of its job, which each step renews (:mod:`tableferry.restore.recovery`). Where that has run out, the tables are dropped by
whoever comes next, the ledger with them, and a step that goes on can do nothing more.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import Any, Literal

import pymysql
from pydantic import BaseModel, ConfigDict, Field

from tableferry import deadline
from tableferry.columnar.digest import Digest
from tableferry.errors import (
    Conflict,
    InUse,
    NotSigned,
    ObjectNotFound,
    PreconditionFailed,
    RecordNotFound,
    RestoreUnderWay,
    TableferryError,
)
from tableferry.jobs import relay, trouble
from tableferry.jobs.jobs import HandOver, Kind
from tableferry.manifest import attestation, digest_keys
from tableferry.manifest.manifest import Manifest
from tableferry.manifest.trust import on_trust, open_backup
from tableferry.manifest.verify import all_there
from tableferry.mysql.database import Connection, Database, error_code, rows
from tableferry.mysql.session import Mode
from tableferry.mysql.worker_pool import WorkerPool, pool_of
from tableferry.restore import record, recovery
from tableferry.restore import restore as steps
from tableferry.restore.build import chunk_ledger, definition_check, index_steps, running, shadow, tasks
from tableferry.restore.build.chunk_ledger import ChunkLedger
from tableferry.restore.build.readback import ReadBack
from tableferry.restore.build.target import Item, Place, Resources, Target
from tableferry.restore.build.tasks import ReadPart, Task
from tableferry.restore.record import Restore
from tableferry.restore.recovery import restore_lock
from tableferry.storage import object_keys, signed_object
from tableferry.storage.bucket import Store

REQUEST = "large-restore"
"""What the key of the request says in place of a job's kind: its arrival starts the state machine."""

_PATIENCE_SECONDS = 30  # while others look who has the turn
_THREADS = 2  # a connection
_TASK_SECONDS = 240.0  # what a task may take: another one is begun only if there is so much time
_INDEX_SECONDS = 60.0  # the server goes on without us
_COLUMN_IS_NAMED = 1024 * 1024 * 1024  # where not more bytes of files have to be read again for it
_ROUNDS_MORE = 8


class Scale(BaseModel):
    """Over how many functions a restore goes, and with how many connections each."""

    model_config = ConfigDict(frozen=True)

    workers: int
    connections: int


class Order(BaseModel):
    """What a restore over many functions is to be, for all of its steps. ``backup`` is an id."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    backup: str
    tables: tuple[str, ...] | None
    into: dict[str, str]
    replace: bool
    trust: bool
    inexact_json: bool
    allow_orphans: bool
    scale: Scale


class Try(BaseModel):
    """What is to be done: the tasks, and the lines of the indexes that are made once the rows are in, by table."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    order: Order
    execution: str
    tasks: tuple[Task, ...]
    indexes: dict[str, tuple[str, ...]]
    objects: int


class Step(BaseModel):
    """What the state machine goes on with.

    ``gone`` says that another execution has the job, ``filling`` and ``reading`` that workers had no time for all of their
    tasks, ``indexing`` that the server still makes indexes. ``round`` counts how often workers were asked.
    """

    model_config = ConfigDict(frozen=True, serialize_by_alias=True)

    id: str
    attempt: str = Field(default="", serialization_alias="try")
    workers: int = 0
    round: int = 0
    state: Literal["begun", "gone", "filling", "indexing", "indexed", "reading", "done", "failed"]


def hand_over(store: Store, job_id: str, order: Order) -> HandOver:
    """Have the state machine do a job, once the job's record is ready for it."""
    return relay.hand_over(store, REQUEST, job_id, order)


def begin(database: Database, store: Store, job_id: str, execution: str) -> Step:
    """Take the job for an execution of the state machine, and make the tables, empty.

    Raises what :func:`restore.restore` raises before it loads rows; :func:`failed` ends the job then.
    """
    order = signed_object.get(store, object_keys.job_request(REQUEST, job_id)).parsed(Order)
    if not relay.take(store, Kind.RESTORE, job_id, execution):
        return Step(id=job_id, state="gone")
    with _blamed(store, order):
        source, items = _opened(database, store, order)
        all_there(store, source, [item.entry for item in items])
        target = Target(source, items, Place.of(database.name, job_id))
        attempt = secrets.token_hex(3)
        ledger = ChunkLedger(target.place.shadow, attempt)
        with restore_lock(database, store, own=job_id, wait_seconds=_PATIENCE_SECONDS) as turn:
            connection = turn.connection
            begun = steps.begin(turn, job_id, target).model_copy(update={"shared": True})
            with steps.taken_back_on_error(database, store, connection, begun):
                record.save(store, begun)
                following = steps.following(connection, target, begun)
                shadow.prepare(connection, target, target.foreign_keys(), following)
                _need_transactions(connection, target)
                indexes = shadow.take_indexes_off(connection, target)
                ledger.create(connection)  # last: from now on somebody who was taken for dead might fill, too
                tried = Try(
                    order=order,
                    execution=execution,
                    tasks=tasks.share_out([item.entry for item in items], order.scale.workers),
                    indexes={table: tuple(lines) for table, lines in indexes.items()},
                    objects=sum(item.entry.object_count for item in items),
                )
                place = object_keys.work(job_id, attempt)
                signed_object.put(store, object_keys.work_plan(place), tried.model_dump(mode="json"))
                store.put(object_keys.work_workers(place), json.dumps(list(range(order.scale.workers))).encode())
    _tell(store, job_id, tried, 0)
    return Step(id=job_id, attempt=attempt, workers=order.scale.workers, state="begun")


def fill(database: Database, store: Store, job_id: str, attempt: str, worker: int) -> None:
    """Load the objects of a worker's tasks that are not in yet, as far as there is time.

    Raises:
        Conflict: the restore is over.
        BackupDamaged, DatabaseUnavailable, StoreUnavailable: as they say.
    """
    tried = read(store, job_id, attempt)
    with _blamed(store, tried.order):
        target = _target(database, store, job_id, tried)
        ledger = ChunkLedger(target.place.shadow, attempt)
        with _pool(database, tried) as pool, _as_begun():

            def fill_one(_: int, task: Task) -> bool:
                loaded = tasks.fill(pool, store, target, task, ledger)
                with pool.connection() as connection:
                    _tell(store, job_id, tried, ledger.count(connection))
                return loaded > 0

            _in_time(tried, worker, fill_one)


def indexes(database: Database, store: Store, job_id: str, attempt: str, rounds: int) -> Step:
    """Have the server make the indexes, if all objects are in: whether workers have to go on, or the server does so.

    Raises what :func:`index_steps.advance` raises.
    """
    tried = read(store, job_id, attempt)
    place = Place.of(database.name, job_id)
    ledger = ChunkLedger(place.shadow, attempt)
    step = Step(id=job_id, attempt=attempt, workers=tried.order.scale.workers, round=rounds, state="indexed")
    with database.connect(Mode.FAITHFUL) as connection:
        filled = ledger.count(connection)
    _tell(store, job_id, tried, min(filled, tried.objects))
    if filled < tried.objects:
        return _another_round(step, tried, "filling")
    at_once = tried.order.scale.workers * tried.order.scale.connections
    most = max(_INDEX_SECONDS, min(deadline.current().left(), 900.0) - _TASK_SECONDS)
    made = index_steps.advance(database, place, tried.indexes, ledger, at_once, _INDEX_SECONDS, most)
    return step if made else step.model_copy(update={"state": "indexing"})


def read_back(database: Database, store: Store, job_id: str, attempt: str, worker: int, chunk_bytes: int) -> None:
    """Read back what a worker's tasks have loaded, as far as there is time. Memory: as :meth:`ReadBack.begin` says."""
    tried = read(store, job_id, attempt)
    with _blamed(store, tried.order):
        target = _target(database, store, job_id, tried)
        place = object_keys.work(job_id, attempt)
        there = {found.key for found in store.list(object_keys.work_parts(place))}
        with _pool(database, tried) as pool, database.connect(Mode.FAITHFUL) as connection, _as_begun():
            hashing = digest_keys.of(store, target.source)
            resources = Resources(database, store, tried.order.scale.connections, chunk_bytes)
            reading = ReadBack(resources, connection, target, hashing)

            def read_one(number: int, task: Task) -> bool:
                key = object_keys.work_part(place, number)
                if key in there:
                    return False
                part = tasks.read(pool, reading, number, task)
                with suppress(PreconditionFailed):  # what somebody else has read is the same
                    signed_object.put_new(store, key, part.model_dump(mode="json"))
                _tell(store, job_id, tried, tried.objects, _share_read(store, place, tried))
                return True

            _in_time(tried, worker, read_one)


def finish(
    database: Database, store: Store, job_id: str, attempt: str, rounds: int, chunk_bytes: int
) -> Restore | Step:
    """Hold all that was read back against the manifest, and swap the tables in; where that is done, what came of it.

    If parts are lacking, workers have to go on. On an error all is dropped, and nothing was changed.

    Raises what :func:`restore.restore` raises once it has loaded the rows.
    """
    tried = read(store, job_id, attempt)
    _tell(store, job_id, tried, tried.objects, 1.0)
    with (
        _blamed(store, tried.order),
        restore_lock(database, store, own=job_id, wait_seconds=_PATIENCE_SECONDS) as turn,
    ):
        connection = turn.connection
        begun = record.find(store, job_id)
        if begun.state != "running":
            begun = recovery.finish(connection, store, begun)
        if begun.state in ("done", "undone", "accepted"):
            return begun
        if begun.state != "running":
            raise Conflict(begun.stuck or chunk_ledger.OVER)
        parts = _parts(store, object_keys.work(job_id, attempt), tried)
        if parts is None:
            step = Step(id=job_id, attempt=attempt, workers=tried.order.scale.workers, round=rounds, state="reading")
            return _another_round(step, tried, "reading")
        target = _target(database, store, job_id, tried)
        with steps.taken_back_on_error(database, store, connection, begun) as came:
            _check(Resources(database, store, tried.order.scale.connections, chunk_bytes), connection, target, parts)
            running.end_all(
                connection, target.place.shadow
            )  # of functions that were given up: nobody has to do there now
            ChunkLedger(target.place.shadow, attempt).drop(connection)
            notes = shadow.connect(connection, target.items, target.foreign_keys(), tried.order.allow_orphans)
            came.append(steps.bring_in(connection, store, target, begun, notes, tried.order.allow_orphans))
        return came[-1]


def done(store: Store, job_id: str, attempt: str, result: Mapping[str, Any]) -> Step:
    """Write what the restore came to into the job's record."""
    holder = read(store, job_id, attempt).execution
    relay.end(store, Kind.RESTORE, job_id, holder, {"state": "done", "result": result})
    return Step(id=job_id, attempt=attempt, state="done")


def note(store: Store, job_id: str, attempt: str, error: BaseException, problem: Mapping[str, Any]) -> None:
    """Leave the problem of a step for :func:`failed`.

    One that may pass, as the step is tried again, or that only says that there is nothing left to do it on, replaces none.
    """
    passing = isinstance(error, TableferryError) and (error.transient or isinstance(error, RestoreUnderWay | InUse))
    passing = passing or str(error) == chunk_ledger.OVER
    trouble.leave(store, job_id, attempt, problem, over=not passing)


def failed(
    database: Database, store: Store, job_id: str, attempt: str, execution: str, unknown: Mapping[str, Any]
) -> Restore | Step:
    """Drop what was built, and end the job with what the first of its functions failed with; ``unknown`` if none said so.

    If its tables were swapped in all the same, that is what it came to, and the job is the caller's to end so.
    """
    if not relay.holds(store, Kind.RESTORE, job_id, execution):
        return Step(id=job_id, attempt=attempt, state="failed")
    with restore_lock(database, store, own=job_id, wait_seconds=_PATIENCE_SECONDS) as turn:
        after = None
        with suppress(RecordNotFound):
            after = recovery.finish(turn.connection, store, record.find(store, job_id))
    if after is not None and after.state in ("done", "undone", "accepted") and attempt:
        return after
    found = trouble.left(store, job_id, attempt)
    problem = found.problem if found else dict(unknown)
    relay.end(store, Kind.RESTORE, job_id, execution, {"state": "failed", "problem": problem})
    return Step(id=job_id, attempt=attempt, state="failed")


def read(store: Store, job_id: str, attempt: str) -> Try:
    """What there is to do; raises Conflict where nothing was begun."""
    try:
        return signed_object.get(store, object_keys.work_plan(object_keys.work(job_id, attempt))).parsed(Try)
    except (ObjectNotFound, NotSigned) as error:
        raise Conflict(f"The restore {job_id!r} has no plan of try {attempt!r}.") from error


@contextmanager
def _blamed(store: Store, order: Order) -> Iterator[None]:
    """Errors for which the backup is to blame are told of it, as in one function."""
    with attestation.disproven_by_damage(store, order.backup), on_trust(order.trust):
        yield


@contextmanager
def _as_begun() -> Iterator[None]:
    """A table that was made and is gone says that the restore is over: inside a connection, which says it otherwise."""
    try:
        yield
    except pymysql.err.MySQLError as error:
        if error_code(error) not in chunk_ledger.GONE:
            raise
        raise Conflict(chunk_ledger.OVER) from error


def _opened(database: Database, store: Store, order: Order) -> tuple[Manifest, list[Item]]:
    source = open_backup(store, order.backup, store.keys, order.trust, database.name)
    items = steps.plan(source, order.tables, order.into, database.served, order.inexact_json, order.replace)
    return source, items


def _target(database: Database, store: Store, job_id: str, tried: Try) -> Target:
    source, items = _opened(database, store, tried.order)
    return Target(source, items, Place.of(database.name, job_id))


@contextmanager
def _pool(database: Database, tried: Try) -> Iterator[WorkerPool]:
    count = tried.order.scale.connections
    with ExitStack() as stack:
        opened = [stack.enter_context(database.connect(Mode.FAITHFUL, chunk_ledger.filling())) for _ in range(count)]
        yield stack.enter_context(pool_of(opened, count * _THREADS))


def _in_time(tried: Try, worker: int, do: Callable[[int, Task], bool]) -> None:
    """Do a worker's tasks, one that has something left to do, and others while there is time for one.

    ``do`` takes the number of a task, and says whether there was anything to do.
    """
    worked = False
    for number, task in enumerate(tried.tasks):
        if task.worker != worker:
            continue
        if worked and deadline.current().near(_TASK_SECONDS):
            return
        worked = do(number, task) or worked


def _another_round(step: Step, tried: Try, state: Literal["filling", "reading"]) -> Step:
    """Ask the workers once more; each does a task a round, at least. Raises Conflict if that leads nowhere."""
    if step.round > 2 * len(tried.tasks) + _ROUNDS_MORE:
        raise Conflict("Functions of the restore were asked again and again, and it is not done. Nothing was changed.")
    return step.model_copy(update={"state": state, "round": step.round + 1})


def _need_transactions(connection: Connection, target: Target) -> None:
    """Raise Conflict for a table whose rows do not come by transactions: it might get them twice."""
    sql = "SELECT table_name, engine FROM information_schema.tables WHERE table_schema = %s"
    engines = {str(name): str(engine) for name, engine in rows(connection, sql, (target.place.shadow,))}
    for item in target.items:
        engine = engines[item.into]
        if engine.lower() != "innodb":
            raise Conflict(
                f"Table {item.entry.name!r} is of engine {engine}, which has no transactions: restore it by one function "
                "(`workers` 1). Nothing was changed."
            )


def _parts(store: Store, place: str, tried: Try) -> list[ReadPart] | None:
    """What was read back by all tasks; None where some is lacking."""
    keys = [object_keys.work_part(place, number) for number in range(len(tried.tasks))]
    found = [one[1] for one in signed_object.present_of(store, keys, ReadPart) if one is not None and one[0].signed]
    return found if len(found) == len(keys) else None


def _check(resources: Resources, connection: Connection, target: Target, parts: Sequence[ReadPart]) -> None:
    """Hold rows and definitions against the manifest."""
    hashing = digest_keys.of(resources.store, target.source)
    reading = ReadBack(resources, connection, target, hashing)
    seen: list[Digest] = tasks.added_up(parts, len(target.items), hashing)
    for item, found in zip(target.items, seen, strict=True):
        reading.check_rows(found, item, names_column=item.entry.bytes < _COLUMN_IS_NAMED)
        definition_check.check_definition(connection, item.entry, target.source.server, target.place.shadow, item.into)


def _share_read(store: Store, place: str, tried: Try) -> float:
    there = sum(1 for _ in store.list(object_keys.work_parts(place)))
    return 0.5 + there / max(1, len(tried.tasks)) / 2


def _tell(store: Store, job_id: str, tried: Try, loaded: int, share: float | None = None) -> None:
    """Renew the lease, and note how many objects are in; loading is half of the work."""
    if share is None:
        share = loaded / max(1, tried.objects) / 2
    relay.tell(store, Kind.RESTORE, job_id, tried.execution, loaded, tried.objects, 0, share)
