"""What lies in the bucket under a backup's prefix, held against its manifest without reading the files.

Of each object S3 keeps the SHA-256 that it was written with, so an object that was written over has another one, or
none. Where it has none, as after a copy by other tools, the object is read.

The manifest is read first, leaf after leaf, and of each object 64 bits are kept; then the listing goes by. Only what does
not fit is kept by its key. An order that both have is not asked for, so that objects of several functions and backups may
stand beside each other.
"""

from __future__ import annotations

import hashlib
import secrets
from array import array
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field

from tableferry.errors import BackupDamaged, ObjectNotFound
from tableferry.manifest.leaves import objects_of
from tableferry.manifest.manifest import Manifest, ObjectEntry, PartEntry, TableEntry
from tableferry.storage import object_keys
from tableferry.storage.ahead import ahead
from tableferry.storage.bucket import Store

_AT_ONCE = 8
_WAITING = 256


@dataclass(slots=True)
class Present:
    """What a listing shows. ``problems`` are by the table's name; of no table's files, by the empty name.

    ``absent`` are the keys of what is missing or of another size, ``unlisted`` the tables of which a leaf cannot be had.
    ``leftovers`` counts the files of tries of this backup that died; no restore reads them.
    """

    problems: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    absent: set[str] = field(default_factory=set)
    unlisted: set[str] = field(default_factory=set)
    leftovers: int = 0


def present(store: Store, manifest: Manifest, tables: Sequence[TableEntry]) -> Present:
    """Which objects of these tables are missing or of another size, and which are there that should not be.

    Of other tables of the backup nothing is looked at. Memory: nine bytes an object, some leaves, and what is wrong.
    """
    found = Present()
    runs = {object_keys.backup_run(key) for table in manifest.tables for key in _in_root(table)}
    folders: set[tuple[str, str]] = set()
    named = _Named()
    for _, file, owner in _all(store, manifest, tables, found):
        named.add(file.key, file.bytes)
        if owner == manifest.id:
            runs.add(object_keys.backup_run(file.key))
        else:
            folders.add((owner, file.key.rpartition("/")[0] + "/"))
    named.all_are_there()
    others = _pass(store, manifest, tables, named, runs, found)
    for _, folder in sorted(folders):
        for there in store.list(folder):
            named.meet(there.key, there.size)
    if not named.all_met:
        _missing(store, manifest, tables, named, others, found)
    for key, (name, _) in others.items():
        found.problems[name].append(
            f"The object {key!r} is none of the backup's: somebody else put it there. Take it away, or find out who."
        )
    return found


def altered(store: Store, files: Iterable[ObjectEntry]) -> Iterator[ObjectEntry]:
    """The objects that are not what was written, by what S3 keeps of them; those that it has no SHA-256 of are read."""

    def differs(file: ObjectEntry) -> bool:
        try:
            kept = store.sha256(file.key)
            return (kept or _read(store, file.key)) != file.sha256
        except ObjectNotFound:
            return True

    def asked() -> Generator[tuple[ObjectEntry, Future[bool]], None, None]:
        for file in files:
            yield file, pool.submit(differs, file)

    with ThreadPoolExecutor(_AT_ONCE) as pool, closing(ahead(asked(), _WAITING)) as answers:
        yield from (file for file, wrong in answers if wrong.result())


class _Named:
    """What a manifest names, as 64 bits of a hash that nobody else can compute, and whether it was met."""

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(16)
        self._hashes = array("Q")
        self._met = bytearray()

    def add(self, key: str, size: int) -> None:
        """One more that is named."""
        self._hashes.append(self._hash(key, size))

    def all_are_there(self) -> None:
        """No more is named."""
        self._hashes = array("Q", sorted(self._hashes))
        self._met = bytearray(len(self._hashes))

    def meet(self, key: str, size: int) -> bool:
        """Note that an object is there; whether it is named, with this size."""
        if (at := self._at(key, size)) is None:
            return False
        self._met[at] = 1
        return True

    def met(self, key: str, size: int) -> bool:
        """Whether it is named and was met."""
        at = self._at(key, size)
        return at is not None and bool(self._met[at])

    @property
    def all_met(self) -> bool:
        """Whether nothing that is named is missing."""
        return all(self._met)

    def _at(self, key: str, size: int) -> int | None:
        wanted = self._hash(key, size)
        at = bisect_left(self._hashes, wanted)
        return at if at < len(self._hashes) and self._hashes[at] == wanted else None

    def _hash(self, key: str, size: int) -> int:
        text = f"{size} {key}".encode("utf-8", "surrogatepass")
        return int.from_bytes(hashlib.blake2b(text, digest_size=8, key=self._secret).digest(), "little")


