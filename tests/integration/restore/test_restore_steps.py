"""Any order of restores, undos and accepts, and of what a user does to the tables between and during them.

A table is wholly the old one or wholly that of the backup, and undo brings back what was there when the tables were
exchanged. ``RESTORE_STEPS_SEED`` takes one order again.
"""

import contextlib
import os
import random
import time
from dataclasses import dataclass, field
from typing import Any

import pymysql
import pytest

from tableferry.restore import exchange
from tests.effort import effort, sample
from tests.support.lambdas import Answer
from tests.support.parts import Database
from tests.support.verbs import Picture, TableState, backup, picture, post, run, schemas

SEED = int(os.environ.get("RESTORE_STEPS_SEED") or time.time_ns() % 1_000_000)
STEPS = 24

PARENT = "CREATE TABLE parents (id INT PRIMARY KEY, v VARCHAR(20))"
CHILD = (
    "CREATE TABLE children (id INT PRIMARY KEY, parent INT, v INT,"
    " CONSTRAINT of_parent FOREIGN KEY (parent) REFERENCES parents (id))"
)
TABLES = ("parents", "children")

# What a user does; `{n}` is a number of its own, and what the server refuses is not done.
DONE_TO_TABLES = (
    "CREATE TRIGGER made_{n} BEFORE INSERT ON parents FOR EACH ROW SET @a = {n}",
    "CREATE TRIGGER fixed BEFORE UPDATE ON children FOR EACH ROW SET @a = {n}",
    "CREATE TRIGGER fixed BEFORE UPDATE ON outside FOR EACH ROW SET @a = {n}",
    "DROP TRIGGER fixed",
    "CREATE TABLE outside (id INT PRIMARY KEY, p INT, CONSTRAINT out_p FOREIGN KEY (p) REFERENCES parents (id))",
    "CREATE TABLE outside (id INT PRIMARY KEY, p INT)",
    "ALTER TABLE outside ADD CONSTRAINT out_p FOREIGN KEY (p) REFERENCES parents (id)",
    "ALTER TABLE outside DROP FOREIGN KEY out_p",
    "INSERT INTO outside SELECT MAX(id), MAX(id) FROM parents",
    "DROP TABLE outside",
    "DROP TABLE children",
    "RENAME TABLE children TO moved",
    "RENAME TABLE moved TO children",
    "DROP TABLE moved",
    "ALTER TABLE children DROP FOREIGN KEY of_parent",
    "ALTER TABLE parents ADD COLUMN c_{n} INT DEFAULT {n}",
    "INSERT INTO parents (id) VALUES ({n})",
    "INSERT INTO children (id, parent) SELECT {n}, MIN(id) FROM parents",
    "UPDATE parents SET v = '{n}'",
    "DELETE FROM children",
    PARENT,
    CHILD,
)


@dataclass
class World:
    """The tables, and beside them what each backup has and what each restore has put aside."""

    database: Database
    chance: random.Random
    monkeypatch: pytest.MonkeyPatch
    number: int = 100
    backups: dict[str, dict[str, TableState]] = field(default_factory=dict)
    kept: dict[str, dict[str, TableState | None]] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)

    def step(self) -> None:
        steps = [self.user, self.user, self.back_up, self.restore, self.restore, self.undo, self.undo, self.accept]
        self.chance.choice(steps)()

    def user(self) -> None:
        """Do one thing to the tables, if the server lets it be done."""
        self.number += 1
        statement = self.chance.choice(DONE_TO_TABLES).format(n=self.number)
        with contextlib.suppress(pymysql.err.MySQLError):
            run(self.database, statement)
            self.told.append(statement)

    def back_up(self) -> None:
        there = picture(self.database).tables
        if names := [name for name in TABLES if name in there]:
            self.backups[backup(*names)["id"]] = {name: there[name] for name in names}

    def restore(self) -> None:
        source, tables = self.chance.choice(list(self.backups.items()))
        names = self.chance.sample(sorted(tables), self.chance.randint(1, len(tables)))
        answer, before = self.exchanged("/restores", {"backup": source, "tables": names})
        if answer.status == 201:
            self.holds(before, {name: tables[name] for name in names})
            self.kept[answer.json["id"]] = {name: before.tables.get(name) for name in names}

    def undo(self) -> None:
        if self.kept:
            restore_id, old = self.chance.choice(list(self.kept.items()))
            answer, before = self.exchanged(f"/restores/{restore_id}/undo")
            if answer.status == 200:
                self.holds(before, old)
                if answer.json["kept"] is None:  # what had been restored was dropped: there is nothing to accept
                    del self.kept[restore_id]

    def accept(self) -> None:
        if self.kept:
            restore_id = self.chance.choice(list(self.kept))
            before = picture(self.database).tables
            answer = post(f"/restores/{restore_id}/accept")
            assert answer.status in (200, 409), answer.text
            assert picture(self.database).tables == before
            if answer.status == 200:
                del self.kept[restore_id]

    def exchanged(self, path: str, body: Any = None) -> tuple[Answer, Picture]:
        """The answer, and how the tables were when they were, or would have been, exchanged: a user may come between."""
        before = [picture(self.database)]
        place = self.chance.choice([None, "_try", "trade"])

        def between(real: Any) -> Any:
            left = [1]

            def called(*given: Any, **more: Any) -> Any:
                if left:
                    left.pop()
                    for _ in range(3):
                        self.user()
                    before.append(picture(self.database))
                return real(*given, **more)

            return called

        with self.monkeypatch.context() as patched:
            if place:
                patched.setattr(exchange, place, between(getattr(exchange, place)))
            answer = post(path, body)
        self.told.append(f"{path} {body} {place}: {answer.text}")
        assert answer.status in (200, 201, 409), answer.text
        if answer.status == 409:
            assert picture(self.database).tables == before[-1].tables
        return answer, before[-1]

    def holds(self, before: Picture, wanted: dict[str, Any]) -> None:
        """These tables are as wanted, where None means not there, and all others as before."""
        expected = {name: state for name, state in {**before.tables, **wanted}.items() if state is not None}
        assert picture(self.database).tables == expected


@pytest.mark.parametrize("turn", range(effort(1, 50)))
@sample(1)
def test_restores_and_a_user_in_any_order(
    database: Database, bucket: str, monkeypatch: pytest.MonkeyPatch, turn: int
) -> None:
    monkeypatch.setattr("tableferry.mysql.retry._LOCK_TRIES", 2)
    other = schemas(database)
    run(
        database,
        PARENT,
        CHILD,
        "INSERT INTO parents VALUES (1, 'a'), (2, 'b')",
        "INSERT INTO children VALUES (1, 1, 1)",
    )
    world = World(database, random.Random(SEED + turn), monkeypatch)  # noqa: S311
    try:
        world.back_up()
        for _ in range(STEPS):
            world.step()
        for name in ("outside", "moved", "children", "parents"):
            run(database, f"DROP TABLE IF EXISTS {name}")
        first, tables = next(iter(world.backups.items()))
        done = post("/restores", {"backup": first})
        assert done.status == 201, done.text
        assert picture(database).tables == tables
        assert post(f"/restores/{done.json['id']}/undo").status == 200
        assert picture(database).tables == {}
        for restore_id in [*world.kept, done.json["id"]]:
            assert post(f"/restores/{restore_id}/accept").status == 200
        assert schemas(database) == other
    except BaseException:
        print(f"RESTORE_STEPS_SEED={SEED + turn}", *world.told, sep="\n")
        raise
