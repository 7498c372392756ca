"""Whatever a server is set to, and does at each login, a journey of rows ends as it does elsewhere, or is refused at once."""

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pymysql
import pytest

from functions.insert.app import handler as insert_handler
from functions.load.app import handler as load_handler
from tableferry.columnar import result_set
from tableferry.errors import TableferryError
from tableferry.mysql import credentials, session
from tableferry.mysql import database as database_module
from tests.effort import sample
from tests.support import verbs
from tests.support.lambdas import Answer, Json, created, invoke, request
from tests.support.parts import Database, Server, connect, not_applicable
from tests.support.server_settings import REFUSED, Variable, administrator, left_out, set_so, variables

TABLES = (
    "CREATE TABLE parents (id INT PRIMARY KEY, name VARCHAR(20))",
    (
        "CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(40) NOT NULL UNIQUE, born TIMESTAMP NULL, price"
        " DECIMAL(8,2), parent INT, note TEXT, KEY (price), CONSTRAINT t_parent FOREIGN KEY (parent) REFERENCES parents (id),"
        " CONSTRAINT t_price CHECK (price >= 0)) DEFAULT CHARSET=utf8mb4"
    ),
    (
        "CREATE TABLE u (id INT PRIMARY KEY, name VARCHAR(40) NOT NULL UNIQUE, born DATETIME, parent INT, FOREIGN KEY (parent)"
        " REFERENCES parents (id))"
    ),
    "CREATE TABLE keyless (a INT, b VARCHAR(20), made TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP)",
    "INSERT INTO parents VALUES (1, 'one'), (2, 'two')",
    "INSERT INTO keyless (a, b, made) VALUES (1, 'x', '2020-01-01'), (2, NULL, '2021-01-01'), (2, NULL, '2021-01-01')",
    "CREATE TRIGGER u_name BEFORE INSERT ON u FOR EACH ROW SET NEW.name = TRIM(NEW.name)",
)
NAMES = ("keyless", "parents", "t", "u")
SENT: list[Json] = [
    {"name": "Zoë 😀", "born": "2024-05-06T07:08:09Z", "price": 1.5, "parent": 1, "note": "a\\b'\"\n"},
    {"name": "row 5", "price": 2},  # is there
    {"name": "no price", "price": "much"},
    {"name": "orphan", "parent": 99},
    {"name": "negative", "price": -1},
    {"name": None, "price": 1},
    {"id": 0, "name": "zero"},
    *({"name": f"more {n}", "price": n} for n in range(20)),
]
FILE = "id,name,born,parent\n" + "".join(
    f"{n},{'' if n % 9 == 8 else f'  name {n // 2 if n % 10 == 5 else n}'},2024-02-30T10:00:00Z,\n"
    if n % 12 == 11
    else f"{n},{'' if n % 9 == 8 else f'  name {n - 1 if n % 10 == 5 else n}'},2024-02-28T10:00:00Z,{n % 3 or ''}\n"
    for n in range(1, 61)
)
SANE = "SET SESSION sql_mode = 'NO_AUTO_VALUE_ON_ZERO', time_zone = '+00:00', sql_select_limit = 18446744073709551615"


@dataclass
class Journey:
    """What came of each step, up to the first that was refused; ``tables`` are the rows at the end."""

    steps: dict[str, Any] = field(default_factory=dict)
    refused: str = ""
    tables: Any = None


@pytest.fixture
def journey(server: Server, bucket: str, s3_client: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Journey]:
    """Insert, load, back up, verify, lose rows and restore in a database of its own, on a server set so."""
    if not server.alone:
        not_applicable("settings of a server that others use")

    def go(settings: Callable[[str], contextlib.AbstractContextManager[None]] | None = None) -> Journey:
        with server.database() as database:
            monkeypatch.setenv("DATABASE_URL", database.url)
            credentials.forget()
            with _administered(database) as run:
                for statement in TABLES:
                    run(statement)
                for n in range(1, 31):
                    run(f"INSERT INTO t (id, name, price, parent) VALUES ({n}, 'row {n}', {n}, {n % 2 + 1})")
                with settings(database.url) if settings else contextlib.nullcontext():
                    return _travelled(run, bucket, s3_client)

    return go


