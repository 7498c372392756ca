"""The privileges of `sources/grants.sql`: with them all goes, and without any one of them something is refused."""

import contextlib
import re
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlsplit

import pytest

from functions.insert.app import handler as insert_handler
from functions.load.app import handler as load_handler
from local.runtime.database import grants
from tableferry.backup.snapshot import open_snapshot
from tableferry.config.settings import database_address
from tableferry.mysql.database import Database as Source
from tableferry.mysql.database import rows
from tableferry.mysql.identifiers import quote
from tableferry.mysql.privileges import may
from tableferry.schema import catalog
from tests.effort import sample
from tests.support import verbs
from tests.support.lambdas import Answer, Json, invoke, request
from tests.support.parts import Database, connect
from tests.support.uploads import Uploads

_GRANT = re.compile(r"GRANT (.+) ON (\S+) TO ")
OPTIONAL = {"LOCK TABLES", "REPLICATION CLIENT", "CREATE TEMPORARY TABLES"}


def privileges(database: str) -> list[tuple[str, str]]:
    """Each privilege of the file by itself, and on what."""
    parts = [_GRANT.match(statement) for statement in grants(database, "u")]
    return [(one, part[2]) for part in parts if part for one in part[1].split(", ")]


NEEDED = [(one, on) for one, on in privileges("database") if one not in OPTIONAL]


@dataclass
class User:
    """A database user with as many of the privileges as a test gives it."""

    database: Database
    name: str
    url: str

    def grant(self, privilege: str, on: str) -> None:
        self.admin(f"GRANT {privilege} ON {on} TO {self.name}")

    def admin(self, statement: str) -> None:
        with contextlib.closing(connect(self.database.admin_url)) as connection, connection.cursor() as cursor:
            cursor.execute(statement)


