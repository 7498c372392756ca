"""docs/capacity.md: its tables, computed by the modules that choose and price a backup. ``make openapi`` writes them in.

The rest of the page is written by hand. A test holds the tables to the modules.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from tableferry.backup.outlook import capacity
from tableferry.backup.outlook.capacity import Allowed, Choice, Pace, Size, choose
from tableferry.backup.outlook.cost import cost

TARGET = Path(__file__).parent.parent / "docs" / "capacity.md"
SIZES = {"10 GB": 10 * 10**9, "100 GB": 100 * 10**9, "1 TB": 10**12}
FUNCTION_SECONDS = 900.0
VOLUMES = {"125 MiB/s": 125, "500 MiB/s": 500, "1,000 MiB/s": 1000}
_MANY = 100
_STATIC = 8
_ROW_BYTES = 180


def by_size() -> str:
    """For each size and way: functions, connections, time, what is asked of the volume, and money."""
    lines = [
        "| tables | way | functions | connections | expected | read together | Lambda | S3 requests | Step Functions | kept a month |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    return "\n".join([*lines, *(line for name, size in SIZES.items() for line in _ways(name, size))])


def by_volume() -> str:
    """How far one live moment reaches."""
    lines = ["| the server's volume gives | one live moment reaches |", "|---|---|"]
    for name, mebibytes in VOLUMES.items():
        reached = capacity.reach(FUNCTION_SECONDS, mebibytes * 1024**2)
        lines.append(f"| {name} | {reached / 1e9:,.0f} GB |")
    return "\n".join(lines)


def text(page: str) -> str:
    """The page, with its tables as they are now."""
    for name, table in {"by size": by_size(), "by volume": by_volume()}.items():
        begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
        page = re.sub(f"{begin}.*?{end}", f"{begin}\n{table}\n{end}", page, flags=re.DOTALL)
    return page


def _ways(name: str, count: int) -> Iterator[str]:
    size = Size(count, count // _ROW_BYTES)
    one = choose(size, Pace(), Allowed(FUNCTION_SECONDS))
    yield _line(name, "one function", size, one)
    many = Allowed(FUNCTION_SECONDS, scale=True, workers=_MANY)
    chosen = choose(size, Pace(), many)
    yield _line("", "many, one live moment", size, choose(size, Pace(), many, 2) if chosen.one else chosen)
    static = Allowed(FUNCTION_SECONDS, scale=True, workers=_STATIC, sources=("static",))
    yield _line("", "a static source", size, choose(size, Pace(), static))


def _line(name: str, way: str, size: Size, choice: Choice) -> str:
    if choice.refusal:
        return f"| {name} | {way} | 1 | {choice.all_connections} | {_time(choice.seconds)}: refused | | | | | |"
    price = cost(size.bytes, 1, choice)
    together = capacity.asked_of_volume(size, choice.pace, choice.workers)
    beyond = size.bytes > max(capacity.reach(FUNCTION_SECONDS, most * 1024**2) for most in VOLUMES.values())
    cells = [
        name,
        way,
        f"{choice.workers:,}",
        f"{choice.all_connections:,}",
        _time(choice.seconds),
        f"{together / 1e6:,.0f} MB/s" + (": beyond these volumes" if beyond and choice.source == "live" else ""),
        *(_money(part) for part in (price.functions, price.requests, price.state_machine, price.storage_a_month)),
    ]
    return f"| {' | '.join(cells)} |"


def _money(dollars: float) -> str:
    return f"${dollars:,.3f}" if dollars >= 0.0005 else "< $0.001" if dollars else ""


def _time(seconds: float) -> str:
    return f"{seconds / 60:,.0f} min" if seconds < 7200 else f"{seconds / 3600:,.1f} h"


if __name__ == "__main__":
    TARGET.write_text(text(TARGET.read_text(encoding="utf-8")), encoding="utf-8")
