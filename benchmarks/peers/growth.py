"""How a backup and a restore grow with the table: the time of a million rows, and the memory."""

import statistics
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

from benchmarks.common.report import duration, markdown_row, mebibytes
from benchmarks.peers.measure import Cost
from benchmarks.peers.place import Place
from benchmarks.peers.tables import EMPLOYEES
from benchmarks.peers.turns import Told, made, median, rounds
from benchmarks.peers.ways import Way

KEYS = ("parquet", "csv", "restore")
_HEADS = ("way", "rows", "median", "min to max", "of a million rows", "by that of the size before", "peak memory")
_MILLION = 1_000_000


@dataclass
class Growth:
    """The turns of each way, by the number of rows."""

    ways: Mapping[str, Way]
    costs: dict[str, dict[int, Sequence[Cost]]] = field(default_factory=dict)

    def text(self) -> str:
        """A table of Markdown."""
        lines = [markdown_row(_HEADS), "|" + "---|" * len(_HEADS)]
        for key, sizes in self.costs.items():
            before = None
            for rows, costs in sizes.items():
                seconds = [cost.seconds for cost in costs]
                each = self.of_a_million(key, rows)
                cells = (
                    self.ways[key].name, f"{rows:,}", duration(statistics.median(seconds)),
                    f"{duration(min(seconds))} to {duration(max(seconds))}", duration(each), f"{each / before:.2f}" if before else "-",
                    mebibytes(max(cost.peak for cost in costs)),
                )  # fmt: skip
                lines.append(markdown_row(cells))
                before = each
        return "\n".join(lines)

    def of_a_million(self, key: str, rows: int) -> float:
        """The median time of a million rows, in seconds."""
        return (median(self.costs[key][rows], lambda cost: cost.seconds) or 0.0) * _MILLION / rows


def grow(place: Place, ways: Mapping[str, Way], sizes: Sequence[int], turns: int, told: Told) -> Growth:
    """Employees, so many thousand, million and so on, in turn; the disk holds the largest about four times."""
    growth = Growth({key: ways[key] for key in KEYS if key in ways})
    tables = [replace(EMPLOYEES, name=f"employees_{rows}", rows=rows) for rows in sizes]
    with ExitStack() as stack:
        for table in tables:
            told(f"{table.name}: made")
            stack.enter_context(made(place, table))
        for key, way in growth.ways.items():
            results = rounds(place, [(table, way) for table in tables], turns, told)
            growth.costs[key] = {result.table.rows: result.costs for result in results}
    return growth
