"""How what a task has read is listed: in the manifest itself, or in leaves that are written as the chunks come.

A manifest that one function makes has up to 2,000 objects in place: some 600 kB, which all earlier versions read, and
everybody who opens a backup without Tableferry. That is about 8 GB, half of what one function can do. What is more goes
into leaves; so the largest root has the 2,000, and 400 bytes for each GB beyond. Where several functions write, no one of
them knows of the others, and only small tables stay in place: to name four objects takes about what a table's definition
takes, and as much as to name a leaf.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict

from tableferry.columnar.digest import Digest, Hashing
from tableferry.manifest import leaves
from tableferry.manifest.manifest import ChunkEntry, PartEntry
from tableferry.storage.bucket import Store

IN_PLACE = 2_000
"""Objects that the manifest of one function names itself."""

SMALL = 4
"""Objects of a table that is not worth a leaf."""

LEAF_OBJECTS, LEAF_BYTES = 256, 1 << 30
"""A leaf is full with so many objects, or bytes in them."""


class Listed(BaseModel):
    """What was read of one table: its ranges from ``first`` up to ``end``, as ``chunks`` or as ``parts`` that list them.

    ``sum`` is that of its rows' digest, sealed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    table: int
    first: int
    end: int
    rows: int
    bytes: int
    sum: str
    chunks: tuple[ChunkEntry, ...] = ()
    parts: tuple[PartEntry, ...] = ()


@dataclass(frozen=True, slots=True)
class Leafing:
    """Where leaves are written, by which run, and how their sums are sealed."""

    store: Store
    backup_id: str
    run: str
    hashing: Hashing
    lock_days: int


@dataclass(slots=True)
class _Open:
    """A table that is being listed: what is held of it, and what of it is in leaves."""

    table: int
    name: str
    ranges: int
    first: int
    end: int
    held: list[tuple[ChunkEntry, Digest]] = field(default_factory=list)
    digest: Digest = field(default_factory=Digest)
    bytes: int = 0
    parts: list[PartEntry] = field(default_factory=list)

    @property
    def objects(self) -> int:
        return sum(len(chunk.objects) for chunk, _ in self.held)


class Listing:
    """Takes chunks in the order of tables and keys. Memory: ``in_place`` objects, or those of one leaf, if they are more."""

    def __init__(self, leafing: Leafing, in_place: int) -> None:
        self._leafing = leafing
        self._left = in_place
        self._open: _Open | None = None
        self._listed: list[Listed] = []

    def add(self, table: int, name: str, ranges: int, number: int, chunk: ChunkEntry, digest: Digest) -> None:
        """One more chunk: of the table of this number and name, which has so many ranges, the range of this number."""
        if self._open is None or self._open.table != table:
            self._close()
            self._open = _Open(table, name, ranges, number, number)
        one = self._open
        one.held.append((chunk, digest))
        one.end = number + 1
        one.digest += digest
        one.bytes += sum(file.bytes for file in chunk.objects)
        if one.parts or one.objects > max(self._left, SMALL):
            self._write(one, only_full=True)

    def done(self) -> tuple[Listed, ...]:
        """All of it, once nothing more comes."""
        self._close()
        return tuple(self._listed)

    def _close(self) -> None:
        if (one := self._open) is None:
            return
        self._open = None
        objects = one.objects
        if not one.parts and objects <= self._left:
            self._left -= objects
        elif one.parts or objects > SMALL or one.end - one.first < one.ranges:
            self._write(one, only_full=False)
        self._listed.append(
            Listed(
                table=one.table,
                first=one.first,
                end=one.end,
                rows=one.digest.rows,
                bytes=one.bytes,
                sum=self._leafing.hashing.sealed(one.digest),
                chunks=tuple(chunk for chunk, _ in one.held),
                parts=tuple(one.parts),
            )
        )

    def _write(self, one: _Open, only_full: bool) -> None:
        """Put what is held into leaves; what does not fill one stays, where only full ones are written."""
        start = objects = size = 0
        for at, (chunk, _) in enumerate(one.held):
            objects += len(chunk.objects)
            size += sum(file.bytes for file in chunk.objects)
            if objects >= LEAF_OBJECTS or size >= LEAF_BYTES:
                self._leaf(one, one.held[start : at + 1])
                start, objects, size = at + 1, 0, 0
        one.held = one.held[start:]
        if one.held and not only_full:
            self._leaf(one, one.held)
            one.held = []

    def _leaf(self, one: _Open, held: list[tuple[ChunkEntry, Digest]]) -> None:
        to = self._leafing
        total = to.hashing.sealed(sum((digest for _, digest in held), Digest()))
        number = one.first + sum(part.chunks for part in one.parts)
        chunks = [chunk for chunk, _ in held]
        one.parts.append(
            leaves.write_part(to.store, to.backup_id, to.run, number, one.name, chunks, total, to.lock_days)
        )
