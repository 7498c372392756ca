"""A file in the bucket into a table, block by block, each block once however often it is tried."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import wait
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import pymysql

from tableferry.config import load_options
from tableferry.config.load_options import OnDuplicate
from tableferry.deadline import NEVER, Deadline
from tableferry.errors import (
    BeingReplaced,
    Conflict,
    InvalidRequest,
    LoadCancelled,
    LoadUnderWay,
    RecordNotFound,
    TableferryError,
    TooManyConnections,
)
from tableferry.ingest.block_writer import BlockWriter, Target, Written
from tableferry.ingest.files.all_rejected import verdict
from tableferry.ingest.files.blocks import blocks
from tableferry.ingest.files.file_format import Position
from tableferry.ingest.files.reject_reasons import sentence
from tableferry.ingest.files.reject_spool import Spool, lines
from tableferry.ingest.loads import cancel, handover, load_status, retry_later
from tableferry.ingest.loads.checkpoints import Entries, State
from tableferry.ingest.loads.load_check import Standing, fewer, put_back, refuse_unknown, replaced, standing
from tableferry.ingest.loads.load_status import LoadStatus
from tableferry.ingest.loads.progress import Progress
from tableferry.ingest.ordered_writers import OrderedWriters
from tableferry.ingest.source import Source
from tableferry.ingest.write.parents import parents_of
from tableferry.ingest.write.writer import refuse_without_transactions
from tableferry.ledger import epoch, ledger
from tableferry.mysql.database import Connection, Database, execute
from tableferry.mysql.named_lock import named_lock
from tableferry.pauses import growing
from tableferry.schema.catalog import describe
from tableferry.storage import object_keys
from tableferry.storage.bucket import Object, Store

_OBJECTS_BEFORE_COLLECTING = 500_000
_LOCK_SECONDS = 10
_FOR_ROOM_SECONDS = 600.0  # for connections to a server that has none left
_PATIENCE_SECONDS = 1.0  # with one of them in hand
_OVER = object()
_SILENT_SECONDS = 30
_BEATS_EVERY_SECONDS = 5
# A connection whose function died unheard is given up by the server after so long, and with it what it holds.
_HOLDS_THE_LOCK = {"wait_timeout": 120}
_HOLDS_ROWS = {"wait_timeout": 150, "net_read_timeout": 60}  # before the last try that Lambda makes
_LEFT_ALONE = (Standing.IN, Standing.ELSEWHERE)
_INTERNAL = ("internal", "Something went wrong here; the log has the details.")


def load(
    database: Database,
    store: Store,
    uploaded: Object,
    table_name: str,
    table_options: Mapping[str, object] | None = None,
    given: Mapping[str, str] | None = None,
    *,
    again: bool = False,
    workers: int = 2,
    ledger_days: int = 0,
    deadline: Deadline = NEVER,
    retry_hours: float = 0,
) -> LoadStatus:
    """Put a file's good rows into a table; the others go to the rejects, and the load status says how many of each.

    Blocks are committed one by one, in order, each with its entry in the ledger: a load that died, or ran out of time
    and handed itself over, goes on after its last block, and a file that was loaded is not loaded again. What can never
    be loaded ends in a load status that is failed, and a load whose table a restore exchanges in one that is replaced;
    ``again`` tries those once more, with what the ledger says of the table as it is now. The options are the table's,
    those of the object's metadata, and those ``given`` by a request. With ``retry_hours``, a load that the database or
    S3 stopped waits for its next try, for so long. Memory: 40 MiB for each of the ``workers``' blocks and the next.

    Raises:
        DatabaseUnavailable, StoreUnavailable, Conflict: worth another try; the load status says failed until then. With
            ``retry_hours`` only if not even the load status can be written.
    """
    begun = LoadStatus(
        id=load_status.load_id(store.bucket, uploaded),
        table=table_name,
        key=uploaded.key,
        version=uploaded.version,
        size=uploaded.size,
        given=dict(given or {}),
        started=datetime.now(UTC),
    )
    work = _Load(database, store, uploaded, table_options or {}, workers, ledger_days, deadline, begun)
    try:
        with _rarely_collecting():
            return work.when_there_is_room(again)
    except LoadUnderWay:
        raise
    except TableferryError as error:
        if retry_hours and (error.transient or isinstance(error, Conflict)):
            return work.put_off(error, retry_hours)
        failed = work.failed(error.name, str(error))
        if error.transient or isinstance(error, Conflict):
            raise
        return failed
    except Exception:
        work.failed(*_INTERNAL)
        raise


@contextmanager
def _rarely_collecting() -> Iterator[None]:
    """Let Python look for cyclic garbage rarely: in the many small objects of a block there is none to be found."""
    usual = gc.get_threshold()
    gc.set_threshold(_OBJECTS_BEFORE_COLLECTING, *usual[1:])
    try:
        yield
    finally:
        gc.set_threshold(*usual)


@dataclass(slots=True)
class _Load:
    """One invocation's part of a load; ``status`` is what is known of it."""

    database: Database
    store: Store
    uploaded: Object
    table_options: Mapping[str, object]
    workers: int
    ledger_days: int
    deadline: Deadline
    status: LoadStatus

    def when_there_is_room(self, again: bool) -> LoadStatus:
        """Load the file; where the server has no connection left, wait with none in hand, so that others come to an end."""
        pauses = growing(_FOR_ROOM_SECONDS, first=1.0, longest=30.0)
        while True:
            try:
                return self.run(again)
            except TooManyConnections:
                if next(pauses, _OVER) is _OVER:
                    raise

    def run(self, again: bool) -> LoadStatus:
        """Load the file, or go on with it, as far as there is time."""
        with self.database.connect(also=_HOLDS_THE_LOCK) as connection:
            ledger.prepare(connection)
            with named_lock(connection, f"tableferry/{self.status.id}", _LOCK_SECONDS) as alone:
                if not alone:
                    return self._left_to_the_other()
                while True:
                    entries = self._entries(connection)
                    if (ended := self._ended(connection, entries, again)) is not None:
                        return ended
                    try:
                        if self._blocks(connection, entries):
                            return self.status
                        break
                    except Exception as error:
                        if not self._was_exchanged(connection, entries, error):
                            raise
                    again = False  # it was begun anew where it had to be, and is another restore's fault now
        # Without the lock: the next invocation leaves a load to whoever has it.
        handover.hand_over(self.store, self.status.id, retry=False)
        return self.status

    def failed(self, kind: str, detail: str) -> LoadStatus:
        """Save why it went no further, unless somebody else has done the load meanwhile."""
        known = self._known()
        if known and known.state in ("done", "rejected", "cancelled"):
            return known
        # An invocation that did not come to read the ledger knows nothing of the blocks that are in.
        status = self.status if known is None or self.status.saved else known
        return load_status.save(self.store, status.failed(kind, detail))

    def put_off(self, error: TableferryError, hours: float) -> LoadStatus:
        """Save that the load waits for its next try, or that it has failed for so many hours."""
        known = self._known()
        if known and known.state in ("done", "rejected", "cancelled"):
            return known
        status = self.status if known is None or self.status.saved else known
        return retry_later.put_off(self.store, status, error, hours, datetime.now(UTC)) or load_status.save(
            self.store, status.failed(error.name, str(error))
        )

    def _left_to_the_other(self) -> LoadStatus:
        """The load status as somebody else writes it.

        Raises:
            LoadUnderWay: nobody has for a while; perhaps a connection that has the lock outlived its function.
        """
        found = self._known()
        if found is None or found.silent(datetime.now(UTC)).total_seconds() > _SILENT_SECONDS:
            raise LoadUnderWay("Another invocation is loading this file, or died at it; try again in a minute.")
        return found

    def _known(self) -> LoadStatus | None:
        try:
            return load_status.find(self.store, self.status.id)
        except RecordNotFound:
            return None

    def _entries(self, connection: Connection) -> Entries:
        """The load's entries for the table as it is now."""
        table = self.status.table
        return Entries(self.status.id, table, epoch.settled(connection, self.database.name, table).live)

    def _was_exchanged(self, connection: Connection, entries: Entries, error: Exception) -> bool:
        """Whether the load has met an exchange of its table, made or not: then what the ledger says now is to be seen."""
        try:
            now = epoch.settled(connection, self.database.name, self.status.table).live
        except (TableferryError, pymysql.err.MySQLError):
            raise error from None
        return isinstance(error, BeingReplaced) or now != entries.epoch

    def _ended(self, connection: Connection, entries: Entries, again: bool) -> LoadStatus | None:
        """The status of a load that has ended, unless it is to be tried again, or what it says of the table is not so."""
        now = epoch.restore_of(entries.epoch)
        ended = entries.ended(connection)
        if ended is not None:
            if not again or ended.state == "done":
                return load_status.save(self.store, ended.model_copy(update={"restore": now}))
            entries.reopen(connection)
        self.status = self.status.model_copy(update={"database": ledger.identity(connection), "restore": now})
        if (known := self._known()) is None:
            return None
        notes = known.notes
        if ended is None:
            if known.state == "rejected" and not again:  # its entries have expired
                return known
            if known.state == "done" and standing(connection, entries, known, self.ledger_days) in _LEFT_ALONE:
                return known
            if known.state != "rejected" and known.restore != now:
                before = replaced(connection, entries, known)
                if not again:
                    return load_status.save(self.store, before)
                refuse_unknown(connection, entries, known)
                notes = (*notes, before.error["detail"] if before.error else "")
            elif fewer(begun := entries.state(connection), known):
                notes = (*notes, put_back(known, begun))
        tried = {"tries": known.tries, "failing_since": known.failing_since}
        self.status = self.status.model_copy(update={"started": known.started, "notes": notes, **tried})
        return None

    def _blocks(self, connection: Connection, entries: Entries) -> bool:
        """Load block after block; whether the load has ended, rather than run out of time."""
        chosen = load_options.chosen(self.table_options, self.uploaded.metadata, self.status.given)
        table = describe(connection, self.database, self.status.table)
        refuse_without_transactions(table)
        epoch.begin(connection, table.name)
        entries.own(connection)
        state = entries.state(connection)
        progress = Progress(self.store, self.status, state or State(Position()))
        self.status = progress.save()
        failure: InvalidRequest | LoadCancelled | None = None
        try:
            self._stop_if_cancelled()
            source = Source(self.store, self.uploaded, table, chosen, state, lambda: self._beat(connection, progress))
            given = source.reading.rules.columns
            parents = parents_of(connection, table, given) if chosen.on_duplicate is OnDuplicate.REJECT else None
            with Spool(self.store, self.status.id) as spool:
                target = Target(table, source.reading, chosen, entries, spool, state or State(source.start), parents)
                try:
                    ended = self._written(connection, source, target, progress)
                finally:
                    progress.reached(target.state)
                    self.status = progress.status
                    if target.state.next != (state.next if state else source.start):  # it got further
                        self.status = self.status.model_copy(update={"tries": 0, "failing_since": None})
        except (InvalidRequest, LoadCancelled) as error:
            failure, ended = error, True
        self.status = self._finish(connection, entries, failure) if ended else progress.save()
        return ended

    def _written(self, connection: Connection, source: Source, target: Target, progress: Progress) -> bool:
        """Write the blocks that there is time for; whether that is all of them."""

        def wait_until(under_way: int) -> None:
            """Wait until no more than so many blocks are under way; raises what stopped one."""
            while len(lanes.pending) > under_way:
                done, _ = wait([lanes.pending[0]], _BEATS_EVERY_SECONDS)
                if done:
                    lanes.first()
                    progress.reached(target.state)
                self._beat(connection, progress)

        most = target.lanes(connection, self.workers)
        slowest, began = 0.0, time.monotonic()
        with (
            ExitStack() as stack,
            OrderedWriters[Written](lambda: self._lane(stack), most, source.start.number) as lanes,
        ):
            for block in blocks(
                source.reading, source.pieces, source.start, target.parents.columns if target.parents else ()
            ):
                wait_until(under_way=0 if lanes.broken else most)
                lanes.put(BlockWriter(target, block, source.plain, source.consumed(block.end)))
                slowest, began = max(slowest, time.monotonic() - began), time.monotonic()
                if self.deadline.near((most + 2) * slowest):
                    wait_until(under_way=0)
                    return False
            wait_until(under_way=0)
        return True

    def _beat(self, connection: Connection, progress: Progress) -> None:
        """Show now and then that the load is alive: else the server would give the connection up, and with it the lock.

        Raises:
            LoadCancelled: it is to stop.
        """
        if progress.is_due:
            execute(connection, "DO 0")
            progress.save()
            self._stop_if_cancelled()

    def _stop_if_cancelled(self) -> None:
        if cancel.ordered(self.store, self.status.id):
            raise LoadCancelled("The load was cancelled.")

    def _lane(self, stack: ExitStack) -> Connection:
        return stack.enter_context(self.database.connect(also=_HOLDS_ROWS, patience=_PATIENCE_SECONDS))

    def _finish(self, connection: Connection, entries: Entries, failure: TableferryError | None) -> LoadStatus:
        """Put the rejects together, and write the final load status into the ledger and the bucket."""
        key = None
        if self.status.rejected:
            key = object_keys.rejects(self.status.table, self.status.id)
            self.store.put_pieces(key, lines(self.store, entries.rejects(connection)), "application/x-ndjson")
        status = self.status.model_copy(update={"rejects": key})
        if isinstance(failure, LoadCancelled):
            ended = status.cancelled()
        elif failure is not None:
            ended = status.failed(failure.name, str(failure))
        elif status.read and status.rejected == status.read:
            ended = status.ended("rejected", self._why(connection, entries))
        else:
            ended = status.ended("done")
        entries.close(connection, ended)
        ledger.expire(connection, self.ledger_days)
        return load_status.save(self.store, ended)

    def _why(self, connection: Connection, entries: Entries) -> str:
        """Why all rows were rejected: what the file itself shows, and the commonest reason."""
        state = entries.state(connection)
        said = sentence(self.status.rejected, state.reasons if state else {})
        if state is None:
            return said
        table = describe(connection, self.database, self.status.table)
        found = verdict(table, state.described, lines(self.store, entries.rejects(connection)))
        return f"{found} {said}" if found else said
