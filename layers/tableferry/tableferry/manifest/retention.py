"""Which backups may go: old ones all of whose tables are in a newer proven one, and tries that died.

No function deletes them. What may go is tagged, object by object and the manifest last, and the bucket's lifecycle expires
what has the tag and is old enough. So nothing expires that was not seen to be superseded, whatever becomes of the
functions, and the newest proven backup of each table stays: there is no newer one that holds it. If the newer one turns out
to be damaged, the tag is taken back, which helps until the lifecycle has come by. So it is when a later backup names
objects of an old one: as long as that has its manifest, the old one stays. The tag's value is the bucket, so that an
object that is copied or replicated to another one, tags and all, is not superseded there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile

from pydantic import BaseModel, ConfigDict

from tableferry.errors import BackupDamaged, BackupNotFound, Conflict, ObjectNotFound
from tableferry.ids import is_id
from tableferry.manifest import attestation, manifest
from tableferry.manifest.latest import latest, signed
from tableferry.manifest.manifest import Manifest
from tableferry.signing import Keys
from tableferry.storage import object_keys
from tableferry.storage.bucket import Store

TAG = "superseded-in"
_LOOKED_AT = 200  # backups a call, so that years of them that stay cost little each hour
_LISTED = 100_000  # of whose names somebody may have made up most
_SECONDS = 300.0
_AT_ONCE = 16
_BATCH = 1000
_DEAD = timedelta(days=2)  # many times as long as a backup can take


class Retention(BaseModel):
    """What a call found of the backups that are older than so many ``days``, by their ids.

    ``expiring`` were tagged by it, the first of them superseded, ``unfinished`` among them. ``kept`` stay, since no newer
    proven backup holds all of their tables, or a later one names objects of theirs, and so do ``damaged``, which cannot be
    read or are not signed. If ``to_verify`` were proven, some of those kept could go. ``more``: there was no time for all;
    the next call goes on.
    """

    model_config = ConfigDict(frozen=True)

    days: int
    expiring: tuple[str, ...] = ()
    unfinished: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    damaged: tuple[str, ...] = ()
    to_verify: str | None = None
    more: bool = False


def retire(store: Store, keys: Keys, database: str, days: int, now: datetime) -> Retention:
    """Tag backups that were finished so many days ago and are superseded, and tries of that age that never became one.

    ``to_verify`` is looked for among those of the ``database``. Of more than 200 old backups each hour's call looks at
    others, in turn; what is tagged in part is finished by another call. Memory: 100,000 ids, the listing of one backup, and
    manifests as of :func:`~tableferry.manifest.latest.signed`.
    """
    cutoff = now - timedelta(days=days)
    old = list(_older(store, cutoff))
    turn = _turn(old, now)
    tagging = _Tagging(store, time.monotonic() + _SECONDS)
    proven = _Proven(attestation.proven(store, keys, now))
    better = _Newest(store, keys, database)
    lent = _Lent(store, keys, now)
    expiring: list[str] = []
    kept: list[str] = []
    damaged: list[str] = []
    read: set[str] = set()
    for made in signed(store, keys, turn, lambda backup_id, _: damaged.append(backup_id)):
        read.add(made.id)
        if made.finished > cutoff or tagging.late:
            continue
        superseded = proven.hold(made)
        if not superseded or lent.holds(made.id):
            kept.append(made.id)
            tagging.take_back(made.id, object_keys.manifest(made.id))
            if not superseded:
                better.look(made)
        elif tagging.all_of(made.id, object_keys.manifest(made.id)):
            expiring.append(made.id)
    rest = [backup_id for backup_id in turn if backup_id not in {*read, *damaged}]
    dead = min(cutoff, now - _DEAD)
    unfinished = [one for one in rest if not lent.holds(one) and tagging.dead(one, dead)]
    return Retention(
        days=days,
        expiring=(*expiring, *unfinished),
        unfinished=tuple(unfinished),
        kept=tuple(kept),
        damaged=tuple(damaged),
        to_verify=better.id,
        more=tagging.late or len(turn) < len(old),
    )


def _older(store: Store, cutoff: datetime) -> Iterator[str]:
    """The ids of backups that were begun before, finished or not, oldest first; of so many names at most."""
    end = f"{cutoff:%Y%m%dT%H%M%SZ}"
    names = takewhile(lambda name: name < end, islice(store.folders(object_keys.BACKUPS), _LISTED))
    return (found for found in names if is_id(found))


def _turn(old: Sequence[str], now: datetime) -> list[str]:
    """Those that are looked at in this hour."""
    if len(old) <= _LOOKED_AT:
        return list(old)
    start = int(now.timestamp()) // 3600 * _LOOKED_AT % len(old)
    return [*old, *old][start : start + _LOOKED_AT]


class _Proven:
    """The newest proven backups of each set of tables, read no further than is asked for. ``known`` are newest first."""

    def __init__(self, known: Iterable[Manifest]) -> None:
        self._rest = iter(known)
        self._held: list[tuple[set[tuple[str, str]], datetime]] = []
        self._reached: datetime | None = datetime.max.replace(tzinfo=UTC)

    def hold(self, made: Manifest) -> bool:
        """Whether all tables of a backup are in one that is newer, and proven: in one, since they are of one moment."""
        wanted = _tables(made)
        while not any(wanted <= held and started > made.started for held, started in self._held):
            if self._reached is None or self._reached <= made.started:
                return False
            self._read()
        return True

    def _read(self) -> None:
        if (found := next(self._rest, None)) is None:
            self._reached = None
            return
        self._reached = found.started
        tables = _tables(found)
        if not any(tables <= held for held, _ in self._held):
            self._held.append((tables, found.started))


def _tables(made: Manifest) -> set[tuple[str, str]]:
    return {(made.database, table.name) for table in made.tables}


class _Newest:
    """Whether the newest backup of a database holds the tables of one that is kept. ``id`` is its id if it ever did."""

    def __init__(self, store: Store, keys: Keys, database: str) -> None:
        self._place = store, keys, database
        self._known: Manifest | None = None
        self.id: str | None = None

    def look(self, kept: Manifest) -> None:
        if self.id is not None or kept.database != self._place[2]:
            return
        try:
            self._known = self._known or latest(*self._place)
        except BackupNotFound:
            return
        held = {table.name for table in self._known.tables}
        if self._known.started > kept.started and held >= {table.name for table in kept.tables}:
            self.id = self._known.id


class _Lent:
    """Whether later backups name objects of one. The marks say which to look at, and their manifests whether it is so."""

    def __init__(self, store: Store, keys: Keys, now: datetime) -> None:
        self._store, self._keys, self._now = store, keys, now

    def holds(self, backup_id: str) -> bool:
        """Whether one does; or may, whose manifest is yet to come or cannot be read. Memory: one manifest."""
        return any(
            self._names(one.key.rpartition("/")[2], backup_id, self._now - one.modified < _DEAD)
            for one in self._store.list(object_keys.named_in(backup_id))
        )

    def _names(self, other: str, backup_id: str, is_new: bool) -> bool:
        if not is_id(other) or other <= backup_id:
            return False
        try:
            return backup_id in manifest.read(self._store, other, self._keys).lenders
        except BackupNotFound:
            return is_new
        except (BackupDamaged, Conflict):
            return True


class _Tagging:
    """Gives objects the tag, or takes it back, until the time is over: from then on it is ``late``, and does neither.

    A backup's first object gets it before all others, and one named last, after them; back it is taken the other way. So
    these two show whether a call has died in the midst of either.
    """

    def __init__(self, store: Store, until: float) -> None:
        self._store = store
        self._until = until

    @property
    def late(self) -> bool:
        return time.monotonic() > self._until

    def all_of(self, backup_id: str, last: str) -> bool:
        """Tag a backup's objects. False if nothing was left to do, or not all was done.

        The lifecycle may be taking those away that an earlier call tagged.
        """
        try:
            if self._store.tags(last).get(TAG) == self._store.bucket:
                return False
        except ObjectNotFound:
            return False
        rest = self._others(backup_id, last)
        return self._each([islice(rest, 1), rest, [last]], self._tag)

    def take_back(self, backup_id: str, last: str) -> None:
        """Take the tag from a backup's objects, if any has it."""
        rest = self._others(backup_id, last)
        first = list(islice(rest, 1))
        if any(map(self._has, [*first, last])):
            self._each([[last], rest, first], self._untag)

    def _others(self, backup_id: str, last: str) -> Iterator[str]:
        return (found.key for found in self._store.list(object_keys.backup(backup_id)) if found.key != last)

    def _each(self, parts: Sequence[Iterable[str]], change: Callable[[str], None]) -> bool:
        """Change the objects of one part after those of another, in time; whether it was all of them."""
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="tag") as pool:
            for part in parts:
                keys = iter(part)
                while batch := list(islice(keys, _BATCH)):
                    if self.late:
                        return False
                    list(pool.map(change, batch))
        return True

    def dead(self, backup_id: str, before: datetime) -> bool:
        """Tag what a try of a backup left that died, if nothing of it is younger than that; whether it was so.

        Nothing where the manifest is there, or may yet come: objects that are copied here come in any order, and those
        that S3 replicates are as old as they were where they come from.
        """
        if self.late:
            return False
        found = list(self._store.list(object_keys.backup(backup_id)))
        if (
            not found
            or max(one.modified for one in found) > before
            or object_keys.manifest(backup_id) in {one.key for one in found}
        ):
            return False
        try:
            return not self._store.is_replica(found[0].key) and self.all_of(backup_id, found[0].key)
        except ObjectNotFound:
            return False

    def _has(self, key: str) -> bool:
        try:
            return self._store.tags(key).get(TAG) == self._store.bucket
        except ObjectNotFound:
            return False

    def _tag(self, key: str) -> None:
        with suppress(ObjectNotFound):
            self._store.tag(key, TAG, self._store.bucket)

    def _untag(self, key: str) -> None:
        with suppress(ObjectNotFound):
            self._store.untag(key, TAG)
