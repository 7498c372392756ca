"""Which table an entry of the ledger is about, where a restore has put another in its place.

An entry says that rows are in a table. A restore exchanges the table and not the ledger, so each table has an epoch: a
row beside the ledger names the restore that brought the table as it is now, and those of the copies that are kept.
Entries of each epoch have ids of their own, so that after a restore, or its undoing, those are found that are true of
the table as it is.

The exchange marks the row before its RENAME TABLE and settles it after. Who commits rows with their entry reads the row
with a shared lock in the same transaction: the mark waits for such transactions, and they do not commit while it is there.
The mark is committed before the rename is waited for, so that a lock on the row is never held while waiting for a table.
A mark whose exchange died is settled by whoever meets it, since the names of the tables say whether they were renamed.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Protocol, TypeVar

import pymysql

from tableferry.errors import BeingReplaced, InUse, TableReplaced
from tableferry.ledger import facts
from tableferry.mysql.database import Connection, error_code, execute
from tableferry.mysql.identifiers import OWN_PREFIX
from tableferry.mysql.named_lock import named_lock
from tableferry.mysql.privileges import need
from tableferry.mysql.retry import STAYED_IN_USE, retry_deadlock, was_rolled_back
from tableferry.schema import catalog

FIRST = ""
"""The epoch of a table that no restore has brought."""

T = TypeVar("T")

_CHANGED_SINCE = (
    1020  # of MariaDB with innodb_snapshot_isolation, to a lock on what changed since the transaction began
)
_OLD_PREFIX = f"{OWN_PREFIX}old_"
_PREFIX, _SOURCE_PREFIX = "epoch/", "source/"
_CLOCKS_DIFFER = timedelta(minutes=5)
_SUFFIX_DIGITS = 7
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_SWAP_SECONDS = 20.0
_ALIVE_SECONDS = 2.0  # nobody looks before whether an exchange died, for that takes the lock for a moment
_PAUSE_SECONDS = 0.2
_MARK_SECONDS = 5


class Move(Protocol):
    """One table of an exchange: ``name`` goes from ``live`` to ``aside``, and the one in ``coming`` takes its place."""

    @property
    def name(self) -> str: ...
    @property
    def live(self) -> str: ...
    @property
    def aside(self) -> str: ...
    @property
    def coming(self) -> str: ...
    @property
    def leaves(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Mark:
    """An exchange under way: where the table goes, from where the other comes, and whether there was one to go."""

    aside: str
    coming: str
    leaves: bool


@dataclass(frozen=True, slots=True)
class Epochs:
    """The epochs of a table and of its copies, by the schemas in which these are kept; ``mark`` while it is exchanged."""

    table: str
    live: str = FIRST
    kept: dict[str, str] = field(default_factory=dict)
    mark: Mark | None = None

    def exchanged(self) -> Epochs:
        """What is so after the exchange that is marked; a table that was built anew is the first of its epoch."""
        if self.mark is None:
            return self
        kept = {name: epoch for name, epoch in self.kept.items() if name != self.mark.coming}
        # Of a restore by a version without epochs nothing is known: it left the ledger as it was.
        new = self.live if self.mark.coming.startswith(_OLD_PREFIX) else self.mark.coming
        live = self.kept.get(self.mark.coming, new)
        return Epochs(self.table, live, {**kept, self.mark.aside: self.live})

    def without(self, schema: str) -> Epochs:
        """The same, of no copy in this schema."""
        return replace(self, kept={name: epoch for name, epoch in self.kept.items() if name != schema})

    def kept_in(self, epoch: str) -> str | None:
        """The schema that keeps the copy of an epoch."""
        return next((schema for schema, of in self.kept.items() if of == epoch), None)


@dataclass(frozen=True, slots=True)
class Source:
    """The backup that a table comes from; ``silent`` if it does not tell which files and requests have their rows in it.

    When it was ``finished`` tells at least that what began later has none.
    """

    backup: str
    silent: bool
    finished: str

    def may_have(self, began: datetime) -> bool:
        """Whether rows that came with what began then may be in the backup, and it does not say."""
        return self.silent and began < datetime.fromisoformat(self.finished) + _CLOCKS_DIFFER


def entry(name: str, table: str, epoch: str) -> str:
    """The id of what is called so in an epoch of a table."""
    if epoch == FIRST:
        return name  # as before there were epochs
    number = int.from_bytes(hashlib.sha256(f"{epoch}\0{table}".encode()).digest()[:8])
    digits = ""
    for _ in range(_SUFFIX_DIGITS):
        number, digit = divmod(number, len(_DIGITS))
        digits += _DIGITS[digit]
    return f"{name}/{digits}"


def restore_of(epoch: str) -> str | None:
    """The id of the restore that brought the table of an epoch."""
    if epoch == FIRST:
        return None
    day, _, rest = epoch.removeprefix(OWN_PREFIX).partition("_")
    return f"{day.upper()}-{rest}"


def epoch_of(restore_id: str | None) -> str:
    """The epoch of the table that a restore has brought."""
    return OWN_PREFIX + restore_id.lower().replace("-", "_") if restore_id else FIRST


def swap_lock(database: str) -> str:
    """The lock that whoever exchanges tables of a database holds; its name is the server's, 64 characters at most."""
    return "tableferry/" + hashlib.sha256(database.encode()).hexdigest()[:32]


