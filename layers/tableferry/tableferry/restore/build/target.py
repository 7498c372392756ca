"""What is to be built of a backup, where, and with what: the values that travel together through a build."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tableferry.ids import is_id
from tableferry.manifest.manifest import Manifest, TableEntry
from tableferry.mysql.database import Database
from tableferry.mysql.identifiers import OWN_PREFIX, qualified
from tableferry.restore.build.progress import TellBuild
from tableferry.schema.table import ForeignKey
from tableferry.storage.bucket import Store


@dataclass(frozen=True, slots=True)
class Item:
    """One table to restore, and the name it gets."""

    entry: TableEntry
    into: str
    inexact_json: bool = False
    """Whether JSON that no text gives back may become what its text says."""

    replace: bool = False
    """Whether it may take the place of a table that has that other name."""

    @property
    def renamed(self) -> bool:
        """Whether the table gets another name than it had when it was backed up."""
        return self.into != self.entry.name


@dataclass(frozen=True, slots=True)
class Place:
    """The schemas of one restore: where tables are built, and where the replaced ones are kept."""

    live: str
    shadow: str
    old: str

    @classmethod
    def of(cls, live: str, restore_id: str) -> Place:
        """The schemas of the restore ``restore_id`` into the schema ``live``.

        Raises ValueError for what is no id: the schemas are dropped, and must not be somebody else's.
        """
        if not is_id(restore_id):
            raise ValueError(f"{restore_id!r} is no id of a restore")
        name = restore_id.lower().replace("-", "_")
        return cls(live, f"{OWN_PREFIX}{name}", f"{OWN_PREFIX}old_{name}")

    def sql(self, item: Item) -> str:
        """The table that is built for an item, as SQL names it."""
        return self.table_sql(item.into)

    def table_sql(self, name: str) -> str:
        """The table that is built by this name."""
        return qualified(self.shadow, name)


@dataclass(frozen=True, slots=True)
class Target:
    """Tables of a backup, and the schemas that they are for."""

    source: Manifest
    items: Sequence[Item]
    place: Place

    def foreign_keys(self) -> list[ForeignKey]:
        """The foreign keys of the tables: to each other among the shadows, to others in the live schema."""
        names = {item.entry.name: item.into for item in self.items}
        keys = []
        for item in self.items:
            for key in item.entry.foreign_keys:
                moved = replace(key, schema=self.place.shadow, table=item.into)
                if key.parent_schema == self.source.database:
                    inside = key.parent_table in names
                    moved = replace(
                        moved,
                        parent_schema=self.place.shadow if inside else self.place.live,
                        parent_table=names.get(key.parent_table, key.parent_table),
                    )
                keys.append(moved)
        return keys

    def arriving(self, following: Sequence[ForeignKey]) -> list[ForeignKey]:
        """Foreign keys of tables that stay, pointing at the tables that are built."""
        return [replace(key, parent_schema=self.place.shadow) for key in following]


@dataclass(frozen=True, slots=True)
class Resources:
    """What a build works with: where rows come from and go to, how many connections, and how much is read at once."""

    database: Database
    store: Store
    workers: int = 2
    chunk_bytes: int = 4 * 1024 * 1024
    progress: TellBuild = lambda *_: None
