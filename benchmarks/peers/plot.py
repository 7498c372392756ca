"""The rows a second of each way as a picture."""

import statistics
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from benchmarks.peers.growth import Growth
from benchmarks.peers.turns import Measured, Result

_OURS, _THEIRS = "#1f6fb2", "#9aa5b1"
_VERBS = {"backup": "out", "restore": "back"}
_INCHES = 2.6


def draw(file: Path, title: str, measured: Sequence[Measured], growth: Growth | None) -> None:
    """Write a PNG: a row of charts for each table, ways out and ways back, ours in colour; at the end, how it grows.

    A bar is the median, the line on it goes from the least to the most of the turns.
    """
    mpl.use("Agg")
    rows = len(measured) + bool(growth)
    figure = Figure(figsize=(13, _INCHES * rows + 0.4), layout="constrained")
    figure.suptitle(title)
    charts = figure.subplots(rows, 2, squeeze=False)
    for one, pair in zip(measured, charts, strict=False):
        for (verb, named), chart in zip(_VERBS.items(), pair, strict=True):
            shown = [result for result in one.results.values() if result.way.verb == verb and result.costs]
            _bars(chart, one.table.rows, shown)
            chart.set_title(f"{one.table.name}, {named}: rows a second", fontsize=9)
    if growth:
        _growth(charts[-1], growth)
    figure.savefig(file, dpi=110, metadata={"Software": None})


def _bars(chart: Axes, rows: int, results: Sequence[Result]) -> None:
    for place, result in enumerate(results):
        seconds = [cost.seconds for cost in result.costs]
        middle = rows / statistics.median(seconds)
        around = [[middle - rows / max(seconds)], [rows / min(seconds) - middle]]
        chart.barh(place, middle, xerr=around, color=_OURS if result.way.ours else _THEIRS, ecolor="#333333")
        label = "white" if result.way.ours else "black"
        chart.annotate(f" {middle:,.0f}", (0, place), va="center", fontsize=7, color=label)
    chart.set_yticks(range(len(results)), [result.way.name for result in results], fontsize=7)
    chart.invert_yaxis()
    chart.tick_params(axis="x", labelsize=7)
    chart.xaxis.set_major_locator(MaxNLocator(5))
    chart.xaxis.set_major_formatter("{x:,.0f}")
    chart.spines[["top", "right"]].set_visible(False)


def _growth(charts: Sequence[Axes], growth: Growth) -> None:
    times, memory = charts
    sizes = sorted({rows for measured in growth.costs.values() for rows in measured})
    for key, measured in growth.costs.items():
        name = growth.ways[key].name
        times.plot(sizes, [growth.of_a_million(key, rows) for rows in sizes], "o-", label=name)
        memory.plot(sizes, [max(cost.peak for cost in measured[rows]) / 2**20 for rows in sizes], "o-", label=name)
    for chart, title in ((times, "seconds of a million rows"), (memory, "peak memory, MiB")):
        chart.set_title(f"growing table: {title}", fontsize=9)
        chart.set_xscale("log")
        chart.set_xticks(sizes, [f"{rows:,}" for rows in sizes])
        chart.minorticks_off()
        chart.set_ylim(bottom=0)
        chart.set_xlabel("rows", fontsize=7)
        chart.tick_params(labelsize=7)
    times.legend(fontsize=7)