def _travelled(run: Callable[[str], Any], bucket: str, client: Any) -> Journey:
    done = Journey()

    def step(name: str, act: Callable[[], Any]) -> bool:
        before = _contents(run)
        try:
            done.steps[name] = act()
        except (Refused, TableferryError) as error:
            done.refused = f"{name}: {error}"
            assert _contents(run) == before, f"{name} was refused and has changed something: {error}"
        return not done.refused

    steps: list[tuple[str, Callable[[], Any]]] = [
        ("insert", lambda: _inserted(SENT)),
        ("load", lambda: _loaded(bucket, client)),
        ("backup", _backed_up),
        ("verify", lambda: _checked(verbs.post("/backups/latest/verify"), 201)["state"]),
        (
            "damage",
            lambda: [run(s) for s in ("DELETE FROM t WHERE id > 5", "UPDATE u SET name = CONCAT('?', id)")] and None,
        ),
        ("restore", lambda: _checked(verbs.post("/restores", {}), 201)["state"]),
    ]
    for name, act in steps:
        if not step(name, act):
            break
    done.tables = _contents(run)
    return done


class Refused(Exception):
    """An answer with a problem of ours."""


def _checked(answer: Answer, *statuses: int) -> Json:
    if answer.status in statuses:
        return dict(answer.json)
    problem = answer.json
    assert answer.status in (403, 409, 503), f"{answer.status}: {answer.text}"
    assert problem["detail"], answer.text
    raise Refused(f"{answer.status} {problem['type'].rpartition(':')[2]}: {problem['detail']}")


def _inserted(rows: list[Json]) -> Any:
    found = _checked(request(insert_handler, "POST", "/tables/t/rows", body=rows), 201, 207)
    return {name: value for name, value in found.items() if name != "errors"} | {
        "errors": [(e["row"], e["column"], e["code"], e["message"]) for e in found["errors"]]
    }


def _loaded(bucket: str, client: Any) -> Any:
    key = "uploads/u/file.csv"
    version = client.put_object(Bucket=bucket, Key=key, Body=FILE.encode())["VersionId"]
    (status,) = invoke(load_handler, created(bucket, key, version=version, size=len(FILE)))
    if status["error"]:
        assert status["error"]["type"].rpartition(":")[2] != "internal", status
        raise Refused(str(status["error"]))
    body = client.get_object(Bucket=bucket, Key=status["rejects"])["Body"].read().decode()
    return [status[name] for name in ("state", "read", "inserted", "updated", "rejected", "duplicates")], body


def _backed_up() -> Any:
    made = _checked(verbs.post("/backups", {}), 201)
    return [(entry["name"], entry["rows"], entry["digest"]) for entry in verbs.manifest_of(made["id"])["tables"]]


@contextlib.contextmanager
def _administered(database: Database) -> Iterator[Callable[[str], Any]]:
    """Runs statements as the administrator, whom the server's settings do not reach: the session is as old as the test."""
    with contextlib.closing(connect(database.admin_url)) as connection, connection.cursor() as cursor:
        cursor.execute(SANE)

        def run(statement: str) -> Any:
            cursor.execute(statement)
            return list(cursor.fetchall())

        yield run


def _contents(run: Callable[[str], Any]) -> Any:
    return {
        name: (
            run(f"SELECT * FROM {name} ORDER BY 1, 2"),
            next(row[1] for row in run(f"SHOW CREATE TABLE {name}")).partition(" AUTO_INCREMENT=")[0],
        )
        for name in NAMES
    }


@pytest.fixture(scope="module")
def usual() -> dict[str, Journey]:
    """What comes of the journey on a server as it is, made by whoever needs it first."""
    return {}


def _expected(usual: dict[str, Journey], journey: Callable[..., Journey]) -> Journey:
    if not usual:
        usual["journey"] = found = journey()
        assert not found.refused, found
        assert found.steps["load"][0][0] == "done"
    return usual["journey"]


def _held(settings: list[tuple[Variable, str]], found: Journey, expected: Journey) -> None:
    names = {variable.name for variable, _ in settings}
    if found.refused:
        assert any(found.refused.startswith(REFUSED[name]) for name in names & set(REFUSED)), (
            f"refused: {found.refused}"
        )
        return
    assert found.steps == expected.steps
    assert found.tables == expected.tables


def _known(server: Server) -> list[Variable]:
    try:
        return variables(server)
    except pymysql.err.ProgrammingError as error:
        if error.args[0] != 1146:
            raise
        not_applicable("no list of variables with their types")


def test_every_variable_that_can_be_set_is_tried_or_left_out_for_a_reason(server: Server) -> None:
    if not server.alone:
        not_applicable("settings of a server that others use")
    found = _known(server)
    assert [variable.name for variable in found if not variable.values] == []
    names = {variable.name for variable in found}
    assert {"sql_select_limit", "autocommit", "sql_mode", "lc_messages", "transaction_isolation"} - names <= {
        "transaction_isolation"
    }
    assert not {name for name in REFUSED if left_out(name)}


