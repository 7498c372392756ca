"""What in a manifest has to agree, whoever signed it: ranges that meet, sums that add up, keys of its own files.

Nothing here reads a file or the database, so that a manifest which cannot be right is refused before either is touched.
Of a tree, the root is held against itself, and each leaf, when it is read, against the part that names it: so what is in
memory is one leaf, and together they say what is said of a manifest in one piece.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from itertools import pairwise
from typing import Protocol, TypeVar

from tableferry.columnar.digest import PLAIN, Digest
from tableferry.ids import is_id
from tableferry.schema.codec import Codec
from tableferry.schema.key_range import Bound, Range, values_of
from tableferry.storage import object_keys

_T = TypeVar("_T", bound=Hashable)
_DIGEST = re.compile("[0-9a-f]{32}")
_SHA256 = _SUM = re.compile("[0-9a-f]{64}")
LEAF_BYTES = 64 * 1024 * 1024
"""No leaf is larger: one of 256 objects has 100 kB, and one range of a table may have many more."""


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
    @property
    def row_bytes(self) -> int: ...


class Bounded(Protocol):
    """What holds a range of keys."""

    @property
    def lower(self) -> Bound | None: ...
    @property
    def upper(self) -> Bound | None: ...


class Chunk(Bounded, Protocol):
    """One chunk as the manifest describes it."""

    @property
    def rows(self) -> int: ...
    @property
    def digest(self) -> str: ...
    @property
    def objects(self) -> Sequence[File]: ...


class Part(Bounded, Protocol):
    """Chunks that follow each other, in a leaf, as the root describes it."""

    @property
    def key(self) -> str: ...
    @property
    def bytes(self) -> int: ...
    @property
    def sha256(self) -> str: ...
    @property
    def chunks(self) -> int: ...
    @property
    def objects(self) -> int: ...
    @property
    def rows(self) -> int: ...
    @property
    def stored(self) -> int: ...
    @property
    def row_bytes(self) -> int: ...
    @property
    def sum(self) -> str: ...
    @property
    def backups(self) -> Sequence[str]: ...


class Keyed(Protocol):
    """What says which keys a table has."""

    @property
    def name(self) -> str: ...
    @property
    def primary_key(self) -> Sequence[str]: ...
    @property
    def codecs(self) -> Sequence[Codec]: ...


class Whole(Keyed, Protocol):
    """One table as the manifest describes it."""

    @property
    def rows(self) -> int: ...
    @property
    def bytes(self) -> int: ...
    @property
    def digest(self) -> str: ...
    @property
    def chunks(self) -> Sequence[Chunk]: ...
    @property
    def parts(self) -> Sequence[Part]: ...


def disagreements(backup_id: str, tables: Iterable[Whole], summed: bool, tree: bool) -> list[str]:
    """What does not fit together, in words; none for every manifest that Tableferry writes.

    ``summed`` is whether a table's digest is the sum of its chunks': with a key that cannot be seen. ``tree`` is whether
    tables may have parts, and name objects of earlier backups.
    """
    known = list(tables)
    found = [f"It names table {name!r} {times} times." for name, times in _repeated(table.name for table in known)]
    keys = [file.key for table in known for chunk in table.chunks for file in chunk.objects]
    keys += [part.key for table in known for part in table.parts]
    found += [f"It names the object {key!r} {times} times." for key, times in _repeated(keys)]
    for table in known:
        if table.parts:
            texts = _of_parts(backup_id, table) if tree else ["it has parts, which this version has not"]
        else:
            texts = _of_chunks(backup_id, table, summed, tree)
        found += [f"Table {table.name!r}: {text}." for text in texts]
    return found


class Leaves:
    """Holds the leaves of a table, one after the other, against the parts that name them.

    An object is named once, for those that one run wrote are named in the order of their numbers. Memory: some numbers for
    each run, of which there is one for each function and some GB.
    """

    def __init__(self, table: Keyed) -> None:
        self._keyed, self._table = table, table.name
        self._last: dict[tuple[str | None, str], tuple[int, int]] = {}

    def disagreements(self, part: Part, chunks: Sequence[Chunk]) -> list[str]:
        """What in the part's leaf does not fit together, or not with the part, in words."""
        files = [file for chunk in chunks for file in chunk.objects]
        owners = [object_keys.backup_of(file.key, self._table) for file in files]
        good = {object_keys.backup_of(part.key, self._table), *part.backups}
        found = _of_files(files) + _of_ranges(self._keyed, chunks, part.lower, part.upper)
        found += [
            f"the object {file.key!r} is not one of its own"
            for file, owner in zip(files, owners, strict=True)
            if owner not in good
        ]
        for file, owner in zip(files, owners, strict=True):
            run, *numbers = object_keys.backup_place(file.key) or ("", -1, -1)
            at, before = (numbers[0], numbers[1]), self._last.get((owner, run), (-1, -1))
            if at <= before:
                found.append(f"the object {file.key!r} is named twice, or not in its order")
            self._last[owner, run] = max(at, before)
        if any(not _DIGEST.fullmatch(chunk.digest) for chunk in chunks):
            found.append("a digest is none")
        found += _of_rows(chunks)
        said = (part.chunks, part.objects, part.rows, part.stored, part.row_bytes)
        seen = (
            len(chunks),
            len(files),
            sum(file.rows for file in files),
            sum(file.bytes for file in files),
            max((file.row_bytes for file in files), default=0),
        )
        if said != seen:
            words = "%d chunks, %d objects, %d rows, %d bytes, rows of %d bytes"
            found.append(f"its part {part.key!r} has {words % said}, and its list {words % seen}")
        return found


