"""An undo and an accept that outlast the 30 seconds of a request: the function goes on, and whoever asks learns how far it is."""

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from tableferry.config.settings import Settings
from tableferry.mysql.database import Database as Source
from tableferry.restore import exchange, recovery
from tableferry.restore.record import Restore
from tableferry.restore.restore import accept, undo
from tests.support import verbs
from tests.support.lambdas import Json
from tests.support.parts import Database
from tests.support.verbs import backup, get, load_sample, post, restore, rows, run


@pytest.fixture
def restored(database: Database, bucket: str) -> Json:
    load_sample(database)
    backup("jobs")
    run(database, "UPDATE jobs SET job = 'spoilt'")
    return restore()


@contextmanager
def held(
    monkeypatch: pytest.MonkeyPatch, module: Any, name: str, done: Callable[[Source, Any, str], Restore], of: Json
) -> Iterator[Callable[[], Restore]]:
    """It is begun, and waits at the call of a function until the block asks for its end: as one whose caller is gone."""
    real, here, on = getattr(module, name), threading.Event(), threading.Event()

    def waits(*given: Any, **more: Any) -> Any:
        here.set()
        assert on.wait(30)
        return real(*given, **more)

    monkeypatch.setattr(module, name, waits)
    with ThreadPoolExecutor(1) as pool:
        settings = Settings.from_env(dict(os.environ))
        going = pool.submit(done, Source(settings.database), verbs.store(), of["id"])

        def end() -> Restore:
            on.set()
            return going.result(30)

        try:
            assert here.wait(30)
            yield end
        finally:
            on.set()


def refused(path: str) -> str:
    found = post(path).problem(409)
    return str(found["type"].rpartition(":")[2])


def test_a_slow_undo_is_seen_and_left_alone(
    database: Database, restored: Json, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"/restores/{restored['id']}"
    with held(monkeypatch, exchange, "trade", undo, restored) as end:
        assert get(path).json["state"] == "undoing"
        assert refused(f"{path}/undo") == "restore-under-way"
        assert refused(f"{path}/accept") == "restore-under-way"
        assert end().state == "undone"
    assert get(path).json["state"] == "undone"
    assert refused(f"{path}/undo") == "conflict"
    assert rows(database, "SELECT DISTINCT job FROM jobs") == [("spoilt",)]


def test_a_slow_accept_is_seen_and_left_alone(
    database: Database, restored: Json, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"/restores/{restored['id']}"
    with held(monkeypatch, recovery, "drop", accept, restored) as end:
        found = get(path).json
        assert (found["state"], found["kept"]) == ("accepted", restored["kept"])
        assert refused(f"{path}/accept") == "restore-under-way"
        assert end().kept is None
    found = get(path).json
    assert (found["state"], found["kept"]) == ("accepted", None)
    assert refused(f"{path}/accept") == "conflict"