@pytest.mark.parametrize("turn", range(4))
@sample(1)
def test_all_settings_together_change_nothing(
    server: Server, journey: Callable[..., Journey], usual: dict[str, Journey], turn: int
) -> None:
    """Each turn sets every variable that refuses nothing, to another of its values."""
    expected = _expected(usual, journey)
    chosen = [(one, one.values[turn % len(one.values)]) for one in _known(server) if one.name not in REFUSED]
    assert len(chosen) > 40
    _held(chosen, journey(lambda url: set_so(server, url, chosen)), expected)


AT_LOGIN = {
    "a transaction that stays open": ("BEGIN", "same"),
    "a transaction to come that is read-only": ("SET TRANSACTION READ ONLY", "same"),
    "a result cut, a transaction open": ("SET sql_select_limit = 4, autocommit = 0; SELECT * FROM parents", "same"),
    "another database": ("USE information_schema", "insert: 503 session-differs"),
    "what cannot be done": ("SELECT 1 FROM nowhere.nothing", "insert: 503 session-differs"),
}


@pytest.mark.parametrize("case", AT_LOGIN)
@sample(2)
def test_what_a_server_does_at_each_login_changes_nothing_or_is_told_at_once(
    server: Server, journey: Callable[..., Journey], usual: dict[str, Journey], case: str
) -> None:
    expected = _expected(usual, journey)
    statement, outcome = AT_LOGIN[case]

    @contextlib.contextmanager
    def said(_url: str) -> Iterator[None]:
        with administrator(server) as admin:
            admin.execute("SET GLOBAL init_connect = %s", (statement,))
            try:
                yield
            finally:
                admin.execute("SET GLOBAL init_connect = ''")

    found = journey(said)
    if outcome == "same":
        assert found == expected
    else:
        assert found.refused.startswith(outcome)


@pytest.fixture
def cut(server: Server, bucket: str, database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """Tables of more rows, columns and indexes than each SELECT gives, in sessions that do not state how many it does."""
    if not server.alone:
        not_applicable("settings of a server that others use")
    columns = ", ".join(f"c{n} INT DEFAULT {n}" for n in range(8))
    for name in ("a", "b", "c", "d", "e", "f"):
        verbs.run(database, f"CREATE TABLE {name} (id INT PRIMARY KEY, {columns})")
        verbs.fill(database, name, [(n,) for n in range(9)], "(id)")
    without = {name: value for name, value in session._EVERYWHERE.items() if name != "sql_select_limit"}
    monkeypatch.setattr(session, "_EVERYWHERE", without)
    with administrator(server) as admin:
        admin.execute("SET GLOBAL sql_select_limit = 4")
        try:
            yield database
        finally:
            admin.execute(f"SET GLOBAL sql_select_limit = {2**64 - 1}")


@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_a_backup_is_whole_even_in_a_session_that_cuts_results(cut: Database, form: str) -> None:
    made = _checked(verbs.post("/backups", {"format": form}), 201)
    entries = verbs.manifest_of(made["id"])["tables"]
    assert [(entry["name"], entry["rows"], len(entry["columns"])) for entry in entries] == [
        (name, 9, 9) for name in ("a", "b", "c", "d", "e", "f")
    ]


def test_rows_and_tables_that_do_not_arrive_are_missed(cut: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as cutting:
        cutting.setattr(database_module, "WHOLE", "")
        assert "has 6 tables, and the names of 4 arrived" in verbs.post("/backups", {}).problem(503)["detail"]
    real = result_set._refuse_missing
    monkeypatch.setattr(result_set, "_refuse_missing", lambda connection, count: real(connection, count - 1))
    assert "sent 9 rows, and 8 arrived" in verbs.post("/backups", {"tables": ["a"]}).problem(503)["detail"]


@pytest.mark.skipif("SWEEP" not in os.environ, reason="takes half an hour: set SWEEP=1")
@pytest.mark.timeout(7200)
def test_each_setting_by_itself_changes_nothing_or_is_told_at_once(
    server: Server, journey: Callable[..., Journey], usual: dict[str, Journey]
) -> None:
    expected = _expected(usual, journey)
    wrong = {}
    for variable in _known(server):
        if os.environ["SWEEP"] not in ("1", variable.name):
            continue
        for value in variable.values:
            chosen = [(variable, value)]
            try:
                found = journey(lambda url, chosen=chosen: set_so(server, url, chosen))
                _held(chosen, found, expected)
            except Exception as error:  # an assertion's, too: the others are to be tried all the same
                wrong[f"{variable.name} = {value}"] = f"{type(error).__name__}: {error}"
    assert wrong == {}
