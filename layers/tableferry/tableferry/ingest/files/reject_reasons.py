"""Why rows of a file were rejected, counted by column and code, and the commonest of it in one sentence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias

from tableferry.errors import Problem

_MOST_KINDS = 50  # an entry of the ledger holds them all; what comes after them is counted by nobody

Reasons: TypeAlias = dict[str, tuple[int, int, str]]
"""By column and code, with a tab between them: how many rows, the first one's line, and its message."""


def counted(problems: Iterable[Problem], before: Mapping[str, tuple[int, int, str]] | None = None) -> Reasons:
    """The reasons of these rejects, the first problem of each, with those before them. Memory: 50 kinds."""
    found = dict(before or {})
    for problem in problems:
        kind = f"{problem.column}\t{problem.code}"
        if (known := found.get(kind)) is not None:
            found[kind] = (known[0] + 1, known[1], known[2])
        elif len(found) < _MOST_KINDS:
            found[kind] = (1, problem.row, problem.message)
    return found


def sentence(rejected: int, reasons: Mapping[str, tuple[int, int, str]]) -> str:
    """Why all the rows of a file were rejected: the commonest reason, with an example."""
    if not reasons:
        return f"All {rejected} rows were rejected; the file of rejects says why."
    kind, (rows, line, message) = max(reasons.items(), key=lambda found: found[1][0])
    column, _, code = kind.partition("\t")
    which = "all" if rows == rejected else f"{rows} of them"
    where = f" in column {column!r}" if column else ""
    return f"All {rejected} rows were rejected, {which} for {code!r}{where}; as in line {line}: {message}."
