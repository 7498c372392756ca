"""One moment for many functions: a coordinator holds a lock while workers open their snapshots, and says when all have.

They speak by signed objects in the place of the try. Nobody waits for a lock while anybody is still to come:

====================================  ==================  ==========================================================
object                                who puts it, once   what it says
====================================  ==================  ==========================================================
``ready/{n}.json``                    worker n            it has its connections; which server they are of
``locked.json``                       the coordinator     all are there, all of one server, and nobody writes the tables
``open/{n}.json``                     worker n            all its connections see the moment and hold the definitions
``moment.json``, ``released``         the coordinator     it has unlocked **itself** when all of these were there; which
                                                          they were, by their ETags; what the moment is called
``moment.json``, ``aborted``          whoever gives up    there is no moment
====================================  ==================  ==========================================================

That UNLOCK TABLES succeeded is the proof: a coordinator that died, or was frozen for longer than the server waits, has
none, whatever the workers see. A worker reads nothing before ``released``, and goes on only if what it has put itself is
named there: neither a second life of the same number, nor a word that somebody else wrote, stands for it. ``moment.json``
is put on the condition that there is none, so that whoever gives up makes sure that nobody goes on.

Why there is no moment, a word: ``late``, not all workers came; ``servers``, they reached different servers; ``denied`` and
``busy``, of the lock; ``slow``, not all were open in time; ``lost``, the lock or the server was; ``storage``, S3 was;
``changed``, a table was; ``taken``, another function does this part of the work; ``silent``, nothing was heard;
``failed``, anything else.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from typing import Any

import pymysql

from tableferry import pauses
from tableferry.backup import snapshot
from tableferry.backup.snapshot import Snapshot
from tableferry.errors import (
    DatabaseUnavailable,
    InUse,
    LockDenied,
    NoMoment,
    ObjectNotFound,
    PreconditionFailed,
    StoreUnavailable,
)
from tableferry.mysql.database import Database, error_code
from tableferry.mysql.retry import was_rolled_back
from tableferry.mysql.session import Mode
from tableferry.schema.table import Table
from tableferry.storage import object_keys, signed_object
from tableferry.storage.bucket import Store

_GATHERING_PAUSE, _LOCKED_PAUSE, _WORKER_PAUSE = 0.25, 0.05, 0.1
_MOMENT_PAUSE = 0.2  # nobody waits behind a lock for this, and others are still to open
_LOOKS_PER_LOOK_AT_THE_END = 10
_WORD_BYTES = 1024 * 1024  # more than is said of ten thousand workers
_MARGIN_SECONDS = 0.5  # from when we give the lock up to when the server is told to
_GONE = {1054, 1146, 1412}  # no such column or table; its definition has changed
_FUNCTION_SECONDS = 900  # no function lives longer: whose connections wait for longer is gone

_WORDS = {
    "late": "Not all functions of the backup began in time; nothing was locked.",
    "servers": "The functions reached different database servers, which have no moment together: name one server, not an "
    "endpoint that stands for several.",
    "denied": "The database user may not lock tables, so that functions cannot see one moment together. Grant LOCK TABLES "
    "(sources/grants.sql has the statement), or back up by one function.",
    "busy": "The tables stayed in use by long transactions, or by those who change definitions.",
    "slow": "Not all functions could open their view of the tables in time.",
    "lost": "The lock of the tables was lost while it was needed.",
    "storage": "S3 could not be reached while the functions waited for each other.",
    "changed": "A table was changed, renamed or dropped before the functions could begin to read.",
    "taken": "Another function does this part of the backup already.",
    "silent": "The functions of the backup heard nothing from each other.",
    "failed": "A function of the backup failed before it could begin to read.",
}


@dataclass(frozen=True, slots=True)
class Bounds:
    """How long is waited for what, in seconds.

    Nobody who writes the tables waits for longer than ``lock_wait + lock_held + wait_timeout``, whatever happens to the
    coordinator; without a fault for what the workers take to open, which is tenths of a second.
    """

    gathering: float = 120.0
    """For all workers to be there. Nothing is locked yet: functions may begin late, and have to be found places."""

    lock_wait: int = 3
    """For the lock. Who wants to write waits behind it, so this is what a long transaction costs the others."""

    lock_held: float = 3.0
    """For all workers to open their snapshots while nobody can write."""

    wait_timeout: int = 5
    """After which the server ends a coordinator that says nothing, frozen or cut off. Has to be more than ``lock_held``."""

    late: float = 20.0
    """More than these, for what is not under the lock: a function's start, connecting, slow requests to S3."""

    def __post_init__(self) -> None:
        if not (self.gathering > 0 and self.lock_wait >= 1 and 0 < self.lock_held < self.wait_timeout):
            raise ValueError(f"These bounds cannot be kept: {self}.")

    @classmethod
    def holding(cls, seconds: float) -> Bounds:
        """The defaults, with a lock that is held for so long at most."""
        return cls(lock_held=seconds, wait_timeout=math.ceil(seconds) + 2)

    @property
    def until_locked(self) -> float:
        """How long a worker waits, from when it is there, for the lock."""
        return self.gathering + self.lock_wait + self.late

    @property
    def until_moment(self) -> float:
        """How long a worker waits, from when it sees the lock, for the moment."""
        return self.lock_held + self.wait_timeout + self.late