def known(connection: Connection, table: str) -> Epochs:
    """The epochs of a table as they are written."""
    return _read(connection, table) or Epochs(table)


def every(connection: Connection) -> dict[str, Epochs]:
    """The epochs of every table that has a row, by its name."""
    found = [_parsed(content) for content in facts.alike(connection, _PREFIX)]
    return {epochs.table: epochs for epochs in found}


def tell(connection: Connection, table: str, epoch: str, source: Source) -> None:
    """Write down which backup the table of an epoch comes from."""
    facts.put(connection, _source_id(table, epoch), {"table": table, "epoch": epoch, **asdict(source)})


def source(connection: Connection, table: str, epoch: str) -> Source | None:
    """The backup that the table of an epoch comes from; None for one that no restore brought."""
    found = facts.read(connection, _source_id(table, epoch))
    return Source(found["backup"], found["silent"], found["finished"]) if found else None


def begin(connection: Connection, table: str) -> None:
    """See to it that the table has a row, which can be locked; not inside a transaction."""
    facts.begin(connection, _id(table), asdict(Epochs(table)))


def hold(connection: Connection, table: str) -> str:
    """The epoch of the table, which stays so until the transaction that is open ends.

    Raises:
        BeingReplaced: a restore exchanges the table now, or has since the transaction began.
    """
    try:
        found = _read(connection, table, "LOCK IN SHARE MODE")
    except pymysql.err.MySQLError as error:
        if error_code(error) != _CHANGED_SINCE:
            raise
        raise BeingReplaced(table) from error
    if found is None or found.mark is not None:
        raise BeingReplaced(table)
    return found.live


def check(connection: Connection, table: str, epoch: str) -> None:
    """The table is of this epoch still, and stays so until the transaction that is open ends.

    Raises:
        TableReplaced: it is of another.
        BeingReplaced: as ``hold`` does.
    """
    if hold(connection, table) != epoch:
        raise TableReplaced(table)


def settled(connection: Connection, database: str, table: str) -> Epochs:
    """The epochs of the table once no exchange is under way; not inside a transaction.

    Raises:
        BeingReplaced: it takes longer than it should.
    """
    began = time.monotonic()
    while (found := known(connection, table)).mark is not None:
        waited = time.monotonic() - began
        if waited > _SWAP_SECONDS:
            raise BeingReplaced(table)
        if waited < _ALIVE_SECONDS or not _settle_dead(connection, database):
            time.sleep(_PAUSE_SECONDS)
    return found


def unless_replaced(connection: Connection, database: str, table: str, work: Callable[[], T]) -> T:
    """The work, begun anew after an exchange of the table that it has met. Raises BeingReplaced if that does not end."""
    until = time.monotonic() + _SWAP_SECONDS
    while True:
        try:
            return work()
        except BeingReplaced:
            if time.monotonic() > until:
                raise
            settled(connection, database, table)
            begin(connection, table)


def announce(connection: Connection, moves: Sequence[Move]) -> None:
    """Say that the tables are about to be exchanged; from now on nobody commits what they have written to them.

    Not inside a transaction, and not while tables are locked.

    Raises:
        InUse: somebody does not let go of what he is about to commit; nothing was marked.
    """
    for move in moves:
        begin(connection, move.name)
    execute(connection, f"SET SESSION innodb_lock_wait_timeout = {_MARK_SECONDS}")
    try:
        retry_deadlock(connection, lambda: _mark(connection, moves))
    except pymysql.err.MySQLError as error:
        if not was_rolled_back(error):
            raise
        raise InUse(STAYED_IN_USE) from error


def _mark(connection: Connection, moves: Sequence[Move]) -> None:
    marked = []
    for move in sorted(moves, key=lambda move: move.name):
        found = _as_after(_locked(connection, move.name), aside=move.coming, coming=move.aside)
        marked.append(replace(found, mark=Mark(move.aside, move.coming, move.leaves)))
    _write(connection, *marked)


