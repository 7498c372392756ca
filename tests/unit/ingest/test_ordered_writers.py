"""Blocks that are written at once are committed in order, however long one of them takes."""

import time
from typing import Any, cast

import pytest

from tableferry.errors import TooManyConnections
from tableferry.ingest import ordered_writers
from tableferry.ingest.ordered_writers import OrderedWriters
from tableferry.mysql.database import Connection


class Nowhere:
    """What a lane asks of a connection; it leads to no database."""

    open = True

    def begin(self) -> None: ...

    def commit(self) -> None: ...

    def rollback(self) -> None: ...

    def ping(self, reconnect: bool) -> None: ...


class Block:
    """Takes its time, and notes in which order what became of it."""

    def __init__(self, number: int, seconds: float, seen: list[tuple[str, int]]) -> None:
        self.number, self._seconds, self._seen = number, seconds, seen

    def quickly(self, _: Connection) -> int | None:
        return self.whole(_)

    def whole(self, _: Connection) -> int:
        time.sleep(self._seconds)
        return self.number

    def conclude(self, _: Connection, done: int) -> None:
        self._seen.append(("concluded", done))

    def committed(self, done: int) -> None:
        self._seen.append(("committed", done))

    def troubled(self, _: int) -> bool:
        return False


def test_a_block_waits_for_the_one_before_it_beyond_its_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ordered_writers, "_PATIENCE_SECONDS", 0.02)
    monkeypatch.setattr(ordered_writers, "_ALIVE_SECONDS", 0.02)
    seen: list[tuple[str, int]] = []
    with OrderedWriters[int](lambda: cast("Any", Nowhere()), most=2, first=5) as found:
        for number, seconds in ((5, 0.3), (6, 0.0), (7, 0.1), (8, 0.0)):
            found.put(Block(number, seconds, seen))
        assert [found.first() for _ in range(4)] == [5, 6, 7, 8]
    assert seen == [(what, number) for number in (5, 6, 7, 8) for what in ("concluded", "committed")]


def test_where_no_second_connection_is_to_be_had_blocks_go_one_after_the_other() -> None:
    seen: list[tuple[str, int]] = []
    opened: list[Nowhere] = []

    def connect() -> Any:
        if opened:
            raise TooManyConnections
        opened.append(Nowhere())
        return opened[0]

    with OrderedWriters[int](connect, most=3, first=1) as found:
        for number in range(1, 9):
            found.put(Block(number, 0.02, seen))
        assert [found.first() for _ in range(8)] == list(range(1, 9))
    assert seen == [(what, number) for number in range(1, 9) for what in ("concluded", "committed")]


def test_where_not_even_one_connection_is_to_be_had_it_is_said() -> None:
    def connect() -> Any:
        raise TooManyConnections

    with OrderedWriters[int](connect, most=3, first=1) as found, pytest.raises(TooManyConnections):
        found.put(Block(1, 0, []))
