"""What the runtime was given is there when it starts again: after `make down`, and after everything was killed."""

import os
import signal
from contextlib import closing
from pathlib import Path

import httpx

from local.demo.expect import digests
from local.runtime import control
from local.runtime.state import State, is_locked
from tests.e2e.api import Api
from tests.effort import thorough
from tests.support.parts import Server, connect, processes, until

ROWS = 300_000


def upload(env: dict[str, str], key: str, lines: int) -> None:
    body = "".join(f"{number},name {number}\n" for number in range(lines)).encode()
    with httpx.Client() as client:
        posted = client.post(f"{env['API_URL']}/uploads", json={"table": "kept", "filename": key}).json()
        answer = client.post(posted["url"], data=posted["fields"], files={"file": body})
    assert answer.is_success, answer.text


def loads(api: Api) -> list[tuple[str, int]]:
    return [(one["state"], one["inserted"]) for one in api.http.get("/loads", params={"table": "kept"}).json()["loads"]]


@thorough
def test_backups_and_loads_outlive_the_runtime(tmp_path: Path, server: Server) -> None:
    state = State(tmp_path / "state")
    with server.database() as database:
        settings = {"DATABASE_URL": database.url}
        database.run("CREATE TABLE kept (id INT PRIMARY KEY, name VARCHAR(50))")
        env = control.up(state, settings=settings)
        try:
            upload(env, "small.csv", 1000)
            api = Api(env["API_URL"])
            assert until(lambda: loads(api) == [("done", 1000)])
            backup = api.end(api.send("backup", body={"tables": ["kept"]}))
            assert control.down(state)

            assert control.up(state, settings=settings) == env
            assert loads(api) == [("done", 1000)]
            assert digests(api.http.get(f"/backups/{backup['id']}").json()) == digests(backup)
            assert api.end(api.send("verify", path={"id": backup["id"]}))["ok"]
            with closing(connect(database.url)) as connection, connection.cursor() as cursor:
                cursor.execute("DELETE FROM kept")
            api.end(api.send("restore", body={"backup": backup["id"], "tables": ["kept"]}))
            assert database.rows("SELECT COUNT(*) FROM kept") == [(1000,)]
            database.run("DELETE FROM kept")
            upload(env, "large.csv", ROWS)
            assert until(lambda: any(state == "running" for state, _ in loads(api)))
            for process in processes(state):
                os.kill(process, signal.SIGKILL)
            assert until(lambda: not is_locked(state.lock))

            assert control.up(state, settings=settings) == env
            assert until(lambda: ("done", ROWS) in loads(api), 120)
            assert database.rows("SELECT COUNT(*) FROM kept") == [(ROWS,)]
        finally:
            control.down(state)
    assert processes(state) == []
