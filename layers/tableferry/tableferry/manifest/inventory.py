"""What lies in the bucket under a backup's prefix, held against its manifest without reading the files.

Of each object S3 keeps the SHA-256 that it was written with, so an object that was written over has another one, or
none. Where it has none, as after a copy by other tools, the object is read.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from tableferry.errors import ObjectNotFound
from tableferry.manifest.manifest import Manifest, ObjectEntry, TableEntry
from tableferry.storage import object_keys
from tableferry.storage.bucket import Store

_AT_ONCE = 8
_WRITTEN = re.compile(r"([0-9a-f]+)-\d{5,}-\d{5,}(?:\.[a-z]+)+")  # an attempt, a chunk, a file of it


@dataclass(frozen=True, slots=True)
class Present:
    """What a listing shows. ``problems`` are by the table's name; of no table's files, by the empty name.

    ``leftovers`` counts the files of tries of this backup that died; no restore reads them.
    """

    problems: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    absent: set[str] = field(default_factory=set)
    leftovers: int = 0


def present(store: Store, manifest: Manifest, tables: Sequence[TableEntry]) -> Present:
    """Which objects of these tables are missing or of another size, and which are there that should not be.

    Of other tables of the backup nothing is looked at. Memory: the listing.
    """
    listed = {found.key: found.size for found in store.list(object_keys.backup(manifest.id))}
    problems: dict[str, list[str]] = defaultdict(list)
    absent = set()
    for table in tables:
        for file in table.objects:
            size = listed.get(file.key)
            if size != file.bytes:
                absent.add(file.key)
                problems[table.name].append(
                    f"The backup lacks the object {file.key!r}."
                    if size is None
                    else f"The object {file.key!r} has {size} bytes, not {file.bytes}."
                )
    for file in manifest.ledger_objects:
        size = listed.get(file.key)
        if size != file.bytes:
            absent.add(file.key)
            problems[""].append(
                f"The backup lacks the object {file.key!r}."
                if size is None
                else f"The object {file.key!r} has {size} bytes, not {file.bytes}."
            )
    strays, leftovers = _others(manifest, listed)
    wanted = {"", *(table.name for table in tables)}
    for name, key in strays:
        if name in wanted:
            problems[name].append(
                f"The object {key!r} is none of the backup's: somebody else put it there. Take it away, or find out who."
            )
    return Present(problems, absent, leftovers)


def altered(store: Store, files: Sequence[ObjectEntry]) -> list[ObjectEntry]:
    """The objects that are not what was written, by what S3 keeps of them; those that it has no SHA-256 of are read."""

    def differs(file: ObjectEntry) -> bool:
        try:
            kept = store.sha256(file.key)
            return (kept or _read(store, file.key)) != file.sha256
        except ObjectNotFound:
            return True

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return [file for file, wrong in zip(files, pool.map(differs, files), strict=True) if wrong]


def _read(store: Store, key: str) -> str:
    seen = hashlib.sha256()
    for piece in store.stream(key):
        seen.update(piece)
    return seen.hexdigest()


def _others(manifest: Manifest, listed: dict[str, int]) -> tuple[list[tuple[str, str]], int]:
    """What the manifest does not name: strays, each with the table whose folder it lies in, and a count of leftovers.

    A try that died left files of its own attempt, which the manifest names none of. An attempt that it does name wrote
    nothing else.
    """
    named = {file.key for table in manifest.tables for file in table.objects}
    named |= {file.key for file in manifest.ledger_objects}
    homes = {object_keys.backup_table(manifest.id, table.name): table.name for table in manifest.tables}
    attempts = {found[1] for key in named if (found := _WRITTEN.fullmatch(key.rpartition("/")[2]))}
    strays = []
    leftovers = 0
    for key, size in listed.items():
        if key in named or key == object_keys.manifest(manifest.id) or (key.endswith("/") and not size):
            continue  # consoles make empty objects to show a folder
        home, slash, name = key.rpartition("/")
        written = _WRITTEN.fullmatch(name)
        if written and written[1] not in attempts and home.count("/") == 2:
            leftovers += 1
        else:
            strays.append((homes.get(home + slash, ""), key))
    return strays, leftovers
