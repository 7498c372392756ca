"""`make bench-peers`: backup and restore beside mydumper, mysqldump and the plain ways, on the same tables in one run.

Starts a server and an S3 of its own for each kind, and takes them away afterwards. What comes of it goes into `docs/`:
`performance-mariadb.md` and `.png`, `performance-mysql.md` and `.png`.
"""

import argparse
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.common import server
from benchmarks.common.machine import machine
from benchmarks.peers import growth as peers_growth
from benchmarks.peers import report, rivals
from benchmarks.peers import tables as peers_tables
from benchmarks.peers import turns as peers_turns
from benchmarks.peers.growth import Growth
from benchmarks.peers.place import Place, place_on
from benchmarks.peers.turns import Measured
from benchmarks.peers.ways import KEYS, Way, ways
from local.demo.expect import Unexpected
from local.runtime.process import StartError
from local.runtime.state import ROOT, State

_NAMES = tuple(table.name for table in peers_tables.TABLES)
_GROWTH = (300_000, 3_000_000, 30_000_000)


@dataclass(frozen=True)
class Options:
    """What a command line asks for.

    ``turns`` without a number are those of each table; ``growth`` is the sizes of growing tables, on the first server.
    """

    servers: tuple[str, ...] = server.KINDS
    tables: tuple[str, ...] = _NAMES
    cases: tuple[str, ...] = KEYS
    turns: int | None = None
    scale: float = 1.0
    threads: int = 2
    growth: tuple[int, ...] = ()
    out: Path = ROOT / "docs"


def main(arguments: Sequence[str] = ()) -> int:
    """Measure, and write pages and pictures; 0 when all of ours came to its end."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # else what was started would stay
    asked = options(arguments)
    asked.out.mkdir(parents=True, exist_ok=True)
    try:
        for kind in asked.servers:
            with place_on(kind, State.from_env().folder / f"peers-{kind}", asked.threads) as place:
                measure(place, kind, asked)
            asked = replace(asked, growth=())
    except (StartError, Unexpected) as error:
        print(f"Tableferry: {error}", file=sys.stderr)
        return 1
    return 0


def measure(place: Place, kind: str, asked: Options) -> Path:
    """All that was asked for on one server; the page.

    Raises:
        Unexpected: a backup or a restore of ours was not as it should be.
    """
    found = ways(place)
    chosen: Mapping[str, Way] = {key: way for key, way in found.items() if key in asked.cases}
    measured: list[Measured] = []
    page = asked.out / f"performance-{kind}.md"
    for table in (table.scaled(asked.scale) for table in peers_tables.TABLES if table.name in asked.tables):
        measured.append(peers_turns.measure(place, table, found["drain"], chosen, asked.turns, _tell))
        _write(page, place, measured, None)  # after each table: a later one may fail
    if asked.growth:
        _write(
            page,
            place,
            measured,
            peers_growth.grow(place, chosen, asked.growth, asked.turns or peers_tables.TURNS, _tell),
        )
    print(page.read_text(encoding="utf-8"))
    return page


def _write(page: Path, place: Place, measured: Sequence[Measured], growth: Growth | None) -> None:
    from benchmarks.peers import plot as peers_plot  # its library takes a second to import

    plot = page.with_suffix(".png")
    peers_plot.draw(plot, f"Tableferry beside others: {place.described.partition(' (')[0]}", measured, growth)
    facts = machine(place.described)
    versions = [f"{name} {said}" for name in rivals.PACKAGES if (said := rivals.version(name))]
    facts["software"] = ", ".join([facts["software"], *versions])
    page.write_text(report.report(facts, place, measured, growth, plot.name), encoding="utf-8")


def options(arguments: Sequence[str]) -> Options:
    """What a command line asks for."""
    usual = Options()
    parser = argparse.ArgumentParser(prog="bench-peers", description="Measures backup and restore beside others.")
    parser.add_argument("--server", dest="servers", nargs="+", choices=server.KINDS, help="which, in turn (both)")
    parser.add_argument("--tables", nargs="+", choices=_NAMES, help="which tables (all)")
    parser.add_argument("--cases", nargs="+", choices=KEYS, help="which ways (all)")
    parser.add_argument(
        "--turns", type=int, help=f"how often each is timed ({peers_tables.TURNS}, but rows of 1 MiB once)"
    )
    parser.add_argument("--scale", type=float, help="so many times the rows (1)")
    parser.add_argument("--threads", type=int, help=f"threads or connections of each way ({usual.threads})")
    parser.add_argument(
        "--growth", type=int, nargs="*", metavar="ROWS",
        help=f"also tables of so many employees, on the first server (none; without figures {_GROWTH})",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, help="folder of the pages (docs)")
    found: dict[str, Any] = vars(parser.parse_args(arguments))
    given: dict[str, Any] = {name: value for name, value in found.items() if value is not None}
    given |= {name: tuple(value) for name, value in given.items() if isinstance(value, list)}
    if wrong := [name for name in ("turns", "scale", "threads") if given.get(name, 1) <= 0]:
        parser.error(f"--{' and --'.join(wrong)} must be more than 0")
    if "growth" in given:
        given["growth"] = given["growth"] or _GROWTH
    return replace(usual, **given)


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
