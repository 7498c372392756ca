"""What is known of a restore: ``restores/{id}.json``, written at each step, so that it can be undone or accepted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from tableferry.errors import Finding, NotSigned, ObjectNotFound, RecordNotFound
from tableferry.ids import is_id
from tableferry.restore.changes import Columns
from tableferry.schema.table import ForeignKey, Trigger
from tableferry.storage import object_keys
from tableferry.storage import signed_object as signed
from tableferry.storage.bucket import Store
from tableferry.storage.newest_first import newest as newest_ids

_LOOKED_AT = 100
_READ_AT_MOST = 1000
_LONGEST = 4 * 1024 * 1024  # of thousands of tables

State = Literal["planned", "running", "swapping", "done", "undoing", "undone", "accepted", "failed"]


class RestoredTable(BaseModel):
    """One table of a restore: its name in the backup, where it went, and what it was held against."""

    model_config = ConfigDict(frozen=True)

    name: str
    into: str
    rows: int
    digest: str
    verified: bool = False
    replaced: bool = False
    triggers_before: tuple[Trigger, ...] = ()
    triggers_after: tuple[Trigger, ...] = ()
    keys_before: tuple[ForeignKey, ...] = ()
    """Foreign keys to tables outside the restore, which the table that was replaced gets back when it is put back."""
    gone: bool = False
    """Of an undo: the restored table was no longer there by its name."""
    triggers_back: tuple[Trigger, ...] = ()
    """Of an undo: the triggers that the table had which it put aside."""
    keys_back: tuple[ForeignKey, ...] = ()
    """Of an undo: the foreign keys of that table to tables outside the restore."""


class PlannedTable(BaseModel):
    """What a restore would do with one table; keys and triggers by name."""

    model_config = ConfigDict(frozen=True)

    name: str
    into: str
    rows: int
    bytes: int
    replaces: bool
    foreign_keys: tuple[str, ...]
    repointed: tuple[str, ...]
    triggers: tuple[str, ...]
    rows_now: int | None = None
    """Of the table that would be replaced; None where there is none."""
    rows_now_counted: bool = True
    columns: Columns = Columns()


class Plan(BaseModel):
    """What a dry run found: what would be done, what stands in the way, what was looked at, and what not and why."""

    model_config = ConfigDict(frozen=True)

    tables: tuple[PlannedTable, ...]
    checks: tuple[str, ...]
    problems: tuple[Finding, ...]
    unchecked: tuple[Finding, ...] = ()


class Restore(BaseModel):
    """One restore. ``kept`` is the schema that holds tables still: the replaced ones, or after an undo the restored ones.

    ``accepted``: the restored tables stay. ``undone``: the old ones are back; ``kept`` is null once the restored ones are
    dropped.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    backup: str
    database: str
    state: State
    tables: tuple[RestoredTable, ...]
    kept: str | None = None
    notes: tuple[str, ...] = ()
    following: tuple[ForeignKey, ...] = ()
    """Foreign keys of other tables that a swap under way has to point at the table that came."""
    pending: tuple[str, ...] = ()
    """Notes of a swap under way, which are true once it is done."""
    dropping: bool = False
    """What is kept is to be dropped, and there is no way back: written before anything is."""
    started: datetime
    finished: datetime | None = None
    stuck: str | None = None
    """Why a swap that died half-way could not be finished, and what to do."""
    plan: Plan | None = None
    """Of a dry run only."""
    shared: bool = False
    """Many functions build it, none of which has the database's lock meanwhile: the lease of its job says if it is alive."""
    signed: bool = True
    """Whether a key of this deployment signed the record; where not, nothing is done by it. Not written."""

    def public(self) -> dict[str, Any]:
        """The record as the API shows it: without SQL, and with notes of what is so now."""
        shown = self.model_dump(mode="json", exclude=_HIDDEN)
        swapped = self.state in _SWAPPED
        tables = [{**table, "replaced": swapped and table["replaced"]} for table in shown["tables"]]
        return shown | {"tables": tables, "notes": [*self.notes, *self._now()]}

    def _now(self) -> list[str]:
        """What is so as long as this state lasts."""
        if self.stuck:
            return [self.stuck]
        if self.dropping and self.kept:
            why = "Somebody reads tables in the schema {}, or a foreign key of another table points at one, so they are not"
            what = "dropped yet. The next restore, undo, accept or recovery drops them."
            return [f"{why.format(self.kept)} {what}"]
        if self.state == "undone" and self.kept:
            return [f"What was restored, and written since, is in the schema {self.kept} until accept."]
        return []


