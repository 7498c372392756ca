"""What there is to go by before a backup: the catalog's sizes, the speed of earlier ones, the connections that are free."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice

from tableferry.backup.outlook.capacity import Allowed, Choice, Pace, Past, Size, choose, measured
from tableferry.backup.ranges.key_columns import key_columns
from tableferry.columnar.formats import Format
from tableferry.manifest import manifest
from tableferry.manifest.latest import signed
from tableferry.mysql import privileges
from tableferry.mysql.database import Connection, Database, rows
from tableferry.mysql.session import Mode
from tableferry.schema import catalog
from tableferry.schema.table import Table
from tableferry.storage.bucket import Store

SMALL_BYTES = 1_000_000_000
"""What fits one function whatever its speed: earlier backups are not looked at for so little."""

_LOOKED_AT = 16
_LEFT_TO_OTHERS = 0.1
_BESIDES = 2  # who looks into the catalog, and who holds the moment


def forecast(
    database: Database,
    store: Store,
    names: Sequence[str] | None,
    form: Format,
    allowed: Allowed,
    wanted: int | None = None,
) -> Choice:
    """How a backup of these tables (all, where none are named) is to be done; ``wanted`` functions, if it is said.

    Nothing is written and nothing locked. Names of tables that are not there count for nothing: the backup says so.

    Raises:
        DatabaseUnavailable, StoreUnavailable: as they say.
    """
    if not allowed.scale and math.isinf(allowed.seconds):
        return choose(Size(0, 0), Pace(), allowed, wanted)  # one function, for as long as it takes
    with database.connect(Mode.FAITHFUL) as connection:
        size, pace, allowed = evidence(connection, database, store, names, form, allowed)
    return choose(size, pace, allowed, wanted)


def evidence(
    connection: Connection,
    database: Database,
    store: Store,
    names: Sequence[str] | None,
    form: Format,
    allowed: Allowed,
    *,
    always: bool = False,
) -> tuple[Size, Pace, Allowed]:
    """What :func:`~tableferry.backup.outlook.capacity.choose` goes by; with ``always`` the speed is looked up for little, too."""
    tables = catalog.estimates(connection, database)
    taken = [table for table in tables if names is None or table.name in names]
    size = _with_longest(connection, database, Size.of(taken), taken)
    pace = Pace()
    if always or size.bytes > SMALL_BYTES:
        pace = measured(_past(store, database.name, form), tables)
    if allowed.scale:
        denied = privileges.missing(connection, [("LOCK TABLES", database.name, table.name) for table in taken])
        allowed = replace(allowed, free=free_connections(connection), lockable=not denied)
    return size, pace, allowed


def free_connections(connection: Connection) -> int:
    """How many connections the server would give to functions, less a tenth of all that it has, which is left to others."""
    [(most, most_of_user)] = rows(connection, "SELECT @@GLOBAL.max_connections, @@SESSION.max_user_connections")
    [(_, used)] = rows(connection, "SHOW GLOBAL STATUS LIKE 'Threads_connected'")
    free = int(most) - int(used) - math.ceil(int(most) * _LEFT_TO_OTHERS)
    if int(most_of_user):
        [(user,)] = rows(connection, "SELECT SUBSTRING_INDEX(USER(), '@', 1)")
        own = sum(1 for line in rows(connection, "SHOW PROCESSLIST") if line[1] == user)
        free = min(free, int(most_of_user) - own)
    return max(0, free - _BESIDES)


def _with_longest(connection: Connection, database: Database, size: Size, tables: Sequence[Table]) -> Size:
    """The size, with the largest table that only one connection can read, by its key; small ones are not looked at."""
    for table in sorted(tables, key=lambda one: -one.bytes_estimate):
        if table.bytes_estimate <= SMALL_BYTES:
            break
        if not key_columns(catalog.table(connection, database.name, table.name)):
            return replace(size, longest=table.bytes_estimate, longest_table=table.name)
    return size


def _past(store: Store, database: str, form: Format) -> Iterator[Past]:
    """The newest backups of a database in a format, newest first, of so many ids at most."""
    for made in signed(store, store.keys, islice(manifest.ids(store), _LOOKED_AT)):
        if made.database == database and made.format is form:
            yield Past(
                id=made.id,
                seconds=(made.finished - made.started).total_seconds(),
                workers=made.workers,
                tables={table.name: (table.rows, table.bytes) for table in made.tables},
            )
