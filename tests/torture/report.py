"""What became of the torture tables, as a table on the screen and as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.table import Table

_SAME, _NOT_APPLICABLE = "identical", "n/a"


@dataclass(frozen=True)
class Row:
    """One case: what differs, by format and by rival, empty where nothing does; None where the server has no such thing."""

    case: str
    ours: Sequence[str] | None
    theirs: Sequence[str] | None


@dataclass
class Sheet:
    """All cases on one server. ``rivals`` are the names and versions of the other tools."""

    server: str
    formats: Sequence[str]
    rivals: Sequence[tuple[str, str]]
    rows: list[Row] = field(default_factory=list)

    @property
    def lossless(self) -> bool:
        return bool(self.rows) and not any(any(row.ours or ()) for row in self.rows)

    def shown(self) -> Table:
        table = Table(title=f"{self.server}: {self._sum()}")
        for name in self._columns():
            table.add_column(name)
        for row in self.rows:
            table.add_row(row.case, *(_coloured(cell) for cell in self._cells(row)))
        return table

    def markdown(self) -> str:
        lines = [f"## {self.server}", "", f"{self._sum()}.", ""]
        lines += [_line(self._columns()), _line(["---"] * len(self._columns()))]
        lines += [_line([f"`{row.case}`" if "`" not in row.case else row.case, *self._cells(row)]) for row in self.rows]
        return "\n".join([*lines, ""])

    def _columns(self) -> list[str]:
        return ["table", *self.formats, *(f"{name} ({version})" for name, version in self.rivals)]

    def _cells(self, row: Row) -> list[str]:
        if row.ours is None or row.theirs is None:
            return [_NOT_APPLICABLE] * (len(self.formats) + len(self.rivals))
        return [cell or _SAME for cell in (*row.ours, *row.theirs)]

    def _sum(self) -> str:
        tried = [row for row in self.rows if row.ours is not None]
        said = [f"{len(tried)} tables, {len(self.rows) - len(tried)} not applicable here"]
        for number, name in enumerate([*self.formats, *(name for name, _ in self.rivals)]):
            same = sum(not [*(row.ours or ()), *(row.theirs or ())][number] for row in tried)
            said.append(f"{name} {same} of {len(tried)} identical")
        return "; ".join(said)


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def _coloured(cell: str) -> str:
    return {_SAME: f"[green]{cell}", _NOT_APPLICABLE: f"[dim]{cell}"}.get(cell, f"[red]{cell}")