def _in_root(table: TableEntry) -> Iterator[str]:
    """The keys that the root itself names."""
    yield from (part.key for part in table.parts)
    yield from (file.key for chunk in table.chunks for file in chunk.objects)


def _all(
    store: Store, manifest: Manifest, tables: Sequence[TableEntry], found: Present
) -> Iterator[tuple[str, ObjectEntry | PartEntry, str]]:
    """Everything that is named: whose it is, what, and the backup in whose folder it lies.

    Of a table whose leaves cannot be had, the problem is noted instead.
    """
    for table in tables:
        for part in table.parts:
            yield table.name, part, object_keys.backup_of(part.key, table.name) or ""
        if table.name in found.unlisted:
            continue
        try:
            with closing(objects_of(store, manifest, table)) as files:
                for file in files:
                    yield table.name, file, object_keys.backup_of(file.key, table.name) or ""
        except BackupDamaged as error:
            found.problems[table.name].append(str(error))
            found.unlisted.add(table.name)
    yield from (("", file, manifest.id) for file in manifest.ledger_objects)


def _pass(
    store: Store,
    manifest: Manifest,
    tables: Sequence[TableEntry],
    named: _Named,
    runs: set[str | None],
    found: Present,
) -> dict[str, tuple[str, int]]:
    """Let the backup's listing go by; returns what it shows that is not named so, by key: whose it seems to be, and size.

    A try that died left files of its own runs, of which the manifest names none: these are counted. A run that it does
    name wrote nothing else.
    """
    homes = {object_keys.backup_table(manifest.id, table.name): table.name for table in manifest.tables}
    wanted = {"", *(table.name for table in tables)} - found.unlisted
    others = {}
    for there in store.list(object_keys.backup(manifest.id)):
        if named.meet(there.key, there.size) or _is_ours(manifest, there.key, there.size):
            continue
        home, slash, _ = there.key.rpartition("/")
        run = object_keys.backup_run(there.key)
        if run and run not in runs and home.count("/") == 2:
            found.leftovers += 1
        elif (name := homes.get(home + slash, "")) in wanted:
            others[there.key] = name, there.size
    return others


def _is_ours(manifest: Manifest, key: str, size: int) -> bool:
    """The manifest, a mark that another one names objects of it, and what consoles make to show a folder."""
    is_mark = key.startswith(object_keys.named_in(manifest.id))
    return key == object_keys.manifest(manifest.id) or is_mark or (key.endswith("/") and not size)


def _missing(
    store: Store,
    manifest: Manifest,
    tables: Sequence[TableEntry],
    named: _Named,
    others: dict[str, tuple[str, int]],
    found: Present,
) -> None:
    """Read the manifest again for what was not met; what is there with another size is none of the others."""
    for name, file, owner in _all(store, manifest, tables, found):
        if named.met(file.key, file.bytes):
            continue
        size = others.pop(file.key, (name, None))[1]
        if size is None and owner != manifest.id:
            size = _size(store, file.key)
        found.absent.add(file.key)
        found.problems[name].append(
            f"The backup lacks the object {file.key!r}."
            if size is None
            else f"The object {file.key!r} has {size} bytes, not {file.bytes}."
        )


def _size(store: Store, key: str) -> int | None:
    try:
        return store.head(key).size
    except ObjectNotFound:
        return None


def _read(store: Store, key: str) -> str:
    seen = hashlib.sha256()
    for piece in store.stream(key):
        seen.update(piece)
    return seen.hexdigest()
