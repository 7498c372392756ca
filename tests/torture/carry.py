"""One torture table there and back, and what is not as it was."""

from __future__ import annotations

from tests.integration import verbs
from tests.support import Database
from tests.torture.cases import MARIADB, MYSQL, Case


def server_of(database: Database) -> str:
    return MARIADB if "MariaDB" in str(database.rows("SELECT VERSION()")) else MYSQL


def make(database: Database, case: Case) -> None:
    """The case's table, as the plain user; no time is spent on its being there already."""
    verbs.run(database, "DROP TABLE IF EXISTS t", *case.statements)


def there_and_back(database: Database, form: str) -> list[str]:
    """Back the table up, restore it in the place of the live one, and name what differs; raises what went wrong."""
    before = verbs.table(database, "t")
    made = verbs.backup("t", form=form)
    restored = verbs.restore(made["id"])
    after = verbs.table(database, "t")
    verbs.post(f"/restores/{restored['id']}/accept")
    return [name for name in ("checksum", "definition", "triggers") if getattr(before, name) != getattr(after, name)]
