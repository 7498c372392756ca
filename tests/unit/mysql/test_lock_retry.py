"""Statements that need a table for themselves are tried again, whichever way the server refuses the lock."""

from typing import Any, cast

import pymysql
import pytest

from tableferry.errors import InUse
from tableferry.mysql import retry

DEADLOCK, LOCK_WAIT_TIMEOUT, SYNTAX = 1213, 1205, 1064


class Server:
    """A connection to a server that answers a statement's tries with these errors, one each, and then runs it."""

    def __init__(self, *errors: int) -> None:
        self.errors = list(errors)
        self.ran: list[str] = []

    def execute(self, connection: Any, sql: str) -> int:
        assert connection is self
        if not sql.startswith("SET SESSION"):
            if self.errors:
                raise pymysql.err.OperationalError(self.errors.pop(0), "no")
            self.ran.append(sql)
        return 0


def with_lock_retry(monkeypatch: pytest.MonkeyPatch, *errors: int) -> list[str]:
    server = Server(*errors)
    monkeypatch.setattr(retry, "execute", server.execute)
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    retry.with_lock_retry(cast("Any", server), "ALTER TABLE t")
    return server.ran


@pytest.mark.parametrize("code", [DEADLOCK, LOCK_WAIT_TIMEOUT])
def test_a_lock_that_was_not_to_be_had_is_tried_again(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    assert with_lock_retry(monkeypatch, code, code) == ["ALTER TABLE t"]


@pytest.mark.parametrize("code", [DEADLOCK, LOCK_WAIT_TIMEOUT])
def test_a_lock_that_is_never_to_be_had_is_said_by_name(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    with pytest.raises(InUse):
        with_lock_retry(monkeypatch, *[code] * 9)


def test_another_error_is_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(pymysql.err.OperationalError):
        with_lock_retry(monkeypatch, SYNTAX)
