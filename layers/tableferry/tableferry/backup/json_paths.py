"""The places that a table's JSON documents have in common, and a condition for those with nothing anywhere else.

MySQL reaches every scalar of any document by JSON_TABLE only, which makes a table for each document. At a path that is
known, JSON_EXTRACT finds one in a fifth of the time. So a few documents tell the paths, and the server says of the others
whether they have only these: whether each object and array is as long as it has parts that are known and well.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

_IN_A_PATH = re.compile(r"[^\"\\'\x00-\x1f]+")  # keys that stand in a path in a literal as they are
_DEEPEST, _MOST = (
    8,
    100,
)  # levels and places in a condition: a `thread_stack` of 128 KiB, the least there is, bears these
_LEAST = 1 / 16  # of the documents: a place that fewer have costs more than it saves
_BY_TABLE = 5  # times the price of a place, for each scalar that JSON_TABLE has to find; seen on MySQL 9.7

Branches = Callable[[str], str]
"""From an expression for a value to branches of ``CASE JSON_TYPE(value)``: 1 for each scalar that is well."""


def condition(documents: Sequence[str], column: str, well: Branches) -> str | None:
    """An expression that is 1 only where all scalars of a document are well, made for documents like these; else 0.

    ``documents`` are JSON, ``column`` is SQL. A document with anything where these have nothing makes it 0, too, and so
    does NULL. Returns None where documents have so little in common that it would cost more than it saves.
    """
    values = [json.loads(document) for document in documents]
    root = _Place()
    for value in values:
        root.take(value, _DEEPEST)
    places = root.keep(len(values) * _LEAST)
    scalars = [_scalars(value) for value in values]
    spared = sum(count for count, value in zip(scalars, values, strict=True) if root.covers(value))
    if places > _MOST or places * len(values) >= spared * _BY_TABLE:
        return None
    return root.condition(column, "$", well)


@dataclass(slots=True)
class _Place:
    """What stands at one path of the documents: how many have anything there, how many a scalar; and the paths below."""

    documents: int = 0
    scalars: int = 0
    members: dict[str, _Place] = field(default_factory=dict)
    elements: dict[int, _Place] = field(default_factory=dict)

    def take(self, value: Any, deeper: int) -> None:
        """One more document has this value here."""
        self.documents += 1
        if not isinstance(value, dict | list):
            self.scalars += 1
        elif deeper and isinstance(value, dict):
            for name in filter(_IN_A_PATH.fullmatch, value):
                self.members.setdefault(name, _Place()).take(value[name], deeper - 1)
        elif deeper:
            for index, element in enumerate(value):
                self.elements.setdefault(index, _Place()).take(element, deeper - 1)

    def keep(self, least: float) -> int:
        """Forget the places that fewer documents have; how many are left, this one included."""
        self.members = {name: place for name, place in self.members.items() if place.documents >= least}
        self.elements = {index: place for index, place in self.elements.items() if place.documents >= least}
        return 1 + sum(place.keep(least) for place in (*self.members.values(), *self.elements.values()))

    def covers(self, value: Any) -> bool:
        """Whether the condition holds for a value that was taken, if all its scalars are well."""
        if isinstance(value, dict):
            return all(name in self.members and self.members[name].covers(part) for name, part in value.items())
        if isinstance(value, list):
            return all(index in self.elements and self.elements[index].covers(part) for index, part in enumerate(value))
        return True

    def condition(self, column: str, path: str, well: Branches) -> str:
        """1 where the value at the path has known parts only, each of them well; else, and where there is none, 0.

        A path finds each part once; what is no array counts as its own first element, and what is a scalar has the length
        1. So a sum as large as the length has counted every part, or the value itself, and nothing that is not well.
        """
        parts = [place.condition(column, f'{path}."{name}"', well) for name, place in self.members.items()]
        parts += [place.condition(column, f"{path}[{index}]", well) for index, place in self.elements.items()]
        whole = f"COALESCE(JSON_LENGTH({column}, '{path}') = {_sum(parts)}, 0)"
        if not self.scalars:
            return whole
        value = f"JSON_EXTRACT({column}, '{path}')"
        return f"CASE JSON_TYPE({value}) {well(value)} ELSE {whole if parts else '0'} END"


def _sum(terms: Sequence[str]) -> str:
    # In halves: the server's stack is as deep as the sum is nested.
    if len(terms) < 3:
        return " + ".join(terms) or "0"
    half = len(terms) // 2
    return f"({_sum(terms[:half])}) + ({_sum(terms[half:])})"


def _scalars(value: Any) -> int:
    if isinstance(value, dict):
        value = list(value.values())
    return sum(map(_scalars, value)) if isinstance(value, list) else 1
