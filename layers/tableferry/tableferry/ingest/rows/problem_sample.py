"""Problems of rows, as many as one answer carries: the first of each row before any second one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace

from tableferry.errors import Problem

MOST_BYTES = 4 * 1024 * 1024
"""Of 6 MiB that a function's answer may have: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html."""

_LONGEST_NAME = 100  # a column's is shorter; a request may give any
_LONGEST_MESSAGE = 500


def shortlist(problems: Sequence[Problem], most_bytes: int = MOST_BYTES) -> tuple[tuple[Problem, ...], int]:
    """The problems that go into so many bytes of an answer, in the order of their rows, and how many there are besides.

    What a request named by a longer name than any column has is cut. Memory: a number for each problem.
    """
    problems = sorted(problems, key=lambda problem: problem.row)
    left = most_bytes
    taken: dict[int, Problem] = {}
    for place in _in_order(problems):
        problem = _cut(problems[place])
        left -= _bytes(problem)
        if left < 0:
            break
        taken[place] = problem
    return tuple(taken[place] for place in sorted(taken)), len(problems) - len(taken)


def _in_order(problems: Sequence[Problem]) -> Iterator[int]:
    """The places of each row's first problem, then those of all others."""
    firsts = [place for place, problem in enumerate(problems) if not place or problems[place - 1].row != problem.row]
    yield from firsts
    seen = set(firsts)
    yield from (place for place in range(len(problems)) if place not in seen)


def _cut(problem: Problem) -> Problem:
    if len(problem.column) <= _LONGEST_NAME and len(problem.message) <= _LONGEST_MESSAGE:
        return problem
    column, message = problem.column[:_LONGEST_NAME], problem.message[:_LONGEST_MESSAGE]
    return replace(problem, column=column, message=message)


def _bytes(problem: Problem) -> int:
    """How long it is in an answer, which a function gives as a text within JSON: each quote has a backslash there."""
    text = json.dumps(asdict(problem))
    return len(text) + text.count('"') + text.count("\\") + 1
