"""What a backup is: its manifest, the JSON of it, and its signature.

The manifest is written last and never overwritten: a backup without one is none. It holds SQL that a restore runs, so
it is signed with HMAC-SHA-256 over its canonical JSON (keys sorted, no spaces, UTF-8). Which key signed it is said beside.

==========  ============================================================================================================
version     what it says
==========  ============================================================================================================
1           all chunks of all tables, in place; digests without a key
2           digests with a key, which ``digest_key`` names; what is written as long as it says enough
3           a table has its chunks in place, or ``parts``: lists of them in objects of their own, its leaves
            (:mod:`tableferry.manifest.leaves`), which are named by SHA-256, so that the signature covers them, too. Both
            may name objects of earlier backups. Ranges may end at keys that are no whole numbers. ``workers`` are said
            where there were several
==========  ============================================================================================================
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
)

from tableferry.columnar.formats import Format
from tableferry.errors import BackupDamaged, BackupNotFound, Conflict, ObjectNotFound
from tableferry.ids import is_id
from tableferry.manifest.consistency import disagreements
from tableferry.mysql.identifiers import OWN_PREFIX
from tableferry.schema.codec import Codec
from tableferry.schema.key_range import Bound
from tableferry.schema.table import ForeignKey, Trigger
from tableferry.signing import Keys
from tableferry.storage import object_keys
from tableferry.storage.bucket import Store
from tableferry.storage.newest_first import newest

VERSION = 3
LEDGER = f"{OWN_PREFIX}ledger"
"""What lies in the folder of this name are the ledger's entries: no table that is backed up is called so."""

_MOST_SAID = 5
_OVERHEAD = 64 * 1024  # what a file holds besides its rows, at most


class Entry(BaseModel):
    """A part of a manifest: it does not change, and has no fields but its own."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ObjectEntry(Entry):
    """One file: its key in the bucket, rows, size in bytes and SHA-256."""

    key: str
    rows: int
    bytes: int
    sha256: str

    @property
    def row_bytes(self) -> int:
        """The mean of its rows' bytes, as far as they are surely those of rows: some row has as many."""
        return max(0, self.bytes - _OVERHEAD) // max(self.rows, 1)


class ChunkEntry(Entry):
    """One range of keys, ``lower`` ≤ key < ``upper``, its digest and its files in key order (none for no rows).

    :mod:`tableferry.schema.key_range` says what a bound is.
    """

    lower: Bound | None
    upper: Bound | None
    rows: int
    digest: str
    objects: tuple[ObjectEntry, ...]
    inexact: dict[str, int] = Field(default_factory=dict)
    """Rows, by column, that hold what :mod:`tableferry.backup.inexact_json` is about."""


class PartEntry(Entry):
    """Chunks of a table that follow each other, listed in a leaf: its ``key``, size in ``bytes`` and SHA-256.

    The others are of what it lists: how many ``chunks`` and ``objects``, bytes ``stored`` in these, the largest
    ``row_bytes`` of one, and the ``sum`` of its rows' digest, sealed, so that who has the key adds up a table's.
    ``backups`` are those, earlier than the
    leaf's own, whose objects it names.
    """

    key: str
    sha256: str
    bytes: int
    lower: Bound | None
    upper: Bound | None
    chunks: int
    objects: int
    rows: int
    stored: int
    row_bytes: int
    sum: str
    inexact: dict[str, int] = Field(default_factory=dict)
    backups: tuple[str, ...] = ()


class ColumnEntry(Entry):
    """A stored column: its type in SQL, and how its values are held."""

    type: str
    codec: Codec


