"""What a session is: what is asked of which server, and what is made of its answer."""

from typing import Any, Self

import pymysql
import pytest
from pymysql.constants import SERVER_STATUS

from tableferry.errors import SessionDiffers
from tableferry.mysql import session
from tableferry.mysql.session import BUILDING, Mode


class Server:
    """A connection to a server that knows and allows what it is told to, and answers the reading with what was set."""

    def __init__(
        self,
        version: str,
        unknown: frozenset[str] = frozenset(),
        denied: frozenset[str] = frozenset(),
        code: int = 1227,
        instead: dict[str, str] | None = None,
        status: int = 0,
    ) -> None:
        self.version, self.unknown, self.denied, self.code = version, unknown, denied, code
        self.instead = instead or {}
        self.server_status = status
        self.values: dict[str, str] = {"sql_log_bin": "1", "insert_id": "0"}
        self.statements: list[str] = []
        self.rollbacks = 0

    def get_server_info(self) -> str:
        return self.version

    def rollback(self) -> None:
        self.rollbacks += 1
        self.server_status = 0

    def cursor(self) -> "Server":
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...

    def execute(self, sql: str) -> None:
        self.statements.append(sql)
        for name in self.unknown:
            if name in sql:
                raise pymysql.err.OperationalError(1193, f"Unknown system variable '{name}'")
        if sql.startswith("SET SESSION "):
            said = dict(part.split(" = ", 1) for part in _split(sql.removeprefix("SET SESSION ")))
            if self.denied & set(said):
                raise pymysql.err.OperationalError(self.code, "Access denied, or a read only variable")
            self.values |= {name: "50" if "LEAST" in value else value.strip("'") for name, value in said.items()}

    def fetchone(self) -> tuple[str]:
        asked = [part.split(",")[0] for part in self.statements[-1].split("@@SESSION.")[1:]]
        return ("\n".join([*(self.instead.get(name, self.values.get(name, "")) for name in asked), "shop"]),)


def _split(assignments: str) -> list[str]:
    """At commas that stand in no quotes and no brackets."""
    parts, depth, quoted = [""], 0, False
    for letter in assignments:
        quoted ^= letter == "'"
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if letter == "," and not depth and not quoted:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts]


@pytest.fixture(autouse=True)
def anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "_unknown", {})
    monkeypatch.setattr(session, "_refused", {})


def begin(server: Any, also: Any = session.NOTHING) -> None:
    session.begin(server, "shop", Mode.STRICT, also)


@pytest.mark.parametrize("version", ["8.0.36", "9.7.0", "5.5.5-10.11.19-MariaDB-log", "11.8.2-MariaDB"])
def test_a_session_takes_one_statement_and_one_question(version: str) -> None:
    server = Server(version)
    begin(server)
    assert [statement.split()[0] for statement in server.statements] == ["SET", "SELECT"]
    assert server.values["sql_select_limit"] == str(2**64 - 1)


@pytest.mark.parametrize(
    ("version", "has", "has_not"),
    [
        ("9.7.0", "max_execution_time", "max_statement_time"),
        ("10.11.19-MariaDB", "tx_isolation", "transaction_isolation"),
        ("11.4.2-MariaDB", "transaction_isolation", "tx_isolation"),
    ],
)
def test_each_server_is_told_what_it_has(version: str, has: str, has_not: str) -> None:
    server = Server(version)
    begin(server)
    assert f" {has} = " in server.statements[0]
    assert f" {has_not} = " not in server.statements[0]


def test_a_variable_that_a_server_has_not_is_left_out_and_remembered() -> None:
    server = Server("8.0.20", unknown=frozenset({"show_gipk_in_create_table_and_information_schema"}))
    begin(server)
    assert [statement.split()[0] for statement in server.statements] == ["SET", "SET", "SELECT"]
    server.statements.clear()
    begin(server)
    assert len(server.statements) == 2


@pytest.mark.parametrize("code", [1227, 1229, 1238])
def test_a_variable_that_nobody_may_set_here_has_to_be_right(code: int) -> None:
    right = Server("8.0.36", denied=frozenset({"sql_big_selects"}), code=code, instead={"sql_big_selects": "1"})
    begin(right)
    right.statements.clear()
    begin(right)
    assert len(right.statements) == 2, "it is asked one by one once only"
    wrong = Server("8.0.36", denied=frozenset({"sql_big_selects"}), instead={"sql_big_selects": "0"})
    with pytest.raises(SessionDiffers, match=r"\(sql_big_selects\)"):
        begin(wrong)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sql_select_limit", "18446744073709551614"),
        ("sql_mode", "STRICT_ALL_TABLES"),
        ("character_set_results", ""),
        ("autocommit", "OFF"),
        ("lock_wait_timeout", "31536000"),
        ("innodb_lock_wait_timeout", "0"),
        ("sql_log_bin", "0"),
        ("insert_id", "7"),
    ],
)
def test_what_the_server_made_otherwise_is_named(name: str, value: str) -> None:
    with pytest.raises(SessionDiffers, match=rf"\({name}\)"):
        begin(Server("9.7.0", instead={name: value}))


def test_a_transaction_that_was_begun_at_the_login_is_rolled_back() -> None:
    server = Server("9.7.0", status=SERVER_STATUS.SERVER_STATUS_IN_TRANS)
    begin(server)
    assert server.rollbacks == 1


def test_an_answer_of_no_row_is_no_session() -> None:
    server: Any = Server("9.7.0")
    server.fetchone = lambda: None
    with pytest.raises(SessionDiffers, match="does not say"):
        begin(server)


def test_a_session_that_fills_tables_states_a_patience_of_its_own() -> None:
    server = Server("10.11.19-MariaDB")
    begin(server, BUILDING)
    assert (server.values["lock_wait_timeout"], server.values["foreign_key_checks"]) == ("86400", "0")
    with pytest.raises(SessionDiffers, match=r"\(foreign_key_checks\)"):
        begin(Server("10.11.19-MariaDB", instead={"foreign_key_checks": "1"}), BUILDING)