_HIDDEN_OF_TABLES = {"triggers_before", "triggers_after", "keys_before", "gone", "triggers_back", "keys_back"}
_HIDDEN: Any = {
    "tables": {"__all__": _HIDDEN_OF_TABLES},
    **dict.fromkeys(("following", "pending", "dropping", "stuck", "shared"), True),
}
_SWAPPED = {"planned", "done", "undoing", "accepted"}
"""States in which restored tables stand, or are to stand, in the place of those that they replaced."""

UNDER_WAY = {"running", "swapping", "undoing"}
"""States of a restore that somebody is working on, or that died."""


def unfinished(found: Restore) -> bool:
    """Whether somebody is working on a restore, or on dropping what it kept, or died at it."""
    return found.state in UNDER_WAY or found.dropping


def finished(store: Store, under_way: Restore, state: State, kept: str | None, notes: Sequence[str]) -> Restore:
    """Write down that a swap has come to its end; notes of what a restore brought are not true once it is undone."""
    done = {"state": state, "kept": kept, "finished": datetime.now(UTC), **_AT_REST}
    before = () if state == "undone" else under_way.notes
    told = (*before, *under_way.pending, *notes)
    return save(store, under_way.model_copy(update={**done, "notes": told}))


def taken_back(under_way: Restore) -> Restore:
    """The record as it was before an undo that was not done."""
    tables = tuple(table.model_copy(update=_NOT_UNDONE) for table in under_way.tables)
    return under_way.model_copy(update={"state": "done", "tables": tables, **_AT_REST})


def failed(under_way: Restore) -> Restore:
    """The record of a restore of which nothing is left."""
    ended = {"state": "failed", "kept": None, "finished": datetime.now(UTC), **_AT_REST}
    return under_way.model_copy(update=ended)


DROPPED: dict[str, Any] = {"dropping": False, "kept": None}
"""What changes in a record once all that was kept is dropped."""

_AT_REST: dict[str, Any] = {"following": (), "pending": (), "stuck": None}
_NOT_UNDONE: dict[str, Any] = {"gone": False, "triggers_back": (), "keys_back": ()}


def save(store: Store, restore: Restore) -> Restore:
    """Write the record, signed: whoever saves one answers for it."""
    signed.put(store, object_keys.restore(restore.id), restore.model_dump(mode="json", exclude={"signed"}))
    return restore


def find(store: Store, restore_id: str, *, unsigned: bool = False) -> Restore:
    """The record of a restore, to act on; to be shown only, that may be ``unsigned``.

    Raises:
        RecordNotFound: there is none.
        NotSigned: it is not signed with a key of this deployment.
    """
    try:
        if not is_id(restore_id):
            raise ObjectNotFound(restore_id)
        found = signed.look(store, object_keys.restore(restore_id))
    except ObjectNotFound as error:
        raise RecordNotFound(f"There is no restore {restore_id!r}.") from error
    if not found.signed and not unsigned:
        raise NotSigned(
            f"{found.why_not} Nothing is done by it. If an earlier version or key wrote it, it can be signed anew: see "
            "docs/operations.md."
        )
    return found.parsed(Restore).model_copy(update={"id": restore_id, "signed": found.signed})


def sign(store: Store, restore_id: str) -> Restore:
    """Sign a record that no key of this deployment has signed, on the word of whoever asks; raises RecordNotFound."""
    return save(store, find(store, restore_id, unsigned=True)).model_copy(update={"signed": True})


def newest(store: Store, limit: int = 100) -> list[Restore]:
    """The newest records to be shown, newest first, so many at most; unsigned ones are among them."""
    return list(islice(_present(store), limit))


def to_finish(store: Store) -> list[str]:
    """The ids, among the hundred newest restores, of those that somebody is working on, or that died."""
    found = islice((restore for restore in _present(store) if restore.signed), _LOOKED_AT)
    return [restore.id for restore in found if unfinished(restore)]


def _present(store: Store) -> Iterator[Restore]:
    """Records, newest first; no more than a function has time for, however many somebody has forged."""
    ids = islice(filter(is_id, newest_ids(_listed(store), datetime.now(UTC))), _READ_AT_MOST)
    for found, restore in signed.present(store, map(object_keys.restore, ids), Restore, _LONGEST):
        restore_id = object_keys.restore_id(found.key)
        yield restore.model_copy(update={"id": restore_id, "signed": found.signed})


def _listed(store: Store) -> Callable[[str], Iterator[str]]:
    def after(text: str) -> Iterator[str]:
        for item in store.list(object_keys.RESTORES, after=f"{object_keys.RESTORES}{text}" if text else ""):
            yield object_keys.restore_id(item.key)

    return after