def hold(
    database: Database, store: Store, place: str, tables: Sequence[Table], workers: int, bounds: Bounds | None = None
) -> dict[str, str]:
    """Be the coordinator of the workers 0 to ``workers - 1``; returns the moment's position when all of them see it.

    A second life of the coordinator waits for what the first one says, or hears of what it has said.

    Raises:
        LockDenied: the user may not lock tables: one function has to do.
        NoMoment: there is none; ``why`` says why. The try is to be repeated by others in another place.
        DatabaseUnavailable, StoreUnavailable: as they say; so is it then. (Where S3 broke off at the very last word,
            workers may have heard it, and see one moment; nobody goes on with what they read.)
    """
    bounds, store = bounds or Bounds(), store.hurried()
    with _ending(store, place):
        try:
            moment = _held(database, store, place, tables, workers, bounds)
        except NoMoment as error:
            if error.why != "taken":
                raise
            moment = _see_moment(store, place, bounds.until_moment)
    position: dict[str, str] = moment["position"]
    return position


def _held(
    database: Database, store: Store, place: str, tables: Sequence[Table], workers: int, bounds: Bounds
) -> dict[str, Any]:
    servers = _gathered(store, place, workers, bounds.gathering)
    held_at_most = bounds.lock_held + _MARGIN_SECONDS
    with snapshot.locked(database, tables, bounds.lock_wait, held_at_most, bounds.wait_timeout) as locker:
        begun = pauses.clock()
        if servers != {snapshot.server_of(locker)}:
            raise no_moment("servers")
        _put_once(store, object_keys.work_locked(place), {})
        opened = _all_open(store, place, workers, begun + bounds.lock_held)
        position = snapshot.position(locker)
    held = round(pauses.clock() - begun, 3)
    moment = {"state": "released", "position": position, "open": opened, "held_seconds": held}
    _put_once(store, object_keys.work_moment(place), moment)
    return moment


@contextmanager
def join(
    database: Database,
    store: Store,
    place: str,
    number: int,
    tables: Sequence[Table],
    connections: int,
    bounds: Bounds | None = None,
) -> Iterator[Snapshot]:
    """Be a worker: yields connections that see the moment which all workers see.

    They hold the definitions of all the tables until the block is left. If this process is gone without a word, the server
    lets them go when no function can be alive any more.

    Raises:
        NoMoment: there is none; ``why`` says why. The try is to be repeated by others in another place.
        DatabaseUnavailable, StoreUnavailable: as they say; there is no moment either.
    """
    bounds, store = bounds or Bounds(), store.hurried()
    also = {
        "lock_wait_timeout": bounds.lock_wait,
        "wait_timeout": _FUNCTION_SECONDS,
        "net_read_timeout": _FUNCTION_SECONDS,
        "net_write_timeout": _FUNCTION_SECONDS,
    }
    with ExitStack() as stack:
        with _ending(store, place):
            opened = [stack.enter_context(database.connect(Mode.FAITHFUL, also)) for _ in range(connections)]
            servers = sorted({snapshot.server_of(connection) for connection in opened})
            _put_once(store, object_keys.work_ready(place, number), {"servers": servers})
            _see_locked(store, place, bounds.until_locked)
            snapshot.start(opened, tables)
            etag = _put_once(store, object_keys.work_open(place, number), {})
            moment = _see_moment(store, place, bounds.until_moment)
            if moment["open"].get(str(number)) != etag:
                raise no_moment("taken")
        yield Snapshot(tuple(opened), moment["position"])


