"""Any order of loads, keyed requests, backups, restores, undos, accepts and retries: no row is missing, and none is twice.

What should be there is kept beside: which lines of which file, and which requests, each table and each backup has.
``LEDGER_STEPS_SEED`` takes one order again.
"""

import os
import random
import time
from dataclasses import dataclass, field
from typing import Any

import pytest

from functions.insert.app import handler as insert_handler
from functions.load.app import handler
from tableferry.errors import DatabaseUnavailable
from tests.effort import sample
from tests.integration.ledger.test_ledger_epoch import KEYLESS, at_block
from tests.support.lambdas import Json, invoke, request
from tests.support.parts import Database
from tests.support.uploads import Uploads
from tests.support.verbs import backup, post, restore

SEED = int(os.environ.get("LEDGER_STEPS_SEED") or time.time_ns() % 1_000_000)
STEPS = 16
LINES = 30

Rows = frozenset[int]


@dataclass
class World:
    """The table, and what it should hold: ``live`` now, each backup and each copy that is kept."""

    database: Database
    uploads: Uploads
    chance: random.Random
    monkeypatch: pytest.MonkeyPatch
    live: Rows = frozenset()
    events: dict[int, Json] = field(default_factory=dict)
    backups: dict[str, Rows] = field(default_factory=dict)
    restored: list[tuple[str, Rows]] = field(default_factory=list)
    sources: int = 0

    def step(self) -> str:
        steps = [self.load, self.die, self.insert, self.back_up, self.restore, self.undo, self.accept]
        step = self.chance.choice([*steps, self.again, self.again, self.key_again, self.event_again])
        step()
        return step.__name__

    def load(self) -> None:
        number = self.file()
        assert self.deliver(number)["state"] == "done"
        self.live |= lines_of(number)

    def die(self) -> None:
        number = self.file()

        def die() -> None:
            raise DatabaseUnavailable("away")

        with at_block(self.monkeypatch, self.chance.randint(1, 3), die), pytest.raises(DatabaseUnavailable):
            self.deliver(number)
        self.live |= self.seen() & lines_of(number)

    def again(self) -> None:
        """A retry: then all of the file is there, whatever was."""
        if self.events:
            number = self.chance.choice(sorted(self.events))
            answer = request(handler, "POST", f"/loads/{self.load_id(number)}/retry")
            assert (answer.status, answer.json["state"]) == (200, "done")
            self.live |= lines_of(number)

    def event_again(self) -> None:
        """An event that comes again may go on with a load, and does not take back a restore."""
        if self.events:
            number = self.chance.choice(sorted(self.events))
            whole = self.deliver(number)["state"] == "done"
            came = self.seen() - self.live
            assert came in (frozenset(), lines_of(number) - self.live)
            assert whole or not came
            self.live |= came

    def insert(self) -> None:
        self.sources += 1
        self.send(self.sources)

    def key_again(self) -> None:
        keys = [number for number in range(1, self.sources + 1) if number not in self.events]
        if keys:
            self.send(self.chance.choice(keys))

    def back_up(self) -> None:
        self.backups[backup("t")["id"]] = self.live

    def restore(self) -> None:
        if self.backups:
            made = self.chance.choice(sorted(self.backups))
            self.restored.append((restore(made, tables=["t"])["id"], self.live))
            self.live = self.backups[made]

    def undo(self) -> None:
        if self.restored:
            restore_id, before = self.restored.pop()
            assert post(f"/restores/{restore_id}/undo").status == 200
            assert post(f"/restores/{restore_id}/accept").status == 200
            self.live = before

    def accept(self) -> None:
        if self.restored:
            restore_id, _ = self.restored.pop(self.chance.randrange(len(self.restored)))
            assert post(f"/restores/{restore_id}/accept").status == 200

    def file(self) -> int:
        self.sources += 1
        body = "".join(f"{row},x\n" for row in sorted(lines_of(self.sources))).encode()
        self.events[self.sources] = self.uploads.put(body, name=f"{self.sources}.csv")
        return self.sources

    def deliver(self, number: int) -> Json:
        (status,) = invoke(handler, self.events[number])
        return dict(status)

    def load_id(self, number: int) -> str:
        (status,) = request(
            handler, "GET", "/loads", query={"key": self.events[number]["Records"][0]["s3"]["object"]["key"]}
        ).json["loads"]
        return str(status["id"])

    def send(self, number: int) -> None:
        answer = request(
            insert_handler,
            "POST",
            "/tables/t/rows",
            body=[[number * 100, "x"]],
            headers={"Idempotency-Key": str(number)},
        )
        assert (answer.status, answer.json["inserted"]) == (201, 1)
        self.live |= {number * 100}

    def seen(self) -> Rows:
        rows = self.database.rows("SELECT id FROM t")
        assert len(set(rows)) == len(rows)
        return frozenset(row for (row,) in rows)


def lines_of(number: int) -> Rows:
    return frozenset(range(number * 100, number * 100 + LINES))


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("turn", range(3))
@sample(1)
def test_in_any_order_no_row_is_missing_and_none_is_there_twice(
    database: Database, uploads: Uploads, monkeypatch: pytest.MonkeyPatch, turn: int, record_property: Any
) -> None:
    database.run(KEYLESS)
    record_property("seed", SEED)
    world = World(database, uploads, random.Random(SEED + turn), monkeypatch)  # noqa: S311  # no secret
    taken = [f"LEDGER_STEPS_SEED={SEED}"]
    for _ in range(STEPS):
        taken.append(world.step())
        assert world.seen() == world.live, taken
