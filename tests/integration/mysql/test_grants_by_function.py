"""The privileges of `sources/grants-by-function.sql`: each function's own are all that it needs, and no more than it needs."""

import contextlib
import re
import uuid
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pymysql
import pytest

from functions.insert.app import handler as insert_handler
from functions.load.app import handler as load_handler
from functions.restore.app import handler as restore_handler
from local.runtime.database import grants, grants_by_function
from tableferry.config.settings import parse_database_url
from tableferry.ingest.write import constraint_check
from tableferry.ledger import epoch
from tableferry.mysql.database import Database as Source
from tableferry.mysql.identifiers import quote
from tableferry.restore.swap import Move
from tests.effort import in_ci, sample
from tests.integration.mysql.test_grants import Refused, answered
from tests.support import verbs
from tests.support.lambdas import Json, invoke, request
from tests.support.parts import Database, connect
from tests.support.uploads import Uploads

FUNCTIONS = ("insert", "load", "backup", "restore")
OPTIONAL = {"LOCK TABLES", "REPLICATION CLIENT", "CREATE TEMPORARY TABLES"}
_GRANT = re.compile(r"GRANT (.+) ON (\S+) TO '?(\w+)'?@")

Privilege = tuple[str, str, str]
"""A function, a privilege, and on what."""


def privileges(statements: list[str]) -> list[Privilege]:
    """Each privilege of these statements by itself, with the function whose user gets it."""
    parts = [_GRANT.match(statement) for statement in statements]
    return [
        (part[3].removeprefix("tableferry_"), one, part[2]) for part in parts if part for one in part[1].split(", ")
    ]


WRITTEN = {name: f"'tableferry_{name}'@'%'" for name in FUNCTIONS}
GIVEN = privileges(grants_by_function("database", WRITTEN))
NEEDED = [found for found in GIVEN if found[1] not in OPTIONAL]
TO_SEE_A_RESTORE = [(function, "SELECT", r"`tableferry\_%`.*") for function in ("insert", "load")]