class TableEntry(Entry):
    """One table: what it is, and what it holds: ``chunks``, or ``parts`` that list them.

    :mod:`tableferry.manifest.leaves` reads either.
    """

    name: str
    definition: str
    fingerprint: str
    columns: tuple[ColumnEntry, ...]
    primary_key: tuple[str, ...]
    foreign_keys: tuple[ForeignKey, ...]
    triggers: tuple[Trigger, ...]
    rows: int
    bytes: int
    digest: str
    chunks: tuple[ChunkEntry, ...] = ()
    parts: tuple[PartEntry, ...] = ()

    @model_serializer(mode="wrap")
    def _without_what_earlier_versions_do_not_know(self, whole: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """A table without parts says nothing of parts: what is of version 2 is read by all who read version 2."""
        said: dict[str, Any] = whole(self)
        if not self.parts:
            del said["parts"]
        return said

    @property
    def codecs(self) -> tuple[Codec, ...]:
        """How the values of its stored columns are held, in the columns' order."""
        return tuple(column.codec for column in self.columns)

    @property
    def inexact(self) -> dict[str, int]:
        """By column, the rows whose JSON no text gives back."""
        return added([*(chunk.inexact for chunk in self.chunks), *(part.inexact for part in self.parts)])

    @property
    def chunk_count(self) -> int:
        """How many chunks it has."""
        return len(self.chunks) + sum(part.chunks for part in self.parts)

    @property
    def object_count(self) -> int:
        """How many files it has."""
        return sum(len(chunk.objects) for chunk in self.chunks) + sum(part.objects for part in self.parts)

    @property
    def row_bytes(self) -> int:
        """As many bytes, at least, some row has."""
        files = (file.row_bytes for chunk in self.chunks for file in chunk.objects)
        return max((*files, *(part.row_bytes for part in self.parts)), default=0)


class LedgerEntry(Entry):
    """The ledger's entries of the tables of which they are known, in objects that `ledger_objects` reads."""

    tables: tuple[str, ...]
    objects: tuple[ObjectEntry, ...]


class Manifest(Entry):
    """One backup. ``digest_key`` names the key of its digests; those of version 1 are without a key."""

    version: Literal[1, 2, 3] = 2
    digest_key: str | None = None
    id: str
    tableferry: str
    server: str
    database: str
    format: Format
    consistency: Literal["snapshot", "per-chunk"]
    position: dict[str, str]
    started: datetime
    finished: datetime
    tables: tuple[TableEntry, ...]
    notes: tuple[str, ...] = ()
    """What is not in the backup though all tables were asked for."""
    ledger: LedgerEntry | None = None
    """None in backups of versions that kept no entries."""

    workers: int = 1
    """The functions that made it, each with connections of its own. Version 2 has one, and does not say so."""

    complete: bool | None = None
    """Whether it holds all tables that the database had, of those that are served; earlier versions did not say."""

    @model_serializer(mode="wrap")
    def _without_what_version_2_does_not_know(self, whole: SerializerFunctionWrapHandler) -> dict[str, Any]:
        said: dict[str, Any] = whole(self)
        if self.workers == 1:
            del said["workers"]
        return said

    @property
    def rows(self) -> int:
        """The rows of all tables."""
        return sum(table.rows for table in self.tables)

    @property
    def bytes(self) -> int:
        """The bytes of all tables' files."""
        return sum(table.bytes for table in self.tables)

    @property
    def ledger_objects(self) -> tuple[ObjectEntry, ...]:
        """The files of the load history; none where it was not kept."""
        return self.ledger.objects if self.ledger is not None else ()

    @property
    def lenders(self) -> frozenset[str]:
        """The ids of the earlier backups whose objects it names."""
        return lenders(self.id, self.tables)

    def table(self, name: str) -> TableEntry | None:
        """The table of exactly this name; None if the backup has none."""
        return next((table for table in self.tables if table.name == name), None)


def write(store: Store, manifest: Manifest, keys: Keys, lock_days: int = 0) -> None:
    """Sign the manifest and put it, locked for so many days, where no manifest is yet; raises PreconditionFailed.

    Each earlier backup whose objects it names gets a mark of it before, so that :mod:`~tableferry.manifest.retention` need
    not read all later manifests to know that it has to stay.
    """
    for lender in sorted(manifest.lenders):
        store.put_locked(object_keys.named_in(lender) + manifest.id, b"{}", lock_days)
    content = manifest.model_dump(mode="json")
    signed = {"manifest": content, **keys.sign(content)}
    body = json.dumps(signed, ensure_ascii=False, indent=1).encode()
    store.put_locked(object_keys.manifest(manifest.id), body, lock_days, IfNoneMatch="*")


def read(store: Store, backup_id: str, keys: Keys | None) -> Manifest:
    """The manifest of a backup; without keys the signature is not looked at.

    Raises:
        BackupNotFound: there is no such backup.
        BackupDamaged: the manifest cannot be read, or was not signed with one of the keys.
        Conflict: it was written by a later version.
    """
    try:
        if not is_id(backup_id):
            raise ObjectNotFound(backup_id)
        text, _ = store.get(object_keys.manifest(backup_id))
    except ObjectNotFound as error:
        raise BackupNotFound(f"There is no backup {backup_id!r}.") from error
    try:
        signed = json.loads(text)
        content, said = signed["manifest"], {"signature": signed.get("signature"), "key_id": signed.get("key_id")}
        version = content["version"]
        good = keys is None or keys.verify(content, said)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BackupDamaged(f"The manifest of backup {backup_id!r} cannot be read.") from error
    if keys is not None and not good:
        raise BackupDamaged(
            f"The manifest of backup {backup_id!r} {keys.why_not(said)} "
            "A restore of it runs SQL that somebody else may have written."
        )
    if version not in range(1, VERSION + 1):
        raise Conflict(
            f"Backup {backup_id!r} has format version {version}; this Tableferry reads versions 1 to {VERSION}."
        )
    try:
        manifest = Manifest.model_validate(content)
    except ValidationError as error:
        raise BackupDamaged(f"The manifest of backup {backup_id!r} is not complete.") from error
    if manifest.id != backup_id:
        raise BackupDamaged(f"The manifest of backup {backup_id!r} belongs to another backup.")
    wrong = disagreements(manifest.id, manifest.tables, manifest.digest_key is None, version > 2)
    home = object_keys.backup_table(manifest.id, LEDGER)
    wrong += [
        f"The object {file.key!r} is not one of its own."
        for file in manifest.ledger_objects
        if not file.key.startswith(home)
    ]
    if wrong:
        raise BackupDamaged(f"The manifest of backup {backup_id!r} contradicts itself. {' '.join(wrong[:_MOST_SAID])}")
    return manifest


def version_of(backup_id: str, tables: Iterable[TableEntry], workers: int = 1) -> Literal[2, 3]:
    """The version that says what these tables need: the earliest one, so that more can read it."""
    known = list(tables)
    keys = any(isinstance(chunk.upper, tuple) for table in known for chunk in table.chunks)
    return 3 if keys or workers > 1 or any(table.parts for table in known) or lenders(backup_id, known) else 2


def lenders(backup_id: str, tables: Iterable[TableEntry]) -> frozenset[str]:
    """The ids of the other backups whose objects the tables of a backup name."""
    found: set[str | None] = set()
    for table in tables:
        keys = [part.key for part in table.parts] + [file.key for chunk in table.chunks for file in chunk.objects]
        found |= {object_keys.backup_of(key, table.name) for key in keys}
        found |= {other for part in table.parts for other in part.backups}
    return frozenset(found - {None, backup_id})  # type: ignore[arg-type]


def ids(store: Store) -> Iterator[str]:
    """The ids of all backups, newest first; unfinished ones are among them, those of the future are not."""
    found = newest(lambda after: store.folders(object_keys.BACKUPS, after), datetime.now(UTC))
    return (backup_id for backup_id in found if is_id(backup_id))


def added(parts: Sequence[Mapping[str, int]]) -> dict[str, int]:
    """Counts by name, of all parts together."""
    return {name: sum(part.get(name, 0) for part in parts) for name in {name for part in parts for name in part}}
