"""Ways taken in turn, so that what else the machine does falls on all of them alike; and what came of it."""

import shutil
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.peers import tables
from benchmarks.peers.measure import Cost
from benchmarks.peers.place import Place
from benchmarks.peers.tables import Made
from benchmarks.peers.ways import Way
from local.demo import sample
from local.demo.expect import Unexpected

_TRIES = 3

Told = Callable[[str], None]


@dataclass
class Result:
    """One way's turns on one table. ``failed`` is why there are none, or fewer."""

    table: Made
    way: Way
    costs: list[Cost] = field(default_factory=list)
    failed: str = ""


@dataclass
class Measured:
    """One table: the ways by key. ``bytes`` is what the server sends of the whole table."""

    table: Made
    bytes: int = 0
    results: dict[str, Result] = field(default_factory=dict)

    def ratios(self, key: str, other: str, what: Callable[[Cost], float | None]) -> list[float]:
        """By how many times the other way takes what this one does, turn by turn."""
        pairs = zip(*(self.results[name].costs if name in self.results else () for name in (key, other)), strict=False)
        figures = [(what(ours), what(theirs)) for ours, theirs in pairs]
        return [theirs / ours for ours, theirs in figures if ours and theirs is not None]


def measure(place: Place, table: Made, drain: Way, ways: Mapping[str, Way], turns: int | None, told: Told) -> Measured:
    """Make the table, take turns (or its own number of them) to back it up, then to bring it back; it goes again."""
    measured = Measured(table)
    with made(place, table):
        measured.bytes = drain.run(table, place.folder).size or 0
        for verb in ("backup", "restore"):
            pairs = [(table, way) for way in ways.values() if way.verb == verb]
            found = rounds(place, pairs, turns or table.turns, told)
            measured.results |= {result.way.key: result for result in found}
    return measured


def rounds(place: Place, pairs: Sequence[tuple[Made, Way]], turns: int, told: Told) -> list[Result]:
    """Each pair once untimed, and then so many times; every other round backwards, so that none always follows the same.

    Another's that fails may try again: myloader's threads stand in each other's way now and then, and it gives up.

    Raises:
        Unexpected: one of ours failed. Of another's, its result tells.
    """
    results = [Result(table, way, failed=way.missing and f"not installed: {way.missing}") for table, way in pairs]
    with _folder(place.folder / "prepared") as prepared:
        for turn in range(turns + 1):
            for result in results if turn % 2 == 0 else reversed(results):
                if not result.failed:
                    told(f"{result.table.name}: {result.way.name}: {turn or 'warm-up'}")
                    for _ in range(1 if result.way.ours else _TRIES):
                        result.failed = ""
                        _turn(place, result, prepared / f"{result.table.name}-{result.way.key}", timed=turn > 0)
                        if not result.failed:
                            break
    return results


def _turn(place: Place, result: Result, kept: Path, timed: bool) -> None:
    table, way = result.table, result.way
    with _folder(place.folder / "scratch") as scratch:
        try:
            if way.verb == "restore" and not kept.exists():
                kept.mkdir()
                try:
                    way.prepare(table, kept)
                except Unexpected:
                    shutil.rmtree(kept)  # half of it is nothing to try again with
                    raise
            place.settle()
            cost = way.run(table, kept if way.verb == "restore" else scratch)
        except Unexpected as error:
            if way.ours:
                raise
            result.failed = str(error)
        else:
            result.costs += [cost] if timed else []


@contextmanager
def _folder(path: Path) -> Iterator[Path]:
    path.mkdir()
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextmanager
def made(place: Place, table: Made) -> Iterator[None]:
    """A table, and the backups in the bucket, for as long as the block lasts."""
    with closing(sample.connect(place.as_administrator(place.database))) as connection:
        tables.build(connection, table)
    place.trim()
    place.write_out()
    try:
        yield
    finally:
        place.run(f"DROP TABLE `{place.database}`.`{table.name}`")
        place.forget("")


def median(costs: Sequence[Cost], what: Callable[[Cost], float | None]) -> float | None:
    """Of a figure of the turns; None where it is not known of each."""
    known = [value for cost in costs if (value := what(cost)) is not None]
    return statistics.median(known) if len(known) == len(costs) and known else None
