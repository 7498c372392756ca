"""What nobody has signed: its SQL is held to a plain table by its text, and by what the server made of it."""

import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

import pytest

from tableferry.schema import show_create
from tableferry.storage import object_keys
from tests.effort import sample
from tests.integration.conftest import SIGNING_KEY
from tests.support import verbs
from tests.support.lambdas import Json
from tests.support.parts import Database, not_applicable
from tests.support.verbs import backup, post, restore, run

SECRET = "SELECT id AS a FROM secret"
ADDED: list[tuple[str, str]] = [
    ("/*!50000", f" /*!50000 {SECRET} */"),
    ("/*!", f" /*! {SECRET} */"),
    ("/*M!100000", f" /*M!100000 {SECRET} */"),
    ("/*!99999", f" /*!99999 {SECRET} */"),
    ("/*!999999", f" /*!999999 {SECRET} */"),
    ("AS SELECT", f" AS {SECRET}"),
    ("IGNORE SELECT", f" IGNORE {SECRET}"),
    ("a plain comment", " /* nothing */"),
    ("VALUES", " VALUES (7)"),
    ("TABLE", " TABLE secret"),
    ("WITH", f" WITH x AS ({SECRET}) SELECT * FROM x"),
    ("a second statement", "; DROP TABLE secret"),
    ("DATA DIRECTORY", " DATA DIRECTORY='/tmp'"),
    ("UNION", " UNION=(secret)"),
    ("CONNECTION", " CONNECTION='mysql://x@192.0.2.1/x/x'"),
    ("partitions elsewhere", " PARTITION BY HASH (a) (PARTITION p DATA DIRECTORY='/tmp')"),
    ("a partition by a SELECT", f" PARTITION BY RANGE (a) (PARTITION p VALUES LESS THAN (({SECRET})))"),
    ("a partition in a version comment", f" /*!50100 PARTITION BY HASH (a) PARTITIONS 1 {SECRET} */"),
]
COLUMNS: list[tuple[str, str]] = [
    (name, f"`b` {rest}")
    for name, rest in [
        ("sleeps", "int(11) DEFAULT (sleep(5))"),
        ("sleeps when read", "int(11) GENERATED ALWAYS AS (sleep(5)) VIRTUAL"),
        ("takes a lock", "int(11) DEFAULT (get_lock('x',0))"),
        ("reads a file", "text DEFAULT (load_file('/etc/passwd'))"),
        ("asks a table", "int(11) DEFAULT ((select max(id) from secret))"),
        ("calls a function", "int(11) DEFAULT (f())"),
        ("takes a number of a sequence", "int(11) DEFAULT nextval(s)"),
        ("sets a variable", "int(11) DEFAULT @x:=5"),
        ("a check that sleeps", "int(11) DEFAULT NULL CHECK (sleep(5) = 0)"),
        ("a quote that escapes", f"int(11) DEFAULT NULL COMMENT 'x\\'' /*!50000 ) {SECRET} -- '*/"),
        ("a backslash that does not", f"int(11) DEFAULT NULL COMMENT 'x\\' ) {SECRET} -- '"),
        ("a text in double quotes", f'int(11) DEFAULT NULL COMMENT "x" /*!50000 ) {SECRET} -- */'),
    ]
]


def signature(content: Json) -> str:
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    return "hmac-sha256:" + hmac.new(SIGNING_KEY.encode(), canonical, hashlib.sha256).hexdigest()


@pytest.fixture
def unsigned(database: Database, bucket: str) -> Callable[..., None]:
    """Puts a manifest without signature in the place of a backup's, with its one table's entry changed."""
    run(
        database,
        "CREATE TABLE t (a INT) ENGINE=InnoDB",
        "INSERT INTO t VALUES (1), (2)",
        "CREATE TABLE secret (id INT) ENGINE=InnoDB",
        "INSERT INTO secret VALUES (42)",
    )
    key = object_keys.manifest(backup("t")["id"])
    good = json.dumps(verbs.content(key)["manifest"])

    def put(change: Callable[[Json], None] = lambda entry: None, *, signed: bool = False, **fields: object) -> None:
        content = json.loads(good)
        change(content["tables"][0])
        content.update(fields)
        whole: dict[str, Any] = {"manifest": content}
        if signed:
            whole["signature"] = signature(content)
        verbs.store().put(key, json.dumps(whole).encode())

    return put


def defines(text: Callable[[str], str]) -> Callable[[Json], None]:
    """A change of a table's definition."""

    def change(entry: Json) -> None:
        entry["definition"] = text(entry["definition"])

    return change


def refused(database: Database, **wanted: object) -> Json:
    """What the answer says, once it is sure that nothing changed, and nothing is told."""
    with verbs.unchanged(database):
        answer = post("/restores", {"backup": verbs.newest_id(), "trust": True, **wanted})
    assert "42" not in answer.text
    found = answer.problem(409)
    if not wanted:
        assert found["type"].endswith("backup-damaged")
    return found


@pytest.mark.parametrize("gate", ["text", "outcome", "crossing"])
@pytest.mark.parametrize("added", [added for _, added in ADDED], ids=[name for name, _ in ADDED])
@sample(3)
def test_what_does_more_than_define_is_refused_by_its_text_and_by_what_it_made(
    unsigned: Callable[..., None], database: Database, monkeypatch: pytest.MonkeyPatch, added: str, gate: str
) -> None:
    """Each gate by itself: the text's, that of what came out, and that before a definition goes to another server."""
    there = {"server": "9.7.0" if database.mariadb else "10.11.19-MariaDB"}
    unsigned(defines(lambda good: good + added), **(there if gate == "crossing" else {}))
    if gate != "text":
        if "CONNECTION" in added:
            not_applicable("the server keeps it and shows it, and to InnoDB it means nothing")
        monkeypatch.setattr(show_create, "is_plain", lambda text: True)
        # A server may not take it at all, which is a Conflict; what it takes has to be what is said.
        with verbs.unchanged(database):
            answer = post("/restores", {"backup": verbs.newest_id(), "trust": True})
        assert answer.status == 409
        assert "42" not in answer.text
        return
    refused(database)


