"""Which tables are served: the allow-list of names that the setting TABLES holds."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase


@dataclass(frozen=True, slots=True)
class TableFilter:
    """Patterns of table names, in which ``*`` stands for any text and ``?`` for one character; ``!`` before one excludes.

    A name is served if a pattern takes it in and none excludes it. Case counts, as it does in the names of tables on
    Linux. Without patterns every name is served.
    """

    patterns: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> TableFilter:
        """Read patterns that stand one beside the other with commas between them; spaces around them do not count."""
        return cls(tuple(part for pattern in text.split(",") if (part := pattern.strip())))

    def __contains__(self, name: str) -> bool:
        included = [pattern for pattern in self.patterns if not pattern.startswith("!")] or ["*"]
        excluded = [pattern[1:] for pattern in self.patterns if pattern.startswith("!")]
        return any(_matches(name, one) for one in included) and not any(_matches(name, one) for one in excluded)


EVERY_TABLE = TableFilter()


def _matches(name: str, pattern: str) -> bool:
    return fnmatchcase(name, pattern.replace("[", "[[]"))  # a bracket in a table's name is a bracket
