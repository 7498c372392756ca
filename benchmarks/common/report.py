"""The benchmark's figures as Markdown."""

import statistics
from collections.abc import Mapping, Sequence

from benchmarks.common.series import Series

_HEADS = ("case", "times", "rows", "median", "min to max", "p99", "rows/s", "peak memory", "ratio to the plain way")
NOTES = """\
Times are what a client sees, over HTTP; a load's is from the end of its upload. Peak memory is that of the function's
process (VmHWM). Ratio: our rows a second by the plain way's, of the medians, and in brackets the least and the most of the
turns; above 1, Tableferry is faster. The plain ways check, account for and verify nothing.
"""


def report(facts: Mapping[str, str], sections: Sequence[str]) -> str:
    """The whole of one server: what it depends on, then each section, which is Markdown that ends with a line end."""
    lines = ["# Benchmark", "", *(f"- {name}: {value}" for name, value in facts.items()), ""]
    return "\n".join(lines) + "\n" + "\n".join(sections)


def table(cases: Sequence[Series]) -> str:
    """All cases, each followed by the plain ways beside it that no case before it had; `NOTES` explain the columns."""
    shown: list[Series] = []
    for case in cases:
        shown.append(case)
        shown += [plain for plain in case.beside if not any(plain is other for other in shown)]
    lines = [markdown_row(_HEADS), "|" + "---|" * len(_HEADS), *(markdown_row(_cells(case)) for case in shown)]
    return "\n".join([*lines, ""])


def markdown_row(cells: Sequence[str]) -> str:
    """One line of a table."""
    return "| " + " | ".join(cells) + " |"


def duration(seconds: float) -> str:
    """A time with its unit."""
    return f"{seconds * 1000:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"


def mebibytes(size: int | None) -> str:
    """A size in memory; a dash where nothing is known."""
    return "-" if size is None else f"{size / 2**20:,.0f} MiB"


def _cells(case: Series) -> Sequence[str]:
    few = len(case.seconds) < 100
    return (
        case.name,
        str(len(case.seconds)),
        f"{case.rows:,}",
        duration(statistics.median(case.seconds)),
        f"{duration(min(case.seconds))} to {duration(max(case.seconds))}",
        "-" if few else duration(statistics.quantiles(case.seconds, n=100)[98]),
        f"{case.rate:,.0f}",
        mebibytes(case.peak),
        ", ".join(_ratio(case, plain) for plain in case.beside) or "-",
    )


def _ratio(case: Series, plain: Series) -> str:
    ratio, least, most = case.against(plain)
    return f"{ratio:.2f} ({least:.2f} to {most:.2f}) of {plain.short or plain.name}"