@pytest.fixture
def user(database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[User]:
    """A user that may do nothing yet, as whom the functions log in."""
    name = f"u{uuid.uuid4().hex[:10]}"
    place = urlsplit(database.url)
    made = User(database, f"'{name}'@'%'", place._replace(netloc=f"{name}:p@{place.hostname}:{place.port}").geturl())
    made.admin(f"CREATE USER {made.name} IDENTIFIED BY 'p'")
    monkeypatch.setenv("DATABASE_URL", made.url)
    try:
        yield made
    finally:
        made.admin(f"DROP USER {made.name}")


@pytest.fixture
def mysql(user: User) -> bool:
    """Whether the server is MySQL, and not MariaDB."""
    return not user.database.mariadb


class Refused(Exception):
    """A step was answered with 403, which said this."""


class Journey:
    """All that Tableferry does, step by step; a step that was refused can be done again."""

    def __init__(self, database: Database, uploads: Uploads) -> None:
        self.database, self._uploads = database, uploads
        self._restores: list[str] = []
        self._upload: Json | None = None

    @property
    def steps(self) -> list[Callable[[], None]]:
        restores = [self.restore_parent, self.restore_child]
        return [self.insert, self.load, self.backup, *restores, self.undo, self.undo, self.accept, self.accept]

    def insert(self) -> None:
        """Rows of which one is there already, once only."""
        for row, change in (([1, "Sales"], "updated"), ([6, "New"], "inserted")):
            answer = request(
                insert_handler, "POST", "/tables/departments/rows", body=[row],
                query={"on_duplicate": "update"}, headers={"Idempotency-Key": f"key {row[0]}"},
            )  # fmt: skip
            assert answered(answer)[change] == 1

    def load(self) -> None:
        """One upload, of which S3 may tell again."""
        rows = b"101,Ada,2021-01-01T00:00:00Z,1,1\n102,,,,\n"
        self._upload = self._upload or self._uploads.put(rows, table="hired_employees")
        (status,) = invoke(load_handler, self._upload)
        if status["state"] == "failed":
            raise Refused(status["error"]["detail"])
        assert (status["read"], status["inserted"], status["rejected"]) == (2, 1, 1)

    def backup(self) -> None:
        made = answered(verbs.post("/backups", {}))
        assert [trigger["name"] for trigger in verbs.manifest_of(made["id"])["tables"][0]["triggers"]] == ["tidy"]

    def restore_parent(self) -> None:
        """A table with a trigger, to which a table that stays has a foreign key."""
        self._restore("departments")

    def restore_child(self) -> None:
        """A table with foreign keys, to a table that stays and to one that comes with it."""
        self._restore("hired_employees", "jobs")

    def undo(self) -> None:
        """The last restore that is not undone yet."""
        answered(verbs.post(f"/restores/{self._in_state('done')[-1]}/undo"))

    def accept(self) -> None:
        """The first restore that keeps something, though it is undone."""
        answered(verbs.post(f"/restores/{self._in_state('undone')[0]}/accept"))

    def _restore(self, *tables: str) -> None:
        self._restores.append(answered(verbs.post("/restores", {"backup": "latest", "tables": tables}))["id"])

    def _in_state(self, state: str) -> list[str]:
        """The restores of this state that keep tables still."""
        found = [verbs.get(f"/restores/{one}").json for one in self._restores]
        return [one["id"] for one in found if one["state"] == state and one["kept"]]


def answered(answer: Answer) -> Json:
    """What a step was answered; Refused if it was."""
    if answer.status == 403:
        raise Refused(answer.problem(403)["detail"])
    assert answer.status in (200, 201), answer.text
    return cast("Json", answer.json)


@pytest.fixture
def journey(user: User, uploads: Uploads) -> Journey:
    """Over the sample's tables, which an administrator made, with a trigger that is the user's own."""
    admins = Database(user.database.name, user.database.admin_url, user.database.admin_url)
    verbs.load_sample(admins)
    body = "BEFORE INSERT ON departments FOR EACH ROW SET NEW.department = TRIM(NEW.department)"
    verbs.run(admins, f"CREATE DEFINER = {user.name} TRIGGER tidy {body}")
    return Journey(admins, uploads)


def test_with_the_privileges_that_are_documented_all_goes(user: User, journey: Journey) -> None:
    for privilege, on in privileges(user.database.name):
        user.grant(privilege, on)
    before = verbs.picture(journey.database)
    for step in journey.steps:
        step()
    after = verbs.picture(journey.database)
    assert after.schemas == before.schemas
    assert after.tables["jobs"] == before.tables["jobs"]
    assert after.tables["departments"].triggers == before.tables["departments"].triggers


@pytest.mark.parametrize(("privilege", "on"), NEEDED)
@sample(2)
def test_without_one_of_them_a_step_is_refused_nothing_is_lost_and_with_it_all_goes_on(
    user: User, journey: Journey, mysql: bool, privilege: str, on: str
) -> None:
    on = on.replace("`database`", quote(user.database.name.replace("_", r"\_")))
    for one, what in privileges(user.database.name):
        if (one, what) != (privilege, on):
            user.grant(one, what)
    refused = ""
    for step in journey.steps:
        before = verbs.picture(journey.database)
        try:
            step()
        except Refused as error:
            assert not refused
            refused = str(error)
            after = verbs.picture(journey.database)
            if privilege == "DELETE":  # which ends a load: its rows are in, and told again it goes on from there
                assert verbs.numbers(journey.database, "hired_employees").count(101) == 1
            else:
                assert {name: after.tables[name] for name in before.tables} == before.tables
            assert after.tables.keys() - before.tables.keys() <= {"tableferry_ledger"}
            assert after.schemas == before.schemas
            user.grant(privilege, on)
            step()
    if privilege == "REFERENCES" and not mysql:
        assert not refused  # MariaDB does not ask for it
    else:
        assert f"lacks the privilege {privilege} " in refused


@pytest.mark.parametrize("given", [True, False])
def test_locks_are_for_more_connections_and_are_not_needed(user: User, journey: Journey, given: bool) -> None:
    for privilege, on in privileges(user.database.name):
        if privilege != "LOCK TABLES" or given:
            user.grant(privilege, on)
    source = Source(database_address())
    with source.connect() as connection:
        tables = catalog.describe_all(connection, source)
    with open_snapshot(source, tables, 2) as snapshot:
        assert len(snapshot.connections) == (2 if given else 1)
    journey.backup()


@pytest.mark.parametrize("given", [True, False])
def test_the_position_in_the_binary_log_is_named_to_those_who_may_see_it(
    user: User, journey: Journey, given: bool
) -> None:
    for privilege, on in privileges(user.database.name):
        if privilege != "REPLICATION CLIENT" or given:
            user.grant(privilege, on)
    journey.backup()
    newest = verbs.get("/backups").json["backups"][0]["id"]
    assert ("file" in verbs.manifest_of(newest)["position"]) is given


@pytest.mark.parametrize("given", [True, False])
def test_temporary_tables_are_for_speed_and_are_not_needed(user: User, journey: Journey, given: bool) -> None:
    for privilege, on in privileges(user.database.name):
        if privilege != "CREATE TEMPORARY TABLES" or given:
            user.grant(privilege, on)
    jobs = [[number // 2, "Pilot"] for number in range(2000, 2400)]
    answer = request(insert_handler, "POST", "/tables/jobs/rows", body=jobs).json
    assert (answer["inserted"], answer["rejected"]) == (200, 200)
    assert {error["code"] for error in answer["errors"]} == {"duplicate_key"}


@pytest.mark.parametrize(
    ("statements", "sees"),
    [
        (["GRANT SELECT ON {pattern}.* TO {user}"], False),
        (["GRANT SELECT, TRIGGER ON {pattern}.* TO {user}"], True),
        (["GRANT ALL ON {pattern}.* TO {user}"], True),
        (["GRANT SELECT, TRIGGER ON *.* TO {user}"], True),
        (["GRANT SELECT ON {pattern}.* TO {user}", "GRANT TRIGGER ON `test\\_%`.* TO {user}"], False),  # the closest one counts
        (["GRANT SELECT, TRIGGER ON `test\\_%`.* TO {user}"], True),
        (["GRANT SELECT ON {pattern}.* TO {user}", "GRANT TRIGGER ON {db}.departments TO {user}"], True),
        (["GRANT SELECT ON {pattern}.* TO {user}", "GRANT TRIGGER ON {db}.jobs TO {user}"], False),
        (["CREATE ROLE {role}", "GRANT SELECT, TRIGGER ON {pattern}.* TO {role}", "GRANT {role} TO {user}", "{default}"], True),
        (["CREATE ROLE {role}", "GRANT SELECT, TRIGGER ON {pattern}.* TO {role}", "GRANT SELECT ON {pattern}.* TO {user}",
          "GRANT {role} TO {user}"], False),
    ],
)  # fmt: skip
def test_a_user_who_may_not_see_triggers_is_refused_in_place_of_a_backup_without_them(
    user: User, journey: Journey, mysql: bool, statements: list[str], sees: bool
) -> None:
    role = f"r{user.name[2:12]}"
    default = f"SET DEFAULT ROLE {role} {'TO' if mysql else 'FOR'} {user.name}"
    try:
        for statement in statements:
            user.admin(
                statement.format(
                    db=quote(user.database.name),
                    pattern=quote(user.database.name.replace("_", r"\_")),
                    user=user.name,
                    role=role,
                    default=default,
                )
            )
        # What the server itself shows of triggers, where there is one.
        with Source(database_address()).connect() as connection:
            shown = rows(connection, "SELECT COUNT(*) FROM information_schema.triggers WHERE trigger_name = 'tidy'"
                         " AND trigger_schema = DATABASE()")  # fmt: skip
            assert shown == [(int(sees),)]
            assert may(connection, "TRIGGER", user.database.name, "departments") is sees
        if not sees:
            assert (
                "lacks the privilege TRIGGER on table"
                in verbs.post("/backups", {"tables": ["departments"]}).problem(403)["detail"]
            )
    finally:
        user.admin(f"DROP ROLE IF EXISTS {role}")
