"""Over how many functions a backup goes, and whether it can end in time: decided before anything is begun.

All that is known beforehand is an estimate. InnoDB's own of a table's rows is wrong by 40 to 50 % at times
(https://dev.mysql.com/doc/refman/8.4/en/information-schema-tables-table.html), and how fast a server gives rows away is
known only from backups that are done. So an estimate works in two ways. It is taken ``CAREFUL`` times for how many
functions are asked: one too many costs little. And it has to be beyond a function's time by a factor, ``DOUBT``, before a
backup is refused for it: what might work is tried.

Sizes are those of the catalog (``data_length``). A manifest knows none of them, but rows, by table, exactly. So what a
backup went through is the rows that it has, times the bytes that a row of the table has by the catalog: the measure in
which the next one is estimated, and an error in it is in both.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Literal

from tableferry.errors import CannotEndInTime
from tableferry.schema.table import Table

Source = Literal["live", "static"]
"""``live``: one moment of a database that is written to, which all functions see at once, each in a single invocation.
``static``: a source that stands still, from which functions read one after the other for as long as it takes."""

DEFAULT_BYTES_PER_SECOND = 1e9 / 47
"""Of one function, where no backup shows it: 47 s for each GB of table, as docs/deploy.md has measured."""

USABLE = 13 / 15
"""Of the time that a function has: the rest is for its start, the catalog, the moment, the manifest, and S3's slow days."""

CAREFUL = 1.5
"""So much longer than expected a backup may take, and still end in time: for this, functions are added."""

DOUBT: Mapping[str, float] = {"measured": 2.0, "default": 4.0}
"""What is expected to take more than so many times the usable time is refused, by how the speed is known."""

SHARED = 0.85
"""What a function does of its own speed when there are several."""

ALONE = 1.6
"""So many times as fast are a function's connections together as one of them."""

GATHERING_SECONDS = 30.0
"""Until several functions have started and met, and until the last step has put together what they did."""

COMPARABLE_BYTES = 64 * 1024 * 1024
"""A backup of fewer bytes says nothing of a large one: it is made of beginnings and ends."""

COMPARED = 5
"""So many of the newest backups are looked at; their median counts."""