class Users:
    """A database user for each function, with as many of the privileges as a test gives them."""

    def __init__(self, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        self.database, self._monkeypatch = database, monkeypatch
        made = uuid.uuid4().hex[:8]
        self.names = {name: f"'{name}{made}'@'%'" for name in FUNCTIONS}
        place = urlsplit(database.url)
        self._urls = {
            name: place._replace(netloc=f"{name}{made}:p@{place.hostname}:{place.port}").geturl() for name in FUNCTIONS
        }

    def admin(self, statement: str) -> None:
        with contextlib.closing(connect(self.database.admin_url)) as connection, connection.cursor() as cursor:
            cursor.execute(statement)

    def grant_all(self, but: Privilege | None = None, optional: bool = False) -> None:
        """All that is needed, or all that there is, ``but`` one."""
        name = self.database.name
        for table in ("tableferry_ledger", "tableferry_epochs"):  # one privilege alone is granted on what is there
            self.admin(f"CREATE TABLE {quote(name)}.{table} (id INT)")
        for found in GIVEN if optional else NEEDED:
            if found != but:
                self.grant(found)
        self.admin(f"DROP TABLE {quote(name)}.tableferry_ledger, {quote(name)}.tableferry_epochs")

    def grant(self, found: Privilege) -> None:
        function, privilege, on = found
        name = self.database.name
        on = on.replace("`database`.*", quote(name.replace("_", r"\_")) + ".*").replace("`database`", quote(name))
        self.admin(f"GRANT {privilege} ON {on} TO {self.names[function]}")

    def log_in(self, function: str) -> None:
        """From now on the functions' code logs in as this one does."""
        self._monkeypatch.setenv("DATABASE_URL", self._urls[function])


@pytest.fixture
def users(database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Users]:
    monkeypatch.setenv("LEDGER_DAYS", "30")
    made = Users(database, monkeypatch)
    for name in made.names.values():
        made.admin(f"CREATE USER {name} IDENTIFIED BY 'p'")
    try:
        yield made
    finally:
        for name in made.names.values():
            made.admin(f"DROP USER {name}")


class Work:
    """All that the functions do, each logged in as its own user."""

    def __init__(self, users: Users, uploads: Uploads) -> None:
        self.users, self._uploads = users, uploads
        self.database = Database(users.database.name, users.database.admin_url, users.database.admin_url)
        self._upload: Json | None = None
        self._restores: list[str] = []

    @property
    def steps(self) -> list[tuple[str, Callable[[], None]]]:
        """In an order in which each function comes first once to a database that has no table of ours."""
        return [
            ("insert", self.insert),
            ("load", self.forget),
            ("load", self.load),
            ("backup", self.backup),
            ("restore", self.forget),
            ("restore", self.restore_parent),
            ("insert", self.insert),
            ("restore", self.restore_child),
            ("restore", self.undo),
            ("restore", self.accept),
            ("restore", self.drill),
            ("restore", self.recover),
        ]

    def insert(self) -> None:
        """Rows of which one is there already, once only; what the ledger no longer needs goes."""
        key = uuid.uuid4().hex
        for on_duplicate in ("update", "ignore"):
            self._age("request")
            done = answered(
                request(
                    insert_handler,
                    "POST",
                    "/tables/departments/rows",
                    body=[[1, "Sales"], [600, "New"]],
                    query={"on_duplicate": on_duplicate},
                    headers={"Idempotency-Key": f"{key} {on_duplicate}"},
                )
            )
            assert done["rejected"] == 0

    def load(self) -> None:
        """A file, of which S3 tells again."""
        rows = b"101,Ada,2021-01-01T00:00:00Z,1,1\n102,,,,\n"
        self._upload = self._upload or self._uploads.put(rows, table="hired_employees")
        for _ in range(2):
            (status,) = invoke(load_handler, self._upload)
            if status["state"] == "failed":
                raise Refused(status["error"]["detail"])
            assert (status["read"], status["inserted"], status["rejected"]) == (2, 1, 1)

    def load_departments(self) -> None:
        (status,) = invoke(load_handler, self._uploads.put(b"700,Another\n", table="departments"))
        if status["state"] == "failed":
            raise Refused(status["error"]["detail"])

    def forget(self) -> None:
        """Tables of ours are gone, as before anybody came."""
        verbs.run(self.database, "DROP TABLE IF EXISTS tableferry_ledger, tableferry_epochs")
        self._upload = None

    def _age(self, kind: str) -> None:
        """What the ledger has of this kind is so old that it is to be dropped."""
        with contextlib.suppress(pymysql.err.ProgrammingError):
            old = "SET written = NOW() - INTERVAL 40 DAY"
            verbs.run(self.database, f"UPDATE tableferry_ledger {old} WHERE id LIKE '{kind}%' AND part <> -2")

    def backup(self) -> None:
        made = answered(verbs.post("/backups", {}))
        [departments] = [found for found in verbs.manifest_of(made["id"])["tables"] if found["name"] == "departments"]
        assert [trigger["name"] for trigger in departments["triggers"]] == ["tidy"]
        answered(verbs.post(f"/backups/{made['id']}/verify"))

    def restore_parent(self) -> None:
        """A table with a trigger, to which a table that stays has a foreign key."""
        self._restore("departments")

    def restore_child(self) -> None:
        """A table with foreign keys, to a table that stays and to one that comes with it."""
        self._restore("hired_employees", "jobs")

    def undo(self) -> None:
        answered(verbs.post(f"/restores/{self._restores[-1]}/undo"))

    def accept(self) -> None:
        while self._restores:
            answered(verbs.post(f"/restores/{self._restores.pop()}/accept"))

    def drill(self) -> None:
        self._direct({"action": "drill"})

    def recover(self) -> None:
        self._age("")
        self._direct({"action": "recover"})

    def _direct(self, event: Json) -> None:
        try:
            invoke(restore_handler, event)
        except Exception as error:
            if "privilege" not in str(error):
                raise
            raise Refused(str(error)) from error

    def _restore(self, *tables: str) -> None:
        wanted = {"backup": "latest", "tables": tables}
        answered(verbs.post("/restores", {**wanted, "dry_run": True}))
        self._restores.append(answered(verbs.post("/restores", wanted))["id"])


@pytest.fixture
def work(users: Users, uploads: Uploads) -> Work:
    """Over the sample's tables, which an administrator made, with a trigger: restore may not make it in his name."""
    work = Work(users, uploads)
    verbs.load_sample(work.database)
    body = "BEFORE INSERT ON departments FOR EACH ROW SET NEW.department = TRIM(NEW.department)"
    verbs.run(work.database, f"CREATE TRIGGER tidy {body}")
    return work


def test_no_function_may_do_more_than_the_one_user_of_all(users: Users) -> None:
    one = {(privilege, on) for _, privilege, on in privileges(grants("database", "'tableferry'@'%'"))}
    for function, privilege, on in privileges(grants_by_function("database", WRITTEN)):
        assert (privilege, re.sub(r"`database`\..+", "`database`.*", on)) in one, (
            f"{function} has more: {privilege} on {on}"
        )


def test_insert_load_and_backup_drop_nothing(users: Users) -> None:
    given = privileges(grants_by_function("database", WRITTEN))
    assert {function for function, privilege, _ in given if privilege in ("DROP", "ALTER")} == {"restore"}
    writes = {"INSERT", "UPDATE", "DELETE", "CREATE"}
    assert not [found for found in given if found[0] == "backup" and found[1] in writes]


@pytest.mark.parametrize("optional", [False, pytest.param(True, marks=in_ci)])
def test_with_the_privileges_that_are_documented_each_function_does_its_work(
    users: Users, work: Work, optional: bool
) -> None:
    users.grant_all(optional=optional)
    before = verbs.picture(work.database)
    for function, step in work.steps:
        users.log_in(function)
        step()
    after = verbs.picture(work.database)
    assert after.schemas == before.schemas
    (tidy,) = after.tables["departments"].triggers
    assert tidy[:4] == before.tables["departments"].triggers[0][:4]
    assert tidy[4].replace("@%", "") in users.names["restore"].replace("'", "")  # it runs as restore's user now


@in_ci
@sample(3)
@pytest.mark.parametrize("lacking", [found for found in NEEDED if found not in TO_SEE_A_RESTORE], ids=" ".join)
def test_without_one_of_them_a_step_of_that_function_is_refused_and_with_it_all_goes_on(
    users: Users, work: Work, lacking: Privilege
) -> None:
    users.grant_all(but=lacking)
    refused: list[tuple[str, str]] = []
    for function, step in work.steps:
        users.log_in(function)
        try:
            step()
        except Refused as error:
            refused.append((function, str(error)))
            assert len(refused) == 1, refused
            users.grant(lacking)
            step()
    if lacking[1] == "REFERENCES" and users.database.mariadb:
        assert not refused  # MariaDB does not ask for it
        return
    [(function, told)] = refused
    assert function == lacking[0]
    assert f"lacks the privilege {lacking[1]} " in told


@pytest.mark.parametrize("lacking", TO_SEE_A_RESTORE, ids=" ".join)
@sample(1)
def test_who_may_not_see_whether_a_restore_that_died_had_swapped_says_so_and_settles_nothing(
    users: Users, work: Work, lacking: Privilege
) -> None:
    """Nobody has said that the tables were exchanged, though their names say so.

    Taken for not exchanged, what the ledger says of the table before would be taken for true of the one of now.
    """
    users.grant_all(but=lacking)
    for function, step in (("insert", work.insert), ("backup", work.backup), ("restore", work.restore_parent)):
        users.log_in(function)
        step()
    with Source(parse_database_url(users.database.admin_url, None)).connect() as connection:
        [kept] = epoch.known(connection, "departments").kept
        epoch.announce(connection, [Move("departments", users.database.name, kept, "tableferry_coming", leaves=True)])
        marked = epoch.known(connection, "departments")
        users.log_in(lacking[0])
        again = {"insert": work.insert, "load": work.load_departments}[lacking[0]]
        with pytest.raises(Refused, match="lacks the privilege SELECT"):
            again()
        assert epoch.known(connection, "departments") == marked
        users.grant(lacking)
        again()
        settled = epoch.known(connection, "departments")
    assert (settled.live, settled.mark) == ("tableferry_coming", None)


@pytest.mark.parametrize("optional", [False, True])
def test_bad_rows_among_many_are_found_with_a_temporary_table_and_without(
    users: Users, work: Work, uploads: Uploads, monkeypatch: pytest.MonkeyPatch, optional: bool
) -> None:
    """Which is dropped again by who may drop nothing else."""
    filled, sifted = constraint_check._filled, []

    @contextlib.contextmanager
    def noted(*given: Any) -> Iterator[None]:
        with filled(*given):
            sifted.append(given)
            yield

    monkeypatch.setattr(constraint_check, "_filled", noted)
    users.grant_all(optional=optional)
    pairs = [[number // 2, "Pilot"] for number in range(2000, 2400)]
    users.log_in("insert")
    done = request(insert_handler, "POST", "/tables/jobs/rows", body=pairs).json
    assert (done["inserted"], done["rejected"], bool(sifted)) == (200, 200, optional)
    sifted.clear()
    users.log_in("load")
    file = "".join(f"{number // 2 + 5000},Pilot\n" for number in range(400)).encode()
    (status,) = invoke(load_handler, uploads.put(file, table="jobs"))
    assert (status["state"], status["inserted"], status["rejected"]) == ("done", 200, 200)
    assert bool(sifted) is optional
