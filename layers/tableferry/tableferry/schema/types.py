"""The types of columns, one table of them: what each is, how large, and which servers have it.

What else a new type needs is in CONTRIBUTING.md, "To add …".

Types go by the word that INFORMATION_SCHEMA.COLUMNS and SHOW CREATE TABLE have for them. Sources:
https://dev.mysql.com/doc/refman/9.7/en/data-types.html, https://mariadb.com/docs/server/reference/data-types.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from tableferry.mysql.version import Server

Version = tuple[int, int, int]


class Family(StrEnum):
    """Types that are treated alike, apart from their sizes."""

    INTEGER = "integer"
    DECIMAL = "decimal"
    FLOATING = "floating"
    BIT = "bit"
    YEAR = "year"
    DATE = "date"
    INSTANT = "instant"
    TIME = "time"
    STRING = "string"
    """Characters, up to a number of them that the column names."""

    TEXT = "text"
    """Characters, up to a number of bytes that is the type's."""

    ENUM = "enum"
    SET = "set"
    BINARY = "binary"
    BLOB = "blob"
    JSON = "json"
    VECTOR = "vector"
    GEOMETRY = "geometry"
    ADDRESS = "address"
    """What is bytes to MariaDB, and text to everybody else."""

    XML = "xml"


@dataclass(frozen=True, slots=True)
class Type:
    """What is true of all columns of a type."""

    family: Family
    bits: int = 0
    """The size of a number as the server stores it; 0 for what is no INTEGER and no FLOATING."""

    mysql: Version | None = (0, 0, 0)
    """The MySQL that has it first; None where no one has."""

    mariadb: Version | None = (0, 0, 0)

    def known_to(self, server: Server) -> bool:
        """Whether a server has the type."""
        since = self.mariadb if server.mariadb else self.mysql
        return since is not None and server.version >= since


_GEOMETRIES = (
    "geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon", "geometrycollection",
    "geomcollection",
)  # fmt: skip
TYPES: Mapping[str, Type] = {
    "tinyint": Type(Family.INTEGER, 8),
    "smallint": Type(Family.INTEGER, 16),
    "mediumint": Type(Family.INTEGER, 24),
    "int": Type(Family.INTEGER, 32),
    "bigint": Type(Family.INTEGER, 64),
    "decimal": Type(Family.DECIMAL),
    "float": Type(Family.FLOATING, 32),
    "double": Type(Family.FLOATING, 64),
    "bit": Type(Family.BIT),
    "year": Type(Family.YEAR),
    "date": Type(Family.DATE),
    "datetime": Type(Family.INSTANT),
    "timestamp": Type(Family.INSTANT),
    "time": Type(Family.TIME),
    "char": Type(Family.STRING),
    "varchar": Type(Family.STRING),
    "tinytext": Type(Family.TEXT),
    "text": Type(Family.TEXT),
    "mediumtext": Type(Family.TEXT),
    "longtext": Type(Family.TEXT),
    "enum": Type(Family.ENUM),
    "set": Type(Family.SET),
    "binary": Type(Family.BINARY),
    "varbinary": Type(Family.BINARY),
    "tinyblob": Type(Family.BLOB),
    "blob": Type(Family.BLOB),
    "mediumblob": Type(Family.BLOB),
    "longblob": Type(Family.BLOB),
    "json": Type(Family.JSON),
    "vector": Type(Family.VECTOR, mysql=(9, 0, 0), mariadb=(11, 7, 0)),
    **dict.fromkeys(_GEOMETRIES, Type(Family.GEOMETRY)),
    **dict.fromkeys(("uuid", "inet4", "inet6"), Type(Family.ADDRESS, mysql=None)),
    "xmltype": Type(Family.XML, mysql=None),
}


def of(*families: Family) -> frozenset[str]:
    """The names of the types of these families."""
    return frozenset(name for name, type_ in TYPES.items() if type_.family in families)


INTEGER_BITS: Mapping[str, int] = {name: TYPES[name].bits for name in TYPES if TYPES[name].family is Family.INTEGER}
"""The bits of each type of whole numbers."""

TEXTS = of(Family.STRING, Family.TEXT)
"""The types that hold any characters of their character set."""

STRINGS = of(Family.STRING)
"""Those of them whose length is told in characters."""

CHARACTER = TEXTS | of(Family.ENUM, Family.SET)
"""The types that have a character set."""

BYTES = of(Family.BINARY, Family.BLOB)
"""The types that hold any bytes."""

INSTANTS = of(Family.INSTANT)
FLOATING = of(Family.FLOATING)
ADDRESSES = of(Family.ADDRESS)
