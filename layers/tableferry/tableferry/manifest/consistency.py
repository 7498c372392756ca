"""What in a manifest has to agree, whoever signed it: ranges that meet, sums that add up, keys of its own files.

Nothing here reads a file or the database, so that a manifest which cannot be right is refused before either is touched.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Protocol

from tableferry.columnar.digest import PLAIN, Digest
from tableferry.storage import object_keys

_DIGEST = re.compile("[0-9a-f]{32}")
_SHA256 = re.compile("[0-9a-f]{64}")


class File(Protocol):
    """One object as the manifest names it."""

    @property
    def key(self) -> str: ...
    @property
    def rows(self) -> int: ...
    @property
    def bytes(self) -> int: ...
    @property
    def sha256(self) -> str: ...


class Part(Protocol):
    """One chunk as the manifest describes it."""

    @property
    def lower(self) -> int | None: ...
    @property
    def upper(self) -> int | None: ...
    @property
    def rows(self) -> int: ...
    @property
    def digest(self) -> str: ...
    @property
    def objects(self) -> Sequence[File]: ...


class Whole(Protocol):
    """One table as the manifest describes it."""

    @property
    def name(self) -> str: ...
    @property
    def rows(self) -> int: ...
    @property
    def bytes(self) -> int: ...
    @property
    def digest(self) -> str: ...
    @property
    def chunks(self) -> Sequence[Part]: ...


def disagreements(backup_id: str, tables: Iterable[Whole], summed: bool) -> list[str]:
    """What does not fit together, in words; none for every manifest that Tableferry writes.

    ``summed`` is whether a table's digest is the sum of its chunks': with a key that cannot be seen.
    """
    known = list(tables)
    found = [f"It names table {name!r} {times} times." for name, times in _repeated(table.name for table in known)]
    files = [file for table in known for part in table.chunks for file in part.objects]
    found += [f"It names the object {key!r} {times} times." for key, times in _repeated(file.key for file in files)]
    for table in known:
        found += [f"Table {table.name!r}: {text}." for text in _of_table(backup_id, table, summed)]
    return found


def _of_table(backup_id: str, table: Whole, summed: bool) -> list[str]:
    files = [file for part in table.chunks for file in part.objects]
    home = object_keys.backup_table(backup_id, table.name)
    found = [
        f"the object {file.key!r} is not one of its own" for file in files if not file.key.startswith(home)
    ] + _of_ranges(table.chunks)
    if any(not _SHA256.fullmatch(file.sha256) or file.rows < 0 or file.bytes < 0 for file in files):
        found.append("an object's rows, size or SHA-256 is none")
    if any(not _DIGEST.fullmatch(digest) for digest in [table.digest, *(part.digest for part in table.chunks)]):
        return [*found, "a digest is none"]
    for number, part in enumerate(table.chunks):
        if part.rows != sum(file.rows for file in part.objects):
            found.append(f"chunk {number} has {part.rows} rows, and its objects another number")
    total = sum((Digest(part.rows, int(part.digest, 16)) for part in table.chunks), Digest())
    if table.rows != total.rows:
        found.append(f"it has {table.rows} rows, and its chunks {total.rows}")
    if table.bytes != (size := sum(file.bytes for file in files)):
        found.append(f"it has {table.bytes} bytes, and its objects {size}")
    if summed and table.digest != PLAIN.text(total):
        found.append("its digest is not the sum of its chunks'")
    return found


def _of_ranges(parts: Sequence[Part]) -> list[str]:
    """Chunks follow each other without a gap and without an overlap, and together hold every key."""
    if not parts:
        return ["it has no chunks"]
    found = []
    if parts[0].lower is not None or parts[-1].upper is not None:
        found.append("its chunks leave out keys at an end")
    for number, (one, other) in enumerate(pairwise(parts)):
        if one.upper is None or one.upper != other.lower:
            found.append(f"its chunks {number} and {number + 1} overlap, or leave keys out")
    for number, part in enumerate(parts):
        if part.lower is not None and part.upper is not None and part.lower >= part.upper:
            found.append(f"its chunk {number} ends before it begins")
    return found


def _repeated(names: Iterable[str]) -> list[tuple[str, int]]:
    return [(name, times) for name, times in Counter(names).items() if times > 1]
