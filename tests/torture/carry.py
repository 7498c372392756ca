"""One torture table there and back, and what is not as it was."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace

from tests.support import verbs
from tests.support.parts import Database, connect
from tests.support.verbs import TableState
from tests.torture.cases import MARIADB, MYSQL, Case


def server_of(database: Database) -> str:
    return MARIADB if database.mariadb else MYSQL


def make(database: Database, case: Case) -> None:
    """The case's table, in place of the one before."""
    verbs.run(database, "DROP TABLE IF EXISTS t")
    url = database.admin_url if case.as_administrator else database.url
    with closing(connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(verbs.TO_THE_BIT)
        for statement in case.statements:
            cursor.execute(statement)


def there_and_back(database: Database, case: Case, form: str) -> list[str]:
    """Back the table up, restore it in the place of the live one, and name what differs; raises what went wrong."""
    before = state(database, case)
    made = verbs.backup("t", form=form)
    restored = verbs.restore(made["id"])
    after = state(database, case)
    verbs.post(f"/restores/{restored['id']}/accept")
    return different(before, after)


def state(database: Database, case: Case) -> TableState:
    found = verbs.table(database, "t")
    return (
        found if case.checksum else replace(found, checksum=sorted(verbs.rows(database, "SELECT * FROM t"), key=repr))
    )


def different(before: TableState, after: TableState) -> list[str]:
    parts = {"values": "checksum", "definition": "definition", "triggers": "triggers"}
    return [name for name, part in parts.items() if getattr(before, part) != getattr(after, part)]
