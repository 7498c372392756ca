"""What a restore changes of a table, for people: rows now and then, columns that come, go, and become others."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from tableferry.mysql.database import Connection, rows
from tableferry.mysql.identifiers import qualified
from tableferry.schema import show_create

_COUNTED = 2_000_000  # about a second's work; of larger tables the server's estimate is told


class ChangedColumn(BaseModel):
    """A column that is there before and after: its line in the definition ``now``, and the one ``then``."""

    model_config = ConfigDict(frozen=True)

    name: str
    now: str
    then: str


class Columns(BaseModel):
    """The columns that come, go and change, in their order."""

    model_config = ConfigDict(frozen=True)

    coming: tuple[str, ...] = ()
    going: tuple[str, ...] = ()
    changing: tuple[ChangedColumn, ...] = ()


def columns(now: str, then: str) -> Columns:
    """What differs between two definitions of a table, as this server's SHOW CREATE TABLE writes them."""
    old, new = show_create.column_lines(now), show_create.column_lines(then)
    return Columns(
        coming=tuple(name for name in new if name not in old),
        going=tuple(name for name in old if name not in new),
        changing=tuple(
            ChangedColumn(name=name, now=line, then=new[name])
            for name, line in old.items()
            if name in new and new[name] != line
        ),
    )


def row_count(connection: Connection, schema: str, table: str) -> tuple[int, bool]:
    """How many rows a table has, and whether they were counted: of a large one it is the server's estimate."""
    [(estimate,)] = rows(
        connection,
        "SELECT table_rows FROM information_schema.tables WHERE table_schema = %s AND table_name = %s",
        (schema, table),
    )
    if estimate is not None and int(estimate) > _COUNTED:
        return int(estimate), False
    [(count,)] = rows(connection, f"SELECT COUNT(*) FROM {qualified(schema, table)}")
    return int(count), True