def _of_parts(backup_id: str, table: Whole) -> list[str]:
    found = ["it has chunks beside its parts"] if table.chunks else []
    for part in table.parts:
        owner = object_keys.backup_of(part.key, table.name)
        if (
            owner is None
            or not (owner == backup_id or _is_earlier(owner, backup_id))
            or not object_keys.is_leaf(part.key)
        ):
            found.append(f"the object {part.key!r} is no list of its own")
            continue
        if not all(_is_earlier(other, owner) for other in part.backups):
            found.append(f"its part {part.key!r} names objects of what is no earlier backup")
        if not _SHA256.fullmatch(part.sha256) or not 0 < part.bytes <= LEAF_BYTES:
            found.append(f"its part {part.key!r} has a size or SHA-256 that is none")
        if part.chunks < 1 or min(part.objects, part.rows, part.stored) < 0:
            found.append(f"its part {part.key!r} has counts that are none")
    found += _of_ranges(table, table.parts, what="parts")
    if not _DIGEST.fullmatch(table.digest) or any(not _SUM.fullmatch(part.sum) for part in table.parts):
        found.append("a digest is none")
    if table.rows != (rows := sum(part.rows for part in table.parts)):
        found.append(f"it has {table.rows} rows, and its parts {rows}")
    if table.bytes != (size := sum(part.stored for part in table.parts)):
        found.append(f"it has {table.bytes} bytes, and its parts {size}")
    return found


def _of_chunks(backup_id: str, table: Whole, summed: bool, tree: bool) -> list[str]:
    files = [file for chunk in table.chunks for file in chunk.objects]
    home = object_keys.backup_table(backup_id, table.name)
    found = [
        f"the object {file.key!r} is not one of its own"
        for file in files
        if not file.key.startswith(home)
        and not (tree and _is_earlier(object_keys.backup_of(file.key, table.name), backup_id))
    ]
    found += _of_ranges(table, table.chunks) + _of_files(files)
    if not tree and any(isinstance(chunk.upper, tuple) for chunk in table.chunks):
        found.append("its chunks end at keys that this version has not")
    if any(not _DIGEST.fullmatch(digest) for digest in [table.digest, *(chunk.digest for chunk in table.chunks)]):
        return [*found, "a digest is none"]
    found += _of_rows(table.chunks)
    total = sum((Digest(chunk.rows, int(chunk.digest, 16)) for chunk in table.chunks), Digest())
    if table.rows != total.rows:
        found.append(f"it has {table.rows} rows, and its chunks {total.rows}")
    if table.bytes != (size := sum(file.bytes for file in files)):
        found.append(f"it has {table.bytes} bytes, and its objects {size}")
    if summed and table.digest != PLAIN.text(total):
        found.append("its digest is not the sum of its chunks'")
    return found


def _is_earlier(other: str | None, backup_id: str) -> bool:
    return other is not None and is_id(other) and other < backup_id


def _of_files(files: Sequence[File]) -> list[str]:
    good = all(_SHA256.fullmatch(file.sha256) and file.rows >= 0 and file.bytes >= 0 for file in files)
    return [] if good else ["an object's rows, size or SHA-256 is none"]


def _of_rows(chunks: Sequence[Chunk]) -> list[str]:
    return [
        f"chunk {number} has {chunk.rows} rows, and its objects another number"
        for number, chunk in enumerate(chunks)
        if chunk.rows != sum(file.rows for file in chunk.objects)
    ]


def _of_ranges(
    table: Keyed,
    ranges: Sequence[Bounded],
    lower: Bound | None = None,
    upper: Bound | None = None,
    what: str = "chunks",
) -> list[str]:
    """Ranges follow each other without a gap and without an overlap, and together hold every key between the two.

    Which of two keys comes first is known here of whole numbers only; of others, that none is named twice.
    """
    if not ranges:
        return [f"it has no {what}"]
    found = []
    if ranges[0].lower != lower or ranges[-1].upper != upper:
        found.append(f"its {what} leave out keys at an end")
    for number, (one, other) in enumerate(pairwise(ranges)):
        if one.upper is None or one.upper != other.lower:
            found.append(f"its {what} {number} and {number + 1} overlap, or leave keys out")
    bounds = [values_of(one.upper) for one in ranges if one.upper is not None]
    found += [f"{times} of its {what} end at the same key" for _, times in _repeated(bounds)]
    for number, one in enumerate(ranges):
        try:
            Range(one.lower, one.upper).where(table.primary_key, table.codecs)
        except ValueError:
            found.append(f"its {what.removesuffix('s')} {number} has a bound that is no key of it")
            continue
        if _backwards(one.lower, one.upper):
            found.append(f"its {what.removesuffix('s')} {number} ends before it begins")
    return found


def _backwards(lower: Bound | None, upper: Bound | None) -> bool:
    """Whether a range is surely empty: its bounds begin with the same values, and numbers, the upper one no larger."""
    if lower is None or upper is None:
        return False
    below, above = values_of(lower), values_of(upper)
    for one, other in zip(below, above, strict=False):
        if one != other:
            return isinstance(one, int) and isinstance(other, int) and one > other
    return len(below) >= len(above)


def _repeated(names: Iterable[_T]) -> list[tuple[_T, int]]:
    return [(name, times) for name, times in Counter(names).items() if times > 1]
