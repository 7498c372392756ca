"""What was measured beside others, as Markdown: a table for each table, the ratios, how it grows, and how to read them."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.common.report import duration, markdown_row, mebibytes
from benchmarks.peers.growth import Growth
from benchmarks.peers.measure import Cost
from benchmarks.peers.place import Place
from benchmarks.peers.turns import Measured, Result, median

_HEADS = (
    "way", "median", "min to max", "rows/s", "MB/s", "CPU s, client", "CPU s, server", "peak memory", "size",
)  # fmt: skip


@dataclass(frozen=True)
class Ratio:
    """Two ways by what they take, the other's by ours: above 1, ours takes less."""

    name: str
    ours: str
    theirs: str
    what: Callable[[Cost], float | None]


def _seconds(cost: Cost) -> float:
    return cost.seconds


def _server(cost: Cost) -> float | None:
    return cost.server


RATIOS = (
    Ratio("speed of a backup, Parquet, by that of mydumper", "parquet", "mydumper", _seconds),
    Ratio("speed of a backup, CSV, by that of mydumper", "csv", "mydumper", _seconds),
    Ratio("speed of a backup, Parquet, by that of mydumper, compressed", "parquet", "mydumper-zipped", _seconds),
    Ratio("speed of a backup, Parquet, by that of mysqldump | zstd -1", "parquet", "mysqldump", _seconds),
    Ratio("speed of a backup, Parquet, by that of the drained SELECT", "parquet", "drain", _seconds),
    Ratio("server's CPU of mydumper by that of a backup, Parquet", "parquet", "mydumper", _server),
    Ratio("speed of a restore by that of myloader", "restore", "myloader", _seconds),
    Ratio("speed of a restore by that of mysql < dump", "restore", "mysql", _seconds),
    Ratio("speed of a restore by that of LOAD DATA", "restore", "load-data", _seconds),
    Ratio("server's CPU of myloader by that of a restore", "restore", "myloader", _server),
)

_NOTES = """\
Each way ran once untimed, then in turn with the others, every other round backwards: first the ways out, then the ways
back. Before each turn the server had come to rest. MB are the bytes that the server sends of the table, whatever the way
makes of them. Ratios are of the same turn: the median, and in brackets the least and the most.

- Tableferry runs in a process of its own, as a function does; its time is that of the backup or the restore, and its
  processor time too. Starting Python and reading in the packages took {start} (median), once for a process.
- The null store counts what it is given and forgets it. The S3 emulator is on the same machine, which it takes processor
  time of that is in neither column: {out} (median) for a backup of {first}, {back} for its restore.
- A restore of Tableferry's reads the table back and holds its digest against the backup's. The others verify nothing.
- mydumper writes plain SQL into files (`--rows` of a sixteenth of the table: without it one thread has all to do), and
  gzips it with `--compress`. Their files go to the disk's cache, as do those of `mysqldump`.
- `mysqldump` and `mysql` are those of the distribution's MariaDB, on MySQL too: `--single-transaction --hex-blob --triggers`.
- `myloader --enable-binlog`, as all others write the binary log too; LOAD DATA has a file of stored bytes.
- {encrypted}
- Peak memory is that of the client: of a pipe, the sum of its programs' peaks, each no less than the 10 MiB of what starts
  it. A server's processor time is known to a hundredth of a second, and includes what it does in the background meanwhile.
- {others} of the machine's processor time (median of the turns) went to what is not measured here: of what took turns on a
  machine that others use, only the ratios and the processor times are worth something.
"""
_NO_TLS = "The server offers no TLS: no connection is encrypted."


def report(
    facts: Mapping[str, str], place: Place, measured: Sequence[Measured], growth: Growth | None, plot: str
) -> str:
    """The whole page of one server; ``plot`` is the picture's name."""
    lines = [f"# Beside others, on {facts['server'].partition(' (')[0]}", ""]
    lines += [
        f"Made by `make bench-peers`; {place.threads} threads or connections each, where a way has them.", "",
        *(f"- {name}: {value}" for name, value in facts.items()), "",
        f"![Rows a second, by table and way]({plot})", "",
    ]  # fmt: skip
    for one in measured:
        lines += [f"## {one.table.rows:,} {one.table.title}", "", f"Turns: {_turns(one)}.", "", *_table(one), ""]
    lines += ["## Ratios", "", "Above 1, Tableferry is the faster one, or the one that takes less.", ""]
    lines += [*_ratios(measured), ""]
    if growth:
        lines += ["## How it grows", "", growth.text(), ""]
    return "\n".join([*lines, "## How to read this", "", _notes(place, measured)])


def _turns(one: Measured) -> int:
    return max((len(result.costs) for result in one.results.values()), default=0)


def _table(one: Measured) -> list[str]:
    rows = [_row(one, result) for result in one.results.values()]
    return [markdown_row(_HEADS), "|" + "---|" * len(_HEADS), *rows]


def _row(one: Measured, result: Result) -> str:
    name = _escaped(result.way.name)
    if not result.costs:
        said = result.failed.strip().split("\n")
        why = ": ".join(dict.fromkeys((said[0], said[-1])))  # of a program that failed, its last word
        return markdown_row((name, _escaped(why), *("-" for _ in _HEADS[2:])))
    seconds = [cost.seconds for cost in result.costs]
    middle = statistics.median(seconds)
    return markdown_row(
        (
            name,
            duration(middle),
            f"{duration(min(seconds))} to {duration(max(seconds))}",
            f"{one.table.rows / middle:,.0f}",
            f"{one.bytes / middle / 1e6:,.1f}",
            _figure(median(result.costs, lambda cost: cost.client)),
            _figure(median(result.costs, _server)),
            mebibytes(max(cost.peak for cost in result.costs)),
            _megabytes(median(result.costs, lambda cost: cost.size)),
        )
    )


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")


def _ratios(measured: Sequence[Measured]) -> list[str]:
    lines = [
        markdown_row(["", *(one.table.name for one in measured)]),
        "|" + "---|" * (len(measured) + 1),
    ]
    for ratio in RATIOS:
        found = [one.ratios(ratio.ours, ratio.theirs, ratio.what) for one in measured]
        if any(found):
            lines.append(markdown_row([_escaped(ratio.name), *map(_spread, found)]))
    return lines


def _spread(ratios: Sequence[float]) -> str:
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})" if ratios else "-"


def _notes(place: Place, measured: Sequence[Measured]) -> str:
    every = [cost for one in measured for result in one.results.values() for cost in result.costs]
    others = median(every, lambda cost: cost.others)
    ours = [cost for one in measured for result in one.results.values() if result.way.ours for cost in result.costs]
    first = measured[0]
    return _NOTES.format(
        others="An unknown share" if others is None else f"{others:.0%}",
        start=duration(median(ours, lambda cost: cost.start) or 0.0),
        first=first.table.name,
        out=_stored(first, "parquet-s3"),
        back=_stored(first, "restore"),
        encrypted="The server offers TLS: all connections are encrypted." if place.encrypted else _NO_TLS,
    )


def _figure(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds:.2f}"


def _megabytes(size: float | None) -> str:
    return "-" if size is None else f"{size / 1e6:,.1f} MB"


def _stored(one: Measured, key: str) -> str:
    """The processor time of the S3 emulator for a way."""
    known = median(one.results[key].costs, lambda cost: cost.store) if key in one.results else None
    return "-" if known is None else duration(known)
