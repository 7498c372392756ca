"""Retention against a model of what may expire, through any order of backups, proofs, damage, deaths and deletions."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from hypothesis import settings, strategies
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tableferry.columnar.formats import Format
from tableferry.errors import BackupDamaged, ObjectNotFound, PreconditionFailed, StoreUnavailable
from tableferry.manifest import attestation, manifest, retention
from tableferry.manifest.attestation import Proof
from tableferry.manifest.manifest import ChunkEntry, Manifest, ObjectEntry, TableEntry
from tableferry.manifest.retention import TAG, retire
from tableferry.signing import Keys
from tableferry.storage import object_keys
from tableferry.storage.bucket import Object, Store
from tests.effort import effort

DAYS = 35
KEYS = Keys((b"k" * 32,))
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
TABLES = ("jobs", "departments", "employees")
DATABASES = ("shop", "other")


class Bucket(Store):
    """A bucket in memory, which fails for good after so many changes of tags (``left``)."""

    def __init__(self) -> None:
        super().__init__(cast("Any", None), "bucket", KEYS)
        self.now = BEGIN
        self.objects: dict[str, tuple[bytes, datetime]] = {}
        self.tagged: dict[str, dict[str, str]] = {}
        self.left: int | None = None

    def put(self, key: str, body: bytes, content_type: str = "", **given: Any) -> str:
        if "IfNoneMatch" in given and key in self.objects:
            raise PreconditionFailed(key)
        self.objects[key] = body, self.now
        self.tagged[key] = {}
        return "etag"

    def get(self, key: str, at_most: int = 0) -> tuple[bytes, str]:
        self._there(key)
        return self.objects[key][0], "etag"

    def head(self, key: str, version: str = "") -> Object:
        self._there(key)
        body, when = self.objects[key]
        return Object(key, len(body), "etag", when)

    def list(self, prefix: str, after: str = "") -> Iterator[Object]:
        return (self.head(key) for key in sorted(self.objects) if key.startswith(prefix) and key > after)

    def folders(self, prefix: str, after: str = "") -> Iterator[str]:
        names = {key.removeprefix(prefix).partition("/")[0] for key in self.objects if key.startswith(prefix)}
        return (name for name in sorted(names) if name > after)

    def tags(self, key: str) -> dict[str, str]:
        self._there(key)
        return dict(self.tagged[key])

    def is_replica(self, key: str) -> bool:
        return False

    def _set_tags(self, key: str, wanted: Any) -> None:
        self._there(key)
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise StoreUnavailable("the function died")
        self.tagged[key] = dict(wanted)

    def _there(self, key: str) -> None:
        if key not in self.objects:
            raise ObjectNotFound(key)


def entry(name: str, lender: str | None = None) -> TableEntry:
    """A table, of which one object may be that of an earlier backup."""
    key = f"backups/{lender}/{name}/abcdef-00000-00000.parquet"
    lent = (ObjectEntry(key=key, rows=0, bytes=1, sha256="0" * 64),) if lender else ()
    return TableEntry(
        name=name,
        definition="",
        fingerprint="",
        columns=(),
        primary_key=(),
        foreign_keys=(),
        triggers=(),
        rows=0,
        bytes=len(lent),
        digest="0" * 32,
        chunks=(ChunkEntry(lower=None, upper=None, rows=0, digest="0" * 32, objects=lent),),
    )


def asked_at(backup_id: str) -> datetime:
    """When a backup was asked for, by its id; nobody believes those of the future."""
    return datetime.strptime(backup_id[:16], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)


class Retaining(RuleBasedStateMachine):
    """What is known of each backup here is what the rules did, and not what the bucket says of it."""

    def __init__(self) -> None:
        super().__init__()
        self.bucket = Bucket()
        self.made: dict[str, Manifest] = {}
        self.proven: set[str] = set()
        self._replaced: set[str] = set()
        self._patched = pytest.MonkeyPatch()
        self._patched.setattr(retention, "_AT_ONCE", 1)  # else where a call dies is for the threads to say

    def teardown(self) -> None:
        self._patched.undo()

    @rule(
        database=strategies.sampled_from(DATABASES),
        tables=strategies.sets(strategies.sampled_from(TABLES), min_size=1),
        waited=strategies.integers(0, 90),
        skew=strategies.integers(-120, 120),
        days=strategies.integers(0, 40),
        proven=strategies.booleans(),
        tail=strategies.integers(0, 2**32 - 1),
        borrows=strategies.booleans(),
        data=strategies.data(),
    )
    def back_up(
        self,
        database: str,
        tables: set[str],
        waited: int,
        skew: int,
        days: int,
        proven: bool,
        tail: int,
        borrows: bool,
        data: strategies.DataObject,
    ) -> None:
        """A job waits before its backup begins; the clock may differ from others, and its id is of when it was asked for.

        It may name objects of an earlier one that is not about to expire.
        """
        self.bucket.now += timedelta(days=days)
        asked = self.bucket.now + timedelta(minutes=skew)
        begun = asked + timedelta(minutes=waited)
        if (backup_id := f"{asked:%Y%m%dT%H%M%SZ}-{tail:08x}") in self.made:
            return
        lenders = self._lenders(backup_id, tables) if borrows else []
        lender = data.draw(strategies.sampled_from(lenders)) if lenders else None
        lends = {table.name for table in self.made[lender].tables} if lender else set()
        entries = tuple(entry(name, lender if name in lends else None) for name in sorted(tables))
        made = Manifest(
            version=manifest.version_of(backup_id, entries),
            id=backup_id,
            tableferry="",
            server="",
            database=database,
            format=Format.PARQUET,
            consistency="snapshot",
            position={},
            started=begun,
            finished=begun,
            tables=entries,
        )
        for table in tables:
            for number in range(2):
                self.bucket.put(f"backups/{made.id}/{table}/abcdef-00000-0000{number}.parquet", b"1")
        manifest.write(self.bucket, made, KEYS)
        self.made[made.id] = made
        if proven:
            self._prove(made.id, "verify")

    @rule(data=strategies.data(), by=strategies.sampled_from(["verify", "drill"]))
    @precondition(lambda self: self.made)
    def prove(self, data: strategies.DataObject, by: Any) -> None:
        self._prove(self._one(data), by)

    def _prove(self, one: str, by: Any) -> None:
        if self._whole(one):
            attestation.save(self.bucket, Proof(backup=one, by=by, at=self.bucket.now, rows=0))
            self.proven.add(one)

    @rule(data=strategies.data(), days=strategies.integers(0, 40), dies_after=strategies.integers(0, 40))
    @precondition(lambda self: self.proven)
    def find_damage(self, data: strategies.DataObject, days: int, dies_after: int) -> None:
        """Of one for whose sake others were tagged, or some of their objects."""
        one = data.draw(strategies.sampled_from(sorted(self.proven)))
        self.bucket.now += timedelta(days=days)
        self.check_that_dies(dies_after)
        with suppress(BackupDamaged), attestation.disproven_by_damage(self.bucket, one):
            raise BackupDamaged("its objects differ")
        self.proven.discard(one)
        self.check_that_dies(dies_after // 2)
        self.check()

    @rule(data=strategies.data())
    @precondition(lambda self: self.made)
    def forge(self, data: strategies.DataObject) -> None:
        """The mark of another, in the place of one that is not proven."""
        one, other = self._one(data), self._one(data)
        found = self.bucket.objects.get(f"verifications/{other}.json")
        if found and one not in self.proven and one != other:
            self.bucket.put(f"verifications/{one}.json", found[0].replace(other.encode(), one.encode()))

    @rule(days=strategies.integers(1, 40))
    def wait(self, days: int) -> None:
        self.bucket.now += timedelta(days=days)

    @rule(changes=strategies.integers(0, 12))
    def dying_check(self, changes: int) -> None:
        self.check_that_dies(changes)

    def check_that_dies(self, changes: int) -> None:
        self.bucket.left = changes
        with suppress(StoreUnavailable):
            retire(self.bucket, KEYS, "shop", DAYS, self.bucket.now)
        self.bucket.left = None

    @rule(data=strategies.data(), checked=strategies.booleans())
    def expire(self, data: strategies.DataObject, checked: bool) -> None:
        """The lifecycle deletes what is tagged and old enough, in any order, and now and then only some of it."""
        if checked:
            self.check()
        begin = self.bucket.now - timedelta(days=DAYS)
        old = [
            key
            for key, (_, when) in sorted(self.bucket.objects.items())
            if key.startswith("backups/") and when <= begin and self.bucket.tagged[key].get(TAG) == self.bucket.bucket
        ]
        for key in data.draw(strategies.lists(strategies.sampled_from(old), unique=True)) if old else ():
            del self.bucket.objects[key], self.bucket.tagged[key]

    @rule()
    def whole_check(self) -> None:
        self.check()

    def check(self) -> None:
        """The check, whole: what has the tag then is what may go, and all of what may."""
        found = retire(self.bucket, KEYS, "shop", DAYS, self.bucket.now)
        assert not found.more
        assert found.damaged == ()
        for one, made in self.made.items():
            if object_keys.manifest(one) not in self.bucket.objects:
                continue
            tags = {TAG in self.bucket.tags(each.key) for each in self.bucket.list(f"backups/{one}/")}
            old = made.finished <= self.bucket.now - timedelta(days=DAYS)
            seen = asked_at(one) < self.bucket.now - timedelta(days=DAYS)
            if old and seen:
                assert tags == {self._superseded(made) and not self._lent(made)}, (one, tags)
            else:
                assert tags == {False}

    @invariant()
    def what_is_newest_and_proven_is_whole(self) -> None:
        """Of the proofs that hold now, unless a proof that was newer has been taken back since it was tagged."""
        for one in self.proven:
            if object_keys.manifest(one) in self.bucket.objects and not self._ever_superseded(one):
                assert self._whole(one)

    @invariant()
    def what_a_backup_names_is_there_as_long_as_it_is(self) -> None:
        for one, made in self.made.items():
            if object_keys.manifest(one) in self.bucket.objects:
                assert all(self._whole(lender) for lender in made.lenders)

    def _lenders(self, backup_id: str, tables: set[str]) -> list[str]:
        """The earlier ones that hold some of the tables, and of which nothing is to expire."""
        return [
            one
            for one, made in sorted(self.made.items())
            if one < backup_id
            and tables & {table.name for table in made.tables}
            and self._whole(one)
            and not any(TAG in self.bucket.tags(each.key) for each in self.bucket.list(f"backups/{one}/"))
        ]

    def _lent(self, made: Manifest) -> bool:
        return any(
            made.id in other.lenders and object_keys.manifest(one) in self.bucket.objects
            for one, other in self.made.items()
        )

    def _ever_superseded(self, one: str) -> bool:
        made = self.made[one]
        if self._superseded(made):
            self._replaced.add(one)
        return one in self._replaced

    def _superseded(self, made: Manifest) -> bool:
        return any(
            newer.database == made.database
            and {table.name for table in made.tables} <= {table.name for table in newer.tables}
            for newer in (self.made[one] for one in self.proven)
            if newer.started > made.started
            and asked_at(newer.id) <= self.bucket.now
            and object_keys.manifest(newer.id) in self.bucket.objects
        )

    def _whole(self, one: str) -> bool:
        marks = object_keys.named_in(one)
        found = sum(1 for each in self.bucket.list(f"backups/{one}/") if not each.key.startswith(marks))
        return found == 2 * len(self.made[one].tables) + 1

    def _one(self, data: strategies.DataObject) -> str:
        return data.draw(strategies.sampled_from(sorted(self.made)))


TestRetaining = Retaining.TestCase
TestRetaining.settings = settings(max_examples=effort(30, 2000), stateful_step_count=30, derandomize=True)
