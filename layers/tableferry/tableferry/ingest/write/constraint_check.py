"""Which rows of a batch a table would refuse, found by sets and not one by one.

The batch goes into a temporary table without constraints. A query for each key, foreign key and check of the table tells
which rows break it, and which rows of the batch have the same key; who of those comes first is decided here, in order.
Whether the database agrees, and which reason it gives, the caller has to find out from it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from tableferry.errors import NotSupported
from tableferry.mysql import local_infile
from tableferry.mysql.database import Connection, dialect, execute, rows
from tableferry.mysql.identifiers import NAME, TEXT, column_list, qualified, quote, unquoted
from tableferry.mysql.privileges import may
from tableferry.schema import show_create
from tableferry.schema.catalog import definition, fires
from tableferry.schema.table import Table

_SIEVE = "tableferry_sieve"
_NUMBER = "tableferry_number"
_LINES_A_PIECE = 5000

_UNIQUE = re.compile(r"  (?:PRIMARY|UNIQUE) KEY ")
_PLAIN_UNIQUE = re.compile(
    rf"  (?:(PRIMARY) KEY|UNIQUE KEY ({NAME})) \(({NAME}(?: DESC)?(?:,{NAME}(?: DESC)?)*)\)(?!.*USING HASH)",
    re.DOTALL,
)
_FOREIGN = re.compile(rf"  CONSTRAINT ({NAME}) FOREIGN KEY \(([^)]*)\) REFERENCES (?:({NAME})\.)?({NAME}) \(([^)]*)\)")
_CHECK = re.compile(rf"  CONSTRAINT ({NAME}) CHECK (\(.*\))( /\*!80016 NOT ENFORCED \*/)?$", re.DOTALL)
_QUOTED_OR_NAME = re.compile(rf"{TEXT}|({NAME})", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Constraint:
    """What a row can break: ``code`` is the problem's, ``name`` the server's, ``broken`` a query of the rows' numbers."""

    code: str
    name: str
    columns: tuple[str, ...]
    broken: str


@dataclass(frozen=True, slots=True)
class Finding:
    """A row, by its place in the batch, and the constraints that it breaks, as bits.

    ``before``: in the table as it was; ``then``: when it is this row's turn; ``after``: when the others are in.
    """

    place: int
    before: int
    then: int
    after: int


class Unknown(Exception):
    """The table has rules that cannot be put to a set of rows."""


def constraints(connection: Connection, table: Table) -> list[Constraint]:
    """All that the table asks of a row besides its types.

    Raises:
        Unknown: there are triggers, or keys and checks that are more than columns, or look at the table itself.
    """
    if not may(connection, "TRIGGER", table.schema, table.name) or fires(
        connection, table.schema, table.name, "INSERT"
    ):
        raise Unknown
    try:
        text = definition(connection, table.schema, table.name)
        body, tail = show_create.parts(text)
    except (NotSupported, ValueError) as error:  # it is not to be read
        raise Unknown from error
    found = [_key(table, line) for line in body if _UNIQUE.match(line)]
    found += [_foreign_key(table, line) for line in show_create.foreign_key_lines(text)]
    checks = [_check(table, name, clause) for name, clause in _checks(connection, table, body)]
    if checks and "PARTITION BY" in tail:
        raise Unknown
    found += checks
    stored = {column.name for column in table.stored}
    if not all(stored.issuperset(one.columns) for one in found):
        raise Unknown
    return found