@dataclass(frozen=True, slots=True)
class Size:
    """What is to be backed up, by the catalog's estimate.

    ``longest`` is the bytes of the largest part that has to be read by one connection, and ``longest_table`` whose it is;
    0 where that is not known. In ``ranges`` it can be divided; None where that is not known.
    """

    bytes: int
    rows: int
    longest: int = 0
    longest_table: str = ""
    ranges: int | None = None

    @classmethod
    def of(cls, tables: Iterable[Table], ranges: Mapping[str, int] | None = None) -> Size:
        """The size of tables that the catalog describes, and that are divided into so many ranges, where that is known."""
        found = list(tables)
        size, rows = sum(table.bytes_estimate for table in found), sum(table.rows_estimate for table in found)
        if ranges is None:
            return cls(size, rows)
        parts = [(table.bytes_estimate // max(1, ranges.get(table.name, 1)), table.name) for table in found]
        longest, name = max(parts, default=(0, ""))
        return cls(size, rows, longest, name, sum(ranges.get(table.name, 1) for table in found))


@dataclass(frozen=True, slots=True)
class Past:
    """A backup that is done: how long it took, over how many functions, and of each table its rows and stored bytes."""

    id: str
    seconds: float
    workers: int
    tables: Mapping[str, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast one function reads, in the catalog's bytes a second; from which ``backups``, if it was measured.

    ``stored`` is the bytes in the bucket for each byte of the catalog, where that was measured.
    """

    bytes_per_second: float = DEFAULT_BYTES_PER_SECOND
    how: Literal["measured", "default"] = "default"
    backups: tuple[str, ...] = ()
    stored: float | None = None


@dataclass(frozen=True, slots=True)
class Allowed:
    """What a backup may use.

    ``seconds`` is what a function has (infinite where nobody ends it), ``scale`` whether there may be several, ``workers``
    how many at most, ``connections`` those of each, and ``alone`` those of the one where one does it all. ``free`` is how
    many connections the server has left; None where that is not known. Several functions see one live moment only if the
    user may lock tables (``lockable``). ``sources`` are tried in their order.
    """

    seconds: float
    scale: bool = False
    workers: int = 8
    connections: int = 2
    alone: int = 2
    free: int | None = None
    lockable: bool = True
    sources: tuple[Source, ...] = ("live",)


@dataclass(frozen=True, slots=True)
class Choice:
    """How a backup is to be done: from which source, over how many functions (``workers``), with how many connections each.

    ``seconds`` is what it is expected to take, ``usable`` what it has (infinite: no end). ``refusal`` says why it is not
    begun; empty if it is.
    """

    source: Source
    workers: int
    connections: int
    seconds: float
    usable: float
    pace: Pace
    refusal: str = ""

    @property
    def one(self) -> bool:
        """Whether one function does it all by itself, without a state machine."""
        return self.source == "live" and self.workers == 1

    @property
    def all_connections(self) -> int:
        """Those of all functions, with the ones that look into the catalog and hold the moment."""
        return self.workers * self.connections + 2

    @property
    def doubtful(self) -> bool:
        """Whether it is begun though by the estimate it does not end in time."""
        return not self.refusal and self.seconds > self.usable

    def accepted(self) -> Choice:
        """This choice; raises CannotEndInTime if it is a refusal."""
        if self.refusal:
            raise CannotEndInTime(self.refusal)
        return self


def choose(size: Size, pace: Pace, allowed: Allowed, wanted: int | None = None) -> Choice:
    """How a backup of this size is to be done, or why it is not; changes nothing and asks nobody.

    Over as few functions as are enough; or over as many as are ``wanted``, if so many are allowed. More bytes never make
    fewer functions, and it is refused only if the most that are allowed are expected to take ``DOUBT`` times what they have.
    """
    usable = allowed.seconds * USABLE
    if "live" in allowed.sources:
        most = _most(size, allowed, wanted) if allowed.lockable else 1
        workers = most if wanted else _enough(size, pace, usable, most)
        live = Choice("live", workers, _each(allowed, workers), expected(size, pace, workers), usable, pace)
        if expected(size, pace, most) <= usable * DOUBT[pace.how]:
            return live
        if "static" not in allowed.sources:
            told = _refusal(size, pace, allowed, most, usable, wanted)
            return Choice("live", most, _each(allowed, most), expected(size, pace, most), usable, pace, told)
    most = _most(size, allowed, wanted)
    return Choice("static", most, _each(allowed, most), expected(size, pace, most), math.inf, pace)


def expected(size: Size, pace: Pace, workers: int) -> float:
    """For how many seconds a backup goes on over so many functions; it cannot be shorter than its longest part."""
    alone = size.longest * ALONE / pace.bytes_per_second
    if workers == 1:
        return max(size.bytes / pace.bytes_per_second, alone)
    return max(size.bytes / (pace.bytes_per_second * workers * SHARED), alone) + GATHERING_SECONDS


def asked_of_volume(size: Size, pace: Pace, workers: int) -> float:
    """The bytes a second that so many functions together read of the server, while they all read."""
    return size.bytes / (expected(size, pace, workers) - (GATHERING_SECONDS if workers > 1 else 0.0))


def reach(seconds: float, bytes_per_second: float) -> float:
    """The bytes that a live moment can have, however many functions read it, if the server gives so many a second."""
    return seconds * USABLE * bytes_per_second


def measured(backups: Iterable[Past], tables: Iterable[Table]) -> Pace:
    """The speed of one function, by the newest backups that can be compared, given newest first.

    ``tables`` are those of the database as they are now. What a backup has of others counts by what it stored of them.
    Where none can be compared, it is the default.
    """
    width = {table.name: table.bytes_estimate / table.rows_estimate for table in tables if table.rows_estimate}
    found: list[tuple[Past, float, float]] = []
    for past in backups:
        size, stored = _size_then(past, width)
        seconds = past.seconds - (GATHERING_SECONDS if past.workers > 1 else 0.0)
        if size >= COMPARABLE_BYTES and seconds > 0:
            speed = size / seconds / (past.workers * SHARED if past.workers > 1 else 1)
            found.append((past, speed, stored / size))
        if len(found) == COMPARED:
            break
    if not found:
        return Pace()
    return Pace(
        bytes_per_second=median(speed for _, speed, _ in found),
        how="measured",
        backups=tuple(past.id for past, _, _ in found),
        stored=median(stored for _, _, stored in found),
    )


def _size_then(past: Past, width: Mapping[str, float]) -> tuple[float, int]:
    """What a backup went through, in the catalog's bytes, and what it stored of it; no bytes if its tables are gone."""
    known = {name: count for name, count in past.tables.items() if name in width}
    size = sum(rows * width[name] for name, (rows, _) in known.items())
    stored = sum(count for _, count in known.values())
    whole = sum(count for _, count in past.tables.values())
    return (size * whole / stored if stored else 0.0), whole


def _most(size: Size, allowed: Allowed, wanted: int | None) -> int:
    """The most functions that may do it, and that would have something to do and a connection to do it by."""
    limits = [allowed.workers if allowed.scale else 1, wanted, allowed.free, size.ranges]
    return max(1, min(limit for limit in limits if limit is not None))


def _enough(size: Size, pace: Pace, usable: float, most: int) -> int:
    """The fewest functions that are sure to end in time; the most, if none are."""
    few = (workers for workers in range(1, most) if expected(size, pace, workers) * CAREFUL <= usable)
    return next(few, most)


def _each(allowed: Allowed, workers: int) -> int:
    """The connections of each function: fewer than are allowed, rather than fewer functions."""
    if workers == 1:
        return allowed.alone
    return allowed.connections if allowed.free is None else max(1, min(allowed.connections, allowed.free // workers))


def _refusal(size: Size, pace: Pace, allowed: Allowed, most: int, usable: float, wanted: int | None) -> str:
    """That it cannot end in time, with the figures, and what to do."""
    functions = "one function" if most == 1 else f"{most} functions"
    speed = f"{pace.bytes_per_second / 1e6:,.1f} MB a second each"
    basis = "as the last backups went" if pace.backups else "the default, as no backup shows how fast it is"
    seconds = expected(size, pace, most)
    advice = []
    if seconds == _alone(size, pace, most):
        advice.append(
            f"give table {size.longest_table!r} a primary key that has ranges, so that several connections can read it"
        )
    elif not allowed.scale:
        advice.append("set SCALE=on, so that it goes over several functions")
    elif not allowed.lockable:
        advice.append("grant LOCK TABLES, so that several functions can see one moment (sources/grants.sql)")
    elif wanted is not None and most == wanted < allowed.workers:
        advice.append("ask for more `workers`")
    elif allowed.free is not None and most == allowed.free < allowed.workers:
        advice.append(f"have the server take more connections, of which it has {allowed.free} left")
    else:
        advice.append("allow more functions (SCALE_WORKERS)")
    advice.append("name fewer tables for each backup")
    advice.append("take an RDS snapshot")
    said = f"{', '.join(advice[:-1])}, or {advice[-1]}"
    return (
        f"The tables have about {size.bytes / 1e9:,.1f} GB by the server's estimate. On {functions} that takes about "
        f"{seconds:,.0f} seconds ({speed}, {basis}), and there are {usable:,.0f}. Nothing was begun: {said}."
    )


def _alone(size: Size, pace: Pace, workers: int) -> float:
    """What :func:`expected` is where the longest part decides it."""
    return size.longest * ALONE / pace.bytes_per_second + (GATHERING_SECONDS if workers > 1 else 0.0)
