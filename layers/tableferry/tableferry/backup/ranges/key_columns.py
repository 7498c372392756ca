"""The columns of a primary key by which a table is cut into ranges: how their values are read, told and written in SQL."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from tableferry.mysql.identifiers import quote
from tableferry.schema.codec import Codec, codec
from tableferry.schema.key_range import Value
from tableferry.schema.table import Column, Table
from tableferry.schema.types import TYPES, Family

_HEXED = {Family.STRING, Family.BINARY}
_READ: dict[Family, str] = {
    **dict.fromkeys((Family.INTEGER, Family.YEAR, Family.DECIMAL), "{}"),
    Family.BIT: "CAST({} AS UNSIGNED)",
    Family.FLOATING: "{} + 0e0",  # a FLOAT is printed with fewer digits than it has
    **dict.fromkeys((Family.DATE, Family.INSTANT, Family.TIME, Family.ADDRESS), "CAST({} AS CHAR)"),
    **dict.fromkeys(_HEXED, "HEX({})"),
}
"""How a value is selected, by the families that have ranges. Not ENUM and SET: no server looks up what is between two."""

_TOLD: dict[Family, Callable[[object], Value]] = {
    **dict.fromkeys((Family.INTEGER, Family.YEAR, Family.BIT), lambda value: int(str(value))),
    Family.DECIMAL: lambda value: format(Decimal(str(value)), "f"),
    Family.FLOATING: lambda value: format(float(str(value)), ".16e"),
}


@dataclass(frozen=True, slots=True)
class KeyColumn:
    """One column of a key. ``collation`` is empty for what is no text."""

    name: str
    family: Family
    codec: Codec
    collation: str

    @property
    def sql(self) -> str:
        return quote(self.name)

    @property
    def selected(self) -> str:
        """The expression to read a value by."""
        return _READ[self.family].format(self.sql)

    def told(self, found: object) -> Value:
        """What was read, as a bound's value."""
        return _TOLD.get(self.family, str)(found)

    def literal(self, value: Value) -> str:
        """A value in SQL."""
        return str(value) if isinstance(value, int) else self.codec.literal(value)


def key_columns(table: Table) -> tuple[KeyColumn, ...]:
    """The first columns of a table's primary key by which ranges can be looked up; none where there are no ranges."""
    found = []
    for name in table.ordered_key:
        column = table.column(name)
        if column is None or not _has_ranges(column):
            break
        collation = (column.collation or "") if TYPES[column.data_type].family is Family.STRING else ""
        found.append(KeyColumn(column.name, TYPES[column.data_type].family, codec(column), collation))
    return tuple(found)


def _has_ranges(column: Column) -> bool:
    type_ = TYPES.get(column.data_type)
    if type_ is None:
        return False
    # A manifest has no codec of a generated column, by which a bound of it could be read; a number needs none.
    return type_.family is Family.INTEGER or (type_.family in _READ and not column.generated)