def no_moment(why: str) -> NoMoment:
    """The error of a try that came to nothing for this reason."""
    return (LockDenied if why == "denied" else NoMoment)(_WORDS.get(why, _WORDS["failed"]), why)


@contextmanager
def _ending(store: Store, place: str) -> Iterator[None]:
    """Say to the others what the block failed with: then there is no moment, if there is none yet."""
    try:
        yield
    except BaseException as error:
        why = _why(error)
        if why != "taken":
            said = {"state": "aborted", "why": why}
            with suppress(StoreUnavailable, PreconditionFailed):
                signed_object.put_new(store, object_keys.work_moment(place), said)
        if isinstance(error, InUse) or (isinstance(error, pymysql.err.MySQLError) and why in ("busy", "changed")):
            raise no_moment(why) from error
        raise


def _why(error: BaseException) -> str:
    if isinstance(error, NoMoment):
        return error.why
    if isinstance(error, pymysql.err.MySQLError):
        if was_rolled_back(error):
            return "busy"
        return "changed" if error_code(error) in _GONE else "lost"
    known = {InUse: "busy", StoreUnavailable: "storage", DatabaseUnavailable: "lost"}
    return next((why for kind, why in known.items() if isinstance(error, kind)), "failed")


def _put_once(store: Store, key: str, content: Mapping[str, Any]) -> str:
    """Put what nobody else has put; returns its ETag, which no other object has."""
    try:
        return signed_object.put_new(store, key, {**content, "word": secrets.token_hex(8)}).strip('"')
    except PreconditionFailed as error:
        raise no_moment("taken") from error


def _gathered(store: Store, place: str, workers: int, seconds: float) -> set[str]:
    """The servers of all the workers, when all are there."""
    wanted = [object_keys.work_ready(place, number) for number in range(workers)]
    until = pauses.clock() + seconds
    while True:
        there = {found.key for found in store.list(place)}
        if there & {object_keys.work_locked(place), object_keys.work_moment(place)}:
            raise no_moment("taken")
        if there.issuperset(wanted):
            return _servers(store, wanted)
        if pauses.clock() > until:
            raise no_moment("late")
        pauses.sleep(_GATHERING_PAUSE)


def _servers(store: Store, keys: Sequence[str]) -> set[str]:
    said = [
        text and signed_object.content(store, key, text)
        for key, text in zip(keys, store.present_of(keys, _WORD_BYTES), strict=True)
    ]
    if not all(said):
        raise no_moment("failed")  # somebody wrote it who is no function of this deployment
    return {server for one in said if one for server in one["servers"]}


def _all_open(store: Store, place: str, workers: int, until: float) -> dict[str, str]:
    """By the workers' numbers, the ETags of what they put when their connections saw the moment."""
    wanted = {object_keys.work_open(place, number): str(number) for number in range(workers)}
    over, last = object_keys.work_moment(place), max(wanted)
    while True:
        opened = {}
        for found in store.list(place, object_keys.work_locked(place)):  # behind it: the moment, then these
            if found.key == over:  # somebody has given up
                raise no_moment("taken")
            if found.key in wanted:
                opened[wanted[found.key]] = found.etag
            if found.key > last:
                break
        if len(opened) == workers:
            return opened
        if pauses.clock() > until:
            raise no_moment("slow")
        pauses.sleep(_LOCKED_PAUSE)


def _see_locked(store: Store, place: str, seconds: float) -> None:
    until = pauses.clock() + seconds
    for look in count():
        if _said(store, object_keys.work_locked(place)) is not None:
            return
        if look % _LOOKS_PER_LOOK_AT_THE_END == 0 and (moment := _said(store, object_keys.work_moment(place))):
            raise no_moment(moment.get("why", "taken"))
        if pauses.clock() > until:
            raise no_moment("silent")
        pauses.sleep(_WORKER_PAUSE)


def _see_moment(store: Store, place: str, seconds: float) -> dict[str, Any]:
    until = pauses.clock() + seconds
    while True:
        pauses.sleep(_MOMENT_PAUSE)
        moment = _said(store, object_keys.work_moment(place))
        if moment is not None:
            if moment["state"] == "released":
                return moment
            raise no_moment(moment["why"])
        if pauses.clock() > until:
            raise no_moment("silent")


def _said(store: Store, key: str) -> dict[str, Any] | None:
    """What an object says that one of us has put; None if there is none, or somebody else has."""
    try:
        text, _ = store.get(key, _WORD_BYTES)
    except ObjectNotFound:
        return None
    return signed_object.content(store, key, text)
