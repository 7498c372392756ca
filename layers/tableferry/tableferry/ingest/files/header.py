"""Tests of a line that may be a header; `file_format.begin` decides by them.

Nothing is guessed where a guess could cost a row or its order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from tableferry.errors import InvalidRequest
from tableferry.ingest.rows.rules import Rules
from tableferry.schema.table import Column, Table
from tableferry.schema.types import BYTES, TEXTS

_TEXTS = TEXTS | BYTES
"""Types whose values may look like any name; bytes written as text do, too."""

_SHOWN = 10
IF_A_ROW = "say `header: no` if it is a row"


def header_of(table: Table, fields: Sequence[str | None]) -> tuple[Column, ...] | None:
    """The columns that a line names, if it is a header: every field the name of a column of the table.

    Raises:
        InvalidRequest: it is one, and names a column twice or one that the database computes. Taken for a row, it would
            be rejected, and the rows after it read in an order that is not theirs.
    """
    found = tuple(column for field in fields if (column := _column(table, field)))
    if not found or len(found) != len(fields):
        return None
    if computed := [column.name for column in found if column.generated]:
        raise InvalidRequest(
            f"The header names {', '.join(map(repr, computed))}, which the database computes: leave it out, with its values."
        )
    if twice := [name for name, count in Counter(column.name for column in found).items() if count > 1]:
        raise InvalidRequest(f"The header names {', '.join(map(repr, twice))} twice.")
    return found


def named(table: Table, fields: Sequence[str | None]) -> int:
    """How many of the fields name a column."""
    return sum(1 for field in fields if _column(table, field))


def are_labels(table: Table, fields: Sequence[str | None]) -> bool:
    """Whether every field is a column's name but for spaces, signs and case, as in `First Name,Last Name`."""
    known = {_letters(column.name) for column in table.columns} - {""}
    return bool(fields) and all(_column(table, field) or _letters(field) in known for field in fields)


def meant(table: Table, field: str) -> Column | None:
    """The column that is perhaps meant by a field that names none."""
    found = {_letters(column.name): column for column in reversed(table.stored)}
    letters = _letters(field)
    return found.get(letters) if letters and not _column(table, field) else None


def unlike_a_header(table: Table, fields: Sequence[str | None], *, said: bool) -> InvalidRequest:
    """Why a line is no header of the table: what it names, and what there is.

    It is ``said`` to be one, or names some of the columns.
    """
    strange = [_name(field) for field in fields if not _column(table, field)]
    given = {column.name for field in fields if (column := _column(table, field))}
    left = [column.name for column in table.stored if column.name not in given]
    which = f"{_listed(strange)} {'is no column' if len(strange) == 1 else 'are no columns'} of `{table.name}`"
    has = f"; it has {_listed(left)}" if left else ""
    some = "names some columns, and not in every field" if given else "seems to name columns, and not as the table does"
    what = "does not name columns" if said else some
    return InvalidRequest(f"The first line {what}: {which}{has}. Put the header right, or {IF_A_ROW}.")


def is_a_row(rules: Rules, fields: Sequence[str | None]) -> bool:
    """Whether a line that names columns is a row for all that: columns named ``1``, ``2``, ``3`` may hold these numbers.

    Text and NULL tell nothing: any name may be a text.
    """
    if not any(
        field is not None and not _is_text(column) for field, column in zip(fields, rules.columns, strict=False)
    ):
        return False
    return rules.of_fields(0, fields)[0] is not None


def either(fields: Sequence[str | None]) -> InvalidRequest:
    """Why a line is refused that can be a header and a row."""
    shown = ", ".join(str(field) for field in fields[:_SHOWN])
    return InvalidRequest(
        f"The first line ({shown}) names columns, and is a good row as well: say `header: yes` or `header: no`."
    )


def stands_again(rules: Rules, fields: Sequence[str | None]) -> Sequence[Column] | None:
    """The columns that a line further down names, if it is a header and no row; None for nearly every line, quickly."""
    if not fields or _column(rules.table, fields[0]) is None:
        return None
    found = [_column(rules.table, field) for field in fields]
    columns = [column for column in found if column is not None]
    if len(columns) != len(fields) or len({column.name for column in columns}) != len(columns):
        return None
    if len(columns) == 1 and columns[0] not in rules.columns:
        return None
    return None if is_a_row(rules, fields) else columns


def could_stand_again(columns: Sequence[Column]) -> bool:
    """Whether a line that is good by its looks could be a header: where all columns are text."""
    return all(_is_text(column) for column in columns)


def could_name_separator(columns: Sequence[Column]) -> bool:
    """Whether a line ``sep=;``, which is one field or two, could be good by its looks."""
    return len(columns) <= 2 and _is_text(columns[0])


def _is_text(column: Column) -> bool:
    return column.data_type in _TEXTS and not column.document


def _column(table: Table, field: str | None) -> Column | None:
    """The column that a field names, as it is written (a name may begin with a space) or without the spaces around it."""
    return table.column(field) or table.column(_name(field)) if field else None


def _name(field: str | None) -> str:
    """The name in a field. Tabs are not taken off: they may be the file's delimiter."""
    return (field or "").strip(" \u00a0")


def _letters(name: str | None) -> str:
    """What is left of a name without spaces, signs and case."""
    return "".join(sign for sign in (name or "").casefold() if sign.isalnum())


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(f"`{name[:64]}`" if name else "a field without a name" for name in names[:_SHOWN])
    return f"{shown} and {len(names) - _SHOWN} more" if len(names) > _SHOWN else shown
