"""What a table is: columns, keys, triggers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from tableferry.mysql.identifiers import qualified

_MEMBER = re.compile(r"'((?:[^']|'')*)'")
# As INFORMATION_SCHEMA writes members, whatever the sql_mode: a quote doubled, and these behind a backslash.
_ESCAPED = re.compile(r"''|\\[0nr\\]")
_MEANT = {"''": "'", "\\0": "\0", "\\n": "\n", "\\r": "\r", "\\\\": "\\"}


@dataclass(frozen=True, slots=True)
class Column:
    """One column as INFORMATION_SCHEMA.COLUMNS describes it; lengths in characters and in bytes."""

    name: str
    data_type: str
    column_type: str
    nullable: bool
    has_default: bool = False
    extra: str = ""
    charset: str | None = None
    characters: int | None = None
    octets: int | None = None
    precision: int | None = None
    scale: int | None = None
    fraction: int = 0
    position: int = 0
    collation: str | None = None
    document: bool = False
    """MariaDB's JSON: a LONGTEXT with a check (MySQL's is a type of its own)."""

    @property
    def unsigned(self) -> bool:
        """Whether a number of it has no sign."""
        return "unsigned" in self.column_type

    @property
    def generated(self) -> bool:
        """Whether its values are computed from other columns."""
        return "GENERATED" in self.extra.replace("DEFAULT_GENERATED", "")

    @property
    def invisible(self) -> bool:
        """Whether a statement that names no columns passes it over, as MySQL's generated primary key."""
        return "INVISIBLE" in self.extra

    @property
    def auto_increment(self) -> bool:
        """Whether a row that names no value for it gets the next number."""
        return "AUTO_INCREMENT" in self.extra

    @property
    def required(self) -> bool:
        """Whether a row that does not name this column is refused."""
        return not (self.nullable or self.has_default or self.auto_increment or self.generated)

    @property
    def members(self) -> tuple[str, ...]:
        """The members of an ENUM or SET, in the order of their definition."""
        return tuple(_ESCAPED.sub(_meant, member) for member in _MEMBER.findall(self.column_type))


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """A foreign key of ``table``; ``schema`` and ``table`` are the child's, ``parent_…`` what it points at."""

    name: str
    schema: str
    table: str
    columns: tuple[str, ...]
    parent_schema: str
    parent_table: str
    parent_columns: tuple[str, ...]
    actions: str = ""
    """ON DELETE and ON UPDATE as SHOW CREATE TABLE has them; empty for the server's default."""


@dataclass(frozen=True, slots=True)
class Trigger:
    """A trigger's name and what SHOW CREATE TRIGGER says of it.

    The session's settings when it was made are part of what it does; of its character set and collation earlier backups
    say nothing.
    """

    name: str
    definition: str
    sql_mode: str
    character_set_client: str = ""
    collation_connection: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A base table. ``rows_estimate`` and ``bytes_estimate`` are the storage engine's guess."""

    schema: str
    name: str
    engine: str
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...]
    rows_estimate: int = 0
    bytes_estimate: int = 0
    ordered_key: tuple[str, ...] = ()
    """The first columns of the primary key that its index holds whole, and all in one direction."""

    names: Mapping[str, Column] = field(init=False, repr=False, compare=False)
    """The columns by their names, as they are, in small letters, and case folded where that is one's alone.

    Rows and headers of a thousand columns are looked up in it.
    """

    def __post_init__(self) -> None:
        folded = Counter(column.name.casefold() for column in self.columns)  # alike: straße, strasse
        names = {name: column for column in self.columns if folded[name := column.name.casefold()] == 1}
        names |= {column.name.lower(): column for column in reversed(self.columns)}
        names |= {column.name: column for column in self.columns}
        object.__setattr__(self, "names", names)

    @property
    def stored(self) -> tuple[Column, ...]:
        """The columns that hold data of their own: all but generated ones."""
        return tuple(column for column in self.columns if not column.generated)

    @property
    def visible(self) -> tuple[Column, ...]:
        """The columns that hold data, and that a row gives which names none: as INSERT and LOAD DATA have it."""
        return tuple(column for column in self.stored if not column.invisible)

    @property
    def sql(self) -> str:
        """The table as SQL names it, with its schema."""
        return qualified(self.schema, self.name)

    def column(self, name: str) -> Column | None:
        """The column of this name; case does not count, as in MySQL."""
        names = self.names
        return names.get(name) or names.get(name.lower()) or names.get(name.casefold())


def _meant(escaped: re.Match[str]) -> str:
    return _MEANT[escaped[0]]