def _checks(connection: Connection, table: Table, body: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The name and the clause of each check that is enforced."""
    if not dialect(connection).columns_have_checks:
        for line in body:
            if (check := _CHECK.match(line)) and not check[3]:
                yield unquoted(check[1]), check[2]
        return
    if any(" CHECK " in line for line in body):
        for name, level, clause in rows(
            connection,
            "SELECT constraint_name, level, check_clause FROM information_schema.check_constraints"
            " WHERE constraint_schema = %s AND table_name = %s",
            (table.schema, table.name),
        ):
            yield (f"{table.name}.{name}" if level == "Column" else name), f"({clause})"


def _key(table: Table, line: str) -> Constraint:
    found = _PLAIN_UNIQUE.match(line)
    if found is None:
        raise Unknown
    columns = _names(found[3])
    same = " AND ".join(f"there.{quote(name)} = given.{quote(name)}" for name in columns)
    broken = f"SELECT given.{_NUMBER} FROM {_of(table)} given STRAIGHT_JOIN {table.sql} there ON {same}"
    return Constraint("duplicate_key", found[1] or unquoted(found[2]), columns, broken)


def _foreign_key(table: Table, line: str) -> Constraint:
    found = _FOREIGN.match(line)
    if found is None:
        raise Unknown
    schema = unquoted(found[3]) if found[3] else table.schema
    parent, columns, parents = unquoted(found[4]), _names(found[2]), _names(found[5])
    if (schema, parent) == (table.schema, table.name):
        raise Unknown
    same = " AND ".join(
        f"there.{quote(theirs)} = given.{quote(ours)}" for ours, theirs in zip(columns, parents, strict=True)
    )
    given = " AND ".join(f"given.{quote(name)} IS NOT NULL" for name in columns)
    broken = (
        f"SELECT given.{_NUMBER} FROM {_of(table)} given LEFT JOIN {qualified(schema, parent)} there ON {same}"
        f" WHERE {given} AND there.{quote(parents[0])} IS NULL LOCK IN SHARE MODE"
    )
    return Constraint("missing_parent", unquoted(found[1]), columns, broken)


def _check(table: Table, name: str, clause: str) -> Constraint:
    columns = {unquoted(one[1]) for one in _QUOTED_OR_NAME.finditer(clause) if one[1]}
    broken = f"SELECT {_NUMBER} FROM {_of(table)} WHERE NOT {clause}"
    return Constraint("check", name, tuple(sorted(columns)), broken)


def _names(text: str) -> tuple[str, ...]:
    return tuple(unquoted(name) for name in re.findall(NAME, text))


def _of(table: Table) -> str:
    return qualified(table.schema, _SIEVE)


def wanted_by(known: Sequence[Constraint]) -> set[str]:
    """The columns that the constraints are about."""
    return {name for one in known for name in one.columns}


def sift(
    connection: Connection,
    table: Table,
    known: Sequence[Constraint],
    targets: Sequence[local_infile.Target],
    lines: Sequence[str],
) -> list[Finding]:
    """The rows that the table would refuse, one handled after the other, in order.

    Parents are looked for as the server does, with locks. Keys are not: locks on the gaps where they would be make
    sessions that append to one table wait for each other. So one that another session has just taken may be missed, and
    inserting the row shows it.

    ``lines`` are the batch as LOAD DATA reads it, a line a row, into ``targets``: of the columns ``wanted_by`` the
    constraints those that are given. Memory: the lines, and some numbers for each row that breaks or shares a key.

    Raises:
        Unknown: the lines do not go into a table of the same types unaltered.
        pymysql.err.MySQLError: also where the user may not make temporary tables.
    """
    with _filled(connection, table, known, targets, lines):
        before: dict[int, int] = {}
        for bit, one in enumerate(known):
            for (number,) in rows(connection, one.broken):
                before[number] = before.get(number, 0) | 1 << bit
        alike: dict[int, list[tuple[int, int]]] = {}
        for bit, one in enumerate(known):
            if one.code == "duplicate_key":
                for number, first in rows(connection, _alike(table, one)):
                    alike.setdefault(number, []).append((bit, first))
    return _in_turn(before, alike)


def _in_turn(before: dict[int, int], alike: dict[int, list[tuple[int, int]]]) -> list[Finding]:
    """Take rows in order: one that breaks nothing has its keys from then on."""
    taken: set[tuple[int, int]] = set()
    refused: dict[int, int] = {}

    def broken(number: int) -> int:
        found = before.get(number, 0)
        for key in alike.get(number, ()):
            if key in taken:
                found |= 1 << key[0]
        return found

    for number in sorted({*before, *alike}):
        if then := broken(number):
            refused[number] = then
        else:
            taken.update(alike[number])
    return [Finding(number, before.get(number, 0), then, broken(number)) for number, then in refused.items()]


def _alike(table: Table, key: Constraint) -> str:
    """The rows of the batch that share a key with others, each with the number of the first of them."""
    columns = column_list(key.columns)
    known = " AND ".join(f"{quote(name)} IS NOT NULL" for name in key.columns)
    return (
        f"SELECT number, first FROM (SELECT {_NUMBER} number, MIN({_NUMBER}) OVER same first, COUNT(*) OVER same many"
        f" FROM {_of(table)} WHERE {known} WINDOW same AS (PARTITION BY {columns})) counted WHERE many > 1"
    )


@contextmanager
def _filled(
    connection: Connection,
    table: Table,
    known: Sequence[Constraint],
    targets: Sequence[local_infile.Target],
    lines: Sequence[str],
) -> Iterator[None]:
    """The temporary table with the batch in it."""
    wanted = wanted_by(known)
    columns = [column for column in table.stored if column.name in wanted]
    # What asks for the next number is NULL here, as elsewhere where a key's column may be NULL.
    numbered = "".join(
        f", {quote(column.name)} {column.column_type} NULL" for column in columns if column.auto_increment
    )
    execute(
        connection,
        f"CREATE TEMPORARY TABLE {_of(table)} ({_NUMBER} INT NOT NULL DEFAULT 0 PRIMARY KEY{numbered}) ENGINE = InnoDB"
        f" SELECT {column_list(column.name for column in columns)} FROM {table.sql} LIMIT 0",
    )
    try:
        outcome = local_infile.load(connection, _of(table), [local_infile.Target(_NUMBER), *targets], _numbered(lines))
        if outcome.warnings or outcome.stored != len(lines):
            raise Unknown
        yield
    finally:
        if connection.open:
            execute(connection, f"DROP TEMPORARY TABLE IF EXISTS {_of(table)}")


def _numbered(lines: Sequence[str]) -> Iterator[bytes]:
    for start in range(0, len(lines), _LINES_A_PIECE):
        part = lines[start : start + _LINES_A_PIECE]
        yield "".join([f"{number},{line}\n" for number, line in enumerate(part, start)]).encode()