@pytest.mark.parametrize("column", [column for _, column in COLUMNS], ids=[name for name, _ in COLUMNS])
@sample(3)
def test_a_column_that_does_something_is_refused(
    unsigned: Callable[..., None], database: Database, column: str
) -> None:
    unsigned(defines(lambda good: good.replace("\n) ENGINE", f",\n  {column}\n) ENGINE")))
    with verbs.unchanged(database):
        answer = post("/restores", {"backup": verbs.newest_id(), "trust": True})
    assert answer.status == 409
    assert "42" not in answer.text


@pytest.mark.parametrize(
    "engine", ["MEMORY", "MyISAM", "FEDERATED", "CONNECT", "CSV", "BLACKHOLE", "Aria", "SEQUENCE", "innodb2"]
)
@sample(3)
def test_another_engine_is_refused(unsigned: Callable[..., None], database: Database, engine: str) -> None:
    unsigned(defines(lambda good: good.replace("InnoDB", engine)))
    refused(database)


@pytest.mark.parametrize(
    "text",
    ["CREATE TABLE t LIKE secret", "CREATE TABLE `t` LIKE `secret`", "CREATE OR REPLACE TABLE `secret` (\n  `a` int\n) ENGINE=InnoDB",
     "CREATE TABLE `t` (LIKE secret) ENGINE=InnoDB", "DROP TABLE secret", "", "CREATE TABLE `t` (\n) ENGINE=InnoDB"],
)  # fmt: skip
@sample(3)
def test_what_is_no_definition_is_refused(unsigned: Callable[..., None], database: Database, text: str) -> None:
    unsigned(defines(lambda good: text))
    refused(database)


def _less(entry: Json) -> None:
    entry["columns"] = []


def _more(entry: Json) -> None:
    entry["columns"].append({"type": "int", "codec": {**entry["columns"][0]["codec"], "name": "b"}})


def _other_kind(entry: Json) -> None:
    entry["columns"][0]["codec"].update(kind="text")


def _other_width(entry: Json) -> None:
    entry["columns"][0]["codec"].update(bits=64)


def _other_name(entry: Json) -> None:
    entry["columns"][0]["codec"].update(name="A")


@pytest.mark.parametrize("change", [_less, _more, _other_kind, _other_width, _other_name])
@pytest.mark.parametrize("signed", [False, True])
@sample(2)
def test_columns_that_are_not_those_of_the_definition_are_refused_by_name(
    unsigned: Callable[..., None], database: Database, change: Callable[[Json], None], signed: bool
) -> None:
    unsigned(change, signed=signed)
    found = refused(database, **({"trust": False} if signed else {}))
    assert "does not fit its definition" in found["detail"]
    assert any(name in found["detail"] for name in ("'a'", "'A'", "'b'"))


def test_foreign_keys_that_are_not_those_of_the_definition_are_refused(
    unsigned: Callable[..., None], database: Database
) -> None:
    """Else rows of any table could be asked after, by which of them have no parent."""
    key = {"name": "k", "schema": database.name, "table": "t", "columns": ["a"], "parent_schema": database.name,
           "parent_table": "secret", "parent_columns": ["id"], "actions": ""}  # fmt: skip
    unsigned(lambda entry: entry["foreign_keys"].append(key))
    assert "foreign keys" in refused(database)["detail"]
    line = ",\n  CONSTRAINT `k` FOREIGN KEY (`a`) REFERENCES `mysql`.`user` (`Host`)\n) ENGINE"
    unsigned(lambda entry: (defines(lambda good: good.replace("\n) ENGINE", line))(entry), entry["foreign_keys"].append(
        {**key, "parent_schema": "mysql", "parent_table": "user", "parent_columns": ["Host"]})))  # fmt: skip
    assert "foreign keys" in refused(database)["detail"]


def test_a_signed_definition_of_which_the_server_drops_something_is_refused_with_what_it_is(
    unsigned: Callable[..., None], database: Database
) -> None:
    unsigned(defines(lambda good: good.replace("DEFAULT NULL", "DEFAULT NULL /*!99999 COMMENT 'x' */")), signed=True)
    with verbs.unchanged(database):
        found = post("/restores", {"backup": verbs.newest_id()}).problem(409)
    assert found["type"].endswith("definition-differs")
    assert "'t': column 'a'" in found["detail"]


def test_a_server_of_another_version_may_write_widths_otherwise(
    unsigned: Callable[..., None], database: Database
) -> None:
    """And nothing else: what it does not know and drops is missed."""
    older = "10.6.1-MariaDB" if database.mariadb else "8.0.11"
    widths = defines(lambda good: good.replace("int(11)", "int").replace("`a` int", "`a` int(9)"))
    unsigned(widths, signed=True, server=older)
    assert restore()["state"] == "done"
    hidden = defines(lambda good: good.replace("DEFAULT NULL", "DEFAULT NULL /*!99999 COMMENT 'x' */"))
    unsigned(hidden, signed=True, server=older)
    assert "'t': column 'a'" in post("/restores", {"backup": verbs.newest_id()}).problem(409)["detail"]


def test_a_plain_table_is_restored_on_trust(unsigned: Callable[..., None], database: Database) -> None:
    unsigned()
    assert restore(verbs.newest_id(), trust=True)["state"] == "done"
    assert verbs.numbers(database, "t", "a") == [1, 2]
