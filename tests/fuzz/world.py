"""What the requests can name: tables, a backup, a restore, a load and a verification that are really there."""

import os
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from urllib.parse import urlsplit

import requests

from local.demo.client import s3_client
from tests.support.parts import Runtime, connect

TABLES = {
    "one": "id INT PRIMARY KEY, name VARCHAR(20)",
    "every": "id INT AUTO_INCREMENT PRIMARY KEY, whole BIGINT UNSIGNED, exact DECIMAL(9,3), real_ DOUBLE, day DATE,"
    " moment DATETIME(6), doc JSON, raw VARBINARY(9), pick ENUM('a','b'), note TEXT NOT NULL DEFAULT ('')",
    "child": "id INT PRIMARY KEY, one_id INT, FOREIGN KEY (one_id) REFERENCES one (id)",
    "odd`'\"%s; --": "`a``b` INT PRIMARY KEY, `c%s` VARCHAR(9)",
    "ни%20一": "id INT",
}
_KEPT = 15  # objects of a kind that pruning leaves
_OLD = timedelta(seconds=30)  # younger ones may be in use


@dataclass(frozen=True)
class World:
    """A runtime as a client has it, and the secrets that no answer may hold."""

    env: Mapping[str, str]
    signing_key: str
    ids: Mapping[str, str]

    @property
    def secrets(self) -> tuple[str, ...]:
        password = urlsplit(self.env["DATABASE_URL"]).password or ""
        return tuple(found for found in (password, self.signing_key, self.env["AWS_SECRET_ACCESS_KEY"]) if found)

    def resolve(self, name: str) -> str:
        """What a placeholder stands for now: an id there is, or of a restore made for it."""
        if name == "@done":
            return self._restored()
        if name == "@undone":
            restore_id = self._restored()
            self._post(f"/restores/{restore_id}/undo")
            return restore_id
        return self.ids.get(name.removeprefix("@"), name)

    def prune(self) -> None:
        """Take away what earlier requests have made, so that lists stay short; what the ids name stays."""
        bucket = s3_client(self.env)
        limit = datetime.now(UTC) - _OLD
        for prefix in ("restores/", "backups/", "jobs/"):
            found: dict[str, list[str]] = {}
            pages = bucket.get_paginator("list_objects_v2").paginate(Bucket=self.env["BUCKET"], Prefix=prefix)
            for one in (one for page in pages for one in page.get("Contents", ())):
                if one["LastModified"] < limit:
                    parts = one["Key"].removeprefix(prefix).split("/")
                    name = parts[0] if prefix == "backups/" else parts[-1].removesuffix(".json")
                    found.setdefault(name, []).append(one["Key"])
            for name in sorted(found)[:-_KEPT]:
                if name not in self.ids.values() and (prefix != "restores/" or self._let_go(name)):
                    for key in found[name]:
                        bucket.delete_object(Bucket=self.env["BUCKET"], Key=key)

    def _let_go(self, restore_id: str) -> bool:
        """Whether a restore keeps no schema any more; one whose record is gone would keep it for ever."""
        answer = requests.post(f"{self.env['API_URL']}/restores/{restore_id}/accept", timeout=60)
        return answer.status_code == 200 or "it cannot be accepted" in answer.text

    def _restored(self) -> str:
        made = self._post("/restores", {"backup": self.ids["backup"], "tables": ["one", "child"]})
        return str(made["id"])

    def _post(self, path: str, body: Any = None) -> dict[str, Any]:
        answer = requests.post(self.env["API_URL"] + path, json=body, timeout=60)
        # Another process may be restoring at this moment; then this case goes with what there is.
        return answer.json() if answer.status_code in {200, 201} else {"id": self.ids["restore"]}


def seeded(runtime: Runtime) -> World:
    """Have the tables, a backup, a verification, a restore and a load in a runtime."""
    env = dict(runtime.env)
    fill(env)
    world = World(env, (runtime.state.folder / "signing.key").read_text(), {})
    http = env["API_URL"]

    def made(path: str, body: Any = None) -> str:
        answer = requests.post(http + path, json=body, timeout=60)
        assert answer.status_code == 201, answer.text
        return cast("str", answer.json()["id"])

    backup = made("/backups", {"tables": list(TABLES)})
    verification = made(f"/backups/{backup}/verify")
    restore = made("/restores", {"backup": backup, "tables": ["one", "child"]})
    key = "uploads/one/fuzz.csv"
    s3_client(env).put_object(Bucket=env["BUCKET"], Key=key, Body=b"7,seven\nx,y\n")
    return World(
        env,
        world.signing_key,
        {"backup": backup, "verification": verification, "restore": restore, "load": _load(http, key), "key": key},
    )


def fill(env: Mapping[str, str]) -> None:
    """The tables with their few rows, whatever was in them."""
    with closing(connect(env["DATABASE_URL"])) as connection, connection.cursor() as cursor:
        cursor.execute("SET foreign_key_checks = 0")
        for name, columns in TABLES.items():
            quoted = "`" + name.replace("`", "``") + "`"
            cursor.execute(f"DROP TABLE IF EXISTS {quoted}")
            cursor.execute(f"CREATE TABLE {quoted} ({columns}) CHARACTER SET utf8mb4")
        cursor.execute("INSERT INTO one VALUES (1, 'a'), (2, NULL)")
        cursor.execute("INSERT INTO child VALUES (1, 1)")
        cursor.execute("INSERT INTO every (whole, note) VALUES (18446744073709551615, 'é')")


def runtime_settings() -> dict[str, str]:
    """What a runtime of the fuzzer's is started with: the database that DATABASE_URL names, if it does."""
    return {"DATABASE_URL": url} if (url := os.environ.get("DATABASE_URL")) else {}


def _load(http: str, key: str) -> str:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        found = requests.get(f"{http}/loads", params={"key": key}, timeout=60).json()["loads"]
        if found and found[0]["state"] == "done":
            return cast("str", found[0]["id"])
        time.sleep(0.05)
    raise AssertionError(f"{key} was not loaded")
