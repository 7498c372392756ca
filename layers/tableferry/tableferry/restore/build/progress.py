"""How far the build of tables is: their objects loaded, and their ranges read back, each as much work as it has rows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from tableferry.manifest.manifest import ChunkEntry, ObjectEntry, TableEntry


class TellBuild(Protocol):
    """Takes objects loaded, of how many, the rows since it was last called, and the share of the build that is done."""

    def __call__(self, done: int, of: int, rows: int, share: float | None = None, /) -> None: ...


class BuildProgress:
    """Tells of one build; to be used by one thread."""

    def __init__(self, tell: TellBuild, tables: Iterable[TableEntry]) -> None:
        self._tell = tell
        tables = list(tables)
        self._objects = sum(table.object_count for table in tables)
        self._work = sum(2 * table.rows + table.object_count + table.chunk_count for table in tables)
        self._loaded = self._done = 0

    def begin(self) -> None:
        """Tell how much there is to do."""
        self._tell(0, self._objects, 0, self._share())

    def loaded(self, file: ObjectEntry) -> None:
        """One more object is in its table."""
        self._loaded += 1
        self._done += _work(file)
        self._tell(self._loaded, self._objects, file.rows, self._share())

    def read_back(self, chunk: ChunkEntry) -> None:
        """One more range of a table was read back."""
        self._done += _work(chunk)
        self._tell(self._loaded, self._objects, 0, self._share())

    def _share(self) -> float | None:
        return self._done / self._work if self._work else None


def _work(piece: ObjectEntry | ChunkEntry) -> int:
    return piece.rows + 1
