"""A text about in the middle of two others, in the order of their column's collation, which only the server knows.

So the server is asked what weight it gives to single characters: those of the texts, their neighbours, and some between
them. The first place at which the texts' characters have different weights gets the character in the middle. That is as good
as exact for most texts, and for those that a collation orders otherwise (accents at last, two letters as one) it is a guess
that the server corrects, as it is asked for the first key from there on.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import takewhile

from tableferry.backup.ranges.key_columns import KeyColumn
from tableferry.schema.key_range import Value

Ask = Callable[[str], Sequence[Sequence[object]]]
"""Runs a SELECT and returns its rows."""

_LEVELS = re.compile("_as_c[is]")
_LEAST_FIRST = b"\x02\0"
"""What counts first is larger, in Unicode's table of weights; what counts later, and MySQL's mark between them, smaller.
https://www.unicode.org/Public/UCA/latest/allkeys.txt."""

_UTF8 = {"utf8", "utf8mb3", "utf8mb4", "ascii"}
_BLOCK = 128  # characters that are asked for together: letters of one script lie side by side
_STEPS = 64  # characters between two that lie far apart
_PRINTABLE = range(0x20, 0x7F)
_SURROGATES = range(0xD800, 0xE000)
_MOST_CHARACTERS = 0x110000
_MOST_MIDDLES = 6


class Alphabet:
    """The characters of one column's texts, with their weights as far as they were asked for."""

    def __init__(self, column: KeyColumn, ask: Ask) -> None:
        self._column = column
        self._ask = ask
        self._weights: dict[str, bytes] = {"": b""}
        self._far_apart: set[tuple[str, str]] = set()

    def same(self, first: Value, last: Value) -> bool:
        """Whether the collation takes two texts for the same."""
        one, other = (self._column.literal(value) for value in (first, last))
        [(same,)] = self._ask(f"SELECT {one} = {other} COLLATE {self._column.collation}")
        return bool(same)

    def middles(self, first: Value, last: Value) -> Iterator[str]:
        """Texts that are likely to be above ``first`` and up to ``last``, in SQL, the best one first."""
        low, high = self._texts(first, last)
        found = 0
        for place in range(max(len(low), len(high))):
            one, other = low[place : place + 1], high[place : place + 1]
            if one == other:
                continue
            between = self._between(one, other)
            for character in between[len(between) // 2 :][:1] + between[-1:]:
                yield self._sql(high[:place] + character)
                found += 1
            if found >= _MOST_MIDDLES:
                break

    def _between(self, one: str, other: str) -> list[str]:
        """Characters of a weight above that of ``one`` and up to that of ``other``, in order, ``other`` last."""
        self._learn(one, other)
        low, high = self._weights[one], self._weights[other]
        found = {weight: character for character, weight in self._weights.items() if low < weight < high}
        return [found[weight] for weight in sorted(found)] + [other] * (low != high)

    def _learn(self, one: str, other: str) -> None:
        wanted = {*map(chr, _PRINTABLE)} if "a" not in self._weights else set()
        for character in (one, other):
            if character not in self._weights:
                start = ord(character) // _BLOCK * _BLOCK
                wanted |= {chr(code) for code in range(start, start + _BLOCK)}
        if one and other and (one, other) not in self._far_apart:
            self._far_apart.add((one, other))
            least, most = sorted((ord(one), ord(other)))
            wanted |= {chr(code) for code in range(least, most, max(1, (most - least) // _STEPS))}
        asked = sorted(character for character in wanted - self._weights.keys() if _is_character(character))
        if not asked:
            return
        collation = self._column.collation
        columns = ", ".join(
            f"HEX(WEIGHT_STRING({self._converted(character)} COLLATE {collation}))" for character in asked
        )
        [weights] = self._ask(f"SELECT {columns}")
        for character, weight in zip(asked, weights, strict=True):
            self._weights[character] = self._first_level(bytes.fromhex(str(weight or "")))

    def _first_level(self, weight: bytes) -> bytes:
        """Of a weight, what is compared first; accents and case count only between texts that are else the same."""
        if not _LEVELS.search(self._column.collation):
            return weight
        pairs = [weight[place : place + 2] for place in range(0, len(weight), 2)]
        counted: Iterator[bytes] = takewhile(_counts_first, pairs)
        return b"".join(counted)

    def _texts(self, *values: Value) -> list[str]:
        codec = self._column.codec
        if codec.charset in _UTF8:
            return [bytes.fromhex(str(value)).decode(errors="replace") for value in values]
        wanted = ", ".join(f"HEX(CONVERT({codec.literal(str(value))} USING utf8mb4))" for value in values)
        [found] = self._ask(f"SELECT {wanted}")
        return [bytes.fromhex(str(text)).decode(errors="replace") for text in found]

    def _converted(self, text: str) -> str:
        return f"CONVERT(_utf8mb4 X'{text.encode(errors='replace').hex()}' USING {self._column.codec.charset})"

    def _sql(self, text: str) -> str:
        return f"{self._converted(text)} COLLATE {self._column.collation}"


def _is_character(character: str) -> bool:
    return ord(character) not in _SURROGATES and ord(character) < _MOST_CHARACTERS


def _counts_first(pair: bytes) -> bool:
    return pair >= _LEAST_FIRST