def settle(connection: Connection, moves: Sequence[Move]) -> None:
    """Say that the tables are as these moves leave them, whether they were made or their opposites were not.

    Can be repeated.
    """
    _settle(connection, moves, lambda epochs, _: epochs)


def take_back(connection: Connection, moves: Sequence[Move]) -> None:
    """As ``settle``, of moves that take back an exchange at once.

    Tables that it had brought from where they were built never came, and are no copies that anybody wants.
    """
    _settle(
        connection,
        moves,
        lambda epochs, move: epochs if move.aside.startswith(_OLD_PREFIX) else epochs.without(move.aside),
    )


def _settle(connection: Connection, moves: Sequence[Move], then: Callable[[Epochs, Move], Epochs]) -> None:
    if not facts.is_there(connection):
        return

    def write_down() -> None:
        ordered = sorted(moves, key=lambda move: move.name)
        found = [(_locked(connection, move.name), move) for move in ordered]
        settled = [(epochs, then(_as_after(epochs, move.aside, move.coming), move)) for epochs, move in found]
        _write(connection, *(now for before, now in settled if now != before))

    retry_deadlock(connection, write_down)


def _as_after(found: Epochs, aside: str, coming: str) -> Epochs:
    """What is so once the exchange from ``coming`` to ``aside`` is made, or its opposite, which is marked, was not."""
    made = found.mark is not None and (found.mark.aside, found.mark.coming) == (aside, coming)
    return found.exchanged() if made else replace(found, mark=None)


def _settle_dead(connection: Connection, database: str) -> bool:
    """Settle the exchanges whose process died, so that nobody has the lock; whether there was nobody."""
    with named_lock(connection, swap_lock(database)) as nobody:
        if nobody:
            for found in _marked(connection):
                retry_deadlock(connection, partial(_settle_marked, connection, found.table))
        return nobody


def _settle_marked(connection: Connection, table: str) -> None:
    now = _locked(connection, table)
    if now.mark is not None:
        happened = _happened(connection, now.table, now.mark)
        _write(connection, now.exchanged() if happened else replace(now, mark=None))


def _happened(connection: Connection, table: str, mark: Mark) -> bool:
    """Whether the tables were exchanged, as their names say; raises MissingPrivilege if these are not shown."""
    schema = mark.aside if mark.leaves else mark.coming
    unseen = f" in schema {schema!r}, and so would not be shown whether a restore that died had exchanged it"
    need(connection, "SELECT", schema, table, unseen)
    return (table in catalog.table_names(connection, schema)) is mark.leaves


def clean(connection: Connection) -> list[str]:
    """Forget the epochs of copies that are kept no longer, and of tables that were built and never came.

    Returns what the ids of entries end in that are left of them. Can be repeated. Needs the lock; not inside a transaction.
    """
    if not facts.is_there(connection):
        return []
    there = catalog.own_schemas(connection)
    epochs = every(connection)
    for found in epochs.values():
        if not found.kept.keys() <= there and found.mark is None:
            retry_deadlock(connection, partial(_keep_only, connection, found.table, there))
    gone = []
    for told in facts.alike(connection, _SOURCE_PREFIX):
        table, of = str(told["table"]), str(told["epoch"])
        now = known(connection, table)
        if now.mark is None and of not in there | {now.live} | set(now.kept.values()):
            gone.append(entry("", table, of)[1:])
            facts.delete(connection, _source_id(table, of))
    return gone


def _keep_only(connection: Connection, table: str, there: Collection[str]) -> None:
    """Forget the epochs of the table's copies but for those in these schemas."""
    now = _locked(connection, table)
    _write(connection, replace(now, kept={name: of for name, of in now.kept.items() if name in there}))


def _marked(connection: Connection) -> list[Epochs]:
    return [epochs for epochs in every(connection).values() if epochs.mark is not None]


def _source_id(table: str, epoch: str) -> str:
    return _SOURCE_PREFIX + hashlib.sha256(f"{epoch}\0{table}".encode()).hexdigest()


def _locked(connection: Connection, table: str) -> Epochs:
    return _read(connection, table, "FOR UPDATE") or Epochs(table)


def _read(connection: Connection, table: str, lock: str = "") -> Epochs | None:
    content = facts.read(connection, _id(table), lock)
    return None if content is None else _parsed(content)


def _parsed(content: Mapping[str, Any]) -> Epochs:
    mark = content["mark"]
    return Epochs(content["table"], content["live"], content["kept"], Mark(**mark) if mark else None)


def _write(connection: Connection, *known: Epochs) -> None:
    facts.put_all(connection, {_id(epochs.table): asdict(epochs) for epochs in known})


def _id(table: str) -> str:
    return _PREFIX + hashlib.sha256(table.encode()).hexdigest()
