"""The documentation's pages as commands: what a reader would type, in order, with the answers that they are shown.

A fenced block of the kind ``sh`` is typed into a shell, one of the kind ``python`` is given to the virtual environment's Python,
and one of the kind ``json`` is the answer of the block right above it. What cannot be run against the local runtime says so in a
comment on the line before the fence, which no reader of the page sees: ``<!-- needs Docker -->``.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.runtime.state import ROOT

NEEDS = ("an account", "Docker", "a machine of its own")
"""What a block may need that the local runtime of a test has not; the last is of what sets up, starts or removes it."""

_BLOCK = re.compile(r"(?:^<!-- needs ([^\n]+) -->\n)?^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@dataclass
class Block:
    """One fenced block; ``needs`` is empty where it can be run here, ``answer`` is what the page shows below it."""

    kind: str
    text: str
    needs: str
    answer: dict[str, Any] | None = None

    @property
    def script(self) -> str:
        """The block as bash takes it."""
        if self.kind == "python":
            return f".venv/bin/python - <<'END_OF_PYTHON'\n{self.text}END_OF_PYTHON\n"
        return self.text


def blocks(page: Path) -> list[Block]:
    """The blocks of a page that somebody would type, each with its answer."""
    found: list[Block] = []
    text, end = page.read_text(encoding="utf-8"), 0
    for fence in _BLOCK.finditer(text):
        needs, kind, content = fence.groups(default="")
        if kind in ("sh", "python"):
            found.append(Block(kind, content, needs))
        elif kind == "json" and found and not text[end : fence.start()].strip():
            found[-1].answer = json.loads(content)
        end = fence.end()
    return found


def run_here(page: Path) -> list[Block]:
    """Those that are run against the local runtime."""
    return [block for block in blocks(page) if not block.needs]


def all_pages() -> Sequence[Path]:
    """The README, and every page of docs/ that has something to type."""
    return [page for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))] if blocks(page)]
