"""What the demo shows: one line for each step with its time, and a progress bar when a step takes long."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

_LONG_SECONDS = 1.0
_TITLE_WIDTH = 30
_TIME_WIDTH = 8


class Step:
    """One step while it runs: what it tells about itself."""

    def __init__(self, bar: Progress, title: str) -> None:
        self._bar = bar
        self._task = bar.add_task(title, total=None)
        self.result = ""

    def progress(self, done: int, of: int | None) -> None:
        """So much is done, of so much."""
        self._bar.update(self._task, completed=done, total=of)

    def says(self, result: str) -> None:
        """What came of it, in a few words."""
        self.result = result


class Steps:
    """Prints the steps as they end. The bar of one is shown from its first second on, and only on a terminal."""

    def __init__(self, console: Console) -> None:
        self._console, self._count = console, 0

    @contextmanager
    def __call__(self, title: str) -> Iterator[Step]:
        self._count += 1
        bar = Progress(
            SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
            console=self._console, transient=True,
        )  # fmt: skip
        step, begin = Step(bar, title), time.perf_counter()
        late = threading.Timer(_LONG_SECONDS, bar.start)
        late.daemon = True
        if self._console.is_terminal:
            late.start()
        mark = "[red]✘[/]"
        try:
            yield step
            mark = "[green]✔[/]"
        finally:
            if late.ident is not None:
                late.cancel()
                late.join()
            if bar.live.is_started:
                bar.stop()
            self._line(mark, title, step.result, time.perf_counter() - begin)

    def table(self, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """A small table below the step that has just ended; columns whose values are numbers are set right."""
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
        for number, head in enumerate(heads):
            right = all(row[number].replace(",", "").isdigit() for row in rows)
            table.add_column(head, justify="right" if right else "left", overflow="fold")
        for row in rows:
            table.add_row(*(escape(value) for value in row))
        self._console.print(Padding(table, (0, 0, 0, 5)))

    def _line(self, mark: str, title: str, result: str, seconds: float) -> None:
        line = Table.grid(padding=(0, 1), expand=True)
        for width, justify in (
            (1, "left"),
            (2, "right"),
            (_TITLE_WIDTH, "left"),
            (None, "left"),
            (_TIME_WIDTH, "right"),
        ):
            line.add_column(width=width, ratio=None if width else 1, justify=justify, overflow="fold")  # type: ignore[arg-type]
        line.add_row(mark, str(self._count), f"[bold]{escape(title)}[/]", escape(result), f"{seconds:.2f} s")
        self._console.print(line)
