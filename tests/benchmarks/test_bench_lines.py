"""The benchmark of broken lines accounts for every one, and a table's columns are looked up once each."""

from typing import Any

import polars as pl
import pytest

from benchmarks.verbs import hard_files
from tableferry.ingest.rows.rules import Rules
from tableferry.schema.table import Column, Table
from tests.effort import by_turns


@by_turns
def test_every_shape_is_measured_in_every_size_and_all_of_it_read() -> None:
    for figure in hard_files.measure((6_000, 12_000)):
        shape = next(shape for shape in hard_files.SHAPES if shape.name == figure.name)
        lines = figure.size // len(shape.unit)
        assert figure.rejected <= figure.read <= lines
        assert figure.read > 0, figure
        assert ("good rows" in figure.name) == (figure.rejected <= 1), figure


def test_the_types_of_a_frame_are_asked_for_a_few_times_however_many_columns_it_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[int] = []
    real: Any = pl.DataFrame.schema

    def schema(frame: pl.DataFrame) -> pl.Schema:
        asked.append(frame.width)
        return real.__get__(frame)  # type: ignore[no-any-return]

    monkeypatch.setattr(pl.DataFrame, "schema", property(schema))
    hard_files.wide([50])
    few = len(asked)
    hard_files.wide([100])
    assert len(asked) == 2 * few


def test_rows_and_headers_of_many_columns_are_looked_up_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    folded: list[str] = []

    class Name(str):
        __slots__ = ()

        def casefold(self) -> str:
            folded.append(self)
            return super().casefold()

    columns = tuple(Column(Name(f"c{number}"), "int", "int", nullable=True) for number in range(300))
    rules = Rules(Table("s", "t", "InnoDB", columns, ()))
    del folded[:]
    row, problems = rules.of_object(1, {column.name: 5 for column in columns})
    assert row is not None
    assert not problems
    assert len(folded) <= 300
